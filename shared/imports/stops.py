"""A no from before: unsubscribes of a file, a vendor's lists. Stop broadly: what can be read of it is taken.

A purpose nobody knows, or none, stops all direct marketing; a date that cannot be read does not keep a no from counting.
Only a yes that was given here later stands against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from shared import identity, known, suppressions
from shared.company import Company
from shared.failures import BadInput
from shared.imports.rows import Row, Stop, Taken, checked, moment, needed
from shared.ports import Services
from shared.promises import people, unsubscribing
from shared.promises.objections import MARKETING
from shared.records import Subject, Suppression
from shared.store import Change, Put, Update

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
        checked(row)
        asked = row.cells.get("purpose", MARKETING).split()
        names = [name for name in asked if name in self._lists]
        email = identity.address(needed(row, "email"))
        unreachable = "unreachable" in row.cells
        return Said(email, names if len(names) == len(asked) else [MARKETING], self._when(row), unreachable)

    def _when(self, row: Row) -> datetime | None:
        try:
            return moment(row, "at", self._now)
        except BadInput:
            return None

    def decide(self, services: Services, said: Said) -> Taken:
        """Stop it, unless it is stopped already or a later yes stands against it."""
        if said.unreachable:
            return _unreachable(services, said)
        changes, stops, word = stopping(services, said.email, said.names, said.at)
        return Taken(word, changes, stops)


def stopping(
    services: Services, email: str, names: Sequence[str], at: datetime | None
) -> tuple[list[Change], list[Stop], str]:
    """Return what stops these lists for an address, what vendors must be told, and the word for it."""
    standing, later = suppressions.chosen(services, email), _said_yes_since(services, email, at)
    fresh: dict[str, Suppression] = {}
    for name in names:
        stop = _stop(services.company, name, standing.get(name), later, at or services.clock.now())
        if stop is not None:
            fresh[name] = stop
    if not fresh:
        return [], [], LATER_YES if later & {*names} and not standing else "unchanged"
    puts = {name: Put(identity.suppression(services.vault, email, name), one) for name, one in fresh.items()}
    reasons = sorted({one.reason for one in fresh.values()})
    stops = [
        Stop(email, reason, mine, [puts[name].id for name in mine])
        for reason in reasons
        if (mine := [name for name, one in fresh.items() if one.reason == reason])
    ]
    return list(puts.values()), stops, "stopped"


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
    """Return the purposes that somebody known by this address said yes to after the no."""
    if at is None:
        return set()
    subjects = known.by_address(services, email, services.clock.now()).subjects
    decided = [(name, one) for stored in subjects for name, one in stored.record.decisions.items()]
    return {name for name, one in decided if one.granted and one.at > at}


def _unreachable(services: Services, said: Said) -> Taken:
    """Mark the accounts that have this address now: notices to them would come back."""
    now = services.clock.now()
    links = [link for link in people.links_of(services, said.email) if link.replaced_at is None and link.confirmed_at]
    found = [one for link in links if (one := services.store.get(Subject, link.ref))]
    unmarked = [one for one in found if one.record.unreachable_at is None]
    marked = [Update(one, msgspec.structs.replace(one.record, unreachable_at=said.at or now)) for one in unmarked]
    return Taken("unreachable" if marked else "unchanged" if found else "unknown", marked)
