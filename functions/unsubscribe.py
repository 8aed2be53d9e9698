"""`unsubscribe`: one press ends a list (RFC 8058), the preference page, and links for senders outside this product (§6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask

from infra.http.answers import Answer
from infra.http.edge import Call, Edge, Nothing
from shared import identity
from shared.failures import BadInput
from shared.promises import preferences, unsubscribing
from shared.promises.preferences import Changed
from shared.promises.unsubscribing import Link, LinksWanted

edge = Edge("unsubscribe")
MOST_BYTES_OF_ADDRESSES = 512 * 1024


def by_link(handler: Callable[[Call[Any], Link], Answer]) -> Callable[[Call[Any]], Answer]:
    """Open the link first; who comes with a broken one is shown another way out."""

    @wraps(handler)
    def answered(call: Call[Any]) -> Answer:
        try:
            said = unsubscribing.opened(call.services, call.query("t") or "")
        except BadInput as refusal:
            if not call.wants_page():
                raise
            other = unsubscribing.another_way(call.services)
            return _page(call, "unsubscribe_unknown", refusal.status, objection_url=other)
        return handler(call, said)

    return answered


@edge.route("GET", "/", "The page behind an unsubscribe link; changes nothing")
@by_link
def show(call: Call[None], said: Link) -> Answer:
    stopped = unsubscribing.is_stopped(call.services, said)
    masked = identity.masked(said.email)
    if not call.wants_page():
        return {"masked": masked, "list": said.name, "stopped": stopped}
    words = _of_the_list(call, said) | {"action": unsubscribing.link(call.services, said.email, said.name)}
    return _page(call, "unsubscribe", masked=masked, stopped=stopped, **words)


# raw: the token says it all. What a mailbox provider puts into the body, and how it encodes it, must never keep it from working
@edge.route("POST", "/", "One-click unsubscribe (RFC 8058)", body=Nothing | None, form=True, raw=True)
@by_link
def unsubscribe(call: Call[bytes], said: Link) -> Answer:
    unsubscribing.unsubscribe(call.services, said)
    if not call.wants_page():
        return {"list": said.name, "stopped": True}
    return _page(call, "unsubscribe_done", masked=identity.masked(said.email), **_of_the_list(call, said))


@edge.route("GET", "/preferences", "Every purpose, and what can be done about it, for one address")
@by_link
def show_preferences(call: Call[None], said: Link) -> Answer:
    return _preferences(call, said, Changed(), [])


@edge.route("POST", "/preferences", "Stop, or ask the mailbox about a yes", body=Changed, form=True)
@by_link
def change(call: Call[Changed], said: Link) -> Answer:
    pending = preferences.change(call.services, call.services.policies.current, said, call.body)
    return _preferences(call, said, call.body, pending)


@edge.route(
    "POST",
    "/links",
    "Links for the recipients of a marketing sender outside this product",
    body=LinksWanted,
    who="website",
    most_bytes=MOST_BYTES_OF_ADDRESSES,
)
def make_links(call: Call[LinksWanted]) -> Answer:
    return {"links": unsubscribing.links(call.services, call.body)}


def _preferences(call: Call[Any], said: Link, done: Changed, pending: list[str]) -> Answer:
    shown = preferences.shown(call.services, said)
    if not call.wants_page():
        return shown | {"pending": pending}
    titled = {one["name"]: one["title"] for one in shown["purposes"]}
    return _page(
        call,
        "preferences",
        **shown,
        stopped_now=[title for name in done.stop for title in unsubscribing.titles(call.services.company, name)],
        pending=[titled[name] for name in pending],
        action=unsubscribing.preferences_link(call.services, said.email),
        objection_url=unsubscribing.another_way(call.services),
    )


def _of_the_list(call: Call[Any], said: Link) -> dict[str, Any]:
    return {
        "titles": unsubscribing.titles(call.services.company, said.name),
        "preferences_url": unsubscribing.preferences_link(call.services, said.email),
    }


def _page(call: Call[Any], template: str, status: int = 200, **words: Any) -> flask.Response:
    from infra.http.pages import html

    return html(template, status, company=call.services.company, **words)
