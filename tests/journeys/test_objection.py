"""Somebody says no to marketing, is erased, and says yes again: from the outside, with vendors, on both runtimes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.house import RUNTIMES, House, cloud_of

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("objection") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def may(house: House, purpose: str, **subject: str) -> Any:
    answer = house.server("/processing", {"subject": subject, "purpose": purpose})
    assert answer.status == 200, answer.text
    return answer.json


def kinds(house: House, vendor: str, email: str) -> set[str]:
    return {one["kind"] for one in house.found(vendor, email=email)}


def consent(house: House, subject: dict[str, str], **decisions: bool) -> None:
    notice = house.get(f"/policy/notice?purposes={','.join(decisions)}").json["notice"]
    said = {"subject": subject, "notice": notice, "decisions": decisions, "method": "form"}
    ask = house.server if "user_id" in subject else house.post
    answer = ask("/consents", said)
    assert answer.status == 201, answer.text


def object_to(house: House, email: str, **more: str) -> Any:
    answer = house.post("/requests", {"email": email, "right": "objection", **more})
    assert answer.status == 202, answer.text
    return answer.json


def test_a_no_is_heard_by_everybody_outlives_the_person_and_ends_with_a_later_yes(house: House) -> None:
    email, user = "ann@mail.test", "u-ann"
    house.sign_up(user, email)
    house.put("sendgrid", email=email)
    house.put("meta", email=email)
    consent(house, {"user_id": user}, marketing_email=True, ads=True)
    assert may(house, "marketing_email", email=email)["allowed"] is True
    assert may(house, "ads", user_id=user)["allowed"] is True

    answer = object_to(house, email)
    assert may(house, "marketing_email", email=email) == {"allowed": False, "reasons": ["objection"]}
    assert may(house, "ads", user_id=user) == {"allowed": False, "reasons": ["objection"]}
    house.settle()
    assert house.get(answer["status_url"]).json["status"] == "completed"
    assert "global" in kinds(house, "sendgrid", email)
    assert kinds(house, "meta", email) == set()

    assert may(house, "service_mail", email=email)["allowed"] is True
    assert len(house.mails(email, "objection")) == 1

    house.confirm(email, house.ask(email))
    house.advance("P15D")
    assert may(house, "account", user_id=user)["reasons"] == ["unknown_subject"]
    assert "objection" in may(house, "marketing_email", email=email)["reasons"]
    assert "global" in kinds(house, "sendgrid", email)

    house.sign_up("u-ann-again", email)
    assert "objection" in may(house, "marketing_email", user_id="u-ann-again")["reasons"]
    consent(house, {"device_id": "device-of-ann", "email": email}, marketing_email=True)
    assert "objection" in may(house, "marketing_email", email=email)["reasons"], "nobody has confirmed it yet"
    assert house.post(house.link(email, "/consents/confirm?t=")).status == 200
    house.settle()
    assert may(house, "marketing_email", email=email) == {"allowed": True, "reasons": []}
    assert "objection" in may(house, "ads", user_id="u-ann-again")["reasons"], "the rest of marketing stays stopped"
    assert "global" not in kinds(house, "sendgrid", email)


def test_vendors_that_are_down_are_told_when_they_are_back(house: House) -> None:
    email = "bob@mail.test"
    house.put("sendgrid", email=email)
    house.put("meta", email=email)
    for vendor in ("sendgrid", "meta"):
        assert house.post(f"/sandbox/{vendor}/faults", {"kind": "500", "for": "PT3H"}).status == 201
    answer = object_to(house, email)
    assert may(house, "marketing_email", email=email)["allowed"] is False, "we stop at once, whoever is down"
    house.settle()
    assert house.get(answer["status_url"]).json["status"] == "in_progress"
    house.advance("PT12H")
    assert house.get(answer["status_url"]).json["status"] == "completed"
    assert "global" in kinds(house, "sendgrid", email)
    assert kinds(house, "meta", email) == set()


def test_an_objection_to_what_is_no_marketing_waits_for_a_person(house: House) -> None:
    email, user = "cy@mail.test", "u-cy"
    house.sign_up(user, email)
    answer = object_to(house, email, scope="account")
    assert may(house, "account", user_id=user) == {"allowed": False, "reasons": ["objection"]}
    listed = house.operator("GET", "/operator/attention").json["items"]
    assert answer["request_id"] in [one["request_id"] for one in listed if one["kind"] == "objection"]
    said = {"reason": "the contract cannot be kept without it"}
    assert house.operator("POST", f"/operator/requests/{answer['request_id']}/deny", said).status == 200
    house.settle()
    assert may(house, "account", user_id=user) == {"allowed": True, "reasons": []}
    assert house.get(answer["status_url"]).json["status"] == "denied"
    assert any("contract cannot be kept" in one["text"] for one in house.mails(email))


def test_nothing_of_the_address_is_left_once_everybody_was_told(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    canary = "canary-objects@mail.test"
    object_to(house, canary)
    house.settle()
    found = house.traces([canary], tmp_path_factory.mktemp("export"))
    assert [one for one in found if "sandbox" not in one[0]] == []
