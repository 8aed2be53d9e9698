"""Work: every timer and side effect, run at least once, in any order, by whoever is told "now".

One retry authority: a run takes the item by moving its `due_at` ahead (that is the lease), does the work, and commits the
result together with the item's end. What fails in passing is postponed here, with backoff, and counted; a crash lets the
lease run out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from shared import attention
from shared.failures import NeverRetry, TryAgain
from shared.ports import Services
from shared.records import DUE_WORK, Work
from shared.store import Change, Conflict, Create, Delete, Stored, Update
from shared.vault import new_id

LEASE = timedelta(minutes=10)
FIRST_BACKOFF = timedelta(minutes=1)
LONGEST_BACKOFF = timedelta(hours=6)
SWEPT_AT_ONCE = 100

Ran = Literal["done", "postponed", "failed", "not_due", "taken"]


@dataclass(frozen=True)
class Claim:
    """An item somebody holds. Whoever commits its end proves that the lease was still theirs."""

    id: str
    version: str
    work: Work

    def done(self) -> Change:
        """Return the change that ends it."""
        return Delete(Work, self.id, self.version)

    def again(self, due_at: datetime, problem: str | None = None) -> Change:
        """Return the change that postpones it."""
        return Update(
            Stored(self.id, self.version, self.work), msgspec.structs.replace(self.work, due_at=due_at, problem=problem)
        )


Handler = Callable[[Services, Claim], Ran | None]
"""Ends the item itself, in its own commit; says so where that was not "done"."""


def item(kind: str, ref: str, now: datetime, due_at: datetime | None = None, **args: str) -> Create:
    """Return the change that asks for work. `args` hold labels and names, never personal data."""
    return Create(new_id(), Work(kind=kind, ref=ref, due_at=due_at or now, created_at=now, args=args))


def backoff(attempts: int, after_seconds: int | None = None) -> timedelta:
    """Return how long to wait after so many attempts: doubling from a minute, at most 6 hours, with jitter."""
    doubled = FIRST_BACKOFF * 2 ** min(attempts - 1, 20)
    asked = min(timedelta(seconds=after_seconds or 0), LONGEST_BACKOFF)
    longest = max(min(doubled, LONGEST_BACKOFF), asked)
    # jitter shortens only: a cap stays a cap, and a vendor's own wish is kept
    waited = max(longest * random.uniform(0.75, 1.0), asked)  # noqa: S311 - no secret hangs on it
    return timedelta(seconds=math.ceil(waited.total_seconds()))


def run(services: Services, work_id: str, handlers: Mapping[str, Handler]) -> Ran:
    """Run one item if it is due and nobody holds it. Raises only TryAgain, for the store itself."""
    stored = services.store.get(Work, work_id)
    if stored is None:
        return "done"
    now = services.clock.now()
    if stored.record.due_at > now:
        return "not_due"
    held = msgspec.structs.replace(stored.record, due_at=now + LEASE, attempts=stored.record.attempts + 1)
    try:
        (version,) = services.store.commit([Update(stored, held)])
    except Conflict:
        return "taken"
    return _perform(services, Claim(stored.id, version, held), handlers)


def _perform(services: Services, claim: Claim, handlers: Mapping[str, Handler]) -> Ran:
    now = services.clock.now()
    try:
        ran = handlers[claim.work.kind](services, claim) or "done"
    except TryAgain as trouble:
        later = now + backoff(claim.work.attempts, trouble.after_seconds)
        return _end(services, [claim.again(later, trouble.code)], "postponed")
    except Conflict:
        # somebody else moved the same record meanwhile: decide again from what is there now
        return _end(services, [claim.again(now + timedelta(seconds=claim.work.attempts))], "postponed")
    except NeverRetry as failure:
        # kept all the same: once a person has mended the cause, it goes on by itself
        raised = _seen(claim, "work_failed", failure.code, now)
        return _end(services, [claim.again(now + LONGEST_BACKOFF, failure.code), *raised], "failed")
    except Exception as error:  # noqa: BLE001 - a defect of ours: kept, retried, and shown to a person
        raised = _seen(claim, "defect", type(error).__name__, now)
        return _end(services, [claim.again(now + backoff(claim.work.attempts), "defect"), *raised], "failed")
    if claim.work.problem is not None and ran == "done":
        mended = [attention.settled(kind, claim.work.ref, claim.id) for kind in ("work_failed", "defect")]
        services.commit(mended)
    return ran


def _seen(claim: Claim, kind: str, problem: str, now: datetime) -> list[Change]:
    if claim.work.kind == attention.ALERT:
        # an alert that fails must not ask for alerts: it is tried again, and the list stands
        return []
    return attention.raised(kind, claim.work.ref, now, f"{claim.work.kind}:{problem}", claim.id)


def _end(services: Services, changes: Sequence[Change], ran: Ran) -> Ran:
    try:
        services.commit(changes)
    except Conflict:
        return "taken"
    return ran


def due(services: Services, limit: int = SWEPT_AT_ONCE) -> list[Stored[Work]]:
    """Return what is due, oldest first: the sweep reads nothing else."""
    return services.store.query(DUE_WORK, at_most=services.clock.now(), limit=limit)
