"""The connector for our own platform, held to what every connector is held to; its sign-in accounts and its horizons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from infra.local.accounts import LocalAccounts
from infra.subprocessors.google_cloud_platform import GoogleCloudPlatformConnector
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Connector, Corrections, Part, Person
from shared.records import WEBSITE_BELOW, Subject
from shared.store import Query, Update
from shared.times import rfc3339
from shared.website_data import WebsiteData, website_data_from
from tests.contracts.connector_rules import ConnectorRules
from tests.contracts.running_sandbox import RunningSandbox
from tests.infra.populated import DECLARED, NOW, World, outcomes, populated
from tests.infra.troubled_twins import CrashingStore, CrashingWebsite, Fuse, PowerCutError, ReadOnlyWebsite

WITH_IDENTITY: WebsiteData = msgspec.structs.replace(DECLARED, identity=True)
ACCOUNT = {
    "localId": "ada-lovelace",
    "email": "ada@example.com",
    "displayName": "Ada Lovelace",
    "passwordHash": "aGFzaA",
}


class LastingAccounts(LocalAccounts):
    """Accounts of which copies outlive a deletion, as Google's do."""

    horizon = timedelta(days=180)


def connect(world: World, declared: WebsiteData = WITH_IDENTITY, website: Any = None) -> GoogleCloudPlatformConnector:
    accounts = LastingAccounts(website or world.website)
    return GoogleCloudPlatformConnector(world.store, world.vault, website or world.website, declared, accounts)


def somebody(world: World) -> Person:
    person = world.account("ada-lovelace", "ada@example.com")
    world.website.write("identity_accounts/ada-lovelace", ACCOUNT)
    return person


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with populated(tmp_path) as world:
        yield world


class TestGoogleCloudPlatformConnector(ConnectorRules):
    personal = ("ada", "lovelace", "example.com", "aGFzaA")
    fleeting: ClassVar[set[str]] = set()
    world: World

    @pytest.fixture(autouse=True)
    def _populate(self, world: World) -> None:
        self.world = world

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> Connector:
        return connect(self.world)

    def known(self, sandbox: RunningSandbox) -> Person:
        return somebody(self.world)

    def unknown(self) -> Person:
        return Person(request_id="r2", addresses=["nobody@example.net"])

    def held(self, sandbox: RunningSandbox, person: Person) -> list[dict[str, Any]]:
        website = self.world.held("ada-lovelace")
        subjects = self.world.store.query(Query(Subject))
        accounts = self.world.website.below("identity_accounts/ada-lovelace")
        kept = [*website["documents"].values(), *website["files"].values(), *(data for _, data in accounts)]
        return [*({"held": one} for one in kept), *({"subject": one.id} for one in subjects)]

    def state(self, sandbox: RunningSandbox) -> list[Any]:
        subjects = [repr(one.record) for one in self.world.store.query(Query(Subject))]
        documents = [repr(one) for one in self.world.store.query(WEBSITE_BELOW, limit=999)]
        return [*subjects, *documents, repr(self.world.held("ada-lovelace"))]


# --- the sign-in account ---------------------------------------------------------------------------------------------


def part(parts: Any, name: str) -> Part:
    (found,) = [one for one in parts if one.name == name]
    assert isinstance(found, Part)
    return found


def test_a_sign_in_account_goes_and_says_how_long_copies_of_it_last(world: World) -> None:
    person = somebody(world)
    for _ in range(2):
        told = part(connect(world).erase(person, NOW), "sign-in account")
        last = NOW + timedelta(days=180)
        assert (told.outcome, told.physically_gone_by) == ("verified", last)
        assert told.evidence == {"sign_ins": 1, "last_copies": {"sign_ins": rfc3339(last)}}
        assert world.website.below("identity_accounts/ada-lovelace") == []


def test_no_sign_in_account_is_nothing_found_and_lasts_nowhere(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    told = part(connect(world).erase(person, NOW), "sign-in account")
    assert (told.outcome, told.physically_gone_by) == ("nothing_found", None)


def test_a_sign_in_account_that_nobody_declared_is_not_touched(world: World) -> None:
    person = somebody(world)
    parts = connect(world, DECLARED).erase(person, NOW)
    assert "sign-in account" not in outcomes(parts)
    assert world.website.below("identity_accounts/ada-lovelace")


def test_a_sign_in_account_is_exported_without_what_the_password_is_checked_by(world: World) -> None:
    export = connect(world).export(somebody(world))
    assert export["sign_ins"] == [{name: ACCOUNT[name] for name in ("localId", "email", "displayName")}]
    assert len(export["gaps"]) == 1


def test_a_sign_in_account_that_will_not_go_is_not_called_gone(world: World) -> None:
    person = somebody(world)
    with pytest.raises(TryAgain, match="still_there"):
        connect(world, website_data_from({"identity": True}), ReadOnlyWebsite(world.website)).erase(person, NOW)


def test_after_a_power_cut_anywhere_the_sign_in_account_is_told_of_as_if_there_had_been_none(tmp_path: Path) -> None:
    def told_after(survived: int) -> tuple[list[Part], bool]:
        with populated(tmp_path / str(survived)) as world:
            person, fuse, crashed = somebody(world), Fuse(survived), False
            website = CrashingWebsite(world.website, fuse)
            accounts = LastingAccounts(website)
            store = CrashingStore(world.store, fuse)
            try:
                GoogleCloudPlatformConnector(store, world.vault, website, WITH_IDENTITY, accounts).erase(person, NOW)
            except PowerCutError:
                crashed = True
            return list(connect(world).erase(person, NOW)), crashed

    expected, _ = told_after(10_000)
    for survived in range(20):
        told, crashed = told_after(survived)
        assert told == expected, survived
        if not crashed:
            break
    assert not crashed
    assert survived > 3


def test_declared_accounts_that_are_out_of_reach_are_no_accounts_to_be_passed_over(world: World) -> None:
    with pytest.raises(Misconfigured, match="identity"):
        GoogleCloudPlatformConnector(world.store, world.vault, world.website, WITH_IDENTITY)


def test_an_id_that_cannot_stand_in_a_path_needs_a_person(world: World) -> None:
    person = Person(request_id="r", known=[world_known("a/../b")])
    with pytest.raises(NeverRetry, match="identifier_cannot_stand_in_a_path"):
        connect(world, website_data_from({"identity": True})).export(person)


def world_known(user_id: str) -> Any:
    from shared.identity import Identifiers

    return Identifiers(user_id=user_id)


# --- rectification, restriction, ping --------------------------------------------------------------------------------


def correct(world: World, person: Person, **fields: Any) -> None:
    """Do what the request itself does to our own record."""
    stored = world.store.get(Subject, person.refs[0])
    assert stored is not None
    known = msgspec.structs.replace(person.known[0], **fields)
    sealed = world.vault.seal(f"subjects/{stored.id}", known)
    world.store.commit([Update(stored, msgspec.structs.replace(stored.record, sealed=sealed))])


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"name": "Ada King", "addresses": ["ada@example.com", "ada@example.net"]}, "verified"),
        ({"name": "Ada King"}, "failed"),
        ({"addresses": ["ada@example.net", "ada@example.com"], "name": "Ada King"}, "failed"),
    ],
)
def test_our_own_record_is_read_back_and_the_websites_is_for_its_people(
    world: World, said: dict[str, Any], outcome: str
) -> None:
    person = somebody(world)
    correct(world, person, **said)
    parts = connect(world).rectify(person, Corrections(name="Ada King", email="ada@example.net"), NOW)
    assert outcomes(parts) == {"our records": outcome, "website data": "failed"}


def test_where_the_website_holds_nothing_nobody_needs_to_correct_it(world: World) -> None:
    person = somebody(world)
    correct(world, person, country="GB")
    parts = connect(world, website_data_from({})).rectify(person, Corrections(country="GB"), NOW)
    assert outcomes(parts) == {"our records": "verified", "website data": "nothing_found"}


def test_lifting_one_requests_restriction_leaves_anothers(world: World) -> None:
    person = somebody(world)
    other = msgspec.structs.replace(person, request_id="another")
    for one in (person, other):
        (told,) = connect(world).restrict(one, NOW)
        assert (told.outcome, told.evidence["restricted"]) == ("verified", 1)
    (told,) = connect(world).restrict(person, NOW, lifted=True)
    assert told.evidence["restricted"] == 1
    stored = world.store.get(Subject, person.refs[0])
    assert stored is not None
    assert stored.record.restricted_by == ["another"]


def test_a_ping_asks_every_store_that_is_declared(world: World) -> None:
    connect(world).ping()

    class Shut:
        def __getattr__(self, name: str) -> Any:
            def refuse(*_: Any) -> None:
                raise NeverRetry(name)

            return refuse

    with pytest.raises(NeverRetry, match="below"):
        connect(world, website=Shut()).ping()
    with pytest.raises(NeverRetry, match="list_files"):
        connect(world, website_data_from({"storage": ["gs://uploads/users/{user_id}/"]}), Shut()).ping()
    with pytest.raises(NeverRetry, match="below"):
        connect(world, website_data_from({"identity": True}), Shut()).ping()
    connect(world, website_data_from({}), Shut()).ping()
