"""A CSV file (RFC 4180) with a header line, UTF-8. Looked through whole before its first row is taken.

Commas, semicolons or tabs set its columns apart: which, the header says.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import TextIO

from shared.failures import BadInput
from shared.imports.rows import Row

# a cell that is too long is a row's fault and is told as one: the reader itself would give up the file
csv.field_size_limit(sys.maxsize)

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
"""What a column may be called when it is told what it was called: nothing that could be an address."""


@dataclass(frozen=True)
class Table:
    """A file whose structure holds. `digest`: SHA-256 of its bytes; `last`: its last line."""

    path: Path
    separator: str
    header: Sequence[str]
    digest: str
    last: int

    def rows(self) -> Iterator[Row]:
        """Yield row after row, each with the line it begins on."""
        with _opened(self.path) as file:
            # the header is the first record, on whatever line it stands
            for line, cells in islice(_lines(file, self.separator), 1, None):
                yield _row(self.header, self.separator, line, cells)


def table(path: Path, needed: Sequence[str], known: Sequence[str]) -> Table:
    """Check a file's structure and header. Raises BadInput that names place and rule, never what stands there."""
    if path.is_dir():
        raise BadInput("a folder, not a file", path.name)
    with path.open("rb") as raw:
        digest = file_digest(raw, "sha256").hexdigest()
    last = rows = 0
    header: list[str] = []
    try:
        separator = _separator(path, known)
        with _opened(path) as file:
            for line, cells in _lines(file, separator):
                rows, last = rows + 1, line
                header = header or _header(path, cells, needed, known)
    except UnicodeDecodeError:
        raise BadInput("not UTF-8 text; save it as CSV UTF-8", path.name) from None
    except csv.Error:
        raise BadInput(
            f"a quote is not closed, or stands in the middle of a cell, behind line {last}", path.name
        ) from None
    if rows < 2:
        raise BadInput("empty: a header line and at least one row are needed", path.name)
    return Table(path, separator, header, digest, last)


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _separator(path: Path, known: Sequence[str]) -> str:
    """Return what makes most columns out of the first line; a comma where nothing does."""
    return max(SEPARATORS, key=lambda one: sum(name in known for name in _first(path, one)))


def _first(path: Path, separator: str) -> list[str]:
    with _opened(path) as file:
        try:
            return _names(next(_lines(file, separator), (0, []))[1])
        except csv.Error:
            return []


def _names(cells: Sequence[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _lines(file: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line each record begins on, and its cells; blank lines are none."""
    reader = csv.reader(file, strict=True, delimiter=separator)
    line = 1
    for cells in reader:
        if cells:
            yield line, cells
        line = reader.line_num + 1


def _header(path: Path, cells: Sequence[str], needed: Sequence[str], known: Sequence[str]) -> list[str]:
    names = _names(cells)
    if any("\0" in name for name in names):
        raise BadInput("not UTF-8 text; save it as CSV UTF-8", path.name)
    for place, name in enumerate(names, 1):
        if name not in known:
            raise BadInput(_unknown(place, names, known), path.name)
        if names.count(name) > 1:
            raise BadInput(f"column {name} stands twice", path.name)
    for name in needed:
        if name not in names:
            raise BadInput(f"column {name} is missing", path.name)
    return names


def _unknown(place: int, names: Sequence[str], known: Sequence[str]) -> str:
    """Say which column is unknown: by its place alone where the header may be missing, since this is somebody's data then."""
    name, is_header = names[place - 1], any(one in known for one in names)
    called = f", {name}," if is_header and NAME.fullmatch(name) else ""
    apart = f"; {', '.join(SEPARATORS.values())} set columns apart" if not is_header else ""
    return f"column {place} of the first line{called} is none of {', '.join(known)}{apart}"


def _row(header: Sequence[str], separator: str, line: int, cells: Sequence[str]) -> Row:
    named = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
    if len(cells) == len(header):
        return Row(line, named)
    counted = f"{len(cells)} cells where the first line has {len(header)}, set apart by {SEPARATORS[separator]}"
    return Row(line, named, wrong=counted)
