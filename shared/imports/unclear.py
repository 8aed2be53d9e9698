"""A no in a file of consents that cannot be read whole: what can be read of it counts.

A day that nobody can read, a purpose that nobody knows, both an account and an address: none of it makes a no a yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared import identity
from shared.company import Company, Purpose
from shared.failures import BadInput
from shared.imports.rows import Reading, Row, moment
from shared.promises import unsubscribing
from shared.suppressions import MARKETING


@dataclass(frozen=True)
class Unclear:
    """A no of an account, of an address, or of both. `at`: None where nobody knows when.

    `purpose`: the consent it refuses, None where that cannot be told; `names`: the lists that it stops.
    """

    line: int
    user_id: str | None
    email: str | None
    names: Sequence[str]
    purpose: Purpose | None
    at: datetime | None


def read_unclear(row: Row, company: Company, now: datetime) -> Unclear:
    """Return what can be read of a no. Raises Faults where neither an account nor an address can."""
    reading, cells = Reading(), row.cells
    user = reading.of(identity.user_id, cells["user_id"]) if "user_id" in cells else None
    email = reading.of(identity.address, cells["email"]) if "email" in cells else None
    if user is None and email is None:
        reading.of(_nobody)
        reading.end()
    purpose = company.purpose(cells.get("purpose", ""))
    asked = purpose if purpose and purpose.legal_basis == "consent" else None
    lists = unsubscribing.lists(company)
    names = [purpose.name] if purpose and (asked or purpose.name in lists) else [MARKETING]
    return Unclear(row.line, user, email, names, asked, _when(row, now))


def _nobody() -> None:
    raise BadInput("either a user id or an address is needed", "user_id")


def _when(row: Row, now: datetime) -> datetime | None:
    try:
        return moment(row, "at", now)
    except BadInput:
        return None
