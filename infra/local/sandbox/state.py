"""What the vendors hold, in one SQLite file that survives kill -9 and forgets what is deleted from it.

`secure_delete` alone is not enough: SQLite leaves copies of rows behind in the gaps of pages it rebalanced before. So
after a delete the file is read back, and written anew when a deleted person still stands in it anywhere.
"""

from __future__ import annotations

import contextlib
import mmap
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

Body = dict[str, Any]
NAMING = ("email", "to", "name", "first_name", "last_name", "phone")
"""Fields of a body by which a person could still be known from a leftover."""
CLEAN, UNCLEAN = 0, 1
MOST_SEARCHES = 100
"""Texts to look for; from there on, writing the file anew is quicker."""
SCHEMA = """
    CREATE TABLE IF NOT EXISTS things (
        seq INTEGER PRIMARY KEY, vendor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, about TEXT NOT NULL,
        body TEXT NOT NULL, UNIQUE (vendor, kind, id));
    CREATE INDEX IF NOT EXISTS things_about ON things (vendor, kind, about);
    CREATE TABLE IF NOT EXISTS webhooks (
        seq INTEGER PRIMARY KEY, vendor TEXT NOT NULL, path TEXT NOT NULL, body BLOB NOT NULL, headers TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 1);
"""
PRAGMAS = ("journal_mode=WAL", "synchronous=OFF", "secure_delete=ON", "temp_store=MEMORY", "busy_timeout=5000")


class Told(NamedTuple):
    """A webhook to send: which of the product's addresses, and exactly which bytes."""

    vendor: str
    path: str
    body: bytes
    headers: Mapping[str, str]


class Waiting(NamedTuple):
    """A webhook that waits to be sent, and which attempt it is."""

    seq: int
    told: Told
    attempt: int


class State:
    """One connection under one lock: calls take turns, so no reader ever keeps the log from being truncated."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)
        self._removed: set[str] | None = None
        self._has_told = False
        self.copies: Callable[[str], int] = lambda _: 0
        """How often each webhook of a vendor is sent; nobody listens until somebody says so."""
        self.bell: Callable[[], None] = lambda: None
        if self._connection.execute("PRAGMA user_version").fetchone()[0] == UNCLEAN:
            # a process killed between a delete and its clean-up left that to us
            self._write_anew()
            self._mark(CLEAN)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of it or nothing, webhooks included; what was deleted has left the files when this ends."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._has_told = False
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            if self._removed is not None:
                self._mark(UNCLEAN)
            self._connection.execute("COMMIT")
            self._forget()
            has_told = self._has_told
        # not under the lock: whoever hears the bell looks in here
        if has_told:
            self.bell()

    def shelf(self, vendor: str) -> Shelf:
        """Return one vendor's part."""
        return Shelf(self._connection, vendor, self._note, self._note_told, self._files[0].parent)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _note(self, removed: set[str]) -> None:
        self._removed = removed | (self._removed or set())

    def _note_told(self, told: Told) -> None:
        row = (told.vendor, told.path, told.body, msgspec.json.encode(dict(told.headers)).decode())
        insert = "INSERT INTO webhooks (vendor, path, body, headers) VALUES (?, ?, ?, ?)"
        self._connection.executemany(insert, [row] * self.copies(told.vendor))
        self._has_told = True

    def waiting(self, held: Iterable[str], *, shuffled: bool = False) -> Waiting | None:
        """Return the webhook to send next, the oldest or any, of a vendor that holds none back."""
        names = list(held)
        order = "random()" if shuffled else "seq"
        sql = f"SELECT seq, vendor, path, body, headers, attempt FROM webhooks WHERE vendor NOT IN ({', '.join('?' * len(names))})"  # noqa: S608
        with self._lock:
            row = self._connection.execute(f"{sql} ORDER BY {order} LIMIT 1", names).fetchone()
        if row is None:
            return None
        seq, vendor, path, body, headers, attempt = row
        return Waiting(seq, Told(vendor, path, body, msgspec.json.decode(headers)), attempt)

    def sent(self, seq: int) -> None:
        """Forget a webhook that need not be sent again."""
        with self._lock:
            self._connection.execute("DELETE FROM webhooks WHERE seq = ?", (seq,))

    def send_again(self, seq: int) -> None:
        """Have a webhook sent once more, behind all others."""
        with self._lock:
            last = "SELECT max(seq) + 1 FROM webhooks"
            self._connection.execute(f"UPDATE webhooks SET attempt = attempt + 1, seq = ({last}) WHERE seq = ?", (seq,))  # noqa: S608

    def _forget(self) -> None:
        if self._removed is None:
            return
        self._truncate_log()
        if len(self._removed) > MOST_SEARCHES or any(_holds(file, self._removed) for file in self._files):
            self._write_anew()
        self._removed = None
        self._mark(CLEAN)

    def _mark(self, state: int) -> None:
        """Write into the file whether it may hold traces of what was deleted: rewriting a large one takes seconds."""
        self._connection.execute(f"PRAGMA user_version = {state}")

    def _write_anew(self) -> None:
        self._connection.execute("VACUUM")
        self._truncate_log()

    def _truncate_log(self) -> None:
        busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise TimeoutError  # another process reads this file; the next call tries again


@dataclass(frozen=True)
class Shelf:
    """One vendor's things, by kind and id; `about` is the person a thing is about, as the vendor compares them."""

    _connection: sqlite3.Connection
    _vendor: str
    _note: Callable[[set[str]], None]
    _tell: Callable[[Told], None]
    folder: Path
    """Where the product on this machine keeps what it generated, keys of vendors among it."""

    def tell(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Have the product told by a webhook, once this transaction stands."""
        self._tell(Told(self._vendor, path, body, headers))

    def put(self, kind: str, id: str, body: Body, about: str = "") -> None:
        """Write a thing, in place of the one that was there."""
        self._connection.execute(
            "INSERT INTO things (vendor, kind, id, about, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (vendor, kind, id) DO UPDATE SET about = excluded.about, body = excluded.body",
            (self._vendor, kind, id, about, msgspec.json.encode(body).decode()),
        )

    def get(self, kind: str, id: str) -> Body | None:
        """Return a thing, or None."""
        return next(iter(self._select(kind, " AND id = ?", id)), None)

    def find(self, kind: str, about: str | None = None) -> list[Body]:
        """Return the things of a kind, oldest first; `about` picks one person's."""
        return self._select(kind) if about is None else self._select(kind, " AND about = ?", about)

    def count(self, kind: str, about: str) -> int:
        """Count one person's things of a kind."""
        (count,) = self._connection.execute(
            "SELECT count(*) FROM things WHERE vendor = ? AND kind = ? AND about = ?", (self._vendor, kind, about)
        ).fetchone()
        return int(count)

    def delete(self, kind: str, *, id: str | None = None, about: str | None = None) -> int:
        """Delete one thing by its id, or all of one person's; return how many there were."""
        column, value = ("id", id) if id is not None else ("about", about)
        rows = self._connection.execute(
            f"DELETE FROM things WHERE vendor = ? AND kind = ? AND {column} = ? RETURNING about, body",  # noqa: S608
            (self._vendor, kind, value),
        ).fetchall()
        if rows:
            self._note(set().union(*(_naming(*row) for row in rows)))
        return len(rows)

    def _select(self, kind: str, condition: str = "", *values: str) -> list[Body]:
        sql = f"SELECT body FROM things WHERE vendor = ? AND kind = ?{condition} ORDER BY seq"  # noqa: S608
        return [msgspec.json.decode(row[0]) for row in self._connection.execute(sql, (self._vendor, kind, *values))]


def _naming(about: str, body: str) -> set[str]:
    named = [msgspec.json.decode(body).get(name) for name in NAMING]
    return {text for text in (about, *named) if text and isinstance(text, str)}


def _holds(file: Path, texts: Iterable[str]) -> bool:
    if not file.exists() or not file.stat().st_size:
        return False
    # mapped, not read: the file may hold a campaign's worth of mails
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(text.encode()) >= 0 for text in texts)
