"""Twins of our ports that do one thing differently: they crash, are busy, or keep copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.store import Bound, Change, Conflict, Delete, Query, Record, Store, Stored, View
from shared.website import Data, WebsiteStore

R = TypeVar("R", bound=View)


class PowerCutError(Exception):
    """The process died here."""


@dataclass
class Fuse:
    """Lets so many writes through, then the power goes."""

    left: int

    def write(self) -> None:
        if self.left == 0:
            raise PowerCutError
        self.left -= 1


class ForwardingStore:
    """A store in front of another, for twins that do one thing differently."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        return self.store.get(kind, id)

    def query(
        self,
        query: Query[R],
        *equals: str | bool | int,
        at_least: Bound | None = None,
        at_most: Bound | None = None,
        after: Stored[R] | None = None,
        limit: int = 100,
    ) -> list[Stored[R]]:
        return self.store.query(query, *equals, at_least=at_least, at_most=at_most, after=after, limit=limit)

    def commit(self, changes: Sequence[Change]) -> list[str]:
        return self.store.commit(changes)

    def physically_gone(self, now: datetime) -> datetime:
        return self.store.physically_gone(now)

    def compact(self) -> None:
        self.store.compact()


class CrashingStore(ForwardingStore):
    def __init__(self, store: Store, fuse: Fuse) -> None:
        super().__init__(store)
        self.fuse = fuse

    def commit(self, changes: Sequence[Change]) -> list[str]:
        self.fuse.write()
        return self.store.commit(changes)


class RecordingStore(ForwardingStore):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.commits: list[list[Change]] = []

    def commit(self, changes: Sequence[Change]) -> list[str]:
        self.commits.append(list(changes))
        return self.store.commit(changes)


class BusyStore(ForwardingStore):
    """Somebody else writes just before the commit that deletes a record of this kind; once."""

    def __init__(self, store: Store, kind: type[Record], meanwhile: Callable[[], object]) -> None:
        super().__init__(store)
        self.kind = kind
        self.meanwhile: Callable[[], object] | None = meanwhile

    def commit(self, changes: Sequence[Change]) -> list[str]:
        if self.meanwhile and any(isinstance(change, Delete) and change.kind is self.kind for change in changes):
            self.meanwhile()
            self.meanwhile = None
        return self.store.commit(changes)


class InterruptedStore(ForwardingStore):
    """Somebody else comes just before the n-th call, does the whole of what they do, and goes; once."""

    def __init__(self, store: Store, at: int, meanwhile: Callable[[], object]) -> None:
        super().__init__(store)
        self.left = at
        self.meanwhile = meanwhile

    def _called(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.meanwhile()

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        self._called()
        return super().get(kind, id)

    def query(self, query: Query[R], *equals: str | bool | int, **bounds: Any) -> list[Stored[R]]:
        self._called()
        return super().query(query, *equals, **bounds)

    def commit(self, changes: Sequence[Change]) -> list[str]:
        self._called()
        return super().commit(changes)


class BackedUpStore(ForwardingStore):
    """Keeps copies for 30 days, as a database with long backups does."""

    def physically_gone(self, now: datetime) -> datetime:
        self.store.physically_gone(now)
        return now + timedelta(days=30)


class ForwardingWebsite:
    """A website in front of another, for twins that do one thing differently."""

    def __init__(self, website: WebsiteStore) -> None:
        self.website = website

    def __getattr__(self, name: str) -> Any:
        return getattr(self.website, name)


class CrashingWebsite(ForwardingWebsite):
    def __init__(self, website: WebsiteStore, fuse: Fuse) -> None:
        super().__init__(website)
        self.fuse = fuse

    def write(self, path: str, data: Data) -> None:
        self.fuse.write()
        self.website.write(path, data)

    def delete(self, paths: Sequence[str]) -> None:
        # one by one, as a database without batches would
        for path in paths:
            self.fuse.write()
            self.website.delete([path])

    def delete_file(self, bucket: str, path: str) -> None:
        self.fuse.write()
        self.website.delete_file(bucket, path)


class ContendedStore(ForwardingStore):
    """Somebody is always quicker."""

    def commit(self, _: Sequence[Change]) -> list[str]:
        raise Conflict


class ContendedOnce(ForwardingStore):
    """Aborts the first commit, as a database under contention does; nobody has written anything."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.aborts = True

    def commit(self, changes: Sequence[Change]) -> list[str]:
        if self.aborts:
            self.aborts = False
            raise Conflict
        return self.store.commit(changes)


class StubbornStore(ForwardingStore):
    """Says yes to deleting records of one kind, and does not."""

    def __init__(self, store: Store, kind: type[Record]) -> None:
        super().__init__(store)
        self.kind = kind

    def commit(self, changes: Sequence[Change]) -> list[str]:
        kept = [change for change in changes if not isinstance(change, Delete) or change.kind is not self.kind]
        return self.store.commit(kept)


class EagerWebsite(ForwardingWebsite):
    """Writes a document again as soon as it was deleted."""

    def delete(self, paths: Sequence[str]) -> None:
        self.website.delete(paths)
        self.website.write("users/u1", {"name": "Ada again"})


class ReadOnlyWebsite(ForwardingWebsite):
    """Says yes to deleting, and does not."""

    def delete(self, paths: Sequence[str]) -> None:
        pass

    def delete_file(self, bucket: str, path: str) -> None:
        pass
