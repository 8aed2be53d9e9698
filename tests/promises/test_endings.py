"""§4: what ends by itself: told twice, kept by a link, looked at again, then erased within 14 days of the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared import ledger
from shared.case import Case
from shared.failures import BadInput, Missing, NeverRetry, Stale, TryAgain
from shared.ports import Standing
from shared.promises import deadlines, endings, operators, requests
from shared.promises.endings import Closed
from shared.promises.operators import Act
from shared.promises.requests import Asked
from shared.records import ALL_ATTENTION, EVIDENCE_OF_SUBJECT, Alias, Subject, Suppression
from shared.store import Query, Update
from shared.times import rfc3339
from tests.promises.endings import ScriptedSubscriptions, ended, endings_of, happens, subscriptions_of
from tests.promises.world import NOON, World

ANN = "ann@mail.test"
DAY = timedelta(days=1)


@pytest.fixture
def twin(world: World) -> ScriptedSubscriptions:
    twin = subscriptions_of(world)
    world.account("u1", ANN, stripe_customer_ids=["cus_1"])
    return twin


def attention_of(world: World) -> list[tuple[str, str | None]]:
    return [(one.record.kind, one.record.problem) for one in world.services.store.query(ALL_ATTENTION)]


def of_endings(world: World) -> list[tuple[str, str | None]]:
    return [each for each in attention_of(world) if each[0].startswith("ending_")]


def only(world: World) -> Any:
    (one,) = endings_of(world)
    return one


def link(world: World, to: str = ANN, template: str = "ending_first") -> str:
    return str(world.mailed(template, to)[-1]["keep_link"].partition("?t=")[2])


def closed(world: World, by: str = "person", user: str = "u1") -> dict[str, Any]:
    return endings.close_account(world.services, user, Closed(by=by))  # type: ignore[arg-type]


# --- the whole course ------------------------------------------------------------------------------------------------


def test_an_ended_subscription_is_told_on_the_day_and_a_week_later_and_erased_within_14_days(
    world: World, twin: ScriptedSubscriptions
) -> None:
    ended(world, twin)
    one = only(world)
    assert (one.record.channel, one.record.promise_by) == ("subscription_ended", NOON + 14 * DAY)
    assert [mail["to"] for mail in world.mailed("ending_first")] == [ANN]
    world.advance("P6DT23H")
    assert world.mailed("ending_again") == []
    world.advance("PT2H")
    assert [mail["to"] for mail in world.mailed("ending_again")] == [ANN]
    assert world.services.store.get(Subject, one.record.subjects[0]) is not None
    world.advance("P1D")
    assert world.services.store.get(Subject, one.record.subjects[0]) is None
    world.advance("P6D")
    shown = world.view(one.id)
    assert shown["promise"]["met"] is True
    assert shown["promise"]["ours_done_at"] <= rfc3339(NOON + 14 * DAY)
    assert [mail["to"] for mail in world.mailed("request_closing")] == [ANN]
    assert len(world.stripe.asked) == 1


def test_until_the_first_step_the_person_is_not_restricted_and_then_is(
    world: World, twin: ScriptedSubscriptions
) -> None:
    ended(world, twin)
    ref = only(world).record.subjects[0]
    world.advance("P7DT23H")
    subject = world.services.store.get(Subject, ref)
    assert subject is not None
    assert subject.record.restricted_by == []
    assert world.stripe.told == [], "nobody is told of a restriction that there is not"
    world.clock.at = NOON + 8 * DAY
    kinds = [one["template"] for one in world.postman.posted]
    endings_begin(world)
    after = only(world).record
    assert after.suppressed
    assert all(world.services.store.get(Suppression, one) for one in after.suppressed)
    restricted = world.services.store.get(Subject, ref)
    assert restricted is not None
    assert restricted.record.restricted_by == [only(world).id]
    assert "ending_again" in kinds


def endings_begin(world: World) -> None:
    """Run the item that begins, and nothing after it."""
    from functions.work import HANDLERS
    from shared import work

    due = next(one for one in work.due(world.services) if one.record.kind == endings.BEGIN)
    assert work.run(world.services, due.id, HANDLERS) == "done"


@pytest.mark.parametrize(
    "says",
    [
        Standing(going=1, ended_at=NOON),
        Standing(going=1),
        Standing(),
    ],
    ids=["another goes on", "it goes on", "there never was one"],
)
def test_an_end_that_stripe_does_not_confirm_counts_for_nothing(
    world: World, twin: ScriptedSubscriptions, says: Standing
) -> None:
    twin.says = says
    happens(world)
    world.run_due()
    assert len(twin.asked) == 1
    assert endings_of(world) == []


def test_a_customer_deleted_at_stripe_or_named_for_another_goes_to_a_person(
    world: World, twin: ScriptedSubscriptions
) -> None:
    twin.says = Standing(ended_at=NOON, unclear=1)
    happens(world)
    world.run_due()
    assert endings_of(world) == []
    assert attention_of(world) == [("ending_unclear", None)]


def test_what_a_person_was_to_look_at_of_an_account_goes_with_it(world: World, twin: ScriptedSubscriptions) -> None:
    twin.says = Standing(ended_at=NOON, unclear=1, addresses=["other@mail.test"])
    happens(world)
    happens(world, "customer.updated", id="evt_2", previous_attributes={"email": ANN})
    world.run_due()
    assert {kind for kind, _ in attention_of(world)} == {"ending_unclear", "stripe_email_changed"}
    world.confirm(ANN)
    world.advance("P2D")
    assert attention_of(world) == []


@pytest.mark.parametrize(
    ("ago", "counts_from"),
    [(timedelta(hours=5), timedelta(hours=5)), (3 * DAY, 3 * DAY), (4 * DAY, timedelta(0)), (-DAY, timedelta(0))],
    ids=["hours late", "as late as Stripe repeats", "later than that", "in the future"],
)
def test_the_14_days_run_from_the_end_or_from_when_we_heard_of_it(
    world: World, twin: ScriptedSubscriptions, ago: timedelta, counts_from: timedelta
) -> None:
    ended(world, twin, at=NOON - ago)
    assert only(world).record.promise_by == NOON - counts_from + 14 * DAY


def test_every_address_confirmed_lately_is_told_and_only_the_current_one_reads_what_was_done(
    world: World, twin: ScriptedSubscriptions
) -> None:
    world.advance("P30D")
    world.account("u1", "new@mail.test")
    ended(world, twin)
    assert {mail["to"] for mail in world.mailed("ending_first")} == {ANN, "new@mail.test"}
    world.advance("P14D")
    assert [mail["to"] for mail in world.mailed("request_closing")] == ["new@mail.test"]


def test_an_account_without_an_address_goes_to_a_person_and_on_its_way(
    world: World, twin: ScriptedSubscriptions
) -> None:
    from shared.promises import subjects

    subjects.link(world.services, subjects.Linked(user_id="u2", stripe_customer_ids=["cus_2"]))
    twin.says = Standing(ended_at=NOON)
    happens(world, customer="cus_2")
    world.run_due()
    assert attention_of(world) == [("ending_untold", None)]
    world.advance("P14D")
    assert world.view(only(world).id)["promise"]["met"] is True


# --- kept ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["ending_first", "ending_again"])
def test_the_link_of_either_mail_keeps_the_account_for_good(
    world: World, twin: ScriptedSubscriptions, template: str
) -> None:
    ended(world, twin)
    world.advance("P7DT1H")
    one = only(world)
    assert endings.keep(world.services, one.id, link(world, template=template)).record.status == "withdrawn"
    assert endings.keep(world.services, one.id, link(world, template=template)).record.status == "withdrawn"
    world.advance("P30D")
    assert len(world.mailed("ending_stopped", ANN)) == 1
    assert world.stripe.asked == world.sendgrid.asked == []
    happens(world, "customer.subscription.updated", id="evt_2")
    world.run_due()
    assert len(endings_of(world)) == 1, "the same end does not come back"
    entries = ledger.stream_of(world.services.store, one.id)
    assert [entry.record.facts for entry in entries if entry.record.kind == "withdrawn"] == [{"reason": "kept"}]


def test_a_kept_account_whose_next_subscription_ends_is_told_anew(world: World, twin: ScriptedSubscriptions) -> None:
    ended(world, twin)
    endings.keep(world.services, only(world).id, link(world))
    world.advance("P60D")
    ended(world, twin, id="evt_2")
    assert [one.record.status for one in endings_of(world)] == ["withdrawn", "verified"]


def test_once_it_has_begun_it_can_no_longer_be_kept(world: World, twin: ScriptedSubscriptions) -> None:
    ended(world, twin)
    world.advance("P9D")
    with pytest.raises(Stale):
        endings.keep(world.services, only(world).id, link(world))


def test_it_can_be_kept_between_the_breaker_and_the_first_step_and_nothing_stays_restricted(
    world: World, twin: ScriptedSubscriptions
) -> None:
    ended(world, twin)
    world.advance("P7DT23H")
    world.clock.at = NOON + 8 * DAY
    endings_begin(world)
    one = only(world)
    endings.keep(world.services, one.id, link(world))
    world.advance("P14D")
    subject = world.services.store.get(Subject, one.record.subjects[0])
    assert subject is not None
    assert subject.record.restricted_by == []
    assert not any(world.services.store.get(Suppression, key) for key in one.record.suppressed)


@pytest.mark.parametrize("token", [None, "", "guessed"])
def test_a_token_that_is_not_ours_keeps_nothing(world: World, twin: ScriptedSubscriptions, token: str | None) -> None:
    ended(world, twin)
    with pytest.raises(BadInput):
        endings.keep(world.services, only(world).id, token)
    assert only(world).record.status == "verified"


# --- what stops it ---------------------------------------------------------------------------------------------------


def back(world: World, twin: ScriptedSubscriptions) -> None:
    twin.says = Standing(going=1, ended_at=NOON)


def disputed(world: World, twin: ScriptedSubscriptions) -> None:
    twin.says = Standing(ended_at=NOON, disputes=1)


def asks(world: World, twin: ScriptedSubscriptions) -> None:
    world.ask(ANN)


def named_for_another(world: World, twin: ScriptedSubscriptions) -> None:
    twin.says = Standing(ended_at=NOON, unclear=1)


def linked_to_another(world: World, twin: ScriptedSubscriptions) -> None:
    world.account("u2", "bo@mail.test", stripe_customer_ids=["cus_1"])


def restricts(world: World, twin: ScriptedSubscriptions) -> None:
    stored = world.services.store.get(Subject, only(world).record.subjects[0])
    assert stored is not None
    stored.record.restricted_by.append("another")
    world.services.commit([Update(stored, stored.record)])


@pytest.mark.parametrize(
    ("change", "reason", "seen"),
    [
        (back, "subscription_back", None),
        (disputed, "dispute", ("ending_stopped", "dispute")),
        (asks, "open_request", ("ending_stopped", "open_request")),
        (restricts, "restricted", ("ending_stopped", "restricted")),
        (named_for_another, "unclear", ("ending_unclear", None)),
        (linked_to_another, "unclear", ("ending_unclear", None)),
    ],
)
@pytest.mark.parametrize("after", ["P1D", "P7DT12H"])
def test_what_speaks_against_it_stops_it_before_the_first_step(
    world: World, twin: ScriptedSubscriptions, change: Any, reason: str, seen: tuple[str, str | None] | None, after: str
) -> None:
    ended(world, twin)
    world.advance(after)
    change(world, twin)
    world.advance("P8D")
    one = only(world)
    assert one.record.status == "withdrawn"
    facts = [entry.record.facts for entry in ledger.stream_of(world.services.store, one.id)]
    assert {"reason": reason} in facts
    assert of_endings(world) == ([seen] if seen else [])
    assert world.services.store.get(Subject, one.record.subjects[0]) is not None


@pytest.mark.parametrize("says", [Standing(going=1), Standing(ended_at=NOON, unclear=1)])
def test_a_closed_account_is_erased_all_the_same_whatever_stripe_says(
    world: World, twin: ScriptedSubscriptions, says: Standing
) -> None:
    twin.says = says
    closed(world)
    world.advance("P14D")
    assert world.view(only(world).id)["promise"]["met"] is True


def test_while_stripe_cannot_answer_nothing_begins(world: World, twin: ScriptedSubscriptions) -> None:
    ended(world, twin)
    twin.trouble = TryAgain("stripe_unreachable")
    world.advance("P9D")
    assert only(world).record.begun_at is None
    assert world.mailed("ending_again") == []
    twin.trouble = None
    world.advance("P4D")
    assert world.mailed("ending_again")
    assert only(world).record.begun_at is not None


def test_where_the_first_mail_was_taken_the_first_step_waits_for_the_second_two_days_at_most(
    world: World, twin: ScriptedSubscriptions
) -> None:
    ended(world, twin)
    world.postman.trouble = TryAgain("sendgrid_unreachable")
    world.advance("P9DT12H")
    assert only(world).record.begun_at is None
    world.advance("P1D")
    one = only(world)
    assert one.record.begun_at is not None
    dropped = {id for id, mailing in one.record.mails.items() if mailing.status == "dropped"}
    assert {one.record.mails[id].template for id in dropped} == {"ending_again"}
    assert {facts["mail"] for facts in noted(world, "mail.dropped")} == dropped
    assert of_endings(world) == [], "somebody was told"


def test_an_erasure_the_person_asks_for_overtakes_it_and_no_mail_follows(
    world: World, twin: ScriptedSubscriptions
) -> None:
    ended(world, twin)
    world.advance("P1D")
    asked = world.confirm(ANN)
    world.advance("P14D")
    assert only(world).record.status == "withdrawn"
    assert not only(world).record.sealed, "its own copy of the address goes too"
    assert world.mailed("ending_again") == world.mailed("ending_stopped") == []
    assert world.view(asked["request_id"])["promise"]["met"] is True


# --- told before it begins --------------------------------------------------------------------------------------------


OUTAGE = TryAgain("sendgrid_unreachable")
UNHEARD = ("ending_unheard", None)


def noted(world: World, kind: str) -> list[dict[str, Any]]:
    entries = ledger.stream_of(world.services.store, only(world).id)
    return [entry.record.facts for entry in entries if entry.record.kind == kind]


def unheard(world: World, twin: ScriptedSubscriptions, outage: str) -> None:
    """Let it end while no mail is taken, for so long."""
    world.postman.trouble = OUTAGE
    ended(world, twin)
    world.advance(outage)


def test_while_no_mail_of_it_was_taken_nothing_begins_and_a_person_is_shown_it_once(
    world: World, twin: ScriptedSubscriptions
) -> None:
    unheard(world, twin, "P7DT23H")
    assert of_endings(world) == []
    world.advance("P5D")
    deadlines.watch(world.services)
    one = only(world).record
    assert (one.status, one.begun_at, one.chosen_at) == ("verified", None, None)
    assert {mailing.status for mailing in one.mails.values()} == {"queued"}
    assert of_endings(world) == [UNHEARD]
    assert ("deadline_near", "2_days_left") in attention_of(world), "the clocks run"
    (shown,) = [each for each in world.services.store.query(ALL_ATTENTION) if each.record.kind == "ending_unheard"]
    assert shown.record.since == NOON + 8 * DAY, "raised once, and not each day anew"
    assert noted(world, "ending.waits") == [{"reason": "nobody_told"}]


@pytest.mark.parametrize("outage", ["P8DT1H", "P9DT13H", "P12D", "P20DT5H"])
def test_once_a_mail_was_taken_it_names_a_day_that_is_not_over_and_can_be_answered_for_20_hours(
    world: World, twin: ScriptedSubscriptions, outage: str
) -> None:
    unheard(world, twin, outage)
    world.postman.trouble = None
    world.advance("PT6H")
    mails = [mail for mail in world.postman.posted if mail["template"].startswith("ending_")]
    assert {mail["template"] for mail in mails} == {"ending_first", "ending_again"}
    told_at = min(mailing.at for mailing in only(world).record.mails.values())
    assert all(mail["begins_at"] >= told_at + timedelta(hours=20) for mail in mails)
    assert UNHEARD not in attention_of(world)
    world.clock.at = max(world.clock.at, told_at + timedelta(hours=19, minutes=59))
    world.run_due()
    assert only(world).record.begun_at is None
    world.advance("P1DT1H")
    assert only(world).record.begun_at is not None


def test_an_account_kept_after_the_outage_stays(world: World, twin: ScriptedSubscriptions) -> None:
    unheard(world, twin, "P12D")
    world.postman.trouble = None
    world.advance("PT12H")
    endings.keep(world.services, only(world).id, link(world))
    world.advance("P30D")
    assert only(world).record.status == "withdrawn"
    assert [mail["to"] for mail in world.mailed("ending_stopped")] == [ANN]
    assert world.stripe.asked == []


@pytest.mark.parametrize(
    ("status", "evidence", "begins"),
    [
        ("queued", None, False),
        ("failed", None, False),
        ("dropped", None, False),
        ("sent", "message", True),
        ("deferred", "message", True),
        ("delivered", "message", True),
        ("delivered", None, True),
        ("bounced", "message", True),
        ("blocked", "message", True),
        ("dropped", "message", True),
    ],
)
@pytest.mark.parametrize("template", ["ending_first", "ending_again"])
def test_one_mail_that_was_taken_is_enough_and_one_that_came_back_was_taken(
    world: World, twin: ScriptedSubscriptions, template: str, status: Any, evidence: str | None, begins: bool
) -> None:
    unheard(world, twin, "P7DT1H")
    case = Case.read(world.services, only(world).id)
    (mail_id,) = [id for id, mailing in case.record.mails.items() if mailing.template == template]
    case.mailing(mail_id, status=status, evidence=evidence)
    case.commit()
    world.advance("P5D")
    assert (only(world).record.begun_at is not None) is begins
    assert (UNHEARD in attention_of(world)) is not begins


def test_mails_that_the_mail_service_refused_for_good_are_asked_for_again(
    world: World, twin: ScriptedSubscriptions
) -> None:
    world.postman.trouble = NeverRetry("sendgrid_401")
    ended(world, twin)
    world.advance("P23D")
    mails = [(mailing.template, mailing.status) for mailing in only(world).record.mails.values()]
    assert mails == [("ending_first", "failed"), ("ending_again", "failed"), ("ending_again", "queued")]
    world.postman.trouble = None
    world.advance("P2D")
    assert world.mailed("ending_again", ANN)
    assert only(world).record.begun_at is not None


def test_of_what_nobody_was_told_a_person_may_decide_and_it_leaves_the_list(
    world: World, twin: ScriptedSubscriptions
) -> None:
    unheard(world, twin, "P9D")
    operators.act(world.services, only(world).id, operators.deny(Act(reason="Written to by post."), "ola"))
    assert of_endings(world) == []
    world.advance("P10D")
    assert only(world).record.begun_at is None


def test_whom_no_mail_told_of_it_is_not_told_that_it_stopped(world: World, twin: ScriptedSubscriptions) -> None:
    unheard(world, twin, "P6D")
    back(world, twin)
    world.advance("P2D")
    world.postman.trouble = None
    world.advance("P2D")
    assert only(world).record.status == "withdrawn"
    assert [mail["template"] for mail in world.postman.posted] == []


# --- closed by the website -------------------------------------------------------------------------------------------


def test_what_a_person_closed_is_erased_within_14_days_and_saying_it_again_answers_the_same(
    world: World, twin: ScriptedSubscriptions
) -> None:
    first = closed(world)
    assert first == closed(world) == {"user_id": "u1", "by": "person", "request_id": only(world).id}
    world.advance("P14D")
    assert world.view(first["request_id"])["promise"]["met"] is True
    with pytest.raises(Missing):
        closed(world)


@pytest.mark.parametrize("by", ["staff", "merge"])
def test_what_staff_closed_or_merged_is_evidence_and_nothing_more(
    world: World, twin: ScriptedSubscriptions, by: str
) -> None:
    assert closed(world, by) == closed(world, by) == {"user_id": "u1", "by": by}
    assert endings_of(world) == []
    (subject,) = world.services.store.query(Query(Subject))
    entries = world.services.store.query(EVIDENCE_OF_SUBJECT, subject.id)
    assert [(one.record.kind, one.record.facts) for one in entries] == [("account_closed", {"by": by})]


def test_closing_an_account_whose_subscription_ended_goes_on_with_the_same_and_no_subscription_stops_it(
    world: World, twin: ScriptedSubscriptions
) -> None:
    ended(world, twin)
    world.advance("P2D")
    assert closed(world)["request_id"] == only(world).id
    twin.says = Standing(going=1)
    world.advance("P12D")
    assert world.view(only(world).id)["promise"]["met"] is True


def test_closing_an_account_that_is_being_erased_names_that_request(world: World, twin: ScriptedSubscriptions) -> None:
    asked = world.confirm(ANN)
    assert closed(world)["request_id"] == asked["request_id"]
    assert endings_of(world) == []


def test_an_account_kept_after_its_closing_is_shown_to_a_person(world: World, twin: ScriptedSubscriptions) -> None:
    closed(world)
    world.run_due()
    endings.keep(world.services, only(world).id, link(world))
    assert ("ending_stopped", "kept") in attention_of(world)


@pytest.mark.parametrize("user", ["", ".", "a/b"])
def test_a_user_id_that_is_none_is_refused(world: World, user: str) -> None:
    with pytest.raises(BadInput):
        closed(world, user=user)


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_customer_of_two_accounts_counts_for_neither(world: World, twin: ScriptedSubscriptions) -> None:
    world.account("u2", "bo@mail.test", stripe_customer_ids=["cus_1", "cus_2"])
    ended(world, twin)
    assert attention_of(world) == [("stripe_customer_shared", None)]
    happens(world, customer="cus_2", id="evt_2")
    world.run_due()
    assert endings_of(world) == []
    assert ("ending_unclear", None) in attention_of(world)


def test_an_erasure_takes_the_customers_link_along_and_leaves_another_accounts(
    world: World, twin: ScriptedSubscriptions
) -> None:
    world.account("u2", "bo@mail.test", stripe_customer_ids=["cus_1"])
    asked = Asked(user_id="u1", verified=True, auth_time=world.clock.at, right="erasure")
    requests.open_request(world.services, asked, server=True)
    world.advance("P3D")
    refs = {link.ref for alias in world.services.store.query(Query(Alias)) for link in alias.record.links}
    assert refs == {one.id for one in world.services.store.query(Query(Subject))}
    assert len(refs) == 1
