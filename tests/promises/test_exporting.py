"""§5.1: a copy for the one who proved who asks: who is told, when it begins, and what an erasure waits for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from shared.case import Case
from shared.failures import NeverRetry, Stale, TryAgain
from shared.promises import fetching, operators, requests
from shared.promises.operators import Entered
from shared.promises.requests import Asked
from shared.records import Subject
from shared.store import Delete, Query
from shared.times import rfc3339
from tests.promises.copies import (
    EMAIL,
    OLD,
    PIECES,
    ask,
    confirmed,
    exports,
    fetched,
    links,
    problems,
)
from tests.promises.world import NOON, World


def test_it_begins_at_once_where_nobody_else_is_to_be_told(world: World) -> None:
    world.account("u1", EMAIL)
    request_id, _ = confirmed(world)
    assert world.view(request_id)["status"] == "completed"
    assert "begins_at" not in world.view(request_id)


def test_it_waits_for_the_cooling_off_where_another_address_is_told_and_five_days_where_it_was_changed(
    world: World,
) -> None:
    world.account("u1", OLD)
    world.advance("P20D")
    world.account("u1", EMAIL)
    request_id, _ = confirmed(world)
    (notice,) = world.mailed("request_notice")
    assert notice["to"] == OLD
    assert world.view(request_id)["begins_at"] == rfc3339(world.clock.at + timedelta(days=5))
    world.advance("P4D")
    assert links(world) == []
    world.advance("P2D")
    assert (len(links(world)), links(world, OLD)) == (1, [])


def test_the_notified_address_can_cancel_and_then_nothing_is_gathered(world: World) -> None:
    world.account("u1", OLD)
    world.advance("P20D")
    world.account("u1", EMAIL)
    request_id, _ = confirmed(world)
    token = world.mailed("request_notice")[0]["cancel_link"].partition("?t=")[2]
    requests.cancel(lambda: requests.with_token(world.services, request_id, token, "cancel")[0])
    world.advance("P6D")
    assert world.view(request_id)["status"] == "withdrawn"
    assert links(world) == []
    assert (world.stripe.told, list(world.services.store.query(PIECES))) == ([], [])
    assert not Case.read(world.services, request_id).has_envelope


def test_a_notice_that_is_not_out_yet_is_waited_for(world: World) -> None:
    world.account("u1", OLD)
    world.advance("P50D")
    world.account("u1", EMAIL)
    world.advance("P20D")
    request_id = ask(world)
    token = world.token(request_id, EMAIL)
    world.postman.trouble = TryAgain("sendgrid_500")
    requests.confirm(world.services, request_id, token)
    world.advance("P2D")
    assert world.view(request_id)["status"] == "verified"
    world.postman.trouble = None
    world.advance("P1D")
    assert world.view(request_id)["status"] == "completed"


def signed_in(world: World, user: str) -> str:
    asked = Asked(right="access", user_id=user, verified=True, auth_time=world.clock.at)
    return str(requests.open_request(world.services, asked, server=True)["request_id"])


def test_a_servers_request_mails_the_link_to_the_address_the_account_has(world: World) -> None:
    world.account("u1", EMAIL)
    request_id = signed_in(world, "u1")
    world.run_due()
    assert world.view(request_id)["status"] == "completed"
    data = json.loads(fetched(world, request_id, links(world)[0])["data.json"])["data"]
    assert data["google_cloud_platform"]["identifiers"][0]["user_id"] == "u1"


def test_where_no_address_is_known_a_person_must_look(world: World) -> None:
    entered = Entered(channel="post", received_at=NOON, right="access", user_id="nobody", proof="passport")
    request_id = operators.enter(world.services, entered, "eve")["request_id"]
    world.run_due()
    assert world.view(request_id)["status"] == "verified"
    assert ("work_failed", "export.begin:no_address_to_mail") in problems(world)


def test_a_second_request_keeps_the_laws_date_of_the_first(world: World) -> None:
    world.account("u1", EMAIL)
    world.stripe.export = exports(NeverRetry("stripe_400"))  # type: ignore[method-assign]
    first, _ = confirmed(world)
    world.advance("P10D")
    second, _ = confirmed(world)
    assert world.view(second)["statutory_by"] == world.view(first)["statutory_by"]


# --- an erasure of the same person ------------------------------------------------------------------------------------


def test_an_erasure_waits_until_the_copy_is_fetched_and_then_removes_it(world: World) -> None:
    world.account("u1", EMAIL)
    request_id, _ = confirmed(world)
    erasure = world.confirm(EMAIL)["request_id"]
    world.advance("P2D")
    assert world.view(erasure)["status"] == "verified"
    fetched(world, request_id, links(world)[0])
    world.advance("PT2H")
    assert world.view(erasure)["status"] == "in_progress"
    assert world.services.store.query(PIECES) == []


def test_an_erasure_waits_no_longer_than_its_own_day_five(world: World) -> None:
    world.account("u1", EMAIL)
    request_id, _ = confirmed(world)
    erasure = world.confirm(EMAIL)["request_id"]
    world.advance("P5DT1H")
    assert world.view(erasure)["status"] in {"in_progress", "completed"}
    assert world.services.store.query(PIECES) == []
    with pytest.raises(Stale):
        fetching.opened(world.services, request_id, links(world)[0])
    world.advance("P9D")
    assert world.view(erasure)["promise"]["met"] is True


def test_a_copy_of_last_year_is_removed_with_this_years_erasure_where_an_address_is_all_there_is(world: World) -> None:
    world.clock.at = datetime(2026, 12, 30, 12, tzinfo=UTC)
    confirmed(world)
    assert world.services.store.query(PIECES) != []
    world.advance("P3D")
    world.confirm(EMAIL)
    world.advance("P6D")
    assert world.services.store.query(PIECES) == []


def test_an_erasure_waits_for_no_copy_of_somebody_else(world: World) -> None:
    world.account("u1", EMAIL)
    world.account("u2", "bob@mail.test")
    confirmed(world, email="bob@mail.test")
    erasure = world.confirm(EMAIL)["request_id"]
    world.advance("P2D")
    assert world.view(erasure)["status"] != "verified"


def test_a_copy_made_after_the_account_was_deleted_says_so(world: World) -> None:
    world.account("u1", EMAIL)
    world.stripe.export = exports(TryAgain("stripe_500"))  # type: ignore[method-assign]
    world.confirm(EMAIL)
    world.advance("PT12H")
    request_id, _ = confirmed(world)
    world.advance("P2D")
    assert world.view(request_id)["status"] == "in_progress"
    # its second half was lost: the account is gone before the file is made
    (account,) = world.services.store.query(Query(Subject))
    world.services.store.commit([Delete(Subject, account.id)])
    world.advance("P2D")
    gaps = json.loads(fetched(world, request_id, links(world)[-1])["manifest.json"])["gaps"]
    assert any("deleted" in gap["why"] for gap in gaps)
