"""The sandbox's SendGrid tells what became of each mail: signed events, as its event webhook posts them.

Addresses that begin with `bounce`, `block` or `defer` meet with just that, so that anybody can try it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from infra.local.sandbox.sendgrid_lists import put_on
from infra.local.sandbox.sendgrid_wire import same
from infra.local.sandbox.state import Body, Shelf
from infra.local.sendgrid_keys import EVENTS_KEY, signed

PATH = "/sendgrid-events"
JSON = {"Content-Type": "application/json"}
MOST_BYTES = 768 * 1024
RESERVED = frozenset({"email", "timestamp", "event", "sg_event_id", "sg_message_id", "category"})
TURNED_AWAY: dict[str, Body] = {
    "bounce": {"event": "bounce", "type": "bounce", "reason": "550 5.1.1 no such mailbox", "status": "5.1.1"},
    "block": {"event": "bounce", "type": "blocked", "reason": "421 4.7.0 try later", "status": "4.7.0"},
}
DELIVERED: Body = {"event": "delivered", "response": "250 OK"}
DEFERRED: Body = {"event": "deferred", "response": "451 4.3.0 busy", "attempt": "1"}
WHY_DROPPED = {
    "bounces": "Bounced Address",
    "spam_reports": "Spam Reporting Address",
    "invalid_emails": "Invalid",
    "global": "Unsubscribed Address",
    "group": "Unsubscribed Address",
}
"""List and the reason that SendGrid gives."""


def dropped(lists: set[str]) -> list[Body]:
    """Return what happens to a mail to an address that is on these lists."""
    reason = next(words for name, words in WHY_DROPPED.items() if name in lists)
    return [{"event": "dropped", "reason": reason}]


def sent(shelf: Shelf, now: datetime, email: str) -> list[Body]:
    """Return what happens to a mail that leaves; a mailbox that is not there goes on SendGrid's list."""
    local = same(email).partition("@")[0]
    beginning = next((word for word in (*TURNED_AWAY, "defer") if local.startswith(word)), "")
    if beginning in TURNED_AWAY:
        put_on(shelf, now, same(email), ["bounced" if beginning == "bounce" else "blocked"])
    way = [DEFERRED] if beginning == "defer" else []
    return [{"event": "processed"}, *way, TURNED_AWAY.get(beginning, DELIVERED)]


def named(happened: Sequence[Body], mail: Body, email: str, now: datetime) -> list[Body]:
    """Complete events with what every event carries; the mail's own arguments stand beside it."""
    own = {name: value for name, value in mail["custom_args"].items() if name not in RESERVED}
    each = {"email": email, "timestamp": int(now.timestamp()), "category": mail["categories"], **own}
    ids = {"sg_message_id": f"{mail['message_id']}.filter0001.1.0", "smtp-id": f"<{mail['message_id']}@sandbox>"}
    return [{**each, **ids, "sg_event_id": secrets.token_urlsafe(16), **one} for one in happened]


def tell(shelf: Shelf, events: Sequence[Body]) -> None:
    """Have the product told, in as few webhooks as their size allows."""
    for body in _bodies([msgspec.json.encode(event) for event in events]):
        # signed by the real clock: SendGrid's does not move with ours
        shelf.tell(PATH, body, {**signed(shelf.folder / EVENTS_KEY, int(time.time()), body), **JSON})


def _bodies(events: Sequence[bytes]) -> Iterator[bytes]:
    some: list[bytes] = []
    size = 0
    for event in events:
        if some and size + len(event) > MOST_BYTES:
            yield b"[" + b",".join(some) + b"]"
            some, size = [], 0
        some.append(event)
        size += len(event) + 1
    if some:
        yield b"[" + b",".join(some) + b"]"
