from __future__ import annotations

from typing import get_args

import pytest

from shared.failures import BadInput, Missing, Stale, TooMany, TryAgain
from shared.promises import requests
from shared.promises.requests import Asked
from shared.records import Request, Right
from shared.store import Query
from tests.promises.world import NOON, World, timedelta


def ask(world: World, **said: object) -> dict[str, object]:
    return requests.open_request(world.services, Asked(**({"right": "erasure"} | said)), server=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw", ["", "ann", "ann@", "@mail.test", "a b@mail.test", "ann@mail", "ann@mail.test\nbcc: x@y.z"]
)
def test_what_is_no_address_is_refused_by_its_name(world: World, raw: str) -> None:
    with pytest.raises(BadInput) as refused:
        ask(world, email=raw)
    assert refused.value.field == "email"
    assert raw.strip() == "" or raw not in str(refused.value)


def test_the_eleventh_request_of_an_hour_for_one_address_is_too_many(world: World) -> None:
    for _ in range(10):
        ask(world, email="ann@mail.test")
    with pytest.raises(TooMany):
        ask(world, email="Ann@Mail.test")
    ask(world, email="bob@mail.test")
    world.clock.at += timedelta(hours=1)
    ask(world, email="ann@mail.test")


def test_the_filers_link_shows_waiting_until_the_mailbox_confirms_and_nothing_after(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = ask(world, email="ann@mail.test")
    request_id, key = str(answer["request_id"]), str(answer["status_url"]).partition("?key=")[2]
    assert requests.with_key(world.services, request_id, key, waiting=True).record.status == "unverified"
    mine = world.confirm("ann@mail.test", request_id)
    with pytest.raises(Missing):
        requests.with_key(world.services, request_id, key, waiting=True)
    assert requests.with_key(world.services, request_id, mine["status_url"].partition("?key=")[2])


def test_a_token_works_once(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    token = world.token(request_id, "ann@mail.test")
    requests.confirm(world.services, request_id, token)
    with pytest.raises(Stale):
        requests.confirm(world.services, request_id, token)


def test_a_token_of_another_request_or_for_another_act_opens_nothing(world: World) -> None:
    one, two = world.ask("ann@mail.test"), world.ask("bob@mail.test")
    token = world.token(one, "ann@mail.test")
    for request_id, tried in ((two, token), (one, "x"), (one, ""), ("nothing-here", token)):
        with pytest.raises(BadInput):
            requests.confirm(world.services, request_id, tried)
    with pytest.raises(BadInput):
        requests.with_token(world.services, one, token, "cancel")


def test_nobody_confirms_two_reminders_then_an_answer_before_the_month_ends(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    token = world.token(request_id, "ann@mail.test")
    world.advance("P29D")
    sent = [one["template"] for one in world.postman.posted]
    assert sent == ["request_confirm", "request_reminder", "request_reminder", "request_unconfirmed"]
    assert world.view(request_id)["status"] == "unconfirmed"
    with pytest.raises(Stale):
        requests.confirm(world.services, request_id, token)
    assert not requests.Case.read(world.services, request_id).has_envelope


def test_the_reminders_link_still_confirms(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    world.advance("P15D")
    token = world.mailed("request_reminder")[-1]["link"].partition("?t=")[2]
    assert requests.confirm(world.services, request_id, token)["status"] == "verified"


def test_a_signed_in_user_is_the_account_alone_and_the_link_goes_to_its_confirmed_addresses(world: World) -> None:
    world.account("u1", "family@mail.test")
    world.account("u2", "family@mail.test")
    said = Asked(right="erasure", user_id="u1", verified=True, auth_time=NOON)
    answer = requests.open_request(world.services, said, server=True)
    assert set(answer) == {"request_id", "status"}
    world.run_due()
    assert [one["to"] for one in world.mailed("request_verified")] == ["family@mail.test"]
    world.advance("P3D")
    assert world.stripe.asked[0].user_ids() == ["u1"]


@pytest.mark.parametrize(
    ("said", "failure", "field"),
    [
        ({"user_id": "u1", "verified": True}, BadInput, "auth_time"),
        ({"user_id": "u1", "auth_time": NOON}, BadInput, "verified"),
        ({"verified": True, "auth_time": NOON, "email": "a@mail.test"}, BadInput, "user_id"),
        ({"user_id": "u1", "verified": True, "auth_time": NOON - timedelta(hours=2)}, Stale, "auth_time"),
        ({"user_id": "u1", "verified": True, "auth_time": NOON + timedelta(hours=2)}, BadInput, "auth_time"),
        ({"user_id": "u1", "verified": True, "auth_time": NOON, "email": "other@mail.test"}, Stale, "email"),
        ({"user_id": "u/1", "verified": True, "auth_time": NOON}, BadInput, "user_id"),
    ],
)
def test_a_server_must_vouch_in_full(
    world: World, said: dict[str, object], failure: type[Exception], field: str
) -> None:
    world.account("u1", "ann@mail.test")
    with pytest.raises(failure) as refused:
        requests.open_request(world.services, Asked(right="erasure", **said), server=True)  # type: ignore[arg-type]
    assert refused.value.field == field  # type: ignore[attr-defined]


def test_a_browser_cannot_vouch_for_anybody(world: World) -> None:
    for said in ({"user_id": "u1", "verified": True, "auth_time": NOON}, {"email": "ann@mail.test", "verified": True}):
        with pytest.raises(BadInput):
            ask(world, **said)


def test_an_unknown_user_gets_the_same_answer_and_ends_in_nothing_found(world: World) -> None:
    said = Asked(right="erasure", user_id="nobody", verified=True, auth_time=NOON)
    answer = requests.open_request(world.services, said, server=True)
    assert answer["status"] == "verified"
    world.advance("P4D")
    shown = world.view(str(answer["request_id"]))
    assert shown["status"] == "completed"
    assert shown["steps"][0]["outcome"] == "nothing_found"


def test_a_confirmation_that_went_out_only_at_the_second_try_is_reminded_of_too(world: World) -> None:
    world.postman.trouble = TryAgain("sendgrid_500")
    world.ask("ann@mail.test")
    world.run_due()
    world.postman.trouble = None
    world.advance("P9D")
    assert [len(world.mailed(one)) for one in ("request_confirm", "request_reminder")] == [1, 1]


@pytest.mark.parametrize("right", [one for one in get_args(Right) if one != "objection"])
def test_a_scope_with_any_other_right_is_refused_and_not_passed_over(world: World, right: Right) -> None:
    corrections = {"name": "Ann"} if right == "rectification" else None
    asked = Asked(right=right, email="ann@mail.test", scope="marketing_email", corrections=corrections)
    with pytest.raises(BadInput) as refused:
        requests.open_request(world.services, asked, server=False)
    assert refused.value.field == "scope"
    assert world.services.store.query(Query(Request)) == []
