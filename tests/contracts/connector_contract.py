"""What every connector must do, whatever its vendor: a test class to inherit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from shared.failures import NeverRetry, TryAgain
from shared.ports import Connector, Part, Person
from tests.contracts.running_sandbox import RunningSandbox

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SETTLED = {"verified", "nothing_found", "no_store", "accepted", "scheduled_by_vendor", "retained"}
TRANSIENT = ("timeout", "429", "500", "half")
IMPATIENT = 0.3
"""Seconds a connector waits when its vendor is known not to answer."""


class ConnectorContract:
    """Inherit, name the vendor, and say how to connect and whom the vendor knows."""

    vendor: ClassVar[str]
    personal: ClassVar[Sequence[str]]
    """Everything personal about the person in `known`, as it must never appear outside the vendor."""

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> Connector:
        """Return the connector, speaking to the sandbox."""
        raise NotImplementedError

    def known(self, sandbox: RunningSandbox) -> Person:
        """Put somebody into the vendor in every way it can hold them; return them."""
        raise NotImplementedError

    def unknown(self) -> Person:
        """Return somebody the vendor never heard of."""
        raise NotImplementedError

    def held(self, sandbox: RunningSandbox, person: Person) -> list[dict[str, Any]]:
        """Return what the vendor still holds on the person and should not."""
        return [entry for address in person.addresses for entry in sandbox.found(self.vendor, email=address)]

    @pytest.fixture
    def sandbox(self, tmp_path: Path) -> Iterator[RunningSandbox]:
        sandbox = RunningSandbox(tmp_path)
        yield sandbox
        sandbox.close()

    def test_a_person_held_is_erased_and_erasing_again_succeeds(self, sandbox: RunningSandbox) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        assert self.held(sandbox, person)
        for _ in range(2):
            parts = connector.erase(person, NOW)
            assert parts
            assert {part.outcome for part in parts} <= SETTLED
            assert not self.held(sandbox, person)

    def test_a_person_never_held_ends_right(self, sandbox: RunningSandbox) -> None:
        parts = self.connect(sandbox).erase(self.unknown(), NOW)
        assert {part.outcome for part in parts} <= {"nothing_found", "no_store", "accepted", "scheduled_by_vendor"}

    def test_a_person_without_identifiers_is_not_looked_for(self, sandbox: RunningSandbox) -> None:
        parts = self.connect(sandbox).erase(Person(request_id="r0"), NOW)
        assert {part.outcome for part in parts} <= {"nothing_found", "no_store"}
        assert self.connect(sandbox).export(Person(request_id="r0")) == {}
        assert sandbox.calls == 0

    def test_the_export_shows_what_is_held_and_afterwards_nothing_unexplained(self, sandbox: RunningSandbox) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        before = msgspec.json.encode(connector.export(person)).decode()
        assert any(text in before for text in self.personal)
        connector.erase(person, NOW)
        assert connector.export(person).keys() <= {"gaps"}

    @pytest.mark.parametrize("kind", TRANSIENT)
    def test_what_may_pass_is_tried_again_and_then_succeeds(self, sandbox: RunningSandbox, kind: str) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox, timeout=IMPATIENT)
        sandbox.fail(self.vendor, kind)
        with pytest.raises(TryAgain):
            connector.erase(person, NOW)
        with pytest.raises(TryAgain):
            connector.export(person)
        sandbox.heal(self.vendor)
        assert {part.outcome for part in connector.erase(person, NOW)} <= SETTLED
        assert not self.held(sandbox, person)

    def test_a_vendor_that_cannot_be_reached_is_tried_again(self, tmp_path: Path) -> None:
        sandbox = RunningSandbox(tmp_path)
        connector = self.connect(sandbox)
        sandbox.close()
        with pytest.raises(TryAgain):
            connector.erase(self.unknown(), NOW)

    def test_what_the_vendor_refuses_needs_a_person(self, sandbox: RunningSandbox) -> None:
        sandbox.fail(self.vendor, "400")
        with pytest.raises(NeverRetry):
            self.connect(sandbox).erase(self.unknown(), NOW)

    def test_a_slow_vendor_is_waited_for(self, sandbox: RunningSandbox) -> None:
        sandbox.fail(self.vendor, "slow", times=1)
        began = time.monotonic()
        assert self.connect(sandbox).erase(self.unknown(), NOW)
        assert time.monotonic() - began >= 1

    def test_a_crash_after_any_yes_of_the_vendor_ends_right_when_run_again(self, sandbox: RunningSandbox) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        sandbox.break_at(None)
        connector.erase(person, NOW)
        calls = sandbox.calls
        assert calls
        for call in range(1, calls + 1):
            person = self.known(sandbox)
            sandbox.break_at(call)
            with pytest.raises(TryAgain):
                connector.erase(person, NOW)
            assert {part.outcome for part in connector.erase(person, NOW)} <= SETTLED
            assert not self.held(sandbox, person)

    @pytest.mark.parametrize("kind", [*TRANSIENT, "400", None])
    def test_nothing_personal_leaves_in_parts_failures_or_logs(
        self, sandbox: RunningSandbox, kind: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox, timeout=IMPATIENT)
        if kind:
            sandbox.fail(self.vendor, kind)
        caplog.clear()
        with caplog.at_level("DEBUG"):
            said = _what_is_said(connector, person)
        said += "".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
        for text in self.personal:
            assert text.lower() not in said.lower()


def _what_is_said(connector: Connector, person: Person) -> str:
    try:
        parts: Sequence[Part] = connector.erase(person, NOW)
    except (TryAgain, NeverRetry) as failure:
        return " ".join(_chain(failure))
    return msgspec.json.encode(parts).decode()


def _chain(error: BaseException | None) -> Iterator[str]:
    """Yield everything an exception and those behind it say, the suppressed ones too: loggers may show them."""
    while error is not None:
        yield f"{error!r} {error.args} {vars(error)} {getattr(error, '__notes__', '')}"
        yield from _chain(error.__cause__)
        error = error.__context__
