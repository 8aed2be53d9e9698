"""§5.2, §6: objections and other stops, from their first second until a later yes, as stories over real records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared import ledger, throttle
from shared.case import Case
from shared.failures import BadInput, Stale, TooMany
from shared.promises import confirmations, objections, operators, people, requests, subjects
from shared.promises.operators import Act, Entered, Verification
from shared.promises.processing import Whom, decide
from shared.promises.requests import Asked
from shared.promises.statement import view_unproven
from shared.promises.subjects import Linked
from shared.records import Attention, Suppression, Telling, Work
from shared.store import Query
from tests.promises.world import World

EMAIL, USER, MAIL = "ann@mail.test", "u1", "marketing_email"
TELLINGS = Query(Telling)
SUPPRESSIONS = Query(Suppression)


def file(world: World, email: str = EMAIL, **more: Any) -> dict[str, Any]:
    asked = Asked(right="objection", email=email, **more)
    return requests.open_request(world.services, asked, server=False)


def stop(world: World, *purposes: str, email: str = EMAIL, reason: objections.Reason = "withdrawn") -> int:
    changes = objections.stop(world.services, email, purposes, reason, "test")
    world.services.commit(changes)
    return len(changes)


def reasons(world: World, purpose: str, **who: str) -> list[str]:
    whom = Whom(**who) if who else Whom(email=EMAIL)
    return list(decide(world.services, world.services.policies.current(), whom, purpose).reasons)


def say_yes(world: World, *purposes: str) -> None:
    world.decide(dict.fromkeys(purposes, True), email=EMAIL)
    world.run_due()
    link = world.mailed("consent_confirm", EMAIL)[-1]["link"]
    confirmations.confirm(world.services, world.services.policies.current(), link.partition("?t=")[2])


def standing(world: World) -> dict[str, list[str]]:
    return {name: one.except_for for name, one in objections.stopped(world.services, EMAIL).items()}


def attention(world: World) -> list[str]:
    return [one.record.kind for one in world.services.store.query(Query(Attention))]


# --- stops --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "purposes", "after"),
    [
        ([], ["marketing"], {"marketing": []}),
        ([], [MAIL], {MAIL: []}),
        ([], [MAIL, "ads"], {MAIL: [], "ads": []}),
        ([MAIL], ["marketing"], {MAIL: [], "marketing": []}),
        (["marketing"], [MAIL], {"marketing": [], MAIL: []}),
    ],
)
def test_a_stop_is_added_to_what_stands(
    world: World, before: list[str], purposes: list[str], after: dict[str, list[str]]
) -> None:
    assert not before or stop(world, *before)
    assert stop(world, *purposes)
    assert standing(world) == after


def test_stopping_what_is_stopped_changes_nothing(world: World) -> None:
    assert stop(world, "marketing", MAIL)
    assert stop(world, MAIL) == stop(world, "marketing") == stop(world) == 0


def test_a_stop_counts_however_the_address_is_written(world: World) -> None:
    stop(world, "marketing", email="a.nn+shop@gmail.com")
    assert objections.stopped(world.services, "ANN@googlemail.com".lower()).keys() == {"marketing"}
    assert objections.stopped(world.services, "anne@gmail.com") == {}


def test_vendors_hear_of_a_no_from_each_way_the_address_is_written(world: World) -> None:
    stop(world, "marketing", email="ann+shop@mail.test")
    assert stop(world, "marketing", email=EMAIL)
    assert stop(world, "marketing", email=EMAIL) == stop(world, "marketing", email="ann+shop@mail.test") == 0
    world.run_due()
    assert {one.address for one in world.sendgrid.silenced} == {"ann+shop@mail.test", EMAIL}


def test_the_evidence_of_a_stop_names_no_address(world: World) -> None:
    stop(world, MAIL)
    (telling,) = world.services.store.query(TELLINGS)
    (entry,) = ledger.stream_of(world.services.store, telling.id)
    assert (entry.record.kind, entry.record.facts["via"], entry.record.facts["purposes"]) == (
        "withdrawn",
        "test",
        [MAIL],
    )
    assert "ann" not in str(entry.record.facts)


def test_what_a_request_stops_while_it_runs_is_nobodys_choice(world: World) -> None:
    world.account(USER, EMAIL)
    world.confirm(EMAIL)
    assert objections.stopped(world.services, EMAIL) == {}
    assert reasons(world, MAIL) == ["no_consent", "erasure"]


# --- a yes again --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "yes", "after"),
    [
        ([MAIL], [MAIL], {}),
        (["ads", MAIL], [MAIL], {"ads": []}),
        (["marketing"], [MAIL], {"marketing": [MAIL]}),
        (["marketing", MAIL], [MAIL], {"marketing": [MAIL]}),
        (["marketing"], [MAIL, "ads"], {"marketing": [MAIL, "ads"]}),
        (["ads"], [MAIL], {"ads": []}),
        ([], [MAIL], {}),
    ],
)
def test_a_confirmed_yes_lifts_what_it_says_yes_to_and_nothing_else(
    world: World, before: list[str], yes: list[str], after: dict[str, list[str]]
) -> None:
    assert not before or stop(world, *before)
    say_yes(world, *yes)
    assert standing(world) == after
    assert all(reasons(world, name) == [] for name in yes)


def test_an_objection_to_all_marketing_stands_for_the_rest_and_may_be_said_again(world: World) -> None:
    world.account(USER, EMAIL)
    world.decide({"ads": True, MAIL: True}, server=True, user_id=USER)
    file(world)
    say_yes(world, MAIL)
    assert reasons(world, MAIL) == []
    assert reasons(world, "ads", user_id=USER) == ["objection"]
    assert stop(world, "marketing", reason="objection")
    assert reasons(world, MAIL) == ["objection"]


def test_a_yes_that_nobody_confirmed_lifts_nothing(world: World) -> None:
    file(world)
    world.decide({MAIL: True}, device_id="device-0001", email=EMAIL)
    assert reasons(world, MAIL) == ["pending", "objection"]


# --- a request ----------------------------------------------------------------------------------------------------------


def test_an_objection_acts_in_the_commit_that_takes_it(world: World) -> None:
    world.account(USER, EMAIL)
    world.decide({MAIL: True, "ads": True}, server=True, user_id=USER)
    assert reasons(world, MAIL) == []
    answer = file(world)
    assert answer["status"] == "in_progress"
    assert reasons(world, MAIL) == reasons(world, "ads", user_id=USER) == ["objection"]
    assert reasons(world, "service_mail") == []


@pytest.mark.parametrize("scope", [None, "marketing", MAIL, "ads"])
def test_an_objection_to_marketing_ends_by_itself_once_vendors_were_told(world: World, scope: str | None) -> None:
    request_id = file(world, scope=scope)["request_id"]
    world.run_due()
    record = Case.read(world.services, request_id).record
    assert (record.status, record.open) == ("completed", False)
    assert [(one.subprocessor, one.what) for one in record.told] == [("sendgrid", "objection")]
    assert objections.stopped(world.services, EMAIL).keys() == {scope or "marketing"}
    assert world.services.store.query(TELLINGS) == []
    assert not Case.read(world.services, request_id).has_envelope


def test_who_filed_it_is_shown_that_it_was_taken_and_no_more(world: World) -> None:
    request_id = file(world)["request_id"]
    seen = [view_unproven(Case.read(world.services, request_id))]
    world.run_due()
    seen.append(view_unproven(Case.read(world.services, request_id)))
    assert [one["status"] for one in seen] == ["in_progress", "completed"]
    assert all(one["steps"] == [] and "told" not in one for one in seen)


def test_it_is_the_same_for_somebody_known_and_for_somebody_who_objected_before(world: World) -> None:
    world.account(USER, EMAIL)
    file(world)
    world.run_due()
    again, stranger = file(world), file(world, "nobody@mail.test")
    assert again.keys() == stranger.keys()
    assert again["status"] == stranger["status"] == "in_progress"
    world.run_due()
    records = [Case.read(world.services, one["request_id"]).record for one in (again, stranger)]
    assert [(one.status, len(one.told), len(one.mails)) for one in records] == [("completed", 1, 1)] * 2


def test_one_mail_tells_the_mailbox_what_was_stopped(world: World) -> None:
    file(world)
    file(world, "bob@mail.test", scope=MAIL)
    world.run_due()
    assert [one["title"] for one in world.mailed("objection_stopped", EMAIL)] == [None]
    assert [one["title"] for one in world.mailed("objection_stopped", "bob@mail.test")] == ["News and offers by e-mail"]
    assert world.mailed("request_confirm") == []


@pytest.mark.parametrize("scope", ["none", "", "Marketing", "marketing ", "*", "erasure"])
def test_a_scope_that_is_no_purpose_is_refused_by_its_field(world: World, scope: str) -> None:
    if not scope:
        assert file(world, scope=scope)["status"] == "in_progress", "empty is as good as absent"
        return
    with pytest.raises(BadInput) as refusal:
        file(world, scope=scope)
    assert refusal.value.field == "scope"
    assert world.services.store.query(SUPPRESSIONS) == []


def test_a_no_is_taken_even_from_an_address_whose_places_are_used_up(world: World) -> None:
    for _ in range(throttle.MOST_AN_HOUR):
        world.ask(EMAIL)
    with pytest.raises(TooMany):
        world.ask(EMAIL)
    assert file(world)["status"] == "in_progress"
    assert reasons(world, MAIL) == ["objection", "unknown_subject"]
    world.run_due()
    assert world.mailed("objection_stopped") == [], "but nobody is flooded with mails"


def test_an_objection_is_confirmed_by_nobody_and_cancelled_by_nobody(world: World) -> None:
    request_id = file(world)["request_id"]
    case = Case.read(world.services, request_id)
    assert {key.opens for key in case.record.keys.values()} == {"waiting"}
    with pytest.raises(Stale):
        requests.refuse_cancel(case)


# --- by the website's server, and by a person -------------------------------------------------------------------------


def signed_in(world: World, **more: Any) -> dict[str, Any]:
    asked = Asked(right="objection", user_id=USER, verified=True, auth_time=world.clock.at, **more)
    return requests.open_request(world.services, asked, server=True)


def test_somebody_signed_in_objects_for_every_address_of_the_account(world: World) -> None:
    world.account(USER, "ann@old.test")
    world.account(USER, EMAIL)
    world.decide({MAIL: True}, server=True, user_id=USER)
    assert signed_in(world).keys() == {"request_id", "status"}
    for email in ("ann@old.test", EMAIL):
        assert objections.stopped(world.services, email).keys() == {"marketing"}
    assert "objection" in reasons(world, MAIL, user_id=USER)
    world.run_due()
    assert [one["to"] for one in world.mailed("objection_stopped")] == [EMAIL]


def test_an_account_that_objected_stays_stopped_when_its_address_changes(world: World) -> None:
    world.account(USER, EMAIL)
    world.decide({MAIL: True}, server=True, user_id=USER)
    signed_in(world)
    world.account(USER, "ann@new.test")
    assert reasons(world, MAIL, user_id=USER) == ["no_consent", "objection"]
    assert reasons(world, MAIL, email="ann@new.test") == ["no_consent", "objection"]


def test_a_no_of_any_kind_goes_along_to_a_new_address_and_vendors_hear_of_it(world: World) -> None:
    world.account(USER, EMAIL)
    world.decide({MAIL: True, "ads": True}, server=True, user_id=USER)
    stop(world, MAIL)
    stop(world, "marketing", reason="objection")
    world.run_due()
    world.account(USER, "ann@new.test")
    world.run_due()
    carried = objections.stopped(world.services, "ann@new.test")
    assert {name: one.reason for name, one in carried.items()} == {MAIL: "withdrawn", "marketing": "objection"}
    assert reasons(world, "ads", user_id=USER) == ["objection"]
    assert world.sendgrid.silenced[-1].address == "ann@new.test"
    assert world.services.store.query(TELLINGS) == []


def told(world: World) -> set[str]:
    return {one.address for one in world.sendgrid.silenced}


def by_request(world: World, email: str) -> None:
    file(world, email)


def by_link(world: World, email: str) -> None:
    stop(world, "marketing", email=email, reason="objection")


def on_a_page(world: World, email: str) -> None:
    world.decide({MAIL: False}, device_id="device-0001", email=email)


@pytest.mark.parametrize("say_no", [by_request, by_link, on_a_page])
def test_a_no_at_an_address_somebody_has_left_moves_along_and_vendors_hear_of_both(
    world: World, say_no: Callable[[World, str], None]
) -> None:
    world.account(USER, "ann@old.test")
    world.account(USER, EMAIL)
    say_no(world, "ann@old.test")
    world.run_due()
    assert objections.stopped(world.services, EMAIL).keys() == objections.stopped(world.services, "ann@old.test").keys()
    assert told(world) == {"ann@old.test", EMAIL}
    assert world.mailed("objection_stopped", EMAIL) == [], "who filed it may be anybody"
    say_yes(world, MAIL)
    assert MAIL not in objections.stopped(world.services, EMAIL), "a later yes of the present mailbox ends it there"
    say_no(world, "ann@old.test")
    world.run_due()
    assert reasons(world, MAIL) != [], "and a later no begins it again"


def test_a_no_at_the_present_address_leaves_the_earlier_one_alone(world: World) -> None:
    world.account(USER, "ann@old.test")
    world.account(USER, EMAIL)
    file(world)
    world.run_due()
    assert objections.stopped(world.services, "ann@old.test") == {}


def test_a_no_moves_along_to_another_spelling_of_the_address(world: World) -> None:
    world.account(USER, "ann+old@mail.test")
    world.account(USER, EMAIL)
    file(world, "ann+old@mail.test")
    world.run_due()
    assert told(world) == {"ann+old@mail.test", EMAIL}


def test_an_objection_to_what_is_no_marketing_waits_for_a_person_where_it_was_said(world: World) -> None:
    world.account(USER, "ann@old.test")
    world.account(USER, EMAIL)
    file(world, "ann@old.test", scope="account")
    world.run_due()
    assert objections.stopped(world.services, EMAIL) == {}


def test_the_work_that_carries_a_no_along_shows_nobody(world: World) -> None:
    file(world)
    (carried,) = [one.record for one in world.services.store.query(Query(Work)) if one.record.kind == objections.FOLLOW]
    assert "ann" not in str(carried.args)


def test_somebody_signed_in_objects_for_the_address_that_nobody_confirmed_too(world: World) -> None:
    world.account(USER, EMAIL)
    subjects.link(world.services, Linked(user_id=USER, email="ann@new.test"))
    signed_in(world)
    assert objections.stopped(world.services, "ann@new.test").keys() == {"marketing"}
    world.run_due()
    assert [one["to"] for one in world.mailed("objection_stopped")] == [EMAIL]


def test_a_new_address_takes_along_nothing_where_nothing_was_said(world: World) -> None:
    world.account(USER, EMAIL)
    world.account(USER, "ann@new.test")
    assert world.services.store.query(SUPPRESSIONS) == world.services.store.query(TELLINGS) == []


def test_an_account_without_an_address_objects_too(world: World) -> None:
    world.decide({MAIL: True, "ads": True}, server=True, user_id=USER)
    request_id = signed_in(world)["request_id"]
    assert reasons(world, "ads", user_id=USER) == ["no_consent"]
    world.run_due()
    assert Case.read(world.services, request_id).record.status == "completed"


def test_a_user_we_never_met_objects_all_the_same(world: World) -> None:
    request_id = signed_in(world)["request_id"]
    world.run_due()
    assert Case.read(world.services, request_id).record.status == "completed"


@pytest.mark.parametrize("who", [{"email": EMAIL}, {"user_id": USER}], ids=str)
def test_an_objection_by_phone_acts_when_it_is_entered(world: World, who: dict[str, str]) -> None:
    world.account(USER, EMAIL)
    said = Entered(channel="phone", received_at=world.clock.at, right="objection", **who)
    answer = operators.enter(world.services, said, "operator")
    assert answer["status"] == "in_progress"
    assert objections.stopped(world.services, EMAIL).keys() == {"marketing"}
    world.run_due()
    assert Case.read(world.services, answer["request_id"]).record.status == "completed"


def act(world: World, request_id: str, decide: Any) -> str:
    return str(operators.act(world.services, request_id, decide)["status"])


def test_an_objection_to_marketing_is_denied_by_nobody(world: World) -> None:
    request_id = file(world)["request_id"]
    with pytest.raises(Stale):
        act(world, request_id, operators.deny(Act(reason="no"), "operator"))
    with pytest.raises(Stale):
        act(world, request_id, operators.verify(Verification(reason="yes"), "operator"))
    assert "objection" in reasons(world, MAIL)


# --- to what is no marketing --------------------------------------------------------------------------------------------


def test_an_objection_to_something_else_stops_it_and_waits_for_a_person(world: World) -> None:
    world.account(USER, EMAIL)
    request_id = file(world, scope="account")["request_id"]
    assert reasons(world, "account", user_id=USER) == ["objection"]
    assert reasons(world, "payments", user_id=USER) == []
    world.advance("P2D")
    assert Case.read(world.services, request_id).record.status == "in_progress"
    assert attention(world) == ["objection"]
    assert world.sendgrid.silenced == [], "it is none of theirs"
    assert world.mailed("objection_stopped")[0]["decided"] is False


def test_a_person_upholds_it(world: World) -> None:
    world.account(USER, EMAIL)
    request_id = file(world, scope="account")["request_id"]
    assert act(world, request_id, operators.verify(Verification(reason="they are right"), "operator")) == "completed"
    world.run_due()
    assert reasons(world, "account", user_id=USER) == ["objection"]
    assert attention(world) == []
    with pytest.raises(Stale):
        act(world, request_id, operators.verify(Verification(reason="again"), "operator"))


def test_a_person_denies_it_and_it_is_lifted_and_told(world: World) -> None:
    world.account(USER, EMAIL)
    request_id = file(world, scope="account")["request_id"]
    assert act(world, request_id, operators.deny(Act(reason="a contract needs it"), "operator")) == "denied"
    world.run_due()
    assert reasons(world, "account", user_id=USER) == []
    assert attention(world) == []
    assert world.mailed("request_denied", EMAIL)[0]["reason"] == "a contract needs it"


@pytest.mark.parametrize("before", ["upheld", "stopped"])
def test_denying_a_later_objection_lifts_no_earlier_no(world: World, before: str) -> None:
    world.account(USER, EMAIL)
    if before == "upheld":
        act(
            world,
            file(world, scope="account")["request_id"],
            operators.verify(Verification(reason="right"), "operator"),
        )
    else:
        stop(world, "account", reason="objection")
    # anybody may file one for this address: nobody needs to prove who they are to stop it
    later = file(world, scope="account")["request_id"]
    act(world, later, operators.deny(Act(reason="nobody we know"), "operator"))
    assert reasons(world, "account", user_id=USER) == ["objection"]


def uphold(world: World, request_id: str) -> None:
    act(world, request_id, operators.verify(Verification(reason="right"), "operator"))


def deny(world: World, request_id: str) -> None:
    act(world, request_id, operators.deny(Act(reason="a contract needs it"), "operator"))


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_undecided_objections_the_denial_of_one_leaves_it_stopped_for_the_other(
    world: World, first: int
) -> None:
    world.account(USER, EMAIL)
    both = [file(world, scope="account")["request_id"] for _ in range(2)]
    deny(world, both[first])
    assert reasons(world, "account", user_id=USER) == ["objection"]
    deny(world, both[1 - first])
    assert reasons(world, "account", user_id=USER) == []


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("one", "other"), [(deny, uphold), (uphold, deny), (uphold, uphold)])
def test_what_a_person_upheld_stands_whatever_is_decided_of_another_objection(
    world: World, first: int, one: Callable[[World, str], None], other: Callable[[World, str], None]
) -> None:
    world.account(USER, EMAIL)
    both = [file(world, scope="account")["request_id"] for _ in range(2)]
    one(world, both[first])
    other(world, both[1 - first])
    assert reasons(world, "account", user_id=USER) == ["objection"]


def test_two_spellings_of_one_address_are_stopped_once_until_it_is_decided(world: World) -> None:
    world.account(USER, EMAIL)
    local, _, domain = EMAIL.partition("@")
    both = [file(world, f"{local}{tag}@{domain}", scope="account")["request_id"] for tag in ("", "+x")]
    deny(world, both[0])
    assert reasons(world, "account", user_id=USER) == ["objection"]
    deny(world, both[1])
    assert reasons(world, "account", user_id=USER) == []


def test_denying_what_somebody_signed_in_objected_to_lifts_it_from_the_account_too(world: World) -> None:
    world.account(USER, EMAIL)
    request_id = signed_in(world, scope="account")["request_id"]
    assert reasons(world, "account", user_id=USER) == ["objection"]
    act(world, request_id, operators.deny(Act(reason="a contract needs it"), "operator"))
    assert reasons(world, "account", user_id=USER) == []


def test_nothing_stops_service_mail_and_what_the_law_demands(world: World) -> None:
    world.account(USER, EMAIL)
    for scope in ("service_mail", "legal_records", "marketing"):
        file(world, scope=scope)
    assert reasons(world, "service_mail") == reasons(world, "legal_records", user_id=USER) == []


# --- and an erasure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["objection", "withdrawn"])
def test_a_stop_outlives_an_erasure_until_a_later_yes(world: World, reason: objections.Reason) -> None:
    world.account(USER, EMAIL)
    stop(world, "marketing", reason=reason)
    world.confirm(EMAIL)
    world.advance("P14D")
    assert people.by_address(world.services, EMAIL) == []
    assert standing(world) == {"marketing": []}
    world.account("u2", EMAIL)
    assert reasons(world, MAIL)[-1] == {"objection": "objection", "withdrawn": "suppressed"}[reason]
    say_yes(world, MAIL)
    assert reasons(world, MAIL) == []


def test_what_survives_for_whom_is_said_in_the_statement(world: World) -> None:
    world.account(USER, EMAIL)
    file(world)
    say_yes(world, MAIL)
    assert people.objected(world.services, [EMAIL]) is False, "else SendGrid would keep out what was asked for"
    assert people.opted_out(world.services, [EMAIL]) is True
    stop(world, "marketing", reason="objection")
    assert people.objected(world.services, [EMAIL]) is True


def test_an_objection_nobody_decided_comes_up_before_its_month_ends(world: World) -> None:
    request_id = file(world, scope="account")["request_id"]
    case = Case.read(world.services, request_id)
    assert case.record.watch_by - case.record.received_at > timedelta(days=27)
    assert case.record.open
