"""The emulated Cloud Tasks, driven by Google's own client: what the real one refuses, does and hides, it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    DeadlineExceeded,
    GoogleAPICallError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
)
from google.auth import jwt
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from tests.emulators.issuer import Issuer
from tests.emulators.tasks import TasksEmulator, target
from tests.emulators.tasks_request import backoff_seconds, overridden

PLACE = "projects/demo/locations/europe-west1"
QUEUE = f"{PLACE}/queues/work"
AUDIENCE = "https://work-1.europe-west1.run.app"
CALLER = "tasks@demo.iam.gserviceaccount.com"
NOWHERE = "https://queue.invalid/"
PACE = 0.02


class Receiver:
    """Takes what the queue sends; answers with the statuses it is given, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.stalls = 0.0
        self.got: list[tuple[float, str, str, dict[str, str], bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.got.append((time.time(), self.command, self.path, dict(self.headers), body))
            time.sleep(receiver.stalls)
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None: ...

    return Handler


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def emulator(issuer: Issuer) -> Iterator[TasksEmulator]:
    with TasksEmulator(issuer, PACE) as running:
        yield running


@pytest.fixture
def client(emulator: TasksEmulator) -> Iterator[tasks_v2.CloudTasksClient]:
    with grpc.insecure_channel(emulator.host) as channel:
        yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))


@pytest.fixture
def queue(client: tasks_v2.CloudTasksClient, receiver: Receiver) -> str:
    """Return a queue without a target of its own."""
    return client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=QUEUE)).name


@pytest.fixture
def work(client: tasks_v2.CloudTasksClient, receiver: Receiver) -> str:
    """Return a queue that sends everything to the receiver, with a token."""
    made = tasks_v2.Queue(name=QUEUE, http_target=target(f"{receiver.url}/work", AUDIENCE, CALLER))
    return client.create_queue(parent=PLACE, queue=made).name


def task(url: str = NOWHERE, **more: Any) -> tasks_v2.Task:
    outer = {name: more.pop(name) for name in ("name", "schedule_time", "dispatch_deadline") if name in more}
    return tasks_v2.Task(http_request=tasks_v2.HttpRequest(url=url, **more), **outer)


def retrying(client: tasks_v2.CloudTasksClient, receiver: Receiver, **retry: int | timedelta) -> str:
    to = target(receiver.url, AUDIENCE, CALLER)
    made = tasks_v2.Queue(name=QUEUE, http_target=to, retry_config=tasks_v2.RetryConfig(retry))
    return client.create_queue(parent=PLACE, queue=made).name


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


# --- queues ----------------------------------------------------------------------------------------------------------


def test_a_queue_is_created_once_and_found(client: tasks_v2.CloudTasksClient, queue: str) -> None:
    found = client.get_queue(name=queue)
    assert (found.name, found.state) == (QUEUE, tasks_v2.Queue.State.RUNNING)
    assert (found.retry_config.max_attempts, found.retry_config.max_doublings) == (100, 16)
    with pytest.raises(AlreadyExists):
        client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=QUEUE))


def test_queues_of_several_projects_stand_apart(client: tasks_v2.CloudTasksClient, queue: str) -> None:
    other = PLACE.replace("demo", "other")
    client.create_queue(parent=other, queue=tasks_v2.Queue(name=f"{other}/queues/work"))
    client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=f"{PLACE}/queues/more"))
    assert [one.name for one in client.list_queues(parent=PLACE)] == [QUEUE, f"{PLACE}/queues/more"]
    assert [one.name for one in client.list_queues(parent=other)] == [f"{other}/queues/work"]
    client.create_task(parent=QUEUE, task=task(schedule_time=datetime.now(UTC) + timedelta(hours=1)))
    assert len(list(client.list_tasks(parent=QUEUE))) == 1
    assert list(client.list_tasks(parent=f"{other}/queues/work")) == []


@pytest.mark.parametrize("call", ["get_queue", "pause_queue", "resume_queue", "purge_queue"])
def test_a_queue_that_is_not_there_is_not_found(client: tasks_v2.CloudTasksClient, call: str) -> None:
    with pytest.raises(NotFound):
        getattr(client, call)(name=QUEUE)


def test_a_task_for_a_queue_that_is_not_there_is_not_found(client: tasks_v2.CloudTasksClient) -> None:
    with pytest.raises(NotFound):
        client.create_task(parent=QUEUE, task=task())


@pytest.mark.parametrize(
    "made",
    [
        {"name": f"{PLACE}/queues/under_score"},
        {"name": "projects/other/locations/europe-west1/queues/work"},
        {"http_target": tasks_v2.HttpTarget(uri_override=tasks_v2.UriOverride(host=""))},
        {"http_target": tasks_v2.HttpTarget(oidc_token=tasks_v2.OidcToken(service_account_email=CALLER))},
        {"http_target": tasks_v2.HttpTarget(oidc_token=tasks_v2.OidcToken(audience=AUDIENCE))},
        {"http_target": target("http://work.example/", AUDIENCE, CALLER)},
    ],
    ids=["a bad name", "another parent", "an empty host", "no audience", "no account", "a token in the clear"],
)
def test_a_queue_that_cannot_be_is_refused(client: tasks_v2.CloudTasksClient, made: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        client.create_queue(parent=PLACE, queue=tasks_v2.Queue({"name": QUEUE} | made))


def test_a_paused_queue_takes_tasks_and_sends_them_once_it_is_resumed(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    client.pause_queue(name=work)
    client.create_task(parent=work, task=task())
    time.sleep(0.1)
    assert receiver.got == []
    client.resume_queue(name=work)
    emulator.settle()
    assert len(receiver.got) == 1


def test_a_purged_queue_sends_nothing_of_before(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    client.pause_queue(name=work)
    client.create_task(parent=work, task=task(body=b"before"))
    other = client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=f"{PLACE}/queues/other")).name
    later = datetime.now(UTC) + timedelta(hours=1)
    kept = client.create_task(parent=other, task=task(schedule_time=later))
    assert client.purge_queue(name=work).purge_time
    assert client.get_task(name=kept.name)
    client.purge_queue(name=other)
    client.create_task(parent=work, task=task(body=b"after"))
    client.resume_queue(name=work)
    emulator.settle()
    assert [got[4] for got in receiver.got] == [b"after"]


# --- what is refused -------------------------------------------------------------------------------------------------

OIDC = tasks_v2.OidcToken(service_account_email=CALLER)
# reckoned when the module is read, which may be long before the test runs
TOO_FAR = timedelta(days=31)


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (task(body=b"x" * 100 * 1024), "bytes"),
        (task(schedule_time=datetime.now(UTC) + TOO_FAR), "schedule_time"),
        (task(url=""), "URL"),
        (task(url="ftp://work.example/"), "URL"),
        (task(url=f"https://work.example/{'x' * 2083}"), "URL"),
        (task(url="http://work.example/", oidc_token=OIDC), "https"),
        (task(headers={"X-Much": "x" * 80 * 1024}), "headers"),
        (task(http_method=tasks_v2.HttpMethod.GET, body=b"{}"), "body"),
        (task(dispatch_deadline=timedelta(seconds=14)), "deadline"),
        (task(dispatch_deadline=timedelta(minutes=31)), "deadline"),
        (task(name=f"{PLACE}/queues/other/tasks/t"), "name"),
        (task(name=f"{QUEUE}/tasks/a.b"), "name"),
        (tasks_v2.Task(), "HTTP request"),
    ],
    ids=[
        *(
            "too large",
            "too far ahead",
            "no URL",
            "no web address",
            "a long URL",
            "a token in the clear",
            "long headers",
        ),
        *("a body with GET", "a short deadline", "a long deadline", "another queue's", "a bad name", "no request"),
    ],
)
def test_a_task_that_cannot_be_is_refused(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, queue: str, refused: tasks_v2.Task, why: str
) -> None:
    with pytest.raises(InvalidArgument, match=why):
        client.create_task(parent=queue, task=refused)
    assert emulator.created == 0


def test_a_task_is_accepted_up_to_its_limits(client: tasks_v2.CloudTasksClient, queue: str) -> None:
    client.pause_queue(name=queue)
    most = 100 * 1024 - len(tasks_v2.Task.serialize(task(body=b"x" * 99 * 1024))) + 99 * 1024
    client.create_task(parent=queue, task=task(body=b"x" * most))
    with pytest.raises(InvalidArgument):
        client.create_task(parent=queue, task=task(body=b"x" * (most + 1)))
    client.create_task(parent=queue, task=task(schedule_time=datetime.now(UTC) + timedelta(days=30)))
    client.create_task(parent=queue, task=task(dispatch_deadline=timedelta(seconds=15)))


def test_a_name_is_taken_by_a_task_that_waits_that_was_done_and_that_was_deleted(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    waiting = client.create_task(parent=work, task=task(name=f"{work}/tasks/waits", schedule_time=later))
    done = client.create_task(parent=work, task=task(name=f"{work}/tasks/done"))
    deleted = client.create_task(parent=work, task=task(name=f"{work}/tasks/deleted", schedule_time=later))
    client.delete_task(name=deleted.name)
    emulator.wait_for(lambda: emulator.delivered)
    for name in (waiting.name, done.name, deleted.name):
        with pytest.raises(AlreadyExists):
            client.create_task(parent=work, task=task(name=name))
    assert emulator.created == 3


def test_a_task_without_a_name_is_given_one_and_its_body_is_shown_on_request_alone(
    client: tasks_v2.CloudTasksClient, work: str
) -> None:
    client.pause_queue(name=work)
    names = {client.create_task(parent=work, task=task(body=b"{}")).name for _ in range(3)}
    assert len(names) == 3
    name = names.pop()
    full = tasks_v2.GetTaskRequest(name=name, response_view=tasks_v2.Task.View.FULL)
    assert client.get_task(name=name).http_request.body == b""
    assert client.get_task(full).http_request.body == b"{}"
    client.delete_task(name=name)
    for call in (client.get_task, client.delete_task):
        with pytest.raises(NotFound):
            call(name=name)


def test_a_call_without_its_routing_header_is_refused(emulator: TasksEmulator, work: str) -> None:
    channel = grpc.insecure_channel(emulator.host)
    create = channel.unary_unary(f"/{emulator.service}/CreateTask", tasks_v2.CreateTaskRequest.serialize)
    with pytest.raises(grpc.RpcError) as refused:
        create(tasks_v2.CreateTaskRequest(parent=work, task=task()))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


# --- how it is sent --------------------------------------------------------------------------------------------------


def test_a_task_is_sent_as_it_says(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, queue: str
) -> None:
    asked = {"Content-Type": "application/json", "X-Own": "1", "User-Agent": "me", "X-CloudTasks-TaskName": "forged"}
    url = f"{receiver.url}/a/path?b=c"
    made = client.create_task(parent=queue, task=task(url, headers=asked, body=b'{"id": 1}', http_method="PUT"))
    emulator.settle()
    ((_, method, path, headers, body),) = receiver.got
    assert (method, path, body) == ("PUT", "/a/path?b=c", b'{"id": 1}')
    assert (headers["Content-Type"], headers["X-Own"]) == ("application/json", "1")
    assert headers["User-Agent"] == "Google-Cloud-Tasks"
    assert headers["X-CloudTasks-QueueName"] == "work"
    assert headers["X-CloudTasks-TaskName"] == made.name.rpartition("/")[2]
    assert (headers["X-CloudTasks-TaskRetryCount"], headers["X-CloudTasks-TaskExecutionCount"]) == ("0", "0")
    assert abs(float(headers["X-CloudTasks-TaskETA"]) - time.time()) < 5
    assert "Authorization" not in headers


def test_the_queues_target_overrides_address_method_headers_and_sends_a_signed_token(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, issuer: Issuer
) -> None:
    to = target(f"{receiver.url}/work", AUDIENCE, CALLER)
    header = tasks_v2.HttpTarget.Header(key="X-Own", value="the queue's")
    to.header_overrides = [tasks_v2.HttpTarget.HeaderOverride(header=header)]
    client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=QUEUE, http_target=to))
    own = {
        "headers": {"X-Own": "the task's"},
        "oidc_token": tasks_v2.OidcToken(service_account_email="task@own.example"),
    }
    client.create_task(parent=QUEUE, task=task(body=b"{}", http_method="PUT", **own))
    emulator.settle()
    ((_, method, path, headers, _body),) = receiver.got
    assert (method, path, headers["X-Own"]) == ("POST", "/work", "the queue's")
    token = headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, certs=issuer.certificates(), audience=AUDIENCE)
    assert (claims["iss"], claims["email"], claims["email_verified"]) == ("https://accounts.google.com", CALLER, True)
    assert jwt.decode_header(token)["alg"] == "RS256"


@pytest.mark.parametrize(
    ("override", "becomes"),
    [
        ({}, "https://queue.invalid/a?b=c"),
        ({"host": "work.example"}, "https://work.example/a?b=c"),
        ({"scheme": 1, "port": 8080}, "http://queue.invalid:8080/a?b=c"),
        ({"path_override": {"path": "/x"}, "query_override": {"query_params": "y=z"}}, "https://queue.invalid/x?y=z"),
        ({"path_override": {"path": ""}, "query_override": {"query_params": ""}}, "https://queue.invalid"),
        (
            {"host": "work.example", "port": 1, "path_override": {"path": "/x"}, "uri_override_enforce_mode": 1},
            "https://queue.invalid:1/a?b=c",
        ),
    ],
    ids=["nothing", "host", "scheme and port", "path and query", "cleared", "only where the task says nothing"],
)
def test_an_override_replaces_what_it_names(override: dict[str, Any], becomes: str) -> None:
    assert overridden("https://queue.invalid/a?b=c", tasks_v2.UriOverride(override)) == becomes


def test_a_task_waits_for_its_time(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.3)
    client.create_task(parent=work, task=task(schedule_time=at))
    emulator.settle()
    assert 0 <= receiver.got[0][0] - at.timestamp() < 3


def test_nothing_is_ever_sent_beyond_this_machine(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, queue: str
) -> None:
    # this one would reach the receiver, and is not a loopback address
    for url in (receiver.url.replace("127.0.0.1", "0.0.0.0"), "https://queue.invalid/", "http://[2001:db8::1]/"):
        client.create_task(parent=queue, task=task(url))
    emulator.wait_for(lambda: len(emulator.delivered) >= 3)
    assert {one.status for one in emulator.delivered} == {None}
    assert receiver.got == []


# --- again, and no more ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 302, 400, 401, 404, 429, 500, 503])
def test_anything_but_2xx_is_tried_again(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str, status: int
) -> None:
    receiver.statuses = [status, 204]
    client.create_task(parent=work, task=task())
    emulator.settle()
    counts = [
        (got[3]["X-CloudTasks-TaskRetryCount"], got[3]["X-CloudTasks-TaskExecutionCount"]) for got in receiver.got
    ]
    assert counts == [("0", "0"), ("1", "1")]
    assert [one.status for one in emulator.delivered] == [status, 204]


def test_the_waits_double_then_grow_by_a_step_up_to_the_longest() -> None:
    retry = tasks_v2.RetryConfig(min_backoff=seconds(10), max_backoff=seconds(300), max_doublings=3)
    waits = [backoff_seconds(retry, attempts) for attempts in range(1, 9)]
    assert waits == [10, 20, 40, 80, 160, 240, 300, 300]


def test_a_queue_waits_as_long_as_it_says(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver
) -> None:
    queue = retrying(client, receiver, min_backoff=seconds(5), max_backoff=seconds(8), max_attempts=4)
    receiver.statuses = [500] * 4
    client.create_task(parent=queue, task=task())
    emulator.settle()
    at = [got[0] for got in receiver.got]
    waits = [(later - earlier) / PACE for earlier, later in pairwise(at)]
    assert len(waits) == 3
    assert all(waited >= planned for waited, planned in zip(waits, [5, 8, 8], strict=True)), waits


def test_a_task_that_fails_to_the_end_is_gone_without_a_word(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver
) -> None:
    queue = retrying(client, receiver, min_backoff=seconds(1), max_backoff=seconds(1), max_attempts=3)
    receiver.statuses = [500] * 10
    made = client.create_task(parent=queue, task=task())
    emulator.settle()
    assert len(receiver.got) == 3
    with pytest.raises(NotFound):
        client.get_task(name=made.name)
    assert emulator.dropped == [made.name.rpartition("/")[2]]


def test_a_task_is_given_up_only_when_attempts_and_time_are_both_used_up(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver
) -> None:
    retry = {"min_backoff": seconds(1), "max_backoff": seconds(1), "max_retry_duration": seconds(22)}
    queue = retrying(client, receiver, max_attempts=2, **retry)
    receiver.statuses = [500] * 50
    client.create_task(parent=queue, task=task())
    emulator.settle()
    assert 2 < len(receiver.got) < 25
    assert len(emulator.dropped) == 1
    assert (receiver.got[-1][0] - receiver.got[0][0]) / PACE >= 20


def test_a_receiver_that_takes_too_long_has_failed(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    receiver.stalls = 20 * PACE
    client.create_task(parent=work, task=task(dispatch_deadline=timedelta(seconds=15)))
    emulator.wait_for(lambda: emulator.delivered)
    receiver.stalls = 0
    emulator.settle()
    assert (emulator.delivered[0].status, emulator.delivered[-1].status) == (None, 200)
    assert receiver.got[-1][3]["X-CloudTasks-TaskExecutionCount"] == "0"


# --- the switches ----------------------------------------------------------------------------------------------------


def test_a_lost_task_was_accepted_and_never_comes(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    emulator.lose_next(2)
    for body in (b"1", b"2", b"3"):
        assert client.create_task(parent=work, task=task(body=body)).name
    emulator.settle()
    time.sleep(0.05)
    assert [got[4] for got in receiver.got] == [b"3"]


def test_a_task_may_be_delivered_twice(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    emulator.deliver_twice()
    client.create_task(parent=work, task=task(body=b"1"))
    emulator.settle()
    assert [got[4] for got in receiver.got] == [b"1", b"1"]


def test_tasks_may_come_in_another_order(
    client: tasks_v2.CloudTasksClient, emulator: TasksEmulator, receiver: Receiver, work: str
) -> None:
    client.pause_queue(name=work)
    emulator.shuffle()
    for body in (b"1", b"2", b"3"):
        client.create_task(parent=work, task=task(body=body))
    client.resume_queue(name=work)
    emulator.settle()
    assert [got[4] for got in receiver.got] == [b"3", b"2", b"1"]


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied),
        (grpc.StatusCode.UNAVAILABLE, ServiceUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    ],
)
def test_it_fails_when_it_is_told_to_and_heals(
    client: tasks_v2.CloudTasksClient,
    emulator: TasksEmulator,
    work: str,
    code: grpc.StatusCode,
    raised: type[GoogleAPICallError],
) -> None:
    emulator.fail(code)
    with pytest.raises(raised):
        client.create_task(parent=work, task=task(), retry=None)
    emulator.heal()
    client.create_task(parent=work, task=task())
    assert emulator.created == 1
