"""A sandbox on a free port, in this process, that can be made to break at a chosen call."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from infra.local.sandbox.server import VENDORS, Sandbox, server_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

DIRECT = build_opener(ProxyHandler({}))
"""Past any proxy that the environment names."""


class RunningSandbox:
    """Serve a sandbox until closed. `called_at`: the moments of the calls of vendors' APIs, in seconds of the real clock."""

    def __init__(self, data_dir: Path, keys: dict[str, str] | None = None) -> None:
        self.folder = data_dir
        self.app = Sandbox(data_dir, keys)
        self.called_at: list[float] = []
        self._breaks_at: int | None = None
        self._server = server_of(self.app, 0)
        self._server.app = self._count
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        # polled often: closing waits for one poll
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, vendor: str) -> str:
        """Return a vendor's base URL."""
        return f"{self.base}/{vendor}"

    @property
    def calls(self) -> int:
        """Return how many calls vendors' APIs had, since the start or the last `break_at`."""
        return len(self.called_at)

    def break_at(self, call: int | None) -> None:
        """Do the work of the n-th vendor call from now, and answer it with 500; None breaks none and counts anew."""
        self.called_at, self._breaks_at = [], call

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Call the sandbox; return status and parsed body."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(self.base + path, data, {"Content-Type": "application/json"} | headers, method=method)
        try:
            with DIRECT.open(request, timeout=10) as response:
                return response.status, _parsed(response.read())
        except HTTPError as error:
            with error:
                return error.code, _parsed(error.read())

    def put(self, vendor: str, **fields: Any) -> list[str]:
        """Create a person at a vendor; return the vendor's ids."""
        status, body = self.ask("PUT", f"/sandbox/{vendor}/people", fields)
        assert status == 201, body
        ids: list[str] = body["ids"]
        return ids

    def found(self, vendor: str, **by: str) -> list[dict[str, Any]]:
        """Return what a vendor holds on a person, by `email` or `id`."""
        status, body = self.ask("GET", f"/sandbox/{vendor}/people?{urlencode(by)}")
        assert status == 200, body
        found: list[dict[str, Any]] = body["found"]
        return found

    def snapshot(self, vendor: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Return everything a vendor keeps: kind, whom it is about, and the thing itself."""
        sql = "SELECT kind, about, body FROM things WHERE vendor = ?"
        with contextlib.closing(sqlite3.connect(self.folder / "sandbox.db")) as opened:
            return [(kind, about, json.loads(body)) for kind, about, body in opened.execute(sql, (vendor,))]

    def fail(self, vendor: str, kind: str, **limits: Any) -> None:
        """Let a vendor fail from now on."""
        status, body = self.ask("POST", f"/sandbox/{vendor}/faults", {"kind": kind} | limits)
        assert status == 201, body

    def heal(self, vendor: str) -> None:
        """Let a vendor work again."""
        self.ask("DELETE", f"/sandbox/{vendor}/faults")

    def close(self) -> None:
        """Stop serving."""
        for vendor in VENDORS:
            self.app.faults.clear(vendor.name)
        self._server.shutdown()
        self._server.server_close()
        self.app.state.close()

    def _count(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        vendor = environ["PATH_INFO"].split("/")[1]
        if vendor not in {"sandbox", "outbox", "healthz"}:
            self.called_at.append(time.monotonic())
            if self.calls == self._breaks_at:
                self.app.faults.ask(vendor, {"kind": "half", "times": 1})
        return self.app(environ, start_response)


def _parsed(body: bytes) -> Any:
    return json.loads(body) if body else None
