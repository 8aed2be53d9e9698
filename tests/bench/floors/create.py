"""Hello, and one bare `create()` a request with Firestore's own client: what keeping anything at all costs there."""

import os
import threading

from flask import Request, Response
from google.cloud import firestore

_lock = threading.Lock()
_client: firestore.Client | None = None


def _opened() -> firestore.Client:
    # built at the first call: a channel must not be carried over the server's fork
    global _client  # noqa: PLW0603
    with _lock:
        if _client is None:
            _client = firestore.Client(os.environ["GOOGLE_CLOUD_PROJECT"], database=os.environ["FIRESTORE_DATABASE"])
    return _client


def create(request: Request) -> Response:
    """Keep the body under a random id, on the condition that none stands there."""
    body = request.get_data(as_text=True)
    _opened().collection("bodies").document().create({"body": body})
    return Response(b'{"ok":true}', mimetype="application/json")
