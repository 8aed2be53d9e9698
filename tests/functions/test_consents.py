"""`consents`: decisions with their evidence, withdrawal, what a device decided, the mailbox's word, receipts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.functions.called import PAGE, WEBSITE, Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract, ReadsContract
from tests.functions.signatures import claims_of
from tests.infra.html_reader import Page

DEVICE = "device-0001"
EMAIL = "ada@people.example"
ANSWER = {
    "receipt_id",
    "receipt_url",
    "recorded_at",
    "policy_version",
    "policy_hash",
    "decisions",
    "pending",
    "consent_mode",
}
DENIED = {
    "ad_storage": "denied",
    "ad_user_data": "denied",
    "ad_personalization": "denied",
    "analytics_storage": "denied",
    "functionality_storage": "denied",
    "personalization_storage": "denied",
    "security_storage": "granted",
}


def capture(called: Called, subject: dict[str, Any], decisions: dict[str, bool], **headers: str) -> dict[str, Any]:
    answer = called.post("/consents", called.consent(subject, decisions), **headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json
    return body


def current(called: Called, device: str = DEVICE, question: str = "", **headers: str) -> dict[str, Any]:
    answer = called.get(f"/consents/current?device_id={device}{question}", **headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def confirmation(called: Called, email: str = EMAIL, device: str = DEVICE) -> str:
    """Ask for news by mail and return the mailed link."""
    capture(called, {"device_id": device, "email": email}, {"marketing_email": True})
    return called.mailed_link(email, "/consents/confirm?t=")


def given(called: Called) -> Mapping[str, str]:
    receipt = capture(called, {"device_id": DEVICE}, {"analytics": True, "ads": False})["receipt_id"]
    return {"receipt": receipt, "t": confirmation(called, device="device-0002").partition("?t=")[2]}


class TestConsentsReads(ReadsContract):
    edge = "consents"
    reads = (f"/current?device_id={DEVICE}", "/receipts/{receipt}", "/confirm?t={t}")
    acts = ("/confirm?t={t}",)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return given(called)


class TestConsentsPages(PagesContract):
    edge = "consents"
    pages = ("/receipts/{receipt}", "/confirm?t={t}")
    acts = ("/confirm?t={t}",)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return given(called)


class TestConsentsActs(ActsContract):
    edge = "consents"
    reads = ("/confirm?t={t}",)
    acts = ("/", "/confirm?t={t}")

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return given(called)


# --- capture ---------------------------------------------------------------------------------------------------------


def test_a_capture_answers_with_the_receipt_the_policy_and_googles_signals(called: Called) -> None:
    answer = capture(called, {"device_id": DEVICE, "ga_client_id": "GA1.1.1.1"}, {"analytics": True, "ads": False})
    policy = called.get("/policy").json
    assert set(answer) == ANSWER
    assert answer["receipt_url"].endswith(f"/consents/receipts/{answer['receipt_id']}")
    assert (answer["policy_version"], answer["policy_hash"]) == (policy["version"], policy["hash"])
    assert answer["decisions"] == {"analytics": True, "ads": False}
    assert answer["pending"] == []
    assert answer["consent_mode"] == DENIED | {"analytics_storage": "granted"}


@pytest.mark.parametrize("method", ["banner", "form", "settings", "email", "import"])
def test_every_method_of_the_contract_is_recorded(called: Called, method: str) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True}, method=method, locale="de-AT")
    answer = called.post("/consents", said)
    assert answer.status_code == 201
    receipt = called.get(answer.json["receipt_url"]).json["receipt"]
    assert (receipt["collection_method"], receipt["language"]) == (method, "de-AT")


def test_what_was_captured_is_what_the_device_is_told_and_withdrawing_is_the_same_call(called: Called) -> None:
    assert current(called) == {
        "decisions": {"analytics": False, "ads": False, "marketing_email": False},
        "needs_prompt": True,
        "reasons": ["never_asked"],
    }
    capture(called, {"device_id": DEVICE}, {"analytics": True, "ads": True})
    assert current(called) == {"decisions": {"analytics": True, "ads": True}, "needs_prompt": False, "reasons": []}
    withdrawn = capture(called, {"device_id": DEVICE}, {"analytics": False, "ads": False})
    assert withdrawn["consent_mode"] == DENIED
    assert current(called) == {"decisions": {"analytics": False, "ads": False}, "needs_prompt": False, "reasons": []}


def test_the_device_may_stand_in_a_header(called: Called) -> None:
    capture(called, {"device_id": DEVICE}, {"ads": True})
    assert called.get("/consents/current", X_Device_Id=DEVICE).json == current(called)


def test_purposes_of_ones_own_choice_may_be_asked_about(called: Called) -> None:
    capture(called, {"device_id": DEVICE}, {"ads": True})
    both = current(called, question="&purposes=ads,analytics")
    assert both == {
        "decisions": {"ads": True, "analytics": False},
        "needs_prompt": True,
        "reasons": ["never_asked"],
    }
    for purpose in ("account", "tracking"):
        problem(called.get(f"/consents/current?device_id={DEVICE}&purposes={purpose}"), 400, "purposes")


@pytest.mark.parametrize(
    ("signal", "decided", "told"),
    [
        ("1", False, {"decisions": {"ads": False}, "needs_prompt": False, "reasons": ["gpc"]}),
        ("0", False, {"decisions": {"ads": False}, "needs_prompt": True, "reasons": ["never_asked"]}),
        ("true", False, {"decisions": {"ads": False}, "needs_prompt": True, "reasons": ["never_asked"]}),
        ("11", False, {"decisions": {"ads": False}, "needs_prompt": True, "reasons": ["never_asked"]}),
        ("1", True, {"decisions": {"ads": True}, "needs_prompt": False, "reasons": []}),
    ],
)
def test_global_privacy_control_counts_when_it_is_exactly_1_and_until_a_grant_here(
    called: Called, signal: str, decided: bool, told: dict[str, Any]
) -> None:
    if decided:
        capture(called, {"device_id": DEVICE}, {"ads": True})
    assert current(called, question="&purposes=ads", Sec_GPC=signal) == told


def test_a_material_version_asks_again_about_what_it_changes_and_lets_the_rest_stand(called: Called) -> None:
    capture(called, {"device_id": DEVICE}, {"ads": True, "analytics": True})
    called.publish("v2", "# Policy\n\nAdvertisements are new.\n", changes=["ads"])
    assert current(called)["reasons"] == ["policy_changed"]
    assert current(called)["needs_prompt"] is True
    assert current(called, question="&purposes=analytics")["needs_prompt"] is False
    capture(called, {"device_id": DEVICE}, {"ads": True, "analytics": True})
    assert current(called)["needs_prompt"] is False


def test_a_consent_is_asked_again_when_its_time_is_over(called: Called) -> None:
    capture(called, {"device_id": DEVICE}, {"analytics": True})
    called.later(days=366 * 3)
    told = current(called, question="&purposes=analytics")
    assert told["decisions"] == {"analytics": False}
    assert told["needs_prompt"] is True


@pytest.mark.parametrize(
    ("decisions", "field"),
    [
        ({"account": True}, "decisions.account"),
        ({"ads": True, "payments": False}, "decisions.payments"),
        ({}, "decisions"),
    ],
    ids=["of another basis", "one of another basis", "none"],
)
def test_only_purposes_that_rest_on_consent_are_decided(called: Called, decisions: dict[str, bool], field: str) -> None:
    with called.changing_nothing():
        problem(called.post("/consents", called.consent({"device_id": DEVICE}, decisions)), 400, field)


def test_a_purpose_that_was_not_shown_is_not_decided(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    with called.changing_nothing():
        problem(called.post("/consents", said | {"decisions": {"analytics": True}}), 400, "decisions.analytics")


# --- notices that come back ------------------------------------------------------------------------------------------


def test_an_older_notice_is_stale(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    called.publish("v2", "# Policy\n\nAnother one.\n")
    with called.changing_nothing():
        problem(called.post("/consents", said), 409, "notice")
    assert called.post("/consents", said | {"notice": called.notice("ads")}).status_code == 201


def forged(token: str, how: str) -> str:
    body, _, signature = token.partition(".")
    return {
        "another signature": f"{body}.{signature[::-1]}",
        "no signature": body,
        "an empty signature": f"{body}.",
        "another body": f"{body[:-4]}AAAA.{signature}",
        "more behind": f"{token}.{signature}",
        "nothing": "",
        "a dot": ".",
        "words": "let me in",
        "signs beyond ASCII": f"{body}.é😀",
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "another signature",
        "no signature",
        "an empty signature",
        "another body",
        "more behind",
        "nothing",
        "a dot",
        "words",
        "signs beyond ASCII",
    ],
)
def test_a_forged_notice_is_refused(called: Called, how: str) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    with called.changing_nothing():
        problem(called.post("/consents", said | {"notice": forged(said["notice"], how)}), 400, "notice")


def test_a_notice_of_another_house_is_refused(called: Called, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Called(tmp_path_factory.mktemp("other")).notice("ads")
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    problem(called.post("/consents", said | {"notice": other}), 400, "notice")


# --- repeats ---------------------------------------------------------------------------------------------------------


def test_a_repeat_with_the_same_key_gets_the_same_answer_and_records_once(called: Called) -> None:
    said = called.consent({"device_id": DEVICE, "email": EMAIL}, {"ads": True, "marketing_email": True})
    first = called.post("/consents", said, Idempotency_Key="k1")
    with called.changing_nothing():
        again = called.post("/consents", said, Idempotency_Key="k1")
    assert (again.status_code, again.json) == (first.status_code, first.json)


def test_a_key_belongs_to_one_decision(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    assert called.post("/consents", said, Idempotency_Key="k1").status_code == 201
    for other in ({"decisions": {"ads": False}}, {"method": "settings"}, {"locale": "de"}):
        with called.changing_nothing():
            problem(called.post("/consents", said | other, Idempotency_Key="k1"), 409, "Idempotency-Key")


def test_somebody_elses_key_may_be_the_same(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    answers = [
        called.post("/consents", said | {"subject": subject}, Idempotency_Key="k1")
        for subject in ({"device_id": DEVICE}, {"device_id": "device-0002"}, {"device_id": DEVICE, "email": EMAIL})
    ]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json["receipt_id"] for answer in answers}) == 3


def test_a_repeat_is_known_even_after_a_new_version_was_published(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    first = called.post("/consents", said, Idempotency_Key="k1")
    called.publish("v2", "# Policy\n\nAnother one.\n")
    again = called.post("/consents", said, Idempotency_Key="k1")
    assert (again.status_code, again.json) == (201, first.json), "its answer was lost on the way; it was recorded"


def test_a_repeat_is_known_even_after_the_user_has_moved_to_another_address(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    said = called.consent({"user_id": "u1", "email": EMAIL}, {"marketing_email": True}, method="settings")
    first = called.server("/consents", said, Idempotency_Key="k1")
    called.sign_up("u1", "new@people.example")
    with called.changing_nothing():
        again = called.server("/consents", said, Idempotency_Key="k1")
    assert (again.status_code, again.json) == (201, first.json), "its answer was lost on the way; it was recorded"


def test_without_a_key_each_decision_is_its_own_evidence(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    receipts = {called.post("/consents", said).json["receipt_id"] for _ in range(3)}
    assert len(receipts) == 3
    assert called.count("ledger") == len(receipts) + 5, "and the policy's, its campaign's three and its batch's"


def test_a_servers_key_is_not_a_browsers(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    browser = called.post("/consents", said, Idempotency_Key="k1")
    server = called.server("/consents", said, Idempotency_Key="k1")
    assert (browser.status_code, server.status_code) == (201, 201)
    assert browser.json["receipt_id"] != server.json["receipt_id"]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_a_length(called: Called, key: str) -> None:
    with called.changing_nothing():
        said = called.consent({"device_id": DEVICE}, {"ads": True})
        problem(called.post("/consents", said, Idempotency_Key=key), 400, "Idempotency-Key")


# --- the mailbox -----------------------------------------------------------------------------------------------------


def test_news_by_mail_from_a_page_anybody_can_fill_in_wait_for_the_mailbox(called: Called) -> None:
    answer = capture(called, {"device_id": DEVICE, "email": EMAIL}, {"ads": True, "marketing_email": True})
    assert answer["pending"] == ["marketing_email"]
    told = current(called)
    assert told["decisions"] == {"ads": True, "marketing_email": False}
    assert (told["needs_prompt"], told["reasons"]) == (False, ["pending"])


def test_an_address_without_a_device_waits_for_its_mailbox_whatever_the_purpose(called: Called) -> None:
    answer = capture(called, {"email": EMAIL}, {"ads": True, "analytics": False})
    assert answer["pending"] == ["ads"]


def test_the_mailbox_confirms_by_post_alone_and_may_confirm_twice(called: Called) -> None:
    link = confirmation(called)
    with called.changing_nothing():
        shown = called.get(link).json
    assert shown == {"purposes": ["marketing_email"], "masked": "a…@p….example", "confirmed": False}
    assert current(called)["decisions"] == {"marketing_email": False}
    first = called.post(link)
    assert first.status_code == 200
    assert first.json["confirmed"] == ["marketing_email"]
    with called.changing_nothing():
        assert called.post(link).json == first.json
        assert called.get(link).json == {"purposes": ["marketing_email"], "masked": None, "confirmed": True}
    assert current(called) == {"decisions": {"marketing_email": True}, "needs_prompt": False, "reasons": []}


def test_the_confirmation_page_has_one_form_and_posting_it_shows_what_was_confirmed(called: Called) -> None:
    link = confirmation(called)
    page = Page(called.page(link).text)
    (form,) = page.named("form")
    assert form.attributes["method"] == "post"
    assert EMAIL not in page.text
    posted = called.form(form.attributes["action"], {})
    assert (posted.status_code, posted.mimetype) == (200, "text/html")
    assert "by e-mail" in Page(posted.text).text
    assert not Page(called.page(link).text).named("form"), "there is nothing left to confirm"


def test_a_decision_made_after_the_mail_was_sent_is_not_undone_by_confirming(called: Called) -> None:
    link = confirmation(called)
    capture(called, {"device_id": DEVICE}, {"marketing_email": False})
    called.post(link)
    assert current(called)["decisions"] == {"marketing_email": False}


def test_a_confirmation_link_expires(called: Called) -> None:
    link = confirmation(called)
    called.later(days=7, seconds=5)
    with called.changing_nothing():
        for answer in (called.get(link), called.post(link)):
            problem(answer, 409, "t")
    assert called.page(link).status_code == 409
    assert current(called)["decisions"] == {"marketing_email": False}


def test_saying_no_needs_no_proof_and_no_mail(called: Called) -> None:
    answer = capture(called, {"device_id": DEVICE, "email": EMAIL}, {"marketing_email": False})
    assert answer["pending"] == []
    assert called.count("suppressions") == 1
    assert called.mails(EMAIL) == []


def test_an_address_stands_nowhere_in_the_open(called: Called) -> None:
    capture(called, {"device_id": DEVICE, "email": EMAIL}, {"marketing_email": True}, Idempotency_Key="k1")
    stored = repr(called.rows())
    assert EMAIL not in stored
    assert DEVICE not in stored


# --- the website's server --------------------------------------------------------------------------------------------


def test_a_server_names_its_user_and_nothing_waits(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    said = called.consent({"user_id": "u1", "email": EMAIL}, {"marketing_email": True, "ads": True}, method="settings")
    answer = called.server("/consents", said)
    assert answer.status_code == 201
    assert answer.json["pending"] == []
    assert called.mails(EMAIL) == []


@pytest.mark.parametrize("more", [{}, {"email": EMAIL}], ids=["by user", "with its address"])
def test_a_users_yes_after_an_objection_has_the_mailbox_asked_and_then_counts(
    called: Called, more: dict[str, str]
) -> None:
    called.sign_up("u1", EMAIL)
    called.ask(EMAIL, "objection")
    said = called.consent({"user_id": "u1", **more}, {"marketing_email": True, "analytics": True}, method="settings")
    answer = called.server("/consents", said).json
    assert answer["decisions"] == {"marketing_email": True, "analytics": True}
    assert answer["pending"] == [], "what a server says of its user is never pending"
    may = {"subject": {"user_id": "u1"}, "purpose": "marketing_email"}
    assert called.server("/processing", may).json["reasons"] == ["objection"]
    receipt = called.get(answer["receipt_url"]).json["receipt"]
    assert receipt["purposes"] == {"marketing_email": "given", "analytics": "given"}
    confirmed = called.post(called.mailed_link(EMAIL, "/consents/confirm?t=")).json
    assert (confirmed["confirmed"], confirmed["receipt_id"]) == (["marketing_email"], answer["receipt_id"])
    assert called.server("/processing", may).json == {"allowed": True, "reasons": []}


@pytest.mark.parametrize("email", ["bob@people.example", "old@people.example"], ids=["never linked", "replaced"])
def test_a_servers_address_must_be_a_confirmed_one_of_that_user(called: Called, email: str) -> None:
    called.sign_up("u1", "old@people.example")
    called.sign_up("u1", EMAIL)
    said = called.consent({"user_id": "u1", "email": email}, {"marketing_email": True})
    with called.changing_nothing():
        problem(called.server("/consents", said), 409, "subject.email")


def test_a_server_may_record_for_a_user_it_has_not_linked_yet_but_not_with_an_address(called: Called) -> None:
    assert called.server("/consents", called.consent({"user_id": "u9"}, {"ads": True})).status_code == 201
    said = called.consent({"user_id": "u8", "email": EMAIL}, {"ads": True})
    with called.changing_nothing():
        problem(called.server("/consents", said), 409, "subject.email")


def test_a_browser_may_not_name_a_user(called: Called) -> None:
    for subject in ({"user_id": "u1"}, {"user_id": "u1", "device_id": DEVICE}, {"user_id": "", "device_id": DEVICE}):
        with called.changing_nothing():
            problem(called.post("/consents", called.consent(subject, {"ads": True})), 400, "subject.user_id")


# --- receipts --------------------------------------------------------------------------------------------------------


def test_a_receipt_can_be_checked_by_anybody_from_the_published_key(called: Called) -> None:
    answer = capture(called, {"device_id": DEVICE}, {"analytics": True, "ads": False})
    receipt = called.get(answer["receipt_url"]).json
    assert set(receipt) == {"receipt", "jws", "events"}
    assert claims_of(receipt["jws"], called.get("/.well-known/jwks.json").json) == receipt["receipt"]
    assert receipt["receipt"]["purposes"] == {"analytics": "given", "ads": "refused"}
    assert receipt["receipt"]["privacy_notice"]["sha256"] == answer["policy_hash"]
    assert receipt["receipt"]["event_time"] == answer["recorded_at"]
    assert DEVICE not in called.get(answer["receipt_url"]).text


def test_a_receipt_tells_later_that_the_mailbox_confirmed(called: Called) -> None:
    link = confirmation(called)
    url = called.post(link).json["receipt_url"]
    receipt = called.get(url).json
    assert receipt["receipt"]["purposes"] == {"marketing_email": "pending"}
    assert [(event["event"], event["purposes"]) for event in receipt["events"]] == [
        ("consent.confirmed", ["marketing_email"])
    ]


@pytest.mark.parametrize("receipt_id", ["none", "0" * 40, "policy", "..", "a:b", "%00", "%f0%9f%98%80", "x" * 5000])
def test_a_receipt_that_is_none_is_not_found(called: Called, receipt_id: str) -> None:
    problem(called.get(f"/consents/receipts/{receipt_id}"), 404)
    assert called.page(f"/consents/receipts/{receipt_id}").status_code == 404


def test_a_request_is_no_receipt(called: Called) -> None:
    problem(called.get(f"/consents/receipts/{called.ask(EMAIL)['request_id']}"), 404)


def test_the_website_may_send_what_it_needs_across_origins(called: Called) -> None:
    asked = called.call("OPTIONS", "/consents", Origin=WEBSITE, Access_Control_Request_Method="POST")
    for header in ("Content-Type", "Idempotency-Key", "X-Device-Id"):
        assert header in asked.headers["Access-Control-Allow-Headers"]
    assert "Authorization" not in asked.headers["Access-Control-Allow-Headers"], "keys are a server's"


def test_a_person_whose_link_is_none_reads_why(called: Called) -> None:
    answer = called.call("GET", "/consents/confirm?t=guess", Accept=PAGE)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert len(Page(answer.text).named("h1")) == 1
