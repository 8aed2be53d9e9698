"""§4: erasures that nobody asked for stop when there are too many in too short a time, and wait for a person (TRUTH §6).

What a person asked for never passes here. One record, compared and set, so that every instance counts the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from shared import attention, ledger
from shared.case import NO_HEAD
from shared.failures import BadInput, Stale
from shared.ports import Services
from shared.records import Breaker
from shared.store import Change, Create, Stored, Update, persist
from shared.times import plus, rfc3339

ONE = "automatic-erasures"
TRIPPED = "breaker_tripped"
LONGEST_REASON = 4000


class Reset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why automatic erasures may go on."""

    reason: str


class Asked(NamedTuple):
    """Whether one more may begin, and what to commit with that, or with its waiting."""

    admitted: bool
    changes: list[Change]


def ask(services: Services) -> Asked:
    """Ask to begin one more. The first beyond the company's rate stops this and all that follow."""
    stored = services.store.get(Breaker, ONE)
    now, limit = services.clock.now(), services.company.breaker
    before = stored.record if stored else Breaker(begun=[], head=NO_HEAD)
    if before.tripped_at is not None:
        return Asked(admitted=False, changes=[])
    window = plus(now, limit.within) - now
    lately = [at for at in before.begun if at > now - window]
    if len(lately) < limit.most:
        return Asked(True, [_written(stored, msgspec.structs.replace(before, begun=[*lately, now]))])
    noted, head = _noted(services, before, "breaker.tripped", most=limit.most, within=limit.within)
    after = msgspec.structs.replace(before, begun=lately, head=head, tripped_at=now)
    seen = attention.raised(TRIPPED, ONE, now, f"{limit.most}_within_{limit.within}")
    opened = attention.incident(TRIPPED, f"{ONE}-{rfc3339(now)}", now)
    return Asked(False, [_written(stored, after), noted, *seen, *opened])


def reset(services: Services, said: Reset, by: str) -> dict[str, Any]:
    """Let automatic erasures go on, and count anew. Raises BadInput, Stale when they are not stopped."""
    if not 1 <= len(said.reason.strip()) <= LONGEST_REASON:
        raise BadInput(f"1 to {LONGEST_REASON} characters", "reason")

    def attempt(_look: bool) -> dict[str, Any]:
        stored = services.store.get(Breaker, ONE)
        if stored is None or stored.record.tripped_at is None:
            raise Stale("automatic erasures are not stopped")
        noted, head = _noted(services, stored.record, "breaker.reset", said.reason, by=by)
        after = msgspec.structs.replace(stored.record, begun=[], head=head, tripped_at=None)
        services.commit([Update(stored, after), noted, attention.settled(TRIPPED, ONE)])
        return {"stopped": False, "stopped_at": rfc3339(stored.record.tripped_at)}

    return persist(attempt)


def _written(stored: Stored[Breaker] | None, after: Breaker) -> Change:
    return Update(stored, after) if stored else Create(ONE, after)


def _noted(services: Services, before: Breaker, kind: str, private: str | None = None, **facts: Any) -> Any:
    head = before.head if before.head.seq else None
    place = f"ledger/{ledger.entry_id(ONE, before.head.seq + 1)}"
    sealed = services.vault.seal(place, private) if private is not None else None
    return ledger.append(services.vault, head, ONE, services.clock.now(), kind, facts, sealed)
