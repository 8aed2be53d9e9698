"""SendGrid: what was corrected, what is restricted, and which address SendGrid takes for none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.local.sqlite_store import SqliteStore
from infra.subprocessors.sendgrid import SendgridConnector
from infra.subprocessors.sendgrid_contacts import LISTS_ON_A_PAGE, Contacts
from infra.subprocessors.sendgrid_transport import Answer, SendgridTransport
from shared.failures import NeverRetry, TryAgain
from shared.ports import Corrections, Part, Person
from shared.records import VendorRestriction
from shared.store import Query, Store
from shared.vault import Keyset, Vault
from tests.contracts.connector_contract import NOW
from tests.contracts.running_sandbox import RunningSandbox
from tests.infra.troubled_twins import InterruptedStore

ADA, NEW, BOB = "ada@example.com", "ada@example.net", "bob@example.com"
AUTHORIZED = {"Authorization": "Bearer SG.any"}
VAULT = Vault(Keyset.generate())


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    yield sandbox
    sandbox.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "pledge.db")
    yield store
    store.close()


@pytest.fixture
def sendgrid(sandbox: RunningSandbox, store: SqliteStore) -> SendgridConnector:
    return connected(sandbox, store)


def connected(sandbox: RunningSandbox, store: Store) -> SendgridConnector:
    return SendgridConnector(SendgridTransport("SG.any", sandbox.url("sendgrid"), 5), store, VAULT)


def person(*addresses: str, **more: Any) -> Person:
    return Person(request_id="r", addresses=[*addresses], **more)


def rectify(sendgrid: SendgridConnector, whom: Person, **corrections: str) -> Part:
    (part,) = sendgrid.rectify(whom, Corrections(**corrections), NOW)
    return part


def contact(sandbox: RunningSandbox, email: str) -> dict[str, Any] | None:
    return next((one for one in sandbox.found("sendgrid", email=email) if one["kind"] == "contact"), None)


def kinds(sandbox: RunningSandbox, email: str) -> set[str]:
    return {one["kind"] for one in sandbox.found("sendgrid", email=email)}


def api(sandbox: RunningSandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    return sandbox.ask(method, f"/sendgrid/v3/{path}", body, **AUTHORIZED)


def leave_group(sandbox: RunningSandbox, name: str, email: str) -> int:
    _, group = api(sandbox, "POST", "asm/groups", {"name": name, "description": name})
    api(sandbox, "POST", f"asm/groups/{group['id']}/suppressions", {"recipient_emails": [email]})
    return int(group["id"])


# --- rectification ---------------------------------------------------------------------------------------------------


def test_name_and_country_are_corrected_in_place_and_nothing_else(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.put("sendgrid", email=ADA, user_id="u1", name="Ada Byron", lists=["news"])
    before = contact(sandbox, ADA)
    assert before is not None
    part = rectify(sendgrid, person(ADA), name="Ada King Lovelace", country="GB", locale="en")
    after = contact(sandbox, ADA)
    assert part.outcome == "verified"
    assert after == before | {
        "first_name": "Ada",
        "last_name": "King Lovelace",
        "country": "GB",
        "updated_at": (after or {})["updated_at"],
    }


def test_a_name_of_one_word_empties_the_last_name(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada Byron")
    rectify(sendgrid, person(ADA), name="Ada")
    assert (contact(sandbox, ADA) or {})["last_name"] == ""


def test_what_is_right_already_is_not_written(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada Byron")
    before = sandbox.snapshot("sendgrid")
    assert rectify(sendgrid, person(ADA), name="Ada Byron", locale="de").outcome == "verified"
    assert sandbox.snapshot("sendgrid") == before


def test_a_new_address_is_a_new_contact_with_all_that_stood_in_the_old_one(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    _, field = api(sandbox, "POST", "marketing/field_definitions", {"name": "shoe size", "field_type": "Text"})
    old = {
        "email": ADA,
        "first_name": "Ada",
        "city": "London",
        "external_id": "u1",
        "custom_fields": {field["id"]: "38"},
    }
    api(sandbox, "PUT", "marketing/contacts", {"contacts": [old], "list_ids": ["a", "b"]})
    part = rectify(sendgrid, person(ADA), email=NEW, name="Ada King")
    assert contact(sandbox, ADA) is None
    new = contact(sandbox, NEW) or {}
    assert (new["first_name"], new["last_name"], new["city"]) == ("Ada", "King", "London")
    assert (new["list_ids"], new["custom_fields"]) == (["a", "b"], {"shoe size": "38"})
    assert part.outcome == "verified"
    # it would still have been the old contact's when the new one was made
    assert part.evidence["not_carried"] == ["external_id"]


def test_a_contact_that_has_the_new_address_already_keeps_its_own_word(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada Byron", lists=["a"])
    sandbox.put("sendgrid", email=NEW, name="Ada King", user_id="u1", lists=["b"])
    part = rectify(sendgrid, person(ADA, NEW), email=NEW, country="GB")
    new = contact(sandbox, NEW) or {}
    assert (new["last_name"], new["external_id"], new["list_ids"]) == ("King", "u1", ["a", "b"])
    assert contact(sandbox, ADA) is None
    assert part.evidence["moved"] == 1


def test_opt_outs_go_along_and_none_is_invented(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    sandbox.put("sendgrid", email=ADA, bounced=True)
    group, other = leave_group(sandbox, "News", ADA), leave_group(sandbox, "Offers", BOB)
    part = rectify(sendgrid, person(ADA), email=NEW)
    _, body = api(sandbox, "GET", f"asm/suppressions/{NEW}")
    assert {one["id"]: one["suppressed"] for one in body["suppressions"]} == {group: True, other: False}
    assert kinds(sandbox, NEW) == {"contact", "group_entry"}
    assert part.evidence["opt_outs_carried"] == 1


@pytest.mark.parametrize("mark", ["unsubscribed", "reported_spam"])
def test_a_no_to_everything_goes_along_before_there_is_a_contact_to_write_to(
    sandbox: RunningSandbox, sendgrid: SendgridConnector, mark: str
) -> None:
    sandbox.put("sendgrid", email=ADA, **{mark: True})
    sandbox.break_at(None)
    rectify(sendgrid, person(ADA), email=NEW)
    assert kinds(sandbox, NEW) == {"contact", "global"}
    calls = sandbox.calls
    for call in range(1, calls + 1):
        old, new = f"old{call}@example.com", f"new{call}@example.com"
        sandbox.put("sendgrid", email=old, **{mark: True})
        sandbox.break_at(call)
        with pytest.raises(TryAgain):
            rectify(sendgrid, person(old), email=new)
        assert "contact" not in kinds(sandbox, new) or "global" in kinds(sandbox, new)
        rectify(sendgrid, person(old), email=new)
        assert kinds(sandbox, new) == {"contact", "global"}


def test_an_opt_out_without_a_contact_goes_along_too(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    api(sandbox, "POST", "asm/suppressions/global", {"recipient_emails": [ADA]})
    assert rectify(sendgrid, person(ADA), email=NEW).outcome == "verified"
    assert kinds(sandbox, NEW) == {"global"}


def test_a_group_deleted_meanwhile_never_becomes_the_global_list(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.put("sendgrid", email=ADA)
    group = leave_group(sandbox, "News", ADA)
    race = DeletedMeanwhile(sandbox, group)
    with pytest.raises(TryAgain, match="sendgrid_not_settled"):
        connector_over(race).rectify(person(ADA), Corrections(email=NEW), NOW)
    assert race.deleted
    assert kinds(sandbox, NEW) == set()
    assert rectify(sendgrid, person(ADA), email=NEW).outcome == "verified"
    assert kinds(sandbox, NEW) == {"contact"}


class DeletedMeanwhile(SendgridTransport):
    """A way to SendGrid on which somebody deletes a group between our look at it and our use of it."""

    def __init__(self, sandbox: RunningSandbox, group: int) -> None:
        super().__init__("SG.any", sandbox.url("sendgrid"), 5)
        self.sandbox, self.group, self.deleted = sandbox, group, False

    def call(self, method: str, *path: str, **more: Any) -> Answer:
        answer = super().call(method, *path, **more)
        if (method, *path) == ("get", "asm", "groups", str(self.group)):
            self.deleted = api(self.sandbox, "DELETE", f"asm/groups/{self.group}")[0] == 204
        return answer


def connector_over(transport: SendgridTransport) -> SendgridConnector:
    return SendgridConnector(transport, SqliteStore(Path(":memory:")), VAULT)


def test_somebody_elses_contact_is_not_corrected(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    api(sandbox, "PUT", "marketing/contacts", {"contacts": [{"email": BOB, "alternate_emails": [ADA]}]})
    before = contact(sandbox, BOB)
    assert rectify(sendgrid, person(ADA), name="Ada", email=NEW).outcome == "nothing_found"
    assert contact(sandbox, BOB) == before


def test_an_address_that_is_also_anothers_is_not_taken_over(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada")
    before = sandbox.snapshot("sendgrid")
    assert rectify(sendgrid, person(ADA, shared_addresses=[NEW]), email=NEW).outcome == "failed"
    assert sandbox.snapshot("sendgrid") == before


# --- restriction -----------------------------------------------------------------------------------------------------


def test_a_restriction_is_lifted_without_a_trace(
    sandbox: RunningSandbox, sendgrid: SendgridConnector, store: SqliteStore
) -> None:
    sandbox.put("sendgrid", email=ADA)
    (part,) = sendgrid.restrict(person(ADA), NOW)
    assert (part.outcome, part.evidence["restricted"]) == ("verified", 1)
    assert kinds(sandbox, ADA) == {"contact", "global"}
    (part,) = sendgrid.restrict(person(ADA), NOW, lifted=True)
    assert (part.outcome, part.evidence["lifted"]) == ("verified", 1)
    assert kinds(sandbox, ADA) == {"contact"}
    assert store.query(Query(VendorRestriction)) == []


def test_a_restriction_stays_as_long_as_any_request_asks_for_it(
    sandbox: RunningSandbox, sendgrid: SendgridConnector, store: SqliteStore
) -> None:
    one, two = person(ADA), msgspec.structs.replace(person(ADA), request_id="two")
    for whom in (one, two, one):
        sendgrid.restrict(whom, NOW)
    for _ in range(2):
        (part,) = sendgrid.restrict(one, NOW, lifted=True)
        assert part.evidence["restricted_by_others"] == 1
        assert "kept" not in part.evidence
        assert kinds(sandbox, ADA) == {"global"}
    sendgrid.restrict(two, NOW, lifted=True)
    assert kinds(sandbox, ADA) == set()
    assert store.query(Query(VendorRestriction)) == []


def test_a_restriction_that_comes_while_another_is_lifted_stands_wherever_they_meet(
    sandbox: RunningSandbox, store: SqliteStore
) -> None:
    calm, at, interrupted = connected(sandbox, store), 0, True
    while interrupted:
        at += 1
        email = f"met{at}@example.com"
        one, two = person(email), msgspec.structs.replace(person(email), request_id="two")
        calm.restrict(one, NOW)
        busy = InterruptedStore(store, at, lambda two=two: calm.restrict(two, NOW))  # type: ignore[misc]
        with suppress(TryAgain):
            connected(sandbox, busy).restrict(one, NOW, lifted=True)
        interrupted = busy.left <= 0
        calm.restrict(one, NOW, lifted=True)  # as work that could not be done is done again
        assert kinds(sandbox, email) == ({"global"} if interrupted else set()), f"before call {at}"
        calm.restrict(two, NOW, lifted=True)
        assert (kinds(sandbox, email), store.query(Query(VendorRestriction))) == (set(), [])
    assert at > 3, "two looks and a commit, at least"


def test_an_opt_out_that_was_there_before_stays(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    sandbox.put("sendgrid", email=ADA, unsubscribed=True)
    (part,) = sendgrid.restrict(person(ADA), NOW)
    assert part.evidence["opted_out_before"] == 1
    for _ in range(2):
        (part,) = sendgrid.restrict(person(ADA), NOW, lifted=True)
        assert part.outcome == "nothing_found"
        assert part.evidence["kept"] == "opt-out entry, because the person chose it"
        assert kinds(sandbox, ADA) == {"contact", "global"}


def test_a_person_who_objected_meanwhile_stays_opted_out(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    sendgrid.restrict(person(ADA), NOW)
    for _ in range(2):
        sendgrid.restrict(person(ADA, objected=True), NOW, lifted=True)
        assert kinds(sandbox, ADA) == {"global"}


def test_a_crash_while_restricting_leaves_an_entry_that_is_known_to_be_ours(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.break_at(None)
    sendgrid.restrict(person(ADA), NOW)
    for call in range(1, sandbox.calls + 1):
        email = f"crash{call}@example.com"
        sandbox.break_at(call)
        with pytest.raises(TryAgain):
            sendgrid.restrict(person(email), NOW)
        sendgrid.restrict(person(email), NOW, lifted=True)
        assert kinds(sandbox, email) == set()


def test_an_erasure_does_not_take_our_restriction_for_an_objection(
    sandbox: RunningSandbox, sendgrid: SendgridConnector, store: SqliteStore
) -> None:
    sandbox.put("sendgrid", email=ADA)
    sendgrid.restrict(person(ADA), NOW)
    (part,) = sendgrid.erase(person(ADA), NOW)
    assert "kept" not in part.evidence
    assert kinds(sandbox, ADA) == set()
    assert store.query(Query(VendorRestriction)) == []


def test_an_objection_under_our_restriction_outlives_an_erasure_broken_at_any_call(
    sandbox: RunningSandbox, sendgrid: SendgridConnector, store: SqliteStore
) -> None:
    sandbox.put("sendgrid", email=ADA, reported_spam=True)
    sendgrid.restrict(person(ADA), NOW)
    sandbox.break_at(None)
    sendgrid.erase(person(ADA), NOW)
    for call in range(1, sandbox.calls + 1):
        email = f"crash{call}@example.com"
        sandbox.put("sendgrid", email=email, reported_spam=True)
        sendgrid.restrict(person(email), NOW)
        sandbox.break_at(call)
        with pytest.raises(TryAgain):
            sendgrid.erase(person(email), NOW)
        (part,) = sendgrid.erase(person(email), NOW)
        assert part.evidence["objection_found"] is True
        assert kinds(sandbox, email) == {"global"}
    assert store.query(Query(VendorRestriction)) == []


def test_a_restriction_goes_along_to_a_new_address_and_can_be_lifted_there(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.put("sendgrid", email=ADA)
    sendgrid.restrict(person(ADA), NOW)
    part = rectify(sendgrid, person(ADA), email=NEW)
    assert "opt_outs_carried" not in part.evidence
    assert (kinds(sandbox, ADA), kinds(sandbox, NEW)) == (set(), {"contact", "global"})
    sendgrid.restrict(person(NEW), NOW, lifted=True)
    assert kinds(sandbox, NEW) == {"contact"}


def test_a_shared_address_is_not_restricted(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    (part,) = sendgrid.restrict(Person(request_id="r", shared_addresses=[ADA]), NOW)
    assert (part.outcome, sandbox.calls) == ("no_store", 0)


# --- addresses SendGrid takes for none -------------------------------------------------------------------------------


def test_an_invalid_address_is_left_out_of_the_job_and_counted(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    sandbox.put("sendgrid", email=ADA, bounced=True)
    (part,) = sendgrid.erase(person("no address@x", ADA, objected=True), NOW)
    assert (part.outcome, part.evidence["invalid_addresses"]) == ("accepted", 1)
    assert part.evidence["removed"] == {"bounces": 1, "contacts": 1}
    assert kinds(sandbox, ADA) == {"global"}
    assert "no address" not in str(part.evidence)


def test_nothing_but_invalid_addresses_is_nothing_found(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    (part,) = sendgrid.erase(person("no address@x", "nobody"), NOW)
    assert (part.outcome, part.evidence["invalid_addresses"]) == ("nothing_found", 2)


def scripted(*answers: Answer) -> tuple[Contacts, list[Any]]:
    bodies: list[Any] = []
    left = list(answers)

    def call(*_: Any, body: Any = None, **__: Any) -> Answer:
        bodies.append(body)
        return left.pop(0)

    return Contacts(call), bodies


def refusal(message: str) -> Answer:
    return Answer(400, {}, {"errors": [{"message": message, "field": "email_addresses"}]})


def test_the_job_is_sent_once_more_without_what_its_refusal_names() -> None:
    contacts, bodies = scripted(refusal("Email_address a@b.co is not valid"), Answer(202, {}, {"job_id": "j"}))
    assert contacts.erase(["aa@b.co", "A@b.co", "a@b.com"]) == (["j"], ["A@b.co"])
    assert bodies[1] == {"email_addresses": ["aa@b.co", "a@b.com"]}


@pytest.mark.parametrize("answer", [refusal("Bad Request"), Answer(400, {}, None), Answer(400, {}, {"errors": "odd"})])
def test_a_refusal_that_names_no_address_needs_a_person(answer: Answer) -> None:
    contacts, bodies = scripted(answer)
    with pytest.raises(NeverRetry, match="sendgrid_400"):
        contacts.erase([ADA])
    assert len(bodies) == 1


# --- pages and regions -----------------------------------------------------------------------------------------------


def test_more_addresses_than_one_search_takes_are_searched_in_turns(
    sandbox: RunningSandbox, sendgrid: SendgridConnector
) -> None:
    addresses = [f"p{n}@example.com" for n in range(101)]
    sandbox.put("sendgrid", email=addresses[0])
    sandbox.put("sendgrid", email=addresses[100])
    contacts = Contacts(SendgridTransport("SG.any", sandbox.url("sendgrid"), 5).call)
    assert len(contacts.own(addresses)) == 2


def test_every_page_of_the_lists_is_read(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, lists=[f"l{n}" for n in range(LISTS_ON_A_PAGE + 1)])
    contacts = Contacts(SendgridTransport("SG.any", sandbox.url("sendgrid"), 5).call)
    assert len(contacts.list_names()) == LISTS_ON_A_PAGE + 1


@pytest.mark.parametrize(
    ("base", "region"),
    [
        ("https://api.sendgrid.com", "global"),
        ("https://api.eu.sendgrid.com/", "eu"),
        ("http://127.0.0.1:1", "sandbox"),
    ],
)
def test_the_region_follows_from_the_host_and_is_stated(base: str, region: str) -> None:
    transport = SendgridTransport("SG.any", base)
    assert transport.region == region
    assert all(f"region: {region}" in one.reason for one in connector_over(transport).describe())


def test_evidence_names_the_region(sandbox: RunningSandbox, sendgrid: SendgridConnector) -> None:
    parts = [
        *sendgrid.erase(person(ADA), NOW),
        *sendgrid.restrict(person(ADA), NOW),
        *sendgrid.restrict(person(ADA), NOW, lifted=True),
        rectify(sendgrid, person(ADA), name="Ada"),
    ]
    assert {part.evidence["region"] for part in parts} == {"sandbox"}
