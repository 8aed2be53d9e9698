"""Row after row: read, decided into a unit of work, refused with its reason; as many as one commit takes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.failures import Refused
from shared.imports.rows import Faults, Kind, Refusal, Row, Stop, Taken
from shared.ports import Services
from shared.unit_of_work import UnitOfWork, within

MOST_ROWS = 150
MOST_CHARACTERS = 300_000
MOST_WRITES = 480
"""Records in one commit beside the import's own, its evidence and what vendors are told."""
MOST_STOPS = 50
"""Addresses that vendors are told of in one piece of work."""
REFUSED = "refused"
ROWS = "rows"


@dataclass(frozen=True)
class Progress:
    """How far it is after a commit, and what was wrong with the rows of that commit that were not taken."""

    line: int
    counts: dict[str, int]
    refused: Sequence[Refusal]


@dataclass(frozen=True)
class Read:
    """A row, and what it says or all that is wrong with it."""

    row: Row
    said: Any = None
    refusals: Sequence[Refusal] = ()


@dataclass(frozen=True)
class Decided:
    """What became of so many rows."""

    rows: int
    counts: dict[str, int]
    refused: Sequence[Refusal]
    stops: Sequence[Stop]


def decide(
    services: Services, unit: UnitOfWork, kind: Kind, some: Sequence[Read], most_writes: int = MOST_WRITES
) -> Decided:
    """Decide row after row into a unit of work, as many as one commit takes."""
    counts, refused, stops, rows = Counter[str](), list[Refusal](), list[Stop](), 0
    kind.read_on()
    for one in some:
        taken = _taken(services, kind, one)
        if not isinstance(taken, Taken):
            refused += taken
        elif rows and (unit.with_more(taken.changes) > most_writes or len(stops) + len(taken.stops) > MOST_STOPS):
            break
        else:
            unit.add(taken.changes)
            stops += taken.stops
        counts[taken.word if isinstance(taken, Taken) else REFUSED] += 1
        rows += 1
    return Decided(rows, {ROWS: rows, **counts}, refused, stops)


def _taken(services: Services, kind: Kind, read: Read) -> Taken | Sequence[Refusal]:
    if read.refusals:
        return read.refusals
    try:
        return kind.decide(services, read.said)
    except Refused as refused:
        return _refusals(read.row, refused)


def rehearse(services: Services, kind: Kind, rows: Iterable[Row]) -> Iterator[Progress]:
    """Decide every row as an import would, and write nothing."""
    unit, counts = UnitOfWork(services.store), Counter[str]()
    for some in together(read(kind, rows)):
        left = some
        while left:
            done = decide(within(services, unit), unit, kind, left, most_writes=sys.maxsize)
            counts.update(done.counts)
            if kind.optimistic:
                unit = UnitOfWork(services.store)
            line = left[done.rows - 1].row.line
            left = left[done.rows :]
            yield Progress(line, dict(counts), done.refused)


def read(kind: Kind, rows: Iterable[Row]) -> Iterator[Read]:
    """Read row after row."""
    for row in rows:
        try:
            yield Read(row, kind.read(row))
        except Refused as refused:
            yield Read(row, refusals=_refusals(row, refused))


def _refusals(row: Row, refused: Refused) -> Sequence[Refusal]:
    faults = refused.all if isinstance(refused, Faults) else [refused]
    return [Refusal(row.line, one.field or "row", one.rule, row.where) for one in faults]


def together(reads: Iterable[Read]) -> Iterator[list[Read]]:
    """Gather rows for a commit: not too many, and not too large."""
    some: list[Read] = []
    size = 0
    for one in reads:
        some.append(one)
        size += sum(map(len, one.row.cells.values()))
        if len(some) >= MOST_ROWS or size >= MOST_CHARACTERS:
            yield some
            some, size = [], 0
    if some:
        yield some
