"""Where to look or what to press next, from how things stand: nobody has to know the story beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.words import date

if TYPE_CHECKING:
    from infra.local.demo.cases import Case, Needed
    from infra.local.demo.front import Person


class NextStep(NamedTuple):
    """A sentence, and the part of the page it is about."""

    words: str
    place: str
    link: str


SIGN_UP = NextStep("Sign somebody up, the way a visitor of the website would.", "sign-up", "To the form")
ASK = NextStep("Ask for the deletion of somebody’s data, as that person would.", "people", "To the people")
CONFIRM = NextStep(
    "A request waits for its mailbox. Open the newest mail, follow its link, and press the one button there.",
    "outbox",
    "To the outbox",
)
WATCH = NextStep(
    "The deletion is under way. Move the clock by another day, and watch the steps settle.", "clock", "To the clock"
)
ATTENTION = NextStep(
    "Something needs a person: look at what it is, mend the cause, and try again.", "steps", "To the list"
)
ENDED = NextStep(
    "The request has come to its end. Look at what is left, and verify the evidence.", "stored", "To what is left"
)


def next_step(people: Sequence[Person], cases: Sequence[Case], attention: Sequence[Needed]) -> NextStep:
    """Say what to do next, by the newest request."""
    if any(one.subprocessor for one in attention):
        return ATTENTION
    if not people and not cases:
        return SIGN_UP
    if not cases or _somebody_new(people, cases):
        return ASK
    return _by_status(cases[0].view)


def _somebody_new(people: Sequence[Person], cases: Sequence[Case]) -> bool:
    ended = all(case.view["status"] not in {"unverified", "verified", "in_progress"} for case in cases)
    return ended and bool(people) and people[0].stored.email is not None and not people[0].requests


def _by_status(view: dict[str, Any]) -> NextStep:
    status = view["status"]
    if status == "unverified":
        return CONFIRM
    if status == "verified":
        begins = f" until {date(view['begins_at'])}" if "begins_at" in view else ""
        return NextStep(
            f"Confirmed. There is time to cancel{begins}. Move the clock by one day.", "clock", "To the clock"
        )
    if status == "in_progress":
        return WATCH
    return ENDED if status in {"completed", "partly_retained", "awaiting_vendors"} else SIGN_UP
