"""Several decisions in one commit: each sees what those before it will write, and one record is written once.

What is decided on records taken to be absent is proved by the preconditions of what it creates (`looking=False`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from shared.failures import NeverRetry
from shared.ports import Services
from shared.store import Bound, Change, Create, Delete, Put, Query, Record, Store, Stored, Update

R = TypeVar("R", bound=Record)
Written = Create | Put | Update


class UnitOfWork:
    """The reading part of a `Store` with changes on top that wait to be committed. It deletes nothing."""

    def __init__(self, store: Store, *, looking: bool = True) -> None:
        self._store = store
        self._looking = looking
        self._written: dict[tuple[type[Record], str], Written] = {}
        self._ids: dict[type[Record], list[str]] = {}

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        """Return the record as it will be. Raises NeverRetry for a view: it would not show what is not written yet."""
        if not issubclass(kind, Record):
            raise NeverRetry("view_of_a_unit")
        written = self._written.get((kind, id))
        if written is not None:
            return _stored(written)
        return self._store.get(kind, id) if self._looking else None

    def query(
        self,
        query: Query[R],
        *equals: str | bool | int,
        at_least: Bound | None = None,
        at_most: Bound | None = None,
        after: Stored[R] | None = None,
        limit: int = 100,
    ) -> list[Stored[R]]:
        """Return what the store has; of ranges of ids, what it will have."""
        asked = {"at_least": at_least, "at_most": at_most, "after": after, "limit": limit}
        found = self._store.query(query, *equals, **asked) if self._looking else []  # type: ignore[arg-type]
        if query.equals or query.by != "id":
            return found
        ids = self._ids.get(query.kind, [])
        start = bisect_right(ids, after.id) if after else bisect_left(ids, str(at_least or ""))
        end = len(ids) if at_most is None else bisect_right(ids, str(at_most))
        ours: dict[str, Stored[R]] = {id: _stored(self._written[query.kind, id]) for id in ids[start:end]}
        merged = {one.id: one for one in found} | ours
        return [merged[id] for id in sorted(merged)][:limit]

    def add(self, changes: Sequence[Change]) -> None:
        """Take a decision's changes. Raises NeverRetry for a delete."""
        for change in changes:
            place = place_of(change)
            before = self._written.get(place)
            if before is None:
                insort(self._ids.setdefault(place[0], []), place[1])
            self._written[place] = _after(before, change) if before else change  # type: ignore[assignment]

    def with_more(self, changes: Sequence[Change]) -> int:
        """Return how many records would be written with these."""
        return len(self._written) + sum(place not in self._written for place in {place_of(one) for one in changes})

    def changes(self) -> list[Change]:
        """Return what is to be committed."""
        return list(self._written.values())

    def commit(self, changes: Sequence[Change]) -> list[str]:
        """Refuse: whoever made the unit commits it."""
        raise NeverRetry("unit_of_work_commits_nothing")

    def physically_gone(self, now: datetime) -> datetime:
        """Refuse: nothing is deleted here."""
        raise NeverRetry("unit_of_work_deletes_nothing")

    def compact(self) -> None:
        """Do nothing."""


def within(services: Services, unit: UnitOfWork) -> Services:
    """Return the same services over a unit of work."""
    return cast("Services", _Within(services, unit))


class _Within:
    def __init__(self, services: Services, store: UnitOfWork) -> None:
        self._services = services
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._services, name)


def place_of(change: Change) -> tuple[type[Record], str]:
    """Return which record a change writes. Raises NeverRetry for a delete."""
    if isinstance(change, Delete):
        raise NeverRetry("unit_of_work_deletes_nothing")
    return type(change.record), change.was.id if isinstance(change, Update) else change.id


def _stored(change: Written) -> Stored[Any]:
    if isinstance(change, Update):
        return Stored(change.was.id, change.was.version, change.record)
    return Stored(change.id, "", change.record)


def _after(before: Written, change: Change) -> Written:
    """Return one change in place of two: the first one's precondition, the last one's record."""
    record = cast("Written", change).record
    if isinstance(before, Update):
        return Update(before.was, record)
    return Create(before.id, record) if isinstance(before, Create) else Put(before.id, record)
