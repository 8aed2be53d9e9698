"""§5.1: our own records of a person beside the account itself: links, requests, stops, mails, consents that wait.

Keyed codes stand for a person in our records and are personal data too, so they are shown. Other people's links are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from shared import identity
from shared.identity import Identifiers
from shared.ports import Person
from shared.records import (
    MAILS_OF_ADDRESS,
    PENDINGS_OF_ADDRESS,
    REQUESTS_OF_ADDRESS,
    SUPPRESSIONS_OF_ADDRESS,
    Alias,
    InboundMail,
    Link,
    Pending,
    Request,
    Suppression,
)
from shared.store import Store, Stored, every
from shared.vault import Vault

YEARS_KEPT = 3
"""A lookup is keyed by the year it was made in, and evidence is kept for three years by default."""


def shown(store: Store, vault: Vault, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Return what our own records hold of a person, by part; nothing that is another's."""
    return {
        "links": [one for known in person.known for one in _links(store, vault, known, person.refs)],
        "requests": [_request(vault, one, person.refs) for one in _requests(store, vault, person)],
        "stops": [_stop(one) for email in person.addresses for one in _stops(store, vault, email)],
        "mails": [_mail(vault, one) for email in person.addresses for one in _mails(store, vault, email)],
        "waiting_consents": [_pending(one) for email in person.addresses for one in _pendings(store, vault, email)],
    }


def _links(store: Store, vault: Vault, known: Identifiers, refs: list[str]) -> Iterator[dict[str, Any]]:
    for kind, value in _identifiers(known):
        reference = identity.alias(vault, kind, value)
        alias = store.get(Alias, reference)
        for link in alias.record.links if alias else []:
            if link.ref in refs:
                yield {"identifier": value, "kind": kind, "reference": reference, **_linked(link)}


def _identifiers(known: Identifiers) -> Iterator[tuple[str, str]]:
    named = {"user": known.user_id, "device": known.device_id}
    yield from ((kind, value) for kind, value in named.items() if value)
    yield from (("email", address) for address in known.addresses)
    yield from (("stripe", one) for one in known.stripe_customer_ids)
    yield from (("meta", one) for one in known.meta_user_ids)


def _linked(link: Link) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(link)
    return {name: value for name, value in said.items() if name not in {"ref", "kind"}}


def _requests(store: Store, vault: Vault, person: Person) -> list[Stored[Request]]:
    """Return the requests of these addresses and accounts. One that was proved for other accounts is another's."""
    asked = store.get(Request, person.request_id)
    if asked is None:
        return []
    newest = asked.record.received_at.year + 1
    values = [*person.addresses, *person.user_ids()]
    lookups = [vault.keyed(f"evidence:{newest - n}", value) for value in values for n in range(YEARS_KEPT + 2)]
    found = {one.id: one for lookup in lookups for one in every(store, REQUESTS_OF_ADDRESS, lookup)}
    found.pop(person.request_id, None)  # the one that asks: its file says so
    return [one for one in found.values() if not one.record.subjects or set(one.record.subjects) & set(person.refs)]


def _request(vault: Vault, stored: Stored[Request], refs: Iterable[str]) -> dict[str, Any]:
    record = stored.record
    names = (
        "right",
        "status",
        "channel",
        "locale",
        "received_at",
        "verified_at",
        "begun_at",
        "closed_at",
        "expires_at",
    )
    said = {name: value for name in names if (value := getattr(record, name)) is not None}
    mails = [{"mail": one.template, "status": one.status, "at": one.at} for one in record.mails.values()]
    told = [msgspec.to_builtins(one) for one in record.told]
    more = {"reference": record.lookup, "mails": mails, "told": told, "details": _details(vault, stored, refs)}
    whole: dict[str, Any] = msgspec.to_builtins({"request_id": stored.id, **said, **more})
    return {name: value for name, value in whole.items() if value}


def _details(vault: Vault, stored: Stored[Request], refs: Iterable[str]) -> str | None:
    """Return what was written with a request, to whoever proved to have written it."""
    if stored.record.sealed is None or not set(stored.record.subjects) & set(refs):
        return None
    opened: dict[str, Any] = vault.unseal(f"requests/{stored.id}", stored.record.sealed)
    return opened.get("details")


def _stops(store: Store, vault: Vault, email: str) -> list[Stored[Suppression]]:
    begins = identity.suppressions(vault, email)
    return store.query(SUPPRESSIONS_OF_ADDRESS, at_least=begins, at_most=f"{begins}~")


def _stop(stored: Stored[Suppression]) -> dict[str, Any]:
    reference, _, purpose = stored.id.partition(":")
    return {"reference": reference, "stopped": purpose, **msgspec.to_builtins(stored.record)}


def _mails(store: Store, vault: Vault, email: str) -> list[Stored[InboundMail]]:
    return list(every(store, MAILS_OF_ADDRESS, identity.alias(vault, "email", email)))


def _mail(vault: Vault, stored: Stored[InboundMail]) -> dict[str, Any]:
    """Return a mail to the contact address that still waits, as it was read."""
    opened: dict[str, Any] = vault.unseal(f"inbound_mails/{stored.id}", stored.record.sealed)
    said = {name: opened.get(name) for name in ("sender", "subject", "text")}
    received_at = msgspec.to_builtins(stored.record.received_at)
    return {"reference": stored.record.address, "received_at": received_at, **said}


def _pendings(store: Store, vault: Vault, email: str) -> list[Stored[Pending]]:
    return list(every(store, PENDINGS_OF_ADDRESS, identity.alias(vault, "email", email)))


def _pending(stored: Stored[Pending]) -> dict[str, Any]:
    names = ("purposes", "policy", "receipt", "created_at", "expires_at", "confirmed_at")
    said: dict[str, Any] = msgspec.to_builtins({name: getattr(stored.record, name) for name in names})
    return {"reference": stored.record.address, **said}
