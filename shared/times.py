"""Time as the policy counts it: whole seconds, UTC, calendar months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import isodate

from shared.failures import BadInput

PROMISED = timedelta(days=14)
ANSWERABLE_FOR = timedelta(hours=20)
"""So long a mail can be answered before what it announces begins, when nobody asked for it."""


class Clock(Protocol):
    """Where `now` comes from. Aware, UTC, whole seconds (so that stored times sort as text)."""

    def now(self) -> datetime:
        """Return the present."""
        ...


@lru_cache(maxsize=1024)
def plus(moment: datetime, duration: str) -> datetime:
    """Add an ISO 8601 duration; months and years are calendar ones (31 January + P1M = 28 February)."""
    later: datetime = moment + isodate.parse_duration(duration)
    return later


def valid_duration(text: str, field: str) -> str:
    """Return the ISO 8601 duration unchanged, or refuse it by the name of its field."""
    try:
        isodate.parse_duration(text)
    except (isodate.ISO8601Error, TypeError, ValueError, OverflowError):
        text = "T"
    # the library takes a bare "PT" for zero; the standard wants a number
    if text.endswith("T"):
        raise BadInput("an ISO 8601 duration such as P14D or PT24H is needed", field)
    return text


def statutory_month(received_at: datetime) -> datetime:
    """Return the end of the calendar month the law gives from receipt (GDPR Art. 12(3))."""
    return plus(received_at, "P1M")


def rfc3339(moment: datetime) -> str:
    """Write a time as the contract does: `2026-11-22T15:00:00Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="seconds")[:19] + "Z"


def whole_second(moment: datetime) -> datetime:
    """Drop the fraction and move to UTC."""
    return moment.astimezone(UTC).replace(microsecond=0)
