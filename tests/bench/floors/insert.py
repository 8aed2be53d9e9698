"""Hello, and one bare SQLite insert a request: what keeping anything at all costs."""

import os
import secrets
import sqlite3
import threading
from pathlib import Path

from flask import Request, Response

_lock = threading.Lock()
_connection: sqlite3.Connection | None = None


def _opened() -> sqlite3.Connection:
    # built at the first call: a connection must not be carried over the server's fork
    global _connection  # noqa: PLW0603
    if _connection is None:
        path = Path(os.environ["DATA_DIR"]) / "insert.db"
        _connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _connection.execute("PRAGMA journal_mode=WAL")
        _connection.execute("PRAGMA synchronous=NORMAL")
        _connection.execute("CREATE TABLE IF NOT EXISTS bodies (id TEXT PRIMARY KEY, body TEXT NOT NULL)")
    return _connection


def insert(request: Request) -> Response:
    """Keep the body under a random id."""
    body = request.get_data(as_text=True)
    with _lock:
        _opened().execute("INSERT INTO bodies VALUES (?, ?)", (secrets.token_hex(16), body))
    return Response(b'{"ok":true}', mimetype="application/json")
