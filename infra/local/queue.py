"""The embedded queue and scheduler: what Cloud Tasks and Cloud Scheduler do, in one process and over the same envelope.

Each item is delivered as a POST with its id to the real `work` function; an answer that is not 2xx, or a message lost with
the process, is delivered again. The clock can be moved: then everything that falls due on the way is done, in order.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import flask

from infra.container import Container
from infra.http import log
from infra.local.credentials import credentials
from infra.local.file_clock import FileClock
from infra.local.topic import LocalTopic
from shared.records import DUE_WORK

AT_ONCE = 4
REDELIVERED_AFTER = timedelta(seconds=5)
JOBS = {
    "sweep": timedelta(minutes=5),
    "deadlines": timedelta(hours=1),
    "retention": timedelta(hours=1),
    "checkpoints": timedelta(hours=1),
}
IDLE_JOBS_EVERY = timedelta(hours=6)
IDLE_JOBS_EVERY_IN_LONG_JUMPS = timedelta(hours=24)
LONG_JUMP = timedelta(days=60)
STUCK_AFTER = 5


class LocalQueue:
    """The `WorkQueue` port: a heap of what was announced, and a bell."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []
        self._lock = threading.Lock()
        self.bell = threading.Event()

    def announce(self, work: Sequence[tuple[str, datetime]]) -> None:
        """Remember these for when they fall due."""
        with self._lock:
            for work_id, due_at in work:
                heapq.heappush(self._heap, (due_at, work_id))
        self.bell.set()

    def due(self, now: datetime) -> list[str]:
        """Take out what has fallen due."""
        taken: list[str] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                taken.append(heapq.heappop(self._heap)[1])
        return list(dict.fromkeys(taken))


class LocalPlatform:
    """Delivers work and runs the scheduled jobs, by the product's clock."""

    def __init__(
        self,
        container: Container,
        apps: Mapping[str, flask.Flask],
        queue: LocalQueue,
        wait_for_others: Callable[[], None] = lambda: None,
        wait_for_webhooks: Callable[[], None] = lambda: None,
    ) -> None:
        self._container = container
        self._wait_for_others = wait_for_others
        self._wait_for_webhooks = wait_for_webhooks
        self._apps = apps
        self._queue = queue
        self._clock = FileClock(container.settings.data_dir / "clock")
        self._credentials = credentials(container)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="work")
        self._moving = threading.RLock()
        self._next = dict.fromkeys(JOBS, self._clock.now())
        self._topic = container.topic if isinstance(container.topic, LocalTopic) else LocalTopic(self._clock)
        self._topic.subscribe(self._post_event)

    def start(self) -> None:
        """Run from now on, in the background, until the process ends."""
        threading.Thread(target=self._run, name="platform", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._queue.bell.wait(timeout=0.5)
            self._queue.bell.clear()
            try:
                with self._moving:
                    self._run_jobs(JOBS)
                    self._deliver(self._queue.due(self._clock.now()))
                    self._topic.redeliver()
            except Exception as error:  # noqa: BLE001 - the platform does not stop for one bad delivery
                log.event("crashed", "platform", code=type(error).__name__)
                time.sleep(1)

    def _deliver(self, ids: Sequence[str]) -> None:
        for work_id, answered in zip(ids, self._pool.map(self._post_work, ids), strict=True):
            if not answered:
                self._queue.announce([(work_id, self._clock.now() + REDELIVERED_AFTER)])

    def _post_work(self, work_id: str) -> bool:
        return self._post("work", {"id": work_id}) is not None

    def _post_event(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> bool:
        sent = {**headers, **self._credentials("policy-published")}
        answer = self._apps["policy-published"].test_client().post("/", json=body, headers=sent)
        return 200 <= answer.status_code < 300

    def _post(self, function: str, body: Any = None) -> dict[str, Any] | None:
        answer = self._apps[function].test_client().post("/", json=body, headers=self._credentials(function))
        if not 200 <= answer.status_code < 300:
            return None
        found: dict[str, Any] = answer.get_json()
        return found

    def _run_jobs(self, every: Mapping[str, timedelta]) -> None:
        now = self._clock.now()
        for job, next_at in self._next.items():
            if next_at <= now:
                answer = self._post(job)
                self._next[job] = now + every[job]
                if answer is None:
                    log.event("unavailable", job, code="scheduled_job_failed")

    def jump(self, target: datetime) -> None:
        """Move the clock to `target`, stopping wherever something falls due; return when all of it is done."""
        with self._moving:
            idle = IDLE_JOBS_EVERY if target - self._clock.now() < LONG_JUMP else IDLE_JOBS_EVERY_IN_LONG_JUMPS
            # work is delivered straight from the store here, so the sweep has nothing to find
            every = {job: idle for job in JOBS if job != "sweep"} | {"sweep": target - self._clock.now() + idle}
            self._drain()
            while (at := self._next_at(target)) is not None:
                self._set(at)
                self._run_jobs(every)
                self._drain()
            self._set(target)
            self._drain()
            self._next = dict.fromkeys(JOBS, self._clock.now())
            self._run_jobs(JOBS)
            self._drain()

    def _next_at(self, target: datetime) -> datetime | None:
        first = self._container.store.query(DUE_WORK, limit=1)
        times = [*(one.record.due_at for one in first), *self._next.values()]
        # what is already due could not be done now: it must not hold the clock
        ahead = [at for at in times if self._clock.now() < at < target]
        later = self._container.store.query(DUE_WORK, at_least=self._clock.now() + timedelta(seconds=1), limit=1)
        ahead += [one.record.due_at for one in later if one.record.due_at < target]
        return min(ahead, default=None)

    def _drain(self) -> None:
        self._topic.redeliver()
        seen: dict[str, int] = {}
        while fresh := self._fresh(seen) or self._after_webhooks(seen):
            for work_id in fresh:
                seen[work_id] = seen.get(work_id, 0) + 1
            list(self._pool.map(self._post_work, fresh))

    def _after_webhooks(self, seen: Mapping[str, int]) -> list[str]:
        # they arrive while work is done; what they ask for is done too before the clock moves on
        self._wait_for_webhooks()
        return self._fresh(seen)

    def _fresh(self, seen: Mapping[str, int]) -> list[str]:
        """Return what is due and was not tried too often for nothing."""
        # on the emulators Cloud Tasks delivers too; what it has under way is leased, and so not due
        self._wait_for_others()
        due = self._container.store.query(DUE_WORK, at_most=self._clock.now(), limit=100)
        return [one.id for one in due if seen.get(one.id, 0) < STUCK_AFTER]

    def _set(self, at: datetime) -> None:
        behind = at - self._clock.now()
        if behind > timedelta(0):
            ahead = self._ahead() + int(behind.total_seconds())
            self._clock.set_ahead(ahead)

    def _ahead(self) -> int:
        path = self._container.settings.data_dir / "clock"
        return int(path.read_text()) if path.exists() else 0
