from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared import checkpoint_chain
from shared.checkpoint_chain import name_of
from shared.failures import NeverRetry, TryAgain
from shared.jws import claims_of
from shared.promises import evidence
from shared.promises.checkpoints import run
from shared.vault import Keyset, Vault
from tests.promises.tampering import (
    DAY,
    FolderOfDicts,
    a_day_later,
    archive_in,
    attention,
    incident,
    known,
    resigned,
    set_back,
    three_days,
)
from tests.promises.world import NOON, World

SECOND = timedelta(seconds=1)


@pytest.fixture
def archive(world: World) -> FolderOfDicts:
    return archive_in(world)


# --- the archive against the store ------------------------------------------------------------------------------------


def test_a_missing_object_shows_in_the_next_run_and_in_the_whole_walk(world: World, archive: FolderOfDicts) -> None:
    three_days(world)
    del archive.objects[name_of(3)]
    assert evidence.check(world.services)["first_break"] == "checkpoint:000003"
    world.clock.at += DAY
    assert run(world.services)["first_break"] == "checkpoint:000003"
    assert len(archive.objects) == 2


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_object_that_is_missing_shows_in_the_whole_walk(
    world: World, archive: FolderOfDicts, number: int
) -> None:
    three_days(world)
    del archive.objects[name_of(number)]
    assert evidence.check(world.services)["first_break"] == f"checkpoint:00000{number}"


def other_key(world: World, _: bytes) -> bytes:
    found = checkpoint_chain.read(world.services, 2)
    assert found is not None
    return checkpoint_chain.signed(Vault(Keyset.generate()), found)


def other_signature(_: World, raw: bytes) -> bytes:
    head, body, signature = raw.split(b".")
    return b".".join([head, body, (b"B" if signature[:1] == b"A" else b"A") + signature[1:]])


@pytest.mark.parametrize(
    "forge",
    [
        other_signature,
        lambda _, raw: raw + b"\n",
        lambda _, raw: b"",
        lambda _, raw: b"\xff\xfe.\xff.\xff",
        lambda _, raw: raw.replace(b".", b""),
        other_key,
        lambda world, _: world.services.vault.sign({"kind": "statement", "number": 2}).encode(),
        lambda world, _: world.services.vault.sign({"kind": "checkpoint", "number": 2}).encode(),
        lambda world, _: resigned(world, 2, number=3),
        lambda world, _: resigned(world, 2, entries=0),
    ],
    ids=["signature", "more", "empty", "no text", "no parts", "key", "another kind", "half", "number", "content"],
)
@pytest.mark.parametrize("days", [2, 3])
def test_an_object_that_is_not_what_was_signed_shows(
    world: World, archive: FolderOfDicts, days: int, forge: Callable[[World, bytes], bytes]
) -> None:
    for number in range(days):
        a_day_later(world, f"device-000{number}")
    archive.objects[name_of(2)] = forge(world, archive.objects[name_of(2)])
    broken = evidence.check(world.services)["first_break"]
    assert broken in {"checkpoint:000002", "checkpoint:000003"}
    if days == 2:
        world.clock.at += DAY
        assert run(world.services)["first_break"] == "checkpoint:000002"


@pytest.mark.parametrize(
    "fields",
    [{"previous": ""}, {"previous": "0" * 64}, {"after": None}, {"after": NOON}, {"until": NOON}],
    ids=["no forerunner", "another forerunner", "no beginning", "another beginning", "an earlier end"],
)
def test_an_object_of_our_own_hand_that_does_not_fit_the_one_before_shows(
    world: World, archive: FolderOfDicts, fields: dict[str, Any]
) -> None:
    three_days(world)
    archive.objects[name_of(3)] = resigned(world, 3, **fields)
    set_back(world, checkpoint_chain.read(world.services, 2))
    world.clock.at += DAY
    assert run(world.services)["first_break"] == "checkpoint:000003"
    assert evidence.check(world.services)["first_break"] == "checkpoint:000003"
    assert len(archive.objects) == 3


@pytest.mark.parametrize("fields", [{"hash": "0" * 64}, {"entries": 0}, {"until": NOON + 2 * DAY}, {"number": 9}])
def test_a_store_that_knows_another_checkpoint_than_the_archive_shows(
    world: World, archive: FolderOfDicts, fields: dict[str, Any]
) -> None:
    three_days(world)
    own = known(world)
    assert own is not None
    set_back(world, msgspec.structs.replace(own, **fields))
    assert evidence.check(world.services)["intact"] is False
    world.clock.at += 2 * DAY
    assert run(world.services)["intact"] is False
    assert len(archive.objects) == 3


def test_a_store_that_was_set_back_goes_on_from_the_archive_and_a_person_is_told(
    world: World, archive: FolderOfDicts
) -> None:
    three_days(world)
    set_back(world, checkpoint_chain.read(world.services, 1))
    assert evidence.check(world.services)["first_break"] == "checkpoint:000002"
    world.clock.at += DAY
    assert run(world.services)["checkpoint"] == 4
    assert incident(world, "store_set_back", "checkpoint:000003")
    assert evidence.check(world.services)["intact"] is True


@pytest.mark.parametrize(("name", "number"), [("notes.txt", 2), ("000000.jws", 1), ("000001.jws.old", 2)])
def test_an_object_that_is_none_of_ours_shows(world: World, archive: FolderOfDicts, name: str, number: int) -> None:
    a_day_later(world)
    archive.objects[f"checkpoints/{name}"] = b"hello"
    assert evidence.check(world.services)["first_break"] == f"checkpoint:00000{number}"


def test_another_text_of_ours_is_no_checkpoint(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    body = claims_of(archive.objects[name_of(1)].decode(), world.services.vault.jwks())
    archive.objects[name_of(1)] = world.services.vault.sign({**(body or {}), "kind": "statement"}).encode()
    set_back(world, None)
    assert evidence.check(world.services)["first_break"] == "checkpoint:000001"


# --- crashes and twins -------------------------------------------------------------------------------------------------


def test_a_run_that_ended_before_the_store_knew_is_taken_up(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    before = known(world)
    a_day_later(world, "device-0002")
    after = known(world)
    left = dict(archive.objects)
    set_back(world, before)
    assert evidence.check(world.services)["intact"] is True
    world.clock.at += timedelta(minutes=5)
    assert run(world.services)["intact"] is True
    assert (known(world), archive.objects) == (after, left)
    assert attention(world) == []


def test_the_very_first_run_may_crash_too(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    set_back(world, None)
    assert evidence.check(world.services)["intact"] is True
    world.clock.at += DAY
    assert run(world.services)["checkpoint"] == 2
    assert attention(world) == []


class Overtaken(FolderOfDicts):
    """An archive whose first write comes after another run did all of its own."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.other: dict[str, Any] | None = None

    def keep(self, name: str, content: bytes) -> bool:
        if self.other is None:
            self.other = {}
            self._world.clock.at += SECOND
            self.other = run(self._world.services)
        return super().keep(name, content)


def test_of_two_runs_at_once_one_signs_and_the_other_takes_it_up(world: World) -> None:
    archive = Overtaken(world)
    world.services.__dict__["archive"] = archive
    assert a_day_later(world) == archive.other
    assert list(archive.objects) == [name_of(1)]
    assert evidence.check(world.services)["intact"] is True
    assert attention(world) == []


def test_many_runs_at_once_make_one_checkpoint(world: World) -> None:
    world.clock.at += DAY
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: run(world.services), range(16)))
    assert {answer["checkpoint"] for answer in answers} == {1}
    assert list(world.services.archive.names("checkpoints/")) == [name_of(1)]
    assert evidence.check(world.services)["intact"] is True


def test_an_object_under_the_next_name_that_is_not_ours_is_never_taken_up(world: World, archive: FolderOfDicts) -> None:
    a_day_later(world)
    archive.objects[name_of(2)] = b"x"
    world.clock.at += DAY
    assert run(world.services)["first_break"] == "checkpoint:000002"
    assert known(world) == checkpoint_chain.read(world.services, 1)


def test_an_archive_that_refuses_is_shown_to_a_person_until_it_answers(world: World, archive: FolderOfDicts) -> None:
    world.clock.at += DAY
    archive.trouble = NeverRetry("archive_403")
    with pytest.raises(NeverRetry):
        run(world.services)
    assert attention(world) == ["checkpoint_failed"]
    archive.trouble = None
    assert run(world.services)["checkpoint"] == 1
    assert attention(world) == []


def test_an_archive_that_does_not_answer_is_asked_again(world: World, archive: FolderOfDicts) -> None:
    world.clock.at += DAY
    archive.trouble = TryAgain("archive_503")
    with pytest.raises(TryAgain):
        run(world.services)
    assert known(world) is None
    archive.trouble = None
    assert run(world.services)["checkpoint"] == 1
