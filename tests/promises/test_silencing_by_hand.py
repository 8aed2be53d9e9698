"""§5.2: a vendor that cannot be told of a no is told again until it takes it, or a person has seen to it: never "completed"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared import ledger
from shared.case import Case
from shared.failures import NeverRetry, Stale, TryAgain
from shared.ports import Part
from shared.promises import alerts, evidence
from shared.promises.silencing import NOT_TOLD
from shared.records import ALL_ATTENTION, Attention, Telling
from shared.store import Put, Query, Stored
from tests.promises.test_objections import stop
from tests.promises.world import ScriptedConnector, World, says

ANN = "ann@mail.test"
TOOK = [Part(name="data", outcome="verified")]


@pytest.fixture
def world(world: World) -> World:
    """Return a world that advertises too."""
    for name in ("facebook", "instagram"):
        world.services.__dict__["connected"] += (name,)
        world.services.__dict__["connectors"][name] = ScriptedConnector(name, says("accepted"))
    return world


def answers(world: World, name: str, answer: list[Part] | Exception) -> None:
    def silences(_stops: Any) -> list[Part]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    world.services.connectors[name].silences = silences


def items(world: World) -> list[Stored[Attention]]:
    return [one for one in world.services.store.query(ALL_ATTENTION) if one.record.kind == NOT_TOLD]


def status(world: World, request_id: str) -> str:
    return str(world.view(request_id)["status"])


def told(world: World, request_id: str) -> dict[str, str]:
    return {one["subprocessor"]: one["outcome"] for one in world.view(request_id)["told"]}


def objected(world: World) -> str:
    request_id = world.ask(ANN, "objection")
    world.run_due()
    return request_id


def unsubscribed(world: World) -> None:
    stop(world, "marketing")


FAILURES = [
    [Part(name="small audiences", outcome="failed", evidence={"reason": "too small"})],
    NeverRetry("meta_403"),
    TryAgain("meta_503"),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_who_failed_is_told_again_and_the_objection_is_not_completed_before(world: World, failure: Any) -> None:
    answers(world, "facebook", failure)
    request_id = objected(world)
    world.advance("P2D")
    assert status(world, request_id) == "in_progress"
    assert [one.record.subprocessor for one in items(world)] == ["facebook"]
    answers(world, "facebook", TOOK)
    world.advance("PT7H")
    assert (status(world, request_id), items(world)) == ("completed", [])
    assert told(world, request_id) == {"facebook": "verified", "instagram": "verified", "sendgrid": "verified"}
    assert world.services.store.query(ALL_ATTENTION) == []


def test_what_a_vendor_said_is_evidence_once_however_often_it_is_asked(world: World) -> None:
    answers(world, "facebook", FAILURES[0])
    objected(world)
    (telling,) = world.services.store.query(Query(Telling))
    world.advance("P5D")
    entries = [one.record for one in ledger.stream_of(world.services.store, telling.id)]
    assert [one.facts["outcome"] for one in entries if one.kind == "recipient.not_told"] == ["failed"]
    assert evidence.check(world.services)["intact"] is True


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("after", ["P2D", "P31D"])
@pytest.mark.parametrize("ask", [objected, unsubscribed])
def test_a_person_who_has_seen_to_it_takes_it_off_the_list_and_that_is_what_is_known(
    world: World, failure: Any, after: str, ask: Callable[[World], str | None]
) -> None:
    answers(world, "facebook", failure)
    request_id = ask(world)
    world.advance(after)
    (item,) = items(world)
    alerts.seen(world.services, item.id, f"took {ANN} out of the audience by hand", "ola")
    world.advance("PT1H")
    assert items(world) == []
    assert world.services.store.query(Query(Telling)) == []
    if request_id is not None:
        assert status(world, request_id) == "completed"
        assert told(world, request_id)["facebook"] == "accepted", "a person's word is never verified"
    assert evidence.check(world.services)["intact"] is True


def test_after_a_month_it_waits_for_a_person_and_for_everybody_who_was_not_told(world: World) -> None:
    answers(world, "facebook", FAILURES[0])
    answers(world, "instagram", FAILURES[1])
    request_id = objected(world)
    world.advance("P31D")
    assert world.services.store.query(Query(Telling)) == [], "the address is kept no longer"
    assert (status(world, request_id), told(world, request_id)) == ("in_progress", {"sendgrid": "verified"})
    for item, then in zip(items(world), ("in_progress", "completed"), strict=True):
        alerts.seen(world.services, item.id, "by hand", "ola")
        assert status(world, request_id) == then
    entries = [one.record for one in ledger.stream_of(world.services.store, request_id)]
    assert [one.facts["by"] for one in entries if "by" in one.facts] == ["ola", "ola"]
    assert Case.read(world.services, request_id).record.sealed is None


def test_what_stood_there_without_a_name_leaves_only_once_nobody_is_being_told(world: World) -> None:
    answers(world, "facebook", FAILURES[1])
    objected(world)
    (telling,) = world.services.store.query(Query(Telling))
    old = Attention(kind=NOT_TOLD, since=world.clock.at, ref=telling.id)
    world.services.store.commit([Put(f"{telling.id}:{NOT_TOLD}", old)])
    with pytest.raises(Stale):
        alerts.seen(world.services, f"{telling.id}:{NOT_TOLD}", "seen", "ola")
    world.advance("P31D")
    alerts.seen(world.services, f"{telling.id}:{NOT_TOLD}", "seen", "ola")
    assert [one.record.subprocessor for one in items(world)] == ["facebook"]
