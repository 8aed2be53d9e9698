"""The tables of the embedded store: a record's JSON in `body`, and beside it the fields that a query names.

A file that an older program wrote is brought up to date when it is opened: fields that a query names since then are filled.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from shared.records import QUERIES, RECORDS
from shared.store import Record
from shared.times import rfc3339


def column(field: str) -> str:
    """Return a field's name as SQL has it."""
    return f'"{field}"'


def sql_value(value: Any) -> str | int | None:
    """Return a field's value as its column has it."""
    return rfc3339(value) if isinstance(value, datetime) else value


def _fields(kind: type[Record]) -> list[str]:
    """Return the fields of a record that any query names."""
    named = {field for query in QUERIES if query.kind is kind for field in (*query.equals, query.by)}
    return sorted(named - {"id"})


FIELDS = {kind: _fields(kind) for kind in RECORDS}


def create_tables(connection: sqlite3.Connection) -> None:
    """Create what is missing, and nothing where the file says that it has all of this."""
    tables, indexes = list(_tables()), list(_indexes())
    mark = zlib.crc32("\n".join([*tables, *indexes]).encode()) & 0x7FFFFFFF
    if connection.execute("PRAGMA user_version").fetchone()[0] == mark:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in tables:
        connection.execute(statement)
    for kind in RECORDS:
        _complete(connection, kind)
    for statement in indexes:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {mark}")
    connection.execute("COMMIT")


def _tables() -> Iterator[str]:
    for kind in RECORDS:
        more = "".join(f", {column(field)}" for field in FIELDS[kind])
        yield (
            f'CREATE TABLE IF NOT EXISTS "{kind.collection}" '
            f"(id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL{more})"
        )


def _indexes() -> Iterator[str]:
    for query in QUERIES:
        fields = [*query.equals, *([] if query.by == "id" else [query.by])]
        if fields:
            name = "_".join([query.kind.collection, *fields])
            columns = ", ".join([*map(column, fields), "id"])
            partial = f" WHERE {column(query.by)} IS NOT NULL" if query.by != "id" else ""
            yield f'CREATE INDEX IF NOT EXISTS "{name}" ON "{query.kind.collection}" ({columns}){partial}'


def _complete(connection: sqlite3.Connection, kind: type[Record]) -> None:
    """Add the columns that an older file lacks, and fill them from the records."""
    there = {row[1] for row in connection.execute(f'PRAGMA table_info("{kind.collection}")')}
    missing = [field for field in FIELDS[kind] if field not in there]
    if not missing:
        return
    for field in missing:
        connection.execute(f'ALTER TABLE "{kind.collection}" ADD COLUMN {column(field)}')
    decoder = msgspec.json.Decoder(kind)
    names = ", ".join(f"{column(field)} = ?" for field in missing)
    update = f'UPDATE "{kind.collection}" SET {names} WHERE id = ?'  # noqa: S608 - names are ours
    ids = [id for (id,) in connection.execute(f'SELECT id FROM "{kind.collection}"')]  # noqa: S608
    for id in ids:
        (body,) = connection.execute(f'SELECT body FROM "{kind.collection}" WHERE id = ?', (id,)).fetchone()  # noqa: S608
        record = decoder.decode(body)
        connection.execute(update, (*(sql_value(getattr(record, field)) for field in missing), id))
