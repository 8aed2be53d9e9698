"""An old copy brings nobody back who was erased, is being erased, or is erased while it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.imports.deciding import MOST_ROWS, rehearse
from shared.promises import importing, people, requests, subjects
from shared.promises.importing import Asked, Run
from shared.promises.subjects import Linked
from shared.records import TOMBSTONES_BY_TIME
from shared.store import every
from shared.times import rfc3339
from tests.promises.imports import ANN, BEA, LONG_AGO, allowed, consent, customer, kind_of, rows, take
from tests.promises.world import World

Happens = Callable[[World], object]
RECENT = "2026-02-01T12:00:00Z"


def known_and_erased(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN)
    world.advance("P2D")
    assert people.by_user(world.services, "u1") is None


def known_and_long_erased(world: World) -> None:
    known_and_erased(world)
    world.advance("P14D")


def unknown_and_erased(world: World) -> None:
    world.confirm(ANN)
    world.advance("P2D")


def about_to_be_erased(world: World) -> None:
    world.confirm(ANN)


def with_an_account_about_to_be_erased(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN)


def erased_by_the_websites_word(world: World) -> None:
    world.account("u1", ANN)
    signed_in = requests.Asked(right="erasure", user_id="u1", verified=True, auth_time=world.clock.at)
    requests.open_request(world.services, signed_in, server=True)
    world.advance("P2D")


ERASURES = [known_and_erased, known_and_long_erased, unknown_and_erased, about_to_be_erased,
            with_an_account_about_to_be_erased, erased_by_the_websites_word]  # fmt: skip


@pytest.mark.parametrize("happened", ERASURES)
@pytest.mark.parametrize("row", [{"confirmed_at": RECENT}, {}])
def test_an_old_yes_of_an_address_that_was_erased_is_refused(
    world: World, happened: Happens, row: dict[str, str]
) -> None:
    happened(world)
    before = [one.ref for one in people.by_address(world.services, ANN)]
    counts, refused = take(
        world, "consents", consent(email=ANN, **row), consent("analytics", at=RECENT, email=ANN, **row)
    )
    assert counts == {"rows": 2, "refused": 2}
    assert {one.field for one in refused} == {"email"}
    assert [one.ref for one in people.by_address(world.services, ANN)] == before
    assert not allowed(world, email=ANN).allowed
    assert not allowed(world, "analytics", email=ANN).allowed


@pytest.mark.parametrize("happened", [known_and_erased, unknown_and_erased])
def test_what_somebody_says_after_their_erasure_counts(world: World, happened: Happens) -> None:
    happened(world)
    world.advance("P1D")
    since = rfc3339(world.clock.at)
    world.advance("P1D")
    assert take(world, "consents", consent(email=ANN, at=since))[1][0].field == "email"
    assert take(world, "consents", consent(email=ANN, at=since, confirmed_at=since))[0]["said_yes"] == 1
    world.account("u2", ANN)
    assert take(world, "consents", consent("analytics", email=ANN))[1][0].field == "email"
    assert take(world, "consents", consent("analytics", email=ANN, at=since))[0]["said_yes"] == 1


def test_an_old_yes_of_a_user_who_came_back_is_gone_with_what_was_erased(world: World) -> None:
    known_and_erased(world)
    world.advance("P1D")
    world.account("u1", ANN)
    world.advance("P1D")
    _, refused = take(world, "consents", consent(user_id="u1"))
    assert [(one.field, one.rule) for one in refused] == [
        ("user_id", "erased here not long ago; this row is from before")
    ]
    assert not allowed(world, user_id="u1").allowed


def test_an_old_no_of_an_address_that_was_erased_still_counts(world: World) -> None:
    known_and_erased(world)
    assert take(world, "consents", consent(email=ANN, granted="false"))[0] == {"rows": 1, "said_no": 1}
    assert people.by_address(world.services, ANN) == []


@pytest.mark.parametrize("happened", [unknown_and_erased, about_to_be_erased])
@pytest.mark.parametrize("verified", ["true", "false"])
def test_a_customer_comes_in_under_no_erasure_of_their_address(world: World, happened: Happens, verified: str) -> None:
    happened(world)
    counts, refused = take(world, "customers", customer("u1", email=ANN, email_verified=verified), customer("u2"))
    assert counts == {"rows": 2, "new": 1, "refused": 1}
    assert [one.field for one in refused] == ["email"]
    assert people.by_user(world.services, "u1") is None


def test_a_row_that_waits_for_an_erasure_says_so_and_can_be_taken_when_that_is_cancelled(world: World) -> None:
    request = world.ask(ANN)
    world.confirm(ANN, request)
    row = customer("u1", email=ANN, email_verified="true")
    assert take(world, "customers", row)[1][0].rule == (
        "an erasure is under way here; nothing is taken in until it is over"
    )
    requests.cancel(lambda: requests.Case.read(world.services, request))
    assert take(world, "customers", row)[0] == {"rows": 1, "new": 1}


@pytest.mark.parametrize("right", ["access", "objection"])
def test_other_requests_keep_nobody_out(world: World, right: Any) -> None:
    request = world.ask(ANN, right)
    if right == "access":
        world.confirm(ANN, request)
    # an erasure that nobody confirmed is anybody's
    world.ask(ANN)
    assert take(world, "customers", customer("u1", email=ANN, email_verified="true"))[0]["new"] == 1


def test_an_account_under_an_erasure_is_not_completed(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN)
    row = customer("u1", country="AT")
    assert take(world, "customers", row)[1][0].field == "user_id"
    assert take(world, "customers", customer("u1"))[0] == {"rows": 1, "unchanged": 1}


def test_an_account_that_stayed_when_another_of_its_address_was_erased_is_completed(world: World) -> None:
    for user in ("u1", "u2"):
        world.account(user, ANN)
    request = world.ask(ANN)
    view = world.confirm(ANN, request)["status_url"].partition("?key=")[2]
    requests.choose(world.services, request, view, [1])
    world.advance("P2D")
    left = [one.known.user_id for one in people.by_address(world.services, ANN) if one.is_account]
    assert len(left) == 1
    row = customer(str(left[0]), email=ANN, email_verified="true", country="AT")
    assert take(world, "customers", row)[0] == {"rows": 1, "completed": 1}


def test_an_erased_address_does_not_come_back_under_another_account(world: World) -> None:
    subjects.link(world.services, Linked(user_id="u9"))
    known_and_erased(world)
    _, refused = take(world, "customers", customer("u9", email=ANN, email_verified="true"))
    assert [one.field for one in refused] == ["email"]
    assert people.by_address(world.services, ANN) == []


@pytest.mark.parametrize("address", [ANN, BEA])
@pytest.mark.parametrize("pause", ["P2D", "P20D"])
def test_whoever_is_erased_while_a_file_is_read_stays_erased(world: World, address: str, pause: str) -> None:
    world.account("u1", ANN)
    asked = Asked("customers", "file", "olga", "d1")
    run = Run(world.services, importing.begin(world.services, asked), kind_of(world, "customers"))
    last = customer("u1" if address == ANN else "u8", email=ANN, email_verified="true")
    taking = run.take(rows(*(customer(f"x{n}") for n in range(MOST_ROWS)), last))
    next(taking)
    world.confirm(ANN)
    world.advance(pause)
    assert [one.field for progress in taking for one in progress.refused] == ["user_id" if address == ANN else "email"]
    assert people.by_address(world.services, ANN) == []
    assert people.by_user(world.services, "u1") is None


@pytest.mark.parametrize("what", ["customers", "consents"])
def test_a_dry_run_refuses_whoever_was_erased_too(world: World, what: str) -> None:
    known_and_erased(world)
    row = customer("u1", email=ANN) if what == "customers" else consent(email=ANN, confirmed_at=LONG_AGO)
    assert list(rehearse(world.services, kind_of(world, what), rows(row)))[-1].counts == {"rows": 1, "refused": 1}


def test_many_who_were_erased_are_read_once_and_not_for_each_commit(world: World) -> None:
    known_and_erased(world)
    world.advance("P1D")
    opened: list[str] = []
    vault = world.services.vault

    class Opening:
        def __getattr__(self, name: str) -> Any:
            return getattr(vault, name)

        def unsealed(self, place: str, sealed: bytes, kind: Any) -> Any:
            opened.append(place)
            return vault.unsealed(place, sealed, kind)

    world.services.__dict__["vault"] = Opening()
    take(world, "customers", *(customer(f"x{n}") for n in range(3 * MOST_ROWS)))
    stones = [f"tombstones/{one.id}" for one in every(world.services.store, TOMBSTONES_BY_TIME)]
    assert [one for one in opened if one.startswith("tombstones/")] == stones
