"""What the mail service says back, from the outside: every mail's way is known, and an opt-out there is one with us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.sendgrid_keys import EVENTS_KEY, signed
from tests.journeys.house import RUNTIMES, Answer, House, cloud_of

pytestmark = pytest.mark.journey
PATH = "/sendgrid-events"
MANNER = "/sandbox/sendgrid/webhooks"


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("events") / "data", cloud_of(request)).start()
    yield running
    running.stop()


@pytest.fixture
def manner(house: House) -> Iterator[Any]:
    """Say how the sandbox's webhooks arrive; afterwards they arrive plainly again."""
    yield lambda **asked: house.post(MANNER, asked)
    house.post(MANNER, {})


def mails(house: House, request_id: str) -> dict[str, str]:
    """Return how far each mail of a request got, as the operator sees it."""
    shown = house.operator("GET", f"/operator/requests/{request_id}").json["mails"]
    return {one["template"]: one["status"] for one in shown.values()}


def bounced(house: House, request_id: str) -> list[str]:
    items = house.operator("GET", "/operator/attention").json["items"]
    return [one["problem"] for one in items if one["kind"] == "mail_bounced" and one["request_id"] == request_id]


def send(house: House, *events: dict[str, Any]) -> Answer:
    """Post events as the mail service does."""
    raw = json.dumps(events).encode()
    sent = signed(house.data_dir / EVENTS_KEY, 1_600_112_502, raw)
    named = {name.replace("-", "_"): value for name, value in sent.items()}
    return house.call("POST", PATH, raw, Content_Type="application/json", **named)


@pytest.mark.parametrize("how", [{}, {"copies": 5, "shuffled": True}], ids=["plainly", "again and out of order"])
def test_every_mail_of_a_request_is_followed_to_its_mailbox(house: House, manner: Any, how: dict[str, Any]) -> None:
    manner(**how)
    email = f"ann{len(how)}@mail.test"
    house.sign_up(f"ann{len(how)}", email)
    request_id = house.ask(email)
    house.confirm(email, request_id)
    house.advance("P12D")
    found = mails(house, request_id)
    assert {"request_confirm", "request_verified", "request_closing"} <= set(found)
    assert set(found.values()) == {"delivered"}
    assert bounced(house, request_id) == []


def test_a_mail_to_no_mailbox_comes_to_the_operator_and_one_to_a_slow_one_does_not(house: House) -> None:
    gone, slow, full = (house.ask(f"{word}.bob@mail.test") for word in ("bounce", "defer", "block"))
    house.settle()
    assert [mails(house, one)["request_confirm"] for one in (gone, slow, full)] == ["bounced", "delivered", "blocked"]
    assert bounced(house, gone) == ["request_confirm:bounced"]
    assert bounced(house, slow) == []
    assert bounced(house, full) == ["request_confirm:blocked"]
    # on the mail service's own list by now, which service mail goes past
    house.advance("P8D")
    assert mails(house, gone)["request_reminder"] == "bounced"


def test_events_that_are_held_back_tell_later_what_they_had_to_tell(house: House, manner: Any) -> None:
    manner(held=True)
    request_id = house.ask("cy@mail.test")
    house.settle()
    assert mails(house, request_id) == {"request_confirm": "sent"}
    manner(held=False)
    house.settle()
    assert mails(house, request_id) == {"request_confirm": "delivered"}


def test_an_opt_out_at_the_mail_service_is_one_with_us(house: House) -> None:
    asked = {"subject": {"email": "di+news@mail.test"}, "purpose": "marketing_email"}
    for _ in range(3):
        assert send(house, {"event": "unsubscribe", "email": "Di@Mail.test", "sg_event_id": "a"}).json == {"events": 1}
    assert "objection" in house.server("/processing", asked).json["reasons"]
    assert send(house, {"event": "group_resubscribe", "email": "di@mail.test", "asm_group_id": 1}).status == 200
    assert "objection" in house.server("/processing", asked).json["reasons"]


def test_what_the_mail_service_did_not_sign_is_refused_and_what_nobody_knows_is_forgotten(house: House) -> None:
    asked = {"subject": {"email": "ed@mail.test"}, "purpose": "marketing_email"}
    forged = [{"event": "unsubscribe", "email": "ed@mail.test"}]
    assert house.post(PATH, forged).status == 400
    assert "objection" not in house.server("/processing", asked).json["reasons"]
    assert send(house, {"event": "bounce", "email": "ed@mail.test", "pledge": "r.0123.m1"}).status == 200
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True
