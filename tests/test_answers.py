"""Several answers to one question: what is known after all of them, and whom one defect keeps from being asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared import answers
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Part
from shared.records import Retained, Step
from shared.store import Conflict

UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
KEPT = {"outcome": "retained", "ground": "tax law", "until": "2032-01-01T00:00:00Z"}
HAND = {"outcome": "accepted", "by": "ola"}


def said(outcome: str) -> dict[str, Any]:
    return {"outcome": outcome}


def raises(error: Exception) -> Any:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TryAgain("stripe_503"), "stripe_503"),
        (NeverRetry("stripe_403"), "stripe_403"),
        (Misconfigured("GA_PROPERTY is needed"), "stripe_defect_Misconfigured"),
        (KeyError("ann@mail.test"), "stripe_defect_KeyError"),
    ],
)
def test_whatever_one_of_several_comes_to_is_its_own_and_names_no_person(error: Exception, code: str) -> None:
    failure = answers.asked("stripe", raises(error))
    assert isinstance(failure, TryAgain | NeverRetry)
    assert failure.code == code


def test_that_our_own_record_moved_is_nobodys_failure() -> None:
    with pytest.raises(Conflict):
        answers.asked("stripe", raises(Conflict()))


def test_a_refusal_comes_before_an_outage() -> None:
    tried = [TryAgain("a"), None, NeverRetry("b"), [], TryAgain("c"), NeverRetry("d")]
    assert [one.code for one in answers.failures(tried)] == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("recorded", "late", "known"),
    [
        ("nothing_found", "verified", "verified"),
        ("nothing_found", "accepted", "accepted"),
        ("no_store", "nothing_found", "nothing_found"),
        ("accepted", "verified", "verified"),
        ("accepted", "scheduled_by_vendor", "scheduled_by_vendor"),
        ("accepted", "retained", "retained"),
        ("verified", "retained", "retained"),
        ("verified", "nothing_found", "verified"),
        ("verified", "accepted", "verified"),
        ("retained", "verified", "retained"),
        ("accepted", "failed", "accepted"),
        ("verified", "pending", "verified"),
        ("verified", "held", "verified"),
        ("failed", "verified", "failed"),
        ("held", "nothing_found", "held"),
        ("pending", "verified", "pending"),
    ],
)
def test_what_is_known_of_a_part_after_a_late_answer(recorded: str, late: str, known: str) -> None:
    assert answers.merged({"data": said(recorded)}, {"data": said(late)}) == {"data": said(known)}


@pytest.mark.parametrize(
    ("recorded", "late", "known"),
    [
        ({"by hand": HAND}, {"data": said("verified")}, {"by hand": HAND, "data": said("verified")}),
        ({"by hand": HAND}, {"data": said("failed")}, {"by hand": HAND}),
        ({"kept: tax law": KEPT}, {"payments": KEPT}, {"payments": KEPT}),
        ({"kept: tax law": KEPT}, {"data": said("verified")}, {"kept: tax law": KEPT, "data": said("verified")}),
        ({}, {}, {}),
    ],
)
def test_a_part_the_record_does_not_know_is_added_where_it_is_settled(
    recorded: answers.Parts, late: answers.Parts, known: answers.Parts
) -> None:
    assert answers.merged(recorded, late) == known


@pytest.mark.parametrize(
    ("recorded", "late", "is_news"),
    [
        (said("verified"), said("verified"), False),
        (said("verified"), said("nothing_found"), False),
        (said("accepted"), said("no_store"), False),
        (said("accepted"), said("failed"), True),
        (said("nothing_found"), said("verified"), True),
        ({"outcome": "accepted", "job": "1"}, {"outcome": "accepted", "job": "2"}, True),
    ],
)
def test_what_somebody_quicker_has_left_to_find_is_no_news(
    recorded: dict[str, Any], late: dict[str, Any], is_news: bool
) -> None:
    assert answers.is_news({"data": recorded}, {"data": late}) is is_news
    assert answers.is_news({"other": recorded}, {"data": late}) is True


@pytest.mark.parametrize(
    ("recorded", "late", "seen"),
    [
        ("accepted", ["failed"], "failed"),
        ("accepted", ["retained", "verified"], "retained"),
        ("verified", ["pending"], "pending"),
        ("nothing_found", ["verified"], None),
        ("accepted", ["scheduled_by_vendor"], None),
        ("failed", ["verified"], None),
        ("failed", ["failed"], None),
        ("verified", [], None),
    ],
)
def test_what_is_worse_than_the_record_comes_to_a_person(recorded: Any, late: list[str], seen: str | None) -> None:
    assert answers.trouble(Step(outcome=recorded, at=UNTIL), late) == seen


@pytest.mark.parametrize(
    ("parts", "settled"),
    [
        ({}, {"by hand": HAND}),
        ({"a": said("failed")}, {"a": HAND}),
        ({"a": said("verified"), "b": said("pending"), "c": KEPT}, {"a": said("verified"), "b": HAND, "c": KEPT}),
        ({"a": said("verified")}, {"a": said("verified"), "by hand": HAND}),
        ({"read": {"orders": 3}}, {"read": {"orders": 3}, "by hand": HAND}),
    ],
)
def test_an_operators_word_stands_for_what_is_not_settled_and_for_nothing_else(
    parts: answers.Parts, settled: answers.Parts
) -> None:
    assert answers.settled_by_hand(parts, "ola") == settled


def record(ground: str, year: int = 2032) -> Retained:
    until = UNTIL.replace(year=year)
    return Retained(request="r", subprocessor="stripe", ground=ground, categories=[], until=until, sealed=b"")


@pytest.mark.parametrize(
    ("parts", "records", "named"),
    [
        ({}, [], {}),
        ({"by hand": HAND}, [record("tax law")], {"by hand": HAND, "kept: tax law": KEPT}),
        ({"payments": KEPT}, [record("tax law")], {"payments": KEPT}),
        ({}, [record("tax law", 2030), record("tax law")], {"kept: tax law": KEPT}),
    ],
)
def test_what_is_on_record_as_kept_by_law_is_named_once(
    parts: answers.Parts, records: list[Retained], named: answers.Parts
) -> None:
    assert answers.with_kept(parts, records) == named


def test_a_step_says_the_worst_of_its_parts_the_last_date_and_every_ground() -> None:
    sooner = Part(name="a", outcome="retained", ground="trade law", until=UNTIL.replace(year=2030))
    later = Part(name="b", outcome="retained", ground="tax law", until=UNTIL)
    parts = answers.told([sooner, later, Part(name="c", outcome="verified", evidence={"rows": 1})])
    assert answers.summed(parts) == {
        "outcome": "retained",
        "until": UNTIL,
        "ground": "trade law; tax law",
        "evidence": parts,
    }
