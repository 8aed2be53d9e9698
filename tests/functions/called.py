"""The deployed functions, called as their callers call them: over WSGI, with headers and bodies, and a clock to move."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import flask
from werkzeug.test import TestResponse

from infra.container import Container
from infra.local.file_clock import FileClock
from infra.local.functions import AT_THE_ROOT, apps
from infra.local.server import SAMPLE_POLICY, VENDORS_BASES
from infra.local.topic import LocalTopic
from infra.settings import Settings
from shared.promises.policy import ANNOUNCE, IN_FORCE, Draft, Published, publish
from shared.records import DUE_WORK, RECORDS, InForce, Work
from shared.store import Delete
from tests.contracts.running_sandbox import RunningSandbox

BASE = "https://privacy.sample-rooms.example"
WEBSITE = "https://www.sample-rooms.example"
FORM = "application/x-www-form-urlencoded"
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OPERATOR_TOKEN = "operator-token-of-the-test"
WEBSITE_KEYS = ("website-key-1", "website-key-2")
INTERNAL_SECRET = "internal-secret-of-the-test"
SETTINGS = {
    "PUBLIC_BASE_URL": BASE,
    "WEBSITE_ORIGINS": f"{WEBSITE}, https://shop.sample-rooms.example",
    "WEBSITE_KEYS": ", ".join(WEBSITE_KEYS),
    "OPERATOR_TOKEN": OPERATOR_TOKEN,
    "INTERNAL_SECRET": INTERNAL_SECRET,
    "SENDGRID_API_KEY": "sendgrid-key-of-the-test",
    "SENDGRID_API_BASE": "http://127.0.0.1:9/nobody-listens-here",
}
AT_MOST_ROUNDS = 100
Rows = dict[str, list[tuple[Any, ...]]]


@cache
def _built() -> dict[str, flask.Flask]:
    """Build the functions once for all tests: they keep nothing but their container, and each call brings its own."""
    return apps(Container(Settings(SETTINGS)))


class Called:
    """All functions over one folder with the sample policy published. No queue runs: `run_due` does what is due.

    `containers` says what each function is given; a test may give one of them another.
    """

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self._settings = settings
        self.container = Container(Settings(SETTINGS | settings | {"DATA_DIR": str(data_dir)}))
        self.clock = FileClock(data_dir / "clock")
        self.containers = dict.fromkeys(_built(), self.container)
        self.topic = LocalTopic(self.clock)
        self.topic.subscribe(self.event)
        self.container.__dict__["topic"] = self.topic
        if self.container.store.get(InForce, IN_FORCE) is None:
            self.publish("v1")
        self._sandbox: RunningSandbox | None = None
        self._watching: sqlite3.Connection | None = None

    def close(self) -> None:
        """End what was started."""
        if self._sandbox is not None:
            self._sandbox.close()
        if self._watching is not None:
            self._watching.close()

    def copied(self, folder: Path) -> Called:
        """Return the same world over a folder of its own, for as long as nobody writes to this one."""
        shutil.copytree(self.data_dir, folder, ignore=shutil.ignore_patterns("*-shm"))
        copy = Called(folder)
        return copy if self._sandbox is None else copy.with_mail()

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, at: str | None = None, **headers: str) -> TestResponse:
        """Call an address; names of headers are written with underscores.

        The first part of the path names the function. With `at`, the function is named and the path is sent as it is.
        Bytes and text are sent as they are, anything else as JSON.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        given: dict[str, Any] = {}
        if isinstance(body, bytes | str):
            given["data"] = body
        elif body is not None:
            given["json"] = body
        full = path.startswith(BASE)
        path = path.removeprefix(BASE)
        first = re.split(r"[/?]", path.removeprefix("/"))[0]
        name = at or AT_THE_ROOT.get(first, first or "site")
        assert not (full and at), "a whole address names its function itself"
        return self.app(name).test_client().open(path, method=method, headers=sent, **given)

    def app(self, name: str) -> flask.Flask:
        """Return a function as it is deployed; it is this world's until another world asks for it."""
        app = _built()[name]
        app.extensions["pledge"] = self.containers[name]
        return app

    def get(self, path: str, **more: str) -> TestResponse:
        """GET as a program."""
        return self.call("GET", path, **more)

    def page(self, path: str, **more: str) -> TestResponse:
        """GET as a person's browser."""
        return self.call("GET", path, Accept=PAGE, **more)

    def post(self, path: str, body: Any = None, **more: str) -> TestResponse:
        """POST JSON."""
        return self.call("POST", path, body, **more)

    def form(self, path: str, fields: dict[str, Any], accept: str = PAGE) -> TestResponse:
        """POST a form as a browser does."""
        return self.post(path, urlencode(fields, doseq=True), Content_Type=FORM, Accept=accept)

    def server(self, path: str, body: Any = None, key: str = WEBSITE_KEYS[0], **more: str) -> TestResponse:
        """POST as the website's server."""
        return self.post(path, body, Authorization=f"Bearer {key}", **more)

    def operator(self, method: str, path: str, body: Any = None, **more: str) -> TestResponse:
        """Call as the operator."""
        return self.call(method, f"/operator{path}", body, Authorization=f"Bearer {OPERATOR_TOKEN}", **more)

    def platform(self, function: str, body: Any = None) -> TestResponse:
        """Call an internal function as the queue and the scheduler do."""
        return self.post("/", body, at=function, X_Pledge_Internal=INTERNAL_SECRET)

    def event(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> bool:
        """Deliver an event of the topic; tell whether it was acknowledged."""
        answer = self.post("/", body, at="policy-published", X_Pledge_Internal=INTERNAL_SECRET, **headers)
        return answer.status_code == 200

    # --- time and work -----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the present, as the product counts it."""
        return self.clock.now()

    def later(self, **delta: float) -> None:
        """Move the clock ahead; nothing that falls due is done."""
        self.until(self.now() + timedelta(**delta))

    def until(self, moment: datetime) -> None:
        """Move the clock to a moment."""
        self.clock.set_ahead(round((moment - datetime.now(UTC)).total_seconds()))

    def early_in_an_hour(self) -> None:
        """Move the clock to just after an hour has begun, so that no test meets its end."""
        self.until(self.now().replace(minute=0, second=0) + timedelta(hours=1, seconds=30))

    def run_due(self) -> list[str]:
        """Run everything that is due through the real `work` function, as the queue would; return how each ended."""
        ended: list[str] = []
        for _ in range(AT_MOST_ROUNDS):
            due = self.container.store.query(DUE_WORK, at_most=self.now())
            if not due:
                return ended
            for one in due:
                answer = self.platform("work", {"id": one.id})
                assert answer.status_code == 200, answer.text
                ended.append(answer.json["ran"])
        raise AssertionError(f"work never ends: {ended[-10:]}")

    # --- the world ---------------------------------------------------------------------------------------------------

    @property
    def sandbox(self) -> RunningSandbox:
        """Return the vendors' stand-in; it runs from when it is first asked for, and `run_due` reaches it from then on."""
        if self._sandbox is None:
            self._sandbox = RunningSandbox(self.data_dir, {"sendgrid": SETTINGS["SENDGRID_API_KEY"]})
            bases = {name: self._sandbox.url(vendor) for vendor, name in VENDORS_BASES.items()}
            own = self._settings | {"DATA_DIR": str(self.data_dir)}
            self.containers["work"] = Container(Settings(SETTINGS | bases | own))
            self.containers["work"].__dict__["topic"] = self.topic
        return self._sandbox

    def with_mail(self) -> Called:
        """Have the sandbox run from now on."""
        assert self.sandbox
        return self

    def mails(self, to: str) -> list[dict[str, Any]]:
        """Do what is due, and return what was mailed to an address, oldest first."""
        sandbox = self.sandbox
        self.run_due()
        status, body = sandbox.ask("GET", "/outbox")
        assert status == 200, body
        return [mail for mail in body["mails"] if mail["to"] == to]

    def mailed_link(self, to: str, part: str) -> str:
        """Return the newest link with `part` mailed to an address, without the base address."""
        for mail in reversed(self.mails(to)):
            links = [link for link in re.findall(r"https?://\S+", mail["text"]) if part in link]
            if links:
                return links[0].removeprefix(BASE)
        raise AssertionError(f"no link with {part} was mailed")

    # --- shortcuts ---------------------------------------------------------------------------------------------------

    def publish(self, version: str, text: str | None = None, **more: Any) -> Published:
        """Publish a version of the policy, seen by every function at once, and announced."""
        draft = Draft(text=text or SAMPLE_POLICY.read_text(), version=version, **more)
        published = publish(self.container, draft, by="the test")
        self.container.policies.forget()
        self.announce()
        return published

    def announce(self) -> None:
        """Run what is due of announcing versions, to the end, and nothing else."""
        while due := [
            one for one in self.container.store.query(DUE_WORK, at_most=self.now()) if _announces(one.record)
        ]:
            for one in due:
                assert self.platform("work", {"id": one.id}).json == {"ran": "done"}

    def forget_policy(self) -> None:
        """Make the stack one where nothing was published yet."""
        self.container.store.commit([Delete(InForce, IN_FORCE)])
        self.container.policies.forget()

    def notice(self, *purposes: str) -> str:
        """Return a notice for these purposes, to send back."""
        token: str = self.get(f"/policy/notice?purposes={','.join(purposes)}").json["notice"]
        return token

    def consent(self, subject: dict[str, Any], decisions: dict[str, bool], **more: Any) -> dict[str, Any]:
        """Return the body of a capture of these decisions."""
        notice = self.notice(*decisions)
        return {"subject": subject, "notice": notice, "decisions": decisions, "method": "banner", **more}

    def sign_up(self, user: str, email: str, **more: Any) -> None:
        """Link an account, as the website's server does."""
        answer = self.server("/subjects", {"user_id": user, "email": email, "email_verified": True, **more})
        assert answer.status_code in {200, 201}, answer.text

    def ask(self, email: str, right: str = "erasure") -> dict[str, Any]:
        """Ask for a right as a person does; return the answer."""
        answer = self.post("/requests", {"email": email, "right": right})
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json
        return body

    def confirm_link(self, email: str, request_id: str) -> str:
        """Return the mailed confirmation link of a request."""
        return self.mailed_link(email, f"/requests/{request_id}/confirm?t=")

    def confirmed(self, email: str, right: str = "erasure") -> dict[str, Any]:
        """Ask for a right and confirm; return the answer to the confirmation, with `key` beside `status_url`."""
        answer = self.post(self.confirm_link(email, self.ask(email, right)["request_id"]))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json
        return body | {"key": body["status_url"].partition("?key=")[2]}

    # --- what is stored ----------------------------------------------------------------------------------------------

    def rows(self) -> Rows:
        """Return every row of every table, byte for byte."""
        with closing(sqlite3.connect(self.data_dir / "pledge.db")) as database:
            tables = [kind.collection for kind in RECORDS]
            return {name: database.execute(f'SELECT * FROM "{name}" ORDER BY id').fetchall() for name in tables}

    def due_first(self) -> str:
        """Return the id of the work item that fell due before all others."""
        return self.container.store.query(DUE_WORK, at_most=self.now(), limit=1)[0].id

    def writes(self) -> int:
        """Return a number that changes whenever somebody commits to the database."""
        if self._watching is None:
            self._watching = sqlite3.connect(self.data_dir / "pledge.db")
        return int(self._watching.execute("PRAGMA data_version").fetchone()[0])

    def count(self, collection: str) -> int:
        """Count the records of a collection."""
        return len(self.rows()[collection])

    @contextmanager
    def changing_nothing(self) -> Iterator[None]:
        """Check that what happens inside leaves every stored byte as it was."""
        before = self.rows()
        yield
        assert self.rows() == before


def _announces(work: Work) -> bool:
    return work.kind == ANNOUNCE or work.kind.startswith("campaign.")


def problem(answer: TestResponse, status: int, field: str | None = None) -> dict[str, Any]:
    """Check that an answer is an RFC 9457 problem of this status that names this field, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert {"type", "title", "status", "detail"} <= set(body) <= {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert all(isinstance(body[name], str) and body[name] for name in ("type", "title", "detail"))
    if field is not None:
        assert [error["field"] for error in body["errors"]] == [field], body
        assert all(error["rule"] and set(error) == {"field", "rule"} for error in body["errors"])
    return body
