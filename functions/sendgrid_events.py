"""`sendgrid-events`: what became of our mails, and who unsubscribed at SendGrid (its signed event webhook)."""

from __future__ import annotations

import msgspec

from infra.http import log
from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from infra.http.signatures import verify_sendgrid
from shared.failures import BadInput
from shared.mail_events import Event
from shared.promises import deliveries

edge = Edge("sendgrid-events")
MOST_BYTES = 1024 * 1024
"""SendGrid posts at 768 KB."""
_decoder = msgspec.json.Decoder(list[Event])


@edge.route("POST", "/", "SendGrid's events, signed", body=list[Event], most_bytes=MOST_BYTES, raw=True)
def take(call: Call[bytes]) -> Answer:
    verify_sendgrid(call.services.sendgrid_event_keys, call.body, call.request.headers)
    events = read(call.body)
    counts = deliveries.take(call.services, events)
    log.event("sendgrid_events", edge.name, events=len(events), **counts)
    return {"events": len(events)}


def read(raw: bytes) -> list[Event]:
    """Return the events of a webhook. Raises BadInput."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # signed garbage is still garbage, and half of it would be a guess
        raise BadInput("an array of events is needed") from None
