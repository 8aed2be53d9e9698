"""Stripe: customers, subscriptions, payment methods, and payments that law makes the company keep.

Whoever the website linked is deleted at once and read back. Payments stay, on record with the company's ground and date,
and are redacted by themselves when that date has come and Stripe allows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from infra.subprocessors import stripe_told as told
from infra.subprocessors.stripe_customers import SETTLES_SECONDS, UNSET, Looked, Writer, linked, look, remove
from infra.subprocessors.stripe_export import shown
from infra.subprocessors.stripe_payments import (
    JOBS,
    MOST_IN_JOB,
    Kept,
    Payments,
    Records,
    payments_of,
    redact,
    still_named,
)
from infra.subprocessors.stripe_transport import Json, StripeTransport
from shared import identity
from shared.company import Ground
from shared.failures import NeverRetry, TryAgain
from shared.ports import Ability, Corrections, Part, Person
from shared.records import Alias, Outcome, Subject
from shared.store import Store, persist
from shared.vault import Vault

__all__ = ["StripeConnector", "StripeTransport"]

MARK = "processing_restricted"
MARKED: Json = {"metadata": {MARK: "yes"}}
UNMARKED: Json = {"metadata": {MARK: UNSET}}
COUNTRY_LETTERS = 2


class StripeConnector:
    """The `Connector` port on Stripe. `ground`: why the company keeps payments; None is refused once there are some."""

    name = "stripe"

    def __init__(self, transport: StripeTransport, store: Store, vault: Vault, ground: Ground | None) -> None:
        self._transport = transport
        self._store = store
        self._vault = vault
        self._ground = ground

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Record what law keeps, then cancel, detach, empty, delete, and read each customer back."""
        looked = look(self._transport, person)
        found = {one["id"]: payments_of(self._transport, one["id"]) for one in looked.own}
        paid = {customer: payments for customer, payments in found.items() if payments}
        kept = self._put_on_record(person, now, paid)
        writer = Writer(self._transport, self._vault, person.request_id, now)
        removed = sum((remove(writer, customer) for customer in looked.living()), Counter[str]())
        if any(payments_of(self._transport, customer) for customer in found.keys() - paid.keys()):
            # paid between our look and the end of the subscription: the next attempt puts it on record
            raise TryAgain("stripe_paid_meanwhile")
        return [*told.removed(looked, removed), *told.retained(paid, kept), *told.unclear(looked)]

    def export(self, person: Person) -> Json:
        """Return customers and all that hangs on them, every page; `gaps` and `unclear` say what is not shown."""
        looked = look(self._transport, person)
        every, living = self._transport.every, looked.living()
        own = [one["id"] for one in looked.own]
        held = {
            "customers": living,
            "subscriptions": [one for id in own for one in every("subscriptions", customer=id, status="all")],
            "invoices": [one for id in own for one in every("invoices", customer=id)],
            "charges": [one for id in own for one in every("charges", customer=id)],
            "payment_methods": [one for each in living for one in every("customers", each["id"], "payment_methods")],
        }
        beside = {"gaps": told.gaps(looked), "unclear": looked.by_email + looked.strange + looked.unknown}
        parts = {kind: shown(kind, things) for kind, things in held.items() if things}
        return parts | {name: said for name, said in beside.items() if said}

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Have the payments of these customers redacted, and read them back. Raises TryAgain while Stripe is at it."""
        writer = Writer(self._transport, self._vault, "purge", now)
        if any(self._transport.get("customers", place) is None for place in places):
            # our own record says that it paid, and Stripe shows a deleted one too: it is another account that we ask
            raise NeverRetry("stripe_customer_unknown")
        batches = [places[start : start + MOST_IN_JOB] for start in range(0, len(places), MOST_IN_JOB)]
        jobs = [redact(writer, batch) for batch in batches]
        named = sum(still_named(self._transport, place) for place in places)
        # a placeholder we do not know is no proof that a name still stands there, nor that it does not
        outcome: Outcome = "accepted" if named else "verified" if places else "nothing_found"
        evidence = {"customers": len(places), "job_ids": jobs}
        return Part(outcome=outcome, name="payments kept by law until now", evidence=evidence)

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Correct what Stripe has already, and read it back. Nothing is handed over that it did not have."""
        looked = linked(self._transport, person)
        wanted = {one["id"]: _wanted(one, corrections) for one in looked.living()}
        changed = self._change(person, now, {customer: fields for customer, fields in wanted.items() if fields})
        parts = [told.changed(looked, changed), *told.unclear(looked)]
        if any("country" in (one.get("address") or {}) for one in looked.living()) and _odd(corrections.country):
            parts.append(Part(outcome="failed", name="country", evidence={"reason": told.COUNTRY}))
        return parts

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Mark the customers (GDPR Art. 4(3)), or take the mark off, and read it back. Stripe itself obeys no mark.

        There is one mark, whoever asked for it: it stays as long as another request restricts the same customer.
        """
        looked = linked(self._transport, person)
        others = self._restricted_by_others(looked, person) if lifted else set()
        wanted = {one["id"]: not lifted or one["id"] in others for one in looked.living()}
        wrong = [one["id"] for one in looked.living() if _is_marked(one) != wanted[one["id"]]]
        changed = self._change(person, now, {id: MARKED if wanted[id] else UNMARKED for id in wrong})
        if lifted and self._restricted_by_others(looked, person) - others:
            # it found the mark standing, and set none
            raise TryAgain("stripe_restricted_meanwhile", SETTLES_SECONDS)
        return [told.changed(looked, changed, reason=told.MARKED, others=len(others)), *told.unclear(looked)]

    def describe(self) -> Sequence[Ability]:
        """Return what Stripe offers, as checked on its own documents."""
        return told.ABILITIES

    def ping(self) -> None:
        """Read one of each list that an erasure reads: a restricted key may lack any of them, an account the preview."""
        for path in (("customers",), ("subscriptions",), ("charges",), ("invoices",), JOBS):
            self._transport.get(*path, preview=path is JOBS, limit=1)

    def _put_on_record(self, person: Person, now: datetime, paid: dict[str, Payments]) -> list[Kept]:
        if not paid:
            return []
        if self._ground is None:
            # before anything is deleted: without a ground there is no right to keep them, and no way to delete them
            raise NeverRetry("stripe_no_retention_ground")
        records = Records(self._store, self._vault, self._ground, person.request_id, now)
        return persist(lambda _: records.put(paid))

    def _restricted_by_others(self, looked: Looked, person: Person) -> set[str]:
        """Return the customers that another request restricts right now, by any account that they are linked to."""
        return {one["id"] for one in looked.living() if self._restricting(one["id"]) - {person.request_id}}

    def _restricting(self, customer: str) -> set[str]:
        alias = self._store.get(Alias, identity.alias(self._vault, "stripe", customer))
        subjects = [self._store.get(Subject, link.ref) for link in (alias.record.links if alias else [])]
        return {request for stored in subjects if stored for request in stored.record.restricted_by}

    def _change(self, person: Person, now: datetime, fields: dict[str, Json]) -> int:
        writer = Writer(self._transport, self._vault, person.request_id, now)
        for customer, change in fields.items():
            writer.post("customers", customer, params=change)
            after = self._transport.get("customers", customer)
            if after and not after.get("deleted") and not _stands(change, after):
                raise TryAgain("stripe_not_settled", SETTLES_SECONDS)
        return len(fields)


def _wanted(customer: Json, corrections: Corrections) -> Json:
    """Return the fields that Stripe has and that are not as they should be."""
    address = customer.get("address") or {}
    country = None if _odd(corrections.country) else (corrections.country or "").upper()
    right: Json = {
        "name": corrections.name,
        "email": corrections.email,
        "preferred_locales": [corrections.locale] if corrections.locale else None,
        # whole, since Stripe does not say whether what is left out of an address stays
        "address": {**address, "country": country} if country and address.get("country") else None,
    }
    return {name: value for name, value in right.items() if value and customer.get(name) not in (None, [], value)}


def _is_marked(customer: Json) -> bool:
    return bool((customer.get("metadata") or {}).get(MARK))


def _odd(country: str | None) -> bool:
    return bool(country) and not (len(country or "") == COUNTRY_LETTERS and (country or "").isascii())


def _stands(change: Any, after: Any) -> bool:
    if isinstance(change, dict):
        return all(_stands(value, (after or {}).get(name)) for name, value in change.items())
    return (after or UNSET) == (change or UNSET)
