from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from infra.local.functions import function_map
from shared.checkpoint_chain import name_of
from shared.promises import checkpoints, evidence, retention
from shared.promises.checkpoints import SETTLED_AFTER, run
from shared.records import Attention, Checkpoint, Head, Incident, LedgerEntry
from shared.store import Delete, Put, Stored
from shared.times import rfc3339
from shared.vault import Keyset, Vault
from tests.functions import signatures
from tests.promises.tampering import (
    DAY,
    FolderOfDicts,
    a_day_later,
    altered,
    archive_in,
    attention,
    entries,
    incident,
    known,
    removed,
    rewritten,
    stamped,
    three_days,
)
from tests.promises.world import NOON, World

SECOND = timedelta(seconds=1)


@pytest.fixture
def archive(world: World) -> FolderOfDicts:
    return archive_in(world)


def claims(world: World, archive: FolderOfDicts, number: int) -> dict[str, Any]:
    """Read a checkpoint as anybody would, from the published keys alone."""
    return signatures.claims_of(archive.objects[name_of(number)].decode(), world.services.vault.jwks())


# --- what is closed ----------------------------------------------------------------------------------------------------


def test_the_first_checkpoint_closes_everything_there_was(world: World, archive: FolderOfDicts) -> None:
    assert a_day_later(world) == {"checkpoint": 1, "entries": len(entries(world)), "intact": True}
    in_order = sorted(entries(world), key=lambda one: (one.record.at, one.id))
    assert claims(world, archive, 1) == {
        "kind": "checkpoint",
        "number": 1,
        "until": rfc3339(world.clock.at - SETTLED_AFTER),
        "entries": len(in_order),
        "fold": sha256("".join(f"{one.record.mac}\n" for one in in_order).encode()).hexdigest(),
    }


def test_each_checkpoint_begins_where_the_last_ended_and_names_it_by_its_hash(
    world: World, archive: FolderOfDicts
) -> None:
    for device in ("device-0001", "device-0002", "device-0003"):
        assert a_day_later(world, device)["intact"] is True
    for number in (2, 3):
        before, found = claims(world, archive, number - 1), claims(world, archive, number)
        assert found["after"] == before["until"]
        assert found["previous"] == sha256(archive.objects[name_of(number - 1)]).hexdigest()
    assert sum(claims(world, archive, number)["entries"] for number in (1, 2, 3)) == len(entries(world))
    assert evidence.check(world.services) == {"entries": len(entries(world)), "intact": True}


def test_a_checkpoint_says_nothing_of_anybody(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    said = str(claims(world, archive, 1))
    for one in entries(world):
        for text in (one.id, one.record.stream, one.record.mac, one.record.subject or one.id):
            assert text not in said
    assert set(claims(world, archive, 1)) == {"kind", "number", "until", "entries", "fold"}


def test_a_day_without_evidence_is_closed_too(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    world.run_due()
    world.clock.at += 2 * DAY
    run(world.services)
    world.clock.at += DAY
    assert run(world.services) == {"checkpoint": 3, "entries": 0, "intact": True}


def test_within_twenty_hours_nothing_is_done(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    archive.trouble = AssertionError("nobody asks the archive")
    world.clock.at += timedelta(hours=19, minutes=59)
    assert run(world.services) == {"checkpoint": 1}
    archive.trouble = None
    world.clock.at += timedelta(minutes=1)
    assert run(world.services)["checkpoint"] == 2


def test_days_on_which_nobody_ran_are_closed_by_the_next_run(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    for device in ("device-0002", "device-0003", "device-0004"):
        world.decide({"analytics": True}, device_id=device)
        world.clock.at += 5 * DAY
    assert run(world.services) == {"checkpoint": 2, "entries": 3, "intact": True}


def test_nothing_falls_between_two_checkpoints_and_nothing_into_both(world: World, archive: FolderOfDicts) -> None:
    until = NOON + DAY - SETTLED_AFTER
    before = len(entries(world))
    for seconds in range(-2, 3):
        stamped(world, f"s{seconds + 2}", until + seconds * SECOND)
    world.clock.at = NOON + DAY
    assert run(world.services)["entries"] == before + 3
    world.clock.at += DAY
    assert run(world.services)["entries"] == 2


def test_no_function_may_run_for_as_long_as_a_stretch_takes_to_settle() -> None:
    longest = max(entry["limits"]["timeout_seconds"] for entry in function_map().values())
    assert timedelta(seconds=longest) * 2 < SETTLED_AFTER


def test_a_stretch_of_many_pages_is_closed_whole(world: World, archive: FolderOfDicts) -> None:
    before = len(entries(world))
    stamped(world, "long", NOON, 1203)
    world.clock.at += DAY
    assert run(world.services)["entries"] == before + 1203
    assert evidence.check(world.services)["intact"] is True


def test_what_was_signed_before_the_keys_were_rotated_still_counts(world: World, archive: FolderOfDicts) -> None:
    keys = Keyset.generate()
    world.services.__dict__["vault"] = Vault(keys)
    for one in entries(world):
        removed(world, one.id)
    stamped(world, "before", NOON)
    world.clock.at += DAY
    run(world.services)
    world.services.__dict__["vault"] = Vault(keys.rotated())
    stamped(world, "after", world.clock.at)
    world.clock.at += DAY
    assert run(world.services) == {"checkpoint": 2, "entries": 1, "intact": True}
    keys_used = {archive.objects[name_of(number)].split(b".")[0] for number in (1, 2)}
    assert len(keys_used) == 2


# --- what does not hold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        (lambda world, own: altered(world, own[1], facts={"n": 9}), 1),
        (lambda world, own: altered(world, own[0], kind="undone"), 0),
        (lambda world, own: altered(world, own[1], key="00000000"), 1),
        (lambda world, own: altered(world, own[1], previous=own[1].record.mac), 1),
        (lambda world, own: removed(world, own[0].id), 1),
        (lambda world, own: removed(world, own[1].id), 2),
        (lambda world, own: rewritten(world, own[0], facts={}), 1),
        (lambda world, own: rewritten(world, own[0], after=Head(seq=0, mac="0" * 64)), 0),
        (lambda world, own: rewritten(world, own[2], after=Head(seq=2, mac=own[0].record.mac)), 2),
        (lambda world, own: altered(world, own[1], seq=1), 1),
    ],
    ids=[
        "a fact",
        "a kind",
        "a key",
        "a link",
        "a beginning",
        "a middle",
        "a beginning of our own hand",
        "a beginning that follows",
        "an end that follows another",
        "a second beginning",
    ],
)
def test_nothing_is_signed_over_a_break_and_an_incident_is_open(
    world: World, archive: FolderOfDicts, tamper: Callable[[World, list[Stored[LedgerEntry]]], None], broken: int
) -> None:
    a_day_later(world)
    stream = set(stamped(world, "s", world.clock.at, 3))
    own = [one for one in entries(world) if one.id in stream]
    tamper(world, own)
    world.clock.at += DAY
    found = run(world.services)
    assert (found["intact"], found["first_break"]) == (False, own[broken].id)
    assert list(archive.objects) == [name_of(1)]
    opened = world.services.store.get(Incident, f"{own[broken].id}:evidence_broken")
    assert opened is not None
    assert opened.record.report_by - opened.record.at == timedelta(hours=72)
    assert "incident" in attention(world)


def test_a_break_is_found_again_until_it_is_mended_and_its_72_hours_run_once(
    world: World, archive: FolderOfDicts
) -> None:
    a_day_later(world)
    (stamp,) = stamped(world, "s", world.clock.at)
    whole = next(one for one in entries(world) if one.id == stamp)
    altered(world, whole, kind="undone")
    opened = []
    for _ in range(3):
        world.clock.at += DAY
        assert run(world.services)["first_break"] == stamp
        found = world.services.store.get(Incident, f"{stamp}:evidence_broken")
        assert found is not None
        opened.append(found.record.at)
    assert len(set(opened)) == 1
    world.services.store.commit([Put(stamp, whole.record)])
    world.clock.at += DAY
    assert run(world.services) == {"checkpoint": 2, "entries": 1, "intact": True}


def test_an_entry_that_a_holder_of_our_keys_wrote_again_shows(world: World, archive: FolderOfDicts) -> None:
    (stamp,) = stamped(world, "s", NOON)
    world.clock.at += DAY
    run(world.services)
    rewritten(world, next(one for one in entries(world) if one.id == stamp), facts={"n": 9})
    assert evidence.check(world.services)["first_break"] == "checkpoint:000001"
    assert checkpoints.check_since_last(world.services)["first_break"] == "checkpoint:000001"
    world.clock.at += DAY
    assert run(world.services)["first_break"] == "checkpoint:000001"
    assert incident(world, "evidence_broken", "checkpoint:000001")


def test_what_was_closed_long_ago_is_checked_by_the_whole_walk(world: World, archive: FolderOfDicts) -> None:
    (stamp,) = stamped(world, "s", NOON)
    for _ in range(3):
        world.clock.at += DAY
        run(world.services)
    rewritten(world, next(one for one in entries(world) if one.id == stamp), facts={"n": 9})
    assert checkpoints.check_since_last(world.services)["intact"] is True
    assert evidence.check(world.services)["first_break"] == "checkpoint:000001"


def test_a_time_that_was_altered_beside_its_entry_ends_the_walk(world: World, archive: FolderOfDicts) -> None:
    first, second = stamped(world, "s", NOON, 2)
    store: Any = world.services.store
    store._writer.execute('UPDATE ledger SET "at" = ? WHERE id = ?', (rfc3339(NOON + timedelta(hours=2)), first))
    store._writer.execute('UPDATE ledger SET "at" = ? WHERE id = ?', (rfc3339(NOON + timedelta(hours=1)), second))
    world.clock.at += DAY
    assert run(world.services)["first_break"] == first


# --- what comes late, and what goes ------------------------------------------------------------------------------------


def test_what_lands_late_is_closed_by_the_next_run_and_a_person_is_told(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    closed = claims(world, archive, 1)["entries"]
    stamped(world, "late", NOON + SECOND)
    assert evidence.check(world.services)["first_break"] == "checkpoint:000001"
    a_day_later(world, "device-0002")
    assert "after" not in claims(world, archive, 2)
    assert claims(world, archive, 2)["entries"] > closed + 1
    shown = world.services.store.get(Attention, "checkpoint:000001:evidence_landed_late")
    assert shown is not None
    assert shown.record.problem == "1_entries"
    assert evidence.check(world.services)["intact"] is True
    assert a_day_later(world, "device-0003")["checkpoint"] == 3
    assert claims(world, archive, 3)["after"] == claims(world, archive, 2)["until"]


def test_what_lands_later_still_is_found_by_the_whole_walk(world: World, archive: FolderOfDicts) -> None:
    three_days(world)
    stamped(world, "late", NOON + SECOND)
    assert evidence.check(world.services)["first_break"] == "checkpoint:000001"


def test_streams_that_are_purged_whole_break_nothing(world: World, archive: FolderOfDicts) -> None:
    world.account("u1", "ann@mail.test")
    world.decide({"analytics": True}, device_id="device-0001")
    world.decide({"analytics": True}, server=True, user_id="u1")
    world.confirm("ann@mail.test")
    for _ in range(20):
        world.advance("P1D")
        retention.expire(world.services)
        assert run(world.services)["intact"] is True
    for years in range(1, 5):
        world.advance("P1Y")
        retention.expire(world.services)
        assert run(world.services)["checkpoint"] == 20 + years
    assert evidence.check(world.services)["intact"] is True
    kept = {one.record.stream for one in entries(world)}
    assert kept == {"policy"}
    assert attention(world) == []


def test_the_forerunner_may_be_older_than_the_checkpoint(world: World, archive: FolderOfDicts) -> None:
    request_id = world.ask("ann@mail.test")
    world.run_due()
    older = [one.id for one in entries(world) if one.record.stream == request_id][-1]
    world.clock.at += DAY
    run(world.services)
    world.confirm("ann@mail.test", request_id)
    assert checkpoints.check_since_last(world.services)["intact"] is True
    newer = [one.id for one in entries(world) if one.record.stream == request_id and one.id > older]
    removed(world, older)
    world.clock.at += DAY
    assert run(world.services)["first_break"] == newer[0]


class Purging:
    """A store from which a stream is purged just before its forerunner is looked for."""

    def __init__(self, store: Any, doomed: list[str]) -> None:
        self._store = store
        self._doomed = doomed

    def get(self, kind: Any, id: str) -> Any:
        if kind is LedgerEntry and id in self._doomed:
            self._store.commit([Delete(LedgerEntry, one) for one in self._doomed])
        return self._store.get(kind, id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_stream_that_is_purged_while_it_is_read_breaks_nothing(world: World, archive: FolderOfDicts) -> None:
    world.clock.at += DAY
    run(world.services)
    doomed = stamped(world, "s", world.clock.at, 3)
    # the first is gone when the second is read, as it is between two pages
    removed(world, doomed[0])
    world.services.__dict__["store"] = Purging(world.services.store, doomed)
    world.clock.at += DAY
    assert run(world.services)["intact"] is True
    assert [one.id for one in entries(world) if one.id in doomed] == []


# --- looking without signing ------------------------------------------------------------------------------------------


def test_looking_forward_reads_what_came_since_the_last_checkpoint_and_signs_nothing(
    world: World, archive: FolderOfDicts
) -> None:
    a_day_later(world)
    world.decide({"analytics": True}, device_id="device-0002")
    before, left = known(world), dict(archive.objects)
    assert checkpoints.check_since_last(world.services) == {"entries": 1, "intact": True}
    assert (known(world), archive.objects) == (before, left)


def test_looking_forward_without_any_checkpoint_reads_everything(world: World, archive: FolderOfDicts) -> None:
    assert checkpoints.check_since_last(world.services) == {"entries": len(entries(world)), "intact": True}


def test_looking_forward_finds_what_does_not_hold_and_opens_an_incident(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    (stamp,) = stamped(world, "s", world.clock.at)
    altered(world, next(one for one in entries(world) if one.id == stamp), kind="undone")
    assert checkpoints.check_since_last(world.services)["first_break"] == stamp
    assert incident(world, "evidence_broken", stamp)
    assert isinstance(known(world), Checkpoint)
