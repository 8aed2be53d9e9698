"""`requests`: asking, confirming, choosing, following, cancelling, and the statement of what was done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from infra.settings import SAMPLES
from shared.annex import NAMES
from shared.records import Right
from shared.times import rfc3339
from tests.functions.called import PAGE, Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract, ReadsContract
from tests.functions.signatures import claims_of
from tests.infra.html_reader import Page

EMAIL = "ada@people.example"
SHARED = "family@people.example"
SETTLED = {"completed", "awaiting_vendors", "partly_retained"}


def family(called: Called) -> dict[str, Any]:
    """Confirm a request for an address of two accounts; return its answer."""
    called.sign_up("u1", SHARED, name="Ada Lovelace")
    called.sign_up("u2", SHARED, name="Byron")
    return called.confirmed(SHARED)


def signed_in(called: Called, user: str, **more: Any) -> dict[str, Any]:
    """Return the body with which the website's server vouches for a user who is signed in."""
    return {"user_id": user, "verified": True, "auth_time": rfc3339(called.now()), "right": "erasure", **more}


def given(called: Called) -> Mapping[str, str]:
    waiting = called.ask("waiting@people.example")
    confirm = called.confirm_link("waiting@people.example", waiting["request_id"])
    chooses = family(called)
    verified = called.confirmed(EMAIL)
    return {
        "waiting": waiting["request_id"],
        "waiting_key": waiting["status_url"].partition("?key=")[2],
        "confirm_t": confirm.partition("?t=")[2],
        "chooses": chooses["request_id"],
        "chooses_key": chooses["key"],
        "id": verified["request_id"],
        "key": verified["key"],
        "cancel_t": called.mailed_link(EMAIL, "/cancel?t=").partition("?t=")[2],
    }


READS = (
    "/{waiting}?key={waiting_key}",
    "/{waiting}/confirm?t={confirm_t}",
    "/{chooses}?key={chooses_key}",
    "/{id}?key={key}",
    "/{id}/cancel?t={cancel_t}",
)
ACTS = (
    "/",
    "/{waiting}/confirm?t={confirm_t}",
    "/{chooses}/accounts?key={chooses_key}",
    "/{id}/cancel?t={cancel_t}",
)


class TestRequestsReads(ReadsContract):
    edge = "requests"
    reads = READS
    acts = ACTS

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return given(called)


class TestRequestsPages(PagesContract):
    edge = "requests"
    pages = (*READS, "/new", "/{id}/statement?key={key}")
    acts = ACTS

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return given(called)


class TestRequestsActs(ActsContract):
    edge = "requests"
    reads = READS
    acts = ACTS

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return given(called)


# --- asking ----------------------------------------------------------------------------------------------------------


def test_asking_answers_with_a_status_and_a_link_to_it(called: Called) -> None:
    answer = called.ask(EMAIL)
    assert set(answer) == {"request_id", "status", "status_url"}
    assert answer["status"] == "unverified"
    shown = called.get(answer["status_url"]).json
    assert set(shown) == {"request_id", "right", "status", "received_at", "statutory_by", "steps"}
    assert (shown["request_id"], shown["right"], shown["status"]) == (answer["request_id"], "erasure", "unverified")
    assert shown["steps"] == []


def test_asking_by_the_form_shows_what_happens_next(called: Called) -> None:
    form = Page(called.page("/requests/new").text)
    (posted,) = form.named("form")
    answer = called.form(posted.attributes["action"], {"email": EMAIL, "right": "erasure"})
    assert (answer.status_code, answer.mimetype) == (202, "text/html")
    assert called.get(called.mailed_link(EMAIL, "/confirm?t=")).json["right"] == "erasure"
    assert called.count("requests") == 1


def test_a_form_with_a_mistake_is_shown_again_with_what_was_filled_in(called: Called) -> None:
    with called.changing_nothing():
        answer = called.form("/requests", {"email": "no address", "right": "erasure", "details": "My own words"})
    page = Page(answer.text)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert "e-mail address is needed" in page.text
    assert "no address" in [field.attributes.get("value") for field in page.named("input")]
    assert "My own words" in answer.text


def test_a_form_posted_by_a_program_is_answered_in_json(called: Called) -> None:
    answer = called.form("/requests", {"email": EMAIL, "right": "erasure"}, accept="*/*")
    assert (answer.status_code, answer.mimetype) == (202, "application/json")


def test_the_form_offers_only_rights_that_can_be_asked_for(called: Called) -> None:
    offered = [
        element.attributes.get("value")
        for element in Page(called.page("/requests/new").text).named("input", "option")
        if element.attributes.get("name") == "right" or element.tag == "option"
    ]
    assert set(offered) == set(get_args(Right))


def test_a_server_may_ask_for_an_address_without_vouching_and_gets_no_link(called: Called) -> None:
    answer = called.server("/requests", {"email": EMAIL, "right": "erasure"})
    assert (answer.status_code, set(answer.json)) == (202, {"request_id", "status"})
    assert answer.json["status"] == "unverified"
    assert called.confirm_link(EMAIL, answer.json["request_id"])


def test_a_signed_in_persons_request_is_verified_and_the_link_is_mailed_to_the_confirmed_address(
    called: Called,
) -> None:
    called.sign_up("u1", EMAIL)
    answer = called.server("/requests", signed_in(called, "u1", email=EMAIL, details="Please"))
    assert (answer.status_code, set(answer.json)) == (202, {"request_id", "status"})
    assert answer.json["status"] == "verified"
    link = called.mailed_link(EMAIL, f"/requests/{answer.json['request_id']}?key=")
    assert called.get(link).json["status"] == "verified"
    assert called.get(called.mailed_link(EMAIL, "/cancel?t=")).json["can_cancel"] is True


def test_an_address_the_account_has_left_is_told_and_may_cancel_and_reads_nothing(called: Called) -> None:
    called.sign_up("u1", "old@people.example")
    called.sign_up("u1", EMAIL)
    called.server("/requests", signed_in(called, "u1"))
    assert not [mail for mail in called.mails("old@people.example") if "?key=" in mail["text"] + mail["html"]]
    assert called.post(called.mailed_link("old@people.example", "/cancel?t=")).json["status"] == "withdrawn"


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"auth_time": None}, 400, "auth_time"),
        ({"auth_time": "-2h"}, 409, "auth_time"),
        ({"auth_time": "+1h"}, 400, "auth_time"),
        ({"auth_time": "naive"}, 400, "auth_time"),
        ({"verified": False}, 400, "verified"),
        ({"user_id": None, "email": EMAIL}, 400, "user_id"),
        ({"email": "bob@people.example"}, 409, "email"),
        ({"user_id": "u9", "email": EMAIL}, 409, "email"),
        ({"user_id": "a/b"}, 400, "user_id"),
        ({"user_id": "."}, 400, "user_id"),
        ({"user_id": "u" * 129}, 400, "user_id"),
        ({"user_id": ""}, 400, "user_id"),
    ],
    ids=str,
)
def test_a_server_vouches_wholly_and_lately_or_not_at_all(
    called: Called, change: dict[str, Any], status: int, field: str
) -> None:
    called.sign_up("u1", EMAIL)
    times = {
        "-2h": rfc3339(called.now() - timedelta(hours=2)),
        "+1h": rfc3339(called.now() + timedelta(hours=1)),
        "naive": rfc3339(called.now()).removesuffix("Z"),
    }
    body = signed_in(called, "u1") | {name: times.get(str(value), value) for name, value in change.items()}
    with called.changing_nothing():
        problem(called.server("/requests", body), status, field)


@pytest.mark.parametrize(
    "change", [{"user_id": "u1"}, {"verified": True, "email": EMAIL}, {"user_id": "u1", "email": EMAIL}], ids=str
)
def test_nobody_but_the_server_may_vouch(called: Called, change: dict[str, Any]) -> None:
    called.sign_up("u1", EMAIL)
    with called.changing_nothing():
        problem(called.post("/requests", {"right": "erasure"} | change), 400, next(iter(change)))
        problem(called.post("/requests", signed_in(called, "u1")), 400, "user_id")


# --- confirming ------------------------------------------------------------------------------------------------------


def test_confirming_mints_a_new_link_and_the_filers_own_opens_nothing_from_then_on(called: Called) -> None:
    asked = called.ask(EMAIL)
    link = called.confirm_link(EMAIL, asked["request_id"])
    assert called.get(link).json == {
        "request_id": asked["request_id"],
        "right": "erasure",
        "masked": "a…@p….example",
        "can_confirm": True,
    }
    answer = called.post(link)
    assert (answer.status_code, set(answer.json)) == (200, {"request_id", "status", "status_url"})
    assert answer.json["status"] == "verified"
    assert called.mailed_link(EMAIL, f"/requests/{asked['request_id']}?key=") in answer.json["status_url"]
    problem(called.get(asked["status_url"]), 404)
    shown = called.get(answer.json["status_url"]).json
    assert {"verified_at", "promise", "begins_at"} <= set(shown)
    assert shown["promise"] == {
        "by": rfc3339(datetime.fromisoformat(shown["verified_at"]) + timedelta(days=14)),
        "outstanding": [],
    }


@pytest.mark.parametrize("what", ["pause", "extend"])
def test_the_filers_link_shows_only_that_it_waits(called: Called, what: str) -> None:
    asked = called.ask(EMAIL)
    before = called.get(asked["status_url"]).json
    assert called.operator("POST", f"/requests/{asked['request_id']}/{what}", {"reason": "A doubt"}).status_code == 200
    assert called.get(asked["status_url"]).json == before, "who filed it has proved nothing"


def test_the_confirmation_page_says_whose_and_what_and_only_its_button_acts(called: Called) -> None:
    asked = called.ask(EMAIL)
    link = called.confirm_link(EMAIL, asked["request_id"])
    page = Page(called.page(link).text)
    (form,) = page.named("form")
    assert "a…@p….example" in page.text
    assert EMAIL not in page.text
    answer = called.form(form.attributes["action"], {})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert [address for _, address in Page(answer.text).links() if "?key=" in address]
    assert not Page(called.page(link).text).named("form"), "there is nothing left to confirm"


@pytest.mark.parametrize("body", [None, b"", b"anything=1&more=2", b"{}"], ids=["none", "empty", "a form", "an object"])
def test_the_body_of_a_confirmation_may_be_empty_or_a_form(called: Called, body: bytes | None) -> None:
    link = called.confirm_link(EMAIL, called.ask(EMAIL)["request_id"])
    kind = "application/json" if body == b"{}" else "application/x-www-form-urlencoded"
    headers = {"Content_Type": kind} if body else {}
    assert called.post(link, body, **headers).json["status"] == "verified"


def test_a_confirmation_counts_once(called: Called) -> None:
    link = called.confirm_link(EMAIL, called.ask(EMAIL)["request_id"])
    assert called.post(link).status_code == 200
    with called.changing_nothing():
        problem(called.post(link), 409, "t")
        assert called.get(link).json["can_confirm"] is False


def test_a_confirmation_comes_too_late_once_the_request_was_answered(called: Called) -> None:
    asked = called.ask(EMAIL)
    link = called.confirm_link(EMAIL, asked["request_id"])
    called.later(days=28, hours=1)
    with called.changing_nothing():
        problem(called.post(link), 409, "t")
    for _ in range(3):
        called.run_due()
    assert called.get(asked["status_url"]).json["status"] == "unconfirmed"
    with called.changing_nothing():
        assert called.post(link).status_code in {400, 409}


def test_somebody_unknown_is_told_the_same_as_somebody_known(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    known, unknown = called.confirmed(EMAIL), called.confirmed("nobody@people.example")
    assert set(known) == set(unknown)
    shown = [called.get(one["status_url"]).json for one in (known, unknown)]
    assert set(shown[0]) == set(shown[1])
    assert shown[0]["status"] == shown[1]["status"]


# --- several accounts ------------------------------------------------------------------------------------------------


def test_with_several_accounts_the_person_chooses_before_anything_begins(called: Called) -> None:
    answer = family(called)
    assert [account["n"] for account in answer["accounts"]] == [1, 2]
    assert [set(account) for account in answer["accounts"]] == [{"n", "masked"}] * 2
    assert "u1" in answer["accounts"][0]["masked"] or "u1" in answer["accounts"][1]["masked"]
    called.later(days=3)
    called.run_due()
    assert called.get(answer["status_url"]).json["status"] == "verified"
    chosen = called.post(f"/requests/{answer['request_id']}/accounts?key={answer['key']}", {"accounts": [2]})
    assert chosen.status_code == 200
    assert [account["chosen"] for account in chosen.json["accounts"]] == [False, True]
    assert "begins_at" in chosen.json


def test_the_page_offers_a_box_for_each_account_and_one_ticked_box_is_enough(called: Called) -> None:
    answer = family(called)
    page = Page(called.page(answer["status_url"]).text)
    boxes = [field for field in page.named("input") if field.attributes.get("type") == "checkbox"]
    assert [box.attributes["value"] for box in boxes] == ["1", "2"]
    form = next(form for form in page.named("form") if "/accounts?" in form.attributes["action"])
    posted = called.form(form.attributes["action"], {boxes[0].attributes["name"]: "1"})
    assert (posted.status_code, posted.mimetype) == (200, "text/html")
    assert called.get(answer["status_url"]).json["accounts"][0]["chosen"] is True


def test_both_boxes_of_the_page_may_be_ticked(called: Called) -> None:
    answer = family(called)
    posted = called.form(f"/requests/{answer['request_id']}/accounts?key={answer['key']}", {"accounts": [1, 2]})
    assert posted.status_code == 200
    assert [one["chosen"] for one in called.get(answer["status_url"]).json["accounts"]] == [True, True]


def test_a_choice_may_be_repeated_and_not_changed(called: Called) -> None:
    answer = family(called)
    path = f"/requests/{answer['request_id']}/accounts?key={answer['key']}"
    first = called.post(path, {"accounts": [1]})
    with called.changing_nothing():
        assert called.post(path, {"accounts": [1, 1]}).json == first.json
        problem(called.post(path, {"accounts": [2]}), 409, "accounts")
        problem(called.post(path, {"accounts": [1, 2]}), 409, "accounts")


@pytest.mark.parametrize("numbers", [[], [0], [3], [1, 3], [-1], [10**30]], ids=str)
def test_only_accounts_that_were_offered_are_chosen(called: Called, numbers: list[int]) -> None:
    answer = family(called)
    with called.changing_nothing():
        path = f"/requests/{answer['request_id']}/accounts?key={answer['key']}"
        problem(called.post(path, {"accounts": numbers}), 400, "accounts")


def test_only_the_chosen_account_is_erased(called: Called) -> None:
    answer = family(called)
    called.post(f"/requests/{answer['request_id']}/accounts?key={answer['key']}", {"accounts": [1]})
    called.later(days=2)
    called.run_due()
    assert called.get(answer["status_url"]).json["steps"]
    asked = called.server("/consents", called.consent({"user_id": "u2", "email": SHARED}, {"ads": True}))
    assert asked.status_code == 201, "the other account still has its address"
    assert called.count("tombstones") == 1


# --- cancelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["token", "key"])
def test_a_request_is_cancelled_by_the_mailed_token_or_by_the_private_key_and_again_with_the_same_answer(
    called: Called, by: str
) -> None:
    called.sign_up("u1", EMAIL)
    answer = called.confirmed(EMAIL)
    token = called.mailed_link(EMAIL, "/cancel?t=")
    path = token if by == "token" else f"/requests/{answer['request_id']}/cancel?key={answer['key']}"
    first = called.post(path)
    assert (first.status_code, first.json["status"]) == (200, "withdrawn")
    with called.changing_nothing():
        assert called.post(path).json == first.json
    assert called.get(answer["status_url"]).json["status"] == "withdrawn"
    assert called.get(token).json == {"request_id": answer["request_id"], "can_cancel": False}
    # the recipients are told that it no longer holds
    called.run_due()
    assert called.count("suppressions") == 0


def test_the_cancel_page_has_a_button_that_acts(called: Called) -> None:
    called.confirmed(EMAIL)
    link = called.mailed_link(EMAIL, "/cancel?t=")
    (form,) = Page(called.page(link).text).named("form")
    answer = called.form(form.attributes["action"], {})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert not Page(called.page(link).text).named("form"), "there is nothing left to cancel"


def test_every_notified_address_has_a_cancel_link_of_its_own_that_opens_nothing_else(called: Called) -> None:
    called.sign_up("u1", "old@people.example")
    called.sign_up("u1", EMAIL)
    answer = called.confirmed(EMAIL)
    own, other = (called.mailed_link(to, "/cancel?t=") for to in (EMAIL, "old@people.example"))
    assert own != other
    token = other.partition("?t=")[2]
    request_id = answer["request_id"]
    problem(called.get(f"/requests/{request_id}?key={token}"), 404)
    problem(called.get(f"/requests/{request_id}/statement?key={token}"), 404)
    problem(called.post(f"/requests/{request_id}/confirm?t={token}"), 400, "t")
    problem(called.post(f"/requests/{request_id}/cancel?key={token}"), 404)
    assert called.post(other).json["status"] == "withdrawn"


def test_nothing_is_cancelled_once_the_first_step_has_begun(called: Called) -> None:
    answer = called.confirmed(EMAIL)
    link = called.mailed_link(EMAIL, "/cancel?t=")
    called.later(hours=25)
    called.run_due()
    with called.changing_nothing():
        problem(called.post(link), 409)
        problem(called.post(f"/requests/{answer['request_id']}/cancel?key={answer['key']}"), 409)
        assert called.get(link).json["can_cancel"] is False


def test_what_was_cancelled_may_be_asked_for_again(called: Called) -> None:
    called.confirmed(EMAIL)
    called.post(called.mailed_link(EMAIL, "/cancel?t="))
    assert called.confirmed(EMAIL)["status"] == "verified"


# --- following -------------------------------------------------------------------------------------------------------


def test_the_whole_way_ends_in_outcomes_a_status_and_a_signed_statement(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    answer = called.confirmed(EMAIL)
    for _ in range(13):
        called.later(days=1)
        called.run_due()
    shown = called.get(answer["status_url"]).json
    assert shown["status"] in SETTLED
    assert shown["promise"]["met"] is True
    assert {step["subprocessor"] for step in shown["steps"]} == set(NAMES)
    assert all({"subprocessor", "outcome", "at", "attempts"} <= set(step) for step in shown["steps"])
    signed = called.get(f"/requests/{answer['request_id']}/statement?key={answer['key']}").json
    claims = claims_of(signed["jws"], called.get("/.well-known/jwks.json").json)
    assert claims.items() >= signed["statement"].items()
    lines = {line["subprocessor"]: line["outcome"] for line in signed["statement"]["lines"]}
    assert lines == {step["subprocessor"]: step["outcome"] for step in shown["steps"]}
    for page in (answer["status_url"], f"/requests/{answer['request_id']}/statement?key={answer['key']}"):
        assert EMAIL not in called.get(page).text
        assert EMAIL not in called.page(page).text


def test_those_the_company_does_not_use_are_named_with_why(tmp_path: Path) -> None:
    company = tmp_path / "company.yaml"
    company.write_text((SAMPLES / "company.yaml").read_text().replace("not_used: {}", "not_used: {stripe: no shop}"))
    called = Called(tmp_path / "data", COMPANY=str(company))
    answer = called.confirmed(EMAIL)
    signed = called.get(f"/requests/{answer['request_id']}/statement?key={answer['key']}").json["statement"]
    named = {one["name"]: one["why"] for one in signed["not_connected"]}
    assert named == {"stripe": "not used: no shop"}
    assert "Stripe" in Page(called.page(answer["status_url"]).text).text
    called.close()


def test_a_second_request_joins_the_first_and_keeps_its_dates(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    first = called.confirmed(EMAIL)
    called.later(hours=2)
    second = called.confirmed(EMAIL)
    shown = [called.get(one["status_url"]).json for one in (first, second)]
    assert shown[0]["promise"]["by"] == shown[1]["promise"]["by"]
    assert shown[0]["begins_at"] == shown[1]["begins_at"]
    assert [one["request_id"] for one in shown] == [first["request_id"], second["request_id"]]
    assert called.post(f"/requests/{second['request_id']}/cancel?key={second['key']}").json["status"] == "withdrawn"
    assert called.get(first["status_url"]).json["status"] == "withdrawn"


def test_a_restricted_person_is_restricted_until_the_request_ends(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    called.confirmed(EMAIL)
    assert called.count("suppressions") == 1
    called.post(called.mailed_link(EMAIL, "/cancel?t="))
    called.run_due()
    assert called.count("suppressions") == 0


def test_the_statement_is_private_until_the_mailbox_is_proved(called: Called) -> None:
    asked = called.ask(EMAIL)
    key = asked["status_url"].partition("?key=")[2]
    problem(called.get(f"/requests/{asked['request_id']}/statement?key={key}"), 404)
    answer = called.page(f"/requests/{asked['request_id']}/statement?key={key}")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_an_address_that_is_none_of_ours_is_said_in_json_or_on_a_page(called: Called) -> None:
    problem(called.get("/requests/none"), 404)
    problem(called.get("/requests/none/of/these"), 404)
    assert called.call("GET", "/requests/none/of/these", Accept=PAGE).mimetype == "text/html"
