"""The embedded runtime's clock: the real one, moved ahead by a number of seconds that a file holds.

The product, its functions and the sandbox are processes of their own; the file is how they agree on the time.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.failures import Misconfigured
from shared.times import whole_second

Mark = tuple[int, int]


class FileClock:
    """The `Clock` port over one file: an integer, in seconds; no file means 0."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        self._seen: tuple[Mark | None, timedelta] = (None, timedelta())

    def now(self) -> datetime:
        """Return the present. Costs one `stat`; the file is read again only when it changed. Raises Misconfigured."""
        return whole_second(datetime.now(UTC)) + self._ahead()

    def set_ahead(self, seconds: int) -> None:
        """Move the clock to `seconds` ahead of the real one, for every process that shares the file."""
        # written aside and renamed: nobody ever reads half a number
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        aside.write_text(f"{seconds}\n")
        aside.replace(self._path)

    def _ahead(self) -> timedelta:
        mark = self._mark()
        seen, ahead = self._seen
        if mark != seen:
            ahead = self._read() if mark else timedelta()
            # one assignment, so that threads never pair one file's mark with another's number
            self._seen = (mark, ahead)
        return ahead

    def _mark(self) -> Mark | None:
        try:
            # os.stat on a text: pathlib's own costs more than the call
            stat = os.stat(self._name)  # noqa: PTH116
        except FileNotFoundError:
            return None
        # the inode too: two renames may fall into one tick of the file system's clock
        return stat.st_mtime_ns, stat.st_ino

    def _read(self) -> timedelta:
        try:
            return timedelta(seconds=int(self._path.read_text()))
        except (ValueError, OverflowError):
            raise Misconfigured(f"{self._path.name}: a whole number of seconds is needed") from None
