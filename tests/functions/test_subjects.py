"""`subjects`: the website's server says who is who."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.called import WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract

EMAIL = "ada@people.example"
WHOLE = {
    "user_id": "u1",
    "email": EMAIL,
    "email_verified": True,
    "name": "Ada Lovelace",
    "locale": "en-GB",
    "country": "GB",
    "stripe_customer_ids": ["cus_1"],
    "ga_client_ids": ["GA1.1.1.1"],
    "meta_user_ids": ["1234"],
}


class TestSubjectsActs(ActsContract):
    edge = "subjects"
    acts = ("/", "/u1/closed")
    browser = False
    headers = {"Authorization": f"Bearer {WEBSITE_KEYS[0]}"}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"user_id": "u1"}, None),
        ({"user_id": "u1", "email": EMAIL}, "unconfirmed"),
        ({"user_id": "u1", "email": EMAIL, "email_verified": False}, "unconfirmed"),
        ({"user_id": "u1", "email": EMAIL, "email_verified": True}, "confirmed"),
        (WHOLE, "confirmed"),
    ],
    ids=["no address", "nothing said of it", "not verified", "verified", "whole"],
)
def test_linking_answers_what_counts_of_the_address(called: Called, said: dict[str, Any], state: str | None) -> None:
    answer = called.server("/subjects", said)
    assert (answer.status_code, answer.json) == (201, {"user_id": "u1", "email": state})


@pytest.mark.parametrize("key", WEBSITE_KEYS)
def test_both_keys_of_the_website_are_valid_at_once(called: Called, key: str) -> None:
    assert called.server("/subjects", {"user_id": "u1"}, key=key).status_code == 201


def test_linking_again_is_no_second_account(called: Called) -> None:
    first = called.server("/subjects", WHOLE)
    aliases = called.count("aliases")
    again = called.server("/subjects", WHOLE)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert (called.count("subjects"), called.count("aliases")) == (1, aliases)


def test_only_a_verified_address_leads_to_the_account(called: Called) -> None:
    called.server("/subjects", {"user_id": "u1", "email": EMAIL})
    called.server("/subjects", {"user_id": "u2", "email": EMAIL, "email_verified": True})
    called.server("/subjects", {"user_id": "u3", "email": EMAIL, "email_verified": True})
    answer = called.confirmed(EMAIL)
    masked = [account["masked"] for account in answer["accounts"]]
    assert len(masked) == 2
    assert not [one for one in masked if "u1" in one]


def test_an_address_is_compared_trimmed_composed_and_in_small_letters(called: Called) -> None:
    called.server("/subjects", {"user_id": "u1", "email": "  Ada@BU\u0308cher.EXAMPLE ", "email_verified": True})
    called.server("/subjects", {"user_id": "u2", "email": "ada@b\u00fccher.example", "email_verified": True})
    called.ask("ADA@B\u00dccher.example")
    answer = called.post(called.mailed_link("ada@xn--bcher-kva.example", "/confirm?t="))
    assert len(answer.json["accounts"]) == 2


def test_plus_tags_and_dots_are_somebody_elses_address(called: Called) -> None:
    called.server("/subjects", {"user_id": "u1", "email": "a.da+shop@gmail.com", "email_verified": True})
    called.server("/subjects", {"user_id": "u2", "email": "ada@gmail.com", "email_verified": True})
    assert "accounts" not in called.confirmed("ada@gmail.com")


def test_what_is_left_out_of_a_second_call_stays(called: Called) -> None:
    called.server("/subjects", WHOLE)
    assert called.server("/subjects", {"user_id": "u1"}).status_code == 200
    said = called.consent({"user_id": "u1", "email": EMAIL}, {"ads": True})
    assert called.server("/consents", said).status_code == 201, "its address is still confirmed"


def test_who_the_person_is_stands_nowhere_in_the_open(called: Called) -> None:
    called.server("/subjects", WHOLE | {"user_id": "user-number-one"})
    stored = repr(called.rows())
    for text in ("user-number-one", EMAIL, "Lovelace", "cus_1", "GA1.1.1.1"):
        assert text not in stored


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "u" * 129}, "user_id"),
        ({"user_id": "a/b"}, "user_id"),
        ({"user_id": "."}, "user_id"),
        ({"user_id": ".."}, "user_id"),
        ({"user_id": "a\nb"}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"email": ""}, "email"),
        ({"locale": "english"}, "locale"),
        ({"locale": ""}, "locale"),
        ({"name": "n" * 201}, "name"),
        ({"country": "c" * 61}, "country"),
        ({"stripe_customer_ids": [""]}, "stripe_customer_ids"),
        ({"stripe_customer_ids": ["c" * 256]}, "stripe_customer_ids"),
        ({"ga_client_ids": ["g"] * 51}, "ga_client_ids"),
        ({"meta_user_ids": ["a\x00b"]}, "meta_user_ids"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_breaks_a_rule_is_refused_by_its_field(called: Called, change: dict[str, Any], field: str) -> None:
    with called.changing_nothing():
        problem(called.server("/subjects", WHOLE | change), 400, field)


# --- closed ----------------------------------------------------------------------------------------------------------


def test_an_account_that_a_person_closed_opens_a_request_once(called: Called) -> None:
    called.server("/subjects", WHOLE)
    first = called.server("/subjects/u1/closed", {"by": "person"})
    assert (first.status_code, set(first.json)) == (200, {"user_id", "by", "request_id"})
    requests = called.count("requests")
    assert called.server("/subjects/u1/closed", {"by": "person"}).json == first.json
    assert called.count("requests") == requests == 1


@pytest.mark.parametrize("by", ["staff", "merge"])
def test_an_account_that_no_person_closed_opens_none(called: Called, by: str) -> None:
    called.server("/subjects", WHOLE)
    work = called.count("work")
    first = called.server("/subjects/u1/closed", {"by": by})
    assert (first.status_code, first.json) == (200, {"user_id": "u1", "by": by})
    with called.changing_nothing():
        assert called.server("/subjects/u1/closed", {"by": by}).json == first.json
    assert (called.count("requests"), called.count("work")) == (0, work)


def test_nobody_is_closed_who_was_never_linked(called: Called) -> None:
    with called.changing_nothing():
        problem(called.server("/subjects/stranger/closed", {"by": "person"}), 404, "user_id")


def test_only_the_websites_server_closes_an_account(called: Called) -> None:
    called.server("/subjects", WHOLE)
    with called.changing_nothing():
        problem(called.post("/subjects/u1/closed", {"by": "person"}), 401, "Authorization")


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "by"), ({"by": "admin"}, "by"), ({"by": None}, "by"), ({"by": "person", "at": "now"}, "at")],
)
def test_who_closed_it_must_be_one_of_three(called: Called, body: dict[str, Any], field: str) -> None:
    called.server("/subjects", WHOLE)
    with called.changing_nothing():
        problem(called.server("/subjects/u1/closed", body), 400, field)
