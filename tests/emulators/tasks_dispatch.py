"""Delivers what is due: the half of Cloud Tasks that nobody calls."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from google.cloud import tasks_v2

from tests.emulators.issuer import Issuer
from tests.emulators.tasks_request import Delivery, Entry, backoff_seconds, exhausted, post, request_of, short

USUAL_DEADLINE = timedelta(minutes=10)
AT_ONCE = 16
RUNNING = tasks_v2.Queue.State.RUNNING


class Dispatcher:
    """Queues, the tasks in them, and a thread that sends. Hold `changed` to touch either; notify it afterwards."""

    def __init__(self, issuer: Issuer, pace: float) -> None:
        self.queues: dict[str, Any] = {}
        self.tasks: dict[str, Entry] = {}
        self.delivered: list[Delivery] = []
        self.dropped: list[str] = []
        self.twice = False
        self.newest_first = False
        self.changed = threading.Condition()
        self._issuer, self._pace = issuer, pace
        self._stopping = False

    def start(self) -> None:
        """Send from now on."""
        threading.Thread(target=self._run, name="tasks-dispatch", daemon=True).start()

    def stop(self) -> None:
        """Send nothing more."""
        with self.changed:
            self._stopping = True
            self.changed.notify_all()

    def is_idle(self) -> bool:
        """Tell whether no running queue holds a task."""
        return not any(self._runs(entry) for entry in self.tasks.values())

    def _run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tasks-send") as pool, self.changed:
            while not self._stopping:
                for entry in self._ready():
                    entry.busy = True
                    pool.submit(self._attempt, entry)
                ahead = [entry.due - time.time() for entry in self.tasks.values() if not entry.busy]
                self.changed.wait(max(0.001, min([at for at in ahead if at > 0], default=1.0)))

    def _runs(self, entry: Entry) -> bool:
        return bool(self.queues[entry.queue].state == RUNNING)

    def _ready(self) -> list[Entry]:
        now = time.time()
        due = [entry for entry in self.tasks.values() if entry.due <= now and not entry.busy and self._runs(entry)]
        if not self.newest_first:
            return due
        # one at a time, or the order would be nobody's
        return due[-1:] if not any(entry.busy for entry in self.tasks.values()) else []

    def _attempt(self, entry: Entry) -> None:
        with self.changed:
            entry.first_at = entry.first_at or time.time()
            sent = request_of(entry, self.queues[entry.queue], self._issuer)
        within = (entry.task.dispatch_deadline or USUAL_DEADLINE).total_seconds() * self._pace
        copies = 2 if self.twice else 1
        with ThreadPoolExecutor(copies) as both:
            statuses = list(both.map(lambda _: post(sent, within), range(copies)))
        with self.changed:
            names = short(entry.queue), short(entry.task.name)
            self.delivered += [Delivery(*names, sent, status) for status in statuses]
            self._settle(entry, statuses[0])
            self.changed.notify_all()

    def _settle(self, entry: Entry, status: int | None) -> None:
        entry.busy = False
        entry.attempts += 1
        entry.responses += status is not None
        entry.task.dispatch_count, entry.task.response_count = entry.attempts, entry.responses
        if status is not None and 200 <= status < 300:
            self.tasks.pop(entry.task.name, None)
        else:
            self._postpone(entry)

    def _postpone(self, entry: Entry) -> None:
        retry = entry.task.retry_config if "retry_config" in entry.task else self.queues[entry.queue].retry_config
        since_first = (time.time() - (entry.first_at or 0)) / self._pace
        if not exhausted(retry, entry.attempts, since_first):
            entry.due = time.time() + backoff_seconds(retry, entry.attempts) * self._pace
        elif self.tasks.pop(entry.task.name, None):
            self.dropped.append(short(entry.task.name))
