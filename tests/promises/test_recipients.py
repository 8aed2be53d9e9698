"""§9: whoever got a person's data is told of a restriction, once, and the person sees who was."""

from __future__ import annotations

from shared import ledger
from shared.failures import NeverRetry, TryAgain
from shared.promises import requests
from shared.records import ALL_ATTENTION
from tests.promises.world import World, fails, says


def verified(world: World) -> tuple[str, str]:
    """Have somebody ask for deletion and prove the mailbox; return the request's id and the private key."""
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    return answer["request_id"], answer["status_url"].split("key=")[1]


def told(world: World, request_id: str) -> list[tuple[str, str, str]]:
    return [(one["subprocessor"], one["what"], one["outcome"]) for one in world.view(request_id).get("told", [])]


def test_on_verification_every_recipient_is_told_to_keep_still(world: World) -> None:
    request_id, _ = verified(world)
    world.run_due()
    assert told(world, request_id) == [("stripe", "restriction", "accepted"), ("sendgrid", "restriction", "accepted")]
    ((person, lifted),) = world.stripe.told
    assert (person.addresses, person.known[0].user_id, lifted) == (["ann@mail.test"], "u1", False)


def test_a_cancelled_request_tells_them_that_it_no_longer_holds(world: World) -> None:
    request_id, key = verified(world)
    world.run_due()
    requests.cancel(lambda: requests.with_key(world.services, request_id, key))
    world.run_due()
    assert [one for one in told(world, request_id) if one[1] == "restriction_lifted"] == [
        ("stripe", "restriction_lifted", "accepted"),
        ("sendgrid", "restriction_lifted", "accepted"),
    ]
    assert [lifted for _, lifted in world.stripe.told] == [False, True]


def test_one_that_is_down_does_not_keep_the_others_from_being_told_and_is_told_later(world: World) -> None:
    world.stripe.restricts = fails(TryAgain("stripe_500"))
    request_id, _ = verified(world)
    world.run_due()
    assert told(world, request_id) == [("sendgrid", "restriction", "accepted")]
    world.stripe.restricts = says("no_store")
    world.advance("PT2H")
    assert told(world, request_id)[-1] == ("stripe", "restriction", "no_store")
    assert len(world.sendgrid.told) == 1


def test_one_that_refuses_comes_to_a_person(world: World) -> None:
    world.sendgrid.restricts = fails(NeverRetry("sendgrid_403"))
    request_id, _ = verified(world)
    world.run_due()
    assert told(world, request_id) == [("stripe", "restriction", "accepted")]
    problems = [one.record.problem for one in world.services.store.query(ALL_ATTENTION)]
    assert "recipients.tell:sendgrid_403" in problems


def test_once_the_erasure_has_begun_its_own_steps_tell_them(world: World) -> None:
    world.stripe.restricts = fails(TryAgain("stripe_500"))
    request_id, _ = verified(world)
    world.advance("P2D")
    world.stripe.restricts = says("accepted")
    world.advance("P1D")
    assert [one for one in told(world, request_id) if one[0] == "stripe"] == []
    assert world.stripe.asked


def test_every_answer_is_evidence(world: World) -> None:
    request_id, _ = verified(world)
    world.run_due()
    kinds = [entry.record.kind for entry in ledger.stream_of(world.services.store, request_id)]
    assert kinds.count("recipient.told") == 2
