"""`operator`: the calls of whoever answers the privacy mailbox. Each act is evidence with who did it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.records import Right
from shared.times import plus, rfc3339
from tests.functions.called import OPERATOR_TOKEN, WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract, ReadsContract

EMAIL = "ada@people.example"
SHARED = "family@people.example"
WHY = {"reason": "Seen and found in order"}
BEARER = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
REQUEST_ACTS = ("verify", "deny", "extend", "pause")
STEP = "/requests/{id}/steps/sendgrid"


def act(called: Called, request_id: str, what: str, said: Mapping[str, Any] = WHY, **headers: str) -> Any:
    return called.operator("POST", f"/requests/{request_id}/{what}", said, **headers)


def done(called: Called, request_id: str, what: str, said: Mapping[str, Any] = WHY, **headers: str) -> dict[str, Any]:
    answer = act(called, request_id, what, said, **headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def entered(called: Called, **more: Any) -> dict[str, Any]:
    body = {"channel": "post", "received_at": rfc3339(called.now() - timedelta(days=2)), "right": "erasure"} | more
    answer = called.operator("POST", "/requests", body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def shown(called: Called, request_id: str) -> dict[str, Any]:
    answer = called.operator("GET", f"/requests/{request_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def evidence(called: Called, stream: str) -> list[dict[str, Any]]:
    answer = called.operator("GET", f"/evidence/{stream}")
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json["entries"]
    return entries


def kinds(called: Called) -> list[str]:
    return [item["kind"] for item in called.operator("GET", "/attention").json["items"]]


def failed_step(called: Called) -> str:
    """Leave a request whose step at SendGrid needs a person; return its id."""
    called.sign_up("u1", EMAIL)
    request_id: str = called.confirmed(EMAIL)["request_id"]
    called.later(hours=25)
    called.run_due()
    called.later(hours=25)
    called.sandbox.fail("sendgrid", "400")
    called.run_due()
    called.sandbox.heal("sendgrid")
    assert steps(called, request_id)["sendgrid"] == "failed"
    return request_id


def steps(called: Called, request_id: str) -> dict[str, str]:
    return {step["subprocessor"]: step["outcome"] for step in shown(called, request_id)["steps"]}


class TestOperatorReads(ReadsContract):
    edge = "operator"
    reads = ("/requests", "/requests?status=unverified&overdue=1", "/requests/{id}", "/attention", "/evidence/{id}")
    acts = ("/requests",)
    browser = False
    headers = BEARER

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return {"id": called.ask(EMAIL)["request_id"]}


class TestOperatorActs(ActsContract):
    edge = "operator"
    reads = ("/requests",)
    acts = ("/requests", *(f"/requests/{{id}}/{what}" for what in REQUEST_ACTS), f"{STEP}/retry", f"{STEP}/resolve")
    browser = False
    headers = BEARER

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return {"id": called.ask(EMAIL)["request_id"]}


CALLS = [
    ("GET", "/requests"),
    ("POST", "/requests"),
    ("GET", "/requests/{id}"),
    *(("POST", f"/requests/{{id}}/{what}") for what in REQUEST_ACTS),
    ("POST", f"{STEP}/retry"),
    ("POST", f"{STEP}/resolve"),
    ("GET", "/attention"),
    ("GET", "/evidence/policy"),
    ("POST", "/evidence/verify"),
]


@pytest.mark.parametrize(("method", "path"), CALLS, ids=[f"{method} {path}" for method, path in CALLS])
@pytest.mark.parametrize(
    "sent",
    [None, "", "Bearer", "Bearer ", "Bearer a guess", f"Bearer {WEBSITE_KEYS[0]}", f"Basic {OPERATOR_TOKEN}"],
    ids=["none", "empty", "no token", "an empty token", "a guess", "the website's key", "another scheme"],
)
def test_only_the_operator_may_call(called: Called, method: str, path: str, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    with called.changing_nothing():
        answer = called.call(method, "/operator" + path.replace("{id}", "r1"), WHY, **headers)
    problem(answer, 401, "Authorization")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# --- the list --------------------------------------------------------------------------------------------------------


def test_requests_are_listed_by_status_and_overdue(called: Called) -> None:
    waiting = called.ask("bob@people.example")["request_id"]
    verified = called.confirmed(EMAIL)["request_id"]

    def listed(question: str) -> set[str]:
        answer = called.operator("GET", f"/requests{question}")
        return {one["request_id"] for one in answer.json["requests"]}

    assert listed("") == {waiting, verified}
    assert listed("?status=verified") == {verified}
    assert listed("?status=denied") == set()
    assert listed("?overdue=1") == set()
    called.later(days=15)
    assert listed("?overdue=true") == {verified}
    assert listed("?overdue=0") == {waiting, verified}
    called.later(days=20)
    assert listed("?overdue=1") == {waiting, verified}
    assert listed("?overdue=1&status=unverified") == {waiting}


@pytest.mark.parametrize("question", ["?", "?status=unverified"])
def test_a_long_list_comes_in_pages_each_request_once(called: Called, question: str) -> None:
    asked = {called.ask(f"person-{number}@people.example")["request_id"] for number in range(103)}
    found: list[str] = []
    cursor = ""
    for _ in range(3):
        page = called.operator("GET", f"/requests{question}&{cursor}").json
        found += [one["request_id"] for one in page["requests"]]
        cursor = f"cursor={page.get('cursor')}"
    assert "cursor" not in page
    assert (len(found), set(found)) == (103, asked)


@pytest.mark.parametrize(("question", "field"), [("status=gone", "status"), ("cursor=none", "cursor")])
def test_a_list_of_what_is_unknown_is_refused(called: Called, question: str, field: str) -> None:
    problem(called.operator("GET", f"/requests?{question}"), 400, field)


def test_one_request_is_shown_with_what_an_operator_needs(called: Called) -> None:
    request_id = called.confirmed(EMAIL)["request_id"]
    found = shown(called, request_id)
    assert {"request_id", "right", "status", "promise", "channel", "accounts", "mails", "warned"} <= set(found)
    assert {mail["template"] for mail in found["mails"].values()} == {"request_confirm", "request_verified"}
    assert EMAIL not in called.operator("GET", f"/requests/{request_id}").text
    problem(called.operator("GET", "/requests/none"), 404)


# --- entering --------------------------------------------------------------------------------------------------------


def test_a_request_by_post_counts_from_when_it_arrived_and_asks_the_mailbox(called: Called) -> None:
    received = called.now() - timedelta(days=2)
    answer = entered(called, email=EMAIL, received_at=rfc3339(received), on_behalf_of="her son")
    assert answer == {"request_id": answer["request_id"], "status": "unverified"}
    found = shown(called, answer["request_id"])
    assert (found["channel"], found["received_at"]) == ("post", rfc3339(received))
    assert found["statutory_by"] == rfc3339(plus(received, "P1M"))
    assert called.post(called.confirm_link(EMAIL, answer["request_id"])).json["status"] == "verified"


def test_a_request_with_proof_is_verified_at_once(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    answer = entered(called, user_id="u1", proof="Passport seen at the desk")
    assert answer["status"] == "verified"
    assert called.mailed_link(EMAIL, f"/requests/{answer['request_id']}?key=")
    called.later(days=2)
    called.run_due()
    assert steps(called, answer["request_id"])["google_cloud_platform"] == "verified"


@pytest.mark.parametrize("channel", ["phone", "post", "in_person", "fax-2", "letter"])
def test_a_request_on_behalf_of_somebody_asks_the_mailbox_of_the_person_it_is_about(
    called: Called, channel: str
) -> None:
    answer = entered(called, email=EMAIL, channel=channel, on_behalf_of="her son Byron")
    assert answer["status"] == "unverified", "who speaks for somebody proves nothing by that"
    assert shown(called, answer["request_id"])["channel"] == channel
    assert called.post(called.confirm_link(EMAIL, answer["request_id"])).json["status"] == "verified"


def test_a_request_by_phone_about_an_account_waits_for_an_operator_who_has_seen_proof(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    answer = entered(called, user_id="u1")
    assert answer["status"] == "unverified"
    assert called.mails(EMAIL) == [], "nothing tells the account before somebody has proved anything"
    verified = called.operator(
        "POST", f"/requests/{answer['request_id']}/verify", {"reason": "called back", "proof": "x"}
    )
    assert verified.json["status"] == "verified"
    assert called.mailed_link(EMAIL, f"/requests/{answer['request_id']}?key=")


def test_who_entered_it_is_evidence_and_on_whose_behalf_is_sealed(called: Called) -> None:
    answer = entered(called, email=EMAIL, on_behalf_of="her son Byron", proof="A letter of attorney")
    entries = {entry["kind"]: entry for entry in evidence(called, answer["request_id"])}
    assert entries["entered"]["facts"] == {"by": "operator"}
    assert entries["verification"]["facts"] == {"by": "operator"}
    assert entries["entered"]["has_private_words"] is True
    stored = repr(called.rows())
    assert "Byron" not in stored
    assert "attorney" not in stored


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": ""}, "channel"),
        ({"channel": "by phone"}, "channel"),
        ({"channel": "c" * 41}, "channel"),
        ({"channel": "meta_callback"}, "channel"),
        ({"channel": "account_closed"}, "channel"),
        ({"channel": "phone\n"}, "channel"),
        ({"proof": ""}, "proof"),
        ({"proof": "  \n"}, "proof"),
        ({"proof": "p" * 4001}, "proof"),
        ({"on_behalf_of": ""}, "on_behalf_of"),
        ({"on_behalf_of": "o" * 4001}, "on_behalf_of"),
        ({"received_at": "2999-01-01T00:00:00Z"}, "received_at"),
        ({"received_at": "2026-01-01T00:00:00"}, "received_at"),
        ({"received_at": "yesterday"}, "received_at"),
        ({"received_at": "0001-01-01T00:00:00+14:00"}, "received_at"),
        ({"received_at": "2001-01-01T00:00:00Z"}, "received_at"),
        ({"email": "no address"}, "email"),
        ({"email": ""}, "email"),
        ({"email": None}, "email"),
        ({"email": None, "user_id": ""}, "user_id"),
        ({"email": None, "user_id": "a/b"}, "user_id"),
        ({"user_id": "u1"}, "email"),
        ({"locale": "english"}, "locale"),
    ],
    ids=str,
)
def test_what_cannot_be_entered_is_refused_by_its_field(called: Called, change: dict[str, Any], field: str) -> None:
    body = {"channel": "phone", "received_at": rfc3339(called.now()), "right": "erasure", "email": EMAIL} | change
    with called.changing_nothing():
        problem(called.operator("POST", "/requests", body), 400, field)


@pytest.mark.parametrize("right", get_args(Right))
def test_every_right_can_be_entered_for_somebody(called: Called, right: str) -> None:
    more = {"corrections": {"name": "Ada L."}} if right == "rectification" else {}
    answer = entered(called, channel="phone", email=EMAIL, right=right, **more)
    shown = called.operator("GET", f"/requests/{answer['request_id']}").json
    assert (shown["right"], shown["channel"]) == (right, "phone")


def test_a_letter_that_lay_for_weeks_still_gives_its_writer_time_to_confirm(called: Called) -> None:
    answer = entered(called, email=EMAIL, received_at=rfc3339(called.now() - timedelta(days=29)))
    link = called.confirm_link(EMAIL, answer["request_id"])
    assert called.get(link).json["can_confirm"] is True, "a link that is dead when it is mailed helps nobody"


# --- acts on a request -----------------------------------------------------------------------------------------------


def test_an_operator_verifies_by_proof(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    asked = called.ask(EMAIL)
    found = done(called, asked["request_id"], "verify", WHY | {"proof": "Passport 123 seen"})
    assert found["status"] == "verified"
    (entry,) = [one for one in evidence(called, asked["request_id"]) if one["kind"] == "verification"]
    assert (entry["facts"], entry["has_private_words"]) == ({"by": "operator"}, True)
    assert "Passport" not in repr(called.rows())
    problem(act(called, asked["request_id"], "verify"), 409)
    problem(called.get(asked["status_url"]), 404)


def two_accounts(called: Called) -> str:
    """Leave a request that an operator verified, and for which two accounts were found; return its id."""
    called.sign_up("u1", SHARED)
    called.sign_up("u2", SHARED)
    request_id: str = called.ask(SHARED)["request_id"]
    assert "begins_at" not in done(called, request_id, "verify")
    assert [account["n"] for account in shown(called, request_id)["accounts"]] == [1, 2]
    return request_id


def test_an_operator_who_has_seen_the_accounts_may_say_which_are_meant(called: Called) -> None:
    request_id = two_accounts(called)
    assert "begins_at" in done(called, request_id, "verify", WHY | {"accounts": [2]})
    assert [account["chosen"] for account in shown(called, request_id)["accounts"]] == [False, True]
    entry = next(one for one in evidence(called, request_id) if one["kind"] == "accounts.by_operator")
    assert entry["facts"] == {"by": "operator"}
    problem(act(called, request_id, "verify", WHY | {"accounts": [1]}), 409, "accounts")


@pytest.mark.parametrize("numbers", [[3], [0], [1, 7], [-1]], ids=str)
def test_an_operator_may_only_mean_accounts_that_are_there(called: Called, numbers: list[int]) -> None:
    request_id = two_accounts(called)
    with called.changing_nothing():
        problem(act(called, request_id, "verify", WHY | {"accounts": numbers}), 400, "accounts")


def test_an_operator_does_not_choose_blindly(called: Called) -> None:
    called.sign_up("u1", SHARED)
    called.sign_up("u2", SHARED)
    request_id = called.ask(SHARED)["request_id"]
    with called.changing_nothing():
        problem(act(called, request_id, "verify", WHY | {"accounts": [1]}), 409, "accounts")


def test_where_two_operators_exist_an_erasure_needs_the_second_and_each_has_a_token(tmp_path: Path) -> None:
    called = Called(tmp_path, OPERATORS="ada, grace", OPERATOR_TOKEN="token-of-ada, token-of-grace")

    def verified_by(token: str) -> Any:
        path = f"/operator/requests/{request_id}/verify"
        return called.post(path, WHY, Authorization=f"Bearer {token}", X_Operator="grace")

    request_id = called.ask(EMAIL)["request_id"]
    assert verified_by("token-of-ada").json["status"] == "unverified"
    with called.changing_nothing():
        problem(verified_by("token-of-ada"), 409)
        problem(verified_by(OPERATOR_TOKEN), 401, "Authorization")
        problem(verified_by("token-of-ada, token-of-grace"), 401, "Authorization")
    assert verified_by("token-of-grace").json["status"] == "verified"
    entries = called.get(f"/operator/evidence/{request_id}", Authorization="Bearer token-of-grace").json["entries"]
    by = [entry["facts"]["by"] for entry in entries if entry["kind"].startswith("verification")]
    assert by == ["ada", "grace"]


def test_denying_tells_the_reasons_and_ends_the_request(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    request_id = called.confirmed(EMAIL)["request_id"]
    assert done(called, request_id, "deny", {"reason": "We could not tell who you are"})["status"] == "denied"
    (mail,) = [one["text"] for one in called.mails(EMAIL) if "We could not tell who you are" in one["text"]]
    assert "Information Commissioner" in " ".join(mail.split())
    assert called.count("suppressions") == 0
    with called.changing_nothing():
        for what in ("deny", "verify", "pause", "extend"):
            problem(act(called, request_id, what), 409)


def test_extending_takes_two_more_months_once_and_inside_the_first(called: Called) -> None:
    asked = called.ask(EMAIL)
    before = called.get(asked["status_url"]).json
    after = done(called, asked["request_id"], "extend", {"reason": "There is very much of it"})
    assert after["statutory_by"] == rfc3339(plus(datetime.fromisoformat(before["statutory_by"]), "P2M"))
    assert "extended" in after
    assert len([one for one in called.mails(EMAIL) if "There is very much of it" in one["text"]]) == 1
    problem(act(called, asked["request_id"], "extend"), 409)
    late = called.ask("bob@people.example")
    called.later(days=32)
    problem(act(called, late["request_id"], "extend"), 409)


def test_pausing_asks_who_the_person_is_and_the_statutory_clock_waits(called: Called) -> None:
    asked = called.ask(EMAIL)
    before = called.get(asked["status_url"]).json["statutory_by"]
    assert "paused" in done(called, asked["request_id"], "pause", {"reason": "Two people share this name"})
    assert len([one for one in called.mails(EMAIL) if "Two people share this name" in one["text"]]) == 1
    problem(act(called, asked["request_id"], "pause"), 409)
    called.later(days=5)
    after = done(called, asked["request_id"], "verify", WHY | {"proof": "A call back"})
    assert "paused" not in after
    waited = datetime.fromisoformat(after["statutory_by"]) - datetime.fromisoformat(before)
    assert abs(waited - timedelta(days=5)) <= timedelta(seconds=10)


def test_a_verified_request_is_not_paused(called: Called) -> None:
    request_id = called.confirmed(EMAIL)["request_id"]
    with called.changing_nothing():
        problem(act(called, request_id, "pause"), 409)


@pytest.mark.parametrize("what", REQUEST_ACTS)
def test_an_act_on_what_is_not_there_is_not_found(called: Called, what: str) -> None:
    with called.changing_nothing():
        problem(act(called, "none", what), 404)


@pytest.mark.parametrize("what", [*REQUEST_ACTS, "steps/sendgrid/retry", "steps/sendgrid/resolve"])
@pytest.mark.parametrize("reason", ["", "  \n\t ", "r" * 4001], ids=["none", "blanks", "too long"])
def test_every_act_has_a_reason(called: Called, what: str, reason: str) -> None:
    # a step only where there is one to act on
    request_id = failed_step(called) if what.startswith("steps") else called.ask(EMAIL)["request_id"]
    with called.changing_nothing():
        proof = {"proof": "Passport seen"} if what == "verify" else {}
        problem(act(called, request_id, what, {"reason": reason} | proof), 400, "reason")


# --- steps and the list of what needs a person -----------------------------------------------------------------------


def test_a_failed_step_stands_on_the_list_and_is_tried_again(called: Called) -> None:
    request_id = failed_step(called)
    assert "step_failed" in kinds(called)
    assert shown(called, request_id)["problems"].keys() == {"sendgrid"}
    found = done(called, request_id, "steps/sendgrid/retry", {"reason": "Their outage is over"})
    assert found["status"] == "in_progress"
    assert "step_failed" not in kinds(called)
    called.run_due()
    assert steps(called, request_id)["sendgrid"] == "accepted"
    problem(act(called, request_id, "steps/sendgrid/retry"), 409)


def test_a_failed_step_is_resolved_by_hand_and_never_called_verified(called: Called) -> None:
    request_id = failed_step(called)
    found = done(
        called, request_id, "steps/sendgrid/resolve", {"reason": "Deleted by their support", "evidence": "T-1"}
    )
    assert {step["subprocessor"]: step["outcome"] for step in found["steps"]}["sendgrid"] == "accepted"
    assert kinds(called) == []
    (entry,) = [one for one in evidence(called, request_id) if one["kind"] == "step.resolved"]
    assert entry["facts"]["by"] == "operator"
    assert entry["has_private_words"] is True
    problem(act(called, request_id, "steps/sendgrid/resolve"), 409)


def test_our_own_data_is_never_settled_by_hand(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    request_id = called.confirmed(EMAIL)["request_id"]
    called.run_due()
    called.later(hours=25)
    (begin,) = [row[0] for row in called.rows()["work"] if "erasure.begin" in str(row)]
    assert called.platform("work", {"id": begin}).json == {"ran": "done"}
    assert steps(called, request_id)["google_cloud_platform"] == "pending"
    with called.changing_nothing():
        problem(act(called, request_id, "steps/google_cloud_platform/resolve"), 409)


@pytest.mark.parametrize("what", ["retry", "resolve"])
def test_a_step_that_is_not_there_is_not_found(called: Called, what: str) -> None:
    request_id = called.ask(EMAIL)["request_id"]
    with called.changing_nothing():
        problem(act(called, request_id, f"steps/sendgrid/{what}"), 404, "subprocessor")
        problem(act(called, request_id, f"steps/nobody/{what}"), 404, "subprocessor")
        problem(act(called, "none", f"steps/sendgrid/{what}"), 404)


def test_nobody_of_the_annex_is_left_unconnected(called: Called) -> None:
    answer = called.operator("GET", "/attention").json
    assert answer["items"] == []
    assert answer["not_connected"] == []


# --- evidence --------------------------------------------------------------------------------------------------------


def test_a_stream_reads_in_order_and_chained(called: Called) -> None:
    entries = evidence(called, called.confirmed(EMAIL)["request_id"])
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry["kind"] for entry in entries][:2] == ["received", "mail.accepted"]
    assert [entry["previous"] for entry in entries] == ["", *(entry["mac"] for entry in entries[:-1])]
    assert EMAIL not in repr(entries)
    assert [entry["kind"] for entry in evidence(called, "policy")] == ["policy.published"]


@pytest.mark.parametrize("stream", ["none", "%00", "..", "~", "%ff", "s" * 5000])
def test_a_stream_that_is_none_is_not_found(called: Called, stream: str) -> None:
    problem(called.operator("GET", f"/evidence/{stream}"), 404)


def altered(called: Called, sql: str) -> None:
    with sqlite3.connect(called.data_dir / "pledge.db") as database:
        assert database.execute(sql).rowcount >= 1
    database.close()


@pytest.fixture
def with_evidence(called: Called) -> Called:
    called.publish("v2", "# Policy\n\nAnother one.\n")
    called.confirmed(EMAIL)
    called.post("/consents", called.consent({"device_id": "device-0001"}, {"ads": True}))
    assert called.operator("POST", "/evidence/verify").json == {"entries": called.count("ledger"), "intact": True}
    return called


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE ledger SET body = json_set(body, '$.facts.proof', 'none') WHERE body LIKE '%"kind":"verified"%'""",
        """UPDATE ledger SET body = json_set(body, '$.at', '2020-01-01T00:00:00Z') WHERE body LIKE '%"kind":"received"%'""",
        """UPDATE ledger SET body = json_set(body, '$.facts.hash', 'x') WHERE id LIKE 'policy:%'""",
        """DELETE FROM ledger WHERE body LIKE '%"kind":"received"%'""",
        """DELETE FROM ledger WHERE id = (SELECT max(id) FROM ledger WHERE body LIKE '%"kind":"mail.accepted"%')""",
        """DELETE FROM ledger WHERE id LIKE 'policy:%1'""",
        """DELETE FROM ledger WHERE id LIKE 'policy:%2'""",
        """DELETE FROM ledger WHERE id LIKE 'policy:%'""",
    ],
    ids=[
        "a fact",
        "a time",
        "the policy's hash",
        "a beginning",
        "an end",
        "the policy's beginning",
        "the policy's end",
        "the policy's whole stream",
    ],
)
def test_evidence_that_was_altered_shows(with_evidence: Called, sql: str) -> None:
    altered(with_evidence, sql)
    found = with_evidence.operator("POST", "/evidence/verify").json
    assert found["intact"] is False
    assert found["first_break"]


def test_checking_changes_nothing_and_needs_no_body(with_evidence: Called) -> None:
    with with_evidence.changing_nothing():
        for body in (None, {}):
            assert with_evidence.operator("POST", "/evidence/verify", body).json["intact"] is True


def test_the_register_of_processing_is_shown_to_operators_alone(called: Called) -> None:
    shown = called.operator("GET", "/register").json
    assert {"controller", "activities", "recipients", "mailboxes", "measures", "missing"} == set(shown)
    assert shown["missing"] == []
    assert called.get("/operator/register").status_code == 401
