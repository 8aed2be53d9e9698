"""The tables of the embedded store: a record's JSON in `body`, and beside it the fields that a query names.

A file that an older program wrote is brought up to date when it is opened.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared.failures import NeverRetry
from shared.records import QUERIES, RECORDS, Alias, Subject, Suppression, WebsiteDocument, queried
from shared.store import Record
from shared.times import rfc3339


def column(field: str) -> str:
    """Return a field's name as SQL has it."""
    return f'"{field}"'


def sql_value(value: Any) -> str | int | None:
    """Return a field's value as its column has it."""
    return rfc3339(value) if isinstance(value, datetime) else value


IN_ORDER = frozenset({Subject, Alias, Suppression})
"""Tables that lie in the order of their ids: whoever reads a range of these reads neighbouring pages.

Only where rows are short: from 1 kB on, each step of a search in such a table reads a whole row. Evidence holds receipts.
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create what is missing, and nothing where the file says that it has all of this."""
    indexes = list(_indexes())
    mark = zlib.crc32("\n".join([*map(_table, RECORDS), *indexes]).encode()) & 0x7FFFFFFF
    if connection.execute("PRAGMA user_version").fetchone()[0] == mark:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _bring_up_to_date(connection, indexes)
        connection.execute(f"PRAGMA user_version = {mark}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _bring_up_to_date(connection: sqlite3.Connection, indexes: Sequence[str]) -> None:
    there = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    for kind in RECORDS:
        if kind.collection not in there:
            connection.execute(_table(kind))
        elif there[kind.collection] != _table(kind):
            _make_anew(connection, kind)
    for statement in indexes:
        connection.execute(statement)


def _table(kind: type[Record]) -> str:
    more = "".join(f", {column(field)}" for field in queried(kind))
    columns = f"id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL{more}"
    return f'CREATE TABLE "{kind.collection}" ({columns}){" WITHOUT ROWID" if kind in IN_ORDER else ""}'


def insertion(verb: str, kind: type[Record]) -> str:
    """Return how a row is written: `version`, `id`, `body`, and the fields."""
    names = ", ".join(map(column, ["version", "id", "body", *queried(kind)]))
    marks = ", ".join("?" * (3 + len(queried(kind))))
    return f'{verb} INTO "{kind.collection}" ({names}) VALUES ({marks})'


def indexed(record: Record) -> list[str | int | None]:
    """Return the fields of a record that have columns: SQLite would parse the whole body again for an index over JSON."""
    return [sql_value(getattr(record, field)) for field in queried(type(record))]


def _make_anew(connection: sqlite3.Connection, kind: type[Record]) -> None:
    """Write a table of an older program again as it is made now: what it has is copied, what it lacks is read."""
    connection.execute(f'ALTER TABLE "{kind.collection}" RENAME TO older')
    connection.execute(_table(kind))
    had = {name for _, name, *_ in connection.execute("PRAGMA table_info(older)")}
    names = ["version", "id", "body", *(field for field in queried(kind) if field in had)]
    columns = ", ".join(map(column, names))
    connection.execute(f'INSERT INTO "{kind.collection}" ({columns}) SELECT {columns} FROM older')  # noqa: S608
    _fill(connection, kind, [field for field in queried(kind) if field not in had])
    # its indexes go with it, and their names are free again
    connection.execute("DROP TABLE older")


def _fill(connection: sqlite3.Connection, kind: type[Record], fields: Sequence[str]) -> None:
    """Write the fields that an older table has no columns for. Raises NeverRetry, which names what cannot be read."""
    if not fields:
        return
    names = ", ".join(f"{column(field)} = ?" for field in fields)
    update, decode = f'UPDATE "{kind.collection}" SET {names} WHERE id = ?', msgspec.json.Decoder(kind).decode  # noqa: S608
    for id, body in connection.execute("SELECT id, body FROM older"):
        try:
            record = decode(body)
        except (ValueError, RecursionError):
            # its own words repeat what stands there
            record = None
        if record is None:
            # the website's own paths may name a person; our ids never do
            raise NeverRetry(f"unreadable_{kind.collection}" + (f"_{id}" if kind is not WebsiteDocument else ""))
        connection.execute(update, (*(sql_value(getattr(record, field)) for field in fields), id))


def _indexes() -> Iterator[str]:
    for query in QUERIES:
        fields = [*query.equals, *([] if query.by == "id" else [query.by])]
        if fields:
            name = "_".join([query.kind.collection, *fields])
            columns = ", ".join([*map(column, fields), "id"])
            partial = f" WHERE {column(query.by)} IS NOT NULL" if query.by != "id" else ""
            yield f'CREATE INDEX IF NOT EXISTS "{name}" ON "{query.kind.collection}" ({columns}){partial}'
