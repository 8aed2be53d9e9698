"""Evidence: an append-only, chained record of what was decided and done, in the same commit as the change it proves.

An entry holds keyed references and facts, never personal data in the open. Each stream is a chain: an entry's MAC covers
the one before it, and the state record keeps the head, so a cut tail shows as well as an altered middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from shared.records import ALL_EVIDENCE, Head, LedgerEntry
from shared.store import Create, Store, Stored, every
from shared.vault import Vault, canonical

LAST = 999_999


def entry_id(stream: str, seq: int) -> str:
    """Name an entry so that a stream reads in order."""
    return f"{stream}:{seq:06d}"


def append(
    vault: Vault,
    head: Head | None,
    stream: str,
    at: datetime,
    kind: str,
    facts: dict[str, Any],
    sealed: bytes | None = None,
    subject: str | None = None,
) -> tuple[Create, Head]:
    """Return the entry to commit and the stream's new head."""
    seq = head.seq + 1 if head else 1
    bare = LedgerEntry(
        stream=stream,
        seq=seq,
        at=at,
        kind=kind,
        facts=facts,
        sealed=sealed,
        subject=subject,
        previous=head.mac if head else "",
    )
    key_id, mac = vault.mac(_covered(bare))
    whole = msgspec.structs.replace(bare, key=key_id, mac=mac)
    return Create(entry_id(stream, seq), whole), Head(seq=seq, mac=mac)


def stream_of(store: Store, stream: str) -> list[Stored[LedgerEntry]]:
    """Read one stream in order, whole."""
    return list(every(store, ALL_EVIDENCE, at_least=entry_id(stream, 0), at_most=entry_id(stream, LAST)))


def _covered(entry: LedgerEntry) -> bytes:
    return canonical(msgspec.structs.replace(entry, key="", mac=""))


class Broken(Exception):
    """Evidence that does not hold. `where`: the id of the entry, the stream or the checkpoint."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def is_ours(vault: Vault, stored: Stored[LedgerEntry]) -> bool:
    """Tell whether an entry stands under its own name, as we wrote it. Says nothing of its forerunner."""
    entry = stored.record
    return stored.id == entry_id(entry.stream, entry.seq) and vault.mac_holds(entry.key, _covered(entry), entry.mac)


def tails(vault: Vault, entries: Iterable[Stored[LedgerEntry]]) -> Iterator[tuple[str, str]]:
    """Walk entries in id order; yield each stream with its last MAC.

    Raises Broken at the first entry that is altered, missing its forerunner or out of place.
    """
    stream, seq, mac = "", 0, ""
    for stored in entries:
        entry = stored.record
        if entry.stream != stream:
            if seq:
                yield stream, mac
            stream, seq, mac = entry.stream, 0, ""
        if entry.seq != seq + 1 or entry.previous != mac or not is_ours(vault, stored):
            raise Broken(stored.id)
        seq, mac = entry.seq, entry.mac
    if seq:
        yield stream, mac


def first_break(vault: Vault, entries: Iterable[Stored[LedgerEntry]]) -> str | None:
    """Walk entries in id order; return the id of the first that does not hold."""
    try:
        for _ in tails(vault, entries):
            pass
    except Broken as broken:
        return broken.where
    return None
