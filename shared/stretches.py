"""A stretch of the ledger: what was stamped in a span of time, read in order of time and folded into one hash.

Memory stays flat, however long the stretch is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256

from shared.ledger import Broken, entry_id, is_ours
from shared.records import EVIDENCE_BY_TIME, LedgerEntry
from shared.store import Store, Stored, every
from shared.vault import Vault

REMEMBERED = 10_000
"""MACs kept at hand, so that most forerunners need no read of their own."""


class Fold:
    """SHA-256 over the entries' MACs (hexadecimal, a line feed after each), in order of time and then of id.

    A MAC covers the whole entry, its name and its forerunner's MAC. To whoever has no entry the fold says nothing.
    """

    def __init__(self) -> None:
        self.entries = 0
        self._sha = sha256()

    def add(self, entry: LedgerEntry) -> None:
        """Take the next entry in."""
        self.entries += 1
        self._sha.update(f"{entry.mac}\n".encode())

    @property
    def hash(self) -> str:
        """Return the hash of what was taken in, hexadecimal."""
        return self._sha.hexdigest()


def fold(store: Store, after: datetime | None, until: datetime) -> Fold:
    """Fold a stretch, whether its entries hold or not. Raises Broken when they come out of order."""
    folded = Fold()
    for stored in _stamped(store, after, until):
        folded.add(stored.record)
    return folded


def check(store: Store, vault: Vault, after: datetime | None, until: datetime, into: Fold) -> Fold:
    """Fold a stretch and check every entry: it is ours, and its forerunner stands before it. Raises Broken.

    The forerunner may be older than the stretch. Streams are purged whole, so one that is missing shows; an entry that
    is purged while we read shows nothing.
    """
    macs: dict[str, str] = {}
    for stored in _stamped(store, after, until):
        if not is_ours(vault, stored):
            raise Broken(stored.id)
        if not _is_linked(store, stored.record, macs):
            if store.get(LedgerEntry, stored.id) is not None:
                raise Broken(stored.id)
            continue
        into.add(stored.record)
        macs[stored.id] = stored.record.mac
        if len(macs) > REMEMBERED:
            del macs[next(iter(macs))]
    return into


def _stamped(store: Store, after: datetime | None, until: datetime) -> Iterator[Stored[LedgerEntry]]:
    first = after + timedelta(seconds=1) if after else None
    last: tuple[datetime, str] | None = None
    for stored in every(store, EVIDENCE_BY_TIME, at_least=first, at_most=until):
        place = (stored.record.at, stored.id)
        # an altered time would have the pages begin again and again
        if last is not None and place <= last:
            raise Broken(stored.id)
        yield stored
        last = place


def _is_linked(store: Store, entry: LedgerEntry, macs: dict[str, str]) -> bool:
    if entry.seq == 1:
        return not entry.previous
    forerunner = entry_id(entry.stream, entry.seq - 1)
    if forerunner in macs:
        return macs[forerunner] == entry.previous
    found = store.get(LedgerEntry, forerunner)
    return found is not None and found.record.mac == entry.previous
