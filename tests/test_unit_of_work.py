"""A unit of work shows its own writes, writes each record once, and keeps the precondition of the first of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.local.sqlite_store import SqliteStore
from shared.failures import NeverRetry
from shared.records import SUPPRESSIONS_OF_ADDRESS, Alias, Suppression
from shared.store import Conflict, Create, Delete, Put, Update
from shared.unit_of_work import UnitOfWork

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
NO, STILL_NO = Suppression(reason="objection", since=SINCE), Suppression(reason="withdrawn", since=SINCE)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "pledge.db")


def test_it_shows_what_it_will_write(store: SqliteStore) -> None:
    unit = UnitOfWork(store)
    unit.add([Create("a:1", NO)])
    stored = unit.get(Suppression, "a:1")
    assert stored is not None
    assert stored.record == NO
    assert store.get(Suppression, "a:1") is None
    assert unit.get(Alias, "a:1") is None


def test_a_range_of_ids_holds_what_is_stored_and_what_will_be(store: SqliteStore) -> None:
    store.commit([Create(id, NO) for id in ("a:1", "a:3", "b:1")])
    unit = UnitOfWork(store)
    unit.add([Put("a:2", NO), Put("a:3", STILL_NO), Put("c:1", NO)])
    found = unit.query(SUPPRESSIONS_OF_ADDRESS, at_least="a:", at_most="a:~")
    assert [(one.id, one.record) for one in found] == [("a:1", NO), ("a:2", NO), ("a:3", STILL_NO)]
    behind = unit.query(SUPPRESSIONS_OF_ADDRESS, at_least="a:", at_most="a:~", after=found[0], limit=1)
    assert [one.id for one in behind] == ["a:2"]


def test_a_record_decided_on_twice_is_written_once_under_the_first_precondition(store: SqliteStore) -> None:
    store.commit([Create("a:1", NO)])
    was = store.get(Suppression, "a:1")
    assert was is not None
    unit = UnitOfWork(store)
    unit.add([Update(was, STILL_NO), Create("a:2", NO), Put("a:3", NO)])
    for id in ("a:1", "a:2", "a:3"):
        seen = unit.get(Suppression, id)
        assert seen is not None
        unit.add([Update(seen, STILL_NO)])
    assert unit.changes() == [Update(was, STILL_NO), Create("a:2", STILL_NO), Put("a:3", STILL_NO)]
    store.commit([Put("a:1", NO)])
    with pytest.raises(Conflict):
        store.commit(unit.changes())


def test_without_looking_what_is_stored_is_not_seen_and_creating_it_conflicts(store: SqliteStore) -> None:
    store.commit([Create("a:1", NO)])
    unit = UnitOfWork(store, looking=False)
    assert unit.get(Suppression, "a:1") is None
    assert unit.query(SUPPRESSIONS_OF_ADDRESS) == []
    unit.add([Create("a:1", STILL_NO)])
    with pytest.raises(Conflict):
        store.commit(unit.changes())


def test_it_counts_records_and_deletes_none(store: SqliteStore) -> None:
    unit = UnitOfWork(store)
    unit.add([Create("a:1", NO)])
    assert unit.with_more([Put("a:1", NO), Put("a:2", NO)]) == 2
    with pytest.raises(NeverRetry):
        unit.add([Delete(Suppression, "a:1")])
    with pytest.raises(NeverRetry):
        unit.commit([])
