"""§4: Stripe tells that something happened to a customer; what is true is asked of it anew, and decided on that alone.

An event's own object is neither trusted nor needed: events come late, twice and in any order. Each is claimed in the
commit of its effect. An event about somebody we do not know, or have erased, leaves nothing behind.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec

from shared import attention, identity, work
from shared.failures import BadInput
from shared.ports import Services
from shared.promises import endings, erasure, people
from shared.records import Alias, WebhookEvent
from shared.store import Change, Create, persist

CHECK = "stripe.check"
REMEMBERED_FOR = timedelta(days=30)
"""Stripe repeats an event for three days; somebody may have it sent again from its pages for 30."""
EXPIRIES = frozenset({"customer.subscription.deleted", "customer.subscription.updated", "customer.subscription.paused"})
CHANGED = "customer.updated"
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]{1,255}\Z")]
Taken = Literal["taken", "again", "nobody", "of_no_interest"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of Stripe's API v1, as much of it as is read. What else is in it is ignored."""

    object: Literal["event"]
    id: Id
    type: str
    livemode: bool
    data: msgspec.Raw


class _Thing(msgspec.Struct, frozen=True):
    id: Id
    customer: Id | None = None


class _Data(msgspec.Struct, frozen=True):
    object: _Thing
    previous_attributes: dict[str, msgspec.Raw] | None = None


_read_event = msgspec.json.Decoder(Event).decode
_read_data = msgspec.json.Decoder(_Data).decode


def read(raw: bytes) -> Event:
    """Parse a verified body. Raises BadInput."""
    try:
        return _read_event(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadInput("this is no event of Stripe's API v1") from None


def take(services: Services, event: Event) -> Taken:
    """Claim an event and ask for what it makes necessary. Raises BadInput, TryAgain."""
    if event.type not in EXPIRIES and event.type != CHANGED:
        return "of_no_interest"
    customer = _customer_of(event)
    if customer is None:
        return "of_no_interest"
    alias = services.store.get(Alias, identity.alias(services.vault, "stripe", customer))
    if alias is None:
        return "nobody"
    now = services.clock.now()
    claimed = Create(f"stripe:{event.id}", WebhookEvent(expires_at=now + REMEMBERED_FOR))
    refs = [link.ref for link in alias.record.links]
    if len(refs) > 1:
        asked: list[Change] = attention.raised("stripe_customer_shared", refs[0], now, about=refs[1])
    else:
        asked = [work.item(CHECK, refs[0], now, what="address" if event.type == CHANGED else "expiry")]

    def attempt(look: bool) -> Taken:
        # a database under contention refuses as well: only the claim itself says that the event was here before
        if look and services.store.get(WebhookEvent, claimed.id) is not None:
            return "again"
        services.commit([claimed, *asked])
        return "taken"

    return persist(attempt)


def _customer_of(event: Event) -> str | None:
    """Return whom it is about; None where that does not matter. Raises BadInput."""
    try:
        data = _read_data(event.data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadInput("this event names no customer", "data.object") from None
    if event.type == CHANGED:
        return data.object.id if "email" in (data.previous_attributes or {}) else None
    return data.object.customer


def check(services: Services, claim: work.Claim) -> None:
    """Ask Stripe anew about one account, and draw the consequence (work `stripe.check`)."""
    found = people.by_ref(services, claim.work.ref)
    changes: list[Change] = []
    if found is not None:
        standing = endings.standing_of(services, found)
        if claim.work.args["what"] == "expiry":
            changes = endings.expired(services, found, standing)
        else:
            # an address that Stripe names links nothing (TRUTH §1): a person asks the account's owner
            strange = set(standing.addresses) - {*found.known.addresses, found.known.unconfirmed}
            kind, now = erasure.EMAIL_CHANGED, services.clock.now()
            changes = attention.raised(kind, found.ref, now) if strange else [attention.settled(kind, found.ref)]
    services.commit([claim.done(), *changes])
