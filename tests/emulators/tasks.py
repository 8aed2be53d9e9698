"""A stand-in for Cloud Tasks over gRPC: any number of queues and projects on one port, with the real one's rules.

What may be created is refused or accepted as there, tasks are sent as there, and are given up as silently. Beside the
wire it has switches for what the real one does seldom: lose a task, deliver it twice or out of order, fail.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
from google.cloud import tasks_v2 as ct
from google.protobuf import empty_pb2

from tests.emulators.issuer import Issuer
from tests.emulators.rpc import Method, RpcEmulator, refuse, routed
from tests.emulators.tasks_dispatch import Dispatcher
from tests.emulators.tasks_request import Delivery, Entry
from tests.emulators.tasks_rules import check_queue, check_task

Code = grpc.StatusCode
Context = grpc.ServicerContext
Function = Callable[[Any, Context], Any]
State = ct.Queue.State
NOTHING = SimpleNamespace(serialize=empty_pb2.Empty.SerializeToString)
USUAL_RETRY = ct.RetryConfig(
    max_attempts=100, min_backoff=timedelta(seconds=0.1), max_backoff=timedelta(hours=1), max_doublings=16
)


class TasksEmulator(RpcEmulator):
    """Cloud Tasks on 127.0.0.1, with tokens of this issuer.

    `pace`: how long a second of its own waits (deadlines, backoffs) lasts here; scheduled times are real ones.
    """

    service = "google.cloud.tasks.v2.CloudTasks"

    def __init__(self, issuer: Issuer, pace: float = 1.0) -> None:
        super().__init__()
        self.created = 0
        self._dispatcher = Dispatcher(issuer, pace)
        self._used: set[str] = set()
        self._losing = 0

    def start(self) -> Self:
        """Answer and deliver from now on."""
        self._dispatcher.start()
        return super().start()

    def stop(self) -> None:
        """Stop answering and delivering."""
        self._dispatcher.stop()
        super().stop()

    # --- what a test sees and turns ----------------------------------------------------------------------------------

    @property
    def delivered(self) -> list[Delivery]:
        """Return every request that went out, oldest first."""
        return self._dispatcher.delivered

    @property
    def dropped(self) -> list[str]:
        """Return the ids of the tasks that were given up; the real one tells nobody."""
        return self._dispatcher.dropped

    def lose_next(self, n: int) -> None:
        """Accept the next `n` tasks and never deliver them."""
        self._losing = n

    def deliver_twice(self, on: bool = True) -> None:
        """Deliver each task twice at the same moment."""
        self._dispatcher.twice = on

    def shuffle(self, on: bool = True) -> None:
        """Deliver one at a time, of those that are due the newest first."""
        self._dispatcher.newest_first = on

    def settle(self, within_seconds: float = 10) -> None:
        """Wait until no running queue holds a task. Raises TimeoutError."""
        self.wait_for(self._dispatcher.is_idle, within_seconds)

    def wait_for(self, true: Callable[[], object], within_seconds: float = 10) -> None:
        """Wait until something holds that deliveries bring about. Raises TimeoutError."""
        with self._dispatcher.changed:
            if not self._dispatcher.changed.wait_for(true, within_seconds):
                raise TimeoutError(f"{len(self._dispatcher.tasks)} tasks are left, {len(self.delivered)} were sent")

    # --- wire --------------------------------------------------------------------------------------------------------

    def methods(self) -> dict[str, Method]:
        """Return the methods this emulator knows."""
        return {
            "CreateQueue": (ct.CreateQueueRequest, ct.Queue, self._alone(self._create_queue)),
            "GetQueue": (ct.GetQueueRequest, ct.Queue, self._alone(self._get_queue)),
            "ListQueues": (ct.ListQueuesRequest, ct.ListQueuesResponse, self._alone(self._list_queues)),
            "PauseQueue": (ct.PauseQueueRequest, ct.Queue, self._alone(self._becoming(State.PAUSED))),
            "ResumeQueue": (ct.ResumeQueueRequest, ct.Queue, self._alone(self._becoming(State.RUNNING))),
            "PurgeQueue": (ct.PurgeQueueRequest, ct.Queue, self._alone(self._purge_queue)),
            "CreateTask": (ct.CreateTaskRequest, ct.Task, self._alone(self._create_task)),
            "GetTask": (ct.GetTaskRequest, ct.Task, self._alone(self._get_task)),
            "ListTasks": (ct.ListTasksRequest, ct.ListTasksResponse, self._alone(self._list_tasks)),
            "DeleteTask": (ct.DeleteTaskRequest, NOTHING, self._alone(self._delete_task)),
        }

    def _alone(self, function: Function) -> Function:
        def handled(asked: Any, context: Context) -> Any:
            routed(context, getattr(asked, "parent", None) or asked.name)
            with self._dispatcher.changed:
                answer = function(asked, context)
                self._dispatcher.changed.notify_all()
                return answer

        return handled

    # --- queues ------------------------------------------------------------------------------------------------------

    def _create_queue(self, asked: Any, context: Context) -> Any:
        queue = ct.Queue(asked.queue)
        check_queue(asked.parent, queue, context)
        if queue.name in self._dispatcher.queues:
            refuse(context, Code.ALREADY_EXISTS, "Queue already exists.")
        retry = ct.RetryConfig(USUAL_RETRY)
        ct.RetryConfig.pb(retry).MergeFrom(ct.RetryConfig.pb(queue.retry_config))
        queue.retry_config, queue.state = retry, State.RUNNING
        self._dispatcher.queues[queue.name] = queue
        return queue

    def _queue(self, name: str, context: Context) -> Any:
        if name not in self._dispatcher.queues:
            refuse(context, Code.NOT_FOUND, "Queue does not exist.")
        return self._dispatcher.queues[name]

    def _get_queue(self, asked: Any, context: Context) -> Any:
        return self._queue(asked.name, context)

    def _list_queues(self, asked: Any, context: Context) -> Any:
        queues = self._dispatcher.queues
        return ct.ListQueuesResponse(
            queues=[queues[name] for name in queues if name.startswith(f"{asked.parent}/queues/")]
        )

    def _becoming(self, state: Any) -> Function:
        def turn(asked: Any, context: Context) -> Any:
            queue = self._queue(asked.name, context)
            queue.state = state
            return queue

        return turn

    def _purge_queue(self, asked: Any, context: Context) -> Any:
        queue = self._queue(asked.name, context)
        queue.purge_time = datetime.now(UTC)
        for name in [name for name, entry in self._dispatcher.tasks.items() if entry.queue == queue.name]:
            del self._dispatcher.tasks[name]
        return queue

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _create_task(self, asked: Any, context: Context) -> Any:
        queue, task = self._queue(asked.parent, context), ct.Task(asked.task)
        check_task(queue.name, task, len(ct.Task.serialize(task)), context)
        task.name = task.name or f"{queue.name}/tasks/{uuid4().int % 10**19:019d}"
        if task.name in self._used:
            refuse(context, Code.ALREADY_EXISTS, "The task exists, or existed a short while ago.")
        now = datetime.now(UTC)
        task.schedule_time = max(task.schedule_time or now, now)
        task.create_time = now.replace(microsecond=0)
        self._accept(Entry(task, queue.name, task.schedule_time.timestamp()))
        return _view(task, asked.response_view)

    def _accept(self, entry: Entry) -> None:
        self.created += 1
        self._used.add(entry.task.name)
        if self._losing:
            self._losing -= 1
        else:
            self._dispatcher.tasks[entry.task.name] = entry

    def _entry(self, name: str, context: Context) -> Entry:
        if name not in self._dispatcher.tasks:
            refuse(context, Code.NOT_FOUND, "The task does not exist.")
        return self._dispatcher.tasks[name]

    def _get_task(self, asked: Any, context: Context) -> Any:
        return _view(self._entry(asked.name, context).task, asked.response_view)

    def _list_tasks(self, asked: Any, context: Context) -> Any:
        self._queue(asked.parent, context)
        found = [entry.task for entry in self._dispatcher.tasks.values() if entry.queue == asked.parent]
        return ct.ListTasksResponse(tasks=[_view(task, asked.response_view) for task in found])

    def _delete_task(self, asked: Any, context: Context) -> Any:
        del self._dispatcher.tasks[self._entry(asked.name, context).task.name]
        return empty_pb2.Empty()


def _view(task: Any, view: Any) -> Any:
    shown = ct.Task(task)
    shown.view = view or ct.Task.View.BASIC
    if shown.view == ct.Task.View.BASIC:
        shown.http_request.body = b""
    return shown


def target(url: str, audience: str, caller: str) -> Any:
    """Return the target of a queue that sends everything to one function, as Terraform sets it up.

    `caller`: the service account in whose name the queue calls.
    """
    parts = urlsplit(url)
    scheme = ct.UriOverride.Scheme.HTTP if parts.scheme == "http" else ct.UriOverride.Scheme.HTTPS
    override = ct.UriOverride(
        scheme=scheme,
        host=parts.hostname,
        port=parts.port,
        path_override=ct.PathOverride(path=parts.path or "/"),
        uri_override_enforce_mode=ct.UriOverride.UriOverrideEnforceMode.ALWAYS,
    )
    oidc = ct.OidcToken(service_account_email=caller, audience=audience)
    return ct.HttpTarget(uri_override=override, http_method=ct.HttpMethod.POST, oidc_token=oidc)
