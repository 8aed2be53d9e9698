"""`work`: runs one work item. Called by the queue with its id; answers 2xx for whatever was recorded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from infra.http import log
from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared import attention, work
from shared.promises import alerts, campaigns, confirmations, erasing, erasure, policy, recipients, requests
from shared.work import Handler

edge = Edge("work")

HANDLERS: Mapping[str, Handler] = {
    attention.ALERT: alerts.send,
    policy.ANNOUNCE: campaigns.announce,
    confirmations.MAIL: confirmations.send_confirmation,
    "request.mail": requests.send_mail,
    requests.REMIND: requests.remind,
    recipients.TELL: recipients.tell,
    erasure.BEGIN: erasing.begin,
    erasure.SUPERSEDE: erasure.supersede,
    erasure.STEP: erasing.step,
    erasure.CLOSE: erasure.closing,
    erasing.RECHECK: erasing.recheck,
    erasing.PURGE: erasing.purge,
}


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which item. Nothing else travels in a queue."""

    id: str


@edge.route("POST", "/", "Run one item", body=Named, who="internal")
def run(call: Call[Named]) -> Answer:
    ran = work.run(call.services, call.body.id, HANDLERS)
    if ran in {"failed", "postponed"}:
        log.event(f"work_{ran}", edge.name, id=call.body.id)
    return {"ran": ran}
