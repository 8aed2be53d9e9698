"""No old yes undoes a no, whoever of those the guard asks has said it; and a no reaches whom it is about."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from infra.imports.explained import COLUMNS
from infra.imports.table import table
from shared.promises import confirmations, evidence, objections, people, receipts, requests, subjects
from shared.promises.subjects import Linked
from shared.times import rfc3339
from tests.promises.imports import ANN, BEA, LONG_AGO, allowed, consent, kind_of, take
from tests.promises.world import NOON, World, timedelta

Happens = Callable[[World], object]
EARLY, LATER = "2026-01-01T12:00:00Z", "2026-02-01T12:00:00Z"


def account_said_no_before_it_had_the_address(world: World) -> None:
    subjects.link(world.services, Linked(user_id="u1"))
    world.decide({"marketing_email": False, "analytics": False}, server=True, user_id="u1")
    world.clock.at += timedelta(days=1)
    world.account("u1", ANN)


def account_objected_before_it_had_the_address(world: World) -> None:
    subjects.link(world.services, Linked(user_id="u1"))
    for scope in ("marketing", "analytics"):
        asked = requests.Asked(right="objection", user_id="u1", verified=True, auth_time=world.clock.at, scope=scope)
        requests.open_request(world.services, asked, server=True)
    world.run_due()
    world.account("u1", ANN)


def account_said_no(world: World) -> None:
    world.account("u1", ANN)
    world.decide({"marketing_email": False, "analytics": False}, server=True, user_id="u1")


def one_of_two_accounts_said_no(world: World) -> None:
    world.account("u2", ANN)
    account_said_no(world)


def an_account_that_lately_left_said_no(world: World) -> None:
    account_said_no_before_it_had_the_address(world)
    world.account("u1", BEA)


def account_is_restricted(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN, world.ask(ANN, "restriction"))


NOES = [account_said_no_before_it_had_the_address, account_objected_before_it_had_the_address, account_said_no,
        one_of_two_accounts_said_no, an_account_that_lately_left_said_no, account_is_restricted]  # fmt: skip


@pytest.mark.parametrize("happened", NOES)
@pytest.mark.parametrize("purpose", ["marketing_email", "analytics"])
def test_an_old_yes_of_an_address_undoes_no_word_of_its_accounts(world: World, happened: Happens, purpose: str) -> None:
    happened(world)
    row = consent(purpose, at=EARLY, email=ANN, confirmed_at=EARLY)
    assert take(world, "consents", row)[0] == {"rows": 1, "refused": 1}
    assert not allowed(world, purpose, user_id="u1").allowed
    assert not allowed(world, purpose, email=ANN).allowed


def test_a_yes_of_an_address_counts_where_its_accounts_said_no_before(world: World) -> None:
    world.account("u1", ANN)
    no, yes = consent("analytics", granted="false", at=EARLY, user_id="u1"), consent("analytics", at=LATER, email=ANN)
    assert take(world, "consents", no, yes)[0] == {"rows": 2, "said_no": 1, "said_yes": 1}
    assert allowed(world, "analytics", email=ANN).allowed


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("purpose", ["marketing_email", "analytics"])
def test_an_accounts_later_no_counts_against_its_mailbox_in_whatever_order_they_come(
    world: World, order: tuple[int, ...], purpose: str
) -> None:
    world.account("u1", ANN)
    given = [consent(purpose, at=EARLY, email=ANN), consent(purpose, granted="false", at=LATER, user_id="u1")]
    take(world, "consents", *(given[n] for n in order))
    assert not allowed(world, purpose, email=ANN).allowed
    assert not allowed(world, purpose, user_id="u1").allowed


# --- a no that cannot be read whole ----------------------------------------------------------------------------------

UNCLEAR = {
    "a date as people write it": {"at": "01.05.2026"},
    "a time without its zone": {"at": "2026-05-01 12:00:00"},
    "no date": {"at": ""},
    "a date to come": {"at": "2031-01-01T00:00:00Z"},
    "a purpose that nobody knows": {"purpose": "newsletter"},
    "no purpose": {"purpose": ""},
    "another language": {"granted": "Nein"},
    "all of it": {"at": "yesterday", "purpose": "?", "granted": "0", "method": "pigeon", "confirmed_at": "soon"},
}
WHOSE = {
    "an account": {"user_id": "u1"},
    "an address": {"email": ANN},
    "both": {"user_id": "u1", "email": ANN},
    "an address beside an account that is not here": {"user_id": "u99", "email": ANN},
    "an address beside what is no id": {"user_id": "a/b", "email": ANN},
    "an account beside what is no address": {"user_id": "u1", "email": "ann"},
}


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("how", UNCLEAR)
def test_a_no_counts_whatever_of_it_cannot_be_read(world: World, how: str, whose: str) -> None:
    world.account("u1", ANN)
    take(world, "consents", consent(user_id="u1"), consent("analytics", user_id="u1"))
    assert allowed(world, user_id="u1").allowed
    row = {"granted": "no", "at": EARLY, "purpose": "marketing_email"} | UNCLEAR[how] | WHOSE[whose]
    counts, refused = take(world, "consents", row)
    assert (counts, refused) == ({"rows": 1, "said_no": 1}, [])
    assert not allowed(world, user_id="u1").allowed
    assert allowed(world, "analytics", user_id="u1").allowed, "nothing else was refused"
    counts, _ = take(world, "consents", row)
    assert counts == {"rows": 1, "unchanged": 1}


@pytest.mark.parametrize("whose", WHOSE)
def test_a_no_of_no_known_day_ends_a_consent_that_no_mail_needs(world: World, whose: str) -> None:
    world.account("u1", ANN)
    take(world, "consents", consent("analytics", user_id="u1"), consent("analytics", email=ANN))
    row = {"granted": "no", "at": "?", "purpose": "analytics"} | WHOSE[whose]
    take(world, "consents", row)
    assert not allowed(world, "analytics", email=ANN).allowed
    assert not allowed(world, "analytics", user_id="u1").allowed
    assert take(world, "consents", row)[0] == {"rows": 1, "unchanged": 1}
    assert evidence.check(world.services)["intact"] is True


def test_a_receipt_of_a_no_of_no_known_day_names_none(world: World) -> None:
    world.account("u1", ANN)
    take(world, "consents", consent("analytics", user_id="u1"))
    take(world, "consents", {"user_id": "u1", "granted": "no", "at": "?", "purpose": "analytics"})
    found = people.by_user(world.services, "u1")
    assert found is not None
    receipt = receipts.receipt(world.services, found.stored.record.decisions["analytics"].receipt)["receipt"]
    assert "event_time" not in receipt
    assert receipt["purposes"] == {"analytics": "refused"}


def test_a_yes_given_here_after_an_unclear_no_stands(world: World) -> None:
    world.account("u1", ANN)
    world.decide({"marketing_email": True}, server=True, user_id="u1")
    take(world, "consents", {"user_id": "u1", "email": ANN, "granted": "no", "at": EARLY, "purpose": "marketing_email"})
    assert allowed(world, user_id="u1").allowed


def test_a_no_of_nobody_is_reported(world: World) -> None:
    counts, refused = take(
        world, "consents", {"granted": "no", "at": "?", "purpose": "?"}, {"user_id": "u9", "granted": "no"}
    )
    assert counts == {"rows": 2, "refused": 2}
    assert [one.field for one in refused] == ["user_id", "user_id"]


@pytest.mark.parametrize("row", [f"{ANN}", f"{ANN};marketing_email", f"{ANN};x;2026-01-01T00:00:00Z;z"])
def test_an_unsubscribe_with_too_few_or_too_many_cells_counts_for_all_marketing(
    world: World, tmp_path: Path, row: str
) -> None:
    file = tmp_path / "unsubscribes.csv"
    file.write_text(f"email;purpose;at\n{row}\n")
    (read,) = table(file, *COLUMNS["unsubscribes"]).rows()
    said = kind_of(world, "unsubscribes").read(read)
    assert (said.email, said.names, said.at) == (ANN, ["marketing"], None)


# --- where a no reaches ----------------------------------------------------------------------------------------------


def moved(world: World) -> None:
    world.account("u1", BEA)
    world.clock.at += timedelta(days=1)
    world.account("u1", ANN)
    world.clock.at += timedelta(days=1)


@pytest.mark.parametrize("at", [{}, {"at": LONG_AGO}])
def test_an_unsubscribe_of_an_address_that_its_account_has_left_moves_with_it(world: World, at: dict[str, str]) -> None:
    moved(world)
    assert take(world, "unsubscribes", {"email": BEA} | at)[0] == {"rows": 1, "stopped": 1}
    assert list(objections.stopped(world.services, ANN)) == ["marketing"]
    assert take(world, "consents", consent(email=ANN))[1][0].field == "email"
    world.run_due()
    assert {one.address for one in world.sendgrid.silenced} == {ANN, BEA}
    assert take(world, "unsubscribes", {"email": BEA} | at)[0] == {"rows": 1, "unchanged": 1}


def test_a_no_in_a_file_of_consents_moves_too(world: World) -> None:
    moved(world)
    take(world, "consents", consent(email=BEA, granted="false"))
    assert list(objections.stopped(world.services, ANN)) == ["marketing_email"]


def test_a_no_said_after_an_account_had_left_the_address_is_somebody_elses(world: World) -> None:
    moved(world)
    take(world, "unsubscribes", {"email": BEA, "at": "2026-03-03T00:00:00Z"})
    assert list(objections.stopped(world.services, BEA)) == ["marketing"]
    assert objections.stopped(world.services, ANN) == {}


def corrected(world: World) -> None:
    """Have a mailbox say yes, and move to another address with a correction: its yes is its holder's and goes along."""
    world.decide({"marketing_email": True}, device_id="device-0001", email=ANN)
    world.run_due()
    token = world.mailed("consent_confirm", ANN)[-1]["link"].partition("?t=")[2]
    confirmations.confirm(world.services, world.services.policies.current(), token)
    request_id = world.ask(ANN, "rectification", corrections={"email": BEA})
    world.confirm(ANN, request_id)
    world.run_due()
    requests.confirm(world.services, request_id, world.mailed("address_confirm", BEA)[-1]["link"].partition("?t=")[2])
    world.run_due()
    world.clock.at += timedelta(days=100)


def test_what_a_file_says_of_an_address_is_its_holders_and_not_of_whoever_moved_away(world: World) -> None:
    corrected(world)
    assert allowed(world, email=BEA).allowed
    now = rfc3339(world.clock.at)
    no = consent(email=ANN, granted="false", at=now)
    assert take(world, "consents", no)[0] == {"rows": 1, "said_no": 1}
    assert allowed(world, email=BEA).allowed, "who has the old address by now says nothing of who left it"
    assert not allowed(world, email=ANN).allowed


def test_a_yes_of_an_addresses_new_holder_is_not_put_with_who_moved_away(world: World) -> None:
    corrected(world)
    world.clock.at += timedelta(days=1)
    at = rfc3339(world.clock.at)
    take(world, "consents", consent(email=ANN, purpose="analytics", at=at, confirmed_at=at))
    old, new = sorted(people.links_of(world.services, ANN), key=lambda one: one.replaced_at is None)
    assert (old.replaced_at is None, new.replaced_at, old.ref != new.ref) == (False, None, True)
    assert allowed(world, purpose="analytics", email=ANN).allowed
    assert not allowed(world, purpose="analytics", email=BEA).allowed


def test_an_old_yes_of_an_address_is_whose_it_was_then(world: World) -> None:
    corrected(world)
    old = consent(email=ANN, purpose="analytics", at=rfc3339(NOON), confirmed_at=rfc3339(NOON))
    assert take(world, "consents", old)[0] == {"rows": 1, "said_yes": 1}
    assert allowed(world, purpose="analytics", email=BEA).allowed
    assert not allowed(world, purpose="analytics", email=ANN).allowed, "its holder of today never said so"


@pytest.mark.parametrize("at", ["", "1 May"])
def test_a_no_of_no_known_day_may_be_the_word_of_whoever_moved_away_from_the_address(world: World, at: str) -> None:
    corrected(world)
    take(world, "consents", consent(email=ANN, granted="false", at=at))
    assert not allowed(world, email=ANN).allowed
    assert not allowed(world, email=BEA).allowed


def test_a_yes_that_was_imported_stands_against_no_unsubscribe(world: World) -> None:
    world.account("u1", ANN)
    take(world, "consents", consent(user_id="u1", at=LATER))
    row = {"email": ANN, "at": LONG_AGO, "purpose": "marketing_email"}
    assert take(world, "unsubscribes", row)[0] == {"rows": 1, "stopped": 1}
    assert not allowed(world, user_id="u1").allowed


def test_a_yes_given_here_stands_even_where_its_evidence_went_with_the_browser(world: World) -> None:
    world.decide({"marketing_email": True}, device_id="device-0001", email=ANN)
    world.run_due()
    token = world.mailed("consent_confirm", ANN)[-1]["link"].partition("?t=")[2]
    confirmations.confirm(world.services, world.services.policies.current(), token)
    row = {"email": ANN, "at": LONG_AGO, "purpose": "marketing_email"}
    assert take(world, "unsubscribes", row)[0] == {"rows": 1, "later_yes": 1}
