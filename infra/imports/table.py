"""A CSV file (RFC 4180) with a header line, UTF-8. Looked through whole before its first row is taken."""

from __future__ import annotations

import csv
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


@dataclass(frozen=True)
class Table:
    """A file whose structure holds. `digest`: SHA-256 of its bytes; `last`: its last line."""

    path: Path
    header: Sequence[str]
    digest: str
    last: int

    def rows(self) -> Iterator[Row]:
        """Yield row after row, each with the line it begins on."""
        with _opened(self.path) as file:
            # the header is the first record, on whatever line it stands
            for line, cells in islice(_lines(file), 1, None):
                yield _row(self.header, line, cells)


def table(path: Path, needed: Sequence[str], known: Sequence[str]) -> Table:
    """Check a file's structure and header. Raises BadInput that names place and rule, never what stands there."""
    if path.is_dir():
        raise BadInput("a folder, not a file", path.name)
    with path.open("rb") as raw:
        digest = file_digest(raw, "sha256").hexdigest()
    last = rows = 0
    header: list[str] = []
    try:
        with _opened(path) as file:
            for line, cells in _lines(file):
                rows, last = rows + 1, line
                header = header or _header(path, cells, needed, known)
    except UnicodeDecodeError:
        raise BadInput("not UTF-8 text", path.name) from None
    except csv.Error:
        raise BadInput(
            f"a quote is not closed, or stands in the middle of a cell, behind line {last}", path.name
        ) from None
    if rows < 2:
        raise BadInput("empty: a header line and at least one row are needed", path.name)
    return Table(path, header, digest, last)


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _lines(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the line each record begins on, and its cells; blank lines are none."""
    reader = csv.reader(file, strict=True)
    line = 1
    for cells in reader:
        if cells:
            yield line, cells
        line = reader.line_num + 1


def _header(path: Path, cells: Sequence[str], needed: Sequence[str], known: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if any("\0" in name for name in names):
        raise BadInput("not UTF-8 text", path.name)
    for place, name in enumerate(names, 1):
        # by its place: where the header is missing, this is somebody's data
        if name not in known:
            raise BadInput(f"column {place} of the first line is none of {', '.join(known)}", path.name)
        if names.count(name) > 1:
            raise BadInput(f"column {name} stands twice", path.name)
    for name in needed:
        if name not in names:
            raise BadInput(f"column {name} is missing", path.name)
    return names


def _row(header: Sequence[str], line: int, cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        return Row(line, {}, wrong=f"{len(cells)} cells where the first line has {len(header)}")
    return Row(line, {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()})
