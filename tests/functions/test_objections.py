"""`requests` with the right to object: from the form or a call, for anybody, at once; and what vendors are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.called import PAGE, Called, problem
from tests.infra.html_reader import Page

EMAIL = "ada@people.example"


def file(called: Called, email: str = EMAIL, **more: Any) -> dict[str, Any]:
    answer = called.post("/requests", {"email": email, "right": "objection", **more})
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json
    return body


def allowed(called: Called, purpose: str, **subject: str) -> Any:
    return called.server("/processing", {"subject": subject or {"email": EMAIL}, "purpose": purpose}).json


def test_an_objection_is_answered_like_any_request_and_acts_at_once(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    called.server("/consents", called.consent({"user_id": "u1"}, {"marketing_email": True}))
    assert allowed(called, "marketing_email")["allowed"] is True
    answer = file(called)
    assert answer.keys() == {"request_id", "status", "status_url"}
    assert answer["status"] == "in_progress"
    assert allowed(called, "marketing_email") == {"allowed": False, "reasons": ["objection"]}
    assert allowed(called, "service_mail")["allowed"] is True


def test_its_address_shows_whoever_filed_it_that_it_counts_and_ends(called: Called) -> None:
    called.with_mail()
    answer = file(called)
    assert called.get(answer["status_url"]).json["status"] == "in_progress"
    called.run_due()
    shown = called.get(answer["status_url"]).json
    assert (shown["status"], shown["steps"]) == ("completed", [])
    page = called.page(answer["status_url"])
    assert (page.status_code, "It is stopped" in page.text) == (200, True)


def test_the_answer_is_the_same_for_everybody(called: Called) -> None:
    called.with_mail()
    called.sign_up("u1", EMAIL)
    file(called)
    called.run_due()
    again, stranger = file(called), file(called, "nobody@people.example")
    assert again.keys() == stranger.keys()
    assert again["status"] == stranger["status"]
    called.run_due()
    shown = [called.get(one["status_url"]).json for one in (again, stranger)]
    for one in shown:
        one.pop("request_id")
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("scope", "said"), [(None, "all direct marketing"), ("marketing_email", "News"), ("account", "decide")]
)
def test_the_form_is_answered_by_a_page_that_asks_for_no_confirmation(
    called: Called, scope: str | None, said: str
) -> None:
    fields = {"email": EMAIL, "right": "objection"} | ({"scope": scope} if scope else {})
    answer = called.form("/requests", fields)
    assert (answer.status_code, len(Page(answer.text).named("h1"))) == (202, 1)
    assert said in answer.text
    assert "Look in your mailbox" not in answer.text


@pytest.mark.parametrize("scope", ["none", "Marketing", "marketing\n", "../x", "*", "erasure", "x" * 500])
def test_a_scope_that_is_none_is_refused_by_its_field(called: Called, scope: str) -> None:
    with called.changing_nothing():
        problem(called.post("/requests", {"email": EMAIL, "right": "objection", "scope": scope}), 400, "scope")
        answer = called.form("/requests", {"email": EMAIL, "right": "objection", "scope": scope})
    assert answer.status_code == 400


def test_the_eleventh_in_an_hour_still_stops_and_mails_nobody(called: Called) -> None:
    called.early_in_an_hour()
    for _ in range(10):
        called.ask(EMAIL)
    problem(called.post("/requests", {"email": EMAIL, "right": "erasure"}), 429)
    file(called)
    assert "objection" in allowed(called, "marketing_email")["reasons"]
    assert [one for one in called.mails(EMAIL) if "objection" in one["subject"]] == []


def test_the_websites_server_objects_for_somebody_signed_in(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    body = {"user_id": "u1", "verified": True, "auth_time": called.now().isoformat(), "right": "objection"}
    answer = called.server("/requests", body)
    assert (answer.status_code, answer.json.keys()) == (202, {"request_id", "status"})
    assert "objection" in allowed(called, "ads", user_id="u1")["reasons"]


def test_a_person_decides_about_what_is_no_marketing(called: Called) -> None:
    called.with_mail()
    called.sign_up("u1", EMAIL)
    for act, allowed_after in (("verify", False), ("deny", True)):
        scope = {"verify": "payments", "deny": "account"}[act]
        request_id = file(called, scope=scope)["request_id"]
        assert allowed(called, scope, user_id="u1")["reasons"] == ["objection"]
        listed = called.operator("GET", "/attention").json["items"]
        assert [(one["kind"], one["request_id"]) for one in listed] == [("objection", request_id)]
        assert called.operator("POST", f"/requests/{request_id}/{act}", {"reason": "so it is"}).status_code == 200
        called.run_due()
        assert called.operator("GET", "/attention").json["items"] == []
        assert allowed(called, scope, user_id="u1")["allowed"] is allowed_after


def test_nothing_of_the_address_stands_in_the_open(called: Called) -> None:
    file(called, "canary-7f3a@people.example")
    assert "canary-7f3a" not in repr(called.rows())


# --- what vendors are told ----------------------------------------------------------------------------------------------


def kinds(called: Called, vendor: str, email: str = EMAIL) -> list[str]:
    status, body = called.sandbox.ask("GET", f"/sandbox/{vendor}/people?email={email}")
    assert status == 200, body
    return sorted({one["kind"] for one in body["found"]})


def known_to_vendors(called: Called, email: str = EMAIL) -> None:
    for vendor in ("sendgrid", "meta"):
        status, body = called.sandbox.ask("PUT", f"/sandbox/{vendor}/people", {"email": email})
        assert status == 201, body


def test_sendgrid_and_meta_are_told(called: Called) -> None:
    known_to_vendors(called)
    before = kinds(called, "meta")
    assert before
    file(called)
    called.run_due()
    assert "global" in kinds(called, "sendgrid")
    assert kinds(called, "meta") == []


def test_an_objection_to_mail_alone_leaves_the_audiences_and_one_to_ads_leaves_the_mail(called: Called) -> None:
    known_to_vendors(called)
    before = kinds(called, "meta")
    file(called, scope="marketing_email")
    called.run_due()
    assert kinds(called, "meta") == before
    other = "bob@people.example"
    known_to_vendors(called, other)
    file(called, other, scope="ads")
    called.run_due()
    assert "global" not in kinds(called, "sendgrid", other)
    assert kinds(called, "meta", other) == []


def test_a_later_yes_lifts_what_we_put_there_and_nothing_else(called: Called) -> None:
    known_to_vendors(called)
    file(called)
    called.run_due()
    said = called.consent({"device_id": "device-0001", "email": EMAIL}, {"marketing_email": True})
    assert called.post("/consents", said).status_code == 201
    assert called.post(called.mailed_link(EMAIL, "/consents/confirm?t=")).status_code == 200
    called.run_due()
    assert "global" not in kinds(called, "sendgrid")
    assert allowed(called, "marketing_email")["allowed"] is True
    assert "objection" in allowed(called, "ads")["reasons"]


def test_an_opt_out_that_the_person_chose_at_sendgrid_is_not_ours_to_lift(called: Called) -> None:
    called.sandbox.ask("PUT", "/sandbox/sendgrid/people", {"email": EMAIL, "unsubscribed": True})
    file(called)
    called.run_due()
    said = called.consent({"device_id": "device-0001", "email": EMAIL}, {"marketing_email": True})
    called.post("/consents", said)
    called.post(called.mailed_link(EMAIL, "/consents/confirm?t="))
    called.run_due()
    assert "global" in kinds(called, "sendgrid")


def test_an_objection_outlives_the_person_and_a_later_yes_still_reaches_sendgrid(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    known_to_vendors(called)
    file(called)
    called.run_due()
    called.confirmed(EMAIL)
    for _ in range(16):
        called.later(days=1)
        called.run_due()
    assert "objection" in allowed(called, "marketing_email")["reasons"]
    assert "global" in kinds(called, "sendgrid")
    called.post("/consents", called.consent({"device_id": "device-0001", "email": EMAIL}, {"marketing_email": True}))
    called.post(called.mailed_link(EMAIL, "/consents/confirm?t="))
    called.run_due()
    assert allowed(called, "marketing_email")["allowed"] is True
    assert "global" not in kinds(called, "sendgrid")


def test_page_and_program_share_the_address(called: Called) -> None:
    url = file(called)["status_url"]
    assert called.get(url).mimetype == "application/json"
    assert called.get(url, Accept=PAGE).mimetype == "text/html"
