"""`CloudTasksQueue`: against the emulated Cloud Tasks, which delivers to the real `work` function with a token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from infra.container import Container
from infra.gcp.work_queue import CloudTasksQueue
from infra.local.file_clock import FileClock
from infra.local.functions import apps
from infra.local.server import free_port
from infra.settings import Settings
from shared.failures import Misconfigured
from shared.records import DUE_WORK, Work
from shared.store import Create
from tests.emulators.issuer import Issuer
from tests.emulators.tasks import TasksEmulator, target
from tests.functions.called import SETTINGS, Called, problem
from tests.infra.on_google import CALLER, PLACE, QUEUE, Served, audience, oidc_settings, on_google

PACE = 0.02


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def emulator(issuer: Issuer) -> Iterator[TasksEmulator]:
    with TasksEmulator(issuer, PACE) as running:
        yield running


@pytest.fixture
def client(emulator: TasksEmulator) -> Iterator[tasks_v2.CloudTasksClient]:
    """Return Google's own client."""
    with grpc.insecure_channel(emulator.host) as channel:
        yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    return FileClock(tmp_path / "clock")


@pytest.fixture
def queue(emulator: TasksEmulator, clock: FileClock) -> CloudTasksQueue:
    return CloudTasksQueue(QUEUE, clock, emulator.host)


def create_queue(client: tasks_v2.CloudTasksClient, url: str = "http://127.0.0.1:9/", **more: Any) -> None:
    to = target(url, audience("work"), CALLER)
    client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=QUEUE, http_target=to, **more))


@pytest.fixture
def held(client: tasks_v2.CloudTasksClient) -> tasks_v2.CloudTasksClient:
    """Return the client of a queue that keeps what it is told."""
    create_queue(client)
    client.pause_queue(name=QUEUE)
    return client


def tasks(client: tasks_v2.CloudTasksClient) -> list[tasks_v2.Task]:
    full = tasks_v2.ListTasksRequest(parent=QUEUE, response_view=tasks_v2.Task.View.FULL)
    return list(client.list_tasks(full))


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one line that was logged."""
    line: dict[str, Any] = json.loads(capsys.readouterr().err)
    assert (line.pop("event"), line.pop("severity"), line.pop("function")) == ("queue_unavailable", "WARNING", "queue")
    return line


# --- what is created -------------------------------------------------------------------------------------------------


def test_a_task_holds_the_id_and_nothing_else(
    queue: CloudTasksQueue, held: tasks_v2.CloudTasksClient, clock: FileClock
) -> None:
    queue.announce([("w1", clock.now())])
    (task,) = tasks(held)
    assert json.loads(task.http_request.body) == {"id": "w1"}
    assert dict(task.http_request.headers) == {"Content-Type": "application/json"}
    assert (task.http_request.http_method, task.http_request.oidc_token) == (
        tasks_v2.HttpMethod.POST,
        tasks_v2.OidcToken(),
    )
    assert "w1" not in task.name


def test_the_same_item_may_be_announced_again(
    queue: CloudTasksQueue, held: tasks_v2.CloudTasksClient, clock: FileClock, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        queue.announce([("w1", clock.now())])
    assert len(tasks(held)) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=400)], ids=["real time", "a clock that is ahead"])
def test_what_is_due_later_is_planned_in_real_time(
    queue: CloudTasksQueue, held: tasks_v2.CloudTasksClient, clock: FileClock, ahead: timedelta
) -> None:
    clock.set_ahead(int(ahead.total_seconds()))
    now = clock.now()
    queue.announce([("now", now), ("late", now - timedelta(days=3)), ("soon", now + timedelta(minutes=4))])
    waits = {
        json.loads(task.http_request.body)["id"]: (task.schedule_time - task.create_time).total_seconds()
        for task in tasks(held)
    }
    assert waits.keys() == {"now", "late", "soon"}
    assert 0 <= waits["now"] <= 1
    assert 0 <= waits["late"] <= 1
    assert 238 <= waits["soon"] <= 241


def test_what_is_due_in_more_than_thirty_days_is_left_to_the_sweep(
    queue: CloudTasksQueue, held: tasks_v2.CloudTasksClient, clock: FileClock, capsys: pytest.CaptureFixture[str]
) -> None:
    month = timedelta(days=30)
    queue.announce([("near", clock.now() + month - timedelta(seconds=5)), ("far", clock.now() + month * 2)])
    assert [json.loads(task.http_request.body)["id"] for task in tasks(held)] == ["near"]
    assert capsys.readouterr().err == ""


def test_a_hundred_are_announced_at_once(
    queue: CloudTasksQueue, held: tasks_v2.CloudTasksClient, clock: FileClock, emulator: TasksEmulator
) -> None:
    queue.announce([(f"w{n}", clock.now()) for n in range(100)])
    assert {json.loads(task.http_request.body)["id"] for task in tasks(held)} == {f"w{n}" for n in range(100)}


def test_nothing_to_announce_calls_nobody(clock: FileClock, capsys: pytest.CaptureFixture[str]) -> None:
    CloudTasksQueue(QUEUE, clock, f"127.0.0.1:{free_port()}").announce([])
    assert capsys.readouterr().err == ""


def test_a_queue_without_a_target_reaches_nobody(
    queue: CloudTasksQueue, client: tasks_v2.CloudTasksClient, clock: FileClock, emulator: TasksEmulator
) -> None:
    retry = tasks_v2.RetryConfig(max_attempts=1)
    client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=QUEUE, retry_config=retry))
    queue.announce([("w1", clock.now())])
    emulator.settle()
    (delivery,) = emulator.delivered
    assert delivery.status is None
    assert delivery.sent.url.startswith("https://")
    assert delivery.sent.url.split("/")[2].endswith(".invalid")


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["UNAVAILABLE", "PERMISSION_DENIED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_a_queue_that_fails_is_logged_once_with_its_code_and_never_raised(
    queue: CloudTasksQueue,
    held: tasks_v2.CloudTasksClient,
    clock: FileClock,
    emulator: TasksEmulator,
    capfd: pytest.CaptureFixture[str],
    code: str,
) -> None:
    emulator.fail(grpc.StatusCode[code])
    queue.announce([("work-one", clock.now()), ("work-two", clock.now())])
    err = capfd.readouterr().err
    assert "work-" not in err
    assert "a status text" not in err
    line = json.loads(err)
    assert (line["event"], line["code"], line["failed"], line["asked"]) == ("queue_unavailable", code, 2, 2)
    emulator.heal()
    queue.announce([("work-one", clock.now())])
    assert len(tasks(held)) == 1


def test_an_unknown_queue_is_logged(
    queue: CloudTasksQueue, emulator: TasksEmulator, clock: FileClock, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.announce([("w1", clock.now())])
    assert said(capsys) == {"code": "NOT_FOUND", "failed": 1, "asked": 1}


def test_an_oversized_task_is_logged_and_keeps_no_other_back(
    queue: CloudTasksQueue, held: tasks_v2.CloudTasksClient, clock: FileClock, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.announce([("w1", clock.now()), ("w" * 100 * 1024, clock.now()), ("w2", clock.now())])
    assert said(capsys) == {"code": "INVALID_ARGUMENT", "failed": 1, "asked": 3}
    assert {json.loads(task.http_request.body)["id"] for task in tasks(held)} == {"w1", "w2"}


def test_a_queue_that_is_not_there_is_logged(clock: FileClock, capsys: pytest.CaptureFixture[str]) -> None:
    CloudTasksQueue(QUEUE, clock, f"127.0.0.1:{free_port()}").announce([("w1", clock.now())])
    assert said(capsys) == {"code": "UNAVAILABLE", "failed": 1, "asked": 1}


def test_a_queue_that_does_not_answer_costs_one_short_wait(
    emulator: TasksEmulator, clock: FileClock, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator.hang()
    began = datetime.now(UTC)
    CloudTasksQueue(QUEUE, clock, emulator.host, within_seconds=0.3).announce(
        [(f"w{n}", clock.now()) for n in range(20)]
    )
    assert datetime.now(UTC) - began < timedelta(seconds=4)
    assert said(capsys) == {"code": "DEADLINE_EXCEEDED", "failed": 20, "asked": 20}


def test_no_credentials_are_logged_too(
    clock: FileClock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    CloudTasksQueue(QUEUE, clock, None).announce([("w1", clock.now())])
    assert said(capsys) == {"code": "DefaultCredentialsError", "failed": 1, "asked": 1}


@pytest.mark.parametrize("name", ["work", "projects/demo/queues/work", f"{QUEUE}/tasks/1", "", f"{QUEUE}\n"])
def test_a_queue_is_named_in_full(clock: FileClock, name: str) -> None:
    with pytest.raises(Misconfigured, match="WORK_QUEUE"):
        CloudTasksQueue(name, clock, None)


@pytest.mark.parametrize("wrong", [{}, {"WORK_QUEUE": "work"}], ids=["absent", "not in full"])
def test_a_queue_that_is_not_set_up_stops_a_request_before_anything_is_written(
    tmp_path: Path, emulator: TasksEmulator, wrong: dict[str, str]
) -> None:
    called = Called(tmp_path / "house")
    container = on_google(called, TASKS_EMULATOR_HOST=emulator.host, **wrong)
    del container.__dict__["queue"]
    called.containers["requests"] = container
    with called.changing_nothing():
        problem(called.post("/requests", {"email": "ada@people.example", "right": "erasure"}), 500)
    called.close()


# --- the whole way ---------------------------------------------------------------------------------------------------


class House:
    """The functions over one store: intake and sweep announce to Cloud Tasks, which calls the real `work` over HTTP."""

    def __init__(self, called: Called, issuer: Issuer, emulator: TasksEmulator) -> None:
        self.called = called.with_mail()
        self.emulator = emulator
        self._issuer = issuer
        base = {"SENDGRID_API_BASE": called.sandbox.url("sendgrid")}
        queue = CloudTasksQueue(QUEUE, called.clock, emulator.host)
        self.called.containers = dict.fromkeys(
            called.containers, on_google(called, queue, **oidc_settings(issuer), **base)
        )

    def ask(self, *people: str) -> None:
        for email in people:
            assert self.called.ask(email)["status"] == "unverified"

    def sweep(self) -> int:
        """Sweep as the scheduler does; return how much was due."""
        token = self._issuer.token(audience("sweep"), CALLER)
        answer = self.called.post("/", at="sweep", Authorization=f"Bearer {token}")
        assert answer.status_code == 200, answer.text
        return int(answer.json["announced"])

    def mailed(self, *people: str) -> list[int]:
        """Return how many mails each was sent. Runs nothing itself."""
        status, body = self.called.sandbox.ask("GET", "/outbox")
        assert status == 200
        return [sum(mail["to"] == email for mail in body["mails"]) for email in people]

    def due(self) -> int:
        return len(self.called.container.store.query(DUE_WORK, at_most=self.called.now()))

    @property
    def statuses(self) -> list[int | None]:
        return [one.status for one in self.emulator.delivered]


@pytest.fixture(scope="module")
def work_app() -> Any:
    return apps(Container(Settings(SETTINGS)))["work"]


@pytest.fixture
def house(
    tmp_path: Path, issuer: Issuer, emulator: TasksEmulator, client: tasks_v2.CloudTasksClient, work_app: Any
) -> Iterator[House]:
    called = Called(tmp_path / "house")
    house = House(called, issuer, emulator)
    work_app.extensions["pledge"] = called.containers["work"]
    with Served(work_app) as served:
        create_queue(client, served.url)
        yield house
        emulator.stop()
    called.close()


PEOPLE = [f"{name}@people.example" for name in ("ada", "bob", "cleo", "dan", "eve")]


def test_what_is_asked_for_is_delivered_to_the_worker_with_a_token(house: House) -> None:
    house.ask(PEOPLE[0])
    house.emulator.settle()
    assert house.statuses == [200]
    assert house.mailed(PEOPLE[0]) == [1]
    assert house.due() == 0


def test_nothing_about_a_person_stands_in_a_task(house: House) -> None:
    house.ask(*PEOPLE)
    house.emulator.settle()
    for one in house.emulator.delivered:
        assert json.loads(one.sent.body).keys() == {"id"}
        assert not [email for email in PEOPLE if email in f"{one.task}{one.sent.url}{one.sent.headers}"]


def test_a_worker_takes_no_task_from_a_queue_of_somebody_else(
    house: House, client: tasks_v2.CloudTasksClient, emulator: TasksEmulator
) -> None:
    other = f"{PLACE}/queues/other"
    to = client.get_queue(name=QUEUE).http_target
    to.oidc_token = tasks_v2.OidcToken(service_account_email="queue@stranger.example", audience=audience("work"))
    retry = tasks_v2.RetryConfig(max_attempts=1)
    client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=other, http_target=to, retry_config=retry))
    CloudTasksQueue(other, house.called.clock, emulator.host).announce([("w1", house.called.now())])
    emulator.settle()
    assert house.statuses == [403]


def test_a_lost_task_is_found_by_the_sweep(house: House) -> None:
    house.emulator.lose_next(1)
    house.ask(PEOPLE[0])
    house.emulator.settle()
    assert (house.statuses, house.mailed(PEOPLE[0]), house.due()) == ([], [0], 1)
    assert house.sweep() == 1
    house.emulator.settle()
    assert (house.statuses, house.mailed(PEOPLE[0]), house.due()) == ([200], [1], 0)
    assert house.sweep() == 0


def test_a_queue_that_fails_fails_no_request_and_the_sweep_does_the_rest(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.emulator.fail(grpc.StatusCode.UNAVAILABLE)
    house.ask(*PEOPLE)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["code"]) for line in lines] == [("queue_unavailable", "UNAVAILABLE")] * len(PEOPLE)
    assert house.sweep() == len(PEOPLE)
    house.emulator.heal()
    assert house.sweep() == len(PEOPLE)
    house.emulator.settle()
    assert house.mailed(*PEOPLE) == [1] * len(PEOPLE)


def test_double_deliveries_out_of_order_run_each_item_once(house: House, client: tasks_v2.CloudTasksClient) -> None:
    client.pause_queue(name=QUEUE)
    house.emulator.deliver_twice()
    house.emulator.shuffle()
    house.ask(*PEOPLE)
    assert house.sweep() == len(PEOPLE), "announced a second time, so four deliveries each"
    client.resume_queue(name=QUEUE)
    house.emulator.settle(30)
    assert house.statuses == [200] * len(PEOPLE) * 4
    assert house.mailed(*PEOPLE) == [1] * len(PEOPLE)
    assert house.due() == 0


def test_a_worker_that_cannot_check_tokens_is_called_again(house: House, issuer: Issuer) -> None:
    issuer.stop()
    house.ask(PEOPLE[0])
    house.emulator.wait_for(lambda: house.statuses)
    issuer.start()
    house.emulator.settle()
    assert (house.statuses[0], house.statuses[-1]) == (503, 200)
    assert house.mailed(PEOPLE[0]) == [1]


def test_what_is_due_later_waits_in_the_queue(house: House, client: tasks_v2.CloudTasksClient) -> None:
    container, now = house.called.containers["requests"], house.called.now()
    soon = Work(kind="unheard.of", ref="r", due_at=now + timedelta(seconds=2), created_at=now)
    much_later = Work(kind="unheard.of", ref="r", due_at=now + timedelta(hours=1), created_at=now)
    container.commit([Create("soon", soon), Create("much-later", much_later)])
    assert [json.loads(task.http_request.body)["id"] for task in tasks(client)] == ["soon"]
    house.emulator.wait_for(lambda: house.statuses)
    assert house.statuses == [200]
    found = container.store.get(Work, "soon")
    assert found is not None
    assert found.record.attempts == 1, "not told before its time"
