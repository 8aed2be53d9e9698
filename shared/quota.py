"""A vendor's quota, kept by us across all instances: one record that remembers the latest calls.

It counts over any stretch of time and not by calendar days, so it holds whenever the vendor's own day begins. Taking a
place is a compare-and-set: of two that come at once, one is told to come again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.failures import NotYet
from shared.records import Quota
from shared.store import Create, Store, Update, persist

SPREAD_SECONDS = 3600
"""Those who wait come again at different moments of these: together they would only meet again."""


@dataclass(frozen=True)
class Limit:
    """At most so many calls within so many seconds, whenever these begin."""

    calls: int
    seconds: int


def take(store: Store, name: str, limits: Sequence[Limit], now: datetime) -> None:
    """Take a place for one call, whatever then becomes of it. `name` names what is limited, nothing personal.

    Raises NotYet(`{name}_quota`) with the seconds until there is room.
    """

    def attempt(_: bool) -> None:
        stored = store.get(Quota, name)
        taken = stored.record.taken if stored else []
        second = int(now.timestamp())
        wait = max((_wait(taken, limit, second) for limit in limits), default=0)
        if wait > 0:
            raise NotYet(f"{name}_quota", wait + random.randrange(SPREAD_SECONDS))  # noqa: S311 - no secret hangs on it
        kept = _kept([*taken, second], limits, now)
        store.commit([Update(stored, kept) if stored else Create(name, kept)])

    persist(attempt)


def _wait(taken: Sequence[int], limit: Limit, second: int) -> int:
    if len(taken) < limit.calls:
        return 0
    # times are whole seconds: a call at "10" may have gone out at 10.9, so the stretch ends a second later
    return taken[-limit.calls] + limit.seconds + 1 - second


def _kept(taken: Sequence[int], limits: Sequence[Limit], now: datetime) -> Quota:
    most, longest = max(limit.calls for limit in limits), max(limit.seconds for limit in limits)
    return Quota(taken=list(taken[-most:]), expires_at=now + timedelta(seconds=longest + 1))
