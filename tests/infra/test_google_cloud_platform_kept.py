"""The connector for the website's data: what law keeps of it, and the end of that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.failures import NeverRetry, TryAgain
from shared.ports import Person
from shared.records import RETAINED_OF_REQUEST, Retained
from shared.store import Create
from shared.website_data import website_data_from
from tests.infra.populated import ALL_GONE, GROUND, NOW, Twin, World, outcomes, populated
from tests.infra.troubled_twins import ReadOnlyWebsite


@pytest.fixture
def world(tmp_path: Path, twin: Twin) -> Iterator[World]:
    with populated(tmp_path, twin) as world:
        yield world


def test_a_kept_document_holds_the_named_fields_alone_and_nothing_below_it(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    parts = world.connector().erase(person, NOW)
    assert world.website.below("orders/u1 1") == [("orders/u1 1", {"amount": 5, "buyer": {"vat": "X1"}})]
    assert (parts[2].ground, parts[2].until) == (GROUND, datetime(2032, 3, 1, 12, tzinfo=UTC))
    (stored,) = world.store.query(RETAINED_OF_REQUEST, person.request_id)
    assert (stored.record.ground, stored.record.until) == (GROUND, parts[2].until)
    assert stored.record.categories == ["amount", "buyer.vat"]
    assert world.kept_places(person) == ["orders/u1 1"]
    assert "u1" not in stored.id


def test_years_are_calendar_years(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    parts = world.connector().erase(person, datetime(2028, 2, 29, 12, tzinfo=UTC))
    assert parts[2].until == datetime(2034, 2, 28, 12, tzinfo=UTC)


def test_a_document_without_any_field_worth_keeping_goes_whole(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.website.write("orders/u1 1", {"user_id": "u1", "gift": "yes"})
    assert f"website data: {GROUND}" not in outcomes(world.connector().erase(person, NOW))
    assert world.website.below("orders/u1 1") == []


def test_a_kept_document_inside_the_persons_own_is_not_deleted_with_it(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.website.write("users/u1/orders/o2", {"user_id": "u1", "amount": 7, "gift": "yes"})
    assert outcomes(world.connector().erase(person, NOW)) == ALL_GONE
    assert world.website.below("users/u1") == [("users/u1/orders/o2", {"amount": 7})]


def test_a_rule_for_a_named_document_can_keep_too(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    keeping = {"documents": "users/{user_id}", "retain": {"ground": "tax", "years": 1, "fields": ["name"]}}
    parts = world.connector(declared=website_data_from({"firestore": [keeping]})).erase(person, NOW)
    assert outcomes(parts)["website data: tax"] == "retained"
    assert world.website.below("users/u1") == [("users/u1", {"name": "Name of u1"})]


def test_two_rules_for_one_document_keep_what_either_asks_for_the_longer_time(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    tax = {"ground": "tax", "years": 10, "fields": ["amount"]}
    claims = {"ground": "claims", "years": 3, "fields": ["buyer.name"]}
    rules = [{"query": "orders where user_id == {user_id}", "retain": retain} for retain in (tax, claims)]
    parts = world.connector(declared=website_data_from({"firestore": rules})).erase(person, NOW)
    assert (parts[2].ground, parts[2].until) == ("tax; claims", datetime(2036, 3, 1, 12, tzinfo=UTC))
    assert world.website.below("orders/u1 1") == [("orders/u1 1", {"amount": 5, "buyer": {"name": "Buyer u1"}})]


def test_a_second_request_leaves_what_the_first_kept_and_its_date(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.website.write("users/u1/orders/o2", {"user_id": "u1", "amount": 7})
    first = world.connector().erase(person, NOW)
    again = Person(request_id="second", refs=["new"], known=person.known, addresses=person.addresses)
    parts = world.connector().erase(again, NOW + timedelta(days=400))
    assert world.website.below("users/u1") == [("users/u1/orders/o2", {"amount": 7})]
    assert (parts[2].outcome, parts[2].until) == ("retained", first[2].until)


def test_a_kept_document_that_is_still_found_keeps_its_first_date(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    keeping = {"ground": "tax", "years": 6, "fields": ["user_id", "amount"]}
    query = {"query": "orders where user_id == {user_id}", "retain": keeping}
    connector = world.connector(declared=website_data_from({"firestore": [query]}))
    first = connector.erase(person, NOW)
    again = Person(request_id="second", known=person.known)
    assert connector.erase(person, NOW + timedelta(days=1))[2].until == first[2].until
    assert connector.erase(again, NOW + timedelta(days=400))[2].until == first[2].until


def test_what_is_past_its_date_is_no_longer_told_as_kept(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    parts = world.connector().erase(person, NOW + timedelta(days=366 * 7))
    assert f"website data: {GROUND}" not in outcomes(parts)


def test_what_is_past_its_date_is_no_longer_kept(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.website.write("users/u1/orders/o2", {"user_id": "u1", "amount": 7})
    world.connector().erase(person, NOW)
    again = Person(request_id="second", known=person.known, addresses=person.addresses)
    parts = world.connector().erase(again, NOW + timedelta(days=366 * 7))
    assert outcomes(parts) == {"our records": "nothing_found", "website data": "verified"}
    assert world.website.below("users/u1") == []


def test_something_written_below_a_kept_document_later_goes_on_the_next_run(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    world.website.write("orders/u1 1/items/late", {"what": "a secret"})
    world.website.write("orders/u1 1", {"amount": 5, "buyer": {"vat": "X1"}, "name": "Ada"})
    world.connector().erase(person, NOW)
    assert world.website.below("orders/u1 1") == [("orders/u1 1", {"amount": 5, "buyer": {"vat": "X1"}})]


def test_a_purge_deletes_the_kept_documents_and_reads_back(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    places = world.kept_places(person)
    part = world.connector().purge(places, NOW)
    assert (part.outcome, part.evidence) == ("verified", {"documents": 1})
    assert world.website.below("orders/u1 1") == []
    assert world.connector().purge(places, NOW).outcome == "verified"


def test_a_purge_stops_at_a_document_in_use_again(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    world.website.write("orders/u1 1", {"amount": 5, "user_id": "somebody new"})
    with pytest.raises(NeverRetry, match="kept_document_in_use_again"):
        world.connector().purge(world.kept_places(person), NOW)
    assert world.website.below("orders/u1 1")


def test_a_purge_that_leaves_something_is_not_called_done(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    stuck = ReadOnlyWebsite(world.website)
    with pytest.raises(TryAgain, match="still_there"):
        world.connector(website=stuck).purge(world.kept_places(person), NOW)


def test_retained_records_of_other_subprocessors_are_not_told_as_ours(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    theirs = Retained(
        request=person.request_id,
        subprocessor="stripe",
        ground="tax",
        categories=["payments"],
        until=NOW + timedelta(days=99),
        sealed=b"sealed elsewhere",
    )
    world.store.commit([Create("theirs", theirs)])
    assert outcomes(world.connector().erase(person, NOW)) == ALL_GONE
