"""P11: what each use case asks of the store, counted: a commit, a write or a read too many is a price on every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from infra.container import Container
from infra.local.server import SAMPLE_POLICY
from infra.local.sqlite_store import SqliteStore
from infra.settings import Settings
from shared import work
from shared.ports import Services
from shared.promises import consents, deadlines, notice, objections, processing, retention, subjects
from shared.promises.consents import Decided, Who
from shared.promises.policy import Draft, publish
from shared.promises.processing import Whom
from shared.promises.requests import Asked, open_request
from shared.promises.subjects import Linked
from shared.store import Bound, Change, Query, Stored, View
from tests.infra.troubled_twins import ForwardingStore

R = TypeVar("R", bound=View)
PURPOSES = ["analytics", "ads"]
SWEEPS: dict[str, Callable[[Services], Any]] = {
    "sweep": work.due,
    "deadlines": deadlines.watch,
    "retention": retention.expire,
}


class CountingStore(ForwardingStore):
    """Counts what succeeds: a commit whose precondition failed wrote nothing."""

    commits = 0
    writes = 0
    reads = 0
    rows = 0

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        self.reads += 1
        found = super().get(kind, id)
        self.rows += found is not None
        return found

    def query(
        self,
        query: Query[R],
        *equals: str | bool | int,
        at_least: Bound | None = None,
        at_most: Bound | None = None,
        after: Stored[R] | None = None,
        limit: int = 100,
    ) -> list[Stored[R]]:
        self.reads += 1
        found = super().query(query, *equals, at_least=at_least, at_most=at_most, after=after, limit=limit)
        self.rows += len(found)
        return found

    def commit(self, changes: Sequence[Change]) -> list[str]:
        versions = super().commit(changes)
        self.commits += 1
        self.writes += len(changes)
        return versions

    def compact(self) -> None:
        self.store.compact()

    def forget(self) -> None:
        self.commits = self.writes = self.reads = self.rows = 0


class House:
    """The product's services over a counting store, with a policy in force."""

    def __init__(self, folder: Path) -> None:
        self.services = Container(Settings({"RUNTIME": "local", "DATA_DIR": str(folder)}))
        self.sqlite = cast(SqliteStore, self.services.store)
        self.store = CountingStore(self.sqlite)
        self.services.__dict__["store"] = self.store
        self.published = publish(self.services, Draft(text=SAMPLE_POLICY.read_text()), by="test")
        self.notice = notice.notice(self.services.vault, self.published, PURPOSES, "en")["notice"]
        self.store.forget()

    def consent(self, device: str, *, key: str | None = None, **who: str) -> dict[str, Any]:
        said = Decided(
            subject=Who(device_id=device, **who),
            notice=self.notice,
            decisions=dict.fromkeys(PURPOSES, True),
            method="banner",
        )
        return consents.capture(self.services, self.published, said, server=False, key=key)

    def ask(self, email: str) -> dict[str, Any]:
        return open_request(self.services, Asked(right="erasure", email=email), server=False)

    def may(self, purpose: str, **who: str) -> CountingStore:
        """Ask the guard, which must allow it; return what that took."""
        self.store.forget()
        assert processing.decide(self.services, self.published, Whom(**who), purpose).allowed
        return self.store

    def counted(self, act: Callable[[], Any]) -> CountingStore:
        self.store.forget()
        act()
        return self.store


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_consent_of_a_new_device_is_one_commit_and_no_read(house: House) -> None:
    counted = house.counted(lambda: house.consent("device-0001"))
    assert (counted.commits, counted.reads) == (1, 0)
    assert counted.writes <= 5


def test_a_key_against_repeats_costs_a_new_device_no_read(house: House) -> None:
    counted = house.counted(lambda: house.consent("device-0001", key="once"))
    assert (counted.commits, counted.reads) == (1, 0)
    assert counted.writes <= 5


def test_the_consent_of_a_returning_device_is_one_commit_and_two_reads(house: House) -> None:
    house.consent("device-0001")
    counted = house.counted(lambda: house.consent("device-0001"))
    assert counted.commits == 1
    assert counted.reads <= 2
    assert counted.writes <= 5


def test_the_intake_of_a_request_is_one_commit_and_no_read(house: House) -> None:
    counted = house.counted(lambda: house.ask("person@people.example"))
    assert (counted.commits, counted.reads) == (1, 0)
    assert counted.writes <= 5


def test_the_intake_costs_the_same_for_somebody_known(house: House) -> None:
    house.consent("device-0001", email="known@people.example")
    of_known = _totals(house.counted(lambda: house.ask("known@people.example")))
    of_stranger = _totals(house.counted(lambda: house.ask("stranger@people.example")))
    assert of_known == of_stranger


def test_the_intake_of_an_objection_is_one_commit_and_no_read_whoever_it_is(house: House) -> None:
    asked = Asked(right="objection", email="known@people.example")
    first = _totals(house.counted(lambda: open_request(house.services, asked, server=True)))
    again = _totals(house.counted(lambda: open_request(house.services, asked, server=True)))
    commits, _, reads, _ = first
    assert (commits, reads) == (1, 0)
    assert first == again, "neither what is known of them nor what they said before shows"


def test_the_guard_takes_two_reads_for_a_device_and_writes_nothing(house: House) -> None:
    house.consent("device-0001")
    counted = house.may("analytics", device_id="device-0001")
    assert (counted.commits, counted.reads) == (0, 2)


def test_the_guard_takes_one_read_more_for_all_stops_of_an_address_together(house: House) -> None:
    subjects.link(house.services, Linked(user_id="u1", email="ann@people.example", email_verified=True))
    said = objections.stop(house.services, "ann@people.example", ["ads", "marketing_email"], "objection", "test")
    house.services.commit(said)
    for who in ({"user_id": "u1"}, {"email": "ann@people.example"}):
        counted = house.may("account", **who)
        assert (counted.commits, counted.reads) == (0, 3), who


def test_the_guard_takes_no_read_more_for_an_account_that_has_left_another_address(house: House) -> None:
    for email in ("ann@old.example", "ann@people.example"):
        subjects.link(house.services, Linked(user_id="u1", email=email, email_verified=True))
    for who in ({"user_id": "u1"}, {"email": "ann@people.example"}):
        counted = house.may("account", **who)
        assert (counted.commits, counted.reads) == (0, 3), who


def test_the_guard_reads_nothing_for_what_always_goes_on(house: House) -> None:
    assert house.may("service_mail", email="ann@people.example").reads == 0


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_reads_only_what_is_due(tmp_path: Path, name: str) -> None:
    few, many = (_swept(tmp_path / str(people), people, SWEEPS[name]) for people in (10, 1000))
    assert few == many


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_finds_what_is_due_by_an_index(house: House, name: str) -> None:
    asked: list[str] = []
    reader = house.sqlite._reader()
    reader.set_trace_callback(asked.append)
    SWEEPS[name](house.services)
    reader.set_trace_callback(None)
    plans = [step[3] for sql in asked for step in reader.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert any(plan.startswith("SEARCH") for plan in plans)
    # what was found is put together in one row: that scan is of the result alone
    together = ("CO-ROUTINE (subquery", "SCAN (subquery")
    assert all(plan.startswith(("SEARCH", *together)) for plan in plans), plans


def _swept(folder: Path, people: int, sweep: Callable[[Services], Any]) -> tuple[int, ...]:
    """Return what a sweep reads with so many people stored, none of whom is due, and three whose mails are."""
    house = House(folder)
    for number in range(people):
        house.consent(f"device-{number:04d}")
    for number in range(people // 10):
        later = work.item("request.remind", f"later-{number}", house.services.clock.now(), _in_a_week(house))
        house.services.commit([later])
    for number in range(3):
        house.ask(f"due{number}@people.example")
    return _totals(house.counted(lambda: sweep(house.services)))


def _in_a_week(house: House) -> Any:
    return house.services.clock.now() + timedelta(days=7)


def _totals(store: CountingStore) -> tuple[int, ...]:
    return store.commits, store.writes, store.reads, store.rows
