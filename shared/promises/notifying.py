"""§5.1, §9: every recipient is told of a restriction or a correction, and what each one said is kept (GDPR Art. 19).

A step for each, our own records first; one work item goes through them, one after another. The request is done when none is
left to be told. An erasure has steps of its own, in `erasing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from shared import answers, attention, late_answers, work
from shared.annex import OURS
from shared.answers import BY_HAND, Said
from shared.case import LIFTED, Case
from shared.failures import NeverRetry, TryAgain
from shared.outcomes import UNSETTLED, worst
from shared.ports import Corrections, Part, Services
from shared.promises import erasure
from shared.records import Outcome, Status, Step, Told
from shared.store import persist

NOTIFY = "recipients.notify"
RIGHTS = frozenset({"restriction", "rectification"})
UNFORESEEN = "what was asked for is no field that we can correct by ourselves, so a person does it"
PROBLEMS = {BY_HAND: "rectification_by_hand", "website data": "website_correction"}


def ask(case: Case, names: Sequence[str]) -> None:
    """Plan a step for each of these subprocessors, and have them told. The status follows from the steps."""
    case.set(status="in_progress", steps={name: Step(at=case.now) for name in names})
    case.note("notifying", steps=list(names))
    case.work(NOTIFY)


def notify(services: Services, claim: work.Claim) -> None:
    """Tell each recipient whose step is pending (work `recipients.notify`). None holds up the others.

    One that refuses, or whose connector has a defect, has failed and comes to a person; one that is down is told again.
    """
    record = Case.read(services, claim.work.ref).record
    pending = [name for name, step in record.steps.items() if step.outcome == "pending"]
    said = [_told(Case.read(services, claim.work.ref), name) for name in sorted(pending, key=lambda one: one != OURS)]
    failures = [one for one in said if isinstance(one, TryAgain)]
    if failures:
        raise failures[0]
    services.commit([claim.done()])


def _told(case: Case, name: str) -> Said:
    if not _is_pending(case, name):
        return []
    what = _what(case)
    said = answers.asked(name, lambda: _tell(case, name, what))
    # the recipient's answer is kept, whatever else moved meanwhile
    return persist(lambda look: _record(Case.read(case.services, case.id) if look else case, name, what, said))


def _what(case: Case) -> str:
    if case.record.right == "rectification":
        return "rectification"
    # whoever was not told yet when a restriction ended may have heard of it all the same: lifting takes back what is ours;
    # one that is completed stands, until it is closed
    return "restriction" if case.record.closed_at is None else LIFTED


def _is_pending(case: Case, name: str) -> bool:
    step = case.record.steps.get(name)
    return step is not None and step.outcome == "pending"


def _tell(case: Case, name: str, what: str) -> Sequence[Part]:
    if what != "rectification":
        return case.services.connectors[name].restrict(case.person(), case.now, lifted=what == LIFTED)
    right = Corrections(**{one: case.envelope.corrections[one] for one in case.record.corrected})
    said = case.services.connectors[name].rectify(case.person(), right, case.now) if case.record.corrected else []
    by_hand = Part(outcome="failed", name=BY_HAND, evidence={"reason": UNFORESEEN})
    return [*said, *([by_hand] if name == OURS and is_left_to_a_person(case) else [])]


def is_left_to_a_person(case: Case) -> bool:
    """Tell whether something was asked that no field of ours takes, or a new address by somebody who may not change it."""
    asked = case.envelope.corrections.keys()
    unanswered = {"email" for key in case.record.keys.values() if key.opens == "address" and key.used_at is None}
    return not asked or bool(asked - set(case.record.corrected) - unanswered)


def _record(case: Case, name: str, what: str, said: Said) -> Said:
    if _what(case) != what:
        # it ended while this one was told of it
        return TryAgain("ended_meanwhile")
    if not _is_pending(case, name):
        # another run, or a person, settled it meanwhile: what is settled is not settled again
        if name in case.record.steps and late_answers.take(case, name, said):
            case.let_go()
            case.commit()
        return said
    attempts = case.record.steps[name].attempts + 1
    if isinstance(said, TryAgain):
        _step(case, name, attempts=attempts, problem=said.code)
        case.note("step.postponed", subprocessor=name, attempts=attempts, problem=said.code)
    elif isinstance(said, NeverRetry):
        _step(case, name, outcome="failed", attempts=attempts, problem=said.code)
        case.note("step.failed", subprocessor=name, attempts=attempts, problem=said.code)
        case.also(*attention.raised("step_failed", case.id, case.now, said.code, subprocessor=name))
    else:
        _settle(case, name, what, said, attempts)
    finish(case)
    case.commit()
    return said


def _step(case: Case, name: str, **fields: Any) -> None:
    steps = dict(case.record.steps)
    steps[name] = msgspec.structs.replace(steps[name], **({"at": case.now} | fields))
    case.set(steps=steps)


def _settle(case: Case, name: str, what: str, parts: Sequence[Part], attempts: int) -> None:
    outcome = worst(part.outcome for part in parts)
    until = max((part.until for part in parts if part.until), default=None)
    _step(case, name, outcome=outcome, attempts=attempts, problem=None, until=until, evidence=answers.told(parts))
    case.note("step.settled", subprocessor=name, what=what, outcome=outcome, parts=msgspec.to_builtins(parts))
    if outcome == "failed":
        problem = next(
            (PROBLEMS.get(part.name, "failed") for part in reversed(parts) if part.outcome == "failed"), "failed"
        )
        case.also(*attention.raised("step_failed", case.id, case.now, problem, subprocessor=name))
    else:
        _seen_to(case, name)
    _log(case, name, what, outcome)  # type: ignore[arg-type]


def _log(case: Case, name: str, what: str, outcome: Outcome) -> None:
    there = {(one.subprocessor, one.what) for one in case.record.told}
    if name != OURS and (name, what) not in there:
        said = Told(subprocessor=name, what=what, at=case.now, outcome=outcome)  # type: ignore[arg-type]
        case.set(told=[*case.record.told, said])


def _seen_to(case: Case, name: str) -> None:
    case.also(attention.settled("step_failed", case.id, name), attention.settled("step_late", case.id, name))


def finish(case: Case) -> None:
    """Draw the consequences: once every step is settled the request is done, and the person is told. A restriction stands."""
    if case.record.status != "in_progress" or any(one.outcome in UNSETTLED for one in case.record.steps.values()):
        case.let_go()
        return
    end(case, "completed")


def end(case: Case, status: Status) -> None:
    """End the request and mail what became of it. A restriction stands on, and keeps what its end will need."""
    case.set(status=status, closing_at=case.now)
    case.note("status", status=status)
    # only where the private link went: a merely notified address opens nothing
    opened = {one.to for one in case.record.mails.values() if one.template == "request_verified"}
    for label in sorted(opened & case.envelope.addresses.keys()):
        case.mail("request_done", label)
    if case.record.right == "restriction":
        case.set(open=False)
        case.also(*(attention.settled(kind, case.id) for kind in ("deadline_near", "accounts_not_chosen")))
    else:
        erasure.close(case)


def drop_steps(case: Case) -> None:
    """Take back what waits for a person: nobody was told anything."""
    if case.record.right in RIGHTS:
        for name in case.record.steps:
            _seen_to(case, name)
        case.set(steps={})


def retry(case: Case, name: str, by: str, reason: str) -> None:
    """Tell a recipient again now."""
    _step(case, name, outcome="pending", problem=None)
    case.note("step.retried", private=reason, subprocessor=name, by=by)
    case.also(attention.settled("step_failed", case.id, name))
    case.work(NOTIFY)


def resolve(case: Case, name: str, by: str, reason: str, evidence: str | None) -> None:
    """Settle by hand what is not settled of a step: `accepted`, never `verified`. What was read back stays as it was told."""
    parts = answers.settled_by_hand(case.record.steps[name].evidence or {}, by)
    _step(case, name, problem=None, **answers.summed(parts))
    outcome = case.record.steps[name].outcome
    case.note("step.resolved", private=f"{reason}\n{evidence or ''}", subprocessor=name, by=by, outcome=outcome)
    _seen_to(case, name)
    _log(case, name, _what(case), outcome)
    finish(case)
