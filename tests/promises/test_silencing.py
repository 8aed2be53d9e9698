"""§5.2: vendors are told what stands for an address, each until it has taken it, in whatever order things were said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from infra.settings import SAMPLES
from infra.subprocessors import CONNECTORS
from shared import ledger
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.ports import Part, Stops
from shared.promises import objections, silencing
from shared.promises.silencing import stops_for
from shared.records import Attention, LedgerEntry, Telling, Work
from shared.store import Query
from tests.promises.test_objections import EMAIL, MAIL, file, say_yes, stop
from tests.promises.world import World

DIGEST = {
    "name": "digest",
    "title": "Digest",
    "why": "To sum up",
    "legal_basis": "consent",
    "fields": ["e-mail address"],
    "kept_for": "P1Y",
    "kept_in_words": "a year",
    "recipients": ["sendgrid"],
    "channel": "email",
    "sendgrid_group": 100,
}
SAID = [Part(name="data", outcome="verified")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a company with two kinds of marketing mail."""
    company = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    company["purposes"].append(DIGEST)
    file_ = tmp_path / "company.yaml"
    file_.write_text(yaml.safe_dump(company))
    return World(tmp_path / "data", COMPANY=str(file_))


def told(stops: Stops) -> tuple[list[str], list[str], bool]:
    return [one.name for one in stops.stopped], [one.name for one in stops.going_on], stops.everything


@pytest.mark.parametrize(
    ("said", "yes", "sendgrid", "facebook"),
    [
        ([], [], ([], [MAIL, "digest"], False), ([], ["ads"], False)),
        ([MAIL], [], ([MAIL], ["digest"], False), ([], ["ads"], False)),
        (["ads"], [], ([], [MAIL, "digest"], False), (["ads"], [], False)),
        (["marketing"], [], ([MAIL, "digest"], [], True), (["ads"], [], True)),
        (["marketing"], [MAIL], (["digest"], [MAIL], False), (["ads"], [], True)),
        (["marketing"], ["ads"], ([MAIL, "digest"], [], True), ([], ["ads"], False)),
        ([MAIL, "digest"], [], ([MAIL, "digest"], [], False), ([], ["ads"], False)),
        (["marketing", MAIL], [MAIL], (["digest"], [MAIL], False), (["ads"], [], True)),
    ],
)
def test_each_vendor_is_told_of_what_it_serves(
    world: World,
    said: list[str],
    yes: list[str],
    sendgrid: tuple[list[str], list[str], bool],
    facebook: tuple[list[str], list[str], bool],
) -> None:
    world.services.commit(objections.stop(world.services, EMAIL, said, "objection", "test"))
    world.services.commit(objections.resumed(world.services, EMAIL, yes))
    assert told(stops_for(world.services, "sendgrid", EMAIL)) == sendgrid
    assert told(stops_for(world.services, "facebook", EMAIL)) == facebook


def test_everybody_who_is_told_can_be(world: World) -> None:
    assert set(silencing.TOLD) <= set(CONNECTORS)


def test_a_vendor_that_is_down_is_tried_again_until_it_took_it(world: World) -> None:
    trouble: list[Exception] = [TryAgain("timeout")] * 3

    def answer(_stops: Stops) -> Sequence[Part]:
        if trouble:
            raise trouble.pop()
        return SAID

    world.sendgrid.silences = answer
    request_id = file(world)["request_id"]
    world.run_due()
    assert Case.read(world.services, request_id).record.status == "in_progress"
    world.advance("PT1H")
    assert Case.read(world.services, request_id).record.status == "completed"
    assert len(world.sendgrid.silenced) == 4
    assert world.services.store.query(Query(Attention)) == []


def kinds(world: World) -> list[str]:
    return sorted(one.record.kind for one in world.services.store.query(Query(Attention)))


def refuses(error: Exception) -> object:
    def answer(_stops: Stops) -> Sequence[Part]:
        raise error

    return answer


def test_one_that_refuses_is_shown_to_a_person_at_once_and_goes_on_once_mended(world: World) -> None:
    world.sendgrid.silences = refuses(NeverRetry("forbidden"))  # type: ignore[assignment]
    stop(world, "marketing")
    world.run_due()
    assert kinds(world) == ["not_told", "work_failed"]
    world.sendgrid.silences = lambda _stops: SAID
    world.advance("PT7H")
    assert kinds(world) == []
    assert world.services.store.query(Query(Telling)) == []


def test_one_that_is_down_for_a_day_is_shown_to_a_person(world: World) -> None:
    world.sendgrid.silences = refuses(TryAgain("timeout"))  # type: ignore[assignment]
    stop(world, "marketing")
    world.advance("PT23H")
    assert kinds(world) == []
    world.advance("PT8H")
    assert kinds(world) == ["not_told", "work_late"]


def test_after_a_month_the_address_is_kept_no_longer_and_a_person_still_sees_it(world: World) -> None:
    world.sendgrid.silences = refuses(TryAgain("timeout"))  # type: ignore[assignment]
    request_id = file(world)["request_id"]
    world.advance("P31D")
    assert world.services.store.query(Query(Telling)) == []
    assert "not_told" in kinds(world)
    assert Case.read(world.services, request_id).record.status == "in_progress", "nothing says that they were told"


def test_the_address_waits_sealed_and_goes_when_everybody_was_told(world: World) -> None:
    stop(world, "marketing")
    (waiting,) = world.services.store.query(Query(Telling))
    assert b"ann" not in waiting.record.sealed
    works = world.services.store.query(Query(Work))
    assert [one.record.ref for one in works if one.record.kind == silencing.TELL] == [waiting.id]
    world.run_due()
    assert world.services.store.query(Query(Telling)) == []
    entries = [one.record for one in ledger.stream_of(world.services.store, waiting.id)]
    assert [one.kind for one in entries] == ["withdrawn", "recipient.told"]
    assert entries[-1].facts["subprocessor"] == "sendgrid"


def test_what_was_said_while_a_vendor_was_told_is_told_after(world: World) -> None:
    """A yes arrives after the vendor was asked to stop and before it answered."""
    asked: list[Stops] = []

    def answer(stops: Stops) -> Sequence[Part]:
        asked.append(stops)
        if len(asked) == 1:
            world.services.commit(objections.resumed(world.services, EMAIL, [MAIL]))
        return SAID

    world.sendgrid.silences = answer
    stop(world, MAIL)
    world.advance("PT10M")
    assert told(asked[0]) == ([MAIL], ["digest"], False)
    assert all(told(one) == ([], [MAIL, "digest"], False) for one in asked[1:])
    assert len(asked) >= 3


def test_a_yes_again_is_told_too(world: World) -> None:
    stop(world, "marketing", reason="objection")
    world.run_due()
    say_yes(world, MAIL)
    world.run_due()
    assert [told(one) for one in world.sendgrid.silenced] == [
        ([MAIL, "digest"], [], True),
        (["digest"], [MAIL], False),
    ]
    entries = world.services.store.query(Query(LedgerEntry), limit=500)
    assert [one.record.facts["purposes"] for one in entries if one.record.kind == "resumed"] == [[MAIL]]


def test_running_it_twice_tells_nobody_twice(world: World) -> None:
    stop(world, "marketing")
    world.run_due()
    silenced = len(world.sendgrid.silenced)
    world.run_due()
    assert len(world.sendgrid.silenced) == silenced == 1
