"""Stripe's customers. One counts for the account that names it by its id; its e-mail alone links nothing (TRUTH §1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from infra.subprocessors.stripe_transport import StripeTransport
from shared import identity
from shared.failures import BadInput, Stale
from shared.imports.customers import COUNTRY, linked
from shared.imports.customers import Said as Customer
from shared.imports.rows import Row, Taken, checked
from shared.ports import Services
from shared.promises import people
from shared.promises.subjects import Linked
from shared.records import Alias

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """A customer that an account may name, and what Stripe knows of it."""

    id: str
    name: str | None
    locale: str | None
    country: str | None


class StripeCustomers:
    """Rows of Stripe's list: completes the accounts that name them, and nothing else."""

    optimistic = False

    def read(self, row: Row) -> Said:
        """Take what is well formed; a language, a name or a country that is not, is left out."""
        cells = checked(row).cells
        locale = cells.get("locale")
        known = locale if locale and identity.LOCALE.fullmatch(locale) else None
        name = cells.get("name")
        country = cells.get("country", "").upper()
        is_country = COUNTRY.fullmatch(country)
        return Said(row.where, name if name and len(name) <= 200 else None, known, country if is_country else None)

    def read_on(self) -> None:
        """Do nothing: it brings nobody in."""

    def decide(self, services: Services, said: Said) -> Taken:
        """Complete the one account that names this customer. Raises BadInput where none does, Stale where several do."""
        alias = services.store.get(Alias, identity.alias(services.vault, "stripe", said.id))
        if alias is None:
            raise BadInput("no account names it; an address alone links nothing", "stripe_customer_ids")
        if len(alias.record.links) > 1:
            raise Stale("several accounts name it, so it counts for none", "stripe_customer_ids")
        found = people.by_ref(services, alias.record.links[0].ref)
        if found is None or found.known.user_id is None:
            raise Stale("its account is being erased", "stripe_customer_ids")
        more = Linked(user_id=found.known.user_id, name=said.name, locale=said.locale, country=said.country)
        return linked(services, Customer(more, None))


def rows(transport: StripeTransport) -> Iterator[Row]:
    """Yield every customer that has an e-mail, newest first."""
    with_email = (one for one in transport.every("customers") if one.get("email"))
    for line, customer in enumerate(with_email, 1):
        yield Row(line, dict(_cells(customer)), where=str(customer["id"]))


def _cells(customer: Json) -> Iterable[tuple[str, str]]:
    locales = customer.get("preferred_locales") or []
    country = (customer.get("address") or {}).get("country")
    for name, value in (
        ("name", customer.get("name")),
        ("locale", locales[0] if locales else None),
        ("country", country),
    ):
        if isinstance(value, str) and value.strip():
            yield name, value
