"""`policy-published`: hears of a published version as a CloudEvent, and opens its campaign."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from functions_framework import create_app
from werkzeug.test import TestResponse

from infra.container import Container
from infra.local.functions import ROOT
from infra.settings import Settings
from shared.failures import TryAgain
from shared.records import DUE_WORK
from shared.store import Change
from tests.emulators.issuer import Issuer
from tests.functions.called import INTERNAL_SECRET, OPERATOR_TOKEN, SETTINGS, WEBSITE_KEYS, Called, problem
from tests.infra.troubled_twins import ForwardingStore

SECRET_WORDS = "ada@people.example"
AUDIENCE = "https://{function}-1.europe-west1.run.app"
OURS = AUDIENCE.replace("{function}", "policy-published")
EVENTARC = "eventarc@demo.iam.gserviceaccount.com"
TOPIC = "projects/demo/topics/policy-published"
TYPE = "google.cloud.pubsub.topic.v1.messagePublished"
HEADERS = {
    "ce_id": "4711",
    "ce_source": f"//pubsub.googleapis.com/{TOPIC}",
    "ce_specversion": "1.0",
    "ce_type": TYPE,
    "ce_time": "2026-03-01T12:00:00Z",
}


@pytest.fixture
def called(tmp_path: Path) -> Iterator[Called]:
    """Return the functions with `v2` published, and its announcement still on its way."""
    functions = Called(tmp_path)
    functions.announce = lambda: None  # type: ignore[method-assign]
    functions.publish("v2", "# Two\n\nWords.")
    yield functions
    functions.close()


def encoded(said: object) -> str:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.b64encode(raw).decode()


def pushed(data: object, **more: Any) -> dict[str, Any]:
    return {"message": {"data": data, "messageId": "4711", "publishTime": "2026-03-01T12:00:00Z", **more}}


def send(called: Called, body: object, headers: Mapping[str, str] = HEADERS, **more: str) -> TestResponse:
    sent = {"X_Pledge_Internal": INTERNAL_SECRET, **headers, **more}
    return called.post("/", body, at="policy-published", **sent)


def say(called: Called, said: object, **headers: str) -> TestResponse:
    return send(called, pushed(encoded(said)), **headers)


def acknowledged(answer: TestResponse) -> bool:
    assert (answer.status_code, answer.text) == (200, "OK"), answer.text
    return True


def opened(called: Called) -> list[str]:
    return [row[0] for row in called.rows()["campaigns"]]


def attention(called: Called) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = called.operator("GET", "/attention").json["items"]
    return items


# --- the campaign ----------------------------------------------------------------------------------------------------


def test_a_message_opens_the_campaign_of_its_version(called: Called) -> None:
    assert opened(called) == ["campaign-v1"]
    assert acknowledged(say(called, {"version": "v2"}))
    shown = called.operator("GET", "/campaigns/campaign-v2").json
    counts = ("recipients", "sent", "delivered", "bounced", "failed", "in_doubt", "waiting")
    assert {name: shown[name] for name in counts} == dict.fromkeys(counts, 0)
    assert (shown["state"], shown["version"]) == ("announced", "v2")
    (entry,) = called.operator("GET", "/evidence/campaign-v2").json["entries"]
    assert (entry["kind"], entry["facts"]["version"]) == ("campaign.announced", "v2")
    assert called.operator("POST", "/evidence/verify").json["intact"] is True


def test_a_message_that_comes_again_changes_nothing(called: Called) -> None:
    assert acknowledged(say(called, {"version": "v2"}))
    called.later(days=1)
    with called.changing_nothing():
        assert acknowledged(say(called, {"version": "v2"}))
        assert acknowledged(say(called, {"version": "v2"}, ce_id="4712"))
        assert acknowledged(say(called, {"version": "v1"}))


def test_of_fifty_at_once_one_opens_the_campaign(called: Called) -> None:
    app = called.app("policy-published")
    sent = {name.replace("_", "-"): value for name, value in HEADERS.items()} | {"X-Pledge-Internal": INTERNAL_SECRET}
    body = pushed(encoded({"version": "v2"}))
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: app.test_client().post("/", json=body, headers=sent), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert opened(called) == ["campaign-v1", "campaign-v2"]
    assert len(called.operator("GET", "/evidence/campaign-v2").json["entries"]) == 1
    assert called.operator("POST", "/evidence/verify").json["intact"] is True


def test_later_versions_may_come_first(called: Called) -> None:
    called.publish("v3", "# Three")
    for version in ("v3", "v2", "v3", "v2"):
        assert acknowledged(say(called, {"version": version}))
    assert opened(called) == ["campaign-v1", "campaign-v2", "campaign-v3"]
    assert attention(called) == []


def test_a_version_that_was_heard_of_too_early_is_announced_again(called: Called) -> None:
    """A message can outrun what it speaks of only where the database was restored; it must not be the last word."""
    assert acknowledged(say(called, {"version": "v3"}))
    called.publish("v3", "# Three")
    for one in called.container.store.query(DUE_WORK, at_most=called.now()):
        called.platform("work", {"id": one.id})
    assert "campaign-v3" in opened(called)


# --- how an event arrives --------------------------------------------------------------------------------------------


def structured(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    event = {name.removeprefix("ce_"): value for name, value in HEADERS.items()}
    return event | {"datacontenttype": "application/json", "data": data}, {
        "Content_Type": "application/cloudevents+json"
    }


def test_an_event_comes_in_binary_mode_in_structured_mode_or_as_a_raw_push(called: Called) -> None:
    data = pushed(encoded({"version": "v2"}))
    event, headers = structured(data)
    push = data | {"subscription": "projects/demo/subscriptions/push"}
    assert acknowledged(send(called, json.dumps(event), {}, **headers))
    assert opened(called) == ["campaign-v1", "campaign-v2"]
    with called.changing_nothing():
        assert acknowledged(send(called, push, {}))
        raw = called.post(
            f"/{TOPIC}", push, at="policy-published", X_Pledge_Internal=INTERNAL_SECRET, pubsub_trigger="true"
        )
        assert acknowledged(raw)


@pytest.mark.parametrize("said", ["http", "event", "cloudevent"])
def test_it_takes_events_whatever_the_platform_says_it_takes(
    called: Called, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", said)
    monkeypatch.setenv("FUNCTION_TARGET", "policy_published")
    app = create_app(source=str(ROOT / "main.py"))
    app.extensions["pledge"] = called.container
    sent = {name.replace("_", "-"): value for name, value in HEADERS.items()} | {"X-Pledge-Internal": INTERNAL_SECRET}
    assert acknowledged(app.test_client().post("/", json=pushed(encoded({"version": "v2"})), headers=sent))
    assert "campaign-v2" in opened(called)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_it_is_never_read(called: Called, method: str) -> None:
    with called.changing_nothing():
        answer = called.call(method, "/", at="policy-published", X_Pledge_Internal=INTERNAL_SECRET, **HEADERS)
    assert answer.status_code == 405


def test_what_is_no_event_is_refused_and_stores_nothing(called: Called) -> None:
    with called.changing_nothing():
        for body in (
            b"",
            b"{",
            b"[]",
            b"null",
            {"version": "v2"},
            {"message": {}},
            {"subscription": "s", "message": {}},
        ):
            answer = called.post("/", body, at="policy-published", X_Pledge_Internal=INTERNAL_SECRET)
            assert answer.status_code in {400, 415, 500}, body


# --- who may call ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"X_Pledge_Internal": ""},
        {"X_Pledge_Internal": "a guess"},
        {"Authorization": f"Bearer {OPERATOR_TOKEN}"},
        {"Authorization": f"Bearer {WEBSITE_KEYS[0]}"},
        {"Authorization": f"Bearer {INTERNAL_SECRET}"},
    ],
    ids=["nobody", "empty", "a guess", "an operator", "the website", "the secret in another place"],
)
def test_only_the_platform_may_call_it(called: Called, sent: dict[str, str]) -> None:
    with called.changing_nothing():
        answer = called.post("/", pushed(encoded({"version": "v2"})), at="policy-published", **HEADERS, **sent)
    problem(answer, 401)


def test_a_strangers_unusable_message_is_not_acknowledged_either(called: Called) -> None:
    with called.changing_nothing():
        problem(called.post("/", pushed("?"), at="policy-published", **HEADERS), 401)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return a running issuer of tokens."""
    with Issuer() as running:
        yield running


@pytest.fixture
def on_google(called: Called, issuer: Issuer) -> Called:
    """Return the functions, of which `policy-published` checks tokens as it does on Google Cloud."""
    more = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:9", "OIDC_AUDIENCE": AUDIENCE, "OIDC_CALLERS": EVENTARC}
    settings = Settings(SETTINGS | more | {"OIDC_CERTS_URL": issuer.certs_url, "DATA_DIR": str(called.data_dir)})
    container = Container(settings, called.container.queue)
    container.__dict__["store"] = called.container.store
    called.containers["policy-published"] = container
    return called


def bearing(called: Called, token: str | None) -> TestResponse:
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    return called.post("/", pushed(encoded({"version": "v2"})), at="policy-published", **HEADERS, **sent)


def test_on_google_eventarcs_token_opens_the_door(on_google: Called, issuer: Issuer) -> None:
    assert acknowledged(bearing(on_google, issuer.token(OURS, EVENTARC)))
    assert opened(on_google) == ["campaign-v1", "campaign-v2"]


def test_on_google_no_other_token_does(on_google: Called, issuer: Issuer) -> None:
    for token in (
        None,
        "a guess",
        issuer.token(OURS.replace("policy-published", "work"), EVENTARC),
        issuer.token(OURS, EVENTARC, exp=1),
    ):
        with on_google.changing_nothing():
            problem(bearing(on_google, token), 401)
    with on_google.changing_nothing():
        problem(bearing(on_google, issuer.token(OURS, "stranger@other.iam.gserviceaccount.com")), 403)
        problem(say(on_google, {"version": "v2"}), 401)


def test_on_google_a_token_that_cannot_be_checked_now_is_asked_for_again(on_google: Called, issuer: Issuer) -> None:
    token = issuer.token(OURS, EVENTARC)
    issuer.stop()
    with on_google.changing_nothing():
        problem(bearing(on_google, token), 503)
    issuer.start()
    assert acknowledged(bearing(on_google, token))


# --- what can never be used ------------------------------------------------------------------------------------------

UNUSABLE: dict[str, tuple[object, str]] = {
    "a version nobody published": (pushed(encoded({"version": "v9"})), "there is no such version"),
    "no version at all": (pushed(encoded({"version": SECRET_WORDS})), "there is no such version"),
    "a path": (pushed(encoded({"version": "../v2"})), "there is no such version"),
    "an empty version": (pushed(encoded({"version": ""})), "there is no such version"),
    "a field too many": (pushed(encoded({"version": "v2", "email": SECRET_WORDS})), "not the fields expected"),
    "a field too few": (pushed(encoded({})), "not the fields expected"),
    "another field": (pushed(encoded({SECRET_WORDS: "v2"})), "not the fields expected"),
    "a number": (pushed(encoded({"version": 2})), "not the fields expected"),
    "null": (pushed(encoded({"version": None})), "not the fields expected"),
    "a list": (pushed(encoded(["v2"])), "not the fields expected"),
    "a word": (pushed(encoded(SECRET_WORDS)), "not the fields expected"),
    "not JSON": (pushed(encoded(SECRET_WORDS.encode())), "not JSON"),
    "not UTF-8": (pushed(encoded(b'{"version": "\xff"}')), "not JSON"),
    "half a character": (pushed(encoded(b'{"version": "\\ud800"}')), "not JSON"),
    "a deep one": (pushed(encoded(b'{"version": ' + b"[" * 700)), "not the fields expected"),
    "no bytes": (pushed(""), "not JSON"),
    "not base64": (pushed(f"?{SECRET_WORDS}"), "not base64"),
    "not ASCII": (pushed("dév2"), "not base64"),
    "cut base64": (pushed(encoded({"version": "v2"})[:-3]), "not base64"),
    "too large": (pushed(encoded({"version": "v" * 1000})), "too large"),
    "data that is no text": (pushed({"version": "v2"}), "not a message of a topic"),
    "data that is null": (pushed(None), "not a message of a topic"),
    "no data": ({"message": {"attributes": {"version": SECRET_WORDS}}}, "not a message of a topic"),
    "a message that is none": ({"message": [SECRET_WORDS]}, "not a message of a topic"),
    "no message": ({"version": "v2"}, "not a message of a topic"),
    "a body that is a list": ([1], "not a message of a topic"),
    "a body that is no JSON": (SECRET_WORDS, "not a message of a topic"),
    "no body": (b"", "not a message of a topic"),
}


@pytest.mark.parametrize(("body", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_can_never_be_used_is_acknowledged_and_shown_to_a_person_with_ids_alone(
    called: Called, capfd: pytest.CaptureFixture[str], body: object, why: str
) -> None:
    for _ in range(2):
        assert acknowledged(send(called, body))
    (item,) = attention(called)
    assert (item["kind"], item["request_id"], item["problem"]) == ("topic_message", "policy-published", why)
    assert item["id"].endswith(":4711")
    assert opened(called) == ["campaign-v1"]
    said = "".join(capfd.readouterr())
    assert json.loads(said.splitlines()[0])["event"] == "message_unusable"
    assert SECRET_WORDS not in said + repr(called.rows())


def test_an_event_of_another_kind_is_set_aside(called: Called) -> None:
    assert acknowledged(say(called, {"version": "v2"}, ce_type="google.cloud.storage.object.v1.finalized"))
    assert [item["problem"] for item in attention(called)] == ["not a message of a topic"]


def test_an_events_id_that_is_not_the_topics_is_not_kept(called: Called) -> None:
    assert acknowledged(send(called, pushed("?"), ce_id=SECRET_WORDS))
    (item,) = attention(called)
    assert item["id"].endswith(":unnamed")


def test_each_unusable_message_is_shown_once_and_all_of_them_alert_once(called: Called) -> None:
    for _ in range(2):
        for number in range(5):
            assert acknowledged(send(called, pushed("?"), ce_id=str(number)))
    assert len(attention(called)) == 5
    assert len([row for row in called.rows()["work"] if row[0].startswith("alert-")]) == 1


# --- what may be usable later ----------------------------------------------------------------------------------------


class TroubledStore(ForwardingStore):
    """Cannot take commits, for one reason or another, for a while."""

    trouble: Exception | None = None

    def commit(self, changes: Sequence[Change]) -> list[str]:
        if self.trouble:
            raise self.trouble
        return super().commit(changes)


def troubled(called: Called, trouble: Exception) -> TroubledStore:
    container = Container(called.container.settings)
    store = TroubledStore(container.store)
    store.trouble = trouble
    container.__dict__["store"] = store
    called.containers["policy-published"] = container
    return store


def test_while_the_database_is_away_it_asks_to_be_told_again(
    called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    store = troubled(called, TryAgain("firestore_unavailable"))
    with called.changing_nothing():
        problem(say(called, {"version": "v2"}), 503)
        problem(send(called, pushed("?")), 503)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = [(line["event"], line["code"]) for line in lines if line["event"] == "unavailable"]
    assert found == [("unavailable", "firestore_unavailable")] * 2
    store.trouble = None
    assert acknowledged(say(called, {"version": "v2"}))
    assert opened(called) == ["campaign-v1", "campaign-v2"]


def test_a_defect_shows_nothing_of_itself_and_is_told_again(called: Called, capfd: pytest.CaptureFixture[str]) -> None:
    store = troubled(called, ValueError(SECRET_WORDS))
    answer = say(called, {"version": "v2"})
    problem(answer, 500)
    said = "".join(capfd.readouterr())
    assert json.loads(said)["event"] == "crashed"
    assert SECRET_WORDS not in said + answer.text + str(answer.headers)
    store.trouble = None
    assert acknowledged(say(called, {"version": "v2"}))
