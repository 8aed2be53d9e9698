"""SQLite's write-ahead log: what was committed is copied into the file beside the writers, so that none of them has to do it.

Left to itself, SQLite copies in the middle of whichever commit makes the log too long, and that one waits for the disk.

Nobody else may copy while this process writes: SQLite up to 3.51.2 can lose commits when a copy begins on a log that another
one has just copied whole, and a commit starts the log anew that very moment. Here a copy begins behind a commit that none has
copied yet, so the log cannot start anew before it ends; the second one keeps writers out.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator

COPIED_EVERY = 16_000_000
"""Bytes. Each copy writes scattered pages and waits for the disk; of a page that changed often it writes the last."""
COPIED_AGAIN = 1_000_000
"""Bytes, while the log is longer than it should be: somebody who reads keeps it from starting anew."""
MOST_UNCOPIED = 64_000_000
"""Bytes. Whoever writes faster than the disk takes it waits for the copy then, or the log would fill the disk."""
ROW_BYTES = 8_192
"""What a short row and its indexes make the log longer, about."""
PAGE_BYTES = 4_096


class Log:
    """The log of one file. `connect`: a connection of its own for the copying; `writing`: what a commit holds."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], writing: threading.Lock) -> None:
        self._connect = connect
        self._writing = writing
        self._copying = threading.Lock()
        self._uncopied = 0

    def keep_up(self) -> None:
        """Wait for a copy that is far behind. Called before `writing` is taken, which the end of the copy needs."""
        if self._uncopied > MOST_UNCOPIED:
            with self._copying:
                pass

    def grew(self, rows: int, n_bytes: int) -> None:
        """Note what a commit wrote; copy by and by. Called by whoever holds `writing`, after the commit: raises nothing."""
        self._uncopied += n_bytes + rows * ROW_BYTES
        if self._uncopied < COPIED_EVERY or not self._copying.acquire(blocking=False):
            return
        before, self._uncopied = self._uncopied, 0
        try:
            threading.Thread(target=self._copy, name="sqlite-log", daemon=True).start()
        except RuntimeError:
            # no thread to be had: the next commit asks again
            self._uncopied = before
            self._copying.release()

    def _copy(self) -> None:
        try:
            # whatever hinders it: nothing is lost, since the log stays, and the next copy takes all of it
            with contextlib.suppress(sqlite3.Error), contextlib.closing(self._connect()) as connection:
                _passive(connection)
                # what came meanwhile is little; with all of it copied, the next commit can start the log anew
                with self._writing:
                    pages = _passive(connection)
                    too_long = pages * PAGE_BYTES > 2 * COPIED_EVERY
                    self._uncopied = COPIED_EVERY - COPIED_AGAIN if too_long else 0
        finally:
            self._copying.release()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Have nobody of this process copy meanwhile: whoever truncates the log, or leaves the file, waits for it."""
        with self._copying:
            yield


def _passive(connection: sqlite3.Connection) -> int:
    """Copy as far as nobody reads what would be written over; return how many pages the log has."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
