from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.sqlite_store import SqliteStore
from shared import quota
from shared.failures import TryAgain
from shared.quota import SPREAD_SECONDS, Limit
from shared.records import EXPIRED, Quota
from shared.store import Change, Update

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
LIMITS = (Limit(calls=3, seconds=2), Limit(calls=10, seconds=3600))


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "pledge.db")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def passes(store: SqliteStore, seconds: int, name: str = "acme") -> bool:
    try:
        quota.take(store, name, LIMITS, at(seconds))
    except TryAgain:
        return False
    return True


def test_so_many_pass_at_once_and_no_more(store: SqliteStore) -> None:
    assert [passes(store, 0) for _ in range(5)] == [True, True, True, False, False]


def test_room_comes_back_once_no_two_seconds_can_hold_four_calls(store: SqliteStore) -> None:
    assert [passes(store, second) for second in (0, 0, 1)] == [True] * 3
    # what was taken in second 0 may have gone out at 0.999, and what is taken in second 2 goes out at 2.0
    assert [passes(store, second) for second in (1, 2, 3, 3, 3)] == [False, False, True, True, False]


def test_any_hour_holds_no_more_than_the_hours_limit(store: SqliteStore) -> None:
    passed = [second for second in range(0, 9000, 7) if passes(store, second)]
    assert len(passed) == 30
    assert all(late - early > 3600 for early, late in zip(passed, passed[10:], strict=False))


def test_one_vendors_calls_leave_anothers_quota_alone(store: SqliteStore) -> None:
    assert [passes(store, 0) for _ in range(4)][-1] is False
    assert passes(store, 0, "other")


def test_who_is_too_many_is_told_when_there_is_room_and_not_all_the_same_moment(store: SqliteStore) -> None:
    random.seed(7)
    for second in range(0, 100, 10):
        assert passes(store, second)
    told = []
    for _ in range(20):
        with pytest.raises(TryAgain) as caught:
            quota.take(store, "acme", LIMITS, at(200))
        assert caught.value.code == "acme_quota"
        told.append(caught.value.after_seconds or 0)
    room_in = 3600 + 1 - 200
    assert min(told) >= room_in
    assert max(told) < room_in + SPREAD_SECONDS
    assert len(set(told)) > 10
    assert passes(store, 200 + room_in)


class TwiceAtOnce(SqliteStore):
    """A store in which another instance is always quicker by one call."""

    quicker = 1

    def commit(self, changes: list[Change]) -> list[str]:  # type: ignore[override]
        if self.quicker and isinstance(changes[0], Update):
            self.quicker -= 1
            assert passes(SqliteStore(self.path), 0)
        return super().commit(changes)


def test_of_two_instances_that_come_at_once_both_are_counted(tmp_path: Path) -> None:
    store = TwiceAtOnce(tmp_path / "pledge.db")
    store.path = tmp_path / "pledge.db"
    assert [passes(store, 0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_goes_back_a_little_opens_no_gap(store: SqliteStore) -> None:
    assert [passes(store, second) for second in (5, 4, 5, 4)] == [True, True, True, False]


def test_the_record_stays_small_and_ends_when_it_says_nothing_any_more(store: SqliteStore) -> None:
    for second in range(0, 100_000, 400):
        passes(store, second)
    kept = store.get(Quota, "acme")
    assert kept
    assert len(kept.record.taken) <= 10
    assert kept.record.expires_at - at(kept.record.taken[-1] - NOON.timestamp()) == timedelta(seconds=3601)
    assert Quota in {query.kind for query in EXPIRED}
