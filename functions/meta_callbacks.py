"""`meta-callbacks`: Facebook and Instagram tell us that somebody took our app away, or wants what came from there deleted."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.http import log
from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.promises import meta_callbacks
from shared.promises.meta_callbacks import Signed

edge = Edge("meta-callbacks")


@edge.route("POST", "/deletion", "Meta's data deletion request: opens a request", body=Signed, form=True)
def delete(call: Call[Signed]) -> Answer:
    return meta_callbacks.delete(call.services, _user_id(call))


@edge.route("POST", "/deauthorize", "Meta's deauthorize callback: removes the link", body=Signed, form=True)
def deauthorize(call: Call[Signed]) -> Answer:
    if not meta_callbacks.deauthorize(call.services, _user_id(call)):
        log.event("webhook_about_nobody", edge.name)
    return {}


@edge.route("GET", "/deletion/<code>", "Where such a request stands, for whoever holds its code")
def show(call: Call[None]) -> Answer:
    shown = meta_callbacks.status(call.services, call.path["code"])
    if not call.wants_page():
        return shown
    from infra.http.pages import html

    erasure_url = f"{call.services.base_url}/requests/new?right=erasure"
    return html("meta_deletion", company=call.services.company, view=shown, erasure_url=erasure_url)


def _user_id(call: Call[Signed]) -> str:
    # real time, as for every vendor's signature: the product's own clock may be moved
    return meta_callbacks.opened(call.body.signed_request, call.services.meta_app_secrets, datetime.now(UTC))
