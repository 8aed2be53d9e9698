"""What is known by one identifier when it is asked whether data may be used: subjects, and the stops of their address.

Each costs few round trips: a device two, an account or an address one more, whatever is stopped for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from shared import identity, suppressions
from shared.identity import Identifiers
from shared.ports import Services
from shared.records import Alias, Subject, Suppression
from shared.store import Stored


@dataclass(frozen=True)
class Known:
    """Subjects, what is stopped for their address, and that address where the mailbox's own word counts."""

    subjects: Sequence[Stored[Subject]]
    stops: dict[str, Suppression] = field(default_factory=dict)
    address: str | None = None


def by_device(services: Services, device_id: str, now: datetime) -> Known:
    """Return what is known by a browser."""
    return Known(_linked(services, "device", device_id, now))


def by_user(services: Services, user_id: str, now: datetime, *, by_mail: bool) -> Known:
    """Return what is known by an account, which counts with the address it has now.

    `by_mail`: what that mailbox itself decided counts as well.
    """
    found = _linked(services, "user", user_id, now)
    address = _address(services, found[0]) if found else None
    if address is None:
        return Known(found)
    if by_mail and not found[0].record.restricted_by:
        found += [one for one in _linked(services, "email", address, now) if one.record.kind == "mailbox"]
    return Known(found, suppressions.of(services, address), address if by_mail else None)


def by_address(services: Services, email: str, now: datetime) -> Known:
    """Return what is known by an address: its mailbox, and the accounts that proof of it would open."""
    return Known(_linked(services, "email", email, now), suppressions.of(services, email), email)


def _linked(services: Services, kind: str, value: str, now: datetime) -> list[Stored[Subject]]:
    alias = services.store.get(Alias, identity.alias(services.vault, kind, value))
    links = alias.record.links if alias else []
    followed = identity.followed(links, now) if kind == "email" else links[:1]
    return [one for link in followed if (one := services.store.get(Subject, link.ref))]


def _address(services: Services, stored: Stored[Subject]) -> str | None:
    opened = services.vault.unseal(f"subjects/{stored.id}", stored.record.sealed)
    known = msgspec.convert(opened, Identifiers)
    return known.addresses[-1] if known.addresses else None
