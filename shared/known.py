"""What is known by one identifier when it is asked whether data may be used: subjects, and the stops of their address.

Each costs few round trips: a device two, an account or an address one more, whatever is stopped for it. An account with an
address that nobody confirmed beside the one it has costs another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from shared import identity, suppressions
from shared.identity import Identifiers
from shared.ports import Services
from shared.records import Alias, Link, Subject, Suppression
from shared.store import Stored


@dataclass(frozen=True)
class Known:
    """Subjects, what is stopped for each of their addresses, and the confirmed one where the mailbox's own word counts."""

    subjects: Sequence[Stored[Subject]]
    stops: Sequence[Mapping[str, Suppression]] = ()
    address: str | None = None


def by_device(services: Services, device_id: str) -> Known:
    """Return what is known by a browser."""
    return Known(_linked(services, "device", device_id))


def by_user(services: Services, user_id: str, now: datetime, *, by_mail: bool, sent: bool) -> Known:
    """Return what is known by an account, which counts with the address it has now.

    `by_mail`: what that mailbox itself decided counts as well. `sent`: something would be sent to it, or shown to whoever
    has its address. Then a no of an address that nobody confirmed counts too.
    """
    found = _linked(services, "user", user_id)
    known = _opened(services, found[0]) if found else Identifiers()
    stops = [suppressions.of(services, one) for one in (known.mailboxes if sent else known.addresses[-1:])]
    if not by_mail or not known.addresses:
        return Known(found, stops)
    address = known.addresses[-1]
    if not found[0].record.restricted_by:
        found += [one for one in _of_address(services, address, now, sent=True) if one.record.kind == "mailbox"]
    return Known(found, stops, address)


def by_address(services: Services, email: str, now: datetime, *, sent: bool) -> Known:
    """Return what is known by an address: its mailbox, and the accounts that proof of it would open.

    `sent`: as above. Then nobody counts who has left it: mailboxes are recycled.
    """
    return Known(_of_address(services, email, now, sent=sent), [suppressions.of(services, email)], email)


def _linked(services: Services, kind: str, value: str) -> list[Stored[Subject]]:
    return _subjects(services, _links(services, kind, value)[:1])


def _of_address(services: Services, email: str, now: datetime, *, sent: bool) -> list[Stored[Subject]]:
    links = identity.followed(_links(services, "email", email), now)
    return _subjects(services, [one for one in links if not (sent and one.replaced_at)])


def _links(services: Services, kind: str, value: str) -> list[Link]:
    alias = services.store.get(Alias, identity.alias(services.vault, kind, value))
    return alias.record.links if alias else []


def _subjects(services: Services, links: Sequence[Link]) -> list[Stored[Subject]]:
    return [one for link in links if (one := services.store.get(Subject, link.ref))]


def _opened(services: Services, stored: Stored[Subject]) -> Identifiers:
    opened = services.vault.unseal(f"subjects/{stored.id}", stored.record.sealed)
    return msgspec.convert(opened, Identifiers)
