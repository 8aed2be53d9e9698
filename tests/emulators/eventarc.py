"""Eventarc's part on the emulators: the Pub/Sub emulator's push comes in, a CloudEvent with a token goes out.

The emulator pushes raw messages and sends no token whatever its subscription says; Eventarc does both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec

from infra.local.topic import event_headers

MOST_BYTES = 512 * 1024
"""Of an event, as Eventarc has it."""
WAITED_SECONDS = 60.0


class Eventarc:
    """A relay on loopback. `topic`: its full name; `function`: the URL that hears it; `token`: makes its bearer."""

    def __init__(self, topic: str, function: str, token: Callable[[], str]) -> None:
        self._topic = topic
        self._function = function
        self._token = token
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._relay))

    @property
    def push_endpoint(self) -> str:
        """Return where a subscription must push."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def start(self) -> Eventarc:
        """Relay from now on, in the background."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="eventarc", daemon=True).start()
        return self

    def stop(self) -> None:
        """Relay no more."""
        self._server.shutdown()
        self._server.server_close()

    def _relay(self, raw: bytes) -> int:
        """Hand one push on; return the function's status. What it does not acknowledge, the emulator sends again."""
        try:
            pushed: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
            headers = event_headers(self._topic, pushed["message"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return HTTPStatus.BAD_REQUEST
        headers["Content-Type"] = "application/json"
        try:
            headers["Authorization"] = f"Bearer {self._token()}"
            with urlopen(Request(self._function, raw, headers), timeout=WAITED_SECONDS) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except OSError:
            return HTTPStatus.BAD_GATEWAY


def _handler(relay: Callable[[bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            # read whole, whatever its size: a connection closed on unread bytes loses the answer
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = relay(raw) if len(raw) <= MOST_BYTES else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing."""

    return Handler
