"""§9, Art. 19: one step for each recipient, told once, its own answer kept; what only a person can do waits for one."""

from __future__ import annotations

import pytest

from shared import ledger, work
from shared.failures import NeverRetry, Stale, TryAgain
from shared.ports import Part, Person
from shared.promises import notifying, operators
from shared.promises.operators import Act, Resolution
from shared.records import ALL_ATTENTION, Request, Work
from shared.store import Query
from tests.promises.world import World, fails, says

ANN = "ann@mail.test"


def asked(world: World, **more: object) -> str:
    world.account("u1", ANN)
    request_id = world.ask(ANN, "rectification", **(more or {"corrections": {"name": "Ann Lee"}}))
    world.confirm(ANN, request_id)
    return request_id


def steps(world: World, request_id: str) -> dict[str, str]:
    return {one["subprocessor"]: one["outcome"] for one in world.view(request_id)["steps"]}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("verified", "completed"),
        ("accepted", "completed"),
        ("scheduled_by_vendor", "completed"),
        ("nothing_found", "completed"),
        ("no_store", "completed"),
        ("failed", "in_progress"),
        ("pending", "in_progress"),
        ("held", "in_progress"),
    ],
)
def test_the_request_is_done_when_every_recipients_answer_settles_it(world: World, outcome: str, status: str) -> None:
    world.stripe.rectifies = says(outcome)
    request_id = asked(world)
    world.run_due()
    assert (steps(world, request_id)["stripe"], world.view(request_id)["status"]) == (outcome, status)


def test_the_worst_part_counts_and_each_part_is_shown_with_its_reason(world: World) -> None:
    world.stripe.rectifies = lambda _person, _now: [
        Part(outcome="verified", name="customers"),
        Part(outcome="failed", name="country", evidence={"reason": "two letters are needed"}),
    ]
    request_id = asked(world)
    world.run_due()
    step = next(one for one in world.view(request_id)["steps"] if one["subprocessor"] == "stripe")
    assert step["outcome"] == "failed"
    assert step["evidence"]["country"] == {"outcome": "failed", "reason": "two letters are needed"}


def test_our_own_records_come_first(world: World) -> None:
    names: list[str] = []

    def rectifies(_person: Person, _now: object) -> list[Part]:
        names.append(steps(world, request_id)["google_cloud_platform"])
        return [Part(outcome="verified", name="data")]

    world.stripe.rectifies = rectifies
    request_id = asked(world)
    world.run_due()
    assert names == ["verified"]


def test_the_work_may_run_again_and_tells_nobody_twice(world: World) -> None:
    request_id = asked(world)
    world.run_due()
    again = work.item(notifying.NOTIFY, request_id, world.clock.at)
    world.services.store.commit([again])
    world.run_due()
    assert len(world.stripe.corrected) == 1


def test_a_failed_one_does_not_keep_the_work_waiting(world: World) -> None:
    world.stripe.rectifies = fails(NeverRetry("stripe_403"))
    asked(world)
    world.run_due()
    left = world.services.store.query(Query(Work), limit=500)
    assert [one for one in left if one.record.kind == notifying.NOTIFY] == []


def test_two_that_are_down_are_both_tried_and_both_counted(world: World) -> None:
    world.stripe.rectifies = world.sendgrid.rectifies = fails(TryAgain("down"))
    request_id = asked(world)
    world.run_due()
    counted = {one["subprocessor"]: one["attempts"] for one in world.view(request_id)["steps"]}
    assert counted == {"google_cloud_platform": 1, "stripe": 1, "sendgrid": 1}


def test_every_answer_is_evidence(world: World) -> None:
    world.sendgrid.rectifies = fails(NeverRetry("sendgrid_403"))
    request_id = asked(world)
    world.run_due()
    said = [(one.record.kind, one.record.facts) for one in ledger.stream_of(world.services.store, request_id)]
    told = [(kind, facts["subprocessor"]) for kind, facts in said if kind.startswith("step.")]
    assert told == [
        ("step.settled", "google_cloud_platform"),
        ("step.settled", "stripe"),
        ("step.failed", "sendgrid"),
    ]


def test_a_refusal_takes_back_what_waits_for_a_person_and_lets_go_of_the_addresses(world: World) -> None:
    request_id = asked(world, details="My birthday is wrong")
    world.run_due()
    operators.act(world.services, request_id, operators.deny(Act(reason="it is right"), "op"))
    world.run_due()
    stored = world.services.store.get(Request, request_id)
    assert stored is not None
    assert (stored.record.status, stored.record.sealed) == ("denied", None)
    assert world.services.store.query(ALL_ATTENTION) == []


def test_a_step_that_is_settled_cannot_be_settled_again(world: World) -> None:
    request_id = asked(world)
    world.run_due()
    with pytest.raises(Stale):
        operators.act(world.services, request_id, operators.resolve("stripe", Resolution(reason="x"), "op"))


BY_HAND = operators.resolve("stripe", Resolution(reason="done by hand"), "op")


def test_a_persons_word_stands_for_the_part_that_failed_and_what_was_read_back_stays(world: World) -> None:
    world.stripe.rectifies = lambda _person, _now: [
        Part(outcome="verified", name="customer", evidence={"customers": 1}),
        Part(outcome="failed", name="country", evidence={"reason": "two letters are needed"}),
    ]
    request_id = asked(world)
    world.run_due()
    operators.act(world.services, request_id, BY_HAND)
    step = next(one for one in world.view(request_id)["steps"] if one["subprocessor"] == "stripe")
    assert (step["outcome"], world.view(request_id)["status"]) == ("accepted", "completed")
    assert step["evidence"] == {
        "customer": {"outcome": "verified", "customers": 1},
        "country": {"outcome": "accepted", "by": "op"},
    }


@pytest.mark.parametrize(
    ("late", "outcome", "seen"),
    [
        (says("verified"), "accepted", []),
        (says("nothing_found"), "accepted", []),
        (says("failed"), "accepted", ["failed"]),
        (fails(NeverRetry("stripe_403")), "accepted", ["stripe_403"]),
    ],
)
def test_an_answer_behind_a_persons_word_is_evidence_and_what_is_worse_is_seen(
    world: World, late: object, outcome: str, seen: list[str]
) -> None:
    def rectifies(person: Person, now: object) -> object:
        operators.act(world.services, request_id, BY_HAND)
        return late(person, now)  # type: ignore[operator]

    world.stripe.rectifies = rectifies  # type: ignore[assignment]
    request_id = asked(world)
    world.run_due()
    assert steps(world, request_id)["stripe"] == outcome
    entries = [one.record.kind for one in ledger.stream_of(world.services.store, request_id)]
    assert entries.count("step.answered_late") == 1
    raised = [one.record for one in world.services.store.query(ALL_ATTENTION)]
    assert [one.problem for one in raised if one.kind == "answered_late"] == seen
    assert world.view(request_id)["status"] == "completed"
