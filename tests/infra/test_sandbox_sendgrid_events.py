"""The sandbox's SendGrid says what became of each mail: signed events, in SendGrid's own form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.http.signatures import verify_sendgrid
from infra.local.sandbox.sendgrid_events import MOST_BYTES, PATH, tell
from infra.local.sandbox.state import Shelf, State, Told
from infra.local.sendgrid_keys import EVENTS_KEY, public_key
from tests.contracts.running_sandbox import RunningSandbox

KEY = {"Authorization": "Bearer SG.any"}
ADA = "ada@example.com"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    # kept and never sent: nobody is there to be told
    sandbox.app.state.copies = lambda _: 1
    yield sandbox
    sandbox.close()


def mail(*to: str, **more: Any) -> dict[str, Any]:
    return {
        "personalizations": [
            {"to": [{"email": one}], "custom_args": {"pledge": f"b.b1.{n}"}} for n, one in enumerate(to)
        ],
        "from": {"email": "service@sample-rooms.example"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hello"}],
        **more,
    }


def told(sandbox: RunningSandbox) -> list[Told]:
    found = []
    while (waiting := sandbox.app.state.waiting([])) is not None:
        found.append(waiting.told)
        sandbox.app.state.sent(waiting.seq)
    return found


def sent(sandbox: RunningSandbox, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Send a mail; return the events of the one webhook that it led to."""
    assert sandbox.ask("POST", "/sendgrid/v3/mail/send", body, **KEY)[0] == 202
    (webhook,) = told(sandbox)
    assert (webhook.vendor, webhook.path) == ("sendgrid", PATH)
    verify_sendgrid([public_key(sandbox.folder / EVENTS_KEY)], webhook.body, webhook.headers)
    events: list[dict[str, Any]] = json.loads(webhook.body)
    return events


def ways(events: list[dict[str, Any]], email: str = ADA) -> list[str]:
    return [one["event"] for one in events if one["email"] == email]


@pytest.mark.parametrize(
    ("email", "way", "listed"),
    [
        (ADA, ["processed", "delivered"], []),
        ("bounce.ada@example.com", ["processed", "bounce"], ["bounces"]),
        ("Bounce@example.com", ["processed", "bounce"], ["bounces"]),
        ("block.ada@example.com", ["processed", "bounce"], ["blocks"]),
        ("defer.ada@example.com", ["processed", "deferred", "delivered"], []),
    ],
)
def test_an_address_meets_with_what_its_name_says(
    sandbox: RunningSandbox, email: str, way: list[str], listed: list[str]
) -> None:
    events = sent(sandbox, mail(email))
    assert ways(events, email) == way
    assert [one["kind"] for one in sandbox.found("sendgrid", email=email) if one["kind"] != "mails"] == listed
    assert all(one["pledge"] == "b.b1.0" for one in events)
    assert len({one["sg_event_id"] for one in events}) == len(events)


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("bounced", "Bounced Address"),
        ("reported_spam", "Spam Reporting Address"),
        ("invalid", "Invalid"),
        ("unsubscribed", "Unsubscribed Address"),
    ],
)
def test_a_mail_to_an_address_on_a_list_is_dropped_with_sendgrids_words(
    sandbox: RunningSandbox, mark: str, reason: str
) -> None:
    sandbox.put("sendgrid", email=ADA, **{mark: True})
    assert [(one["event"], one["reason"]) for one in sent(sandbox, mail(ADA))] == [("dropped", reason)]


def test_a_mail_to_somebody_who_left_its_group_is_dropped(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, group=True)
    assert ways(sent(sandbox, mail(ADA, asm={"group_id": 100}))) == ["dropped"]
    assert ways(sent(sandbox, mail(ADA))) == ["processed", "delivered"]


def test_a_mail_that_goes_past_the_lists_is_delivered(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, unsubscribed=True)
    past = {"mail_settings": {"bypass_list_management": {"enable": True}}}
    assert ways(sent(sandbox, mail(ADA, **past))) == ["processed", "delivered"]


def test_the_events_of_many_mails_of_one_call_come_together_each_with_its_own_reference(
    sandbox: RunningSandbox,
) -> None:
    people = [f"p{n}@example.com" for n in range(300)]
    events = sent(sandbox, mail(*people))
    assert [one["pledge"] for one in events if one["event"] == "delivered"] == [f"b.b1.{n}" for n in range(300)]


def test_an_argument_named_like_a_field_of_sendgrids_own_is_lost(sandbox: RunningSandbox) -> None:
    body = mail(ADA, custom_args={"event": "mine", "email": "mine", "own": "kept"})
    assert {(one["email"], one["own"]) for one in sent(sandbox, body)} == {(ADA, "kept")}


def test_a_mail_that_is_only_tried_out_leads_to_nothing(sandbox: RunningSandbox) -> None:
    body = mail(ADA, mail_settings={"sandbox_mode": {"enable": True}})
    assert sandbox.ask("POST", "/sendgrid/v3/mail/send", body, **KEY)[0] == 200
    assert told(sandbox) == []


def test_a_mail_that_is_refused_leads_to_nothing(sandbox: RunningSandbox) -> None:
    assert sandbox.ask("POST", "/sendgrid/v3/mail/send", mail(ADA, ADA), **KEY)[0] == 400
    assert told(sandbox) == []


def test_what_is_too_much_for_one_webhook_comes_in_several(tmp_path: Path) -> None:
    state = State(tmp_path / "sandbox.db")
    heard: list[bytes] = []
    shelf = Shelf(state._connection, "sendgrid", lambda _: None, lambda told: heard.append(told.body), tmp_path)
    events = [{"event": "processed", "n": n, "filler": "x" * 1000} for n in range(2000)]
    tell(shelf, events)
    state.close()
    assert len(heard) == 3
    assert all(len(body) <= MOST_BYTES + 2 for body in heard)
    assert [one["n"] for body in heard for one in msgspec.json.decode(body)] == list(range(2000))
