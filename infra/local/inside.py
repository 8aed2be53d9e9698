"""The port on which the emulators of Cloud Tasks, Cloud Scheduler and Eventarc call the internal functions."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import flask

from infra.local.functions import FrontDoor, function_map, public

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LONGEST_CALL_SECONDS = 60.0


class Inside:
    """A WSGI app of the functions the world cannot call. It knows when none of them is at work."""

    def __init__(self, built: Mapping[str, flask.Flask]) -> None:
        entries = function_map()
        self._door = FrontDoor(built, set(entries) - public(entries), flask.Flask("inside", static_folder=None))
        self._at_work = 0
        self._changed = threading.Condition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._changed:
            self._at_work += 1
        try:
            return self._door(environ, start_response)
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def wait(self) -> None:
        """Wait until nothing is at work here: the clock must not move under a call."""
        with self._changed:
            self._changed.wait_for(lambda: self._at_work == 0, LONGEST_CALL_SECONDS)
