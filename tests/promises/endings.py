"""Accounts whose subscription ends, and a twin of what Stripe says when it is asked anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shared.identity import Identifiers
from shared.ports import Standing
from shared.promises import stripe_events
from shared.records import ALL_REQUESTS, Request
from shared.store import Stored
from tests.promises.world import World


class ScriptedSubscriptions:
    """The `Subscriptions` port: says what it was told to, or fails; remembers whom it was asked about."""

    def __init__(self) -> None:
        self.says = Standing()
        self.trouble: Exception | None = None
        self.asked: list[Identifiers] = []

    def standing(self, known: Identifiers) -> Standing:
        self.asked.append(known)
        if self.trouble:
            raise self.trouble
        return self.says


def subscriptions_of(world: World) -> ScriptedSubscriptions:
    """Put the twin in."""
    twin = ScriptedSubscriptions()
    world.services.__dict__["subscriptions"] = twin
    return twin


def event(kind: str, customer: str = "cus_1", id: str = "evt_1", **more: Any) -> bytes:
    """Write an event as Stripe does."""
    own = {"id": customer} if kind == "customer.updated" else {"id": "sub_1", "customer": customer}
    data = {"object": own, **more}
    return msgspec.json.encode({"object": "event", "id": id, "type": kind, "livemode": True, "data": data})


def happens(
    world: World, kind: str = "customer.subscription.deleted", customer: str = "cus_1", id: str = "evt_1", **more: Any
) -> str:
    """Let an event come, without running what it asks for."""
    return stripe_events.take(world.services, stripe_events.read(event(kind, customer, id, **more)))


def ended(world: World, twin: ScriptedSubscriptions, *, at: datetime | None = None, id: str = "evt_1") -> None:
    """Let the only subscription end, and the event arrive."""
    twin.says = Standing(ended_at=at or world.clock.at)
    happens(world, id=id)
    world.run_due()


def endings_of(world: World) -> list[Stored[Request]]:
    """Return the requests that began by themselves, oldest first."""
    found = world.services.store.query(ALL_REQUESTS)
    automatic = [one for one in found if one.record.channel in {"subscription_ended", "account_closed"}]
    return sorted(automatic, key=lambda one: one.record.received_at)
