"""Where a text can hide in a folder: plain, base64 in any alignment, or packed in gzip or ZIP."""

from __future__ import annotations

import base64
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

GZIP = re.compile(rb"\x1f\x8b\x08")
ZIP = re.compile(rb"PK\x03\x04")


def traces(folder: Path, texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return (file, text) for every text that occurs in a file of the folder, in whatever dress."""
    needles = {text: _dresses(text.encode()) for text in texts}
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        whole = list(_unpacked(path.read_bytes()))
        found += [
            (path.name, text)
            for text, dresses in needles.items()
            if any(dress in content for content in whole for dress in dresses)
        ]
    return found


def _dresses(plain: bytes) -> list[bytes]:
    dressed = [plain, plain.replace(b"@", b"%40"), plain.hex().encode()]
    for offset in range(3):
        # the characters that depend on the neighbours are cut off at both ends
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            dressed.append(encode(b"\0" * offset + plain)[4 if offset else 0 : -4])
    return dressed


def _unpacked(raw: bytes) -> Iterator[bytes]:
    yield raw
    for start in GZIP.finditer(raw):
        try:
            yield zlib.decompressobj(31).decompress(raw[start.start() :])
        except zlib.error:
            continue
    if ZIP.search(raw):
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as packed:
                yield from (packed.read(name) for name in packed.namelist())
        except zipfile.BadZipFile:
            return
