"""§8: which version is in effect when. Of those whose day has come it is the one published last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
