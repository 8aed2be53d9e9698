"""A no from before: unsubscribes of a file, a vendor's lists. Stop broadly: what can be read of it is taken.

A purpose nobody knows, or none, stops all direct marketing; a date that cannot be read does not keep a no from counting.
Only a yes that was given here later stands against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import msgspec

from shared import identity, suppressions
from shared.company import Company
from shared.failures import BadInput, Missing
from shared.imports.rows import Row, Stop, Taken, checked, moment, needed
from shared.ports import Services
from shared.promises import people, receipts, unsubscribing
from shared.promises.objections import MARKETING
from shared.records import Decision, Subject, Suppression
from shared.store import Change, Create, Update

NEEDED = ("email",)
COLUMNS = ("email", "purpose", "at")
LATER_YES = "later_yes"


@dataclass(frozen=True)
class Said:
    """Who says no to what. `at`: None where nobody knows when. `unreachable`: there is no such mailbox, and that is all."""

    email: str
    names: Sequence[str] = ()
    at: datetime | None = None
    unreachable: bool = False


class Stops:
    """Rows of unsubscribes and of suppressions."""

    optimistic = False

    def __init__(self, company: Company, now: datetime) -> None:
        self._lists = unsubscribing.lists(company)
        self._now = now

    def read(self, row: Row) -> Said:
        """Check a row. A vendor's row says in `unreachable` that it is about the mailbox alone."""
        # whatever else may stand in another column than its own: where an address is, somebody says no
        shifted, row = bool(row.wrong), checked(replace(row, wrong=""))
        asked = row.cells.get("purpose", MARKETING).split()
        names = [name for name in asked if name in self._lists]
        email = identity.address(needed(row, "email"))
        if shifted or len(names) != len(asked):
            names = [MARKETING]
        return Said(email, names, None if shifted else self._when(row), "unreachable" in row.cells)

    def _when(self, row: Row) -> datetime | None:
        try:
            return moment(row, "at", self._now)
        except BadInput:
            return None

    def read_on(self) -> None:
        """Do nothing: a no counts whoever was erased."""

    def decide(self, services: Services, said: Said) -> Taken:
        """Stop it, unless it is stopped already or a later yes stands against it."""
        if said.unreachable:
            return _unreachable(services, said)
        reach = reached(services, said.email, said.at)
        taken = stopping(services, reach.emails, said.names, said.at)
        return replace(taken, changes=[*taken.changes, *reach.bound]) if taken.changes else taken


class Reach(NamedTuple):
    """Whom a no reaches. `bound`: makes it a conflict when an account leaves the address at this very moment."""

    emails: list[str]
    bound: list[Change]


def reached(services: Services, email: str, at: datetime | None) -> Reach:
    """Return the address, and the present one of each account that has left it since the no: that moved with the person."""
    address = people.address(services, email)
    links = [one for one in address.links if one.kind == "account"]
    left = [one for one in links if one.replaced_at is not None and (at is None or at <= one.replaced_at)]
    found = people.by_refs(services, [one.ref for one in left])
    emails = list(dict.fromkeys([email, *(one.known.addresses[-1] for one in found if one.known.addresses)]))
    return Reach(emails, [address.linked(address.links)] if any(one.replaced_at is None for one in links) else [])


def stopping(services: Services, emails: Sequence[str], names: Sequence[str], at: datetime | None) -> Taken:
    """Return what stops these lists for these addresses, what vendors must be told, and the first one's word for it."""
    each = [_stopping(services, email, names, at) for email in emails]
    changes = [change for one in each for change in one.changes]
    stops = [stop for one in each for stop in one.stops]
    return Taken("stopped" if changes else each[0].word if each else "unchanged", changes, stops)


def _stopping(services: Services, email: str, names: Sequence[str], at: datetime | None) -> Taken:
    standing, later = suppressions.stored(services, email), _said_yes_since(services, email, at)
    fresh: dict[str, Suppression] = {}
    for name in names:
        was = standing[name].record if name in standing else None
        stop = _stop(services.company, name, was, later, at or services.clock.now())
        if stop is not None:
            fresh[name] = stop
    if not fresh:
        nobody_stopped = not any(one.record.reason in suppressions.CHOSEN for one in standing.values())
        return Taken(LATER_YES if later & {*names} and nobody_stopped else "unchanged")
    ids = {name: identity.suppression(services.vault, email, name) for name in fresh}
    # never in place of a no that is said here at this very moment: a later one has no exceptions
    changes: list[Change] = [
        Update(standing[name], one) if name in standing else Create(ids[name], one) for name, one in fresh.items()
    ]
    reasons = sorted({one.reason for one in fresh.values()})
    stops = [
        Stop(email, reason, mine, [ids[name] for name in mine])
        for reason in reasons
        if (mine := [name for name, one in fresh.items() if one.reason == reason])
    ]
    return Taken("stopped", changes, stops)


def _stop(
    company: Company, name: str, standing: Suppression | None, later: set[str], since: datetime
) -> Suppression | None:
    marketing = {one.name for one in company.purposes if one.is_marketing}
    except_for = sorted(later & marketing) if name == MARKETING else []
    if name in later or (standing and {*standing.except_for} <= {*except_for}):
        return None
    purpose = company.purpose(name)
    reason = "withdrawn" if purpose and purpose.legal_basis == "consent" else "objection"
    return Suppression(reason=reason, since=since, except_for=except_for)  # type: ignore[arg-type]


def _said_yes_since(services: Services, email: str, at: datetime | None) -> set[str]:
    """Return the purposes that somebody known by this address said yes to, here, after the no."""
    if at is None:
        return set()
    links = identity.followed(people.links_of(services, email), services.clock.now())
    subjects = [one for link in links if (one := services.store.get(Subject, link.ref))]
    later = [(name, one) for each in subjects for name, one in each.record.decisions.items() if one.at > at]
    return {name for name, one in later if one.granted and not _is_imported(services, one)}


def _is_imported(services: Services, decision: Decision) -> bool:
    """Tell whether a yes stood in a file: what was not given here stands against no no."""
    try:
        return "imported" in receipts.receipt(services, decision.receipt)["receipt"]
    except Missing:
        # the evidence of a yes is erased with the browser that gave it, and a file has none
        return False


def _unreachable(services: Services, said: Said) -> Taken:
    """Mark the accounts that have this address now: notices to them would come back."""
    now = services.clock.now()
    links = [link for link in people.links_of(services, said.email) if link.replaced_at is None and link.confirmed_at]
    found = [one for link in links if (one := services.store.get(Subject, link.ref))]
    unmarked = [one for one in found if one.record.unreachable_at is None]
    marked = [Update(one, msgspec.structs.replace(one.record, unreachable_at=said.at or now)) for one in unmarked]
    return Taken("unreachable" if marked else "unchanged" if found else "unknown", marked)
