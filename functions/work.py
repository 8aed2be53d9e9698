"""`work`: runs one work item. Called by the queue with its id; answers 2xx for whatever was recorded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from infra.http import log
from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared import attention, work
from shared.promises import (
    alerts,
    announcing,
    campaigns,
    confirmations,
    endings,
    erasing,
    erasure,
    exporting,
    fetching,
    gathering,
    mailbox,
    notifying,
    objections,
    policy,
    recipients,
    rectifying,
    requests,
    restricting,
    silencing,
    stripe_events,
)
from shared.work import Handler

edge = Edge("work")

HANDLERS: Mapping[str, Handler] = {
    attention.ALERT: alerts.send,
    policy.ANNOUNCE: campaigns.announce,
    announcing.START: announcing.start,
    announcing.SEND: announcing.send,
    announcing.BOUNCED: announcing.bounced,
    announcing.END: campaigns.end,
    confirmations.MAIL: confirmations.send_confirmation,
    "request.mail": requests.send_mail,
    mailbox.FORWARD: mailbox.forward,
    mailbox.ASK: mailbox.ask_back,
    requests.REMIND: requests.remind,
    recipients.TELL: recipients.tell,
    notifying.NOTIFY: notifying.notify,
    restricting.LIFT: restricting.lift,
    restricting.OVERTAKEN: restricting.overtaken,
    rectifying.BEGIN: rectifying.begin,
    rectifying.CORRECT: rectifying.correct,
    objections.FOLLOW: objections.follow,
    silencing.TELL: silencing.tell,
    erasure.BEGIN: erasing.begin,
    erasure.OVERTAKEN: endings.overtaken,
    endings.AGAIN: endings.again,
    endings.BEGIN: endings.begin,
    stripe_events.CHECK: stripe_events.check,
    erasure.SUPERSEDE: erasure.supersede,
    erasure.STEP: erasing.step,
    erasure.CLOSE: erasure.closing,
    erasing.RECHECK: erasing.recheck,
    erasing.PURGE: erasing.purge,
    exporting.BEGIN: exporting.begin,
    gathering.GATHER: gathering.gather,
    fetching.END: fetching.end,
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
