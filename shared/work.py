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
from typing import Any, Literal

import msgspec

from shared import attention
from shared.failures import NeverRetry, NotYet, TryAgain
from shared.ports import Services
from shared.records import DUE_WORK, Attention, Work
from shared.store import Change, Conflict, Create, Delete, Stored, Update
from shared.vault import new_id

LEASE = timedelta(minutes=10)
FIRST_BACKOFF = timedelta(minutes=1)
LONGEST_BACKOFF = timedelta(hours=6)
SWEPT_AT_ONCE = 100
LATE_AFTER = timedelta(days=1)
"""An outage of a vendor is over by then, or a person should know of it: what law wants done promptly is not done."""
LATE_FAILURES = 8
"""Tried for hours, by the backoff: where nothing ran for a day, one failure before and one after it are no news."""
LATE = "work_late"
FAILED = ("work_failed", "defect")
SHOWN = (*FAILED, LATE)
"""What an item of work may have put on the list of what a person must look at."""

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
        """Return the change that postpones it: it waits, and nothing failed. An earlier problem is kept, to be settled."""
        return self._changed(due_at=due_at, problem=problem or self.work.problem, failing_since=None, failures=0)

    def failed(self, now: datetime, due_at: datetime, problem: str | None) -> Change:
        """Return the change that postpones it after a failure, and counts that."""
        return self._changed(
            due_at=due_at,
            problem=problem or self.work.problem,
            failing_since=self.work.failing_since or now,
            failures=self.work.failures + 1,
        )

    def _changed(self, **fields: Any) -> Change:
        return Update(Stored(self.id, self.version, self.work), msgspec.structs.replace(self.work, **fields))

    def is_late(self, now: datetime, failures: int) -> bool:
        """Tell whether it has been failing for so long, and so often, that a person should look."""
        since = self.work.failing_since
        return since is not None and now - since > LATE_AFTER and failures >= LATE_FAILURES


Handler = Callable[[Services, Claim], Ran | None]
"""Ends the item itself, in its own commit; says so where that was not "done"."""


def item(kind: str, ref: str, now: datetime, due_at: datetime | None = None, **args: str) -> Create:
    """Return the change that asks for work. `args` hold labels and names, never personal data."""
    return Create(new_id(), Work(kind=kind, ref=ref, due_at=due_at or now, created_at=now, args=args))


def backoff(attempts: int, after_seconds: int | None = None) -> timedelta:
    """Return how long to wait after so many attempts: doubling from a minute, at most 6 hours, with jitter."""
    doubled = FIRST_BACKOFF * 2 ** min(attempts - 1, 20)
    # whatever a vendor wishes: more seconds than fit are no time at all
    asked = timedelta(seconds=min(after_seconds or 0, LONGEST_BACKOFF.total_seconds()))
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
    except NotYet as wait:
        return _end(
            services, [claim.again(now + backoff(claim.work.attempts, wait.after_seconds), wait.code)], "postponed"
        )
    except TryAgain as trouble:
        later = now + backoff(claim.work.attempts, trouble.after_seconds)
        raised = _late(services, claim, trouble.code, now)
        return _end(services, [claim.failed(now, later, trouble.code), *raised], "postponed")
    except Conflict:
        # somebody else moved the same record meanwhile: decide again from what is there now
        later = now + timedelta(seconds=claim.work.attempts)
        raised = _late(services, claim, "conflict", now)
        return _end(services, [claim.failed(now, later, None), *raised], "postponed")
    except NeverRetry as failure:
        # kept all the same: once a person has mended the cause, it goes on by itself
        raised = _seen(claim, "work_failed", failure.code, now)
        return _end(services, [claim.failed(now, now + LONGEST_BACKOFF, failure.code), *raised], "failed")
    except Exception as error:  # noqa: BLE001 - a defect of ours: kept, retried, and shown to a person
        raised = _seen(claim, "defect", type(error).__name__, now)
        return _end(services, [claim.failed(now, now + backoff(claim.work.attempts), "defect"), *raised], "failed")
    _settle(services, claim, ran, now)
    return ran


def _settle(services: Services, claim: Claim, ran: Ran, now: datetime) -> None:
    """Take off the list what is over: all of it once the item is done, its lateness once a run came to its end."""
    over: tuple[str, ...] = (LATE,) if claim.is_late(now, claim.work.failures) else ()
    if ran == "done" and claim.work.problem is not None:
        over = SHOWN
    if over:
        services.commit([attention.settled(kind, claim.work.ref, claim.id) for kind in over])


def _late(services: Services, claim: Claim, problem: str, now: datetime) -> list[Change]:
    """Have a person see, once, that this fails and fails: the watchdog looks at open requests alone."""
    if not claim.is_late(now, claim.work.failures + 1):
        return []
    shown = services.store.get(Attention, attention.attention_id(LATE, claim.work.ref, claim.id))
    return [] if shown else _seen(claim, LATE, problem, now)


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
