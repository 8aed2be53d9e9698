from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.settings import SAMPLES
from shared.annex import ANNEX, NAMES
from shared.company import company_from
from shared.policy_reading.claims import ADDRESS
from shared.policy_reading.facts import Facts
from shared.policy_reading.sentences import plain
from shared.promises.findings import RULES, Finding, Notice, findings, fingerprint
from shared.promises.policy import canonical_text
from shared.website_data import website_data_from
from tests.promises.world import NOON, timedelta

CASES: dict[str, dict[str, list[str]]] = yaml.safe_load(Path(__file__).with_name("findings.yaml").read_text())
COMPANY = company_from(yaml.safe_load((SAMPLES / "company.yaml").read_text()))
WEBSITE = website_data_from(yaml.safe_load((SAMPLES / "website-data.yaml").read_text()))
FACTS = Facts(COMPANY, ANNEX, NAMES, WEBSITE)
FOUND = [(rule, text) for rule, cases in CASES.items() for text in cases["found"]]
SILENT = [(rule, text) for rule, cases in CASES.items() for text in cases["silent"]]
WHOLE = """# How Sample Rooms treats your data

Sample Rooms is the controller; write to privacy@sample-rooms.example. Our data protection officer reads that too.

## Why, and on what legal basis

Your account, your payments and messages about orders: a contract with you. Records of invoices: a legal obligation. Counts of use by
analytics, advertisements and marketing: your consent, which you may withdraw at any time. Nothing is decided by automated decision-making.
You must give us your name to have an account; all else is up to you.

## Who gets it

Google Analytics, Google Tag Manager, Google Cloud Platform, Stripe, SendGrid, Facebook and Instagram. Some work in the United States, under
standard contractual clauses.

## How long

We keep your data as long as you have an account and delete it within 14 days after you ask. Invoices are kept for six years.

## Your rights

Access, rectification, erasure, restriction, portability, and the right to object. You may complain to a supervisory authority.
"""


def found_in(text: str, facts: Facts = FACTS, notice: Notice | None = None) -> list[Finding]:
    return findings(canonical_text(text), facts, notice)


def rules_in(text: str, facts: Facts = FACTS) -> set[str]:
    return {one.rule for one in found_in(text, facts) if one.kind != "missing"}


def with_company(**changed: Any) -> Facts:
    return FACTS._replace(company=msgspec.structs.replace(COMPANY, **changed))


@pytest.mark.parametrize(("rule", "text"), FOUND, ids=str)
def test_a_sentence_that_is_not_kept_is_found(rule: str, text: str) -> None:
    assert rule in rules_in(text)


@pytest.mark.parametrize(("rule", "text"), SILENT, ids=str)
def test_a_sentence_that_is_kept_is_not_accused(rule: str, text: str) -> None:
    assert rule not in rules_in(text)


def test_every_rule_has_its_cases_both_ways() -> None:
    assert set(CASES) == {rule.name for rule in RULES} - {"recipient_not_used"}
    for rule, cases in CASES.items():
        assert len(cases["found"]) >= 3, rule
        assert len(cases["silent"]) >= 3, rule


def test_a_policy_that_says_all_and_no_more_has_no_findings() -> None:
    assert found_in(WHOLE) == []


# --- recipients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["Google Tag Manager", "Stripe", "Instagram"])
def test_whoever_works_for_the_company_and_is_left_out_of_the_list_is_named(title: str) -> None:
    without = WHOLE.replace(f"{title}, ", "").replace(f" and {title}", "")
    assert [one.rule for one in found_in(without)] == ["recipient_unnamed"]
    assert title in found_in(without)[0].why


@pytest.mark.parametrize("name", ["stripe", "facebook", "instagram"])
def test_whoever_is_not_used_may_be_left_out_of_the_list(name: str) -> None:
    title = next(one.title for one in ANNEX if one.name == name)
    facts = with_company(not_used={name: "no need"})
    without = WHOLE.replace(f"{title}, ", "").replace(f" and {title}", "")
    assert found_in(without, facts) == []


LIST = "# Policy\n\n## Subprocessors\n\n- Google Analytics\n- Facebook\n"


@pytest.mark.parametrize("name", ["facebook", "google_analytics"])
def test_a_list_that_names_one_that_is_not_used_is_told(name: str) -> None:
    assert "recipient_not_used" in rules_in(LIST, with_company(not_used={name: "no need"}))


@pytest.mark.parametrize(
    ("text", "not_used"),
    [
        (LIST, {}),
        (LIST, {"instagram": "no need"}),
        ("# Policy\n\nWe have a page on Facebook.\n", {"facebook": "no need"}),
        ("# Policy\n\n## Subprocessors\n\n- Not used any more: Facebook\n", {"facebook": "no need"}),
    ],
)
def test_a_list_of_those_who_are_used_is_not_accused(text: str, not_used: dict[str, str]) -> None:
    assert "recipient_not_used" not in rules_in(text, with_company(not_used=not_used))


# --- the configuration decides ---------------------------------------------------------------------------------------


def test_what_is_said_of_anonymity_stands_where_nothing_tells_browsers_apart() -> None:
    names = ("google_analytics", "google_tag_manager", "facebook", "instagram")
    text = "The cookies we set collect anonymous data about your visit."
    assert "anonymous" in rules_in(text)
    assert "anonymous" not in rules_in(text, with_company(not_used=dict.fromkeys(names, "no need")))


def test_a_period_is_held_against_the_one_configured() -> None:
    ten = [msgspec.structs.replace(one, kept_for="P10Y") for one in COMPANY.purposes]
    text = "We keep payment records for ten years."
    assert "kept_for" in rules_in(text)
    assert "kept_for" not in rules_in(text, with_company(purposes=ten))


@pytest.mark.parametrize(
    ("effective_in_days", "material", "is_first", "found"),
    [
        (0, True, False, True),
        (13, True, False, True),
        (14, True, False, False),
        (0, False, False, False),
        (0, True, True, False),
        (-30, True, False, True),
    ],
)
def test_a_material_change_needs_fourteen_days(
    effective_in_days: int, material: bool, is_first: bool, found: bool
) -> None:
    notice = Notice(NOON, NOON + timedelta(days=effective_in_days), material, is_first)
    assert [one.rule for one in found_in(WHOLE, notice=notice)] == ["notice_too_short"] * found


# --- what Art. 13 wants ----------------------------------------------------------------------------------------------

LEFT_OUT = {
    "controller_identity": [("Sample Rooms", "We")],
    "controller_contact": [("; write to privacy@sample-rooms.example", "")],
    "protection_officer": [("Our data protection officer reads that too.", "")],
    "legal_basis": [("on what legal basis", "how"), ("a contract", "an order")],
    "legal_basis_contract": [
        ("a contract with you", "to serve you"),
        ("standard contractual clauses", "an adequacy decision"),
    ],
    "legal_basis_legal_obligation": [("a legal obligation", "tax")],
    "purpose_ads": [("advertisements", "")],
    "transfers": [("Some work in the United States, under", "Under")],
    "safeguards": [("standard contractual clauses", "terms of a contract")],
    "retention": [
        ("as long as you have an account and delete it within 14 days after you ask", ""),
        ("for six years", ""),
    ],
    "right_of_access": [("Access, ", "")],
    "right_to_rectification": [("rectification, ", "")],
    "right_to_erasure": [("erasure, ", "")],
    "right_to_restriction": [("restriction, ", "")],
    "right_to_portability": [("portability", "more")],
    "right_to_object": [("the right to object", "others")],
    "withdrawal": [(", which you may withdraw at any time", "")],
    "complaint": [("You may complain to a supervisory authority.", "")],
    "required_or_not": [("You must give us your name to have an account; all else is up to you.", "")],
    "automated_decisions": [("Nothing is decided by automated decision-making.", "")],
    "recipients": [
        (
            "Google Analytics, Google Tag Manager, Google Cloud Platform, Stripe, SendGrid, Facebook and Instagram. Some",
            "Some",
        ),
        ("Who gets it", "Where"),
    ],
}


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_an_item_of_article_13_that_is_left_out_is_named(rule: str) -> None:
    text = WHOLE
    for old, new in LEFT_OUT[rule]:
        assert old in text
        text = text.replace(old, new)
    found = [one for one in found_in(text) if one.kind == "missing"]
    assert [one.rule for one in found] == [rule]
    assert found[0].source.startswith("GDPR Art. 13(")


def test_legitimate_interests_are_asked_for_only_where_a_purpose_rests_on_them() -> None:
    one = msgspec.structs.replace(COMPANY.purposes[4], legal_basis="legitimate_interests")
    found = {found.rule for found in found_in(WHOLE, with_company(purposes=[*COMPANY.purposes[:4], one]))}
    assert "legitimate_interests" in found
    assert "legitimate_interests" not in {found.rule for found in found_in(WHOLE)}


def test_an_officer_and_automated_decisions_are_only_advised() -> None:
    advised = {one.rule for one in found_in("# Policy\n\nHello.") if one.advisory}
    assert advised == {"protection_officer", "automated_decisions"}


@pytest.mark.parametrize(
    "contact",
    ["[mail](mailto:privacy@sample-rooms.example)", "[call](tel:+441315550100)", "[form](https://a.example/contact)"],
)
def test_a_contact_that_stands_in_a_link_alone_is_a_contact(contact: str) -> None:
    text = WHOLE.replace("write to privacy@sample-rooms.example", f"reach us by {contact}")
    assert found_in(text) == []


@pytest.mark.parametrize("other", ["[terms](https://a.example/terms)", "[mail](mailto:)"])
def test_a_link_to_anything_else_is_no_contact(other: str) -> None:
    text = WHOLE.replace("write to privacy@sample-rooms.example", f"read our {other}")
    assert [one.rule for one in found_in(text)] == ["controller_contact"]


@pytest.mark.parametrize(
    "said", ["We never share anything with anybody.", "We do not share your data with third parties."]
)
def test_to_say_that_nobody_gets_data_names_no_recipients(said: str) -> None:
    rules = {one.rule for one in found_in(f"# Policy\n\n{said}\n")}
    assert {"no_sharing", "recipients"} <= rules


# --- other languages than English ------------------------------------------------------------------------------------

GERMAN = """# Datenschutz bei Sample Rooms

Wir nehmen den Schutz Ihrer Angaben ernst. Verantwortlich ist Sample Rooms. Sie erreichen uns unter privacy@sample-rooms.example.

## 1. Was wir erheben

Für Ihr Konto brauchen wir Ihren Namen und Ihre Anschrift. Bestellungen speichern wir mit Datum und Betrag. Mit Ihrer Einwilligung zählen
wir, welche Seiten gelesen werden. Ohne Einwilligung geschieht das nicht.

## 2. Wozu

Das Konto und die Zahlungen beruhen auf dem Vertrag mit Ihnen. Rechnungen bewahren wir auf, weil das Gesetz es verlangt. Werbung schicken
wir nur, wenn Sie zugestimmt haben. Die Zustimmung können Sie jederzeit zurücknehmen.

## 3. Wer sonst etwas erhält

- Google Analytics
- Stripe
- Mailchimp für den Rundbrief

Einige davon sitzen in den Vereinigten Staaten. Dafür gelten Standardvertragsklauseln. Wir nutzen kein Hotjar via Google Tag Manager.

## 4. Wie lange

Ihre Angaben löschen wir binnen 48 Stunden. Rechnungen bleiben sechs Jahre liegen. Danach werden auch sie vernichtet.

## 5. Ihre Rechte

Sie dürfen Auskunft verlangen. Sie dürfen Falsches berichtigen lassen. Sie dürfen der Werbung widersprechen. Auch die Mitnahme Ihrer Angaben
steht Ihnen frei. Beschwerden nimmt die Aufsichtsbehörde entgegen. Für Kinder unter 13 ist das Angebot nicht gedacht.
"""


@pytest.mark.parametrize("text", [GERMAN, "Wir löschen Ihre Daten sofort."], ids=["long", "short"])
def test_a_text_in_another_language_is_said_to_be_unread_and_nothing_is_said_to_be_missing(text: str) -> None:
    found = found_in(text)
    assert [one.rule for one in found if one.rule != "recipient_unnamed"] == ["not_english"]
    assert not any(one.kind == "missing" for one in found)
    assert "not in English" in found[-1].why


def test_the_english_half_of_a_text_in_two_languages_is_read() -> None:
    rules = {one.rule for one in found_in(WHOLE + "\n\nWe delete your data within 48 hours.\n\n" + GERMAN)}
    assert rules == {"not_english", "deadline"}


@pytest.mark.parametrize("text", [text for _, text in FOUND + SILENT] + [WHOLE])
def test_what_is_english_is_never_called_unread(text: str) -> None:
    assert "not_english" not in rules_in(text)


def test_a_name_or_a_quotation_in_another_language_makes_no_text_foreign() -> None:
    assert found_in(WHOLE + "\nOur office: Am alten Markt, bei der Kirche. Motto: „Wir drucken alles.“\n") == []


# --- the list itself -------------------------------------------------------------------------------------------------


def test_findings_are_stable_sorted_and_quote_the_policys_own_words() -> None:
    text = "# Policy\n\n## 2. Care\n\nYour data is *100% safe*.\n\n## 1. Mail\n\nWe use Mailchimp. We use Mailchimp.\n"
    found = found_in(text)
    assert [one.kind for one in found] == sorted(
        (one.kind for one in found), key=["contradiction", "unprovable", "missing"].index
    )
    told, claimed = found[0], found[1]
    assert (told.section, told.sentence) == ("1. Mail", "We use Mailchimp.")
    assert (claimed.section, claimed.sentence) == ("2. Care", "Your data is 100% safe.")
    assert len({one.id for one in found}) == len(found), "the same sentence twice is one finding"
    moved = "# Policy\n\n## 9. Mail\n\nHello. We use Mailchimp.\n"
    assert told.id in {one.id for one in found_in(moved)}, "an id follows the sentence, not its place"
    assert fingerprint(found) == fingerprint(found_in(text))


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=400), st.text("ab .#-|[]()*_•1\n§@,;:'\"", max_size=400)))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    for one in found_in(text):
        assert one.why
        assert one.sentence is None or plain(one.sentence)


@pytest.mark.parametrize(
    "text",
    ["|" * 90_000 + "x", "[" * 90_000, "# " + " #" * 45_000 + "x", "a." * 40_000, "by using " * 9_000, "keep " * 16_000,
     "within a day " * 7_000, "• A\n" * 4_000, "we delete all " * 6_000, "a@b." * 20_000, "not " * 20_000 + ".",
     "you share " * 9_000, "within 2 days, " * 6_000, "if we have " * 9_000, "use Slack " * 9_000, "share data with such as " * 4_000, "share " + "with such as " * 9_000, "nobody gets your " * 6_000, "we sell your " * 9_000, "keep a b c and " * 6_000, "data is deleted within a day and " * 3_000, "ü " * 40_000],
    ids=lambda text: text[:9],
)  # fmt: skip
def test_the_longest_and_most_repetitive_text_is_read_in_seconds(text: str) -> None:
    assert len(found_in(text)) <= 300


# --- the company's own published policy, where it lies ---------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> str:
    path = os.environ.get("PLEDGE_POLICY_FILE")
    if not path:
        pytest.skip("PLEDGE_POLICY_FILE names no policy")
    return Path(path).read_text()


@pytest.fixture(scope="module")
def own(published: str) -> Facts:
    """Return the configuration of a company whose contact address is the one its policy names."""
    return with_company(contact=ADDRESS.findall(published.lower())[0].rstrip("."))


def test_the_published_policy_is_found_to_say_what_cannot_be_made_true(published: str, own: Facts) -> None:
    found = found_in(published, own)
    claims = [one.rule for one in found if one.kind != "missing"]
    assert claims.count("anonymous") == 3
    assert claims.count("superlative") == 3
    assert claims.count("consent_by_acceptance") == 1
    assert claims.count("disclosed_untold") == 1
    assert claims.count("recipient_kind") == 1
    missing = {one.rule for one in found if one.kind == "missing"}
    assert missing >= {
        "controller_identity", "legal_basis", "transfers", "safeguards", "withdrawal", "complaint", "required_or_not",
    }  # fmt: skip


def test_the_published_policy_is_not_accused_of_what_is_kept(published: str, own: Facts) -> None:
    """Fourteen days, the law's exception, the list of recipients, the link to unsubscribe, notice by e-mail, the rights."""
    found = {one.rule for one in found_in(published, own)}
    assert {one for one in found if not one.startswith(("purpose_", "missing"))} == {
        "anonymous", "superlative", "consent_by_acceptance", "disclosed_untold", "recipient_kind", "controller_identity", "legal_basis",
        "transfers", "safeguards", "withdrawal", "complaint", "required_or_not", "protection_officer", "automated_decisions",
    }  # fmt: skip


def test_every_quoted_sentence_stands_in_the_published_policy(published: str, own: Facts) -> None:
    quoted = [one for one in found_in(published, own) if one.sentence]
    assert quoted
    assert all(plain(one.sentence or "") in plain(published) for one in quoted)


def test_the_published_policy_is_accused_of_a_contact_address_nobody_here_reads(published: str) -> None:
    assert len([one for one in found_in(published) if one.rule == "other_contact"]) == 2
