from __future__ import annotations

from collections.abc import Callable

import pytest

from shared import throttle
from shared.failures import BadInput, Missing, Stale
from shared.identity import suppression
from shared.promises import confirmations, evidence, objections, people, receipts, retention, subjects
from shared.promises.processing import Whom, decide
from shared.promises.subjects import Linked
from shared.records import Pending, Suppression
from shared.store import Query
from tests.promises.world import World

DEVICE, EMAIL, NEW, USER, MAIL = "device-0001", "ann@mail.test", "ann@new.test", "u1", "marketing_email"
YES = {MAIL: True, "ads": True, "analytics": True}


def current(world: World, *names: str, gpc: bool = False) -> dict[str, object]:
    return receipts.current(world.services, world.services.policies.current(), DEVICE, names or None, gpc=gpc)


def token_mailed(world: World) -> str:
    world.run_due()
    return str(world.mailed("consent_confirm")[-1]["link"].partition("?t=")[2])


def test_mail_consent_from_a_browser_waits_for_the_mailbox(world: World) -> None:
    answer = world.decide({"marketing_email": True}, device_id=DEVICE, email="ann@mail.test")
    assert answer["pending"] == ["marketing_email"]
    assert current(world) == {"decisions": {"marketing_email": False}, "needs_prompt": False, "reasons": ["pending"]}
    token = token_mailed(world)
    published = world.services.policies.current()
    first = confirmations.confirm(world.services, published, token)
    assert confirmations.confirm(world.services, published, token) == first
    assert current(world)["decisions"] == {"marketing_email": True}
    assert evidence.check(world.services)["intact"] is True


def test_an_unconfirmed_mail_consent_is_forgotten_after_seven_days(world: World) -> None:
    answer = world.decide({"marketing_email": True}, email="ann@mail.test")
    token = token_mailed(world)
    world.advance("P8D")
    with pytest.raises(Stale):
        confirmations.confirm(world.services, world.services.policies.current(), token)
    retention.expire(world.services)
    with pytest.raises(BadInput):
        confirmations.confirm(world.services, world.services.policies.current(), token)
    with pytest.raises(Missing):
        receipts.receipt(world.services, answer["receipt_id"])


def test_the_evidence_of_a_confirmed_mail_consent_outlives_its_confirmation_record(world: World) -> None:
    answer = world.decide({"marketing_email": True}, email="ann@mail.test")
    confirmations.confirm(world.services, world.services.policies.current(), token_mailed(world))
    world.advance("P60D")
    retention.expire(world.services)
    assert receipts.receipt(world.services, answer["receipt_id"])["events"][0]["purposes"] == ["marketing_email"]


def test_no_needs_no_proof_and_a_confirmed_yes_lifts_it(world: World) -> None:
    world.decide({"marketing_email": False}, email="Ann+news@Mail.test")
    key = suppression(world.services.vault, "ann@mail.test", "marketing_email")
    assert world.services.store.get(Suppression, key) is not None
    world.decide({"marketing_email": True}, email="ann@mail.test")
    assert world.services.store.get(Suppression, key) is not None, "a yes that nobody confirmed lifts nothing"
    confirmations.confirm(world.services, world.services.policies.current(), token_mailed(world))
    assert world.services.store.get(Suppression, key) is None


# --- somebody signed in, whose mailbox said no -------------------------------------------------------------------------


def reasons(world: World, purpose: str = MAIL, **who: str) -> list[str]:
    return list(decide(world.services, world.services.policies.current(), Whom(**who), purpose).reasons)


def confirm(world: World) -> dict[str, object]:
    return confirmations.confirm(world.services, world.services.policies.current(), token_mailed(world))


def signed_in_says(world: World, decisions: dict[str, bool], **who: str) -> list[str]:
    """Decide as the website's server does; return what the mailbox is asked to confirm."""
    answer = world.decide(decisions, server=True, user_id=USER, **who)
    assert (answer["decisions"], answer["pending"]) == (decisions, []), "it stands at once"
    waiting = [one.record for one in world.services.store.query(Query(Pending))]
    return [name for one in waiting if one.receipt == answer["receipt_id"] for name in one.purposes]


def said_nothing(world: World) -> None:
    world.account(USER, EMAIL)


def objected(world: World) -> None:
    world.account(USER, EMAIL)
    world.ask(EMAIL, "objection")


def unsubscribed(world: World) -> None:
    world.account(USER, EMAIL)
    world.services.commit(objections.stop(world.services, EMAIL, [MAIL], "withdrawn", "test"))


def refused_before(world: World) -> None:
    world.account(USER, EMAIL)
    signed_in_says(world, {MAIL: False})


def objected_before_it_moved(world: World) -> None:
    objected(world)
    world.account(USER, NEW)


def objected_where_it_left(world: World) -> None:
    world.account(USER, EMAIL)
    world.account(USER, NEW)
    world.ask(EMAIL, "objection")
    world.run_due()


def objected_unverified(world: World) -> None:
    subjects.link(world.services, Linked(user_id=USER, email=EMAIL))
    world.ask(EMAIL, "objection")


def is_being_erased(world: World) -> None:
    world.account(USER, EMAIL)
    world.confirm(EMAIL)


@pytest.mark.parametrize(
    ("happened", "purposes", "asked"),
    [
        (said_nothing, [], None),
        (objected, [MAIL, "ads"], EMAIL),
        (unsubscribed, [MAIL], EMAIL),
        (refused_before, [MAIL], EMAIL),
        (objected_before_it_moved, [MAIL, "ads"], NEW),
        (objected_where_it_left, [MAIL, "ads"], NEW),
        (objected_unverified, [MAIL, "ads"], EMAIL),
        # what a request stops while it runs is nobody's word, and no yes ends it
        (is_being_erased, [], None),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_a_yes_of_somebody_signed_in_has_the_mailbox_asked_that_said_no(
    world: World, happened: Callable[[World], None], purposes: list[str], asked: str | None
) -> None:
    happened(world)
    assert signed_in_says(world, YES) == purposes
    world.run_due()
    assert [one["to"] for one in world.mailed("consent_confirm")] == ([asked] if asked else [])
    assert evidence.check(world.services)["intact"] is True


@pytest.mark.parametrize(
    "happened", [objected, unsubscribed, refused_before, objected_before_it_moved, objected_where_it_left]
)
def test_that_no_ends_once_the_mailbox_confirms_the_yes_and_not_before(
    world: World, happened: Callable[[World], None]
) -> None:
    happened(world)
    before = [reasons(world, name, user_id=USER) for name in signed_in_says(world, YES)]
    assert before
    assert all({"objection", "suppressed"} & {*one} for one in before)
    assert reasons(world, "analytics", user_id=USER) == []
    confirm(world)
    assert [reasons(world, name, user_id=USER) for name in YES] == [[], [], []]
    assert signed_in_says(world, YES) == [], "nothing is stopped any more"
    assert evidence.check(world.services)["intact"] is True


def test_its_receipt_says_given_and_then_that_the_mailbox_confirmed(world: World) -> None:
    objected(world)
    answer = world.decide({MAIL: True}, server=True, user_id=USER, email=EMAIL)
    receipt = receipts.receipt(world.services, answer["receipt_id"])
    assert (receipt["receipt"]["purposes"], receipt["events"]) == ({MAIL: "given"}, [])
    confirm(world)
    (event,) = receipts.receipt(world.services, answer["receipt_id"])["events"]
    assert event["purposes"] == [MAIL]


def test_a_device_that_decided_with_the_account_hears_of_it_too(world: World) -> None:
    objected(world)
    assert signed_in_says(world, YES, device_id=DEVICE) == [MAIL, "ads"]
    assert reasons(world, "ads", user_id=USER) == ["objection"]
    confirm(world)
    assert reasons(world, "ads", device_id=DEVICE) == reasons(world, "ads", user_id=USER) == []


def test_a_no_that_was_said_meanwhile_is_not_undone_by_confirming(world: World) -> None:
    objected(world)
    signed_in_says(world, {MAIL: True})
    token = token_mailed(world)
    signed_in_says(world, {MAIL: False})
    confirmations.confirm(world.services, world.services.policies.current(), token)
    found = people.by_user(world.services, USER)
    assert found is not None
    assert found.stored.record.decisions[MAIL].granted is False


def test_nobody_confirms_and_the_evidence_of_the_account_stays(world: World) -> None:
    objected(world)
    answer = world.decide({MAIL: True}, server=True, user_id=USER)
    world.advance("P30D")
    retention.expire(world.services)
    assert world.services.store.query(Query(Pending)) == []
    assert receipts.receipt(world.services, answer["receipt_id"])["receipt"]["purposes"] == {MAIL: "given"}
    assert "objection" in reasons(world, user_id=USER)


def test_a_repeat_of_it_with_its_key_asks_the_mailbox_once(world: World) -> None:
    objected(world)
    both = [world.decide({MAIL: True}, server=True, key="once", user_id=USER) for _ in range(2)]
    assert both[0] == both[1]
    world.run_due()
    assert len(world.mailed("consent_confirm")) == 1


def test_a_mailbox_that_said_no_is_not_flooded_by_its_account(world: World) -> None:
    unsubscribed(world)
    for _ in range(throttle.MOST_AN_HOUR):
        signed_in_says(world, {MAIL: True})
    assert signed_in_says(world, {MAIL: True}) == [], "it is recorded, and the no stands on"
    world.run_due()
    assert len(world.mailed("consent_confirm")) == throttle.MOST_AN_HOUR
    assert signed_in_says(world, {MAIL: False}) == []
