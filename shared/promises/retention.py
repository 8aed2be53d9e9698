"""§4: what is kept has an end. Removes every record whose `expires_at` has come, whole streams of evidence with it."""

from __future__ import annotations

from typing import Any

from shared import identity, ledger
from shared.identity import Identifiers
from shared.own_records import evidence_of
from shared.ports import Services
from shared.records import EXPIRED, RETAINED_OF_REQUEST, Alias, Batch, Campaign, LedgerEntry, Pending, Request, Subject
from shared.store import MOST_CHANGES, Change, Conflict, Delete, Stored, every


def expire(services: Services) -> dict[str, int]:
    """Remove what has expired, and what deleted records left behind; return how many of each collection.

    Reads nothing but what has expired.
    """
    now = services.clock.now()
    removed: dict[str, int] = {}
    for query in EXPIRED:
        gone = sum(_remove(services, stored) for stored in every(services.store, query, at_most=now))
        removed |= {query.kind.collection: gone} if gone else {}
    services.store.compact()
    return removed


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
