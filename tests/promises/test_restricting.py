"""§5.1, Art. 18: restricted at once, told to everybody, standing until the person was told that it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared import ledger
from shared.failures import NeverRetry, Stale, TryAgain
from shared.promises import objections, operators, people, processing, requests
from shared.promises.operators import Act, Resolution
from shared.records import ALL_ATTENTION, Request
from tests.promises.world import World, fails, says

ANN = "ann@mail.test"
REASON = "the accuracy was checked; the data is right"


def key_of(answer: dict[str, str]) -> str:
    return answer["status_url"].split("key=")[1]


def restricted(world: World, email: str = ANN) -> tuple[str, str]:
    """Have somebody ask for a restriction and prove the mailbox; return the request's id and the private key."""
    request_id = world.ask(email, "restriction")
    return request_id, key_of(world.confirm(email, request_id))


def end_by_person(world: World, request_id: str, key: str) -> None:
    requests.cancel(lambda: requests.with_key(world.services, request_id, key))


def end_by_operator(world: World, request_id: str) -> None:
    operators.act(world.services, request_id, operators.deny(Act(reason=REASON), "op"))


def told(world: World, request_id: str) -> list[tuple[str, str]]:
    return [(one["subprocessor"], one["what"]) for one in world.view(request_id)["told"]]


def may(world: World, purpose: str = "analytics", **whom: str) -> list[str]:
    published = world.services.policies.current()
    return list(processing.decide(world.services, published, processing.Whom(**whom), purpose).reasons)


def holds(world: World, request_id: str) -> bool:
    found = people.by_user(world.services, "u1")
    assert found is not None
    return request_id in found.stored.record.restricted_by


def record(world: World, request_id: str) -> Request:
    stored = world.services.store.get(Request, request_id)
    assert stored is not None
    return stored.record


def test_use_stops_in_the_commit_that_verifies_before_anybody_is_told(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = restricted(world)
    assert holds(world, request_id)
    assert world.stripe.told == []
    assert world.view(request_id)["status"] == "in_progress"
    assert "restriction" in may(world, user_id="u1")
    assert "restriction" in may(world, "marketing_email", email=ANN)
    assert objections.stopped(world.services, ANN) == {}, "a restriction is no objection"


def test_everybody_is_told_once_and_then_it_is_done_and_stands(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = restricted(world)
    world.run_due()
    shown = world.view(request_id)
    assert shown["status"] == "completed"
    assert told(world, request_id) == [("stripe", "restriction"), ("sendgrid", "restriction")]
    assert {one["subprocessor"]: one["outcome"] for one in shown["steps"]} == {
        "google_cloud_platform": "verified",
        "stripe": "accepted",
        "sendgrid": "accepted",
    }
    assert holds(world, request_id)
    assert len(world.mailed("request_done", ANN)) == 1
    world.advance("P400D")
    assert holds(world, request_id), "nothing ends it but a word"
    assert record(world, request_id).expires_at is None


def test_somebody_we_do_not_know_is_restricted_by_their_address_alone(world: World) -> None:
    request_id, key = restricted(world, "unknown@mail.test")
    assert may(world, "marketing_email", email="unknown@mail.test") == ["restriction", "unknown_subject"]
    world.run_due()
    ((person, lifted),) = world.sendgrid.told
    assert (person.addresses, lifted) == (["unknown@mail.test"], False)
    end_by_person(world, request_id, key)
    world.advance("PT5M")
    assert [one.addresses for one, lifted in world.sendgrid.told if lifted] == [["unknown@mail.test"]]
    assert may(world, "marketing_email", email="unknown@mail.test") == ["unknown_subject"]


def test_one_that_is_down_is_told_later_and_the_others_now(world: World) -> None:
    world.account("u1", ANN)
    world.stripe.restricts = fails(TryAgain("stripe_500"))
    request_id, _ = restricted(world)
    world.run_due()
    assert told(world, request_id) == [("sendgrid", "restriction")]
    assert world.view(request_id)["status"] == "in_progress"
    world.stripe.restricts = says("verified")
    world.advance("PT2H")
    assert world.view(request_id)["status"] == "completed"
    assert len(world.sendgrid.told) == 1


@pytest.mark.parametrize("trouble", [fails(NeverRetry("stripe_403")), says("failed")])
def test_one_that_refuses_comes_to_a_person_and_the_request_waits(world: World, trouble: object) -> None:
    world.account("u1", ANN)
    world.stripe.restricts = trouble  # type: ignore[assignment]
    request_id, _ = restricted(world)
    world.advance("P2D")
    assert world.view(request_id)["status"] == "in_progress"
    raised = [one.record for one in world.services.store.query(ALL_ATTENTION)]
    assert ("step_failed", "stripe") in [(one.kind, one.subprocessor) for one in raised]
    resolve = operators.resolve("stripe", Resolution(reason="set in the dashboard", evidence="seen"), "op")
    operators.act(world.services, request_id, resolve)
    assert world.view(request_id)["status"] == "completed"
    step = next(one for one in world.view(request_id)["steps"] if one["subprocessor"] == "stripe")
    assert step["outcome"] == "accepted", "an operator's word is never verified"
    assert "step_failed" not in [one.record.kind for one in world.services.store.query(ALL_ATTENTION)]


def test_an_operator_has_a_recipient_told_again(world: World) -> None:
    world.account("u1", ANN)
    world.stripe.restricts = fails(NeverRetry("stripe_403"))
    request_id, _ = restricted(world)
    world.run_due()
    world.stripe.restricts = says("verified")
    operators.act(world.services, request_id, operators.retry("stripe", Resolution(reason="key renewed"), "op"))
    world.run_due()
    assert world.view(request_id)["status"] == "completed"
    assert world.stripe.asked == [], "nobody was erased"


def test_the_person_lifts_it_and_is_told_before(world: World) -> None:
    world.account("u1", ANN)
    request_id, key = restricted(world)
    world.run_due()
    end_by_person(world, request_id, key)
    assert holds(world, request_id), "not before the mail has gone"
    world.advance("PT5M")
    assert len(world.mailed("request_restriction_ends", ANN)) == 1
    assert not holds(world, request_id)
    assert world.view(request_id)["status"] == "withdrawn"
    assert told(world, request_id)[2:] == [("stripe", "restriction_lifted"), ("sendgrid", "restriction_lifted")]
    assert "restriction" not in may(world, user_id="u1")
    assert record(world, request_id).sealed is None, "nothing needs the addresses any more"
    end_by_person(world, request_id, key)


def test_a_merely_notified_address_cannot_lift_what_stands(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.advance("P30D")
    world.account("u1", ANN)
    request_id, _ = restricted(world)
    world.run_due()
    assert record(world, request_id).status == "completed"
    (notice,) = world.mailed("request_notice", "old@mail.test")
    token = notice["cancel_link"].partition("?t=")[2]
    with pytest.raises(Stale):
        requests.cancel(lambda: requests.with_cancel_link(world.services, request_id, token))
    assert holds(world, request_id)
    (own,) = world.mailed("request_verified", ANN)
    token = own["cancel_link"].partition("?t=")[2]
    requests.cancel(lambda: requests.with_cancel_link(world.services, request_id, token))
    world.advance("PT5M")
    assert not holds(world, request_id)


def test_it_is_not_lifted_while_nobody_could_be_told(world: World) -> None:
    world.account("u1", ANN)
    request_id, key = restricted(world)
    world.run_due()
    world.postman.trouble = TryAgain("sendgrid_500")
    end_by_person(world, request_id, key)
    world.advance("P1D")
    assert holds(world, request_id)
    world.postman.trouble = None
    world.advance("P1D")
    assert not holds(world, request_id)


def test_an_operator_lifts_it_with_reasons_three_days_after_the_mail(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = restricted(world)
    world.run_due()
    end_by_operator(world, request_id)
    world.advance("P2D")
    (mail,) = world.mailed("request_restriction_ends", ANN)
    assert (mail["reason"], mail["ends_at"]) == (REASON, world.clock.at + timedelta(days=1))
    assert holds(world, request_id)
    assert world.view(request_id)["ends_at"]
    with pytest.raises(Stale):
        end_by_operator(world, request_id)
    world.advance("P2D")
    assert not holds(world, request_id)
    assert world.view(request_id)["status"] == "denied"
    entries = [one.record for one in ledger.stream_of(world.services.store, request_id)]
    assert [one.sealed is not None for one in entries if one.kind == "restriction.announced_end"] == [True]
    assert all(REASON not in str(one.facts) for one in entries)


def test_one_told_while_it_ends_is_told_that_it_ended(world: World) -> None:
    world.account("u1", ANN)
    world.stripe.restricts = fails(TryAgain("stripe_500"))
    request_id, key = restricted(world)
    world.run_due()
    end_by_person(world, request_id, key)
    world.stripe.restricts = says("verified")
    world.advance("PT2H")
    assert world.stripe.told[-1][1] is True
    assert not holds(world, request_id)


def test_one_restriction_does_not_lift_another(world: World) -> None:
    world.account("u1", ANN)
    first, key = restricted(world)
    second, _ = restricted(world)
    world.run_due()
    end_by_person(world, first, key)
    world.advance("PT5M")
    assert not holds(world, first)
    assert holds(world, second)
    assert "restriction" in may(world, "marketing_email", email=ANN)


def test_a_request_that_waits_for_a_choice_is_cancelled_at_once(world: World) -> None:
    world.account("u1", ANN)
    world.account("u2", ANN)
    request_id, key = restricted(world)
    assert not holds(world, request_id)
    end_by_person(world, request_id, key)
    world.run_due()
    assert world.view(request_id)["status"] == "withdrawn"
    assert world.mailed("request_restriction_ends") == []


def test_only_the_account_that_was_chosen_is_restricted(world: World) -> None:
    world.account("u1", ANN)
    world.account("u2", ANN)
    request_id, key = restricted(world)
    requests.choose(world.services, request_id, key, [1])
    assert holds(world, request_id)
    assert "restriction" not in may(world, user_id="u2")


def test_an_erasure_ends_it_by_itself(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = restricted(world)
    world.run_due()
    world.confirm(ANN)
    assert record(world, request_id).closed_at is None, "until the erasure begins, it can be cancelled and this stands"
    world.advance("P3D")
    after = record(world, request_id)
    assert (after.status, after.sealed) == ("completed", None)
    assert after.closed_at is not None
    assert [lifted for _, lifted in world.stripe.told if lifted] == [], "the erasure's own steps tell them more"
    assert world.mailed("request_restriction_ends") == []


def test_a_cancelled_erasure_leaves_it_standing(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = restricted(world)
    world.run_due()
    erasure = world.confirm(ANN)
    end_by_person(world, erasure["request_id"], key_of(erasure))
    world.advance("P2D")
    assert holds(world, request_id)
    assert "restriction" in may(world, "marketing_email", email=ANN)


def test_every_step_of_it_may_run_twice(world: World) -> None:
    world.account("u1", ANN)
    request_id, key = restricted(world)
    world.run_due()
    end_by_person(world, request_id, key)
    end_by_person(world, request_id, key)
    world.advance("PT5M")
    assert len(world.mailed("request_restriction_ends", ANN)) == 1
    assert len([one for one in told(world, request_id) if one[1] == "restriction_lifted"]) == 2


def test_an_erasure_ends_a_restriction_of_last_year_that_stands_for_an_address_alone(world: World) -> None:
    world.clock.at = datetime(2026, 12, 20, 12, tzinfo=UTC)
    request_id, _ = restricted(world)
    world.advance("P30D")
    assert requests.Case.read(world.services, request_id).record.closed_at is None
    world.confirm(ANN)
    world.advance("P3D")
    case = requests.Case.read(world.services, request_id)
    assert (case.record.closed_at is not None, case.has_envelope) == (True, False)
