"""§4: an answer that comes when its step is settled. What was settled stays so, and nothing that a vendor said is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.work import HANDLERS
from shared import ledger, work
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.ports import Part, Person
from shared.promises import alerts, erasure, evidence, operators
from shared.promises.operators import Resolution
from shared.records import ALL_ATTENTION, DUE_WORK, RETAINED_OF_STEP, Attention, Retained, Suppression, Work
from shared.store import Conflict, Create, Query
from shared.work import LEASE
from tests.promises.world import NOON, World, fails

ANN = "ann@mail.test"
UNTIL = NOON + timedelta(days=6 * 365)
Answer = Callable[[Person, datetime], Sequence[Part]]
BY_HAND = operators.resolve("stripe", Resolution(reason="done by hand"), "ola")
FOUND = Part(name="customer", outcome="verified")
KEPT = Part(name="payments", outcome="retained", ground="tax law", until=UNTIL)
UNSURE = Part(name="customer found by e-mail alone", outcome="failed", evidence={"count": 2})
OPTED_OUT = Part(name="customer", outcome="nothing_found", evidence={"objection_found": True})


def keep(world: World, request_id: str) -> None:
    """Put on record what law keeps, as a connector does before it answers."""
    sealed = world.services.vault.seal("retained/k1", {"places": ["cus_1"]})
    record = Retained(
        request=request_id, subprocessor="stripe", ground="tax law", categories=["a"], until=UNTIL, sealed=sealed
    )
    world.services.store.commit([Create("k1", record)])


def settled_meanwhile(world: World, answer: Any, *, kept: bool = False) -> Answer:
    """Answer so, once a person has settled the step by hand."""

    def erase(person: Person, now: datetime) -> Sequence[Part]:
        operators.act(world.services, person.request_id, BY_HAND)
        if kept:
            keep(world, person.request_id)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    return erase


def erased(world: World, after: str = "P5D") -> str:
    world.account("u1", ANN)
    request_id = str(world.confirm(ANN)["request_id"])
    world.advance(after)
    return request_id


def stripes(world: World, request_id: str) -> Any:
    return Case.read(world.services, request_id).record.steps["stripe"]


def entries(world: World, request_id: str) -> list[dict[str, Any]]:
    found = [one.record for one in ledger.stream_of(world.services.store, request_id)]
    return [one.facts for one in found if one.kind == "step.answered_late"]


def listed(world: World) -> list[tuple[str, str | None, str | None]]:
    things = [one.record for one in world.services.store.query(ALL_ATTENTION)]
    return [(one.kind, one.subprocessor, one.problem) for one in things]


def works(world: World, kind: str) -> list[datetime]:
    return [one.record.due_at for one in world.services.store.query(Query(Work)) if one.record.kind == kind]


@pytest.mark.parametrize(
    ("answer", "outcome", "status", "problem"),
    [
        ([FOUND], "accepted", "completed", None),
        ([Part(name="customer", outcome="nothing_found")], "accepted", "completed", None),
        ([FOUND, KEPT], "retained", "partly_retained", "retained"),
        ([UNSURE], "accepted", "completed", "failed"),
        ([FOUND, KEPT, UNSURE], "retained", "partly_retained", "failed"),
        ([Part(name="customer", outcome="pending")], "accepted", "completed", "pending"),
        (NeverRetry("stripe_403"), "accepted", "completed", "stripe_403"),
    ],
)
def test_behind_a_persons_word_an_answer_is_evidence_and_what_is_worse_is_seen(
    world: World, answer: Any, outcome: str, status: str, problem: str | None
) -> None:
    world.stripe.answer = settled_meanwhile(world, answer)
    request_id = erased(world)
    assert (stripes(world, request_id).outcome, world.view(request_id)["status"]) == (outcome, status)
    assert stripes(world, request_id).evidence["by hand"] == {"outcome": "accepted", "by": "ola"}
    (facts,) = entries(world, request_id)
    assert facts["subprocessor"] == "stripe"
    assert listed(world) == ([("answered_late", "stripe", problem)] if problem else [])
    assert ANN not in str(facts)
    assert evidence.check(world.services)["intact"] is True


def test_an_outage_behind_a_persons_word_says_nothing(world: World) -> None:
    world.stripe.answer = settled_meanwhile(world, TryAgain("stripe_503"))
    request_id = erased(world)
    assert (entries(world, request_id), listed(world), works(world, erasure.STEP)) == ([], [], [])


def test_whoever_saw_it_takes_it_off_the_list(world: World) -> None:
    world.stripe.answer = settled_meanwhile(world, [UNSURE])
    erased(world)
    (item,) = world.services.store.query(Query(Attention))
    alerts.seen(world.services, item.id, "her brother's customer, not hers", "ola")
    assert listed(world) == []


@pytest.mark.parametrize("answer", [[FOUND, KEPT], NeverRetry("stripe_403"), TryAgain("stripe_503")])
def test_what_law_keeps_is_named_and_ends_whatever_its_step_came_to(world: World, answer: Any) -> None:
    world.stripe.answer = settled_meanwhile(world, answer, kept=True)
    world.stripe.purge = lambda _places, _now: Part(name="kept", outcome="verified")  # type: ignore[method-assign]
    request_id = erased(world)
    assert world.view(request_id)["status"] == "partly_retained"
    assert (stripes(world, request_id).until, stripes(world, request_id).ground) == (UNTIL, "tax law")
    assert works(world, "erasure.purge") == [UNTIL]
    assert Case.read(world.services, request_id).record.expires_at > UNTIL, "its evidence outlives it"
    world.advance("P6Y")
    assert world.services.store.query(RETAINED_OF_STEP, request_id, "stripe") == []
    assert world.view(request_id)["status"] == "completed"


def test_what_was_put_on_record_before_a_crash_is_found_by_the_next_run(world: World) -> None:
    died: list[bool] = []

    def erase(person: Person, now: datetime) -> Sequence[Part]:
        operators.act(world.services, person.request_id, BY_HAND)
        keep(world, person.request_id)
        died.append(True)
        raise PowerCutError

    world.stripe.answer = erase
    world.account("u1", ANN)
    request_id = str(world.confirm(ANN)["request_id"])
    with pytest.raises(PowerCutError):
        world.advance("P2D")
    world.advance("P2D")
    assert len(died) == 1
    assert world.view(request_id)["status"] == "partly_retained"
    assert works(world, "erasure.purge") == [UNTIL]


class PowerCutError(BaseException):
    """Ends everything, as no handler may catch."""


def test_an_opt_out_that_a_vendor_knew_of_is_kept_even_where_the_addresses_are_gone(world: World) -> None:
    """The step that is settled by hand is the last: the envelope goes with it, before the vendor answers."""

    def erase(person: Person, now: datetime) -> Sequence[Part]:
        operators.act(world.services, person.request_id, operators.resolve("sendgrid", Resolution(reason="x"), "ola"))
        return [OPTED_OUT]

    world.sendgrid.answer = erase
    request_id = erased(world)
    case = Case.read(world.services, request_id)
    assert (case.has_envelope, case.record.objected) == (False, True)
    assert [one.record.reason for one in world.services.store.query(Query(Suppression))] == ["objection"]


# --- two runs --------------------------------------------------------------------------------------------------------


def stripes_work(world: World) -> str:
    (item,) = [one for one in world.services.store.query(DUE_WORK) if one.record.args == {"subprocessor": "stripe"}]
    return item.id


def second_run_first(world: World, first: Any, second: Any) -> Answer:
    """Answer the first run so late that its lease is over, and another one has been asked and answered by then."""
    asked: list[Person] = []

    def erase(person: Person, now: datetime) -> Sequence[Part]:
        asked.append(person)
        answer = first if len(asked) == 1 else second
        if len(asked) == 1:
            world.clock.at += LEASE * 1.1
            work.run(world.services, stripes_work(world), HANDLERS)
        return fails(answer)(person, now) if isinstance(answer, Exception) else answer

    return erase


NOTHING = [Part(name="customer", outcome="nothing_found")]


@pytest.mark.parametrize(
    ("first", "second", "outcome", "noted", "kinds"),
    [
        ([FOUND], NOTHING, "verified", 1, []),
        ([Part(name="customer", outcome="accepted")], NOTHING, "accepted", 1, []),
        ([FOUND, KEPT], NOTHING, "retained", 1, ["answered_late"]),
        (NOTHING, NOTHING, "nothing_found", 0, []),
        (NOTHING, [FOUND], "verified", 0, []),
        ([FOUND], [FOUND], "verified", 0, []),
        ([FOUND], NeverRetry("stripe_403"), "failed", 1, ["step_failed"]),
        (NeverRetry("stripe_403"), [FOUND], "verified", 1, ["answered_late"]),
        (NeverRetry("stripe_403"), NeverRetry("stripe_403"), "failed", 0, ["step_failed"]),
        (TryAgain("stripe_503"), [FOUND], "verified", 0, []),
    ],
)
def test_of_two_runs_the_record_says_what_both_know_and_no_failure_turns_good_by_itself(
    world: World, first: Any, second: Any, outcome: str, noted: int, kinds: list[str]
) -> None:
    world.stripe.answer = second_run_first(world, first, second)
    request_id = erased(world, "P2D")
    assert len(world.stripe.asked) == 2
    assert stripes(world, request_id).outcome == outcome
    assert len(entries(world, request_id)) == noted
    assert [kind for kind, _, _ in listed(world)] == kinds


def test_an_answer_counts_though_its_lease_is_over_and_another_run_is_still_asking(world: World) -> None:
    taken: list[work.Claim] = []
    takes = dict(HANDLERS) | {erasure.STEP: lambda _services, claim: taken.append(claim)}

    def erase(person: Person, now: datetime) -> Sequence[Part]:
        world.clock.at += LEASE * 1.1
        work.run(world.services, stripes_work(world), takes)
        return [FOUND]

    world.stripe.answer = erase
    request_id = erased(world)
    assert (len(world.stripe.asked), len(taken), stripes(world, request_id).outcome) == (1, 1, "verified")
    assert (entries(world, request_id), world.view(request_id)["status"]) == ([], "completed")


def test_a_late_answer_whose_commit_was_taken_and_its_yes_lost_is_noted_once(world: World) -> None:
    world.stripe.answer = settled_meanwhile(world, [UNSURE])
    real = world.services.store.commit
    lost: list[bool] = []

    def commit(changes: Any) -> Any:
        done = real(changes)
        if not lost and any("answered_late" in str(getattr(one, "id", "")) for one in changes):
            lost.append(True)
            raise Conflict  # its own: the database had taken it
        return done

    world.services.store.commit = commit  # type: ignore[method-assign]
    request_id = erased(world)
    assert lost
    assert len(entries(world, request_id)) == 1
