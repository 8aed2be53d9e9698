"""A new version and the yes of before, from the outside: who is asked again, from when, and what the guard says meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.journeys.house import RUNTIMES, Answer, House, cloud_of

AHEAD = timedelta(days=20)
FINE = {"allowed": True, "reasons": []}
CHANGED = {"allowed": False, "reasons": ["policy_changed"]}
pytestmark = pytest.mark.journey


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("asked_again") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def shown(house: House, *purposes: str) -> Any:
    answer = house.get(f"/policy/notice?purposes={','.join(purposes)}")
    assert answer.status == 200, answer.text
    return answer.json


def say(house: House, notice: str, subject: dict[str, str], **decisions: bool) -> Answer:
    said = {"subject": subject, "notice": notice, "decisions": decisions, "method": "settings"}
    return (house.server if "user_id" in subject else house.post)("/consents", said)


def agree(house: House, subject: dict[str, str], **decisions: bool) -> Any:
    answer = say(house, shown(house, *decisions)["notice"], subject, **decisions)
    assert answer.status == 201, answer.text
    return answer.json


def asked(house: House, device: str, purposes: str = "") -> tuple[bool, list[str]]:
    query = f"&purposes={purposes}" if purposes else ""
    found = house.get(f"/consents/current?device_id={device}{query}").json
    return found["needs_prompt"], found["reasons"]


def may(house: House, purpose: str, **subject: str) -> Any:
    answer = house.server("/processing", {"subject": subject, "purpose": purpose})
    assert answer.status == 200, answer.text
    return answer.json


def publish(house: House, version: str, **more: Any) -> None:
    now = datetime.fromisoformat(house.post("/clock", {"advance": "PT0S"}).json["now"])
    text = f"{house.get('/policy').json['text']}\nVersion {version} counts in another way.\n"
    effective_at = (now + AHEAD).isoformat()
    body = {"version": version, "title": "Our policy", "summary": "Counting.", "material": True, "text": text}
    answer = house.operator("POST", "/operator/policies", {**body, "effective_at": effective_at, **more})
    assert answer.status == 202, answer.text


def test_a_material_change_asks_again_for_what_it_changes_and_is_denied_once_it_takes_effect(house: House) -> None:
    house.sign_up("u-once", "once@mail.test")
    for device in ("device-waits", "device-answers", "device-refuses"):
        agree(house, {"device_id": device}, analytics=True, ads=True)
    agree(house, {"device_id": "device-of-ads"}, ads=True)
    agree(house, {"user_id": "u-once"}, analytics=True, ads=True)
    before = shown(house, "analytics")

    publish(house, "counting", changes=["analytics"])

    # from publication: asked, and by the new version alone
    assert asked(house, "device-waits") == (True, ["policy_changed"])
    assert asked(house, "device-waits", "ads") == (False, [])
    assert asked(house, "device-of-ads") == (False, [])
    after = shown(house, "analytics")
    assert (after["policy_version"], after["policy_hash"] != before["policy_hash"]) == ("counting", True)
    stale = say(house, before["notice"], {"device_id": "device-answers"}, analytics=True)
    assert stale.status == 409, stale.text
    assert asked(house, "device-answers") == (True, ["policy_changed"]), "a refused answer changes nothing"
    policy = house.get("/policy").json
    assert (policy["version"], policy["upcoming"]["version"]) == (before["policy_version"], "counting")
    assert house.mails("once@mail.test", "Our policy"), "who has an account is told"

    receipt = agree(house, {"device_id": "device-answers"}, analytics=True)
    assert (receipt["policy_version"], receipt["policy_hash"]) == ("counting", after["policy_hash"])
    agree(house, {"device_id": "device-refuses"}, analytics=False)
    assert asked(house, "device-answers") == asked(house, "device-refuses") == (False, [])

    # until it takes effect, what was agreed to stands
    house.advance("P19D")
    assert may(house, "analytics", device_id="device-waits") == FINE
    assert may(house, "analytics", user_id="u-once") == FINE
    house.advance("P1D")
    assert may(house, "analytics", device_id="device-waits") == CHANGED
    assert may(house, "analytics", user_id="u-once") == CHANGED
    assert may(house, "analytics", device_id="device-answers") == FINE
    assert may(house, "analytics", device_id="device-refuses") == {"allowed": False, "reasons": ["no_consent"]}
    for who in ({"device_id": "device-waits"}, {"device_id": "device-of-ads"}, {"user_id": "u-once"}):
        assert may(house, "ads", **who) == FINE, "what it does not change stands"
    assert house.get("/policy").json["version"] == "counting"

    # until asked and answered
    assert asked(house, "device-waits") == (True, ["policy_changed"])
    agree(house, {"device_id": "device-waits"}, analytics=True)
    agree(house, {"user_id": "u-once"}, analytics=True)
    assert asked(house, "device-waits") == (False, [])
    assert may(house, "analytics", device_id="device-waits") == FINE
    assert may(house, "analytics", user_id="u-once") == FINE


def test_a_change_that_names_no_purposes_asks_again_for_all_and_one_that_is_not_material_for_none(house: House) -> None:
    agree(house, {"device_id": "device-of-all"}, analytics=True, ads=True)
    publish(house, "wording", material=False)
    assert asked(house, "device-of-all") == (False, [])
    publish(house, "all-of-it", effective_at=None)
    assert (
        asked(house, "device-of-all", "ads") == asked(house, "device-of-all", "analytics") == (True, ["policy_changed"])
    )
    assert may(house, "analytics", device_id="device-of-all") == CHANGED
    agree(house, {"device_id": "device-of-all"}, analytics=True, ads=True)
    assert asked(house, "device-of-all") == (False, [])
    assert may(house, "analytics", device_id="device-of-all") == FINE
