"""`operator`: the calls of the person who answers the privacy mailbox. Every act is evidence with who did it."""

from __future__ import annotations

from typing import Any, get_args

from infra.http.answers import Answer, json_answer
from infra.http.edge import Call, Edge, Nothing
from infra.http.operator_forms import CampaignForm, PublishForm
from shared.failures import BadInput
from shared.promises import alerts, breaker, campaigns, evidence, mailbox, operators, policy, register
from shared.promises.breaker import Reset
from shared.promises.operators import Act, Entered, Resolution, Verification
from shared.records import Status

edge = Edge("operator")
MOST_BYTES_OF_A_POLICY = 1024 * 1024
MOST_BYTES_OF_A_FORM = 2 * 1024 * 1024
ACTS = {"deny": operators.deny, "extend": operators.extend, "pause": operators.pause}


@edge.route(
    "GET", "/requests", "Requests, by status, overdue or all", who="operator", query=("status", "overdue", "cursor")
)
def list_requests(call: Call[None]) -> Answer:
    status = call.query("status")
    if status is not None and status not in get_args(Status):
        raise BadInput(f"one of {', '.join(get_args(Status))}", "status")
    overdue = _is_true(call, "overdue", "1 for those that are overdue alone")
    return operators.listed(call.services, status, overdue=overdue, cursor=call.query("cursor"))  # type: ignore[arg-type]


@edge.route(
    "POST",
    "/requests",
    "Enter a request that came by phone, post or in person",
    body=Entered,
    status=201,
    who="operator",
)
def enter(call: Call[Entered]) -> Answer:
    return operators.enter(call.services, call.body, call.caller.name)


@edge.route("GET", "/requests/<request_id>", "One request", who="operator")
def show(call: Call[None]) -> Answer:
    return operators.shown(call.services, call.path["request_id"])


STEP = "/requests/<request_id>/steps/<subprocessor>"


@edge.route("POST", "/requests/<request_id>/verify", "Verify by proof seen", body=Verification, who="operator")
def verify(call: Call[Verification]) -> Answer:
    decide = operators.verify(call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


@edge.route(
    "POST", "/requests/<request_id>/<any(deny,extend,pause):what>", "Deny, extend or pause", body=Act, who="operator"
)
def act(call: Call[Act]) -> Answer:
    decide = ACTS[call.path["what"]](call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


@edge.route("POST", f"{STEP}/retry", "Try a step again", body=Resolution, who="operator")
def retry(call: Call[Resolution]) -> Answer:
    decide = operators.retry(call.path["subprocessor"], call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


@edge.route("POST", f"{STEP}/resolve", "Settle a step by hand, with evidence", body=Resolution, who="operator")
def resolve(call: Call[Resolution]) -> Answer:
    decide = operators.resolve(call.path["subprocessor"], call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


class Publication(policy.Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version to publish, by its name: the same call sent twice must not publish twice."""

    version: str


@edge.route(
    "POST",
    "/policies",
    "Publish a version of the policy; its announcement follows",
    body=Publication,
    status=202,
    who="operator",
    most_bytes=MOST_BYTES_OF_A_POLICY,
    query=("dry_run",),
)
def publish(call: Call[Publication]) -> Answer:
    # a slip of the pen must not publish
    if _is_true(call, "dry_run", "1 for a dry run, 0 to publish"):
        from shared.promises import publishing

        return json_answer(publishing.rehearse(call.services, call.body, call.caller.name))
    published = policy.publish(call.services, call.body, call.caller.name)
    call.services.policies.wait_until_seen()
    return {"campaign_id": campaigns.campaign_id(published.version)}


def _is_true(call: Call[Any], name: str, rule: str) -> bool:
    asked = call.query(name)
    if asked not in {None, "0", "1", "true", "false"}:
        raise BadInput(rule, name)
    return asked in {"1", "true"}


@edge.route("GET", "/policies/<version>/findings", "What was found in a version when it was published", who="operator")
def show_findings(call: Call[None]) -> Answer:
    from shared.promises import findings

    return findings.shown(call.services, call.path["version"])


@edge.route("GET", "/policies/new", "The page for publishing", who="form")
def show_publish_form(call: Call[None]) -> Answer:
    from infra.http import publish_page

    return publish_page.empty(call.services)


@edge.route(
    "POST",
    "/policies/new",
    "Look at what publishing would do, or publish; the operator's token stands in the form",
    body=PublishForm,
    who="form",
    form=True,
    most_bytes=MOST_BYTES_OF_A_FORM,
)
def post_publish_form(call: Call[PublishForm]) -> Answer:
    from infra.http import publish_page

    return publish_page.posted(call.services, call.body, page=call.wants_page())


@edge.route("GET", "/campaigns/<campaign_id>", "How far the announcing of a version is", who="operator")
def campaign(call: Call[None]) -> Answer:
    return campaigns.shown(call.services, call.path["campaign_id"])


@edge.route("POST", "/campaigns/<campaign_id>/pause", "Stop before the next batch", body=Nothing | None, who="operator")
def pause_campaign(call: Call[None]) -> Answer:
    return campaigns.pause(call.services, call.path["campaign_id"], call.caller.name)


@edge.route("POST", "/campaigns/<campaign_id>/resume", "Go on with it", body=Nothing | None, who="operator")
def resume_campaign(call: Call[None]) -> Answer:
    return campaigns.resume(call.services, call.path["campaign_id"], call.caller.name)


@edge.route("GET", "/campaigns/<campaign_id>/page", "The page of a campaign", who="form")
def show_campaign_form(call: Call[None]) -> Answer:
    from infra.http import campaign_page

    return campaign_page.empty(call.services, call.path["campaign_id"])


@edge.route(
    "POST",
    "/campaigns/<campaign_id>/page",
    "See how far it is, stop it or go on; the operator's token stands in the form",
    body=CampaignForm,
    who="form",
    form=True,
)
def post_campaign_form(call: Call[CampaignForm]) -> Answer:
    from infra.http import campaign_page

    return campaign_page.posted(call.services, call.path["campaign_id"], call.body, page=call.wants_page())


@edge.route("GET", "/register", "The register of processing activities (GDPR Art. 30)", who="operator")
def show_register(call: Call[None]) -> Answer:
    return register.register(call.services)


@edge.route("GET", "/attention", "What a person must look at", who="operator")
def attention(call: Call[None]) -> Answer:
    return operators.attention_list(call.services)


@edge.route("POST", "/attention/<item_id>/seen", "Take news off the list", body=Act, who="operator")
def see(call: Call[Act]) -> Answer:
    return alerts.seen(call.services, call.path["item_id"], call.body.reason, call.caller.name)


@edge.route("POST", "/breaker/reset", "Let automatic erasures go on", body=Reset, who="operator")
def reset_breaker(call: Call[Reset]) -> Answer:
    return breaker.reset(call.services, call.body, call.caller.name)


@edge.route("GET", "/mails/<mail_id>", "A mail to the contact address that waits for a person", who="operator")
def show_mail(call: Call[None]) -> Answer:
    return mailbox.shown(call.services, call.path["mail_id"])


@edge.route("POST", "/mails/<mail_id>/settle", "Say that a mail was dealt with", body=Act, who="operator")
def settle_mail(call: Call[Act]) -> Answer:
    return mailbox.settle(call.services, call.path["mail_id"], call.body.reason, call.caller.name)


@edge.route("GET", "/evidence/<stream>", "One stream of evidence", who="operator")
def show_evidence(call: Call[None]) -> Answer:
    return operators.evidence(call.services, call.path["stream"])


@edge.route("POST", "/evidence/verify", "Check every stream of evidence and every checkpoint", who="operator")
def check_evidence(call: Call[None]) -> Answer:
    return evidence.check(call.services)
