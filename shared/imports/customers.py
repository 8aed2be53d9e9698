"""Customers: accounts and who they are, by the rules under which the website's server links them (TRUTH §1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from shared import identity
from shared.failures import BadInput, Stale, TryAgain
from shared.identity import Identifiers
from shared.imports.erased import RUNS, Erased
from shared.imports.rows import Reading, Row, Taken, checked, needed, several, truth
from shared.ports import Services
from shared.promises import people, subjects
from shared.promises.subjects import Linked

NEEDED = ("user_id",)
COLUMNS = (
    "user_id",
    "email",
    "email_verified",
    "name",
    "locale",
    "country",
    "stripe_customer_ids",
    "ga_client_ids",
    "meta_user_ids",
)
TEXTS = ("name", "locale", "country")
IDS = ("stripe_customer_ids", "ga_client_ids", "meta_user_ids")
STRIPE_ID = re.compile(r"cus_[A-Za-z0-9]{1,60}")
COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class Said:
    """A checked row. `email`: as identity compares it."""

    linked: Linked
    email: str | None


class Customers:
    """Rows of a file of customers. An account that is here keeps what it says; a row completes it and replaces nothing."""

    optimistic = True

    def __init__(self, services: Services) -> None:
        self._services = services
        self._erased = Erased(services)
        self._seen: dict[bytes, tuple[int, bytes]] = {}

    def read(self, row: Row) -> Said | None:
        """Check a row by itself and against those before it; None for one that repeats another."""
        said = _said(checked(row))
        user, whole = _digest(said.linked.user_id), _digest([said.linked, said.email])
        line, before = self._seen.setdefault(user, (row.line, whole))
        if line != row.line and before != whole:
            raise BadInput(f"line {line} says something else of this user", "user_id")
        return said if line == row.line else None

    def read_on(self) -> None:
        """Learn of whoever was erased meanwhile."""
        self._erased.read_on()

    def decide(self, services: Services, said: Said | None) -> Taken:
        """Link the account, or complete the one that is here."""
        if said is None:
            return Taken("repeated")
        self._refuse_erased(said)
        if not self._erased.runs(said.linked.user_id):
            return linked(services, said)
        # as it stands: a first try takes everybody to be new, and this one may be gone before it is committed
        taken = linked(self._services, said)
        if taken.changes:
            raise Stale(RUNS, "user_id")
        return taken

    def _refuse_erased(self, said: Said) -> None:
        user = self._erased.gone("user", said.linked.user_id)
        email = self._erased.gone("email", said.email) if said.email else None
        if not user and not email:
            return
        # as it stands: a first try takes everybody to be new and reads nothing
        found = people.by_user(self._services, said.linked.user_id)
        if user and (found is None or found.stored.record.created_at <= user.at):
            raise Stale(user.rule, "user_id")
        if (
            email
            and not (found and _has(found.known, said.email))
            and not self._erased.is_back(said.email or "", email)
        ):
            raise Stale(email.rule, "email")


def _has(known: Identifiers, email: str | None) -> bool:
    return email in {*known.addresses, known.unconfirmed}


def linked(services: Services, said: Said) -> Taken:
    """Link an account, or have the one that is here say what it did not say yet. Raises Stale."""
    found = people.by_user(services, said.linked.user_id)
    wanted = _completing(found.known, said) if found else said
    if found and wanted.linked == Linked(user_id=said.linked.user_id):
        return Taken("unchanged")
    if found and found.stored.record.restricted_by:
        raise Stale("restricted while a request runs", "user_id")
    try:
        changes, is_new = subjects.linking(services, wanted.linked, wanted.email)
    except TryAgain:
        raise Stale("this account is being erased", "user_id") from None
    return Taken("new" if is_new else "completed", changes)


def country(said: str | None) -> str | None:
    """Return a country's two letters (ISO 3166) in capitals; None where there is none. Raises BadInput."""
    letters = said.upper() if said else None
    if letters and not COUNTRY.fullmatch(letters):
        raise BadInput("two letters (ISO 3166) such as AT", "country")
    return letters


def _stripe_ids(row: Row) -> list[str]:
    ids = several(row, "stripe_customer_ids")
    # what is no id of Stripe's would be asked for there in vain, and the person's data would stay
    if not all(STRIPE_ID.fullmatch(one) for one in ids):
        raise BadInput("Stripe's ids of customers, cus_…, several apart by spaces or semicolons", "stripe_customer_ids")
    return ids


def _said(row: Row) -> Said:
    reading, sent = Reading(), row.cells.get("email")
    linked = Linked(
        user_id=reading.of(needed, row, "user_id") or "",
        email=sent,
        email_verified=reading.of(truth, row, "email_verified") or False,
        name=row.cells.get("name"),
        locale=reading.of(_locale, row),
        country=reading.of(country, row.cells.get("country")),
        stripe_customer_ids=reading.of(_stripe_ids, row) or [],
        ga_client_ids=several(row, "ga_client_ids"),
        meta_user_ids=several(row, "meta_user_ids"),
    )
    email = reading.of(identity.address, sent) if sent is not None else None
    reading.of(subjects.check, linked)
    reading.end()
    return Said(linked, email)


def _locale(row: Row) -> str | None:
    # as other programs write it: de_AT
    said = row.cells.get("locale", "").replace("_", "-")
    return identity.locale(said) if said else None


def _completing(known: Identifiers, said: Said) -> Said:
    """Return what the account does not say yet. Raises Stale where it has another address."""
    linked = said.linked
    email = _new_address(known, said)
    absent: dict[str, Any] = {name: getattr(linked, name) for name in TEXTS if not getattr(known, name)}
    ids: dict[str, Any] = {name: _unknown(getattr(linked, name), getattr(known, name)) for name in IDS}
    verified = linked.email_verified and email is not None
    return Said(Linked(user_id=linked.user_id, email=email, email_verified=verified, **absent, **ids), email)


def _new_address(known: Identifiers, said: Said) -> str | None:
    """Return the address that the row adds, or confirms; None where the account keeps what it has. Raises Stale."""
    here = known.addresses[-1] if known.addresses else known.unconfirmed
    if said.email is None or here is None:
        return said.email
    if not said.linked.email_verified:
        return None
    if said.email != here:
        confirmed = "confirmed here" if known.addresses else "here and waits to be confirmed"
        raise Stale(f"another address of this user is {confirmed}; the website's server changes it", "email")
    return None if known.addresses else said.email


def _unknown(said: list[str], known: list[str]) -> list[str]:
    return [one for one in said if one not in known]


def _digest(value: Any) -> bytes:
    return blake2b(msgspec.json.encode(value), digest_size=16).digest()
