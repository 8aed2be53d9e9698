from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.local.file_clock import FileClock
from infra.local.sqlite_store import SqliteStore
from infra.subprocessors.google_analytics import GoogleAnalyticsConnector
from infra.subprocessors.google_transport import ApplicationDefaultToken, GoogleTransport
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.ports import Part, Person
from shared.records import EXPIRED, Submission
from shared.vault import Keyset, Vault, unb64url
from tests.contracts.connector_contract import NOW, ConnectorContract, RateLimitContract
from tests.contracts.running_sandbox import RunningSandbox

CLIENT = "1234567890.1700000000"
OTHER = "987654321.1690000000"
USER = "canary-user-17"
VAULT = Vault(Keyset.generate())
REQUESTS = itertools.count(1)


class MovingClock:
    """The sandbox's clock, moved on by each look at it: so nobody waits for a quota."""

    def __init__(self, folder: Path, seconds: int = 4) -> None:
        self._file = folder / "clock"
        self._clock = FileClock(self._file)
        self._seconds = seconds

    def now(self) -> datetime:
        ahead = int(self._file.read_text()) if self._file.exists() else 0
        self._clock.set_ahead(ahead + self._seconds)
        return self._clock.now()


def connector(
    sandbox: RunningSandbox, timeout: float = 5.0, seconds: int = 4, key: str = "ya29.test"
) -> GoogleAnalyticsConnector:
    transport = GoogleTransport(sandbox.url("google"), lambda: key, timeout)
    store = SqliteStore(sandbox.folder / "pledge.db")
    return GoogleAnalyticsConnector(transport, store, VAULT, MovingClock(sandbox.folder, seconds), "123456789")


def somebody(*clients: str, user: str | None = None) -> Person:
    known = [Identifiers(user_id=user, ga_client_ids=[*clients], addresses=["ada@example.com"])]
    return Person(request_id=f"r{next(REQUESTS)}", known=known, addresses=["ada@example.com"])


def erase(sandbox: RunningSandbox, person: Person, **more: Any) -> Part:
    (part,) = connector(sandbox, **more).erase(person, NOW)
    return part


def submitted(sandbox: RunningSandbox) -> set[tuple[str, str]]:
    return {(body["under"], body["id"]) for kind, _, body in sandbox.snapshot("google") if kind == "deletion"}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    yield sandbox
    sandbox.close()


class TestGoogleAnalyticsConnector(ConnectorContract, RateLimitContract):
    vendor: ClassVar[str] = "google"
    personal = (CLIENT, OTHER, USER, "ada@example.com")
    never_held: ClassVar[set[str]] = {"scheduled_by_vendor"}
    fleeting: ClassVar[set[str]] = {"last_at", "deletionRequestTime", "runs_at", "day", "lately"}
    limit: ClassVar[tuple[int, float]] = (3, 2.0)

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> GoogleAnalyticsConnector:
        return connector(sandbox, timeout)

    def known(self, sandbox: RunningSandbox) -> Person:
        sandbox.put("google", email="ada@example.com", user_id=USER, client_ids=[CLIENT, OTHER])
        return somebody(CLIENT, OTHER, user=USER)

    def unknown(self) -> Person:
        return somebody("1.1")

    def held(self, sandbox: RunningSandbox, person: Person) -> list[dict[str, Any]]:
        """Return the events that nobody asked to delete: the rest stays until the vendor's own run."""
        found = [entry for text in (CLIENT, OTHER, USER) for entry in sandbox.found("google", id=text)]
        return [entry for entry in found if "deletion_requested_at" not in entry]

    def hurry(self, sandbox: RunningSandbox) -> None:
        person = somebody(*(f"1.{n}" for n in range(40)))
        until = time.monotonic() + 4
        while time.monotonic() < until:
            with pytest.raises(TryAgain, match="google_analytics_quota"):
                connector(sandbox, seconds=0).erase(person, NOW)
            time.sleep(0.1)
        assert sandbox.calls > 3


# --- what is submitted, and what is said of it ---


def test_every_client_id_and_the_user_id_go_one_a_call_and_never_an_address(sandbox: RunningSandbox) -> None:
    part = erase(sandbox, somebody(CLIENT, OTHER, CLIENT, user=USER))
    assert submitted(sandbox) == {("clientId", CLIENT), ("clientId", OTHER), ("userId", USER)}
    assert sandbox.calls == 3
    assert (part.outcome, part.evidence["ids"]) == ("scheduled_by_vendor", 3)
    assert part.evidence["first_requested_at"] < part.evidence["last_requested_at"]
    assert "BigQuery" in part.evidence["not_touched"]


def test_the_date_is_that_of_the_run_two_months_after_the_last_request_left_the_reports(
    sandbox: RunningSandbox,
) -> None:
    part = erase(sandbox, somebody(CLIENT, OTHER))
    last = datetime.fromisoformat(part.evidence["last_requested_at"])
    assert part.until
    assert timedelta(days=59 + 3) <= part.until - last <= timedelta(days=62 + 3)
    assert part.until.time() == last.time()
    sandbox.put("google", client_ids=["2.2"])
    erase(sandbox, somebody("2.2"))
    (held,) = sandbox.found("google", id="2.2")
    assert datetime.fromisoformat(held["deleted_by"]) <= part.until


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        ("GA1.1.1234567890.1700000000", CLIENT),
        ("GA1.2-2.1234567890.1700000000", CLIENT),
        (CLIENT, CLIENT),
        ("GA1.2.3", "GA1.2.3"),
        ("my-own-id", "my-own-id"),
    ],
)
def test_the_client_id_is_taken_out_of_a_cookies_value(sandbox: RunningSandbox, kept: str, sent: str) -> None:
    erase(sandbox, somebody(kept))
    assert submitted(sandbox) == {("clientId", sent)}


def test_a_cookie_and_its_client_id_are_one_id(sandbox: RunningSandbox) -> None:
    assert erase(sandbox, somebody(CLIENT, f"GA1.1.{CLIENT}")).evidence["ids"] == 1


def test_the_ids_of_all_chosen_accounts_go(sandbox: RunningSandbox) -> None:
    known = [Identifiers(ga_client_ids=["1.1"], device_id="d" * 8), Identifiers(user_id="u2", ga_client_ids=["2.2"])]
    assert erase(sandbox, Person(request_id="r", known=known)).evidence["ids"] == 3


def test_without_an_id_nothing_can_be_found_there_and_the_reason_is_told(sandbox: RunningSandbox) -> None:
    part = erase(sandbox, Person(request_id="r", addresses=["ada@example.com"]))
    assert part.outcome == "nothing_found"
    assert "client id" in part.evidence["reason"]
    assert sandbox.calls == 0


def test_an_id_that_google_refuses_does_not_keep_the_others_there(sandbox: RunningSandbox) -> None:
    person = somebody("1.1", "x" * 300, "2.2")
    for calls in (3, 4):
        with pytest.raises(NeverRetry, match="google_400"):
            erase(sandbox, person)
        assert submitted(sandbox) == {("clientId", "1.1"), ("clientId", "2.2")}
        assert sandbox.calls == calls


def test_a_refusal_that_is_not_about_an_id_ends_it_at_once(tmp_path: Path) -> None:
    sandbox = RunningSandbox(tmp_path, {"google": "right"})
    with pytest.raises(NeverRetry, match="google_401"):
        erase(sandbox, somebody("1.1", "2.2"), key="wrong")
    assert sandbox.calls == 1
    sandbox.close()


def test_nothing_is_ever_retained_so_there_is_nothing_to_purge(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry, match="nothing_retained"):
        connector(sandbox).purge([], NOW)


def test_what_was_never_restricted_there_is_not_said_to_be_lifted(sandbox: RunningSandbox) -> None:
    (part,) = connector(sandbox).restrict(somebody(CLIENT), NOW, lifted=True)
    assert "nothing was restricted" in part.evidence["reason"]


@pytest.mark.parametrize("property_id", ["", "properties/1", "G-ABC123", "１２３"])
def test_a_property_that_is_no_number_is_refused_at_the_start(sandbox: RunningSandbox, property_id: str) -> None:
    transport = GoogleTransport(sandbox.url("google"), lambda: "t")
    with pytest.raises(Misconfigured, match="GA_PROPERTY"):
        GoogleAnalyticsConnector(
            transport, SqliteStore(sandbox.folder / "p.db"), VAULT, MovingClock(sandbox.folder), property_id
        )


# --- quota and memory ---


def test_a_step_that_ran_into_the_quota_goes_on_where_it_stopped(sandbox: RunningSandbox) -> None:
    person = somebody(*(f"1.{n}" for n in range(7)))
    clock = FileClock(sandbox.folder / "clock")
    for attempt in (1, 2):
        with pytest.raises(TryAgain, match="google_analytics_quota") as caught:
            erase(sandbox, person, seconds=0)
        assert caught.value.after_seconds
        clock.set_ahead(attempt * 60)
    assert erase(sandbox, person, seconds=0).evidence["ids"] == 7
    assert sandbox.calls == 7


def test_the_same_id_in_another_request_is_submitted_again(sandbox: RunningSandbox) -> None:
    for _ in range(2):
        erase(sandbox, somebody(CLIENT))
    assert sandbox.calls == 2


def test_what_is_remembered_names_nobody_and_ends_with_the_promise(sandbox: RunningSandbox) -> None:
    part = erase(sandbox, somebody(CLIENT, user=USER))
    store = SqliteStore(sandbox.folder / "pledge.db")
    (query,) = [query for query in EXPIRED if query.kind is Submission]
    kept = store.query(query)
    assert len(kept) == 2
    for one in kept:
        requested_at = datetime.fromisoformat(part.evidence["last_requested_at"])
        assert abs(one.record.expires_at - requested_at - timedelta(days=14)) < timedelta(minutes=1)
    held = b"".join(path.read_bytes() for path in sandbox.folder.glob("pledge.db*"))
    assert [text for text in (CLIENT, USER) if text.encode() in held] == []


def test_a_day_that_is_full_at_googles_is_waited_for_longer_than_a_minute(sandbox: RunningSandbox) -> None:
    sandbox.fail("google", "429")
    with pytest.raises(TryAgain) as caught:
        erase(sandbox, somebody(CLIENT))
    assert (caught.value.code, caught.value.after_seconds) == ("google_429", 3600)


# --- the transport ---


class Answering:
    """A server that gives one answer to everything and remembers what it was asked."""

    def __init__(self, status: int = 200, body: Any = None, **headers: str) -> None:
        self.asked: list[Request] = []
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._response = Response(raw, status, {name.replace("_", "-"): text for name, text in headers.items()})
        self._server = make_server("127.0.0.1", 0, self._answer)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        request.get_data()
        self.asked.append(request)
        return self._response(environ, start_response)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def quota_error(**error: Any) -> dict[str, Any]:
    return {"error": {"code": 403, "message": "Quota exceeded for somebody@example.com"} | error}


@pytest.mark.parametrize(
    ("status", "body", "failure", "code"),
    [
        (403, quota_error(status="RESOURCE_EXHAUSTED"), TryAgain, "google_403"),
        (403, quota_error(errors=[{"reason": "dailyLimitExceeded", "domain": "usageLimits"}]), TryAgain, "google_403"),
        (403, quota_error(details=[{"@type": "x"}, {"reason": "RATE_LIMIT_EXCEEDED"}]), TryAgain, "google_403"),
        (403, quota_error(status="PERMISSION_DENIED"), NeverRetry, "google_403"),
        (403, quota_error(details=[{"reason": "SERVICE_DISABLED"}]), NeverRetry, "google_403"),
        (403, b"<html>", NeverRetry, "google_403"),
        (403, {"error": "forbidden"}, NeverRetry, "google_403"),
        (400, {}, NeverRetry, "google_400"),
        (401, {}, NeverRetry, "google_401"),
        (404, {}, NeverRetry, "google_404"),
        (408, {}, TryAgain, "google_408"),
        (429, {}, TryAgain, "google_429"),
        (500, {}, TryAgain, "google_500"),
        (503, {}, TryAgain, "google_503"),
        (200, b"<html>", TryAgain, "google_unreadable"),
        (200, b"\xff", TryAgain, "google_unreadable"),
        (200, [], TryAgain, "google_unreadable"),
        (200, b"", TryAgain, "google_unreadable"),
    ],
)
def test_an_answer_is_a_failure_of_the_right_kind(
    status: int, body: Any, failure: type[TryAgain | NeverRetry], code: str
) -> None:
    with Answering(status, body) as server, pytest.raises(failure) as caught:
        GoogleTransport(server.base, lambda: "t").call("POST", "v1alpha/x", {"clientId": CLIENT})
    assert caught.value.code == code
    assert caught.value.__context__ is None


@pytest.mark.parametrize("answer", [{}, {"deletionRequestTime": None}, {"deletionRequestTime": "soon"}])
def test_a_yes_without_its_time_is_no_yes(tmp_path: Path, answer: dict[str, Any]) -> None:
    with Answering(200, answer) as server:
        transport = GoogleTransport(server.base, lambda: "t")
        asked = GoogleAnalyticsConnector(transport, SqliteStore(tmp_path / "p.db"), VAULT, MovingClock(tmp_path), "1")
        with pytest.raises(TryAgain, match="google_unreadable"):
            asked.erase(somebody(CLIENT), NOW)


def test_a_time_with_nine_digits_is_read(tmp_path: Path) -> None:
    with Answering(200, {"deletionRequestTime": "2027-01-31T15:04:05.123456789Z"}) as server:
        transport = GoogleTransport(server.base, lambda: "t")
        asked = GoogleAnalyticsConnector(transport, SqliteStore(tmp_path / "p.db"), VAULT, MovingClock(tmp_path), "1")
        (part,) = asked.erase(somebody(CLIENT), NOW)
    assert part.until == datetime(2027, 4, 3, 15, 4, 5, tzinfo=UTC)


def test_a_vendor_that_says_when_to_come_back_is_believed() -> None:
    for status in (429, 503):
        with Answering(status, {}, Retry_After="77") as server, pytest.raises(TryAgain) as caught:
            GoogleTransport(server.base, lambda: "t").call("GET", "x")
        assert caught.value.after_seconds == 77


def test_the_id_travels_in_the_body_and_the_token_in_a_header(tmp_path: Path) -> None:
    with Answering(200, {"deletionRequestTime": "2027-01-31T15:04:05Z"}) as server:
        GoogleTransport(server.base, lambda: "ya29").call("POST", "v1alpha/properties/1:submit", {"clientId": CLIENT})
    (asked,) = server.asked
    assert asked.full_path.rstrip("?") == "/v1alpha/properties/1:submit"
    assert (asked.headers["Authorization"], asked.mimetype) == ("Bearer ya29", "application/json")
    assert json.loads(asked.get_data()) == {"clientId": CLIENT}


def test_no_redirect_is_followed_since_the_token_would_go_along(sandbox: RunningSandbox) -> None:
    with Answering(307, {}, Location=sandbox.url("google")) as server, pytest.raises(NeverRetry, match="google_307"):
        GoogleTransport(server.base, lambda: "t").call("GET", "x")
    assert sandbox.calls == 0


def test_no_proxy_gets_to_see_what_goes_to_the_sandbox(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    connector(sandbox).ping()


def test_a_timeout_is_told_from_a_refused_connection(sandbox: RunningSandbox) -> None:
    sandbox.fail("google", "timeout", times=1)
    with pytest.raises(TryAgain, match="google_timeout"):
        connector(sandbox, timeout=0.2).ping()
    with pytest.raises(TryAgain, match="google_unreachable"):
        GoogleTransport("http://127.0.0.1:9", lambda: "t").call("GET", "x")


def test_a_base_without_a_scheme_is_refused_at_the_start() -> None:
    with pytest.raises(Misconfigured, match="GA_API_BASE"):
        GoogleTransport("127.0.0.1:1", lambda: "t")


# --- the token ---


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def credentials(folder: Path, private_key: str, token_uri: str) -> str:
    account = {
        "type": "service_account",
        "client_email": "work@acme.iam.gserviceaccount.com",
        "private_key": private_key,
        "private_key_id": "k1",
        "token_uri": token_uri,
    }
    (folder / "account.json").write_text(json.dumps(account))
    return str(folder / "account.json")


def test_a_token_is_fetched_for_the_one_scope_and_kept(
    tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Answering(200, {"access_token": "ya29.fresh", "expires_in": 3600, "token_type": "Bearer"}) as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", credentials(tmp_path, private_key, server.base))
        token = ApplicationDefaultToken()
        assert [token(), token()] == ["ya29.fresh", "ya29.fresh"]
    (asked,) = server.asked
    assertion = asked.form["assertion"].split(".")[1]
    claims = _claims(assertion)
    assert claims["scope"] == "https://www.googleapis.com/auth/analytics.edit"


def test_a_token_that_is_not_to_be_had_just_now_is_tried_again(
    tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Answering(400, {"error": "invalid_grant", "error_description": "work@acme"}) as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", credentials(tmp_path, private_key, server.base))
        with pytest.raises(TryAgain, match="google_token_unavailable") as caught:
            ApplicationDefaultToken()()
    assert caught.value.__context__ is None


def test_missing_credentials_need_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(NeverRetry, match="google_credentials_missing"):
        ApplicationDefaultToken()()


def _claims(segment: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(unb64url(segment))
    return claims
