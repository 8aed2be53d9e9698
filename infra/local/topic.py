"""The embedded topic: what Pub/Sub and Eventarc do, in one process and over the same envelope.

A message goes to the real function as a CloudEvent; what is not acknowledged is delivered again, for a day.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.failures import TryAgain
from shared.times import Clock, rfc3339
from shared.vault import canonical, new_id

NAME = "projects/local/topics/policy-published"
REDELIVERED_AFTER = timedelta(seconds=10)
KEPT_FOR = timedelta(hours=24)

Deliver = Callable[[Mapping[str, str], Mapping[str, Any]], bool]
"""Posts headers and a JSON body to the function; tells whether it acknowledged."""


class _Unheard(NamedTuple):
    """A message that was not acknowledged: when it is delivered again, and when it is given up."""

    message: Mapping[str, str]
    due_at: datetime
    until: datetime


class LocalTopic:
    """The `Topic` port in one process, with one subscriber."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deliver: Deliver | None = None
        self._unheard: list[_Unheard] = []
        self._lock = threading.Lock()

    def subscribe(self, deliver: Deliver) -> None:
        """Deliver this way from now on."""
        self._deliver = deliver

    def publish(self, message: Mapping[str, str]) -> str:
        """Deliver one message; return the id it was given. Raises TryAgain where nobody is there to hear it."""
        if self._deliver is None:
            # a function started alone: the platform beside it finds the work that asked for this
            raise TryAgain("no_subscriber")
        now = self._clock.now()
        pushed = {
            "data": base64.b64encode(canonical(message)).decode(),
            "messageId": new_id(),
            "publishTime": rfc3339(now),
        }
        self._try(_Unheard(pushed, now, now + KEPT_FOR))
        return pushed["messageId"]

    def redeliver(self) -> None:
        """Deliver again what is due."""
        now = self._clock.now()
        with self._lock:
            due = [one for one in self._unheard if one.due_at <= now]
            self._unheard = [one for one in self._unheard if one.due_at > now]
        for one in due:
            if now < one.until:
                self._try(one)

    def _try(self, one: _Unheard) -> None:
        heard = self._deliver is not None and self._deliver(event_headers(NAME, one.message), {"message": one.message})
        if not heard:
            with self._lock:
                self._unheard.append(one._replace(due_at=self._clock.now() + REDELIVERED_AFTER))


def event_headers(topic: str, message: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that make a pushed message a CloudEvent in binary mode, as Eventarc sends it."""
    return {
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
        "ce-source": f"//pubsub.googleapis.com/{topic}",
        "ce-id": str(message["messageId"]),
        "ce-time": str(message["publishTime"]),
    }
