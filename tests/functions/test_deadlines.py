"""`deadlines`: the watchdog reads only the clocks, and warns once for each warning."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.functions.called import Called
from tests.functions.edge_contract import InternalContract

EMAIL = "ada@people.example"


class TestDeadlines(InternalContract):
    edge = "deadlines"


def warned(called: Called) -> int:
    answer = called.platform("deadlines")
    assert answer.status_code == 200, answer.text
    return int(answer.json["warned"])


def kinds(called: Called) -> list[str]:
    return sorted(item["kind"] for item in called.operator("GET", "/attention").json["items"])


@pytest.mark.parametrize(
    ("days", "warnings", "seen"),
    [
        (9.9, [], []),
        (10.1, ["4_days_left"], ["deadline_near"]),
        (12.1, ["4_days_left", "2_days_left"], ["deadline_near"]),
        (13.1, ["4_days_left", "2_days_left", "1_day_left"], ["deadline_near"]),
        (14.1, ["4_days_left", "2_days_left", "1_day_left", "breached"], ["deadline_near", "incident"]),
    ],
    ids=["early", "4 days", "2 days", "1 day", "breached"],
)
def test_a_verified_request_that_stands_still_is_warned_of_as_its_promise_nears(
    called: Called, days: float, warnings: list[str], seen: list[str]
) -> None:
    called.sign_up("u1", EMAIL)
    request_id = called.confirmed(EMAIL)["request_id"]
    called.later(days=days)
    assert warned(called) == len(warnings)
    assert called.operator("GET", f"/requests/{request_id}").json["warned"] == warnings
    assert kinds(called) == seen
    with called.changing_nothing():
        assert warned(called) == 0


def test_steps_that_are_not_settled_stand_on_the_list_two_days_before(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    called.confirmed(EMAIL)
    called.run_due()
    called.later(hours=25)
    called.sandbox.fail("sendgrid", "500")
    called.run_due()
    called.later(days=11, hours=1)
    assert warned(called) == 2
    late = [item for item in called.operator("GET", "/attention").json["items"] if item["kind"] == "step_late"]
    assert [item["subprocessor"] for item in late] == ["sendgrid"]
    called.sandbox.heal("sendgrid")


def test_a_breach_opens_an_incident_with_its_own_clock(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    called.confirmed(EMAIL)
    called.later(days=15)
    warned(called)
    warned(called)
    assert called.count("incidents") == 1


def test_what_ended_is_not_warned_of(called: Called) -> None:
    called.confirmed(EMAIL)
    called.post(called.mailed_link(EMAIL, "/cancel?t="))
    called.later(days=20)
    assert warned(called) == 0
    assert kinds(called) == []


def test_a_request_nobody_confirmed_is_not_called_a_breach_of_the_promise(called: Called) -> None:
    called.ask(EMAIL)
    called.later(days=40)
    assert warned(called) == 4
    assert kinds(called) == ["unanswered"]
    assert called.count("incidents") == 0


def test_accounts_that_nobody_chose_stand_on_the_list_four_days_before(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    called.sign_up("u2", EMAIL)
    called.confirmed(EMAIL)
    called.later(days=10, hours=1)
    warned(called)
    assert kinds(called) == ["accounts_not_chosen", "deadline_near"]


@pytest.mark.parametrize("hours", [-12, 0, 14])
def test_a_date_written_with_another_zone_is_watched_at_the_same_moment(called: Called, hours: int) -> None:
    received = called.now() - timedelta(days=1)
    written = received.astimezone(timezone(timedelta(hours=hours))).isoformat()
    body = {"channel": "post", "received_at": written, "email": EMAIL, "right": "erasure"}
    entered = called.operator("POST", "/requests", body).json
    statutory_by = called.operator("GET", f"/requests/{entered['request_id']}").json["statutory_by"]
    called.until(datetime.fromisoformat(statutory_by) - timedelta(days=4, minutes=5))
    assert warned(called) == 0
    called.later(minutes=10)
    assert warned(called) == 1
