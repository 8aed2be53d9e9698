"""What a person must look at: a list with stable names, and one alert mail for all that came up within ten minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.records import Attention, Incident, Work
from shared.store import Change, Delete, Put

ALERTS_EVERY = timedelta(minutes=10)
ALERT = "operator.alert"
REPORT_WITHIN = timedelta(hours=72)


def raised(
    kind: str, ref: str, now: datetime, problem: str | None = None, about: str = "", subprocessor: str | None = None
) -> list[Change]:
    """Return the changes that put something on the list and have the operators alerted. Saying it twice is harmless."""
    thing = Attention(kind=kind, since=now, ref=ref, subprocessor=subprocessor, problem=problem)
    return [Put(attention_id(kind, ref, subprocessor or about), thing), _alert(now)]


def attention_id(kind: str, ref: str, about: str = "") -> str:
    """Name the thing, so that it stands on the list once."""
    return ":".join(part for part in (ref, kind, about) if part)


def _alert(now: datetime) -> Change:
    slot = now - timedelta(minutes=now.minute % 10, seconds=now.second)
    work = Work(kind=ALERT, ref="operators", due_at=slot + ALERTS_EVERY, created_at=now)
    return Put(f"alert-{slot:%Y%m%d%H%M}", work)


def settled(kind: str, ref: str, about: str = "") -> Change:
    """Return the change that takes something off the list."""
    return Delete(Attention, attention_id(kind, ref, about))


def incident(kind: str, ref: str, now: datetime) -> list[Change]:
    """Return the changes that open an incident with its 72-hour clock (GDPR Art. 33)."""
    opened = Incident(kind=kind, ref=ref, at=now, report_by=now + REPORT_WITHIN)
    return [Put(f"{ref}:{kind}", opened), *raised("incident", ref, now, kind, kind)]
