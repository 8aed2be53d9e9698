"""A job that goes through many records: one that cannot be read keeps no other from its turn, and a person is told which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.promises import deadlines, retention
from shared.records import ALL_ATTENTION, Incident, Piece, Request, Subject, Tombstone, Work
from shared.store import Create, Delete, Query, Update
from shared.vault import Vault
from tests.promises.world import World, fails

RUINED = b"no envelope of ours, and not to be opened by any key of ours"
Ruin = Callable[[World, pytest.MonkeyPatch, str], None]


def shown(world: World) -> list[tuple[str, str, str | None]]:
    things = [one.record for one in world.services.store.query(ALL_ATTENTION)]
    return sorted((one.kind, one.ref, one.problem) for one in things if one.kind in {UNWATCHED, KEPT})


UNWATCHED, KEPT = deadlines.UNWATCHED, retention.NOT_REMOVED


# --- the watchdog ----------------------------------------------------------------------------------------------------


def nearly_due(world: World) -> tuple[str, str]:
    """Two people whose requests are stuck: the first's is due first."""
    world.stripe.answer = fails(TryAgain("down"))
    ids = []
    for user in ("ann", "bea"):
        world.account(user, f"{user}@mail.test")
        ids.append(str(world.confirm(f"{user}@mail.test")["request_id"]))
        world.clock.at += timedelta(minutes=1)
    return ids[0], ids[1]


def sealed_is_ruined(world: World, _patch: pytest.MonkeyPatch, id: str) -> None:
    stored = world.services.store.get(Request, id)
    assert stored is not None
    world.services.store.commit([Update(stored, msgspec.structs.replace(stored.record, sealed=RUINED))])


def is_a_defect(_world: World, patch: pytest.MonkeyPatch, id: str) -> None:
    patch.setattr(Case, "_opened", failing_for(f"requests/{id}", Case._opened, KeyError("ann@mail.test")))


def passes(_world: World, patch: pytest.MonkeyPatch, id: str) -> None:
    patch.setattr(Case, "_opened", failing_for(f"requests/{id}", Case._opened, TryAgain("kms_busy")))


def failing_for(place: str, opened: Callable[[Case], Any], failure: Exception) -> Callable[[Case], Any]:
    def fails_there(case: Case) -> Any:
        if f"requests/{case.id}" == place:
            raise failure
        return opened(case)

    return fails_there


@pytest.mark.parametrize(
    ("ruin", "failure", "problem"),
    [
        (sealed_is_ruined, NeverRetry, "requests:sealed_value_does_not_open"),
        (is_a_defect, KeyError, "requests:KeyError"),
        (passes, TryAgain, None),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_a_request_that_cannot_be_read_silences_no_other_clock(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    ruin: Ruin,
    failure: type[Exception],
    problem: str | None,
    which: int,
) -> None:
    ids = nearly_due(world)
    ruin(world, monkeypatch, ids[which])
    world.clock.at += timedelta(days=15)
    for _ in range(2):
        with pytest.raises(failure):
            deadlines.watch(world.services)
    assert world.services.store.get(Incident, f"{ids[1 - which]}:deadline_breached") is not None
    assert shown(world) == ([(UNWATCHED, ids[which], problem)] if problem else [])
    monkeypatch.undo()


def test_a_request_that_can_be_read_again_leaves_the_list(world: World) -> None:
    id, _ = nearly_due(world)
    whole = world.services.store.get(Request, id)
    assert whole is not None
    sealed_is_ruined(world, pytest.MonkeyPatch(), id)
    world.clock.at += timedelta(days=15)
    with pytest.raises(NeverRetry):
        deadlines.watch(world.services)
    ruined = world.services.store.get(Request, id)
    assert ruined is not None
    world.services.store.commit([Update(ruined, whole.record)])
    assert deadlines.watch(world.services) == {"warned": 4}
    assert shown(world) == []
    assert world.services.store.get(Incident, f"{id}:deadline_breached") is not None


def test_what_is_configured_is_still_held_against_what_was_published(world: World) -> None:
    id, _ = nearly_due(world)
    sealed_is_ruined(world, pytest.MonkeyPatch(), id)
    left = [one for one in world.services.company.purposes if one.name != "ads"]
    world.services.__dict__["company"] = msgspec.structs.replace(world.services.company, purposes=left)
    world.clock.at += timedelta(days=15)
    with pytest.raises(NeverRetry):
        deadlines.watch(world.services)
    assert deadlines.UNPUBLISHED in {one.record.kind for one in world.services.store.query(ALL_ATTENTION)}


# --- retention -------------------------------------------------------------------------------------------------------


def expired(world: World, ruined: int = 1) -> None:
    """Browsers nobody heard of for years, some of which do not open, and marks of erasure whose time is over."""
    now = world.clock.at
    world.services.store.commit([
        Create(f"{n:040x}", Subject(kind="device", created_at=now, expires_at=now, sealed=_sealed(world, n, ruined)))
        for n in range(4)
    ])  # fmt: skip
    world.services.store.commit(
        [Create(f"t{n}", Tombstone(erased_at=now, expires_at=now, sealed=b"")) for n in range(3)]
    )


def _sealed(world: World, n: int, ruined: int) -> bytes:
    if n < ruined:
        return RUINED
    vault: Vault = world.services.vault
    return vault.seal(f"subjects/{n:040x}", {"device_id": f"device-{n:04}"})


def counts_compacting(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    done: list[int] = []
    compact = world.services.store.compact
    monkeypatch.setattr(world.services.store, "compact", lambda: (done.append(1), compact()))
    return done


def test_a_record_that_cannot_be_removed_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    expired(world, ruined=2)
    compacted = counts_compacting(world, monkeypatch)
    for _ in range(2):
        with pytest.raises(NeverRetry, match="sealed_value_does_not_open"):
            retention.expire(world.services)
    assert [one.id for one in world.services.store.query(Query(Subject))] == [f"{n:040x}" for n in range(2)]
    assert world.services.store.query(Query(Tombstone)) == []
    assert len(compacted) == 2, "somebody was told by when the last copy is gone"
    problem = "subjects:sealed_value_does_not_open"
    assert shown(world) == [(KEPT, f"{n:040x}", problem) for n in range(2)]


def test_it_is_said_once_and_leaves_the_list_with_the_record(world: World) -> None:
    expired(world)
    with pytest.raises(NeverRetry):
        retention.expire(world.services)
    (first,) = world.services.store.query(ALL_ATTENTION)
    world.clock.at += timedelta(days=1)
    with pytest.raises(NeverRetry):
        retention.expire(world.services)
    assert world.services.store.query(ALL_ATTENTION) == [first]
    world.services.store.commit([Delete(Subject, f"{0:040x}")])
    retention.expire(world.services)
    assert shown(world) == []


def test_a_collection_that_cannot_be_read_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    expired(world, ruined=0)
    query = world.services.store.query

    def no_subjects(asked: Query[Any], *equals: Any, **more: Any) -> Any:
        if asked.kind is Subject:
            raise msgspec.ValidationError("Invalid value 'ann@mail.test'")
        return query(asked, *equals, **more)

    monkeypatch.setattr(world.services.store, "query", no_subjects)
    compacted = counts_compacting(world, monkeypatch)
    with pytest.raises(msgspec.ValidationError):
        retention.expire(world.services)
    assert query(Query(Tombstone)) == []
    assert compacted == [1]
    assert shown(world) == [(KEPT, "subjects", "subjects:ValidationError")]


def test_what_somebody_still_reads_is_compacted_by_the_next_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    expired(world, ruined=0)
    compact = world.services.store.compact
    answers = [TryAgain("database_busy")]

    def busy() -> None:
        for answer in answers:
            answers.remove(answer)
            raise answer
        compact()

    monkeypatch.setattr(world.services.store, "compact", busy)
    with pytest.raises(TryAgain, match="database_busy"):
        retention.expire(world.services)
    assert world.services.store.query(Query(Tombstone)) == [], "all of it was removed before"
    assert retention.expire(world.services) == {}


def test_no_more_than_a_few_of_what_is_large_are_read_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = world.clock.at
    for n in range(25):
        world.services.store.commit([Create(f"p{n:02}", Piece(expires_at=now, sealed=b"x" * 1000))])
    query, most = world.services.store.query, 0

    def counted(asked: Query[Any], *equals: Any, **more: Any) -> Any:
        nonlocal most
        found = query(asked, *equals, **more)
        most = max(most, len(found) if asked.kind is Piece else 0)
        return found

    monkeypatch.setattr(world.services.store, "query", counted)
    assert retention.expire(world.services) == {"pieces": 25}
    assert most <= 10, "fifty of 700 kB each, three times over, is all the memory there is"


def test_nobody_is_alerted_for_what_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = nearly_due(world)
    passes(world, monkeypatch, ids[0])
    world.clock.at += timedelta(days=12, hours=1)
    with pytest.raises(TryAgain):
        deadlines.watch(world.services)
    assert shown(world) == []
    assert world.services.store.query(Query(Work))
    monkeypatch.undo()
    assert deadlines.watch(world.services) == {"warned": 2}
