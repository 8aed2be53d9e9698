"""P9: Stripe's webhook as it is deployed: verify, claim, ask for the look, against the same by hand and one insert."""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from infra.http.stripe_signature import SIGNATURE
from shared.promises import subjects
from shared.promises.subjects import Linked
from shared.records import WebhookEvent
from shared.store import Query, every
from tests.bench.load import Failed, Load, fresh, posted
from tests.bench.loads import HEADS, Against, Found, absolute
from tests.bench.rounds import WARM_UP_SECONDS, Round
from tests.bench.serving import Call
from tests.bench.stack import SECRETS, Runtime, Stack
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line, say, table

SCRIPT = Path(__file__).with_name("signed.lua")
SECRET = SECRETS["STRIPE_WEBHOOK_SECRETS"]
OURS, FLOOR = "stripe-events", "stripe-insert"
A_SECOND = 6000
"""Bodies to sign for each second of load: more than anything here answers, so that none comes twice."""
KEPT = Query(WebhookEvent)
GOAL = Goal(0.8, at_least=True)


def measure(stage: Stage, runtime: Runtime, scratch: Path, rounds: int, seconds: int) -> list[Line]:
    """Post the end of a subscription of somebody known, another event each time, to both in turn."""
    found: Found = {OURS: [], FLOOR: []}
    for number in range(rounds):
        names = [OURS, FLOOR] if number % 2 else [FLOOR, OURS]
        for name in names:
            found[name].append(_round(stage, runtime, name, scratch, seconds))
    say(f"\nP9: {len(_body('evt_1'))} bytes a webhook, each another event")
    say(table(HEADS, [absolute(name, each) for name, each in found.items()]))
    return Against("P9", found, OURS, FLOOR).lines(throughput=GOAL)


def _round(stage: Stage, runtime: Runtime, name: str, scratch: Path, seconds: int) -> Round:
    stack = runtime.stack()
    subjects.link(stack.services, Linked(user_id="u1", stripe_customer_ids=["cus_1"]))
    stack.close()
    bodies = signed(A_SECOND * (seconds + WARM_UP_SECONDS))
    with stage.serve(name, stack.environment(name, {})) as server:
        signature, first = bodies[0]
        server.ask(Call("POST", "/", first, {"Content-Type": "application/json", SIGNATURE: signature}))
        split = A_SECOND * WARM_UP_SECONDS
        warm = _load(server.port, bodies[1:split], scratch, WARM_UP_SECONDS)
        before = server.cpu_seconds()
        seen = _load(server.port, bodies[split:], scratch, seconds)
        cpu = server.cpu_seconds() - before
        memory = server.memory()
        server.check_log()
    answered = 1 + warm.requests + seen.requests
    kept = _kept(stack, answered) if name == OURS else None
    stack.discard()
    return Round(seen, cpu / seen.requests * 1e6, memory, answered, kept, None)


def _load(port: int, bodies: Sequence[tuple[str, bytes]], scratch: Path, seconds: int) -> Load:
    path = scratch / "signed.txt"
    path.write_text("".join(f"{signature}\t{body.decode()}\n" for signature, body in bodies))
    seen = posted(port, SCRIPT, seconds, str(path))
    if seen.requests > len(bodies):
        raise Failed(f"{OURS}: {seen.requests} answers to {len(bodies)} events: some came twice")
    return seen


def _kept(stack: Stack, answered: int) -> int:
    kept = sum(1 for _ in every(stack.services.store, KEPT, page=1000))
    if kept < answered:
        raise Failed(f"{OURS}: {answered} answered, {kept} kept after kill -9")
    return kept


def signed(count: int) -> list[tuple[str, bytes]]:
    """Return so many events with their signatures."""
    at, mark = int(time.time()), fresh().strip(".")
    bodies = [_body(f"evt_{mark}{n}") for n in range(count)]
    key = SECRET.encode()
    return [(f"t={at},v1={hmac.digest(key, f'{at}.'.encode() + body, 'sha256').hex()}", body) for body in bodies]


def _body(id: str) -> bytes:
    thing = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "canceled",
        "created": 1_700_000_000,
        "canceled_at": 1_790_000_000,
        "ended_at": 1_790_000_000,
        "metadata": {},
        "livemode": True,
    }
    event = {
        "id": id,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "type": "customer.subscription.deleted",
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {"object": thing},
    }
    return msgspec.json.encode(event)
