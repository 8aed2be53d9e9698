"""From recorded outcomes to status and promise: tables."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.outcomes import WORST_FIRST, promise_met, status_of, worst
from shared.records import Head, Request, Step
from tests.promises.world import NOON

DAY = timedelta(days=1)
LATER, EARLIER = NOON + 60 * DAY, NOON + 2 * DAY


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        (["verified"], "verified"),
        (["nothing_found", "verified"], "verified"),
        (["no_store", "nothing_found"], "nothing_found"),
        (["accepted", "verified"], "accepted"),
        (["scheduled_by_vendor", "accepted"], "scheduled_by_vendor"),
        (["retained", "scheduled_by_vendor"], "retained"),
        (["pending", "retained"], "pending"),
        (["held", "pending"], "held"),
        (["failed", "held", "verified"], "failed"),
    ],
)
def test_a_steps_outcome_is_the_worst_of_its_parts(parts: list[str], outcome: str) -> None:
    assert worst(parts) == outcome
    assert worst(reversed(parts)) == outcome


def test_a_step_without_parts_has_no_outcome() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst([])


def request(*steps: Step, ours_done: bool = True, **more: object) -> Request:
    names = ("google_cloud_platform", "stripe", "sendgrid")
    fields: dict[str, object] = {
        "right": "erasure",
        "channel": "web",
        "locale": "en",
        "status": "in_progress",
        "open": True,
        "received_at": NOON,
        "statutory_by": NOON + 31 * DAY,
        "watch_by": NOON + 14 * DAY,
        "head": Head(seq=1, mac=""),
        "verified_at": NOON,
        "promise_by": NOON + 14 * DAY,
        "begun_at": NOON + DAY,
        "ours_done_at": NOON + DAY if ours_done else None,
        "steps": dict(zip(names, steps, strict=False)),
    }
    return Request(**(fields | more))  # type: ignore[arg-type]


def step(outcome: str, day: int = 1, **more: object) -> Step:
    return Step(outcome=outcome, at=NOON + day * DAY, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "ours_done", "status"),
    [
        ([], True, "in_progress"),
        ([step("verified")], False, "in_progress"),
        ([step("verified"), step("pending")], True, "in_progress"),
        ([step("verified"), step("held")], True, "in_progress"),
        ([step("verified"), step("failed")], True, "in_progress"),
        ([step("retained"), step("failed")], True, "in_progress"),
        ([step("retained"), step("scheduled_by_vendor")], True, "partly_retained"),
        ([step("verified"), step("scheduled_by_vendor")], True, "awaiting_vendors"),
        ([step("verified"), step("accepted", until=LATER)], True, "awaiting_vendors"),
        ([step("verified"), step("accepted", until=EARLIER)], True, "completed"),
        ([step("verified"), step("accepted")], True, "completed"),
        ([step("nothing_found"), step("no_store")], True, "completed"),
    ],
)
def test_the_status_is_computed_from_the_outcomes_and_from_nothing_else(
    steps: list[Step], ours_done: bool, status: str
) -> None:
    assert status_of(request(*steps, ours_done=ours_done), NOON + 3 * DAY) == status


@pytest.mark.parametrize("status", ["withdrawn", "denied", "unconfirmed"])
def test_what_was_ended_otherwise_stays_ended(status: str) -> None:
    assert status_of(request(step("verified"), status=status), NOON) == status


@pytest.mark.parametrize(
    ("steps", "ours_done", "day", "met"),
    [
        ([step("verified", 1), step("accepted", 2)], True, 3, True),
        ([step("verified", 1), step("accepted", 15)], True, 16, False),
        ([step("verified", 1), step("pending", 1)], True, 3, None),
        ([step("verified", 1), step("pending", 1)], True, 15, False),
        ([step("pending", 1)], False, 3, None),
        ([step("pending", 1)], False, 15, False),
        ([step("verified", 1), step("retained", 14)], True, 20, True),
    ],
)
def test_a_promise_is_met_when_own_data_is_gone_and_every_vendor_instructed_in_time(
    steps: list[Step], ours_done: bool, day: int, met: bool | None
) -> None:
    assert promise_met(request(*steps, ours_done=ours_done), NOON + day * DAY) is met


def test_the_names_of_outcomes_are_the_contracts_in_its_order() -> None:
    assert WORST_FIRST == (
        "failed", "held", "pending", "retained", "scheduled_by_vendor", "accepted", "verified", "nothing_found", "no_store",
    )  # fmt: skip
