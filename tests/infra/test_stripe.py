from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.local.file_clock import FileClock
from infra.local.sandbox import stripe_payments
from infra.local.sqlite_store import SqliteStore
from infra.subprocessors import stripe_transport
from infra.subprocessors.stripe import StripeConnector, StripeTransport
from shared import identity
from shared.case import Case
from shared.company import Ground
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.ports import Corrections, Part, Person
from shared.promises import requests
from shared.records import RETAINED_OF_STEP, Alias, Link, Retained, Subject
from shared.store import Put, Stored
from shared.times import plus
from shared.vault import Keyset, Vault
from tests.contracts.connector_contract import NOW, ConnectorContract, RateLimitContract
from tests.contracts.running_sandbox import RunningSandbox
from tests.promises.world import World

ADA = "ada.lovelace+canary@example.com"
BOB = "bob@example.com"
KEY = "sk_test_canary"
VAULT = Vault(Keyset.generate())
GROUND = Ground(ground="payment records, tax law", years=6, categories=["payments", "invoices"])
HURRY = 10_000
PAYMENTS = {"charge", "invoice"}


def transport(sandbox: RunningSandbox, timeout: float = 5.0, key: str = KEY, pace: int = HURRY) -> StripeTransport:
    return StripeTransport(key, sandbox.url("stripe"), timeout, pace)


def store(sandbox: RunningSandbox) -> SqliteStore:
    return SqliteStore(sandbox.folder / "pledge.db", "OFF")


def connector(sandbox: RunningSandbox, timeout: float = 5.0, ground: Ground | None = GROUND) -> StripeConnector:
    return StripeConnector(transport(sandbox, timeout), store(sandbox), VAULT, ground)


def person(*customers: str, address: str = ADA, user: str = "u1", request: str = "r1") -> Person:
    known = [Identifiers(user_id=user, addresses=[address], stripe_customer_ids=list(customers))]
    return Person(request_id=request, known=known, addresses=[address])


def api(sandbox: RunningSandbox, method: str, path: str, form: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    return sandbox.ask(method, f"/stripe/v1/{path}", form.encode() or None, **headers)


def customer(sandbox: RunningSandbox, form: str = "email=ada.lovelace%2Bcanary%40example.com&name=Ada") -> str:
    """Create a customer who never paid."""
    id: str = api(sandbox, "POST", "customers", form)[1]["id"]
    return id


def pay(sandbox: RunningSandbox, customer: str, times: int) -> None:
    shelf = sandbox.app.state.shelf("stripe")
    with sandbox.app.state.transaction():
        paying = shelf.get("customer", customer)
        assert paying
        for _ in range(times):
            stripe_payments.pay(shelf, sandbox.app.clock.now(), paying)


def kinds(sandbox: RunningSandbox, email: str = ADA) -> set[str]:
    return {one["kind"] for one in sandbox.found("stripe", email=email)}


def told(parts: list[Part] | Any) -> dict[str, str]:
    return {part.name: part.outcome for part in parts}


def retained(sandbox: RunningSandbox, request: str = "r1") -> list[Stored[Retained]]:
    return store(sandbox).query(RETAINED_OF_STEP, request, "stripe")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"stripe": KEY})
    yield sandbox
    sandbox.close()


class TestStripeConnector(ConnectorContract, RateLimitContract):
    vendor: ClassVar[str] = "stripe"
    personal = (ADA, "ada.lovelace", "Lovelace", "Zoë", "canary", "%40example.com")
    # of a deleted customer the payments are shown: they are still there
    left_in_export: ClassVar[set[str]] = {"gaps", "charges", "invoices", "subscriptions"}
    limit: ClassVar[tuple[int, float]] = (stripe_transport.CALLS_A_SECOND, 1.0)

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> StripeConnector:
        return connector(sandbox, timeout)

    def known(self, sandbox: RunningSandbox) -> Person:
        paying, _ = sandbox.put("stripe", email=ADA, name="Zoë Lovelace", user_id="u1")
        address = "shipping[name]=Ada&shipping[address][city]=London&address[country]=GB&preferred_locales[0]=en"
        silent = customer(sandbox, f"email={ADA.replace('+', '%2B')}&name=Ada+Lovelace&phone=1&{address}")
        return person(paying, silent)

    def unknown(self) -> Person:
        return person(address="nobody@example.net")

    def held(self, sandbox: RunningSandbox, person: Person) -> list[dict[str, Any]]:
        return [one for one in super().held(sandbox, person) if one["kind"] not in PAYMENTS]

    def state(self, sandbox: RunningSandbox) -> list[Any]:
        kept = [body for kind, _, body in sandbox.snapshot("stripe") if kind != "idempotency"]
        return sorted(str(_known_by(body, self.fleeting | {"customer", "number", "fingerprint"})) for body in kept)

    def hurry(self, sandbox: RunningSandbox) -> None:
        unhurried = transport(sandbox, pace=stripe_transport.CALLS_A_SECOND)
        for _ in range(stripe_transport.CALLS_A_SECOND + 5):
            unhurried.get("customers", limit=1)


def _known_by(value: Any, fleeting: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _known_by(one, fleeting) for name, one in sorted(value.items()) if name not in fleeting}
    return value


# --- who is touched ---


def test_everything_of_a_customer_goes_and_the_payments_stay_on_record(sandbox: RunningSandbox) -> None:
    id, subscription = sandbox.put("stripe", email=ADA, name="Ada", user_id="u1")
    account, payments = connector(sandbox).erase(person(id), NOW)
    assert (account.outcome, account.evidence["customers"], account.evidence["subscriptions"]) == ("verified", 1, 1)
    assert account.evidence["payment_methods"] == 1
    assert (payments.outcome, payments.ground, payments.until) == ("retained", GROUND.ground, plus(NOW, "P6Y"))
    assert (payments.evidence["charges"], payments.evidence["invoices"]) == (1, 1)
    held = {one["kind"]: one for one in sandbox.found("stripe", id=id)}
    assert held["customer"] == {"kind": "customer", "id": id, "object": "customer", "deleted": True}
    assert (held["subscription"]["id"], held["subscription"]["status"]) == (subscription, "canceled")
    assert kinds(sandbox) == PAYMENTS


def test_a_customer_who_never_paid_is_simply_gone(sandbox: RunningSandbox) -> None:
    id = customer(sandbox)
    for _ in range(2):
        assert told(connector(sandbox, ground=None).erase(person(id), NOW)) == {"customer": "verified"}
    assert not kinds(sandbox)
    assert not retained(sandbox)


def test_a_customer_found_by_an_address_alone_is_left_to_a_person(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    for _ in range(2):
        sandbox.put("stripe", email=ADA)
    parts = connector(sandbox).erase(person(id), NOW)
    assert told(parts) == {"customer": "verified", "payments": "retained", "customer found by e-mail alone": "failed"}
    assert parts[-1].evidence["count"] == 2
    assert len([one for one in sandbox.found("stripe", email=ADA) if one["kind"] == "customer"]) == 2


def test_every_page_is_looked_through(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_transport, "PAGE", 2)
    id, _ = sandbox.put("stripe", email=ADA)
    pay(sandbox, id, 4)
    for _ in range(5):
        customer(sandbox)
    parts = connector(sandbox).erase(person(id), NOW)
    assert parts[1].evidence["charges"] == parts[1].evidence["invoices"] == 5
    assert parts[-1].evidence["count"] == 5


def test_capital_letters_make_another_address_to_stripe_as_is_described(sandbox: RunningSandbox) -> None:
    customer(sandbox, "email=Bob%40example.com")
    assert told(connector(sandbox).erase(person(address=BOB), NOW)) == {"customer": "nothing_found"}
    erases = next(one for one in connector(sandbox).describe() if one.what == "erase")
    assert "capital" in erases.reason


@pytest.mark.parametrize("act", ["erase", "rectify", "restrict"])
def test_a_linked_customer_that_names_another_account_is_not_touched(sandbox: RunningSandbox, act: str) -> None:
    id, _ = sandbox.put("stripe", email=BOB, user_id="u2")
    before = sandbox.found("stripe", id=id)
    acts = {
        "erase": lambda: connector(sandbox).erase(person(id), NOW),
        "rectify": lambda: connector(sandbox).rectify(person(id), Corrections(email=ADA), NOW),
        "restrict": lambda: connector(sandbox).restrict(person(id), NOW),
    }
    assert told(acts[act]()) == {"customer": "nothing_found", "customer linked by mistake": "failed"}
    assert sandbox.found("stripe", id=id) == before


def test_a_customer_deleted_by_somebody_else_is_success_and_its_payments_are_kept(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    api(sandbox, "DELETE", f"customers/{id}")
    assert told(connector(sandbox).erase(person(id), NOW)) == {"customer": "verified", "payments": "retained"}


@pytest.mark.parametrize("act", ["erase", "rectify", "restrict", "export"])
def test_a_linked_customer_that_stripe_does_not_know_may_stand_in_another_account_and_goes_to_a_person(
    sandbox: RunningSandbox, act: str
) -> None:
    stripe, unknown = connector(sandbox), person("cus_none")
    if act == "export":
        held = stripe.export(unknown)
        assert (held["unclear"], len(held["gaps"])) == (1, 1)
        return
    acts = {
        "erase": lambda: stripe.erase(unknown, NOW),
        "rectify": lambda: stripe.rectify(unknown, Corrections(email=ADA), NOW),
        "restrict": lambda: stripe.restrict(unknown, NOW),
    }
    assert told(acts[act]()) == {"customer": "nothing_found", "customer unknown to Stripe": "failed"}


@pytest.mark.parametrize("id", ["a/b?c", "", "..", "."])
def test_what_is_no_id_of_stripes_is_never_sent_and_goes_to_a_person(sandbox: RunningSandbox, id: str) -> None:
    parts = connector(sandbox).restrict(person(id), NOW)
    assert told(parts) == {"customer": "nothing_found", "customer linked by mistake": "failed"}
    assert sandbox.calls == 0


@pytest.mark.parametrize("id", ["", "..", "."])
def test_no_call_ever_addresses_a_whole_list_by_mistake(sandbox: RunningSandbox, id: str) -> None:
    with pytest.raises(NeverRetry, match="stripe_empty_segment"):
        transport(sandbox).delete("customers", id)
    assert sandbox.calls == 0


def test_what_goes_on_is_cancelled_whatever_its_status_and_what_ended_is_left(sandbox: RunningSandbox) -> None:
    id = customer(sandbox)
    shelf = sandbox.app.state.shelf("stripe")
    with sandbox.app.state.transaction():
        for number, status in enumerate(("trialing", "past_due", "unpaid", "paused", "incomplete", "canceled")):
            thing = {"id": f"sub_{number}", "object": "subscription", "customer": id, "status": status}
            shelf.put("subscription", thing["id"], thing, about=id)
    (part,) = connector(sandbox).erase(person(id), NOW)
    assert part.evidence["subscriptions"] == 5
    found = [one for one in sandbox.found("stripe", id=id) if one["kind"] == "subscription"]
    assert {one["status"] for one in found} == {"canceled"}


def test_a_detached_card_no_longer_names_its_payer(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA, name="Ada")
    connector(sandbox).erase(person(id), NOW)
    (card,) = [body for kind, _, body in sandbox.snapshot("stripe") if kind == "payment_method"]
    assert card["customer"] is None
    assert not any(card["billing_details"].values())


class Stubborn(StripeTransport):
    """Refuses to empty billing details, as some kinds of payment methods are refused it."""

    def post(self, *path: str, **rest: Any) -> Any:
        if path[0] == "payment_methods" and path[-1] != "detach":
            raise NeverRetry("stripe_400_parameter_invalid_empty")
        return super().post(*path, **rest)


def test_a_payment_method_that_keeps_its_payer_is_detached_and_said_so(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    stubborn = Stubborn(KEY, sandbox.url("stripe"), calls_a_second=HURRY)
    parts = StripeConnector(stubborn, store(sandbox), VAULT, GROUND).erase(person(id), NOW)
    assert told(parts) == {"customer": "verified", "payment methods": "accepted", "payments": "retained"}


class PaidMeanwhile(StripeTransport):
    """Renews a subscription just before it is cancelled."""

    sandbox: RunningSandbox

    def delete(self, *path: str, **rest: Any) -> Any:
        if path[0] == "subscriptions":
            pay(self.sandbox, self.sandbox.found("stripe", email=ADA)[0]["id"], 1)
        return super().delete(*path, **rest)


def test_a_payment_made_while_we_erase_is_not_overlooked(sandbox: RunningSandbox) -> None:
    id = customer(sandbox)
    thing = {"id": "sub_1", "object": "subscription", "customer": id, "status": "active"}
    with sandbox.app.state.transaction():
        sandbox.app.state.shelf("stripe").put("subscription", "sub_1", thing, about=id)
    late = PaidMeanwhile(KEY, sandbox.url("stripe"), calls_a_second=HURRY)
    late.sandbox = sandbox
    with pytest.raises(TryAgain, match="stripe_paid_meanwhile"):
        StripeConnector(late, store(sandbox), VAULT, GROUND).erase(person(id), NOW)
    assert told(connector(sandbox).erase(person(id), NOW)) == {"customer": "verified", "payments": "retained"}
    assert len(retained(sandbox)) == 1


# --- what law keeps ---


def test_payments_without_a_ground_are_a_wrong_setting_and_nothing_is_deleted(sandbox: RunningSandbox) -> None:
    silent = customer(sandbox)
    paying, _ = sandbox.put("stripe", email=ADA)
    before = sandbox.snapshot("stripe")
    with pytest.raises(NeverRetry, match="stripe_no_retention_ground"):
        connector(sandbox, ground=None).erase(person(silent, paying), NOW)
    assert sandbox.snapshot("stripe") == before


def test_payments_are_kept_ninety_days_even_if_the_ground_says_less(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    (charge,) = [one for one in sandbox.found("stripe", id=id) if one["kind"] == "charge"]
    at = datetime.fromtimestamp(charge["created"], UTC)
    short = Ground(ground="claims", years=0, categories=["payments"])
    parts = connector(sandbox, ground=short).erase(person(id), at)
    assert parts[1].until == at + timedelta(days=90)


def test_what_is_kept_is_on_record_sealed_under_a_hash_before_anything_is_deleted(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    sandbox.break_at(None)
    sandbox.fail("stripe", "500")
    with pytest.raises(TryAgain):
        connector(sandbox).erase(person(id), NOW)
    assert not retained(sandbox)
    sandbox.heal("stripe")
    # the look and both lists of payments come first: from then on it is on record
    sandbox.break_at(5)
    with pytest.raises(TryAgain):
        connector(sandbox).erase(person(id), NOW)
    (kept,) = retained(sandbox)
    assert kept.id == f"{VAULT.keyed('retained', id)}:r1"
    assert VAULT.unseal(f"retained/{kept.id}", kept.record.sealed) == {"places": [id]}
    assert id.encode() not in kept.record.sealed
    assert (kept.record.ground, kept.record.categories) == (GROUND.ground, GROUND.categories)
    assert kept.record.until == plus(NOW, "P6Y")


def test_asking_twice_never_makes_anything_stay_longer(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    later = NOW + timedelta(days=400)
    connector(sandbox).erase(person(id), NOW)
    for request in ("r1", "r2"):
        parts = connector(sandbox).erase(person(id, request=request), later)
        assert parts[1].until == plus(NOW, "P6Y")
        (kept,) = retained(sandbox, request)
        assert kept.record.until == plus(NOW, "P6Y")


# --- redaction ---


def purge_until_done(sandbox: RunningSandbox, places: list[str], begins: timedelta) -> Part:
    """Purge as the work would, moving the clock by what each refusal asks for."""
    clock, ahead = FileClock(sandbox.folder / "clock"), begins.total_seconds()
    for _ in range(10):
        clock.set_ahead(int(ahead))
        try:
            return connector(sandbox).purge(places, clock.now())
        except TryAgain as trouble:
            ahead += trouble.after_seconds or 0
    raise AssertionError("the redaction never ended")


def erased(sandbox: RunningSandbox, count: int = 1) -> list[str]:
    ids = [sandbox.put("stripe", email=ADA, name="Ada")[0] for _ in range(count)]
    connector(sandbox).erase(person(*ids), NOW)
    return ids


@pytest.mark.parametrize("count", [1, 11])
def test_when_the_date_has_come_payments_are_redacted_and_read_back(sandbox: RunningSandbox, count: int) -> None:
    ids = erased(sandbox, count)
    part = purge_until_done(sandbox, ids, timedelta(days=91))
    assert (part.outcome, part.evidence["customers"]) == ("verified", count)
    jobs = [body for kind, _, body in sandbox.snapshot("stripe") if kind == "redaction_job"]
    assert [job["status"] for job in jobs] == ["succeeded"] * (1 if count == 1 else 2)
    assert not kinds(sandbox)
    assert all("Ada" not in str(body) for kind, _, body in sandbox.snapshot("stripe") if kind in PAYMENTS)
    again = connector(sandbox).purge(ids, FileClock(sandbox.folder / "clock").now())
    assert again.evidence == part.evidence


def test_a_redaction_that_stripe_refuses_goes_to_a_person_and_is_tried_again(sandbox: RunningSandbox) -> None:
    ids = erased(sandbox)
    with pytest.raises(NeverRetry, match="stripe_redaction_invalid_state"):
        purge_until_done(sandbox, ids, timedelta(days=80))
    assert purge_until_done(sandbox, ids, timedelta(days=91)).outcome == "verified"


def test_a_job_that_another_one_locks_is_waited_for(sandbox: RunningSandbox) -> None:
    (one,) = erased(sandbox)
    two, _ = sandbox.put("stripe", email=BOB)
    connector(sandbox).erase(person(two, address=BOB), NOW)
    FileClock(sandbox.folder / "clock").set_ahead(91 * 86_400)
    now = FileClock(sandbox.folder / "clock").now()
    for places in ([one], [one, two]):
        with pytest.raises(TryAgain):
            connector(sandbox).purge(places, now)
    assert purge_until_done(sandbox, [one, two], timedelta(days=91, minutes=5)).outcome == "verified"


def test_a_crash_at_any_call_of_a_redaction_ends_right_with_one_job(tmp_path: Path) -> None:
    calls, call = 1, 1
    while call <= calls:
        folder = tmp_path / str(call)
        folder.mkdir()
        sandbox = RunningSandbox(folder, {"stripe": KEY})
        ids = erased(sandbox)
        sandbox.break_at(call)
        clock, ahead = FileClock(folder / "clock"), 91 * 86_400
        for _ in range(10):
            clock.set_ahead(ahead)
            try:
                assert connector(sandbox).purge(ids, clock.now()).outcome == "verified"
                break
            except TryAgain as trouble:
                ahead += trouble.after_seconds or 60
        calls = sandbox.calls
        assert [kind for kind, *_ in sandbox.snapshot("stripe")].count("redaction_job") == 1
        assert not kinds(sandbox)
        sandbox.close()
        call += 1
    assert calls > 5


@pytest.mark.parametrize("beside", [0, 1])
def test_payments_of_a_customer_stripe_does_not_know_go_to_a_person_and_nothing_is_redacted(
    sandbox: RunningSandbox, beside: int
) -> None:
    ids = erased(sandbox, beside)
    before = sandbox.snapshot("stripe")
    with pytest.raises(NeverRetry, match="stripe_customer_unknown"):
        connector(sandbox).purge([*ids, "cus_none"], NOW)
    assert sandbox.snapshot("stripe") == before


# --- the other rights ---


def test_the_export_shows_all_and_of_a_card_only_brand_end_and_expiry(sandbox: RunningSandbox) -> None:
    id, subscription = sandbox.put("stripe", email=ADA, name="Ada Lovelace")
    sandbox.put("stripe", email=ADA)
    export = connector(sandbox).export(person(id))
    assert [one["name"] for one in export["customers"]] == ["Ada Lovelace"]
    assert [one["id"] for one in export["subscriptions"]] == [subscription]
    assert export["payment_methods"][0]["card"] == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    assert export["charges"][0]["billing_details"]["email"] == ADA
    assert export["invoices"][0]["lines"] == [{"description": "One month", "amount": 1900}]
    assert "fp_" not in str(export)
    assert any("1 customers found by e-mail alone" in gap for gap in export["gaps"])
    assert export["unclear"] == 1, "a person finds out whose that other one is"
    assert all(len(things) == 1 for name, things in export.items() if name not in {"gaps", "unclear"})


def test_a_correction_reaches_what_stripe_has_and_hands_over_nothing_new(sandbox: RunningSandbox) -> None:
    full = customer(sandbox, "email=old%40example.com&name=Old&address[country]=GB&address[city]=Rome&description=x")
    bare = customer(sandbox, "email=old%40example.com")
    wanted = Corrections(name="Ada Lovelace", email=ADA, locale="it", country="it")
    for changed in (2, 0):
        (part,) = connector(sandbox).rectify(person(full, bare), wanted, NOW)
        assert (part.outcome, part.evidence["changed"]) == ("verified", changed)
    (one,) = sandbox.found("stripe", id=full)
    assert (one["name"], one["email"], one["description"]) == ("Ada Lovelace", ADA, "x")
    assert (one["address"]["country"], one["address"]["city"]) == ("IT", "Rome")
    (other,) = sandbox.found("stripe", id=bare)
    assert (other["name"], other["email"], other["address"]) == (None, ADA, None)
    assert other["preferred_locales"] == []


def test_a_country_stripe_has_no_letters_for_needs_a_person(sandbox: RunningSandbox) -> None:
    id = customer(sandbox, "name=Old&address[country]=GB")
    parts = connector(sandbox).rectify(person(id), Corrections(name="Ada", country="Scotland"), NOW)
    assert told(parts) == {"customer": "verified", "country": "failed"}
    assert sandbox.found("stripe", id=id)[0]["name"] == "Ada"


def test_a_restriction_is_a_mark_beside_the_websites_own_and_is_lifted_again(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA, user_id="u1")
    for lifted, marks in ((False, {"user_id": "u1", "processing_restricted": "yes"}), (True, {"user_id": "u1"})):
        (part,) = connector(sandbox).restrict(person(id), NOW, lifted=lifted)
        assert (part.outcome, part.evidence["changed"]) == ("verified", 1)
        found = {one["kind"]: one for one in sandbox.found("stripe", id=id)}
        assert found["customer"]["metadata"] == marks
        # what a contract owes goes on: a restriction ends no contract
        assert found["subscription"]["status"] == "active"


RESTRICTED = {"user_id": "u1", "processing_restricted": "yes"}
UNMARKED = {"user_id": "u1"}


def link(sandbox: RunningSandbox, customer: str, **accounts: list[str]) -> None:
    """Have our own records link a customer to these accounts, each restricted by these requests."""
    subjects = [
        Put(ref, Subject(kind="account", created_at=NOW, sealed=b"", restricted_by=by)) for ref, by in accounts.items()
    ]
    links = [Link(ref=ref, kind="account", source="server", confirmed_at=NOW) for ref in accounts]
    store(sandbox).commit([*subjects, Put(identity.alias(VAULT, "stripe", customer), Alias(links=links))])


def marks(sandbox: RunningSandbox, customer: str) -> dict[str, str]:
    (found,) = [one for one in sandbox.found("stripe", id=customer) if one["kind"] == "customer"]
    return dict(found["metadata"])


@pytest.mark.parametrize(
    ("accounts", "stays"),
    [
        ({"s1": ["r1", "r2"]}, True),
        ({"s1": ["r2"]}, True),
        ({"s1": ["r1"], "s2": ["r2"]}, True),
        ({"s1": ["r1"], "s2": ["r1"]}, False),
        ({"s1": []}, False),
        ({}, False),
    ],
    ids=["with another", "already released", "on another account", "on both by this one", "by none", "not linked"],
)
def test_the_mark_stays_as_long_as_another_request_restricts_the_customer(
    sandbox: RunningSandbox, accounts: dict[str, list[str]], stays: bool
) -> None:
    id, _ = sandbox.put("stripe", email=ADA, user_id="u1")
    for request in ("r1", "r2"):
        connector(sandbox).restrict(person(id, request=request), NOW)
    link(sandbox, id, **accounts)
    (part,) = connector(sandbox).restrict(person(id, request="r1"), NOW, lifted=True)
    assert marks(sandbox, id) == (RESTRICTED if stays else UNMARKED)
    assert part.outcome == "verified"
    assert (part.evidence["changed"], part.evidence.get("restricted_by_others")) == ((0, 1) if stays else (1, None))
    link(sandbox, id, s1=["r2"])
    connector(sandbox).restrict(person(id, request="r2"), NOW, lifted=True)
    assert marks(sandbox, id) == UNMARKED


def test_of_two_customers_only_the_one_that_another_request_restricts_keeps_its_mark(sandbox: RunningSandbox) -> None:
    both = [sandbox.put("stripe", email=ADA, user_id="u1")[0] for _ in range(2)]
    connector(sandbox).restrict(person(*both), NOW)
    link(sandbox, both[0], s1=["r2"])
    link(sandbox, both[1], s2=[])
    (part,) = connector(sandbox).restrict(person(*both), NOW, lifted=True)
    assert [marks(sandbox, id) for id in both] == [RESTRICTED, UNMARKED]
    assert (part.evidence["customers"], part.evidence["changed"], part.evidence["restricted_by_others"]) == (2, 1, 1)


class RestrictedMeanwhile(StripeTransport):
    """Has another request restrict the customer just before the mark is taken off."""

    sandbox: RunningSandbox

    def post(self, *path: str, **rest: Any) -> Any:
        if rest["params"] == {"metadata": {"processing_restricted": ""}}:
            link(self.sandbox, path[-1], s1=["r2"])
        return super().post(*path, **rest)


def test_a_restriction_that_comes_while_another_one_is_lifted_has_its_mark(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA, user_id="u1")
    connector(sandbox).restrict(person(id), NOW)
    meanwhile = RestrictedMeanwhile(KEY, sandbox.url("stripe"), calls_a_second=HURRY)
    meanwhile.sandbox = sandbox
    lifting = StripeConnector(meanwhile, store(sandbox), VAULT, GROUND)
    with pytest.raises(TryAgain, match="stripe_restricted_meanwhile"):
        lifting.restrict(person(id), NOW, lifted=True)
    (part,) = lifting.restrict(person(id), NOW + timedelta(hours=1), lifted=True)
    assert marks(sandbox, id) == RESTRICTED
    assert (part.evidence["changed"], part.evidence["restricted_by_others"]) == (1, 1)


@pytest.mark.parametrize("first", ["lifted", "cancelled"])
def test_whatever_ends_first_the_mark_goes_with_the_last_that_restricts(
    sandbox: RunningSandbox, tmp_path: Path, first: str
) -> None:
    world = World(tmp_path / "world")
    id, _ = sandbox.put("stripe", email=ADA, user_id="u1")
    world.services.__dict__["connectors"]["stripe"] = StripeConnector(
        transport(sandbox), world.services.store, world.services.vault, GROUND
    )
    world.account("u1", ADA, stripe_customer_ids=[id])
    restriction = world.confirm(ADA, world.ask(ADA, "restriction"))["request_id"]
    world.run_due()
    erasure = world.confirm(ADA)["request_id"]
    world.run_due()
    for request in (restriction, erasure) if first == "lifted" else (erasure, restriction):
        assert marks(sandbox, id) == RESTRICTED
        requests.cancel(partial(Case.read, world.services, request))
        # a restriction is lifted once its mail has gone
        world.advance("PT10M")
    assert marks(sandbox, id) == UNMARKED


# --- the way there ---


def test_a_ping_tells_a_key_that_lacks_what_an_erasure_reads(sandbox: RunningSandbox) -> None:
    connector(sandbox).ping()
    with pytest.raises(NeverRetry, match="stripe_401"):
        StripeConnector(transport(sandbox, key="sk_test_wrong"), store(sandbox), VAULT, GROUND).ping()


def test_a_rate_limit_says_when_to_come_back(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", "429")
    with pytest.raises(TryAgain) as caught:
        transport(sandbox).get("customers", "cus_1")
    assert (caught.value.code, caught.value.after_seconds) == ("stripe_429", 2)


def test_a_refusal_is_told_in_stripes_own_word_and_holds_nothing_that_was_sent(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry) as caught:
        transport(sandbox).post("customers", key="k", params={"email": "ada lovelace", "name": "Ada"})
    assert str(caught.value) == "stripe_400_email_invalid"
    assert caught.value.__context__ is None


def test_the_same_change_is_made_once_and_a_later_one_again(sandbox: RunningSandbox) -> None:
    id = customer(sandbox)
    for name in ("Ada", "Eve"):
        api(sandbox, "POST", f"customers/{id}", f"name={name}")
        connector(sandbox).rectify(person(id), Corrections(name="Grace"), NOW + timedelta(hours=name == "Eve"))
        assert sandbox.found("stripe", id=id)[0]["name"] == "Grace"
    api(sandbox, "POST", f"customers/{id}", "name=Eve")
    with pytest.raises(TryAgain, match="stripe_not_settled"):
        # the answer is the first one again: only the read-back tells
        connector(sandbox).rectify(person(id), Corrections(name="Grace"), NOW + timedelta(hours=1))


def scripted(*answers: Response) -> tuple[str, list[Request]]:
    """Serve these answers, one a call; return the address, and the requests as they come."""
    seen: list[Request] = []
    left = iter(answers)

    @Request.application
    def serve(request: Request) -> Response:
        seen.append(request)
        return next(left)

    server = make_server("127.0.0.1", 0, serve)

    def run() -> None:
        for _ in answers:
            server.handle_request()
        server.server_close()

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", seen


def test_a_key_for_the_other_mode_is_not_taken_for_absence() -> None:
    said = (
        '{"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such customer: '
        "'cus_1'; a similar object exists in live mode, but a test mode key was used to make this request.\"}}"
    )
    base, _ = scripted(Response(said, 404, content_type="application/json"))
    with pytest.raises(NeverRetry, match="stripe_wrong_mode"):
        StripeTransport(KEY, base).get("customers", "cus_1")


@pytest.mark.parametrize(
    ("answer", "failure", "code"),
    [
        (Response("<html>", 200), TryAgain, "stripe_unreadable"),
        (Response("[]", 200), TryAgain, "stripe_unreadable"),
        (Response(b"\xff\xfe", 200), TryAgain, "stripe_unreadable"),
        (Response("<html>", 503), TryAgain, "stripe_503"),
        (Response('{"error": {"code": "idempotency_key_in_use"}}', 409), TryAgain, "stripe_409"),
        (Response('{"error": {"code": "rate_limit"}}', 400), TryAgain, "stripe_429"),
        (Response('{"error": {"type": "invalid_request_error"}}', 404), NeverRetry, "stripe_404"),
        (Response('{"error": {"code": "Ada Lovelace"}}', 403), NeverRetry, "stripe_403"),
        (Response('{"error": "Ada Lovelace"}', 400), TryAgain, "stripe_unreadable"),
        (Response(status=302, headers={"Location": "http://127.0.0.1:9/"}), NeverRetry, "stripe_302"),
    ],
)
def test_an_answer_is_known_by_its_status_and_stripes_word_alone(
    answer: Response, failure: type[Exception], code: str
) -> None:
    base, _ = scripted(answer)
    with pytest.raises(failure) as caught:
        StripeTransport(KEY, base).get("customers", "cus_1")
    assert (str(caught.value), caught.value.__context__) == (code, None)


def test_what_goes_out_says_neither_where_from_nor_in_what_time() -> None:
    answers = [Response('{"object": "customer"}', headers={"Request-Id": "req_1"}) for _ in range(2)]
    base, seen = scripted(*answers)
    for _ in answers:
        StripeTransport(KEY, base).get("customers", "cus_1")
    for request in seen:
        assert "X-Stripe-Client-Telemetry" not in request.headers
        assert "telemetry_id" not in request.headers["X-Stripe-Client-User-Agent"]


def test_the_vendors_own_printing_is_off(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stripe_transport.stripe_util, "STRIPE_LOG", "debug")
    list(transport(sandbox).every("customers", email=ADA))
    assert capsys.readouterr() == ("", "")


def test_no_proxy_gets_to_see_what_goes_to_the_sandbox(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert transport(sandbox).get("customers", limit=1)


def test_a_timeout_is_told_from_a_refused_connection(sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", "timeout", times=1)
    with pytest.raises(TryAgain, match="stripe_timeout"):
        transport(sandbox, timeout=0.2).get("customers")
    with pytest.raises(TryAgain, match="stripe_unreachable"):
        StripeTransport(KEY, "http://127.0.0.1:9").get("customers")


@pytest.mark.parametrize(("key", "base"), [("", "http://127.0.0.1:1"), (KEY, "127.0.0.1:1")])
def test_a_transport_is_not_built_from_half_a_setting(key: str, base: str) -> None:
    with pytest.raises(Misconfigured):
        StripeTransport(key, base)
