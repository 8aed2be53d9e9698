"""Hello, Stripe's signature and the JSON by hand, and one bare SQLite insert of the event's id."""

import hmac
import json
import os
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
        _connection.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY)")
    return _connection


def stripe_insert(request: Request) -> Response:
    """Check the signature, read the event, keep its id."""
    raw = request.get_data()
    time, _, signature = request.headers["Stripe-Signature"].partition(",")
    signed = time[2:].encode() + b"." + raw
    right = hmac.digest(os.environ["STRIPE_WEBHOOK_SECRETS"].encode(), signed, "sha256").hex()
    if not hmac.compare_digest(signature[3:], right):
        return Response(status=400)
    event = json.loads(raw)
    with _lock:
        _opened().execute("INSERT OR IGNORE INTO events VALUES (?)", (event["id"],))
    return Response(b'{"ok":true}', mimetype="application/json")
