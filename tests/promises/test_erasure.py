"""§4: the course of a request for erasure, as stories over real records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.failures import Stale, TryAgain
from shared.promises import operators, requests
from shared.promises.operators import Entered, Verification
from shared.promises.requests import Asked
from shared.records import Subject, Suppression
from shared.store import Query
from tests.promises.world import World

DAY = timedelta(days=1)


def test_while_a_request_runs_the_person_is_restricted_and_the_address_silenced(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    record = requests.Case.read(world.services, answer["request_id"]).record
    subject = world.services.store.get(Subject, record.subjects[0])
    assert subject is not None
    assert subject.record.restricted_by == [answer["request_id"]]
    assert all(world.services.store.get(Suppression, one) for one in record.suppressed)
    world.advance("P3D")
    assert world.services.store.get(Subject, record.subjects[0]) is None
    assert not any(world.services.store.get(Suppression, one) for one in record.suppressed)


def test_an_address_that_replaced_another_lengthens_the_cooling_off_and_the_old_one_is_told(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.advance("P30D")
    world.account("u1", "new@mail.test")
    answer = world.confirm("new@mail.test")
    world.run_due()
    assert len(world.mailed("request_notice", "old@mail.test")) == 1
    world.advance("P4D")
    assert world.view(answer["request_id"])["status"] == "verified"
    world.advance("P2D")
    assert world.view(answer["request_id"])["status"] != "verified"


def test_every_notified_address_can_cancel_until_the_first_step_and_not_after(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.advance("P30D")
    world.account("u1", "new@mail.test")
    answer = world.confirm("new@mail.test")
    world.run_due()
    token = world.mailed("request_notice", "old@mail.test")[0]["cancel_link"].partition("?t=")[2]

    def opened() -> requests.Case:
        return requests.with_token(world.services, answer["request_id"], token, "cancel")[0]

    assert requests.cancel(opened).record.status == "withdrawn"
    assert requests.cancel(opened).record.status == "withdrawn"
    world.advance("P14D")
    assert world.stripe.asked == []
    assert {one["to"] for one in world.mailed("request_cancelled")} == {"old@mail.test", "new@mail.test"}
    later = world.confirm("new@mail.test")
    world.advance("P6D")
    with pytest.raises(Stale):
        requests.cancel(lambda: requests.Case.read(world.services, later["request_id"]))


def test_a_second_request_joins_the_first_and_keeps_its_dates(world: World) -> None:
    world.account("u1", "ann@mail.test")
    first = world.confirm("ann@mail.test")
    world.advance("PT5H")
    second = world.confirm("ann@mail.test")
    one, two = world.view(first["request_id"]), world.view(second["request_id"])
    assert (two["promise"], two["begins_at"]) == (one["promise"], one["begins_at"])
    world.advance("P4D")
    for each in (first, second):
        shown = world.view(each["request_id"])
        assert (shown["status"], shown["promise"]["met"]) == ("completed", True)


def test_cancelling_one_request_cancels_every_other_of_the_same_account(world: World) -> None:
    world.account("u1", "ann@mail.test")
    first, second = world.confirm("ann@mail.test"), world.confirm("ann@mail.test")
    requests.cancel(lambda: requests.Case.read(world.services, first["request_id"]))
    world.advance("P14D")
    assert {world.view(one["request_id"])["status"] for one in (first, second)} == {"withdrawn"}
    assert world.stripe.asked == []
    assert world.services.store.query(Query(Subject))[0].record.restricted_by == []


def test_the_other_requests_of_an_address_that_nobody_confirmed_end_with_the_one_that_was(world: World) -> None:
    world.account("u1", "ann@mail.test")
    idle = world.ask("ann@mail.test")
    world.confirm("ann@mail.test")
    world.advance("P28D")
    assert world.view(idle)["status"] == "unconfirmed"
    assert not requests.Case.read(world.services, idle).has_envelope
    assert world.mailed("request_reminder") == []
    assert world.postman.posted[-1]["template"] == "request_closing"


def test_what_an_operator_entered_or_looks_at_outlives_another_erasure_of_the_same_address(tmp_path: Path) -> None:
    world = World(tmp_path, OPERATORS="ola,per")
    world.account("u1", "ann@mail.test")
    by_phone = Entered(channel="phone", received_at=world.clock.at, right="erasure", email="ann@mail.test")
    entered = operators.enter(world.services, by_phone, "ola")["request_id"]
    filed = world.ask("ann@mail.test")
    seen = Verification(reason="passport seen", proof="passport")
    operators.act(world.services, filed, operators.verify(seen, "ola"))
    world.confirm("ann@mail.test")
    world.advance("P4D")
    assert [world.view(one)["status"] for one in (entered, filed)] == ["unverified", "unverified"]
    assert operators.act(world.services, filed, operators.verify(seen, "per"))["status"] == "verified"


def test_an_unconfirmed_request_of_last_year_ends_with_this_years_erasure(world: World) -> None:
    world.clock.at = datetime(2026, 12, 30, 12, tzinfo=UTC)
    world.account("u1", "ann@mail.test")
    idle = world.ask("ann@mail.test")
    world.advance("P3D")
    world.confirm("ann@mail.test")
    world.advance("P28D")
    assert world.view(idle)["status"] == "unconfirmed"
    assert world.postman.posted[-1]["template"] == "request_closing"


def test_what_was_asked_by_an_address_ends_unconfirmed_when_the_signed_in_person_is_erased(world: World) -> None:
    world.account("u1", "ann@mail.test")
    idle = world.ask("ann@mail.test")
    asked = Asked(right="erasure", user_id="u1", verified=True, auth_time=world.clock.at)
    requests.open_request(world.services, asked, server=True)
    world.advance("P28D")
    assert world.view(idle)["status"] == "unconfirmed"
    assert world.postman.posted[-1]["template"] == "request_closing"


def test_the_other_user_of_a_shared_mailbox_keeps_their_own_request(world: World) -> None:
    world.account("u1", "family@mail.test")
    world.account("u2", "family@mail.test")
    others = world.ask("family@mail.test", "access")
    answer = world.confirm("family@mail.test")
    requests.choose(world.services, answer["request_id"], answer["status_url"].partition("?key=")[2], [1])
    world.advance("P3D")
    assert [one.user_ids() for one in world.stripe.asked] == [["u1"]]
    assert world.view(others)["status"] == "unverified"


def test_the_first_step_waits_for_the_notice_but_not_past_five_days(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.ask("ann@mail.test")
    token = world.token(request_id, "ann@mail.test")
    world.postman.trouble = TryAgain("timeout")
    requests.confirm(world.services, request_id, token)
    world.advance("P4D")
    assert world.view(request_id)["status"] == "verified"
    world.advance("P2D")
    assert world.view(request_id)["promise"]["ours_done_at"] == "2026-03-06T12:00:00Z"


def test_an_address_left_years_ago_opens_nothing_any_more(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.account("u1", "new@mail.test")
    world.advance("P1Y")
    answer = world.confirm("old@mail.test")
    world.advance("P4D")
    assert world.view(answer["request_id"])["steps"][0]["outcome"] == "nothing_found"
    assert world.stripe.asked[0].user_ids() == []


def test_a_merely_notified_address_gets_no_private_link(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.account("u1", "new@mail.test")
    world.confirm("new@mail.test")
    world.advance("P10D")
    assert [one["template"] for one in world.postman.posted if one["to"] == "old@mail.test"] == ["request_notice"]


def test_a_shared_mailbox_is_left_to_the_account_that_keeps_using_it(world: World) -> None:
    world.account("u1", "family@mail.test", name="Ann Bee")
    world.account("u2", "family@mail.test", name="Cid Dee")
    answer = world.confirm("family@mail.test")
    assert [one["n"] for one in answer["accounts"]] == [1, 2]
    world.advance("P3D")
    assert world.stripe.asked == []
    key = answer["status_url"].partition("?key=")[2]
    requests.choose(world.services, answer["request_id"], key, [2])
    world.advance("P3D")
    assert world.stripe.asked[0].user_ids() == ["u2"]
    assert world.sendgrid.asked[0].addresses == []
    assert world.sendgrid.asked[0].shared_addresses == ["family@mail.test"]


def test_an_address_nobody_is_linked_to_runs_the_same_course_and_finds_nothing(world: World) -> None:
    answer = world.confirm("stranger@mail.test")
    assert "accounts" not in answer
    world.advance("P3D")
    shown = world.view(answer["request_id"])
    assert shown["status"] == "completed"
    assert shown["steps"][0]["outcome"] == "nothing_found"
