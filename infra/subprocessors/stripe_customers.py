"""Stripe's customers: whose they are, and how one is taken apart and deleted.

Only what the website linked to the person is touched. What merely has the person's address is counted for a person to
look at: families share addresses, and mailboxes are recycled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from infra.subprocessors.stripe_transport import Json, StripeTransport
from shared.failures import NeverRetry, TryAgain
from shared.ports import Person
from shared.vault import Vault, canonical

PERSONAL = (
    "name",
    "email",
    "phone",
    "address",
    "shipping",
    "description",
    "business_name",
    "individual_name",
    "metadata",
)
PAYER = ("name", "email", "phone", "address")
OWNER = "user_id"
"""Where a website that names its accounts at Stripe puts the account's id: in the customer's metadata."""
ENDED = frozenset({"canceled", "incomplete_expired"})
ID = re.compile(r"[A-Za-z0-9_]{1,255}")
"""What an id of Stripe's is made of; a website may send us anything."""
SETTLES_SECONDS = 60
UNSET = ""
"""What makes Stripe forget a field."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Changes at Stripe on one occasion (a request's id, or `purge`) at one moment."""

    transport: StripeTransport
    vault: Vault
    occasion: str
    now: datetime

    def post(self, *path: str, params: Mapping[str, Any] | None = None, preview: bool = False) -> Json | None:
        """Make one change. The same one within the hour is done once; None when there is no such thing.

        Not for longer: Stripe repeats a failure under its key for a day, and an old yes would hide a later change.
        """
        said = canonical([self.occasion, f"{self.now:%Y-%m-%dT%H}", path, params]).decode()
        key = self.vault.keyed("stripe-idempotency", said)
        return self.transport.post(*path, key=key, params=params or {}, preview=preview)


class Looked(NamedTuple):
    """What Stripe has: customers that are the person's, and how many only seem to be. `unknown`: linked, and not there."""

    own: list[Json]
    strange: int
    unknown: int
    by_email: int

    def living(self) -> list[Json]:
        """Return the person's customers that are not deleted."""
        return [customer for customer in self.own if not customer.get("deleted")]


def linked(transport: StripeTransport, person: Person) -> Looked:
    """Read the customers linked to the person; strange are those that name another account, and what is no id at all."""
    ids = _ids(person)
    possible = [id for id in ids if ID.fullmatch(id)]
    found = [customer for id in possible if (customer := transport.get("customers", id)) is not None]
    own = [customer for customer in found if _is_own(customer, person)]
    return Looked(own, len(ids) - len(possible) + len(found) - len(own), len(possible) - len(found), 0)


def look(transport: StripeTransport, person: Person) -> Looked:
    """Read the customers linked to the person, and count those that have no more than an address of theirs."""
    looked = linked(transport, person)
    known = set(_ids(person))
    found = {
        customer["id"]
        for address in person.addresses
        for customer in transport.every("customers", email=address)
        if str(customer.get("email", "")).lower() == address.lower()
    }
    return looked._replace(by_email=len(found - known))


def remove(writer: Writer, customer: Json) -> Counter[str]:
    """Cancel, detach, empty and delete, and read it back; return counts."""
    id = customer["id"]
    removed = Counter(subscriptions=_cancel(writer.transport, id)) + _detach(writer, id)
    empty = {field: UNSET for field in PERSONAL if customer.get(field)}
    if empty:
        writer.post("customers", id, params=empty)
        _settled(not held(writer.transport.get("customers", id)))
    writer.transport.delete("customers", id)
    left = writer.transport.get("customers", id)
    _settled(left is None or (left.get("deleted") is True and not held(left)))
    return removed


def held(customer: Json | None) -> list[str]:
    """Return the fields in which a customer still tells who it is."""
    return [field for field in PERSONAL if (customer or {}).get(field)]


def _ids(person: Person) -> list[str]:
    return list(dict.fromkeys(id for known in person.known for id in known.stripe_customer_ids))


def _is_own(customer: Json, person: Person) -> bool:
    owner = (customer.get("metadata") or {}).get(OWNER)
    return not owner or owner in person.user_ids()


def _cancel(transport: StripeTransport, customer: str) -> int:
    found = transport.every("subscriptions", customer=customer, status="all")
    going = [one["id"] for one in found if one["status"] not in ENDED]
    for id in going:
        # neither a last invoice nor a credit: leaving must cost nothing, and a refund is for the company to decide
        transport.delete("subscriptions", id, invoice_now=False, prorate=False)
    return len(going)


def _detach(writer: Writer, customer: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for id in [one["id"] for one in writer.transport.every("customers", customer, "payment_methods")]:
        _empty_billing(writer, id)
        left = writer.post("payment_methods", id, "detach")
        counted["payment_methods"] += 1
        counted["not_emptied"] += any(((left or {}).get("billing_details") or {}).values())
    return counted


def _empty_billing(writer: Writer, id: str) -> None:
    """Empty who pays: a detached method stays retrievable. Some kinds are refused that, and are detached all the same."""
    try:
        writer.post("payment_methods", id, params={"billing_details": dict.fromkeys(PAYER, UNSET)})
    except NeverRetry as refusal:
        if not refusal.code.startswith("stripe_400"):
            raise


def _settled(true: bool) -> None:
    if not true:
        raise TryAgain("stripe_not_settled", SETTLES_SECONDS)
