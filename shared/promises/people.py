"""Whom a proven address leads to, and restricting them while their request runs (TRUTH §1, §2, §8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import msgspec

from shared import identity, suppressions
from shared.identity import Identifiers
from shared.ports import Services
from shared.records import REQUESTS_OF_ADDRESS, Alias, Link, Request, Subject, Suppression
from shared.store import Change, Create, Delete, Put, Stored, Update, every
from shared.times import Clock, plus

CHANGED_ADDRESS_COOLING_OFF = timedelta(days=5)


@dataclass(frozen=True)
class Found:
    """A subject somebody's proof leads to."""

    ref: str
    stored: Stored[Subject]
    known: Identifiers

    @property
    def is_account(self) -> bool:
        """Tell whether it is an account; a mailbox belongs to whoever proves the address."""
        return self.stored.record.kind == "account"


@dataclass(frozen=True)
class Address:
    """An address as one reading found it. What is decided on its links is committed on the condition that they still stand."""

    email: str
    alias_id: str
    stored: Stored[Alias] | None

    @property
    def links(self) -> list[Link]:
        """Return every link of it, followed or not."""
        return self.stored.record.links if self.stored else []

    def linked(self, links: list[Link]) -> Change:
        """Return the change that gives it these links."""
        return Update(self.stored, Alias(links=links)) if self.stored else Create(self.alias_id, Alias(links=links))

    def is_anothers(self, refs: Iterable[str]) -> bool:
        """Tell whether an account beside these has it now."""
        return any(one.kind == "account" and one.ref not in refs and one.replaced_at is None for one in self.links)


class Reach(NamedTuple):
    """Whom a no reaches. `bound`: makes it a conflict when somebody leaves the address at this very moment."""

    emails: list[str]
    bound: list[Change]


def address(services: Services, email: str) -> Address:
    """Read an address."""
    alias_id = identity.alias(services.vault, "email", email)
    return Address(email, alias_id, services.store.get(Alias, alias_id))


def reached(services: Services, email: str) -> Reach:
    """Return whom a no reaches: its address, and the present one of everybody who has left it. It moved with the person.

    Where somebody else took the address over it is their word, and stops there.
    """
    found = address(services, email)
    left = [link.ref for link in found.links if identity.moved_away(link, found.links)]
    present = [one.known.addresses[-1] for one in by_refs(services, left) if one.known.addresses]
    stays = any(link.replaced_at is None for link in found.links)
    return Reach(list(dict.fromkeys([email, *present])), [found.linked(found.links)] if stays else [])


def by_address(services: Services, email: str) -> list[Found]:
    """Return the subjects that proof of an address opens, accounts first, in a stable order."""
    found = [
        one
        for link in identity.followed(links_of(services, email), services.clock.now())
        if (one := by_ref(services, link.ref))
    ]
    return sorted(found, key=lambda one: (not one.is_account, one.stored.record.created_at, one.known.user_id or ""))


def by_user(services: Services, user_id: str) -> Found | None:
    """Return the account of a website's user id."""
    alias = services.store.get(Alias, identity.alias(services.vault, "user", user_id))
    return by_ref(services, alias.record.links[0].ref) if alias else None


def by_ref(services: Services, ref: str) -> Found | None:
    """Return a subject with its identifiers opened."""
    stored = services.store.get(Subject, ref)
    if stored is None:
        return None
    known = msgspec.convert(services.vault.unseal(f"subjects/{ref}", stored.record.sealed), Identifiers)
    return Found(ref, stored, known)


def by_refs(services: Services, refs: Iterable[str]) -> list[Found]:
    """Return those of these subjects that are still here."""
    return [one for ref in refs if (one := by_ref(services, ref))]


def links_of(services: Services, email: str) -> list[Link]:
    """Return every link of an address, followed or not."""
    return address(services, email).links


def requests_of(services: Services, values: Iterable[str], *, years: int = 2) -> Iterator[Stored[Request]]:
    """Yield the requests that were made by these addresses or user ids, in this year and those before it."""
    newest = services.clock.now().year
    for value in values:
        for year in range(newest, newest - years, -1):
            yield from every(services.store, REQUESTS_OF_ADDRESS, services.vault.keyed(f"evidence:{year}", value))


def own_and_shared(services: Services, found: list[Found], asked: str | None) -> tuple[list[str], list[str]]:
    """Split the addresses into those that are these subjects' alone and those another account still uses.

    An address that has become somebody else's is in neither.
    """
    refs = {one.ref for one in found}
    own: list[str] = []
    shared: list[str] = []
    for email in dict.fromkeys([*([asked] if asked else []), *(one for each in found for one in each.known.addresses)]):
        links = links_of(services, email)
        own_links = [link for link in links if link.ref in refs and not identity.taken_over(link, links)]
        if email != asked and not own_links:
            continue
        others = [
            link for link in links if link.kind == "account" and link.ref not in refs and link.replaced_at is None
        ]
        (shared if others else own).append(email)
    return own, shared


def proven_alone(
    found: Sequence[Found], own: Sequence[str], user_id: str | None, email: str | None
) -> list[Identifiers]:
    """Return what was proved but leads to no subject of ours: the website may hold data by it all the same."""
    alone = []
    if user_id and all(one.known.user_id != user_id for one in found):
        alone.append(Identifiers(user_id=user_id))
    if email in own and all(email not in one.known.addresses for one in found):
        alone.append(Identifiers(addresses=[str(email)]))
    return alone


def notice_addresses(services: Services, found: list[Found], clock: Clock) -> list[str]:
    """Return every address of these subjects that must hear of a verified request."""
    now = clock.now()
    addresses = dict.fromkeys(email for each in found for email in each.known.addresses)
    refs = {one.ref for one in found}
    return [
        email
        for email in addresses
        if any(link.ref in refs and identity.lately_current(link, now) for link in links_of(services, email))
    ]


def freshly_changed(services: Services, found: list[Found]) -> bool:
    """Tell whether any of these subjects has an address that replaced another in the last 14 days."""
    refs = {one.ref for one in found}
    links = [link for each in found for email in each.known.addresses for link in links_of(services, email)]
    return identity.freshly_changed([link for link in links if link.ref in refs], services.clock.now())


def cooling_off(services: Services, found: list[Found]) -> timedelta:
    """Return how long the first step waits: the company's time, and longer where an address is new (TRUTH §2)."""
    now = services.clock.now()
    own = plus(now, services.company.cooling_off) - now
    return max(own, CHANGED_ADDRESS_COOLING_OFF) if freshly_changed(services, found) else own


def restricted(found: list[Found], request_id: str) -> list[Change]:
    """Return the changes that stop processing for a request."""
    return [
        Update(one.stored, msgspec.structs.replace(one.stored.record, restricted_by=[*before, request_id]))
        for one in found
        if request_id not in (before := one.stored.record.restricted_by)
    ]


def released(found: Iterable[Found], request_ids: set[str]) -> list[Change]:
    """Return the changes that lift these requests' restrictions."""
    return [
        Update(one.stored, msgspec.structs.replace(one.stored.record, restricted_by=without))
        for one in found
        if (without := [each for each in one.stored.record.restricted_by if each not in request_ids])
        != one.stored.record.restricted_by
    ]


def silenced(services: Services, addresses: list[str], request_id: str) -> dict[str, Change]:
    """Return, by id, what stops all but service mail to these addresses while an erasure runs: a mark for each request."""
    stop = Suppression(reason="erasure", since=services.clock.now(), requests=[request_id])
    name = f"erasure-{request_id}"
    return {key: Put(key, stop) for one in addresses if (key := identity.suppression(services.vault, one, name))}


def unsilenced(services: Services, ids: list[str], request_id: str) -> list[Change]:
    """Return the changes that end what a request stops. What another one stops too, or stands by itself, stays."""
    held = [stored for key in ids if (stored := services.store.get(Suppression, key))]
    return [_without(one, request_id) for one in held if request_id in one.record.requests]


def _without(stored: Stored[Suppression], request_id: str) -> Change:
    others = [one for one in stored.record.requests if one != request_id]
    if not others:
        return Delete(Suppression, stored.id, stored.version)
    return Update(stored, msgspec.structs.replace(stored.record, requests=others))


def objected(services: Services, addresses: list[str]) -> bool:
    """Tell whether the holder of any of these addresses objected to all marketing, and said yes to no mail since."""
    by_mail = {purpose.name for purpose in services.company.purposes if purpose.channel == "email"}
    found = [suppressions.chosen(services, email).get(suppressions.MARKETING) for email in addresses]
    return any(one is not None and one.reason == "objection" and not by_mail & {*one.except_for} for one in found)


def opted_out(services: Services, addresses: list[str]) -> bool:
    """Tell whether the holder of any of these addresses said no to something else; that outlives an erasure too."""
    said = [suppressions.chosen(services, email) for email in addresses]
    return any(name != suppressions.MARKETING or one.except_for for stops in said for name, one in stops.items())


def still_current(services: Services, found: list[Found], email: str) -> bool:
    """Tell whether an address is one these subjects have now, and not one they have left."""
    refs = {one.ref for one in found}
    return any(link.ref in refs and link.replaced_at is None for link in links_of(services, email))
