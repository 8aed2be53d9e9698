"""The embedded runtime's keyset: a generated file, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from shared.vault import Keyset


def keyset(path: Path) -> Keyset:
    """Read the keyset; generate it the first time."""
    if not path.exists():
        _save(path, Keyset.generate(), replace=False)
    return msgspec.json.decode(path.read_bytes(), type=Keyset)


def rotate(path: Path) -> None:
    """Write with new keys from the next start on; everything written before stays readable."""
    _save(path, keyset(path).rotated(), replace=True)


def _save(path: Path, value: Keyset, *, replace: bool) -> None:
    # written aside first: a crash in the middle must never leave half a keyset
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(value))
        os.fsync(file.fileno())
    if replace:
        aside.replace(path)
        return
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
