"""Customers: accounts and who they are, by the rules under which the website's server links them (TRUTH §1)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from shared import identity
from shared.failures import BadInput, Stale, TryAgain
from shared.identity import Identifiers
from shared.imports.rows import Row, Taken, checked, needed, several, truth
from shared.ports import Services
from shared.promises import people, subjects
from shared.promises.subjects import Linked
from shared.records import ALL_TOMBSTONES, Alias
from shared.store import every

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


@dataclass(frozen=True)
class Said:
    """A checked row. `email`: as identity compares it."""

    linked: Linked
    email: str | None


def buried(services: Services) -> frozenset[str]:
    """Return the aliases of everybody erased lately: a copy from before must not bring them back."""
    stones = every(services.store, ALL_TOMBSTONES)
    opened = [services.vault.unseal(f"tombstones/{one.id}", one.record.sealed) for one in stones]
    known = [msgspec.convert(one, Identifiers) for one in opened]
    users = [one.user_id for one in known if one.user_id]
    addresses = [address for one in known for address in one.addresses]
    return frozenset(
        identity.alias(services.vault, kind, value)
        for kind, values in (("user", users), ("email", addresses))
        for value in values
    )


class Customers:
    """Rows of a file of customers. An account that is here keeps what it says; a row completes it and replaces nothing."""

    optimistic = True

    def __init__(self, services: Services) -> None:
        self._services = services
        self._erased = buried(services)
        self._seen: dict[bytes, tuple[int, bytes]] = {}

    def read(self, row: Row) -> Said | None:
        """Check a row by itself and against those before it; None for one that repeats another."""
        said = _said(checked(row))
        user, whole = _digest(said.linked.user_id), _digest([said.linked, said.email])
        line, before = self._seen.setdefault(user, (row.line, whole))
        if line != row.line and before != whole:
            raise BadInput(f"line {line} says something else of this user", "user_id")
        if self._erased:
            self._refuse_erased(said)
        return said if line == row.line else None

    def _refuse_erased(self, said: Said) -> None:
        vault = self._services.vault
        user = identity.alias(vault, "user", said.linked.user_id)
        email = identity.alias(vault, "email", said.email) if said.email else ""
        named = next((name for name, one in (("user_id", user), ("email", email)) if one in self._erased), None)
        if named and self._services.store.get(Alias, user) is None:
            raise Stale("erased here not long ago; this row is from before", named)

    def decide(self, services: Services, said: Said | None) -> Taken:
        """Link the account, or complete the one that is here."""
        return Taken("repeated") if said is None else linked(services, said)


def linked(services: Services, said: Said) -> Taken:
    """Link an account, or have the one that is here say what it did not say yet. Raises Stale."""
    found = people.by_user(services, said.linked.user_id)
    wanted = _completing(found.known, said) if found else said
    if found and wanted.linked == Linked(user_id=said.linked.user_id):
        return Taken("unchanged")
    try:
        changes, is_new = subjects.linking(services, wanted.linked, wanted.email)
    except TryAgain:
        raise Stale("this account is being erased", "user_id") from None
    return Taken("new" if is_new else "completed", changes)


def _said(row: Row) -> Said:
    linked = Linked(
        user_id=needed(row, "user_id"),
        email=row.cells.get("email"),
        email_verified=truth(row, "email_verified"),
        name=row.cells.get("name"),
        locale=row.cells.get("locale"),
        country=row.cells.get("country"),
        stripe_customer_ids=several(row, "stripe_customer_ids"),
        ga_client_ids=several(row, "ga_client_ids"),
        meta_user_ids=several(row, "meta_user_ids"),
    )
    subjects.check(linked)
    return Said(linked, identity.address(linked.email) if linked.email is not None else None)


def _completing(known: Identifiers, said: Said) -> Said:
    """Return what the account does not say yet. Raises Stale where it has another confirmed address."""
    linked = said.linked
    email = said.email
    if known.addresses or email == known.unconfirmed:
        if email and linked.email_verified and known.addresses and email != known.addresses[-1]:
            raise Stale("another address of this user is confirmed here; the website's server changes it", "email")
        email = email if linked.email_verified and not known.addresses else None
    absent: dict[str, Any] = {name: getattr(linked, name) for name in TEXTS if not getattr(known, name)}
    ids: dict[str, Any] = {name: _unknown(getattr(linked, name), getattr(known, name)) for name in IDS}
    verified = linked.email_verified and email is not None
    return Said(Linked(user_id=linked.user_id, email=email, email_verified=verified, **absent, **ids), email)


def _unknown(said: list[str], known: list[str]) -> list[str]:
    return [one for one in said if one not in known]


def _digest(value: Any) -> bytes:
    return blake2b(msgspec.json.encode(value), digest_size=16).digest()
