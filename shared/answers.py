"""What subprocessors answer: asked one beside the other, and put together where one question got several answers.

What is recorded of an answer are its parts by name, each as a person reads it. Pure rules, but for the asking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from shared.failures import NeverRetry, TryAgain
from shared.outcomes import UNSETTLED, WORST_FIRST, worst
from shared.ports import Part
from shared.records import Retained, Step
from shared.store import Conflict
from shared.times import rfc3339

T = TypeVar("T")
Failure = TryAgain | NeverRetry
Said = Sequence[Part] | TryAgain | NeverRetry
Parts = Mapping[str, dict[str, Any]]
BY_HAND = "by hand"
KEPT = "kept: "
"""Begins the name of a part that nobody answered with: we found on record that law keeps it."""
LESS_KNOWN_FIRST = ("no_store", "nothing_found", "accepted", "scheduled_by_vendor", "verified", "retained")
"""Of two answers about one thing the later one here says more: whoever asks second finds what the first has left."""
TROUBLING = UNSETTLED | {"retained"}


def asked(name: str, act: Callable[[], T]) -> T | TryAgain | NeverRetry:
    """Ask one of several; return its answer or its failure. A defect in one connector keeps nobody from the others."""
    try:
        return act()
    except (TryAgain, NeverRetry) as failure:
        return failure
    except Conflict:
        # somebody else moved our own record: that is no fault of whoever was asked
        raise
    except Exception as error:  # noqa: BLE001 - a setting that is missing, or a defect: a person must see it
        return NeverRetry(f"{name}_defect_{type(error).__name__}")


def failures(tried: Iterable[object]) -> list[Failure]:
    """Return what failed of several, what a person must mend first: it would hide behind an outage for ever."""
    failed = [one for one in tried if isinstance(one, TryAgain | NeverRetry)]
    return sorted(failed, key=lambda one: isinstance(one, TryAgain))


def told(parts: Iterable[Part]) -> dict[str, dict[str, Any]]:
    """Return parts as the person reads them: two grounds, two dates."""
    return {part.name: _told(part) for part in parts}


def _told(part: Part) -> dict[str, Any]:
    said: dict[str, Any] = {"outcome": part.outcome}
    if part.ground:
        said["ground"] = part.ground
    if part.until:
        said["until"] = rfc3339(part.until)
    return said | part.evidence


def summed(parts: Parts) -> dict[str, Any]:
    """Return what a step says of its parts: the worst outcome, the last date, every ground."""
    said = [one for one in parts.values() if "outcome" in one]
    untils = [datetime.fromisoformat(one["until"]) for one in said if "until" in one]
    grounds = dict.fromkeys(one["ground"] for one in said if one.get("ground"))
    return {
        "outcome": worst(one["outcome"] for one in said),
        "until": max(untils, default=None),
        "ground": "; ".join(grounds) or None,
        "evidence": dict(parts),
    }


def settled_by_hand(parts: Parts, by: str) -> dict[str, dict[str, Any]]:
    """Put an operator's word in place of what is not settled: `accepted`, never `verified`. The rest stays as it was said."""
    word = {"outcome": "accepted", "by": by}
    settled = {name: word if said.get("outcome") in UNSETTLED else said for name, said in parts.items()}
    return settled if word in settled.values() else settled | {BY_HAND: word}


def with_kept(parts: Parts, records: Iterable[Retained]) -> dict[str, dict[str, Any]]:
    """Add what is on record as kept by law and no part says: whoever put it there may not have come to answer."""
    named = dict(parts)
    for record in sorted(records, key=lambda one: one.until, reverse=True):
        if not any(record.ground in said.get("ground", "") for said in named.values()):
            until = rfc3339(record.until)
            named[f"{KEPT}{record.ground}"] = {"outcome": "retained", "ground": record.ground, "until": until}
    return named


def merged(recorded: Parts, late: Parts) -> dict[str, dict[str, Any]]:
    """Return what is known after a late answer. Nothing gets better without evidence, and nothing settled is open again."""
    better = {name: said for name, said in late.items() if _is_better(said["outcome"], recorded.get(name))}
    grounds = "; ".join(said.get("ground", "") for said in late.values())
    # what we found on record is told better by whoever put it there
    found = {name for name in recorded if name.startswith(KEPT) and name.removeprefix(KEPT) in grounds}
    return {name: said for name, said in recorded.items() if name not in found} | better


def _is_better(outcome: str, recorded: Mapping[str, Any] | None) -> bool:
    if outcome in UNSETTLED:
        return False
    if recorded is None:
        return True
    before = recorded.get("outcome")
    return before in LESS_KNOWN_FIRST and LESS_KNOWN_FIRST.index(outcome) > LESS_KNOWN_FIRST.index(before)


def is_news(recorded: Parts, late: Parts) -> bool:
    """Tell whether a late answer says what the record does not: nothing is left to find where somebody was quicker."""
    return any(
        name not in recorded or (said != recorded[name] and said["outcome"] not in {"nothing_found", "no_store"})
        for name, said in late.items()
    )


def trouble(recorded: Step, late: Iterable[str]) -> str | None:
    """Return the outcome that a person must look at: worse than what is recorded, and more than a matter of time."""
    came_to = worst([recorded.outcome, *late])
    is_worse = WORST_FIRST.index(came_to) < WORST_FIRST.index(recorded.outcome)
    return came_to if is_worse and came_to in TROUBLING else None
