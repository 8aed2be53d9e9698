from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.company import company_from
from shared.failures import BadInput, Misconfigured, Missing, Stale
from shared.promises import evidence, findings, operators, policy, publishing
from shared.promises.policy import Draft, publish
from shared.records import InForce
from shared.store import Delete
from tests.promises.world import NOON, World

CHANGED = "# Two\n\nWe delete your data within 3 days. Our mails are sent through Mailchimp.\n"


def rehearsed(world: World, **draft: Any) -> dict[str, Any]:
    return publishing.rehearse(world.services, Draft(**({"text": CHANGED, "version": "v2"} | draft)), "ola")


def with_company(world: World, **changed: Any) -> None:
    world.services.__dict__["company"] = msgspec.structs.replace(world.services.company, **changed)


def test_a_dry_run_tells_what_publishing_then_does_and_changes_nothing(world: World) -> None:
    before = evidence.check(world.services)
    told = rehearsed(world, effective_at=NOON + timedelta(days=20), summary="Three days.", changes=["ads"])
    assert evidence.check(world.services) == before
    with pytest.raises(Missing):
        policy.read(world.services, "v2")
    draft = Draft(
        text=CHANGED, version="v2", effective_at=NOON + timedelta(days=20), summary="Three days.", changes=["ads"]
    )
    published = publish(world.services, draft, "ola").policy
    assert (told["version"], told["hash"], told["title"]) == ("v2", published.hash, published.title)
    assert (told["material"], told["changes"], told["summary"]) == (True, ["ads"], "Three days.")
    assert (told["follows"], told["effective_at"]) == ("v1", "2026-03-21T12:00:00Z")
    kept = findings.shown(world.services, "v2")
    assert kept["findings"] == told["findings"]
    assert kept["sha256"] == told["findings_sha256"]


def test_recipients_are_counted_and_so_are_their_mails(world: World) -> None:
    for n in range(3):
        world.account(f"u{n}", f"u{n}@mail.example")
    world.decide({"analytics": True}, device_id="device-0001")
    assert (rehearsed(world)["recipients"], rehearsed(world)["cost"]) == (3, {"mails": 3})
    with_company(world, mail_cost_per_thousand="0.80 EUR")
    assert rehearsed(world)["cost"] == {"mails": 3, "money": "0.00 EUR"}


@pytest.mark.parametrize(("n", "money"), [(0, "0.00 EUR"), (1000, "0.80 EUR"), (1_234_567, "987.65 EUR")])
def test_the_cost_is_reckoned_in_money_without_a_float(world: World, n: int, money: str) -> None:
    with_company(world, mail_cost_per_thousand="0.80 EUR")
    assert publishing.cost(world.services.company, n) == {"mails": n, "money": money}


@pytest.mark.parametrize("cost", ["0.80", "EUR 0.80", "-1 EUR", "0,80 EUR", "0.8 eur", "", "1e3 EUR"])
def test_a_cost_that_is_no_amount_with_its_currency_is_refused_at_start(world: World, cost: str) -> None:
    stated = msgspec.to_builtins(world.services.company) | {"mail_cost_per_thousand": cost}
    with pytest.raises(Misconfigured, match="mail_cost_per_thousand"):
        company_from(stated)


def test_what_changes_is_told_in_text_and_recipients(world: World) -> None:
    with_company(world, not_used={"instagram": "no advertisements there"})
    text = policy.read(world.services, "v1").policy.text.replace("with one click", "with a click")
    told = rehearsed(world, text=text)
    assert [(one.old, one.new) for one in told["diff"] if one.op != "equal"] == [("one", "a")]
    assert told["catalogue"].recipients.removed == {"instagram": "Instagram"}


def test_the_first_version_follows_none_and_needs_no_notice(world: World) -> None:
    world.services.commit([Delete(InForce, policy.IN_FORCE)])
    told = rehearsed(world, version="v0")
    assert (told["follows"], told["diff"], told["catalogue"]) == (None, None, None)
    assert "notice_too_short" not in {one.rule for one in told["findings"]}


@pytest.mark.parametrize(
    ("draft", "error", "field"),
    [
        ({"version": "v1"}, Stale, "version"),
        ({"text": " "}, BadInput, "text"),
        ({"version": "changes"}, BadInput, "version"),
        ({"changes": ["telepathy"]}, BadInput, "changes"),
    ],
)
def test_a_dry_run_refuses_what_publishing_would(
    world: World, draft: dict[str, Any], error: type[BadInput], field: str
) -> None:
    with pytest.raises(error) as refused:
        rehearsed(world, **draft)
    assert refused.value.field == field


# --- the same text -----------------------------------------------------------------------------------------------------


def test_the_text_in_force_may_be_published_anew_and_the_difference_is_that_nothing_changed(world: World) -> None:
    before = policy.read(world.services, "v1")
    after = publish(world.services, Draft(text=before.policy.text.replace("\n", "\r\n"), version="v2"), "ola")
    pieces, _ = publishing.compared(before, after)
    assert [one.op for one in pieces] == ["equal"]
    assert after.policy.hash == before.policy.hash


def test_a_dry_run_says_when_nothing_changed_however_the_text_is_written(world: World) -> None:
    text = policy.read(world.services, "v1").policy.text
    for same in (text, text.replace("\n", "\r\n"), f"\n{text}\n\n"):
        assert rehearsed(world, text=same)["unchanged"] is True
    assert rehearsed(world)["unchanged"] is False
    with_company(world, not_used={"instagram": "no advertisements there"})
    assert rehearsed(world, text=text)["unchanged"] is False


def test_a_version_that_exists_is_refused_whatever_its_text(world: World) -> None:
    text = policy.read(world.services, "v1").policy.text
    with pytest.raises(Stale) as refused:
        publish(world.services, Draft(text=text, version="v1"), "ola")
    assert refused.value.field == "version"


def test_the_same_text_is_published_when_recipients_changed_and_the_difference_says_so(world: World) -> None:
    with_company(world, not_used={"instagram": "no advertisements there"})
    before = policy.read(world.services, "v1")
    after = publish(world.services, Draft(text=before.policy.text, version="v2"), "ola")
    pieces, catalogue = publishing.compared(before, after)
    assert [one.op for one in pieces] == ["equal"]
    assert catalogue.recipients.removed == {"instagram": "Instagram"}


def test_an_earlier_text_may_come_back(world: World) -> None:
    text = policy.read(world.services, "v1").policy.text
    publish(world.services, Draft(text=CHANGED, version="v2"), "ola")
    assert publish(world.services, Draft(text=text, version="v3"), "ola").policy.text == text


# --- findings in the evidence ------------------------------------------------------------------------------------------


def test_publishing_with_findings_is_allowed_and_the_evidence_says_who_and_which(world: World) -> None:
    publish(world.services, Draft(text=CHANGED, version="v2"), "ola")
    kept = findings.shown(world.services, "v2")
    assert {"deadline", "recipient_unlisted", "notice_too_short"} <= {one.rule for one in kept["findings"]}
    entry = evidence.check(world.services)
    assert entry["intact"]
    facts = published_facts(world)
    assert facts["by"] == "ola"
    assert facts["findings"]["sha256"] == kept["sha256"] == findings.fingerprint(kept["findings"])
    assert facts["findings"]["ids"] == [one.id for one in kept["findings"]]
    assert sum(facts["findings"]["counts"].values()) == len(kept["findings"])
    assert "Mailchimp" not in json.dumps(facts), "the evidence holds ids, not sentences"


def published_facts(world: World) -> dict[str, Any]:
    facts: dict[str, Any] = operators.evidence(world.services, policy.STREAM)["entries"][-1]["facts"]
    return facts


def test_findings_stay_as_they_were_whatever_is_configured_later(world: World) -> None:
    publish(world.services, Draft(text=CHANGED, version="v2"), "ola")
    before = findings.shown(world.services, "v2")
    with_company(world, contact="other@elsewhere.example", not_used={"facebook": "no"})
    assert findings.shown(world.services, "v2") == before


def test_a_text_full_of_claims_still_fits_its_record_and_its_evidence(world: World) -> None:
    text = "# Two\n\n" + "\n\n".join(f"Reason {n}: we delete your data within {n % 9 + 1} days." for n in range(5000))
    publish(world.services, Draft(text=text, version="v2"), "ola")
    kept = findings.shown(world.services, "v2")
    assert len(kept["findings"]) == findings.MOST
    assert len(published_facts(world)["findings"]["ids"]) == findings.MOST_IDS


@pytest.mark.parametrize("version", ["v9", "", "../v1", "findings"])
def test_findings_of_no_version_are_missing(world: World, version: str) -> None:
    with pytest.raises(Missing):
        findings.shown(world.services, version)


# --- when it takes effect, and what is said of the change --------------------------------------------------------------


def rules(world: World, **draft: Any) -> set[str]:
    return {one.rule for one in rehearsed(world, **draft)["findings"]}


def test_a_coming_version_whose_place_is_taken_is_named_with_the_day_people_were_told(world: World) -> None:
    publish(world.services, Draft(text=CHANGED, version="v2", effective_at=NOON + timedelta(days=20)), "ola")
    told = rehearsed(world, version="v3", effective_at=NOON + timedelta(days=19))["findings"]
    found = [one for one in told if one.rule == "coming_overtaken"]
    assert [one.id for one in found] == ["coming_overtaken-v2"]
    assert "21 March 2026" in found[0].why


@pytest.mark.parametrize("days", [20, 21])
def test_a_coming_version_that_keeps_its_day_is_not_said_to_be_lost(world: World, days: int) -> None:
    publish(world.services, Draft(text=CHANGED, version="v2", effective_at=NOON + timedelta(days=20)), "ola")
    assert "coming_overtaken" not in rules(world, version="v3", effective_at=NOON + timedelta(days=days))


def test_a_version_that_was_lost_already_is_not_said_to_be_lost_again(world: World) -> None:
    for version, days in (("v2", 30), ("v3", 20)):
        publish(world.services, Draft(text=CHANGED, version=version, effective_at=NOON + timedelta(days=days)), "ola")
    told = rehearsed(world, version="v4", effective_at=NOON + timedelta(days=10))["findings"]
    assert [one.id for one in told if one.rule == "coming_overtaken"] == ["coming_overtaken-v3"]


@pytest.mark.parametrize(("days", "found"), [(-30, True), (-1, True), (0, False), (30, False), (None, False)])
def test_a_day_that_is_past_is_said_to_mean_the_publication(world: World, days: int | None, found: bool) -> None:
    at = None if days is None else NOON + timedelta(days=days)
    assert ("day_in_the_past" in rules(world, effective_at=at)) is found


def with_purpose(world: World, place: int, **changed: Any) -> None:
    purposes = list(world.services.company.purposes)
    purposes[place] = msgspec.structs.replace(purposes[place], **changed)
    with_company(world, purposes=purposes)


@pytest.mark.parametrize(
    "changed", [{"kept_for": "P20M"}, {"recipients": ["google_analytics"]}, {"fields": ["shoe size"]}], ids=str
)
def test_a_change_of_a_purpose_is_not_to_be_called_minor(world: World, changed: dict[str, Any]) -> None:
    with_purpose(world, 4, **changed)
    assert "called_minor" in rules(world, material=False)
    assert "called_minor" not in rules(world, material=True)


def test_a_recipient_that_goes_is_not_to_be_called_minor(world: World) -> None:
    with_company(world, not_used={"instagram": "no advertisements there"})
    why = next(one.why for one in rehearsed(world, material=False)["findings"] if one.rule == "called_minor")
    assert "Instagram (gone)" in why


@pytest.mark.parametrize("changed", [{}, {"title": "Counting visits"}, {"kept_in_words": "fourteen months"}], ids=str)
def test_what_is_only_put_better_may_be_called_minor(world: World, changed: dict[str, Any]) -> None:
    with_purpose(world, 4, **changed)
    assert "called_minor" not in rules(world, material=False)


def test_purposes_named_with_a_minor_change_are_said_to_count_for_nothing(world: World) -> None:
    assert "purposes_ignored" in rules(world, material=False, changes=["ads"])
    assert "purposes_ignored" not in rules(world, material=True, changes=["ads"])
    assert "purposes_ignored" not in rules(world, material=False)


def test_purposes_named_as_changed_that_are_as_before_are_pointed_out(world: World) -> None:
    with_purpose(world, 4, kept_for="P20M")
    assert "purposes_unchanged" in rules(world, changes=["ads", "analytics"])
    assert "purposes_unchanged" not in rules(world, changes=["analytics"])
    assert "purposes_unchanged" not in rules(world)
