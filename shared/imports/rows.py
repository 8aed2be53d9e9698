"""A row of what is imported, and how its cells are read. What is wrong is told by line, field and rule, never by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ParamSpec, Protocol, TypeVar

from shared.failures import BadInput
from shared.ports import Services
from shared.store import Change
from shared.times import whole_second

P = ParamSpec("P")
T = TypeVar("T")
LONGEST_CELL = 10_000
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Nobody decided anything online before; an older date is a mistake."""
YES, NO = ("true", "yes", "y", "t", "1", "ja", "oui", "sí", "si"), ("false", "no", "n", "f", "0", "nein", "non")
TRUTHS = dict.fromkeys(YES, True) | dict.fromkeys(NO, False)


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read. `cells`: by column, those that are not empty. `where`: a vendor's own id of it.

    `wrong`: why its cells may stand in other columns than their own.
    """

    line: int
    cells: dict[str, str]
    where: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was not taken. Never holds what stood in it."""

    line: int
    field: str
    rule: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """What an address says no to: names of purposes or `marketing`; and the suppressions that keep it."""

    email: str
    reason: str
    names: Sequence[str]
    suppressions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a row changes, and the word it is counted under. `stops`: what vendors must be told, with its evidence."""

    word: str
    changes: Sequence[Change] = field(default_factory=list)
    stops: Sequence[Stop] = ()


class Kind(Protocol):
    """One kind of row.

    `optimistic`: what it decides without looking is proved by what it creates, so that new people cost no read; and no row
    is taken or refused because of what another one writes.
    """

    optimistic: bool

    def read(self, row: Row) -> Any:
        """Return what a row says, checked. Called once for each row, in order. Raises BadInput, Faults."""
        ...

    def read_on(self) -> None:
        """Learn what became of people meanwhile that no row would read. Called before the rows of each commit."""
        ...

    def decide(self, services: Services, said: Any) -> Taken:
        """Return what it changes. May be asked again. Raises Refused."""
        ...


class Faults(BadInput):
    """All that is wrong with one row; the first of it, where one is asked for."""

    def __init__(self, all: Sequence[BadInput]) -> None:
        super().__init__(all[0].rule, all[0].field)
        self.all = all


class Reading:
    """Reads a row cell by cell: what is wrong with one does not hide what is wrong with the next."""

    def __init__(self) -> None:
        self._faults: dict[str | None, BadInput] = {}

    @property
    def faults(self) -> list[BadInput]:
        """Return what was wrong so far, in the order of reading."""
        return list(self._faults.values())

    def of(self, read: Callable[P, T], *given: P.args, **more: P.kwargs) -> T | None:
        """Return what is read, None where that is refused, which is noted once for each field."""
        try:
            return read(*given, **more)
        except BadInput as fault:
            for one in fault.all if isinstance(fault, Faults) else [fault]:
                self._faults.setdefault(one.field, one)
            return None

    def end(self) -> None:
        """Raise Faults if there were any."""
        if self._faults:
            raise Faults(self.faults)


def checked(row: Row) -> Row:
    """Return a row without the blanks around its cells. Raises BadInput for what no cell may hold."""
    if row.wrong:
        raise BadInput(row.wrong, "row")
    cells = {name: cell for name, value in row.cells.items() if (cell := value.strip())}
    reading = Reading()
    for name, value in cells.items():
        reading.of(_holdable, name, value)
    reading.end()
    return replace(row, cells=cells)


def _holdable(name: str, value: str) -> None:
    if len(value) > LONGEST_CELL:
        raise BadInput(f"at most {LONGEST_CELL} characters", name)
    if not value.isprintable():
        raise BadInput("no control characters", name)


def needed(row: Row, name: str) -> str:
    """Return a cell that must be filled. Raises BadInput."""
    if name not in row.cells:
        raise BadInput("must not be empty", name)
    return row.cells[name]


def truth(row: Row, name: str) -> bool:
    """Return whether a cell says yes; an empty one does not. Raises BadInput for anything but these words."""
    said = row.cells.get(name, "false").lower()
    if said not in TRUTHS:
        raise BadInput(f"one of {', '.join(TRUTHS)}", name)
    return TRUTHS[said]


def moment(row: Row, name: str, now: datetime) -> datetime | None:
    """Return a time (RFC 3339, with its zone), None where the cell is empty. Raises BadInput."""
    text = row.cells.get(name)
    if text is None:
        return None
    at = _instant(text)
    if at is None:
        raise BadInput("a time with its zone such as 2024-05-01T12:00:00Z is needed", name)
    if not EARLIEST < at <= now:
        raise BadInput(f"after {EARLIEST.year} and not in the future", name)
    return at


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if "T" in text or " " in text else None
        return whole_second(at) if at is not None and at.tzinfo is not None else None
    except OverflowError:
        # at either end of the calendar, and in UTC beyond it
        return EARLIEST
    except ValueError:
        return None


def several(row: Row, name: str) -> list[str]:
    """Return the values of a cell that holds some, apart by spaces or semicolons."""
    return row.cells.get(name, "").replace(";", " ").split()
