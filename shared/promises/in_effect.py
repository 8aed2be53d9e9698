"""§8: which version is in effect when. Of those whose day has come it is the one published last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from shared.ports import Services
from shared.promises.policy import IN_FORCE, Published, read
from shared.records import InForce


def effective(services: Services, current: Published, now: datetime) -> tuple[Published, Published | None]:
    """Return the version in effect at `now` and, where the newest takes effect later, that one as upcoming."""
    if current.policy.effective_at <= now:
        return current, None
    pointer = services.store.get(InForce, IN_FORCE)
    for version in reversed(pointer.record.history if pointer else []):
        older = read(services, version)
        if older.policy.effective_at <= now:
            return older, current
    return current, None


def lived_under(services: Services, version: Published) -> Published | None:
    """Return what people live under when a version takes effect: what it is compared with. None before the first."""
    earlier = reversed(version.policy.history[:-1])
    return replaced((read(services, one) for one in earlier), version.policy.effective_at)


def replaced(newest_first: Iterable[Published], at: datetime) -> Published | None:
    """Return which of the versions before it one replaces that takes effect at `at`: of those whose day is before, the one published last.

    One announced for the same moment never takes effect. Where none is older, it is the one of that moment, or else the newest.
    """
    seen = list[Published]()
    for one in newest_first:
        if one.policy.effective_at < at:
            return one
        seen.append(one)
    return told_of(seen, at)


def told_of(newest_first: Iterable[Published], at: datetime) -> Published | None:
    """Return what people were told will hold at `at`: of the versions whose day is no later, the one published last."""
    seen = list(newest_first)
    return next((one for one in seen if one.policy.effective_at <= at), seen[0] if seen else None)


def overtaken(services: Services, version: Published) -> list[tuple[str, datetime]]:
    """Return the versions that were announced for a day to come and never take effect since this one is published.

    Each with its day, oldest first; not those whose place another had taken before, which was said then.
    """
    days = [(name, read(services, name).policy.effective_at) for name in version.policy.history[:-1]]
    now, day = version.policy.published_at, version.policy.effective_at
    stood = [
        (name, its)
        for n, (name, its) in enumerate(days)
        if its > now and all(later > its for _, later in days[n + 1 :])
    ]
    return [(name, its) for name, its in stood if its >= day]


def lineage(versions: Sequence[Published]) -> Iterator[Published | None]:
    """Yield for each version the one it is compared with. `versions`: all there are, in the order of their publication."""
    for n, one in enumerate(versions):
        yield replaced(reversed(versions[:n]), one.policy.effective_at)


def outdated(newest: Published, in_effect: Callable[[], Published], version: str, purpose: str, now: datetime) -> bool:
    """Tell whether a purpose was materially changed since a version, by a change that has taken effect.

    `in_effect`: asked for only where it is needed, since finding it may cost reads.
    """
    if not newest.changed_since(version, purpose):
        return False
    current = in_effect()
    is_known = version in current.policy.history or current is newest
    return is_known and current.changed_since(version, purpose, by=now)


class Standing(NamedTuple):
    """How a version stands, and the one that took its place, or will."""

    state: Literal["in_effect", "coming", "replaced", "overtaken"]
    by: Published | None


def standings(versions: Sequence[Published], now: datetime) -> list[Standing]:
    """Return how each version stands. `versions`: all there are, in the order of their publication.

    `overtaken`: a later one took effect before its day, so it never did.
    """
    return [_standing(one, versions[n + 1 :], now) for n, one in enumerate(versions)]


def _standing(version: Published, later: Sequence[Published], now: datetime) -> Standing:
    by = min(reversed(later), key=lambda one: one.policy.effective_at, default=None)
    if by is not None and by.policy.effective_at <= version.policy.effective_at:
        return Standing("overtaken", by)
    if version.policy.effective_at > now:
        return Standing("coming", by)
    return Standing("replaced" if by is not None and by.policy.effective_at <= now else "in_effect", by)
