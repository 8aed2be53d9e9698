"""How far an import is, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from typing import TextIO

from shared.imports.deciding import REFUSED, ROWS, Progress

WIDTH = 30
LINES = 10
"""So many lines for a whole file where there is no terminal."""
ROWS_A_LINE = 5000
"""Where nobody knows how many there are."""


class Meter:
    """Shows progress. `total`: the last line of a file; None for a vendor's lists."""

    def __init__(self, out: TextIO, total: int | None) -> None:
        self._out = out
        self._total = total
        self._bar = out.isatty()
        self._shown = 0

    def show(self, progress: Progress) -> None:
        """Show it, if there is news."""
        counts = progress.counts
        text = f"{counts.get(ROWS, 0):,} rows, {counts.get(REFUSED, 0):,} refused"
        share = min(1.0, progress.line / self._total) if self._total else None
        if self._bar:
            drawn = f"[{'#' * int(share * WIDTH):.<{WIDTH}}] {share:4.0%}  " if share is not None else ""
            self._out.write(f"\r{drawn}{text} ")
            self._out.flush()
            return
        reached = int(share * LINES) if share is not None else counts.get(ROWS, 0) // ROWS_A_LINE
        if reached > self._shown:
            self._shown = reached
            self._out.write(f"{f'{share:.0%}, ' if share is not None else ''}{text}\n")

    def end(self) -> None:
        """Leave the bar's line."""
        if self._bar:
            self._out.write("\n")
