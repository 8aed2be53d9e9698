"""What every connector that calls a vendor must do, whatever its vendor: a test class to inherit."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from shared.failures import NeverRetry, TryAgain
from tests.contracts.connector_rules import ACTS, NOW, ConnectorRules, assert_nothing_said, does, settled
from tests.contracts.running_sandbox import RunningSandbox

__all__ = ["IMPATIENT", "NOW", "TRANSIENT", "ConnectorContract", "RateLimitContract"]

TRANSIENT = ("timeout", "429", "500", "half")
CALLING = ("export", "rectify", "restrict", "ping", "erase")
"""The acts that meet a fault, where they are done by a call at all. A restriction may be lifted without one."""
IMPATIENT = 0.3
"""Seconds a connector waits when its vendor is known not to answer."""


class ConnectorContract(ConnectorRules):
    """Inherit as `ConnectorRules` says, and name the vendor."""

    @pytest.mark.parametrize("act", CALLING)
    @pytest.mark.parametrize("kind", TRANSIENT)
    def test_what_may_pass_is_tried_again_and_then_succeeds(self, sandbox: RunningSandbox, kind: str, act: str) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox, timeout=IMPATIENT)
        sandbox.fail(self.vendor, kind)
        if does(connector, act):
            with pytest.raises(TryAgain):
                ACTS[act](connector, person)
        sandbox.heal(self.vendor)
        ACTS[act](self.connect(sandbox), person)
        assert act != "erase" or not self.held(sandbox, person)

    @pytest.mark.parametrize("act", CALLING)
    def test_a_vendor_that_cannot_be_reached_is_tried_again(self, tmp_path: Path, act: str) -> None:
        sandbox = RunningSandbox(tmp_path)
        connector, person = self.connect(sandbox), self.known(sandbox)
        sandbox.close()
        if does(connector, act):
            with pytest.raises(TryAgain):
                ACTS[act](connector, person)

    @pytest.mark.parametrize("act", CALLING)
    def test_what_the_vendor_refuses_needs_a_person(self, sandbox: RunningSandbox, act: str) -> None:
        connector, person = self.connect(sandbox), self.known(sandbox)
        sandbox.fail(self.vendor, "400")
        if does(connector, act):
            with pytest.raises(NeverRetry):
                ACTS[act](connector, person)

    def test_a_slow_vendor_is_waited_for(self, sandbox: RunningSandbox) -> None:
        sandbox.fail(self.vendor, "slow", times=1)
        began = time.monotonic()
        assert self.connect(sandbox).erase(self.unknown(), NOW)
        assert time.monotonic() - began >= 1

    def test_a_ping_asks_and_changes_nothing(self, sandbox: RunningSandbox) -> None:
        self.known(sandbox)
        before = self.state(sandbox)
        sandbox.break_at(None)
        self.connect(sandbox).ping()
        assert sandbox.calls
        assert self.state(sandbox) == before

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
            assert settled(connector.erase(person, NOW))
            assert not self.held(sandbox, person)

    @pytest.mark.parametrize("acts", [("rectify",), ("restrict",), ("restrict", "lift")])
    def test_a_crash_at_any_call_of_a_correction_or_restriction_ends_as_if_there_had_been_none(
        self, tmp_path: Path, acts: tuple[str, ...]
    ) -> None:
        expected, calls = self._after(tmp_path / "whole", acts, None)
        for call in range(1, calls + 1):
            assert self._after(tmp_path / str(call), acts, call)[0] == expected, f"broken at call {call}"

    def _after(self, folder: Path, acts: tuple[str, ...], broken_at: int | None) -> tuple[list[Any], int]:
        """Do these acts, the last one broken at a call and then done again; return the state and how many calls it took."""
        sandbox = RunningSandbox(folder)
        with contextlib.closing(sandbox):
            person, connector = self.known(sandbox), self.connect(sandbox)
            for act in acts[:-1]:
                ACTS[act](connector, person)
            sandbox.break_at(broken_at)
            if broken_at:
                with pytest.raises(TryAgain):
                    ACTS[acts[-1]](connector, person)
            ACTS[acts[-1]](connector, person)
            return self.state(sandbox), sandbox.calls

    @pytest.mark.parametrize("kind", [*TRANSIENT, "400"])
    def test_nothing_personal_leaves_in_failures_or_logs(
        self, sandbox: RunningSandbox, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        person = self.known(sandbox)
        sandbox.fail(self.vendor, kind)
        assert_nothing_said(self, self.connect(sandbox, timeout=IMPATIENT), person, caplog)


class RateLimitContract:
    """Inherit beside `ConnectorContract` where we keep a limit of our own for the vendor."""

    limit: ClassVar[tuple[int, float]]
    """The most calls, and within how many seconds of real time."""

    def hurry(self, sandbox: RunningSandbox) -> None:
        """Ask for more calls than the limit allows; a TryAgain may end it."""
        raise NotImplementedError

    def test_no_more_calls_are_made_than_the_limit_allows(self, sandbox: RunningSandbox) -> None:
        most, seconds = self.limit
        sandbox.break_at(None)
        with contextlib.suppress(TryAgain):
            self.hurry(sandbox)
        called_at = sandbox.called_at
        assert len(called_at) >= most
        # a call may take longer to arrive than the next one
        assert all(late - early >= 0.9 * seconds for early, late in zip(called_at, called_at[most:], strict=False))
