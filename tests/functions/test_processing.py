"""`processing`: the website's server asks before it uses a person's data."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.functions.called import WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract

DEVICE, EMAIL = "device-0001", "ada@people.example"
ROOT = Path(__file__).parents[2]


class TestProcessingActs(ActsContract):
    edge = "processing"
    acts = ("/",)
    browser = False
    headers = {"Authorization": f"Bearer {WEBSITE_KEYS[0]}"}


def ask(called: Called, subject: dict[str, str], purpose: str, **headers: str) -> Any:
    answer = called.server("/processing", {"subject": subject, "purpose": purpose}, **headers)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_yes_is_answered_with_no_reasons_and_a_no_with_all_of_them(called: Called) -> None:
    called.post("/consents", called.consent({"device_id": DEVICE}, {"analytics": True, "ads": False}))
    assert ask(called, {"device_id": DEVICE}, "analytics") == {"allowed": True, "reasons": []}
    assert ask(called, {"device_id": DEVICE}, "ads") == {"allowed": False, "reasons": ["no_consent"]}
    assert ask(called, {"device_id": DEVICE}, "none") == {"allowed": False, "reasons": ["unknown_purpose"]}
    assert ask(called, {"email": EMAIL}, "ads") == {"allowed": False, "reasons": ["unknown_subject"]}


def test_a_yes_by_mail_counts_once_the_mailbox_has_confirmed_it(called: Called) -> None:
    said = called.consent({"device_id": DEVICE, "email": EMAIL}, {"marketing_email": True})
    assert called.post("/consents", said).status_code == 201
    assert ask(called, {"email": EMAIL}, "marketing_email")["reasons"] == ["pending"]
    assert called.post(called.mailed_link(EMAIL, "/consents/confirm?t=")).status_code == 200
    assert ask(called, {"email": EMAIL}, "marketing_email")["allowed"] is True


@pytest.mark.parametrize(
    ("sent", "reasons"), [("1", ["gpc", "unknown_subject"]), ("0", ["unknown_subject"]), ("true", ["unknown_subject"])]
)
def test_the_browsers_signal_is_passed_on_and_counts_only_when_exactly_1(
    called: Called, sent: str, reasons: list[str]
) -> None:
    assert ask(called, {"device_id": DEVICE}, "ads", Sec_GPC=sent)["reasons"] == reasons


def test_a_version_takes_effect_for_the_guard_when_it_says(called: Called) -> None:
    called.post("/consents", called.consent({"device_id": DEVICE}, {"analytics": True}))
    called.publish("v2", text="# Another text", changes=["analytics"])
    assert ask(called, {"device_id": DEVICE}, "analytics")["reasons"] == ["policy_changed"]


def test_asking_changes_nothing(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    with called.changing_nothing():
        ask(called, {"user_id": "u1", "email": EMAIL, "device_id": DEVICE}, "marketing_email")


def test_nobody_but_the_websites_server_may_ask(called: Called) -> None:
    body = {"subject": {"email": EMAIL}, "purpose": "ads"}
    for headers in ({}, {"Authorization": "Bearer guess"}):
        problem(called.post("/processing", body, **headers), 401, "Authorization")


@pytest.mark.parametrize("purpose", ["", "ads\n", "ADS", "x" * 5000, "../etc", "marketing_email "])
def test_a_purpose_that_is_none_is_unknown_whatever_it_looks_like(called: Called, purpose: str) -> None:
    assert ask(called, {"device_id": DEVICE}, purpose)["reasons"] == ["unknown_purpose"]


def test_before_a_policy_was_published_it_is_asked_again_later(called: Called) -> None:
    called.forget_policy()
    problem(called.server("/processing", {"subject": {"device_id": DEVICE}, "purpose": "ads"}), 503)


# --- every sender of ours asks ------------------------------------------------------------------------------------------


def sends_marketing(source: str) -> bool:
    """Tell whether code names the marketing sender, adds to an audience, or hands mail over to SendGrid."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "marketing" and _names(node.value, "senders"):
            return True
        if isinstance(node, ast.Call):
            words = [one.value for one in node.args if isinstance(one, ast.Constant)]
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if (method == "post" or "post" in words) and ("users" in words or {"mail", "send"} <= set(words)):
                return True
    return False


def _names(node: ast.expr, name: str) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == name) or (isinstance(node, ast.Name) and node.id == name)


def asks_the_guard(source: str) -> bool:
    """Tell whether code calls the guard."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "decide"
        and _names(node.func.value, "processing")
        for node in ast.walk(ast.parse(source))
    )


SERVICE_MAIL_ONLY = {"infra/subprocessors/sendgrid_transport.py"}
"""Hands over service mail, which goes past unsubscribe lists: answers, links, notices. No marketing among them."""
RECOGNISES = {"shared/promises/inbound.py"}
"""Knows our senders' addresses to tell our own mails, coming back, from people's; it sends nothing but service mail."""


def test_every_sender_of_ours_asks_the_guard() -> None:
    for folder in ("shared", "infra/mails", "infra/subprocessors", "infra/gcp", "infra/http", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name, source = str(path.relative_to(ROOT)), path.read_text()
            if name not in SERVICE_MAIL_ONLY | RECOGNISES and sends_marketing(source):
                assert asks_the_guard(source), f"{name} sends, and never asks whether it may"


def test_what_sends_service_mail_knows_no_marketing_sender() -> None:
    for name in SERVICE_MAIL_ONLY:
        source = (ROOT / name).read_text()
        assert sends_marketing(source), "else it need not stand in this list"
        assert "marketing" not in [node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]


@pytest.mark.parametrize(
    ("source", "sends"),
    [
        ('call("post", "mail", "send", body=mail)', True),
        ("mail['from'] = company.senders.marketing", True),
        ("transport.post(Added, audience, 'users', form=form)", True),
        ("transport.delete(Removed, audience, 'users', form=form)", False),
        ("company.senders.service", False),
        ("purpose.marketing", False),
    ],
)
def test_a_new_sender_would_be_seen(source: str, sends: bool) -> None:
    assert sends_marketing(source) is sends
    assert not asks_the_guard(source)
    assert asks_the_guard(f"{source}\nif processing.decide(services, published, whom, name).allowed: pass")
