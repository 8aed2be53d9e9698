"""Webhooks that the sandbox's vendors send back to the product: in the background, again until taken, or in disorder.

What waits is kept in memory alone: vendors lose webhooks too, and the product must end right without them.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from infra.local.sandbox.state import Body, Told
from shared.failures import BadInput

TRIED = 6
PATIENCE_SECONDS = 20.0
MOST_COPIES = 50


@dataclass(frozen=True)
class _Delivery:
    told: Told
    attempt: int = 1


@dataclass
class Manner:
    """How a vendor's webhooks arrive: how often each, in which order, or not until they are let go."""

    copies: int = 1
    shuffled: bool = False
    held: bool = False


@dataclass
class _Waiting:
    all: list[_Delivery] = field(default_factory=list)
    under_way: int = 0


class Webhooks:
    """Sends to `product`, the address of our own front door; without one, everything is dropped."""

    def __init__(self, product: str | None) -> None:
        self._product = product
        self._manners: dict[str, Manner] = {}
        self._waiting = _Waiting()
        self._changed = threading.Condition()
        # a proxy from the environment must not get to see what stays on this machine
        self._opener = build_opener(ProxyHandler({}))
        if product:
            threading.Thread(target=self._run, name="webhooks", daemon=True).start()

    def send(self, told: Told) -> None:
        """Have one webhook delivered, as often as its vendor's manner says."""
        if self._product is None:
            return
        with self._changed:
            self._waiting.all += [_Delivery(told)] * self._manner(told.vendor).copies
            self._changed.notify_all()

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
        with self._changed:
            self._manners[vendor] = manner
            self._changed.notify_all()
        return {"copies": manner.copies, "shuffled": manner.shuffled, "held": manner.held}

    def settle(self) -> bool:
        """Wait until nothing is on its way; False when it takes too long. What is held back is not waited for."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._ready() and not self._waiting.under_way, PATIENCE_SECONDS)

    def _manner(self, vendor: str) -> Manner:
        return self._manners.setdefault(vendor, Manner())

    def _ready(self) -> list[_Delivery]:
        return [one for one in self._waiting.all if not self._manner(one.told.vendor).held]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._ready)
                taken = self._take()
            delivered = self._delivered(taken.told)
            with self._changed:
                self._waiting.under_way -= 1
                if not delivered and taken.attempt < TRIED:
                    self._waiting.all.append(_Delivery(taken.told, taken.attempt + 1))
                self._changed.notify_all()

    def _take(self) -> _Delivery:
        ready = self._ready()
        shuffled = self._manner(ready[0].told.vendor).shuffled
        taken = random.choice(ready) if shuffled else ready[0]  # noqa: S311 - disorder, not a secret
        self._waiting.all.remove(taken)
        self._waiting.under_way += 1
        return taken

    def _delivered(self, told: Told) -> bool:
        """Post it; True when it need not come again: taken, or refused for good."""
        request = Request(f"{self._product}{told.path}", told.body, dict(told.headers), method="POST")
        try:
            with self._opener.open(request, timeout=10):
                return True
        except HTTPError as error:
            if error.code < 500:
                return True
        except OSError:
            pass
        time.sleep(0.2)
        return False
