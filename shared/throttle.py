"""Ten requests an hour for one address, counted by create-only documents: no read, no counter to contend for."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.failures import TooMany
from shared.identity import broad
from shared.ports import Services
from shared.records import Throttle
from shared.store import Create

AN_HOUR = timedelta(hours=1)
MOST_AN_HOUR = 10


def place(services: Services, email: str, now: datetime, field: str = "email", *, look: bool) -> Create:
    """Return the change that takes one of the address's places for this hour.

    The first try takes place 0 unseen; with `look`, after a conflict, the first free one is found. Raises TooMany.
    """
    hour = now.replace(minute=0, second=0)
    key = services.vault.keyed("throttle", f"{broad(email)}|{hour.isoformat()}")
    for n in range(MOST_AN_HOUR):
        if not look or services.store.get(Throttle, f"{key}:{n}") is None:
            return Create(f"{key}:{n}", Throttle(expires_at=hour + 2 * AN_HOUR))
    raise TooMany(f"at most {MOST_AN_HOUR} an hour for one address", field)
