"""From recorded outcomes to a step's outcome, a request's status, and whether the promise was met (API.md). Pure rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import get_args

from shared.records import Outcome, Request, Status, Step

WORST_FIRST: tuple[str, ...] = get_args(Outcome)
UNSETTLED = frozenset({"pending", "held", "failed"})
ENDED = frozenset({"completed", "awaiting_vendors", "partly_retained", "denied", "withdrawn", "unconfirmed"})


def worst(outcomes: Iterable[str]) -> str:
    """Return the worst outcome of a step's parts, in the contract's order. An empty step has no outcome: ValueError."""
    return min(outcomes, key=WORST_FIRST.index)


def status_of(request: Request, now: datetime) -> Status:
    """Compute the status from the recorded outcomes (API.md, "Status from outcomes")."""
    if request.begun_at is None or request.status in {"denied", "withdrawn", "unconfirmed"}:
        return request.status
    steps = list(request.steps.values())
    if not steps or request.ours_done_at is None or any(step.outcome in UNSETTLED for step in steps):
        return "in_progress"
    if any(step.outcome == "retained" for step in steps):
        return "partly_retained"
    if any(_vendor_still_holds(step, now) for step in steps):
        return "awaiting_vendors"
    return "completed"


def _vendor_still_holds(step: Step, now: datetime) -> bool:
    if step.outcome == "scheduled_by_vendor":
        return True
    return step.outcome == "accepted" and step.until is not None and step.until > now


def promise_met(request: Request, now: datetime) -> bool | None:
    """Tell whether own data was gone and every vendor instructed by the promised date; None while it is open."""
    by = request.promise_by
    if by is None or request.begun_at is None:
        return None if by is None or now <= by or request.status in ENDED else False
    settled = [step.at for step in request.steps.values() if step.outcome not in UNSETTLED]
    if request.ours_done_at is not None and len(settled) == len(request.steps) and request.steps:
        return max(request.ours_done_at, *settled) <= by
    return False if now > by else None
