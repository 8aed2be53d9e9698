"""What the mail service's events say, gathered by whom and what they are about. Their order does not matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared import identity, references
from shared.failures import BadInput
from shared.records import MailStatus

RANKS: Mapping[MailStatus, int] = {
    "queued": 0,
    "sent": 1,
    "deferred": 2,
    "failed": 3,
    "dropped": 3,
    "blocked": 3,
    "delivered": 4,
    # some mailboxes turn a mail away after they took it
    "bounced": 5,
}
SPAM = "spam"
STATES: Mapping[str, str] = {
    "processed": "sent",
    "deferred": "deferred",
    "dropped": "dropped",
    "delivered": "delivered",
    "bounce": "bounced",
    "spamreport": SPAM,
}
"""The event's name, and what it says of its mail."""
BITMAPS: Mapping[str, str] = {
    "sent": "accepted",
    "deferred": "accepted",
    "delivered": "delivered",
    "bounced": "bounced",
    "dropped": "dropped",
    "blocked": "dropped",
    SPAM: SPAM,
}
"""What is said of a campaign's mail, and where its batch keeps it."""
EVERYTHING = frozenset({"unsubscribe", "spamreport"})
OPT_OUTS = EVERYTHING | {"group_unsubscribe"}
"""`group_resubscribe` is no opposite of these: only a double opt-in lifts a stop."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event, as far as we read it. Nothing in it is relied on to be of the documented type."""

    event: Any = None
    email: Any = None
    type: Any = None
    asm_group_id: Any = None
    pledge: Any = None


class Heard:
    """What a webhook's events come to, gathered so that each record is read and written once.

    `mails`: request id to mail id to its latest state. `batches`: batch id to bitmap to bits. `stops`: address to the
    unsubscribe groups it left (None: all marketing). `unreadable`: opt-outs without an address that could be read.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.mails: dict[str, dict[str, MailStatus]] = {}
        self.batches: dict[str, dict[str, int]] = {}
        self.stops: dict[str, set[int | None]] = {}
        self._spelled: dict[str, str] = {}
        self.unreadable = 0
        states: dict[str, set[str]] = {}
        for event in events:
            name, pledge = event.event, event.pledge
            if not isinstance(name, str):
                continue
            state = state_of(name, event.type)
            if state is not None and isinstance(pledge, str):
                states.setdefault(pledge, set()).add(state)
            if name in OPT_OUTS:
                self._stop(event.email, None if name in EVERYTHING else event.asm_group_id)
        for pledge, each in states.items():
            self._way(pledge, each)

    def _way(self, pledge: str, states: set[str]) -> None:
        found = references.read(pledge)
        if found is None:
            return
        of, record, number = found
        if of == references.REQUEST:
            known = [status for status in RANKS if status in states]
            if known:
                self.mails.setdefault(record, {})[f"m{number}"] = max(known, key=RANKS.__getitem__)
        elif number < references.MOST_IN_A_BATCH:
            bits = self.batches.setdefault(record, {})
            for state in states & BITMAPS.keys():
                bits[BITMAPS[state]] = bits.get(BITMAPS[state], 0) | 1 << number

    def _stop(self, email: object, group: object) -> None:
        try:
            address = identity.address(email if isinstance(email, str) else "")
        except BadInput:
            self.unreadable += 1
            return
        # one person, however it is spelled: suppression compares broadly
        spelled = self._spelled.setdefault(identity.broad(address), address)
        # a group that cannot be read is all of it: an opt-out is never lost; and True is no group, though it equals 1
        self.stops.setdefault(spelled, set()).add(group if type(group) is int else None)

    def counts(self) -> dict[str, int]:
        """Return how much there was of each, for the log."""
        return {name: len(getattr(self, name)) for name in ("stops", "mails", "batches")}


def state_of(name: str, kind: object) -> str | None:
    """Return what an event says of its mail; None when it says nothing of its way. `kind`: a bounce's type."""
    return "blocked" if name == "bounce" and kind == "blocked" else STATES.get(name)
