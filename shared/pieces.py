"""The file of an export, kept as sealed pieces: no record may be as large as a file, and no bucket is needed for it.

Pieces are written before the request names them; what a crash leaves behind the next attempt removes, and it ends by its own
date in any case.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from shared.failures import NeverRetry
from shared.records import PIECES_OF_WORK, Export, Piece
from shared.store import Change, Create, Delete, Store, every
from shared.vault import Vault

PIECE_BYTES = 512 * 1024
"""Sealing and the store each write it as base64: 0.93 of the 1,000,000 bytes a record may have."""
PIECES_AT_ONCE = 4
MOST_PIECES = 400
"""200 MiB: what is larger needs a person."""


class PieceWriter:
    """A file to write to, once and forwards; what is written goes to the store piece by piece."""

    def __init__(self, store: Store, vault: Vault, id: str, until: datetime) -> None:
        self._store = store
        self._vault = vault
        self._id = id
        self._until = until
        self._buffer = bytearray()
        self._waiting: list[Change] = []
        self._digest = sha256()
        self._pieces = self._n_bytes = 0

    def write(self, data: bytes) -> int:
        """Take more bytes. Raises TryAgain, NeverRetry (`export_too_large`)."""
        self._buffer += data
        self._digest.update(data)
        self._n_bytes += len(data)
        while len(self._buffer) >= PIECE_BYTES:
            self._piece()
        return len(data)

    def flush(self) -> None:
        """Do nothing: a piece is written when it is whole."""

    def close(self, now: datetime) -> Export:
        """Write what is left; return what names the file from now on."""
        self._piece()
        self._commit()
        digest = self._digest.hexdigest()
        return Export(
            id=self._id, pieces=self._pieces, n_bytes=self._n_bytes, sha256=digest, ready_at=now, until=self._until
        )

    def _piece(self) -> None:
        if self._pieces == MOST_PIECES:
            raise NeverRetry("export_too_large")
        name = _name(self._id, self._pieces)
        content = base64.b64encode(self._buffer[:PIECE_BYTES]).decode()
        sealed = self._vault.seal(f"pieces/{name}", content)
        self._waiting.append(Create(name, Piece(expires_at=self._until, sealed=sealed)))
        self._pieces += 1
        del self._buffer[:PIECE_BYTES]
        if len(self._waiting) == PIECES_AT_ONCE:
            self._commit()

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._store.commit(waiting)


def read(store: Store, vault: Vault, export: Export) -> Iterator[bytes]:
    """Yield the file piece by piece, in order. Raises NeverRetry when a piece is not there."""
    for number in range(export.pieces):
        name = _name(export.id, number)
        stored = store.get(Piece, name)
        if stored is None:
            raise NeverRetry("piece_missing")
        yield base64.b64decode(vault.unseal(f"pieces/{name}", stored.record.sealed))


def removed(export: Export) -> list[Change]:
    """Return the changes that remove a file: fewer than one commit may hold."""
    return [Delete(Piece, _name(export.id, number)) for number in range(export.pieces)]


def named(work_id: str, attempt: int) -> str:
    """Return the id of the file that one attempt of a work item makes."""
    return f"{work_id}-{attempt}"


def remove_left(store: Store, work_id: str, named: str | None) -> None:
    """Remove what earlier attempts of a work item left behind. `named`: the file that a request names, which stays."""
    begin = f"{work_id}-"
    for stored in every(store, PIECES_OF_WORK, at_least=begin, at_most=f"{begin}~", page=PIECES_AT_ONCE):
        if stored.id.rpartition(":")[0] != named:
            store.commit([Delete(Piece, stored.id)])


def _name(export_id: str, number: int) -> str:
    return f"{export_id}:{number:04}"
