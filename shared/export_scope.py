"""§5.1: which part of what is held goes into an export, and what is said of what does not (GDPR Art. 15, 20)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from shared.annex import OURS
from shared.failures import NeverRetry, TryAgain
from shared.records import Outcome, Right
from shared.times import rfc3339

Answer = dict[str, Any] | TryAgain | NeverRetry
"""What a connector's `export` came to."""
Gap = dict[str, str]

SCOPE: Mapping[str, str] = {
    "access": "It holds all that we, and those who work for us, could read about you. What is missing is named.",
    "portability": (
        "It holds what you gave us yourself or by using the service, and what we use by your consent or for our contract "
        "with you (GDPR Art. 20). What we made of it or noted about it is left out; ask for access to get all of it."
    ),
}
PORTABLE: Mapping[str, frozenset[str]] = {
    OURS: frozenset({"identifiers", "consents", "documents", "files", "files_left_out", "sign_ins"}),
    "stripe": frozenset({"customers", "subscriptions", "payment_methods"}),
    "sendgrid": frozenset({"contacts"}),
}
"""What a person takes elsewhere. Bills, charges, bounces, links and requests are records about them, made by others."""
UNREAD = (
    "could not be read although we tried; a person here is looking at it, and a new copy follows when that is mended"
)
BESIDE = frozenset({"gaps", "unclear"})
"""What an answer says beside what is held."""
ERASED = "an account was deleted, at another request, before this copy was made"


def within(right: Right, who: str, held: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Split what one subprocessor holds into the parts an export shows and the names of those it leaves out."""
    parts = {name: value for name, value in held.items() if name not in BESIDE}
    if right != "portability":
        return parts, []
    kept = PORTABLE.get(who, frozenset())
    return {name: value for name, value in parts.items() if name in kept}, [name for name in parts if name not in kept]


def gaps(who: str, answer: Answer, checked: date | None, now: datetime) -> list[Gap]:
    """Return what one subprocessor's part lacks, why, and as of when. `checked`: when its own limits were looked up."""
    if isinstance(answer, TryAgain | NeverRetry):
        return [gap(who, UNREAD, now) | {"problem": answer.code}]
    as_of = {"as_of": checked.isoformat()} if checked else {}
    return [gap(who, why, now) | as_of for why in answer.get("gaps", [])]


def gap(who: str, why: str, now: datetime) -> Gap:
    """Name one thing that is missing."""
    return {"subprocessor": who, "why": why, "as_of": rfc3339(now)}


def outcome(answer: Answer, *, keeps_nothing: bool) -> Outcome:
    """Return what became of one subprocessor's part: `verified` is read, and in the file."""
    if problem(answer) is not None:
        return "failed"
    if not isinstance(answer, TryAgain | NeverRetry) and answer.keys() - BESIDE:
        return "verified"
    return "no_store" if keeps_nothing else "nothing_found"


def problem(answer: Answer) -> str | None:
    """Return why a person must look at it: it could not be read, or may be theirs or another's."""
    if isinstance(answer, TryAgain | NeverRetry):
        return answer.code
    return "unclear" if answer.get("unclear") else None


def evidence(answer: Mapping[str, Any], reasons: Iterable[str]) -> dict[str, Any]:
    """Return how much was read, as counts, and each reason why something was not."""
    counts = {
        name: len(part) if isinstance(part, list | dict) else 1 for name, part in answer.items() if name not in BESIDE
    }
    said = {f"missing {n}": {"reason": reason} for n, reason in enumerate(reasons, 1)}
    return ({"read": counts} if counts else {}) | said
