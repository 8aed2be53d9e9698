"""The store on one SQLite file: the embedded default.

WAL with `synchronous=NORMAL` survives the death of the process; `secure_delete` zeroes what is deleted, `physically_gone`
truncates the log that still holds it, and `compact` rewrites the file, because pages that SQLite has rebalanced can keep
copies of rows deleted later. One connection writes, under a lock, so that writers queue in
this process and not in SQLite's polling; each thread reads over its own.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from infra.local.sqlite_log import Log
from infra.local.sqlite_tables import column, create_tables, indexed, insertion, sql_value
from shared.failures import NeverRetry, TryAgain
from shared.records import RECORDS, has_index, queried
from shared.store import Bound, Change, Conflict, Create, Delete, Put, Query, Record, Stored, Update, View, check_size

R = TypeVar("R", bound=View)
BUSY_SECONDS = 5.0
PAUSE_SECONDS = 0.05
COMPACTED_WITHIN = timedelta(days=1)
_to_json = msgspec.json.Encoder().encode
_to_ids = msgspec.json.Decoder(list[str]).decode
_versions = random.SystemRandom()


class SqliteStore:
    """The `Store` port on SQLite. `synchronous`: NORMAL (survives kill -9) or FULL (survives a power cut)."""

    def __init__(self, path: Path, synchronous: str = "NORMAL") -> None:
        self._path = path
        self._synchronous = synchronous
        self._lock = threading.Lock()
        self._local = threading.local()
        self._log = Log(self._connect, self._lock)
        # unknown at start: another process may have deleted and ended before it compacted
        self._deleted = True
        path.parent.mkdir(parents=True, exist_ok=True)
        with _database_errors():
            self._writer = self._connect()
            try:
                create_tables(self._writer)
            except BaseException:
                self._writer.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA secure_delete=ON")
        # whoever writes copies no log: see `sqlite_log`
        connection.execute("PRAGMA wal_autocheckpoint=0")
        # sorting and rewriting must not leave copies in files of their own
        connection.execute("PRAGMA temp_store=MEMORY")
        return connection

    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self._connect()
        return reader

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        rows = f'SELECT id, version, body FROM "{kind.collection}" WHERE id = ?'  # noqa: S608 - names are ours
        with _database_errors():
            row = self._reader().execute(rows, (id,)).fetchone()
        return _stored(kind, row) if row else None

    def query(
        self,
        query: Query[R],
        *equals: str | bool | int,
        at_least: Bound | None = None,
        at_most: Bound | None = None,
        after: Stored[R] | None = None,
        limit: int = 100,
    ) -> list[Stored[R]]:
        if not has_index(query):
            raise NeverRetry("undeclared_query")
        by = column(query.by)
        conditions = [f"{column(field)} = ?" for field in query.equals]
        values: list[Any] = list(equals)
        for bound, sign in ((at_least, ">="), (at_most, "<=")):
            if bound is not None:
                conditions.append(f"{by} {sign} ?")
                values.append(sql_value(bound))
        if after is not None:
            conditions.append("id > ?" if query.by == "id" else f"({by}, id) > (?, ?)")
            values += [after.id] if query.by == "id" else [sql_value(getattr(after.record, query.by)), after.id]
        if query.by != "id":
            conditions.append(f"{by} IS NOT NULL")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        order = "id" if query.by == "id" else f"{by}, id"
        version = "version" if issubclass(query.kind, Record) else "NULL AS version"
        rows = f'SELECT id, {version}, body FROM "{query.kind.collection}"{where} ORDER BY {order} LIMIT ?'  # noqa: S608
        with _database_errors():
            ids, versions, bodies = self._reader().execute(_IN_ONE_ROW.format(rows), (*values, limit)).fetchone()
        if bodies is None:
            return []
        records = _decoder(query.kind).decode_lines(bodies)
        return list(map(Stored, _to_ids(ids), versions.split(",") if versions else repeat(""), records))

    def commit(self, changes: Sequence[Change]) -> list[str]:
        # encoded before the lock is taken: writers wait for nothing but SQLite
        steps = [_statement(change) for change in changes]
        written = [step[1] for change, step in zip(changes, steps, strict=True) if not isinstance(change, Delete)]
        sizes = list(map(_size, written))
        check_size(sizes, len(changes))
        self._log.keep_up()
        with self._lock, _database_errors():
            writer = self._writer
            writer.execute("BEGIN IMMEDIATE")
            try:
                for sql, values, must_hit in steps:
                    if writer.execute(sql, values).rowcount == 0 and must_hit:
                        raise Conflict  # noqa: TRY301
                writer.execute("COMMIT")
                self._deleted = self._deleted or any(isinstance(change, Delete) for change in changes)
            except sqlite3.IntegrityError as error:
                writer.execute("ROLLBACK")
                raise Conflict from error
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise
            self._log.grew(len(changes), sum(sizes))
        return [
            "" if isinstance(change, Delete) else str(step[1][0]) for change, step in zip(changes, steps, strict=True)
        ]

    def physically_gone(self, now: datetime) -> datetime:
        until = time.monotonic() + BUSY_SECONDS
        while self._is_log_in_use():
            if time.monotonic() >= until:
                raise TryAgain("database_busy")
            # SQLite waits for readers by itself, but not while another process copies its log
            time.sleep(PAUSE_SECONDS)
        return now + COMPACTED_WITHIN

    def _is_log_in_use(self) -> bool:
        with self._log.at_rest(), self._lock, _database_errors():
            return self._is_log_busy()

    def compact(self) -> None:
        with self._log.at_rest(), self._lock, _database_errors():
            if not self._deleted:
                return
            self._writer.execute("VACUUM")
            # as long as somebody reads, the file still is as it was before, and what was deleted is in it
            if self._is_log_busy():
                raise TryAgain("database_busy")
            self._deleted = False

    def _is_log_busy(self) -> bool:
        """Truncate the log, unless somebody reads it or copies it."""
        busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(busy)

    def close(self) -> None:
        """Close the writing connection; reading ones close with their threads."""
        with self._log.at_rest():
            self._writer.close()


def _statement(change: Change) -> tuple[str, tuple[Any, ...], bool]:
    """Return SQL, values and whether it must hit a row. A new version stands first among the values of a write."""
    match change:
        case Create(id, record):
            return _INSERT[type(record)], (_version(), id, _text(record), *indexed(record)), True
        case Put(id, record):
            return _UPSERT[type(record)], (_version(), id, _text(record), *indexed(record)), True
        case Update(was, record):
            return _UPDATE[type(record)], (_version(), _text(record), *indexed(record), was.id, int(was.version)), True
        case Delete(kind, id, None):
            return _DELETE[kind], (id,), False
        case Delete(kind, id, version):
            return _DELETE_UNCHANGED[kind], (id, int(version or 0)), True


def _size(values: Sequence[Any]) -> int:
    """Return how many bytes the texts are in the file: UTF-8, as for every store. Of ASCII it is known without encoding."""
    return sum(len(one) if one.isascii() else len(one.encode()) for one in values if isinstance(one, str))


def _version() -> int:
    # random, not counted: a record deleted and made again must not look unchanged
    return random.getrandbits(62)


def _update(kind: type[Record]) -> str:
    names = ", ".join(f"{column(field)} = ?" for field in ["version", "body", *queried(kind)])
    return f'UPDATE "{kind.collection}" SET {names} WHERE id = ? AND version = ?'  # noqa: S608 - names are ours


# sqlite3 gives the interpreter's lock away for each row it steps to, and beside a busy thread waits for it again as often:
# row by row, a page of a thousand takes seconds there
_IN_ONE_ROW = """
    SELECT json_group_array(id), group_concat(version), group_concat(body, '\n') FROM ({})
"""
_INSERT = {kind: insertion("INSERT", kind) for kind in RECORDS}
_UPSERT = {kind: insertion("INSERT OR REPLACE", kind) for kind in RECORDS}
_UPDATE = {kind: _update(kind) for kind in RECORDS}
_DELETE = {kind: f'DELETE FROM "{kind.collection}" WHERE id = ?' for kind in RECORDS}  # noqa: S608
_DELETE_UNCHANGED = {kind: f"{_DELETE[kind]} AND version = ?" for kind in RECORDS}


@lru_cache
def _decoder(kind: type[R]) -> msgspec.json.Decoder[R]:
    return msgspec.json.Decoder(kind)


def _stored(kind: type[R], row: tuple[str, int, bytes]) -> Stored[R]:
    return Stored(row[0], str(row[1]), _decoder(kind).decode(row[2]))


@contextlib.contextmanager
def _database_errors() -> Iterator[None]:
    """A full disk, a locked or a broken database: nothing was written, and a later attempt may succeed."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        raise TryAgain(f"database_{getattr(error, 'sqlite_errorname', 'error').lower()}") from error


def _text(record: Record) -> str:
    # as text: SQLite may take a blob for its own binary JSON
    return _to_json(record).decode()
