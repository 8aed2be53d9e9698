from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from infra.http.difference_page import sentences
from infra.settings import SAMPLES
from shared.annex import ANNEX
from shared.catalogue import Values, catalogue, differing
from shared.company import company_from

COMPANY = company_from(yaml.safe_load((SAMPLES / "company.yaml").read_text()))


def of(annex: Any = ANNEX, **changed: Any) -> dict[str, Any]:
    return catalogue(msgspec.structs.replace(COMPANY, **changed), annex)


def test_a_catalogue_does_not_differ_from_itself() -> None:
    assert not differing(of(), of()).is_any
    assert sentences(differing(of(), of())) == []


def test_what_came_and_what_went_is_named() -> None:
    found = differing(of(purposes=COMPANY.purposes[1:]), of(purposes=COMPANY.purposes[:-1]))
    assert found.purposes.added == {"account": "Your account"}
    assert found.purposes.removed == {"marketing_email": "News and offers by e-mail"}
    assert found.is_any
    assert sentences(found) == [
        "New purpose: Your account.",
        "No longer a purpose: News and offers by e-mail.",
    ]


def test_a_recipient_that_is_not_used_any_more_counts_as_gone_and_comes_back_when_it_is() -> None:
    gone = differing(of(), of(not_used={"instagram": "no advertisements there"}))
    assert (gone.recipients.removed, gone.recipients.added) == ({"instagram": "Instagram"}, {})
    back = differing(of(not_used={"instagram": "no advertisements there"}), of())
    assert sentences(back) == ["New recipient: Instagram."]


def test_a_reason_that_is_worded_anew_changes_no_recipient() -> None:
    assert not differing(of(not_used={"instagram": "a"}), of(not_used={"instagram": "b"})).is_any


def test_an_entry_that_changed_says_in_what() -> None:
    moved = msgspec.structs.replace(ANNEX[0], location="the moon", data=["client id"])
    found = differing(of(), of([moved, *ANNEX[1:]]))
    (one,) = found.recipients.changed
    assert (one.name, one.title, one.fields) == (moved.name, "Google Analytics", ["data", "location"])
    assert one.values["location"] == Values(old="European Union and United States", new="the moon")
    (said,) = sentences(found)
    assert said.startswith("Google Analytics: which data (no longer: pages seen, coarse location, device type); ")
    assert said.endswith("; where it goes was “European Union and United States” and is “the moon”.")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kept_for": "P20M", "kept_in_words": "20 months"}, "how long it is kept was “14 months” and is “20 months”"),
        ({"kept_for": "P1Y"}, "how long it is kept was “14 months” and is “1 year”"),
        (
            {"recipients": ["google_analytics", "stripe"]},
            "who gets it (new: Stripe, no longer: Google Tag Manager)",
        ),
        ({"legal_basis": "legitimate_interests"}, "the legal basis was “consent” and is “legitimate interests”"),
        ({"sendgrid_group": 7}, "its list at the mail service was “nothing” and is “7”"),
    ],
    ids=str,
)
def test_what_a_purpose_was_and_is_stands_there_once_and_in_words(changed: dict[str, Any], said: str) -> None:
    one = msgspec.structs.replace(COMPANY.purposes[4], **changed)
    found = differing(of(), of(purposes=[*COMPANY.purposes[:4], one, *COMPANY.purposes[5:]]))
    assert sentences(found) == [f"Counting how the site is used: {said}."]


@pytest.mark.parametrize(
    ("changed", "name"), [({"contact": "a@b.example"}, "controller"), ({"minimum_age": 13}, "minimum_age")]
)
def test_what_the_company_says_of_itself_is_compared(changed: dict[str, Any], name: str) -> None:
    assert differing(of(), of(**changed)).company == [name]


def test_every_field_of_purposes_and_recipients_can_be_told_in_words() -> None:
    for entry in (*of()["purposes"], *of()["annex"]):
        for field in entry:
            if field != "name":
                other = {**entry, field: "other"}
                before, after = {**of(), "purposes": [entry], "annex": []}, {**of(), "purposes": [other], "annex": []}
                assert not [one for one in sentences(differing(before, after)) if "_" in one], field


def test_a_catalogue_kept_before_there_was_a_list_of_the_unused_can_still_be_compared() -> None:
    old = {name: value for name, value in of().items() if name != "not_used"}
    assert not differing(old, of()).is_any
