"""§4: what is kept has an end. Removes every record whose `expires_at` has come, whole streams of evidence with it."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared import identity, ledger
from shared.apart import Apart
from shared.identity import Identifiers
from shared.own_records import evidence_of
from shared.ports import Services
from shared.records import (
    EXPIRED,
    RETAINED_OF_REQUEST,
    Alias,
    Batch,
    Campaign,
    InboundMail,
    LedgerEntry,
    Pending,
    Piece,
    Request,
    Subject,
)
from shared.store import MOST_CHANGES, Change, Conflict, Delete, Query, Stored, every

NOT_REMOVED = "expired_not_removed"
"""A record whose time is over and that could not be removed."""
AT_ONCE = 500
LARGE = (Piece, InboundMail)
LARGE_AT_ONCE = 10
"""Each of these may be as large as a record can be, and a page of them stands in memory more than once."""


def expire(services: Services) -> dict[str, int]:
    """Remove what has expired, and what deleted records left behind; return how many of each collection.

    Reads nothing but what has expired and what is shown of it. What cannot be removed keeps nothing else; its failure is raised at the end.
    """
    apart, removed = Apart(services, NOT_REMOVED), dict[str, int]()
    try:
        for query in EXPIRED:
            name = query.kind.collection
            gone = apart.take(partial(_sweep, services, apart, query), name, name)
            removed |= {name: gone} if gone else {}
    finally:
        # somebody was told by when the last copy is gone, whatever became of the rest
        services.store.compact()
    apart.end()
    return removed


def _sweep(services: Services, apart: Apart, query: Query[Any]) -> int:
    name, page = query.kind.collection, LARGE_AT_ONCE if query.kind in LARGE else AT_ONCE
    expired = every(services.store, query, at_most=services.clock.now(), page=page)
    return sum(apart.take(partial(_remove, services, one), one.id, name) for one in expired)


def _remove(services: Services, stored: Stored[Any]) -> int:
    batches = _batches(_removal(services, stored))
    try:
        for batch in batches:
            services.store.commit(batch)
    except Conflict:
        return 0
    return int(bool(batches))


def _batches(changes: list[Change]) -> list[list[Change]]:
    return [changes[start : start + MOST_CHANGES] for start in range(0, len(changes), MOST_CHANGES)]


def _removal(services: Services, stored: Stored[Any]) -> list[Change]:
    own = Delete(type(stored.record), stored.id, stored.version)
    match stored.record:
        case Request():
            if services.store.query(RETAINED_OF_REQUEST, stored.id, limit=1):
                return []
            return [*_stream(services, stored.id), own]
        case Campaign() | Batch():
            return [*_stream(services, stored.id), own]
        case Pending(confirmed_at=None, device=None, receipt=receipt):
            # a decision that never came to belong to anybody leaves nothing behind
            return [*_stream(services, receipt), own]
        case Subject():
            evidence = [Delete(LedgerEntry, entry.id) for entry in reversed(evidence_of(services.store, stored.id))]
            return [*evidence, *_device_alias(services, stored), own]
        case _:
            return [own]


def _stream(services: Services, stream: str) -> list[Change]:
    # its end first: a crash between two commits must not leave an entry without its forerunner
    return [Delete(LedgerEntry, entry.id) for entry in reversed(ledger.stream_of(services.store, stream))]


def _device_alias(services: Services, stored: Stored[Subject]) -> list[Change]:
    known = services.vault.unseal(f"subjects/{stored.id}", stored.record.sealed)
    device = Identifiers(**known).device_id
    return [Delete(Alias, identity.alias(services.vault, "device", device))] if device else []
