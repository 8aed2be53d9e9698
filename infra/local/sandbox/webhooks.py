"""Webhooks that the sandbox's vendors send back to the product: in the background, again until taken, or in disorder.

What waits stands in the vendors' own state, so that an event of something that happened outlives a kill of the sandbox too.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from infra.local.sandbox.state import Body, State, Told, Waiting
from shared.failures import BadInput

TRIED = 20
PATIENCE_SECONDS = 20.0
AGAIN_AFTER_SECONDS = 0.2
MOST_COPIES = 50


@dataclass
class Manner:
    """How a vendor's webhooks arrive: how often each, in which order, or not until they are let go."""

    copies: int = 1
    shuffled: bool = False
    held: bool = False


class Webhooks:
    """Sends to `product`, the address of our own front door; without one, none is ever made."""

    def __init__(self, state: State, product: str | None) -> None:
        self._state = state
        self._product = product
        self._manners: dict[str, Manner] = {}
        self._changed = threading.Condition()
        self._under_way = False
        self._ended = False
        # a proxy from the environment must not get to see what stays on this machine
        self._opener = build_opener(ProxyHandler({}))
        if product:
            state.copies = lambda vendor: self._manner(vendor).copies
            state.bell = self._ring
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def ask(self, vendor: str, fields: Body) -> Body:
        """Change a vendor's manner: `copies` 1 to 50, `shuffled`, `held`. Raises BadInput naming the field."""
        for name in fields.keys() - {"copies", "shuffled", "held"}:
            raise BadInput("unknown field", name)
        copies = fields.get("copies", 1)
        if not isinstance(copies, int) or isinstance(copies, bool) or not 1 <= copies <= MOST_COPIES:
            raise BadInput(f"a whole number from 1 to {MOST_COPIES} is needed", "copies")
        for name in ("shuffled", "held"):
            if not isinstance(fields.get(name, False), bool):
                raise BadInput("true or false is needed", name)
        manner = Manner(copies, fields.get("shuffled", False), fields.get("held", False))
        self._manners[vendor] = manner
        self._ring()
        return {"copies": manner.copies, "shuffled": manner.shuffled, "held": manner.held}

    def settle(self) -> bool:
        """Wait until nothing is on its way; False when it takes too long. What is held back is not waited for."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way and self._next() is None, PATIENCE_SECONDS)

    def close(self) -> None:
        """Send no more; what waits stays for the next time."""
        self._ended = True
        self._ring()
        self._thread.join()

    def _manner(self, vendor: str) -> Manner:
        return self._manners.setdefault(vendor, Manner())

    def _next(self) -> Waiting | None:
        held = [vendor for vendor, manner in self._manners.items() if manner.held]
        return self._state.waiting(held, shuffled=any(manner.shuffled for manner in self._manners.values()))

    def _ring(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._ended:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._next() is not None)
                waiting = None if self._ended else self._next()
                self._under_way = waiting is not None
            if waiting is not None:
                self._send(waiting)
            with self._changed:
                self._under_way = False
                self._changed.notify_all()

    def _send(self, waiting: Waiting) -> None:
        if self._delivered(waiting.told) or waiting.attempt >= TRIED:
            self._state.sent(waiting.seq)
        else:
            self._state.send_again(waiting.seq)
            time.sleep(AGAIN_AFTER_SECONDS)

    def _delivered(self, told: Told) -> bool:
        """Post it; True when it need not come again: taken, or refused for good."""
        request = Request(f"{self._product}{told.path}", told.body, dict(told.headers), method="POST")
        try:
            with self._opener.open(request, timeout=10):
                return True
        except HTTPError as error:
            return error.code < 500
        except OSError:
            return False
