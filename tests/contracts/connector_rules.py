"""What holds for every connector, also for one that calls nobody: a test class to inherit.

Where a vendor is called, inherit `ConnectorContract`, which adds faults, crashes and pings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

import msgspec
import pytest

from shared.failures import NeverRetry, TryAgain
from shared.ports import Ability, Connector, Corrections, Part, Person
from tests.contracts.running_sandbox import RunningSandbox

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SETTLED = {"verified", "nothing_found", "no_store", "accepted", "scheduled_by_vendor", "retained"}
RIGHTS = get_args(get_type_hints(Ability)["what"])
NOBODY = Person(request_id="r0")
CORRECTIONS = Corrections(name="Grace Hopper", email="grace.hopper+canary@example.net", locale="de", country="DE")
CORRECTED = ("grace", "hopper", "canary@example", "%40example")
"""What of the corrections must never be heard outside the vendor."""

Act = Callable[[Connector, Person], Any]
ACTS: dict[str, Act] = {
    "export": lambda connector, person: connector.export(person),
    "rectify": lambda connector, person: connector.rectify(person, CORRECTIONS, NOW),
    "restrict": lambda connector, person: connector.restrict(person, NOW),
    "lift": lambda connector, person: connector.restrict(person, NOW, lifted=True),
    "ping": lambda connector, _: connector.ping(),
    "erase": lambda connector, person: connector.erase(person, NOW),
}
"""Everything a connector does for a person, in an order in which the one before leaves the next something to do."""


class ConnectorRules:
    """Inherit, and say how to connect and whom the vendor knows. Particulars are class attributes."""

    vendor: ClassVar[str] = ""
    """Its name in the sandbox; empty when it calls nobody there: then override `state` unless it holds nothing."""
    personal: ClassVar[Sequence[str]]
    """Everything personal about the person in `known`, as it must never appear outside the vendor."""
    never_held: ClassVar[set[str]] = {"nothing_found"}
    """Outcomes of erasing somebody never held. A vendor that cannot be asked, only told, says what it says to all."""
    left_in_export: ClassVar[set[str]] = {"gaps"}
    """Names in an export after an erasure: what explains itself."""
    fleeting: ClassVar[set[str]] = {"id", "created", "created_at", "updated_at"}
    """Fields of the sandbox's things that differ between two runs which did the same."""

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
        if not self.vendor:
            return []
        return [entry for address in person.addresses for entry in sandbox.found(self.vendor, email=address)]

    def state(self, sandbox: RunningSandbox) -> list[Any]:
        """Return everything the vendor holds, comparable between two runs."""
        things = sandbox.snapshot(self.vendor) if self.vendor else []
        return sorted((kind, about, _without(body, self.fleeting)) for kind, about, body in things)

    @pytest.fixture
    def sandbox(self, tmp_path: Path) -> Iterator[RunningSandbox]:
        sandbox = RunningSandbox(tmp_path)
        yield sandbox
        sandbox.close()

    # --- erasure and export ------------------------------------------------------------------------------------------

    def test_a_person_held_is_erased_and_erasing_again_succeeds(self, sandbox: RunningSandbox) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        assert bool(self.held(sandbox, person)) == does(connector, "erase")
        for _ in range(2):
            assert settled(connector.erase(person, NOW))
            assert not self.held(sandbox, person)

    def test_a_person_never_held_ends_right(self, sandbox: RunningSandbox) -> None:
        parts = self.connect(sandbox).erase(self.unknown(), NOW)
        assert {part.outcome for part in parts} <= self.never_held
        assert parts

    def test_a_person_without_identifiers_is_not_looked_for(self, sandbox: RunningSandbox) -> None:
        connector = self.connect(sandbox)
        for act in ("erase", "rectify", "restrict", "lift"):
            assert {part.outcome for part in ACTS[act](connector, NOBODY)} <= {"nothing_found", "no_store"}
        assert connector.export(NOBODY) == {}
        assert sandbox.calls == 0

    def test_the_export_shows_what_is_held_and_afterwards_nothing_unexplained(self, sandbox: RunningSandbox) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        before = connector.export(person)
        shown = any(text in msgspec.json.encode(before).decode() for text in self.personal)
        assert shown == does(connector, "export")
        if ability(connector, "export").how in {"person", "none"}:
            # what cannot be given is said, not passed over
            assert before.keys() == {"gaps"}
        connector.erase(person, NOW)
        assert connector.export(person).keys() <= self.left_in_export

    # --- what it says it can do --------------------------------------------------------------------------------------

    def test_it_describes_each_right_once_and_says_why_where_it_cannot(self, sandbox: RunningSandbox) -> None:
        described = self.connect(sandbox).describe()
        assert sorted(one.what for one in described) == sorted(RIGHTS)
        for one in described:
            assert one.how == "api" or one.reason
            assert one.checked <= NOW.date()
        assert sandbox.calls == 0

    @pytest.mark.parametrize("right", ["erase", "rectify", "restrict"])
    def test_what_it_describes_is_true(self, sandbox: RunningSandbox, right: str) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        before = self.state(sandbox)
        sandbox.break_at(None)
        parts = ACTS[right](connector, person)
        if does(connector, right):
            assert settled(parts)
            assert self.state(sandbox) != before
            return
        # a person must act where only a person can; else the reason stands where the person reads it
        assert settled(parts) or ability(connector, right).how == "person"
        assert all(part.evidence.get("reason") for part in parts)
        assert sandbox.calls == 0
        assert self.state(sandbox) == before

    # --- again -------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("acts", [("rectify",), ("restrict",), ("restrict", "lift")])
    def test_what_is_corrected_or_restricted_twice_stands_as_after_once(
        self, sandbox: RunningSandbox, acts: Sequence[str]
    ) -> None:
        person = self.known(sandbox)
        connector = self.connect(sandbox)
        for act in acts:
            ACTS[act](connector, person)
        once = self.state(sandbox)
        again = ACTS[acts[-1]](connector, person)
        assert settled(again) or ability(connector, acts[0]).how == "person"
        assert self.state(sandbox) == once

    def test_nothing_personal_leaves_in_parts_or_logs(
        self, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        person = self.known(sandbox)
        assert_nothing_said(self, self.connect(sandbox), person, caplog)


def ability(connector: Connector, right: str) -> Ability:
    """Return what a connector says of one right."""
    return next(one for one in connector.describe() if one.what == right)


def does(connector: Connector, act: str) -> bool:
    """Tell whether a connector says that it does this by calling its vendor."""
    return act == "ping" or ability(connector, "restrict" if act == "lift" else act).how == "api"


def settled(parts: Sequence[Part]) -> bool:
    """Tell whether there are parts, and no one needs a person or another attempt."""
    return bool(parts) and {part.outcome for part in parts} <= SETTLED


def assert_nothing_said(
    rules: ConnectorRules, connector: Connector, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Do everything once; nothing of the person may stand in parts, failures or logs. An export's content is theirs."""
    caplog.clear()
    with caplog.at_level("DEBUG"):
        said = [_said(act, connector, person) for act in ACTS]
    said += [f"{record.getMessage()} {record.args}" for record in caplog.records]
    heard = " ".join(said).lower()
    for text in (*rules.personal, *CORRECTED):
        assert text.lower() not in heard, text


def _said(act: str, connector: Connector, person: Person) -> str:
    try:
        answer = ACTS[act](connector, person)
    except (TryAgain, NeverRetry) as failure:
        return " ".join(_chain(failure))
    return "" if act == "export" else msgspec.json.encode(answer).decode()


def _chain(error: BaseException | None) -> Iterator[str]:
    """Yield everything an exception and those behind it say, the suppressed ones too: loggers may show them."""
    while error is not None:
        yield f"{error!r} {error.args} {vars(error)} {getattr(error, '__notes__', '')}"
        yield from _chain(error.__cause__)
        error = error.__context__


def _without(value: Any, fields: set[str]) -> str:
    return msgspec.json.encode(_pruned(value, fields), order="sorted").decode()


def _pruned(value: Any, fields: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(one, fields) for name, one in value.items() if name not in fields}
    return [_pruned(one, fields) for one in value] if isinstance(value, list) else value
