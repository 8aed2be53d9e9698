"""Who is who (TRUTH §1): the website's server links a person's identifiers, each link with its source and confirmation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shared import identity
from shared.failures import BadInput, TryAgain
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import objections, people
from shared.promises.people import Address
from shared.records import Alias, Link, Subject
from shared.store import Change, Create, Stored, Update, persist
from shared.vault import new_id

MOST_IDS = 50


class Linked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the website's server knows of one account. An e-mail counts only with `email_verified: true`."""

    user_id: str
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    locale: str | None = None
    country: str | None = None
    stripe_customer_ids: list[str] = []
    ga_client_ids: list[str] = []
    meta_user_ids: list[str] = []


def link(services: Services, said: Linked) -> tuple[dict[str, Any], bool]:
    """Create or update an account and its links; return the answer and whether it is new. May be called again.

    Raises BadInput by field; TryAgain while the account is being erased.
    """
    check(said)
    email = identity.address(said.email) if said.email is not None else None

    def attempt(_look: bool) -> tuple[dict[str, Any], bool]:
        changes, is_new = linking(services, said, email)
        services.commit(changes)
        return _answer(said, email), is_new

    return persist(attempt)


def linking(services: Services, said: Linked, email: str | None) -> tuple[list[Change], bool]:
    """Return what creates or updates an account and its links, and whether it is new. Raises TryAgain.

    `said` is checked; `email`: its address, as identity compares it.
    """
    user_alias = identity.alias(services.vault, "user", said.user_id)
    alias = services.store.get(Alias, user_alias)
    stored = services.store.get(Subject, alias.record.links[0].ref) if alias else None
    if alias and stored is None:
        raise TryAgain("subject_is_being_erased")
    return _changes(services, said, email, stored, user_alias, services.clock.now()), stored is None


def check(said: Linked) -> None:
    """Refuse what no account can be called, the address aside. Raises BadInput by field."""
    identity.user_id(said.user_id)
    identity.locale(said.locale)
    for field in ("stripe_customer_ids", "ga_client_ids", "meta_user_ids"):
        values = getattr(said, field)
        if len(values) > MOST_IDS or any(not 1 <= len(value) <= 255 or not value.isprintable() for value in values):
            raise BadInput(f"at most {MOST_IDS} ids of 1 to 255 printable characters", field)
    for field, most in (("name", 200), ("country", 60)):
        if len(getattr(said, field) or "") > most:
            raise BadInput(f"at most {most} characters", field)


def _answer(said: Linked, email: str | None) -> dict[str, Any]:
    state = None if email is None else "confirmed" if said.email_verified else "unconfirmed"
    return {"user_id": said.user_id, "email": state}


def _changes(
    services: Services, said: Linked, email: str | None, stored: Stored[Subject] | None, user_alias: str, now: datetime
) -> list[Change]:
    ref = stored.id if stored else new_id()
    place = f"subjects/{ref}"
    known = (
        msgspec.convert(services.vault.unseal(place, stored.record.sealed), Identifiers) if stored else Identifiers()
    )
    earlier = known.addresses[-1] if known.addresses else None
    _merge(known, said, email)
    confirmed = email is not None and said.email_verified
    # read once: whether others have it and the link to it must come from the same moment
    address = people.address(services, email) if email and confirmed else None
    if address:
        known.shared = address.is_anothers({ref})
    sealed = services.vault.seal(place, known)
    changes: list[Change] = []
    if stored:
        unreachable_at = None if confirmed else stored.record.unreachable_at
        after = msgspec.structs.replace(stored.record, sealed=sealed, unreachable_at=unreachable_at)
        changes.append(Update(stored, after))
    else:
        account = Link(ref=ref, kind="account", source="server", confirmed_at=now)
        changes += [
            Create(ref, Subject(kind="account", created_at=now, sealed=sealed)),
            Create(user_alias, Alias(links=[account])),
        ]
    if address:
        changes += _address_links(services, ref, address, earlier, now)
    changes += _id_links(services, ref, "stripe", said.stripe_customer_ids, now)
    return changes + _id_links(services, ref, "meta", said.meta_user_ids, now)


def _merge(known: Identifiers, said: Linked, email: str | None) -> None:
    known.user_id = said.user_id
    for field in ("name", "locale", "country"):
        setattr(known, field, getattr(said, field) or getattr(known, field))
    for field in ("stripe_customer_ids", "ga_client_ids", "meta_user_ids"):
        setattr(known, field, list(dict.fromkeys([*getattr(known, field), *getattr(said, field)])))
    if email and said.email_verified:
        known.addresses = [*(one for one in known.addresses if one != email), email]
        known.unconfirmed = None
    elif email and email not in known.addresses:
        known.unconfirmed = email


def _address_links(services: Services, ref: str, address: Address, earlier: str | None, now: datetime) -> list[Change]:
    replaces = earlier is not None and earlier != address.email
    changes = [_confirmed(address, ref, now, changed=replaces)]
    if replaces and earlier is not None:
        changes += _replaced(services, ref, earlier, now)
        changes += objections.carried(services, earlier, address.email)
    return changes


def _id_links(services: Services, ref: str, kind: str, ids: list[str], now: datetime) -> list[Change]:
    """Link what a vendor's webhooks speak of. One customer of two accounts keeps both links: it counts for neither."""
    found = [_id_link(services, ref, identity.alias(services.vault, kind, one), now) for one in dict.fromkeys(ids)]
    return [change for change in found if change is not None]


def _id_link(services: Services, ref: str, alias_id: str, now: datetime) -> Change | None:
    alias = services.store.get(Alias, alias_id)
    links = alias.record.links if alias else []
    if any(one.ref == ref for one in links):
        return None
    after = Alias(links=[*links, Link(ref=ref, kind="account", source="server", confirmed_at=now)])
    return Update(alias, after) if alias else Create(alias_id, after)


def _confirmed(address: Address, ref: str, now: datetime, *, changed: bool) -> Change:
    links = address.links
    own = next((one for one in links if one.ref == ref), None)
    changed_at = now if changed else own.changed_at if own else None
    stands = own is not None and own.replaced_at is None
    since = (own.since or own.confirmed_at) if own and stands else None
    fresh = Link(ref=ref, kind="account", source="server", confirmed_at=now, since=since, changed_at=changed_at)
    # in its place where it stands already: of two in one second, the one before was first
    others = [one for one in links if one.ref != ref]
    return address.linked([fresh if one.ref == ref else one for one in links] if stands else [*others, fresh])


def _replaced(services: Services, ref: str, email: str, now: datetime) -> list[Change]:
    left = people.address(services, email)
    links = [msgspec.structs.replace(one, replaced_at=now) if one.ref == ref else one for one in left.links]
    return [left.linked(links)] if left.stored else []
