"""SQLite's write-ahead log: what was committed is copied into the file beside the writers, so that no commit waits for it.

Left to itself, SQLite copies in the middle of whichever commit makes the log too long, and that one waits for the disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator

COPIED_EVERY = 16_000_000
"""Bytes. Each copy writes scattered pages and waits for the disk; of a page that changed often it writes the last."""
LONGEST_PAGES = 16_000
"""Of 4 kB. Writers who never pause outrun the copying: so long, and the next commit copies what is left and starts it anew."""
ROW_BYTES = 8_192
"""What a short row and its indexes make the log longer, about."""


class Log:
    """The log of one file. `connect`: a connection of its own for the copying."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._copying = threading.Lock()
        self._grown = 0

    def grew(self, rows: int, n_bytes: int) -> None:
        """Note what a commit wrote; copy by and by. Called by one thread at a time, after the commit: raises nothing."""
        self._grown += n_bytes + rows * ROW_BYTES
        if self._grown < COPIED_EVERY or not self._copying.acquire(blocking=False):
            return
        self._grown = 0
        try:
            threading.Thread(target=self._copy, name="sqlite-log", daemon=True).start()
        except RuntimeError:
            # no thread to be had: a later commit asks again
            self._copying.release()

    def _copy(self) -> None:
        try:
            # whatever hinders it: nothing is lost, since the log stays, and the next copy takes all of it
            with contextlib.suppress(sqlite3.Error), contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            self._copying.release()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Have nobody copy meanwhile: whoever truncates the log, or leaves the file, waits for it."""
        with self._copying:
            yield
