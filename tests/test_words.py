"""What is said in plain words is what is known, and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest

from shared import words
from shared.annex import NAMES
from shared.records import Outcome, Right, Status

ACCEPTED = "Told to delete; it said yes. It offers no way to check."
UNTIL = {"until": "2027-01-23T09:12:00Z"}


def test_a_time_is_written_out_in_utc() -> None:
    ahead = datetime(2026, 11, 22, 16, 0, tzinfo=timezone(timedelta(hours=1)))
    assert words.date("2026-11-22T15:00:00Z") == "22 November 2026, 15:00 UTC"
    assert words.date(ahead) == "22 November 2026, 15:00 UTC"
    assert words.day(datetime(2027, 1, 3, tzinfo=UTC)) == "3 January 2027"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"outcome": "verified"}, "Deleted, and checked that it is gone"),
        ({"outcome": "nothing_found"}, "Looked, nothing was held"),
        ({"outcome": "accepted"}, ACCEPTED),
        (
            {"outcome": "accepted", **UNTIL},
            f"{ACCEPTED} Its own copies run out by 23 January 2027, 09:12 UTC.",
        ),
        (
            {"outcome": "scheduled_by_vendor", **UNTIL},
            "Told to delete; it says that it will do so by 23 January 2027, 09:12 UTC",
        ),
        (
            {"outcome": "retained", "ground": "invoices, Companies Act", **UNTIL},
            "Kept because the law says so: invoices, Companies Act, until 23 January 2027, 09:12 UTC",
        ),
        ({"outcome": "failed"}, "Needs a person here; we are on it"),
        ({"outcome": "pending"}, "Not done yet"),
    ],
)
def test_an_outcome_of_an_erasure_is_said_as_it_was_recorded(step: dict[str, Any], said: str) -> None:
    assert words.outcome(step) == said


@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("right", get_args(Right))
def test_every_outcome_has_words_and_only_an_erasure_speaks_of_deleting(outcome: str, right: str) -> None:
    said = words.outcome({"outcome": outcome}, right)
    assert "_" not in said
    assert right == "erasure" or "delet" not in said.lower()


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("right", get_args(Right))
def test_every_status_of_every_right_is_a_sentence(status: str, right: str) -> None:
    assert words.state({"status": status, "right": right}).endswith(".")
    assert words.right(right) != right


def test_every_subprocessor_has_a_title_and_our_own_records_are_explained() -> None:
    assert all(words.recipient(name) != name for name in NAMES)
    assert words.explained("google_cloud_platform") == "our own records and the website's data"
    assert words.explained("stripe") == ""


def test_reasons_are_found_in_every_part_of_the_evidence_and_said_once() -> None:
    evidence = {"reason": "no store", "parts": [{"reason": "no store"}, {"reason": "no cookie", "count": 1}]}
    assert words.reasons(evidence) == ["no store", "no cookie"]
    assert words.reasons(None) == []


def test_a_record_is_laid_out_without_leaving_anything_out() -> None:
    record = {"a_b": {"c": [True, {"d": None}]}, "e": []}
    assert list(words.facts(record)) == [("a b · c · 1", "yes"), ("a b · c · 2 · d", "none"), ("e", "none")]
