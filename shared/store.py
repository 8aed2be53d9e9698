"""The one store: `get`, `query`, and a single atomic `commit` of changes that carry their preconditions.

It maps to one SQLite transaction and to one Firestore write batch. There are no read-write transactions: a use case
reads, decides, and commits what it decided on the condition that nothing it read has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec

from shared.failures import NeverRetry, TryAgain


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is read of something stored: a record, or some of its fields. Each type names its collection.

    A tree, never part of a ring: with `gc=False` the collector need not look at the thousands of a batch.
    """

    collection: ClassVar[str]


class Record(View, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something stored, whole: only this is ever written. Its id lives beside it, not in it."""


R = TypeVar("R", bound=View)
R_co = TypeVar("R_co", bound=View, covariant=True)


class Stored(msgspec.Struct, Generic[R_co], frozen=True, gc=False):
    """A record, or a view of one, as read: its id and an opaque token that changes with every write.

    The token of a view may be empty: nothing is written on the condition of one.
    """

    id: str
    version: str
    record: R_co


class Create(msgspec.Struct, frozen=True):
    """Write a record that must not exist yet."""

    id: str
    record: Record


class Put(msgspec.Struct, frozen=True):
    """Write a record whatever was there. Only for records whose content follows from their id."""

    id: str
    record: Record


class Update(msgspec.Struct, frozen=True):
    """Write a record on the condition that it is still as it was read."""

    was: Stored[Record]
    record: Record


class Delete(msgspec.Struct, frozen=True):
    """Remove a record; with `version`, on the condition that it is still as it was read."""

    kind: type[Record]
    id: str
    version: str | None = None


Change = Create | Put | Update | Delete


class Conflict(Exception):
    """A precondition did not hold; nothing of the commit was written. Read again and decide again."""


class Query(msgspec.Struct, Generic[R], frozen=True):
    """A query the code makes, declared once: equality fields, then the field it is ranged and ordered by.

    `by` may be `"id"`. Fields are top-level. Indexes are made from these declarations.
    """

    kind: type[R]
    equals: tuple[str, ...] = ()
    by: str = "id"


Bound = str | int | datetime


class Store(Protocol):
    """State. Twins: `SqliteStore`, `FirestoreStore`; both pass `tests/contracts/store_contract.py`."""

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        """Return the record, or None. One round trip. Raises TryAgain when the database cannot answer."""
        ...

    def query(
        self,
        query: Query[R],
        *equals: str | bool | int,
        at_least: Bound | None = None,
        at_most: Bound | None = None,
        after: Stored[R] | None = None,
        limit: int = 100,
    ) -> list[Stored[R]]:
        """Return up to `limit` records ordered by `query.by`, then id; `after` continues behind a result.

        Raises TryAgain, and NeverRetry for a query that `shared.records.QUERIES` does not declare: it has no index.
        """
        ...

    def commit(self, changes: Sequence[Change]) -> list[str]:
        """Write all of it or nothing; returns the new versions in order ('' for a delete).

        Raises Conflict when a precondition fails, TryAgain when the database cannot take it now, NeverRetry
        (`commit_too_large`, `impossible_id`) for what no database of ours takes.
        """
        ...

    def physically_gone(self, now: datetime) -> datetime:
        """Make deleted records unreadable on the medium as far as can be; return when the last copy is gone."""
        ...

    def compact(self) -> None:
        """Rewrite the medium without what was deleted since the last time. The retention job calls it; may do nothing."""
        ...


MOST_CHANGES = 500
"""Changes in one commit, at the most: what a Firestore batch is documented to take."""
MOST_BYTES = 4_000_000
"""Of one commit, at the most: Firestore takes 10 MiB, its emulator 4."""
MOST_RECORD_BYTES = 1_000_000
"""Of one record, at the most: a Firestore document ends at 1 MiB, its name and its other fields included."""


def check_size(records: Sequence[int], changes: int) -> None:
    """Refuse what one batch cannot do, whichever store it is for. `records`: bytes of each record. Raises NeverRetry."""
    if changes > MOST_CHANGES or sum(records) > MOST_BYTES or max(records, default=0) > MOST_RECORD_BYTES:
        raise NeverRetry("commit_too_large")


def every(
    store: Store,
    query: Query[R],
    *equals: str | bool | int,
    at_least: Bound | None = None,
    at_most: Bound | None = None,
    page: int = 500,
) -> Iterator[Stored[R]]:
    """Yield all results of a query, page by page: memory stays flat, however many there are."""
    last: Stored[R] | None = None
    while found := store.query(query, *equals, at_least=at_least, at_most=at_most, after=last, limit=page):
        yield from found
        if len(found) < page:
            return
        last = found[-1]


TRIES = 8
T = TypeVar("T")


def persist(attempt: Callable[[bool], T]) -> T:
    """Decide and commit, again from what is there now whenever somebody was quicker.

    `attempt` is told whether it must look: the first try may assume that nothing stands in its way. Raises TryAgain.
    """
    for tried in range(TRIES):
        try:
            return attempt(tried > 0)
        except Conflict:
            continue
    raise TryAgain("contention")
