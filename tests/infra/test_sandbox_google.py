"""The sandbox's Google: as strict as the Analytics Admin API where the product meets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from infra.local.sandbox.google import Google
from infra.local.sandbox.vendor import Call
from tests.contracts.running_sandbox import RunningSandbox

ADA = "ada@example.com"
CLIENT = "1234567.1700000000"
BEARER = {"Authorization": "Bearer any"}
DAY = 86_400
PROPERTY = "v1alpha/properties/123456789"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    yield sandbox
    sandbox.close()


def submit(sandbox: RunningSandbox, body: Any, property_id: str = "123456789", **headers: str) -> tuple[int, Any]:
    path = f"/google/v1alpha/properties/{property_id}:submitUserDeletion"
    return sandbox.ask("POST", path, body, **(BEARER | headers))


def status_of(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["status"]


def test_events_stay_to_be_found_until_the_run_two_months_later(sandbox: RunningSandbox) -> None:
    assert sandbox.put("google", email=ADA, user_id="u1", client_ids=[CLIENT]) == [CLIENT, "u1"]
    status, answer = submit(sandbox, {"clientId": CLIENT})
    assert status == 200
    (held,) = sandbox.found("google", id=CLIENT)
    assert held["deletion_requested_at"] == answer["deletionRequestTime"]
    assert "deletion_requested_at" not in sandbox.found("google", id="u1")[0]
    sandbox.app.clock.set_ahead(58 * DAY)
    assert len(sandbox.found("google", email=ADA)) == 2
    sandbox.app.clock.set_ahead(63 * DAY)
    assert [one["id"] for one in sandbox.found("google", email=ADA)] == ["u1"]
    assert sandbox.found("google", id=CLIENT) == []


def test_events_newer_than_the_request_are_not_deleted_by_it(sandbox: RunningSandbox) -> None:
    sandbox.put("google", client_ids=[CLIENT])
    submit(sandbox, {"clientId": CLIENT})
    sandbox.app.clock.set_ahead(DAY)
    sandbox.put("google", client_ids=[CLIENT])
    assert "deletion_requested_at" not in sandbox.found("google", id=CLIENT)[0]
    sandbox.app.clock.set_ahead(70 * DAY)
    assert sandbox.found("google", id=CLIENT)


def test_a_run_that_is_due_is_not_put_off_by_asking_again(sandbox: RunningSandbox) -> None:
    sandbox.put("google", client_ids=[CLIENT])
    submit(sandbox, {"clientId": CLIENT})
    sandbox.app.clock.set_ahead(70 * DAY)
    submit(sandbox, {"clientId": CLIENT})
    assert sandbox.found("google", id=CLIENT) == []


def test_asking_twice_is_one_deletion_and_asking_for_an_unknown_id_is_taken_too(sandbox: RunningSandbox) -> None:
    assert [submit(sandbox, {"userId": "nobody"})[0] for _ in range(2)] == [200, 200]
    assert [kind for kind, _, _ in sandbox.snapshot("google")].count("deletion") == 1


def test_without_ids_a_person_gets_a_client_id_as_a_browser_makes_one(sandbox: RunningSandbox) -> None:
    (made,) = sandbox.put("google", email=ADA)
    assert all(part.isdecimal() for part in made.split("."))
    assert [one["id"] for one in sandbox.found("google", email=ADA)] == [made]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"clientId": CLIENT, "userId": "u1"},
        {"client_id": CLIENT},
        {"clientId": CLIENT, "colour": "red"},
        {"clientId": ""},
        {"clientId": None},
        {"clientId": [CLIENT]},
        {"userId": 17},
        {"userId": "u" * 257},
        [],
        b"{",
    ],
)
def test_what_the_real_api_refuses_is_refused(sandbox: RunningSandbox, body: Any) -> None:
    assert status_of(submit(sandbox, body)) == (400, "INVALID_ARGUMENT")
    assert sandbox.snapshot("google") == []


@pytest.mark.parametrize("given", ["", "Basic abc", "Bearer "])
def test_a_call_without_a_bearer_is_refused(sandbox: RunningSandbox, given: str) -> None:
    assert status_of(submit(sandbox, {"clientId": CLIENT}, Authorization=given)) == (401, "UNAUTHENTICATED")


def test_a_body_that_is_not_json_is_refused(sandbox: RunningSandbox) -> None:
    assert submit(sandbox, b"clientId=1", **{"Content-Type": "application/x-www-form-urlencoded"})[0] == 400


def test_a_key_that_was_given_is_the_only_one_that_opens(tmp_path: Path) -> None:
    sandbox = RunningSandbox(tmp_path, {"google": "right"})
    keys = ("right", "wrong")
    assert [sandbox.ask("GET", f"/google/{PROPERTY}", Authorization=f"Bearer {key}")[0] for key in keys] == [200, 401]
    sandbox.close()


def test_a_number_is_needed_for_a_property(sandbox: RunningSandbox) -> None:
    assert status_of(submit(sandbox, {"clientId": CLIENT}, "abc")) == (400, "INVALID_ARGUMENT")


def test_a_property_of_somebody_else_is_not_ours_to_touch(sandbox: RunningSandbox) -> None:
    (_, _, show), _ = Google("123456789").routes
    shelf, now = sandbox.app.state.shelf("google"), sandbox.app.clock.now()
    assert show(Call(shelf, now, Request({}), {"property": "123456789"})).status_code == 200
    with pytest.raises(HTTPException) as refusal:
        show(Call(shelf, now, Request({}), {"property": "987"}))
    assert refusal.value.response
    assert status_of((403, refusal.value.response.json)) == (403, "PERMISSION_DENIED")


def test_more_than_three_in_two_seconds_are_too_many(sandbox: RunningSandbox) -> None:
    answers = [submit(sandbox, {"clientId": f"1.{n}"}) for n in range(20)]
    assert [answer[0] for answer in answers[:3]] == [200] * 3
    assert (429, "RESOURCE_EXHAUSTED") in [status_of(answer) for answer in answers if answer[0] != 200]
    sandbox.app.clock.set_ahead(3)
    assert submit(sandbox, {"clientId": "1.7"})[0] == 200


def test_more_than_five_hundred_a_day_are_too_many(sandbox: RunningSandbox) -> None:
    now = sandbox.app.clock.now()
    # at noon, so that no midnight comes between
    sandbox.app.clock.set_ahead(int((now.replace(hour=12) + timedelta(days=1) - now).total_seconds()))
    used = {"day": sandbox.app.clock.now().date().isoformat(), "count": 499, "lately": []}
    with sandbox.app.state.transaction():
        sandbox.app.state.shelf("google").put("usage", "deletions", used)
    assert [submit(sandbox, {"clientId": f"1.{n}"})[0] for n in range(2)] == [200, 429]
    sandbox.app.clock.set_ahead(3 * DAY)
    assert submit(sandbox, {"clientId": "1.7"})[0] == 200


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"client_ids": CLIENT}, "client_ids"),
        ({"client_ids": [1]}, "client_ids"),
        ({"ga_client_ids": [""]}, "ga_client_ids"),
        ({"user_id": 17}, "user_id"),
    ],
)
def test_a_wrong_person_names_the_field(sandbox: RunningSandbox, fields: dict[str, Any], field: str) -> None:
    status, problem = sandbox.ask("PUT", "/sandbox/google/people", fields)
    assert (status, problem["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("429", "RESOURCE_EXHAUSTED"), ("500", "INTERNAL"), ("400", "INVALID_ARGUMENT"), ("half", "INTERNAL")],
)
def test_a_fault_fails_in_googles_shape(sandbox: RunningSandbox, kind: str, said: str) -> None:
    sandbox.fail("google", kind, times=1)
    assert status_of(submit(sandbox, {"clientId": CLIENT}))[1] == said
    assert submit(sandbox, {"clientId": CLIENT})[0] == 200
