"""§7: evidence that can be checked whole: every stream link by link, every head, and every checkpoint of the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared import batches, ledger, stretches
from shared.checkpoint_chain import LAST, PREFIX, must_follow, name_of, read, where
from shared.ledger import Broken
from shared.ports import Services
from shared.promises import policy
from shared.promises.checkpoints import answer, grew
from shared.records import (
    ALL_CAMPAIGNS,
    ALL_EVIDENCE,
    ALL_IMPORTS,
    ALL_REQUESTS,
    Campaign,
    Checkpoint,
    Import,
    InForce,
    LedgerEntry,
    Request,
)
from shared.store import Store, Stored, every

LOOKS = 3
"""A stream may grow between the reading of its head and of its end: so often it is looked at again."""
BEHIND_EVERY_ID = "\U0010ffff"


def check(services: Services) -> dict[str, Any]:
    """Check everything; return `{entries, intact, first_break?}`. A break opens an incident. Memory stays flat."""
    entries = 0

    def counted() -> Iterator[Stored[LedgerEntry]]:
        nonlocal entries
        for stored in every(services.store, ALL_EVIDENCE):
            entries += 1
            yield stored

    try:
        _check_requests(services.store, ledger.tails(services.vault, counted()))
        for campaign in every(services.store, ALL_CAMPAIGNS):
            _must_end(services.store, Campaign, campaign.id, campaign.id)
            _must_have_batches(services.store, campaign)
        for one in every(services.store, ALL_IMPORTS):
            _must_end(services.store, Import, one.id, one.id)
        _must_end(services.store, InForce, policy.IN_FORCE, policy.STREAM)
        _check_checkpoints(services)
    except Broken as broken:
        return answer(services, entries, broken)
    return answer(services, entries)


# --- streams and heads ------------------------------------------------------------------------------------------------


def _check_requests(store: Store, tails: Iterator[tuple[str, str]]) -> None:
    """Hold every request's head against the end of its stream; both are read in order, side by side."""
    stream, mac = "", ""
    for request in every(store, ALL_REQUESTS):
        while stream < request.id:
            stream, mac = next(tails, (BEHIND_EVERY_ID, ""))
        if (stream, mac) != (request.id, request.record.head.mac):
            _must_end(store, Request, request.id, request.id)
    for _ in tails:
        # what comes behind the last request is checked by being read
        pass


def _must_end(store: Store, kind: type[Request | Campaign | Import | InForce], id: str, stream: str) -> None:
    if not any(_ends(store, kind, id, stream) for _ in range(LOOKS)):
        raise Broken(stream)


def _ends(store: Store, kind: type[Request | Campaign | Import | InForce], id: str, stream: str) -> bool:
    stored = store.get(kind, id)
    if stored is None:
        return True
    entries = ledger.stream_of(store, stream)
    return bool(entries) and entries[-1].record.mac == stored.record.head.mac


def _must_have_batches(store: Store, campaign: Stored[Campaign]) -> None:
    """Hold the heads that a campaign's last entry lists, or their hash, against its batches' streams, of one entry each."""
    entries = ledger.stream_of(store, campaign.id)
    facts = entries[-1].record.facts if entries else {}
    said = facts.get("batches_sha256")
    if said is not None and batches.ends_of(store, campaign.record.version).get("batches_sha256") != said:
        raise Broken(campaign.id)
    for batch, mac in facts.get("batches", {}).items():
        stored = store.get(LedgerEntry, ledger.entry_id(batch, 1))
        if stored is None or stored.record.mac != mac:
            raise Broken(batch)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def _check_checkpoints(services: Services) -> None:
    """Check every checkpoint: signed by us, fitting the one before, and against what its stretch folds to now.

    Raises Broken: also where one is missing, or the store knows another one. One whose stretch was closed again by the
    next, because something landed late, is held to that one.
    """
    known = services.store.get(Checkpoint, LAST)
    before: Checkpoint | None = None
    for found in _archived(services):
        must_follow(found, before)
        if known is not None and known.record.number == found.number and known.record != found:
            raise Broken(where(found.number))
        if before is not None and found.after == before.until:
            _must_fold(services, before)
        before = found
    if before is not None:
        _must_fold(services, before)
    _must_be_known(before.number if before else 0, known.record.number if known else 0)


def _archived(services: Services) -> Iterator[Checkpoint]:
    for number, name in enumerate(services.archive.names(PREFIX), 1):
        if name != name_of(number) or (found := read(services, number)) is None:
            raise Broken(where(number))
        yield found


def _must_fold(services: Services, closed: Checkpoint) -> None:
    if grew(closed, stretches.fold(services.store, closed.after, closed.until)):
        raise Broken(where(closed.number))


def _must_be_known(archived: int, known: int) -> None:
    # one more than the store knows is a run that is under way, or crashed
    if not known <= archived <= known + 1:
        raise Broken(where(min(archived, known) + 1))
