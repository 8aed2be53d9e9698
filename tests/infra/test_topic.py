"""The topic's twins: Google's Pub/Sub, on its own emulator and behind the relay that plays Eventarc; and the embedded one."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask
import pytest
from cloudevents.http import CloudEvent, from_http
from google.cloud.pubsub_v1 import SubscriberClient
from werkzeug.serving import WSGIRequestHandler, make_server

from infra.container import Container
from infra.gcp.topic import PubsubTopic
from infra.local.functions import apps
from infra.local.queue import LocalPlatform, LocalQueue
from infra.local.topic import KEPT_FOR, REDELIVERED_AFTER, LocalTopic
from infra.settings import Settings
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Topic
from shared.promises.campaigns import campaign_id
from shared.promises.policy import ANNOUNCE, Draft, publish
from shared.records import DUE_WORK, Campaign
from tests.emulators.absence import Absent, skip_or_fail
from tests.emulators.eventarc import MOST_BYTES, Eventarc
from tests.emulators.issuer import Issuer
from tests.emulators.pubsub import PubsubEmulator
from tests.functions.called import SETTINGS
from tests.promises.world import SetClock

ROOT = Path(__file__).parents[2]
EVENTARC = "eventarc@demo.iam.gserviceaccount.com"
AUDIENCE = "https://{function}-1.europe-west1.run.app"
PATIENCE_SECONDS = 15.0


class Function:
    """A stand-in for a function behind a topic: remembers its events, fails as often as it is told to."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.tokens: list[str | None] = []
        self.fails = 0
        self.heard = threading.Condition()

    def __call__(self, headers: Mapping[str, str], body: bytes) -> int:
        with self.heard:
            self.tokens.append(headers.get("Authorization"))
            if self.fails:
                self.fails -= 1
                return 500
            self.events.append(from_http(dict(headers), body))
            self.heard.notify_all()
            return 200

    def wait_for(self, count: int) -> list[CloudEvent]:
        with self.heard:
            self.heard.wait_for(lambda: len(self.events) >= count, PATIENCE_SECONDS)
            return list(self.events)

    def said(self) -> list[bytes]:
        return [base64.b64decode(event.get_data()["message"]["data"]) for event in self.events]


class TopicContract:
    """What both twins do. `told` is a topic with one subscriber; `later` lets the time for a redelivery pass."""

    @pytest.fixture
    def function(self) -> Function:
        return Function()

    def test_a_message_reaches_the_function_as_the_event_of_its_topic(self, told: Topic, function: Function) -> None:
        message_id = told.publish({"version": "v2"})
        (event,) = function.wait_for(1)
        assert event["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
        assert event["source"].startswith("//pubsub.googleapis.com/projects/")
        assert event["source"].endswith("/topics/policy-published")
        assert (event["id"], event.get_data()["message"]["messageId"]) == (message_id, message_id)
        assert event["time"] == event.get_data()["message"]["publishTime"]
        assert function.said() == [b'{"version":"v2"}']

    def test_each_message_has_an_id_of_its_own(self, told: Topic, function: Function) -> None:
        ids = [told.publish({"version": "v2"}) for _ in range(5)]
        assert len(set(ids)) == 5
        assert sorted(event["id"] for event in function.wait_for(5)) == sorted(ids)

    def test_what_is_not_acknowledged_is_delivered_again(
        self, told: Topic, function: Function, later: Callable[[], object]
    ) -> None:
        function.fails = 1
        message_id = told.publish({"version": "v2"})
        later()
        (event,) = function.wait_for(1)
        assert event["id"] == message_id
        assert len(function.tokens) == 2


# --- on Google Cloud -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pubsub() -> Iterator[PubsubEmulator]:
    """Return the running emulator; skip where there is none."""
    emulator = PubsubEmulator()
    try:
        emulator.start()
    except Absent as absent:
        skip_or_fail(absent)
    yield emulator
    emulator.stop()


@pytest.fixture
def name(pubsub: PubsubEmulator) -> str:
    """Return a topic of this test's own."""
    topic = f"projects/demo-{secrets.token_hex(6)}/topics/policy-published"
    pubsub.create_topic(topic)
    return topic


class QuietHandler(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def served(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@contextmanager
def relayed(pubsub: PubsubEmulator, topic: str, function: str, token: Callable[[], str]) -> Iterator[Eventarc]:
    relay = Eventarc(topic, function, token).start()
    pubsub.push(topic, relay.push_endpoint)
    yield relay
    relay.stop()


class TestPubsubTopic(TopicContract):
    @pytest.fixture
    def told(self, pubsub: PubsubEmulator, name: str, function: Function) -> Iterator[Topic]:
        app = flask.Flask("function")

        @app.post("/")
        def hear() -> tuple[str, int]:
            return "", function(flask.request.headers, flask.request.get_data())

        with served(app) as url, relayed(pubsub, name, url, lambda: "a-token"):
            yield PubsubTopic(name, pubsub.host)
        assert set(function.tokens) == {"Bearer a-token"}

    @pytest.fixture
    def later(self) -> Callable[[], object]:
        return lambda: None


def test_what_we_publish_is_what_googles_client_reads(pubsub: PubsubEmulator, name: str) -> None:
    pubsub.push(name, "")
    message_id = PubsubTopic(name, pubsub.host).publish({"version": "v2"})
    with pubsub._client("SubscriberClient") as subscriber:
        (received,) = pulled(subscriber, name.replace("/topics/", "/subscriptions/") + "-push")
    assert (received.data, dict(received.attributes)) == (b'{"version":"v2"}', {})
    assert (received.message_id, received.ordering_key) == (message_id, "")


def pulled(subscriber: SubscriberClient, subscription: str) -> list[Any]:
    answer = subscriber.pull(subscription=subscription, max_messages=10, timeout=PATIENCE_SECONDS)
    return [one.message for one in answer.received_messages]


def test_a_topic_that_is_none_is_never_tried_again(pubsub: PubsubEmulator) -> None:
    with pytest.raises(NeverRetry, match=r"^pubsub_not_found$"):
        PubsubTopic("projects/demo/topics/none-such", pubsub.host).publish({"version": "v2"})


def test_a_pubsub_that_is_away_is_tried_again_and_found_once_it_is_back() -> None:
    name, emulator = "projects/demo/topics/policy-published", PubsubEmulator()
    topic = PubsubTopic(name, emulator.host)
    with pytest.raises(TryAgain, match=r"^pubsub_unavailable$"):
        topic.publish({"version": "v2"})
    try:
        with emulator:
            emulator.create_topic(name)
            assert eventually(topic, {"version": "v2"})
    except Absent as absent:
        skip_or_fail(absent)


def eventually(topic: Topic, message: dict[str, str]) -> str:
    """Publish as the work does: again while it says so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return topic.publish(message)
        except TryAgain:
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.mark.parametrize("wrong", ["", "policy-published", "projects/demo", "projects/demo/topics/a/b", "topics/t"])
def test_a_topic_needs_its_full_name(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="POLICY_TOPIC"):
        PubsubTopic(wrong, "127.0.0.1:9")


def test_publishing_loads_no_client_of_googles() -> None:
    program = (
        "import sys; from infra.gcp.topic import PubsubTopic; PubsubTopic('projects/p/topics/t', '127.0.0.1:9')\n"
        "clients = ('google.pubsub_v1.services', 'google.cloud.pubsub_v1', 'google.api_core.gapic_v1', 'requests')\n"
        "print([name for name in clients if name in sys.modules])"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_published_version_is_announced_through_pubsub_to_the_real_function_with_a_real_token(
    pubsub: PubsubEmulator, name: str, tmp_path: Path
) -> None:
    with Issuer() as issuer:
        container = on_google(tmp_path, issuer, POLICY_TOPIC=name, PUBSUB_EMULATOR_HOST=pubsub.host)
        built = apps(container)
        publish(container, Draft(text="# One", version="v1"), "ola")
        callers = ["stranger@demo.iam.gserviceaccount.com", EVENTARC]

        def token() -> str:
            # a stranger comes first; the topic keeps the message until the right one does
            account = callers.pop(0) if len(callers) > 1 else callers[0]
            return issuer.token(AUDIENCE.replace("{function}", "policy-published"), account)

        with served(built["policy-published"]) as url, relayed(pubsub, name, url, token):
            (item,) = [one for one in container.store.query(DUE_WORK) if one.record.kind == ANNOUNCE]
            assert work(built, issuer, item.id) == "postponed"
            until = time.monotonic() + PATIENCE_SECONDS
            while opened(container) is None and time.monotonic() < until:
                time.sleep(0.05)
    assert opened(container) is not None
    assert callers == [EVENTARC]


def on_google(folder: Path, issuer: Issuer, **more: str) -> Container:
    """Return services that take and make Google's calls, over a store that needs no emulator."""
    google = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:9", "OIDC_AUDIENCE": AUDIENCE, "OIDC_CALLERS": EVENTARC}
    embedded = Container(Settings(SETTINGS | {"DATA_DIR": str(folder)}))
    certificates = {"OIDC_CERTS_URL": issuer.certs_url, "DATA_DIR": str(folder)}
    container = Container(Settings(SETTINGS | google | more | certificates), LocalQueue())
    container.__dict__["store"] = embedded.store
    return container


def work(built: dict[str, flask.Flask], issuer: Issuer, work_id: str) -> str:
    token = issuer.token(AUDIENCE.replace("{function}", "work"), EVENTARC)
    headers = {"Authorization": f"Bearer {token}"}
    answer = built["work"].test_client().post("/", json={"id": work_id}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["ran"])


def opened(container: Container, version: str = "v1") -> Campaign | None:
    stored = container.store.get(Campaign, campaign_id(version))
    return stored.record if stored else None


# --- the relay -------------------------------------------------------------------------------------------------------


def pushed_to(relay: Eventarc, body: bytes) -> int:
    parts = urlsplit(relay.push_endpoint)
    connection = HTTPConnection(parts.netloc, timeout=5)
    connection.request("POST", parts.path, body)
    status = connection.getresponse().status
    connection.close()
    return status


def unreachable_token() -> str:
    raise OSError


PUSH = b'{"subscription": "s", "message": {"data": "e30=", "messageId": "1", "publishTime": "2026-03-01T12:00:00Z"}}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PUSH, 502),
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"message": 1}', 400),
        (b'{"message": {"data": "e30="}}', 400),
        (b" " * (MOST_BYTES + 1), 413),
    ],
    ids=["nobody there", "empty", "half", "a list", "a number", "no id", "too large"],
)
def test_the_relay_acknowledges_nothing_that_the_function_did_not(body: bytes, status: int) -> None:
    for token in (lambda: "a-token", unreachable_token):
        relay = Eventarc("projects/p/topics/t", "http://127.0.0.1:9/", token).start()
        assert pushed_to(relay, body) == status
        relay.stop()


# --- embedded --------------------------------------------------------------------------------------------------------


class TestLocalTopic(TopicContract):
    @pytest.fixture
    def clock(self) -> SetClock:
        return SetClock()

    @pytest.fixture
    def told(self, function: Function, clock: SetClock) -> LocalTopic:
        topic = LocalTopic(clock)
        topic.subscribe(heard_by(function))
        return topic

    @pytest.fixture
    def later(self, told: LocalTopic, clock: SetClock) -> Callable[[], object]:
        def pass_time() -> None:
            clock.at += REDELIVERED_AFTER
            told.redeliver()

        return pass_time

    def test_it_waits_a_little_before_it_delivers_again(
        self, told: LocalTopic, function: Function, clock: SetClock
    ) -> None:
        function.fails = 1
        told.publish({"version": "v2"})
        clock.at += REDELIVERED_AFTER - timedelta(seconds=1)
        told.redeliver()
        assert function.events == []

    def test_it_gives_up_after_a_day(self, told: LocalTopic, function: Function, clock: SetClock) -> None:
        function.fails = 2
        told.publish({"version": "v2"})
        clock.at += KEPT_FOR - timedelta(seconds=1)
        told.redeliver()
        clock.at += timedelta(days=1)
        told.redeliver()
        assert (function.events, function.fails) == ([], 0)


def heard_by(function: Function) -> Callable[[Mapping[str, str], Mapping[str, Any]], bool]:
    app = flask.Flask("function")

    @app.post("/")
    def hear() -> tuple[str, int]:
        return "", function(flask.request.headers, flask.request.get_data())

    return lambda headers, body: app.test_client().post("/", json=body, headers=dict(headers)).status_code == 200


def test_a_function_started_alone_leaves_the_announcement_to_the_platform() -> None:
    with pytest.raises(TryAgain, match=r"^no_subscriber$"):
        LocalTopic(SetClock()).publish({"version": "v2"})


def platform_over(folder: Path) -> tuple[Container, dict[str, flask.Flask], LocalPlatform]:
    queue = LocalQueue()
    container = Container(Settings(SETTINGS | {"DATA_DIR": str(folder)}), queue)
    built = apps(container)
    publish(container, Draft(text="# One", version="v1"), "ola")
    return container, built, LocalPlatform(container, built, queue)


def test_the_embedded_platform_takes_a_published_version_to_its_campaign(tmp_path: Path) -> None:
    container, _, platform = platform_over(tmp_path)
    platform.jump(container.clock.now() + timedelta(seconds=1))
    assert opened(container) is not None
    assert [one for one in container.store.query(DUE_WORK) if one.record.kind == ANNOUNCE] == []


def test_the_embedded_platform_delivers_again_what_the_function_could_not_take(tmp_path: Path) -> None:
    container, built, platform = platform_over(tmp_path)
    away = Container(Settings(SETTINGS | {"DATA_DIR": str(tmp_path / "away"), "INTERNAL_SECRET": "another"}))
    built["policy-published"].extensions["pledge"] = away
    platform.jump(container.clock.now() + timedelta(seconds=1))
    assert opened(container) is None
    built["policy-published"].extensions["pledge"] = container
    # sooner than the work itself comes again
    platform.jump(container.clock.now() + REDELIVERED_AFTER)
    assert opened(container) is not None
