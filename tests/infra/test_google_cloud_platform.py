"""The connector for our own records and the website's data: nothing of the person stays, nothing of others goes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from shared import ledger
from shared.failures import NeverRetry, TryAgain
from shared.identity import Identifiers, alias
from shared.ports import Part, Person
from shared.records import ALL_EVIDENCE, Alias, InboundMail, LedgerEntry, Pending, Subject, Tombstone
from shared.store import MOST_CHANGES, Change, Create, Delete, Query, Record, Stored, Update
from shared.times import rfc3339
from shared.website_data import website_data_from
from tests.infra.populated import ALL_GONE, NOW, Twin, World, outcomes, populated
from tests.infra.troubled_twins import (
    BackedUpStore,
    BusyStore,
    ContendedStore,
    CrashingStore,
    CrashingWebsite,
    EagerWebsite,
    Fuse,
    PowerCutError,
    ReadOnlyWebsite,
    RecordingStore,
    StubbornStore,
)

NOTHING = {"our records": "nothing_found", "website data": "nothing_found"}
LOOK_ALIKES = ["u1", "u10", "u1%", "u_", "u*", "U1", "u.1", "u 1", "u'1", 'u"1', "u\\1", "ü1", "用户", "😀", "{email}"]


@pytest.fixture
def world(tmp_path: Path, twin: Twin) -> Iterator[World]:
    with populated(tmp_path, twin) as world:
        yield world


# --- what goes -------------------------------------------------------------------------------------------------------


def test_everything_of_the_person_goes_and_is_reported_in_counts(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    parts = world.connector().erase(person, NOW)
    assert outcomes(parts) == ALL_GONE
    assert parts[0].evidence == {"subjects": 1, "links": 3, "evidence": 4, "pendings": 0, "mails": 0}
    assert counts(parts[1]) == {"documents": 3, "pared": 1, "files": 2}
    assert parts[2].evidence == {"documents": 1}
    assert world.store.get(Subject, person.refs[0]) is None
    assert world.store.query(ALL_EVIDENCE) == []
    assert (
        world.links("user", "u1") + world.links("device", "device-u1") + world.links("email", "ada@example.com") == []
    )
    assert world.held("u1") == {"documents": {}, "files": {}}


def counts(part: Part) -> dict[str, int]:
    return {name: count for name, count in part.evidence.items() if name != "last_copies"}


def test_someone_we_never_met_is_nothing_found(world: World) -> None:
    world.account("u1", "ada@example.com")
    before = world.snapshot("u1")
    stranger = Person(request_id="r", addresses=["eve@example.com"])
    assert outcomes(world.connector().erase(stranger, NOW)) == NOTHING
    unknown = Person(request_id="r", refs=["nobody"], known=[Identifiers(user_id="nobody")])
    assert outcomes(world.connector().erase(unknown, NOW)) == NOTHING
    assert world.store.get(Tombstone, "nobody") is None
    assert world.snapshot("u1") == before


def test_without_rules_the_website_is_nothing_found_and_our_records_still_go(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    parts = world.connector(declared=website_data_from({})).erase(person, NOW)
    assert outcomes(parts) == {"our records": "verified", "website data": "nothing_found"}
    assert world.website.below("users/u1")


def test_website_data_without_a_record_of_ours_goes_too(world: World) -> None:
    world.put("u1", {"users/u1": {"name": "Ada"}}, {})
    person = Person(request_id="r", known=[Identifiers(user_id="u1")])
    parts = world.connector().erase(person, NOW)
    assert outcomes(parts) == {"our records": "nothing_found", "website data": "verified"}


@pytest.mark.parametrize("users", [LOOK_ALIKES, LOOK_ALIKES[::-1]], ids=["forwards", "backwards"])
def test_nobody_who_looks_alike_is_touched(world: World, users: list[str]) -> None:
    people = {user: world.account(user, f"{number}@example.com") for number, user in enumerate(users)}
    before = {user: world.snapshot(user) for user in users}
    for user in users:
        # whole until their own turn, whoever went before
        assert world.snapshot(user) == before[user]
        assert outcomes(world.connector().erase(people[user], NOW)) == ALL_GONE
        assert world.held(user) == {"documents": {}, "files": {}}


def test_several_accounts_of_one_person_go_together(world: World) -> None:
    one, two = world.account("u1", "ada@example.com"), world.account("u2", "ada@example.com")
    person = Person(request_id="r", refs=one.refs + two.refs, known=one.known + two.known, addresses=one.addresses)
    parts = world.connector().erase(person, NOW)
    assert parts[0].evidence == {"subjects": 2, "links": 6, "evidence": 8, "pendings": 0, "mails": 0}
    assert counts(parts[1]) == {"documents": 6, "pared": 2, "files": 4}
    assert world.links("email", "ada@example.com") == []


def test_addresses_the_request_does_not_know_of_are_unlinked_too(world: World) -> None:
    person = world.account("u1", "ada@example.com", "old@example.com")
    person.known[0].addresses.clear()
    world.connector().erase(person, NOW)
    assert world.links("email", "ada@example.com") + world.links("email", "old@example.com") == []


def waiting_for(world: World, address: str, n: int = 1) -> list[Stored[Any]]:
    """Let a consent wait for the mailbox to confirm it, and a mail of it for a person."""
    key = alias(world.vault, "email", address)
    entry, head = ledger.append(world.vault, None, f"receipt-{n}", NOW, "consent", {"purposes": ["marketing_email"]})
    ends = NOW + timedelta(days=7)
    asked = Pending(
        address=key,
        purposes=["x"],
        receipt=f"receipt-{n}",
        policy="1",
        device=None,
        created_at=NOW,
        expires_at=ends,
        head=head,
    )
    mail = InboundMail(waits="person", received_at=NOW, expires_at=ends, sealed=b"", address=key)
    world.store.commit([entry, Create(f"pending-{n}", asked), Create(f"mail-{n}", mail)])
    return [*world.store.query(Query(Pending)), *world.store.query(Query(InboundMail))]


def test_what_waits_for_a_mailbox_alone_is_found_counted_and_gone_later(world: World) -> None:
    other = waiting_for(world, "eve@example.com", 2)
    waiting_for(world, "ada@example.com")
    person = Person(request_id="r", addresses=["ada@example.com"])
    ours, website = world.connector(BackedUpStore(world.store)).erase(person, NOW)
    assert (ours.outcome, website.outcome) == ("verified", "nothing_found")
    assert ours.evidence == {"subjects": 0, "links": 0, "evidence": 0, "pendings": 1, "mails": 1}
    assert ours.physically_gone_by == NOW + timedelta(days=30)
    assert [*world.store.query(Query(Pending)), *world.store.query(Query(InboundMail))] == other
    assert [one.record.stream for one in world.store.query(ALL_EVIDENCE)] == ["receipt-2"]


def test_what_waits_for_a_mailbox_is_counted_beside_the_account(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    waiting_for(world, "ada@example.com")
    ours, *_ = world.connector().erase(person, NOW)
    assert ours.evidence == {"subjects": 1, "links": 3, "evidence": 4, "pendings": 1, "mails": 1}


@pytest.mark.parametrize("kind", [Pending, InboundMail])
def test_what_waits_for_a_mailbox_and_will_not_go_is_not_called_gone(world: World, kind: type[Record]) -> None:
    waiting_for(world, "ada@example.com")
    person = Person(request_id="r", addresses=["ada@example.com"])
    with pytest.raises(TryAgain, match="still_there"):
        world.connector(StubbornStore(world.store, kind)).erase(person, NOW)
    assert outcomes(world.connector().erase(person, NOW))["our records"] == "verified"


# --- what is somebody else's -----------------------------------------------------------------------------------------


def test_a_shared_address_keeps_the_other_accounts_link_and_data(world: World) -> None:
    person, other = world.account("u1", "both@example.com"), world.account("u2", "both@example.com")
    world.website.write("mail/both@example.com", {"for": "both"})
    world.website.write("tickets/1", {"email": "both@example.com"})
    before = world.snapshot("u2")
    person.addresses.clear()
    person.shared_addresses.append("both@example.com")
    world.connector().erase(person, NOW)
    assert world.links("email", "both@example.com") == other.refs
    assert world.snapshot("u2") == before
    assert world.website.below("mail/both@example.com")
    assert world.website.below("tickets/1")


def test_an_address_of_ones_own_leads_to_its_documents_and_files(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.website.write("mail/ada@example.com", {})
    world.website.write("shops/1/tickets/2", {"email": "ada@example.com"})
    world.website.write_file("letters", "ada@example.com/1.txt", b"Dear Ada")
    world.connector().erase(person, NOW)
    assert world.website.below("mail/ada@example.com") + world.website.below("shops/1/tickets/2") == []
    assert world.website.list_files("letters", "ada@example.com/") == []


def test_a_rule_may_be_written_with_slashes_around_it(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    slashed = website_data_from({"firestore": [{"documents": "/users/{user_id}/"}]})
    assert outcomes(world.connector(declared=slashed).erase(person, NOW))["website data"] == "verified"
    assert world.website.below("users/u1") == []


def test_an_address_with_a_slash_does_not_reach_below_anothers_document(world: World) -> None:
    world.website.write("mail/bob/inbox/x@example.com", {"of": "bob"})
    person = Person(
        request_id="r",
        known=[Identifiers(addresses=["bob/inbox/x@example.com"])],
        addresses=["bob/inbox/x@example.com"],
    )
    assert outcomes(world.connector().erase(person, NOW)) == NOTHING
    assert world.website.below("mail/bob/inbox/x@example.com")


def test_an_identifier_that_cannot_stand_in_a_path_needs_a_person(world: World) -> None:
    odd = "a/./b@example.com"
    person = Person(request_id="r", known=[Identifiers(addresses=[odd])], addresses=[odd])
    for act in (lambda: world.connector().erase(person, NOW), lambda: world.connector().export(person)):
        with pytest.raises(NeverRetry, match="identifier_cannot_stand_in_a_path"):
            act()


def test_a_stream_whose_name_begins_alike_is_not_deleted(world: World) -> None:
    person, _ = world.account("u1", consents=0), world.account("u2", consents=0)
    world.consent(world.refs["u1"], "same")
    world.consent(world.refs["u2"], "same:longer")
    world.connector().erase(person, NOW)
    assert {entry.record.stream for entry in world.store.query(ALL_EVIDENCE)} == {"same:longer"}


# --- order, crashes and competition ----------------------------------------------------------------------------------


def test_the_subject_goes_last_with_its_tombstone_and_no_commit_is_too_large(world: World) -> None:
    person = world.account("u1", "ada@example.com", consents=600)
    store = RecordingStore(world.store)
    parts = world.connector(store).erase(person, NOW)
    sizes = [len(changes) for changes in store.commits]
    assert max(sizes) <= MOST_CHANGES
    assert parts[0].evidence["evidence"] == 1200
    ours = [changes for changes in store.commits if any(change.kind is LedgerEntry for change in deletes(changes))]
    assert [change.kind for change in deletes(ours[-1])][-1] is Subject
    assert [type(change.record) for change in ours[-1] if isinstance(change, Create)] == [Tombstone]
    assert not any(change.kind is Subject for changes in ours[:-1] for change in deletes(changes))
    assert world.store.query(ALL_EVIDENCE) == []


def deletes(changes: Sequence[Change]) -> list[Delete]:
    return [change for change in changes if isinstance(change, Delete)]


def test_after_a_power_cut_anywhere_the_next_run_ends_and_reports_as_if_there_had_been_none(
    tmp_path: Path, twin: Twin
) -> None:
    expected = after_crash(tmp_path / "whole", twin, 10_000)[0]
    for survived in range(30):
        parts, crashed = after_crash(tmp_path / str(survived), twin, survived)
        assert parts == expected, survived
        if not crashed:
            break
    assert not crashed
    assert survived > 5


def after_crash(folder: Path, twin: Twin, survived: int) -> tuple[Sequence[Part], bool]:
    """Erase with the power going after so many writes, then again; check what is left and what was told."""
    with populated(folder, twin) as world:
        person = world.account("u1", "ada@example.com", "own@example.com")
        person.addresses.remove("ada@example.com")
        world.website.write("tickets/1", {"email": "own@example.com", "text": "a secret"})
        world.website.write("tickets/1/replies/1", {"text": "a secret"})
        for number in range(3):
            world.website.write(f"users/u1/orders/{number}", {"user_id": "u1", "amount": number, "gift": "a secret"})
        world.website.write("users/u1/orders/1/items/i", {"what": "a secret"})
        other = world.account("u2", "ada@example.com")
        before, crashed = world.snapshot("u2"), crashes(world, person, Fuse(survived))
        parts = world.connector().erase(person, NOW)
        kept = {f"users/u1/orders/{number}": {"amount": number} for number in range(3)}
        assert world.snapshot("u2") == before
        assert world.links("email", "ada@example.com") == other.refs
        assert dict(world.website.below("users/u1")) == kept
        assert sorted(world.kept_places(person)) == ["orders/u1 1", *kept]
        assert b"a secret" not in world.raw()
        return parts, crashed


def crashes(world: World, person: Person, fuse: Fuse) -> bool:
    store = CrashingStore(world.store, fuse)
    try:
        world.connector(store, CrashingWebsite(world.website, fuse)).erase(person, NOW)
    except PowerCutError:
        return True
    return False


def test_two_workers_on_the_same_person_end_right(world: World) -> None:
    person, other = world.account("u1", "both@example.com"), world.account("u2", "both@example.com")
    before = world.snapshot("u2")
    start = Barrier(4)

    def run(_: int) -> None:
        start.wait()
        with contextlib.suppress(TryAgain):
            world.connector().erase(person, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert outcomes(world.connector().erase(person, NOW)) == ALL_GONE
    assert world.website.below("orders/u1 1") == [("orders/u1 1", {"amount": 5, "buyer": {"vat": "X1"}})]
    assert world.links("email", "both@example.com") == other.refs
    assert world.snapshot("u2") == before


def test_running_again_reports_the_same_and_changes_nothing(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    first = world.connector().erase(person, NOW)
    store = RecordingStore(world.store)
    assert world.connector(store).erase(person, NOW) == first
    assert store.commits == []


def test_a_consent_given_in_between_is_read_again_and_goes_too(world: World) -> None:
    person = world.account("u1", "ada@example.com")

    def consent_meanwhile() -> None:
        stored = world.store.get(Subject, person.refs[0])
        assert stored
        world.store.commit([Update(stored, stored.record)])
        world.consent(person.refs[0], "meanwhile")

    assert outcomes(world.connector(BusyStore(world.store, Subject, consent_meanwhile)).erase(person, NOW)) == ALL_GONE
    assert world.store.query(ALL_EVIDENCE) == []


def test_a_link_somebody_makes_to_the_same_address_in_between_is_not_lost(world: World) -> None:
    person = world.account("u1", "both@example.com")
    store = BusyStore(world.store, Alias, lambda: world.link("newcomer", "email", "both@example.com"))
    assert outcomes(world.connector(store).erase(person, NOW)) == ALL_GONE
    assert world.links("email", "both@example.com") == ["newcomer"]


def test_endless_competition_asks_to_try_again(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    with pytest.raises(TryAgain, match="contention"):
        world.connector(ContendedStore(world.store)).erase(person, NOW)
    assert world.store.get(Subject, person.refs[0])


def test_a_document_that_comes_back_at_once_is_not_called_gone(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    eager = EagerWebsite(world.website)
    with pytest.raises(TryAgain, match="still_there"):
        world.connector(website=eager).erase(person, NOW)
    assert outcomes(world.connector().erase(person, NOW)) == ALL_GONE


@pytest.mark.parametrize("kind", [LedgerEntry, Alias, Subject])
def test_a_record_that_will_not_go_is_not_called_gone(world: World, kind: type[Record]) -> None:
    person = world.account("u1", "ada@example.com")
    with pytest.raises(TryAgain, match="still_there"):
        world.connector(StubbornStore(world.store, kind)).erase(person, NOW)


@pytest.mark.parametrize(
    "rules", [{"firestore": [{"documents": "users/{user_id}"}]}, {"storage": ["gs://uploads/users/{user_id}/"]}]
)
def test_website_data_that_will_not_go_is_not_called_gone(world: World, rules: dict[str, Any]) -> None:
    person = world.account("u1", "ada@example.com")
    declared = website_data_from(rules)
    stuck = ReadOnlyWebsite(world.website)
    with pytest.raises(TryAgain, match="still_there"):
        world.connector(website=stuck, declared=declared).erase(person, NOW)


# --- the tombstone and the last copy ---------------------------------------------------------------------------------


def test_a_tombstone_keeps_the_sealed_identifiers_until_the_last_copy_is_gone(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    stone = world.store.get(Tombstone, person.refs[0])
    assert stone is not None
    assert (stone.record.erased_at, stone.record.expires_at) == (NOW, NOW + timedelta(days=7))
    opened = world.vault.unseal(f"tombstones/{stone.id}", stone.record.sealed)
    assert (opened["user_id"], opened["addresses"]) == ("u1", ["ada@example.com"])


def test_what_comes_back_after_a_restore_is_erased_again_and_remembered_longer(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    restored = world.store.get(Subject, person.refs[0])
    world.connector().erase(person, NOW)
    assert restored is not None
    world.store.commit([Create(restored.id, restored.record)])
    world.connector().erase(person, NOW + timedelta(days=3))
    stone = world.store.get(Tombstone, person.refs[0])
    assert world.store.get(Subject, person.refs[0]) is None
    assert stone is not None
    assert stone.record.expires_at == NOW + timedelta(days=10)


@pytest.mark.parametrize(("backed_up", "days"), [(False, 7), (True, 30)])
def test_the_last_copy_is_gone_when_the_slowest_store_it_stood_in_says_so(
    world: World, backed_up: bool, days: int
) -> None:
    person = world.account("u1", "ada@example.com")
    store = BackedUpStore(world.store) if backed_up else world.store
    ours, website, kept = world.connector(store).erase(person, NOW)
    documents = NOW + timedelta(days=days)
    assert ours.physically_gone_by == store.physically_gone(NOW)
    assert website.physically_gone_by == kept.physically_gone_by == documents
    assert website.evidence["last_copies"] == {"documents": rfc3339(documents), "files": rfc3339(NOW)}
    assert world.connector(store).purge([], NOW).physically_gone_by == documents


def test_a_store_in_which_nothing_stood_delays_nothing(world: World) -> None:
    world.website.write_file("uploads", "users/u1/photo.txt", b"Photo")
    person = Person(request_id="r", known=[Identifiers(user_id="u1")])
    ours, website = world.connector().erase(person, NOW)
    assert (ours.outcome, ours.physically_gone_by) == ("nothing_found", None)
    assert (website.outcome, website.physically_gone_by) == ("verified", NOW)
    assert website.evidence["last_copies"] == {"files": rfc3339(NOW)}


def test_no_word_of_the_person_is_left_in_any_file(tmp_path: Path) -> None:
    with populated(tmp_path) as world:
        no_word_is_left(world)


def no_word_is_left(world: World) -> None:
    person = world.account("ada-lovelace", "ada@example.com")
    world.account("bob", "bob@example.com")
    secrets = [b"ada-lovelace", b"ada@example.com", b"Name of ada", b"Note of ada", b"Buyer ada", b"Item of ada"]
    secrets += [b"Photo of ada", b"More of ada", person.refs[0].encode()]
    assert [secret for secret in secrets if secret not in world.raw()] == [b"ada@example.com"]
    world.connector(declared=website_data_from(UNKEPT)).erase(person, NOW)
    world.store.commit([Delete(Tombstone, person.refs[0])])
    world.store.physically_gone(NOW)
    assert [secret for secret in secrets if secret in world.raw()] == []
    assert b"Photo of bob" in world.raw()


UNKEPT = {
    "firestore": [{"documents": "users/{user_id}"}, {"query": "orders where user_id == {user_id}"}],
    "storage": ["gs://uploads/users/{user_id}/"],
}


def test_parts_hold_counts_and_nothing_of_the_person(world: World) -> None:
    person = world.account("ada-lovelace", "ada@example.com")
    told = repr(world.connector().erase(person, NOW))
    assert not any(word in told for word in ("ada", "Ada", "lovelace", person.refs[0]))


# --- export ----------------------------------------------------------------------------------------------------------


def test_an_export_holds_everything_of_the_person_and_nothing_of_others(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.account("u10", "bob@example.com")
    world.website.write_file("uploads", "users/u1/face", b"\xff\xd8")
    export = world.connector().export(person)
    assert set(export["documents"]) == {"users/u1", "users/u1/notes/n1", "orders/u1 1", "orders/u1 1/items/i"}
    assert export["files"] == {
        "gs://uploads/users/u1/face": {"base64": "/9g="},
        "gs://uploads/users/u1/more/b.txt": "More of u1",
        "gs://uploads/users/u1/photo.txt": "Photo of u1",
    }
    (account,) = export["accounts"]
    assert account["decisions"]["ads"]["granted"] is True
    assert "sealed" not in account
    assert export["identifiers"][0]["addresses"] == ["ada@example.com"]
    assert {consent["kind"] for consent in export["consents"]} == {"consent", "consent.confirmed"}
    assert all(consent["facts"] == {"purposes": ["ads"]} for consent in export["consents"])


def test_what_belongs_to_a_shared_address_is_not_exported(world: World) -> None:
    person = world.account("u1", "both@example.com")
    world.website.write("mail/both@example.com", {"for": "both"})
    world.website.write_file("letters", "both@example.com/1.txt", b"Dear both")
    own = world.connector().export(person)
    person.addresses.clear()
    without = world.connector().export(person)
    assert "mail/both@example.com" in own["documents"]
    assert "gs://letters/both@example.com/1.txt" in own["files"]
    assert "mail/both@example.com" not in without["documents"]
    assert "gs://letters/both@example.com/1.txt" not in without["files"]


def test_an_export_after_the_erasure_is_empty(world: World) -> None:
    person = world.account("u1", "ada@example.com")
    world.connector().erase(person, NOW)
    assert world.connector().export(person) == {}
