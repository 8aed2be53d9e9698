"""Cloud Tasks as the `WorkQueue` port: it says "now" to the worker, and knows no more than the queue's name.

The queue's own target holds the worker's address and the token's account and audience. Nothing but an id travels; no task
has a name, because the lease makes a second delivery harmless and a name costs a look-up. What is not taken here, the sweep
finds: a failure is counted and logged, never raised.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote

import msgspec

from infra.gcp.calls import Api, messages
from infra.http import log
from shared.failures import Misconfigured
from shared.times import Clock

SERVICE = "google.cloud.tasks.v2.CloudTasks"
HOST = "cloudtasks.googleapis.com:443"
NAME = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/queues/[^/\s]+")
NOWHERE = "https://queue-without-a-target.invalid/"
"""The API wants a URL. The queue's target replaces it; without one, the task can reach nobody."""
FURTHEST = timedelta(days=30)
"""As far ahead as Cloud Tasks plans."""
WITHIN_SECONDS = 4.0


class CloudTasksQueue:
    """The queue of this full name (`projects/…/locations/…/queues/…`). `emulator`: its `host:port` instead of Google's."""

    def __init__(self, name: str, clock: Clock, emulator: str | None, within_seconds: float = WITHIN_SECONDS) -> None:
        if not NAME.fullmatch(name):
            raise Misconfigured("WORK_QUEUE: a full name is needed, projects/P/locations/L/queues/Q")
        self._name = name
        self._clock = clock
        self._emulator = emulator
        self._within_seconds = within_seconds

    def announce(self, work: Sequence[tuple[str, datetime]]) -> None:
        """Ask for these (id, due_at) to be run when due. Never raises: failures are counted and left to the sweep.

        All are asked for at once, so that a dead queue costs one short wait, and one that it refuses keeps none back.
        """
        try:
            failed = self._failed(work)
        except Exception as error:  # noqa: BLE001 - what was committed must not look as if it had failed
            failed = [type(error).__name__] * len(work)
        if failed:
            ((code, _),) = Counter(failed).most_common(1)
            log.event("queue_unavailable", "queue", code=code, failed=len(failed), asked=len(work))

    def _failed(self, work: Sequence[tuple[str, datetime]]) -> list[str]:
        """Create the tasks; return the codes of those that could not be."""
        now = self._clock.now()
        asked = [self._request(work_id, due_at - now) for work_id, due_at in work if due_at - now <= FURTHEST]
        routed = [("x-goog-request-params", f"parent={quote(self._name, safe='')}")]
        calls = [self._create.future(one, timeout=self._within_seconds, metadata=routed) for one in asked]
        codes = [call.code().name for call in calls]
        return [code for code in codes if code != "OK"]

    def _request(self, work_id: str, ahead: timedelta) -> Any:
        http_request = {
            "url": NOWHERE,
            "http_method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": msgspec.json.encode({"id": work_id}),
        }
        # Cloud Tasks counts real time, which the product's clock may be ahead of
        later = {"schedule_time": datetime.now(UTC) + ahead} if ahead > timedelta(0) else {}
        return self._messages.CreateTaskRequest(parent=self._name, task={"http_request": http_request, **later})

    @cached_property
    def _messages(self) -> Any:
        return messages("google.cloud.tasks_v2", "cloudtasks")

    @cached_property
    def _create(self) -> Any:
        api = Api(SERVICE, HOST, self._emulator)
        return api.unary("CreateTask", self._messages.CreateTaskRequest, messages("google.cloud.tasks_v2", "task").Task)
