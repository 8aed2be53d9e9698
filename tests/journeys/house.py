"""The running product, as its users meet it: its own processes, reached over HTTP alone."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPErrorProcessor, Request, build_opener

import pytest

from infra.local.server import free_port
from tests.emulators.cloud import Cloud
from tests.journeys.traces import traces

PATIENCE_SECONDS = 600
"""For one answer: a jump of days does the work of a thousand people, beside another test that does as much."""

ROOT = Path(__file__).parents[2]
READY_WITHIN_SECONDS = 30
RUNTIMES = ["embedded", "emulators"]


def cloud_of(request: pytest.FixtureRequest) -> Cloud | None:
    """Return what the fixture's runtime stands on."""
    running: Cloud | None = request.getfixturevalue("cloud") if request.param == "emulators" else None
    return running


class Answer(NamedTuple):
    """A status, headers and a body."""

    status: int
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.raw)

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.raw.decode()


class _AsItIs(HTTPErrorProcessor):
    def http_response(self, request: Request, response: Any) -> Any:
        return response

    https_response = http_response


class House:
    """One stack on a free port, over one folder; with a `cloud`, over the emulators of Google Cloud's parts."""

    def __init__(self, data_dir: Path, cloud: Cloud | None = None, **environment: str) -> None:
        self.data_dir = data_dir
        self.cloud = cloud
        self.project = f"demo-{secrets.token_hex(4)}"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / f"{data_dir.name}.log"
        known = {"OPERATOR_TOKEN": "operator-token-of-the-test", "WEBSITE_KEYS": "website-key-1,website-key-2"}
        cleared = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SENDGRID", "STRIPE", "META", "GA_"))
        }
        on_google = cloud.stack(self.project) if cloud else {}
        own = {"PORT": str(self.port), "DATA_DIR": str(data_dir)}
        self.environment = cleared | known | on_google | environment | own
        self._process: subprocess.Popen[bytes] | None = None
        self._opener = build_opener(_AsItIs)

    def start(self) -> House:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "infra.local"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        until = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < until:
            try:
                if self.get("/healthz").status == 200:
                    return self
            except (URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """End it as a power cut would: no handler runs."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()

    def pledge(self, *arguments: str) -> str:
        """Run the command line beside it; return what it says."""
        command = [sys.executable, "-m", "infra.cli", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def traces(self, texts: Iterable[str], folder: Path) -> list[tuple[str, str]]:
        """Look for texts in everything that is stored, in whatever dress. `folder`: for exports."""
        sought = list(texts)
        if self.cloud:
            self.cloud.export(self.environment, folder)
        return traces(self.data_dir, sought) + (traces(folder, sought) if self.cloud else [])

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call one address; names of headers are written with underscores."""
        url = path if path.startswith("http") else self.base + path
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        request = Request(url, data, sent, method=method)
        with self._opener.open(request, timeout=PATIENCE_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        """GET as a program."""
        return self.call("GET", path, **headers)

    def page(self, path: str) -> Answer:
        """GET as a person's browser."""
        return self.call("GET", path, Accept="text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST JSON."""
        return self.call("POST", path, body, **headers)

    def form(self, path: str, fields: dict[str, Any]) -> Answer:
        """POST a form as a browser does."""
        data = urlencode(fields, doseq=True).encode()
        kind = "application/x-www-form-urlencoded"
        return self.call("POST", path, data, Content_Type=kind, Accept="text/html")

    def server(self, path: str, body: Any = None) -> Answer:
        """POST as the website's server."""
        return self.post(path, body, Authorization="Bearer website-key-1")

    def operator(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call as the operator."""
        return self.call(method, path, body, Authorization="Bearer operator-token-of-the-test", **headers)

    # --- shortcuts ---------------------------------------------------------------------------------------------------

    def advance(self, duration: str) -> Any:
        """Move the clock."""
        answer = self.post("/clock", {"advance": duration})
        assert answer.status == 200, answer.text
        return answer.json

    def settle(self) -> None:
        """Let everything that is due now be done."""
        self.advance("PT0S")

    def mails(self, to: str | None = None, subject: str = "") -> list[dict[str, Any]]:
        """Return the outbox, oldest first."""
        found = self.get("/outbox", Accept="application/json").json["mails"]
        return [mail for mail in found if (to is None or mail["to"] == to) and subject in mail["subject"]]

    def link(self, to: str, part: str) -> str:
        """Return the newest link mailed to somebody whose address holds `part`."""
        self.settle()
        for mail in reversed(self.mails(to)):
            found = [one for one in re.findall(r"https?://\S+", mail["text"]) if part in one]
            if found:
                return str(found[0])
        raise AssertionError(f"no link with {part} among {[mail['subject'] for mail in self.mails(to)]}")

    def sign_up(self, user: str, email: str, **more: Any) -> None:
        """Link an account, as the website's server does."""
        answer = self.server("/subjects", {"user_id": user, "email": email, "email_verified": True, **more})
        assert answer.status in {200, 201}, answer.text

    def put(self, vendor: str, **fields: Any) -> list[str]:
        """Make somebody known to a sandbox vendor; return the vendor's ids."""
        answer = self.call("PUT", f"/sandbox/{vendor}/people", fields)
        assert answer.status == 201, answer.text
        ids: list[str] = answer.json["ids"]
        return ids

    def found(self, vendor: str, **by: str) -> list[dict[str, Any]]:
        """Return what a sandbox vendor holds, by `email` or `id`."""
        answer = self.get(f"/sandbox/{vendor}/people?{urlencode(by)}")
        assert answer.status == 200, answer.text
        held: list[dict[str, Any]] = answer.json["found"]
        return held

    def hold(self, user: str, documents: dict[str, Any], files: dict[str, str] | None = None) -> None:
        """Put data into the demo website."""
        answer = self.call("PUT", f"/website/{quote(user, safe='')}", {"documents": documents, "files": files or {}})
        assert answer.status == 200, answer.text

    def held(self, user: str) -> Any:
        """Return what the demo website holds."""
        return self.get(f"/website/{quote(user, safe='')}").json

    def ask(self, email: str) -> str:
        """Ask for erasure; return the request's id."""
        answer = self.post("/requests", {"email": email, "right": "erasure"})
        assert answer.status == 202, answer.text
        return str(answer.json["request_id"])

    def confirm(self, email: str, request_id: str) -> Any:
        """Post the mailed link; return the answer."""
        answer = self.post(self.link(email, f"/requests/{request_id}/confirm?t="))
        assert answer.status == 200, answer.text
        return answer.json


__all__ = ["RUNTIMES", "Answer", "HTTPError", "House", "cloud_of"]
