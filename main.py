"""The deployed functions, by name, and nothing else: this file is executed once for each of them.

Each imports its own edge when first called, so that a function starts with only what it uses.
"""

import functions_framework
from cloudevents.http import CloudEvent
from flask import Request, Response


def policy(request: Request) -> Response:
    """§1, §8, §9: notices, versions, annex."""
    from functions.policy import edge

    return edge(request)


def consents(request: Request) -> Response:
    """§2: consent, recorded."""
    from functions.consents import edge

    return edge(request)


def requests(request: Request) -> Response:
    """§4, §5: a person's requests."""
    from functions.requests import edge

    return edge(request)


def subjects(request: Request) -> Response:
    """Who is who, from the website's server."""
    from functions.subjects import edge

    return edge(request)


def unsubscribe(request: Request) -> Response:
    """§6: one click, preferences, links."""
    from functions.unsubscribe import edge

    return edge(request)


def meta_callbacks(request: Request) -> Response:
    """§4, §5.1: somebody took our app away from their Facebook or Instagram account."""
    from functions.meta_callbacks import edge

    return edge(request)


def sendgrid_events(request: Request) -> Response:
    """§6, §8: what became of our mails, and who unsubscribed at SendGrid."""
    from functions.sendgrid_events import edge

    return edge(request)


def sendgrid_inbound(request: Request) -> Response:
    """§5.1, §6: mail to the contact address."""
    from functions.sendgrid_inbound import edge

    return edge(request)


def processing(request: Request) -> Response:
    """§3.2: may this be done with that person's data."""
    from functions.processing import edge

    return edge(request)


def stripe_events(request: Request) -> Response:
    """§4: what Stripe says happened to its customers."""
    from functions.stripe_events import edge

    return edge(request)


def operator(request: Request) -> Response:
    """The operator's calls."""
    from functions.operator import edge

    return edge(request)


def site(request: Request) -> Response:
    """Keys, description, front page."""
    from functions.site import edge

    return edge(request)


def work(request: Request) -> Response:
    """One work item; internal."""
    from functions.work import edge

    return edge(request)


# said here and not in the environment alone: this wins over whatever the platform sets there
@functions_framework.cloud_event
def policy_published(event: CloudEvent) -> None:
    """§8: a version was published; internal, by the topic."""
    from functions.policy_published import edge

    edge(event)


def sweep(request: Request) -> Response:
    """What is due; internal."""
    from functions.sweep import edge

    return edge(request)


def deadlines(request: Request) -> Response:
    """The watchdog; internal."""
    from functions.deadlines import edge

    return edge(request)


def checkpoints(request: Request) -> Response:
    """§7: the day's evidence, closed; internal."""
    from functions.checkpoints import edge

    return edge(request)


def retention(request: Request) -> Response:
    """What has expired; internal."""
    from functions.retention import edge

    return edge(request)
