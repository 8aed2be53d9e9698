"""P8: SendGrid's event webhook in this process: verify, read, act and store, against the signature and the JSON alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from functions.sendgrid_events import read
from infra.http.signatures import verify_sendgrid
from shared import batches, references
from shared.promises import deliveries
from shared.records import Batch
from shared.store import Create
from tests.bench.load import Failed
from tests.bench.stack import Runtime, Stack
from tests.bench.table import Goal, Line, ratios, say
from tests.infra.signing_sendgrid import signed

EVENTS, RECIPIENTS = 500, 1000
WEBHOOKS = 100
GOAL = Goal(0.45, at_least=True)
FATES = ["bounce"] * 5 + ["dropped"] * 3 + ["unsubscribe"]
"""What the last of a webhook's events are; before them each mail is taken, and all others are delivered."""


class Webhook(msgspec.Struct, frozen=True):
    """One signed body."""

    body: bytes
    headers: dict[str, str]


def measure(runtime: Runtime, rounds: int) -> list[Line]:
    """Take so many webhooks a round, each of 500 events about a campaign's mails; the floor takes the same."""
    floors, ours = [], []
    for _ in range(rounds):
        stack = runtime.stack()
        floor, own = Spent(), Spent()
        for one in _webhooks(stack):
            # in turn, so that what troubles the machine troubles both
            floor.on(_floor, stack, one)
            own.on(_take, stack, one)
        floors.append(floor)
        ours.append(own)
        _prove(stack)
        stack.discard()
    rate = WEBHOOKS * EVENTS / min(one.cpu for one in floors)
    say(f"\nP8: {EVENTS} events a webhook; the floor takes {rate:.0f} events a second of CPU")
    what = f"sendgrid-events, {EVENTS} events: ECDSA + JSON / ours"
    return [
        Line("P8", f"{what}, CPU", ratios([one.cpu for one in floors], [one.cpu for one in ours]), goal=GOAL),
        Line("P8", f"{what}, time", ratios([one.wall for one in floors], [one.wall for one in ours]), goal=GOAL),
    ]


class Spent:
    """What some calls took, in seconds."""

    def __init__(self) -> None:
        self.cpu, self.wall = 0.0, 0.0

    def on(self, take: Callable[[Stack, Webhook], None], stack: Stack, webhook: Webhook) -> None:
        """Time one call."""
        cpu, wall = time.process_time(), time.perf_counter()
        take(stack, webhook)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall


def _floor(stack: Stack, webhook: Webhook) -> None:
    verify_sendgrid(stack.services.sendgrid_event_keys, webhook.body, webhook.headers)
    msgspec.json.decode(webhook.body)


def _take(stack: Stack, webhook: Webhook) -> None:
    verify_sendgrid(stack.services.sendgrid_event_keys, webhook.body, webhook.headers)
    deliveries.take(stack.services, read(webhook.body))


def _webhooks(stack: Stack) -> list[Webhook]:
    """Make the batches of a campaign, and half a batch's events for each webhook."""
    services = stack.services
    halves = EVENTS // 2
    for number in range(WEBHOOKS * halves // RECIPIENTS):
        services.commit([Create(f"batch{number}", Batch(campaign="c1", n_recipients=RECIPIENTS))])
    bodies = [msgspec.json.encode(_events(number * halves, halves)) for number in range(WEBHOOKS)]
    return [Webhook(body, signed(body)) for body in bodies]


def _events(first: int, count: int) -> list[dict[str, Any]]:
    people = range(first, first + count)
    taken = [_event("processed", one) for one in people]
    ends = [_event("delivered", one) for one in people[: -len(FATES)]]
    return taken + ends + [_event(fate, one) for fate, one in zip(FATES, people[-len(FATES) :], strict=True)]


def _event(name: str, person: int) -> dict[str, Any]:
    """Return one event with what SendGrid documents of it."""
    return {
        "email": f"person{person}@mail{person % 7}.example",
        "timestamp": 1_600_112_492 + person % 60,
        "smtp-id": f"<14c5d75ce93.dfd.{person:06x}@ismtpd-555>",
        "event": name,
        "category": ["policy"],
        "sg_event_id": f"rWVYmVk90MjZJ9iohOBa{person:06x}==",
        "sg_message_id": f"14c5d75ce93.dfd.{person:06x}.filter0001.16648.5515E0B88.0",
        "response": "250 OK",
        "pledge": references.of_recipients(f"batch{person // RECIPIENTS}", [person % RECIPIENTS])[0],
    }


def _prove(stack: Stack) -> None:
    """Count what was stored. Raises Failed where it is less than what was told."""
    stored = [stack.services.store.get(Batch, f"batch{number}") for number in range(WEBHOOKS // 4)]
    counts = [batches.counted(one.record) for one in stored if one is not None]
    found = {name: sum(one[name] for one in counts) for name in ("delivered", "bounced", "dropped", "spam")}
    expected = {"delivered": WEBHOOKS * (EVENTS // 2 - len(FATES)), "bounced": 5 * WEBHOOKS}
    if found != expected | {"dropped": 3 * WEBHOOKS, "spam": 0}:
        raise Failed(f"P8: {found} stored")
