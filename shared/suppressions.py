"""What is stopped for an address, read in one round trip: a person's own no, and what a request stops while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from shared import identity
from shared.ports import Services
from shared.records import SUPPRESSIONS_OF_ADDRESS, Suppression
from shared.store import Stored

MARKETING = "marketing"
"""The name of a no to all direct marketing."""
CHOSEN = frozenset({"objection", "withdrawn"})
"""Reasons that are a person's own word; the others last as long as their request."""
MOST = 500


def stored(services: Services, email: str) -> dict[str, Stored[Suppression]]:
    """Return everything stopped for an address, by a purpose's name, `marketing`, or the name of what a request stops."""
    begins = identity.suppressions(services.vault, email)
    found = services.store.query(SUPPRESSIONS_OF_ADDRESS, at_least=begins, at_most=f"{begins}~", limit=MOST)
    return {one.id.removeprefix(begins): one for one in found}


def of(services: Services, email: str) -> dict[str, Suppression]:
    """Return the same, records alone."""
    return {name: one.record for name, one in stored(services, email).items()}


def chosen(services: Services, email: str) -> dict[str, Suppression]:
    """Return what the address said no to: a purpose's name or `marketing`, and its record."""
    return {name: one for name, one in of(services, email).items() if one.reason in CHOSEN}


def from_all(stops: Mapping[str, Suppression], purpose: str) -> Suppression | None:
    """Return the no to all marketing where it stands against this purpose of marketing too."""
    everything = stops.get(MARKETING)
    return everything if everything is not None and purpose not in everything.except_for else None
