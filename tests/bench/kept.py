"""What a killed server left in its store: counted through the store's own queries."""

from __future__ import annotations

from shared import ledger
from shared.records import ALL_EVIDENCE, ALL_REQUESTS
from shared.store import every
from tests.bench.load import Failed
from tests.bench.stack import Stack

READ_AT_ONCE = 1000


def consents_kept(stack: Stack) -> int:
    """Count the consents in a store whose evidence holds. Raises Failed where it does not."""
    entries = list(every(stack.services.store, ALL_EVIDENCE, page=READ_AT_ONCE))
    broken = ledger.first_break(stack.services.vault, entries)
    if broken is not None:
        raise Failed(f"the evidence does not hold at {broken}")
    return sum(entry.record.kind == "consent" for entry in entries)


def requests_kept(stack: Stack) -> int:
    """Count the requests in a store."""
    return sum(1 for _ in every(stack.services.store, ALL_REQUESTS, page=READ_AT_ONCE))
