"""`processing`: the website's server asks before it uses a person's data (§3.2)."""

from __future__ import annotations

import msgspec

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.promises import processing
from shared.promises.processing import Whom

edge = Edge("processing")


class Use(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data, and for which purpose of the policy."""

    subject: Whom
    purpose: str


@edge.route("POST", "/", "May this person's data be used for this purpose; changes nothing", body=Use, who="website")
def ask(call: Call[Use]) -> Answer:
    # counts only when exactly "1" (Global Privacy Control); the website passes on what the person's browser sent
    gpc = call.request.headers.get("Sec-GPC") == "1"
    published = call.services.policies.current()
    ruling = processing.decide(call.services, published, call.body.subject, call.body.purpose, gpc=gpc)
    return {"allowed": ruling.allowed, "reasons": ruling.reasons}
