"""What the bench prints: medians with their spread, ratios to the floors of the same round, goals."""

from __future__ import annotations

import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

PACKAGES = (
    "functions-framework",
    "gunicorn",
    "flask",
    "werkzeug",
    "msgspec",
    "cryptography",
    "grpcio",
    "google-cloud-firestore",
)


class Spread(msgspec.Struct, frozen=True):
    """The median of some rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Gather some rounds."""
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, digits: int) -> str:
        """Return it as `0.52 [0.50-0.55]`."""
        return f"{self.median:.{digits}f} [{self.least:.{digits}f}-{self.most:.{digits}f}]"


def ratios(values: Sequence[float], floors: Sequence[float]) -> Spread:
    """Compare round by round: what troubles the machine troubles both."""
    return Spread.of([value / floor for value, floor in zip(values, floors, strict=True)])


class Goal(msgspec.Struct, frozen=True):
    """A number to reach, from above or from below."""

    number: float
    at_least: bool

    def shown(self) -> str:
        """Return it as `>= 0.50`."""
        return f"{'>=' if self.at_least else '<='} {self.number:g}"

    def met(self, value: float) -> bool:
        """Tell whether a median reaches it."""
        return value >= self.number if self.at_least else value <= self.number


class Line(msgspec.Struct, frozen=True):
    """One line of the result."""

    row: str
    what: str
    found: Spread
    digits: int = 2
    goal: Goal | None = None

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns."""
        goal = self.goal
        verdict = "" if goal is None else "met" if goal.met(self.found.median) else "NOT MET"
        return (self.row, self.what, self.found.shown(self.digits), goal.shown() if goal else "", verdict)


def say(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


HEADS = ("row", "measured", "median [least-most]", "goal", "")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def results(lines: Sequence[Line]) -> str:
    """Return the lines as a table."""
    return table(HEADS, [line.cells() for line in lines])


def machine() -> str:
    """Name the machine and what runs on it."""
    text = Path("/proc/cpuinfo").read_text()
    models = re.findall(r"model name\s*: (.*)", text)
    busy = Path("/proc/loadavg").read_text().split()[0]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"machine   {len(models)} x {models[0] if models else platform.machine()}, load {busy} before\n"
        f"system    {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {_wrk()}\n"
        f"packages  {packages}"
    )


def _wrk() -> str:
    # it says its version on the way to a usage error
    said = subprocess.run([shutil.which("wrk") or "wrk", "-v"], capture_output=True, text=True, check=False)
    return " ".join(said.stdout.split()[:2])
