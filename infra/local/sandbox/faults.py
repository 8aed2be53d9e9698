"""Failures on demand: one at a time for each vendor, kept in the state so that a restart does not heal a vendor."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import msgspec

from infra.local.sandbox.state import Body, Shelf, State
from shared.failures import BadInput
from shared.times import Clock, plus, rfc3339, valid_duration

HELD_SECONDS = 30.0
KINDS = ("timeout", "429", "500", "400", "half", "slow")


class Fault(msgspec.Struct, omit_defaults=True):
    """What goes wrong: for so many more calls, until a moment (RFC 3339), or until it is taken away."""

    kind: str
    times: int | None = None
    until: str | None = None


class Strike(NamedTuple):
    """What goes wrong with one call, and how often the vendor's fault had been changed when it came in."""

    kind: str
    changes: int


class Faults:
    """The faults of all vendors. `for` runs on the sandbox's clock, a held answer on the real one."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._changed = threading.Condition()
        self._changes: dict[str, int] = {}
        self._healthy: set[str] = set()
        """Vendors that are known to have no fault: most calls need not look."""

    def ask(self, vendor: str, fields: Any) -> Fault:
        """Let a vendor fail from now on, in place of the fault it had. Raises BadInput naming the field."""
        fault = self._fault(fields)
        with self._state.transaction():
            self._shelf().put("fault", vendor, msgspec.to_builtins(fault))
            self._healthy.discard(vendor)
        self._release(vendor)
        return fault

    def show(self, vendor: str) -> list[Body]:
        """Return the fault a vendor has now, if any."""
        with self._state.transaction():
            fault = self._current(vendor)
        return [msgspec.to_builtins(fault)] if fault else []

    def clear(self, vendor: str) -> None:
        """Let a vendor work again; answers held back are given at once."""
        with self._state.transaction():
            self._shelf().delete("fault", id=vendor)
        self._release(vendor)

    def strike(self, vendor: str) -> Strike | None:
        """Return what goes wrong with this call, and count it."""
        changes = self._changes.get(vendor, 0)
        if vendor in self._healthy:
            return None
        with self._state.transaction():
            fault = self._current(vendor)
            if fault is None:
                self._healthy.add(vendor)
            if fault and fault.times is not None:
                fault.times -= 1
                self._shelf().put("fault", vendor, msgspec.to_builtins(fault))
        return Strike(fault.kind, changes) if fault else None

    def hold(self, vendor: str, strike: Strike) -> None:
        """Keep a caller waiting, longer than any client's patience or until the fault is changed."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes.get(vendor, 0) != strike.changes, HELD_SECONDS)

    def _shelf(self) -> Shelf:
        return self._state.shelf("")

    def _current(self, vendor: str) -> Fault | None:
        kept = self._shelf().get("fault", vendor)
        if kept is None:
            return None
        fault = msgspec.convert(kept, Fault)
        over = fault.times == 0 or (fault.until is not None and rfc3339(self._clock.now()) >= fault.until)
        if over:
            self._shelf().delete("fault", id=vendor)
        return None if over else fault

    def _fault(self, fields: Any) -> Fault:
        if not isinstance(fields, dict):
            raise BadInput("a JSON object is needed")
        for name in fields.keys() - {"kind", "times", "for"}:
            raise BadInput("unknown field", name)
        kind, times, duration = str(fields.get("kind")), fields.get("times"), fields.get("for")
        if kind not in KINDS:
            raise BadInput(f"one of {', '.join(KINDS)} is needed", "kind")
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
            raise BadInput("a whole number from 1 is needed", "times")
        until = None if duration is None else rfc3339(plus(self._clock.now(), valid_duration(duration, "for")))
        return Fault(kind, times, until)

    def _release(self, vendor: str) -> None:
        with self._changed:
            self._changes[vendor] = self._changes.get(vendor, 0) + 1
            self._changed.notify_all()
