"""An answer that comes when its step is settled: by a person meanwhile, or by another run that was quicker.

What was settled stays settled, and nothing that was said is lost: it is evidence, it may tell more than the record does, and
what is worse than the record comes to a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from shared import answers, attention, ledger
from shared.answers import Said
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.outcomes import UNSETTLED, worst
from shared.ports import Part
from shared.records import Retained, Step

ANSWERED_LATE = "answered_late"
NOTED = "step.answered_late"


def take(case: Case, name: str, said: Said, kept: Iterable[Retained] = ()) -> bool:
    """Note what it says beyond the record; tell whether that is anything. `kept`: what law keeps, as it is on record."""
    before = case.record.steps[name]
    parts = () if isinstance(said, TryAgain | NeverRetry) else said
    recorded = before.evidence or {}
    known = answers.with_kept(answers.merged(recorded, answers.told(parts)), kept)
    facts = _facts(name, said, parts)
    is_more = known != recorded
    if not is_more and (not _is_news(case, before, said, parts) or _is_noted(case, facts)):
        return False
    case.note(NOTED, **facts)
    if is_more:
        _know(case, name, known, parts)
    came_to = [case.record.steps[name].outcome, *(part.outcome for part in parts)]
    problem = said.code if isinstance(said, NeverRetry) else answers.trouble(before, came_to)
    if problem is not None:
        case.also(*attention.raised(ANSWERED_LATE, case.id, case.now, problem, subprocessor=name))
    return True


def tells_of_objection(parts: Iterable[Part]) -> bool:
    """Tell whether a vendor knew of a no to marketing."""
    return any(part.evidence.get("objection_found") for part in parts)


def _is_news(case: Case, before: Step, said: Said, parts: Sequence[Part]) -> bool:
    if isinstance(said, NeverRetry):
        return before.outcome != "failed"
    is_objection = tells_of_objection(parts) and not case.record.objected
    return is_objection or answers.is_news(before.evidence or {}, answers.told(parts))


def _is_noted(case: Case, facts: dict[str, Any]) -> bool:
    """A commit whose answer was lost is done again: what it noted stands."""
    entries = ledger.stream_of(case.services.store, case.id)
    return any(one.record.kind == NOTED and one.record.facts == facts for one in entries)


def _facts(name: str, said: Said, parts: Sequence[Part]) -> dict[str, Any]:
    if isinstance(said, NeverRetry):
        return {"subprocessor": name, "problem": said.code}
    # without an answer it is what law keeps that was found on record
    outcome = worst(part.outcome for part in parts) if parts else "retained"
    return {"subprocessor": name, "outcome": outcome, "parts": msgspec.to_builtins(parts)}


def _know(case: Case, name: str, known: answers.Parts, parts: Sequence[Part]) -> None:
    before = case.record.steps[name]
    # what failed, or is held, is a person's to settle: a late answer is only evidence for that
    sums: dict[str, Any] = {"evidence": dict(known)} if before.outcome in UNSETTLED else answers.summed(known)
    copies = [before.physically_gone_by, *(part.physically_gone_by for part in parts)]
    sums["physically_gone_by"] = max((one for one in copies if one), default=None)
    case.set(steps=case.record.steps | {name: msgspec.structs.replace(before, **sums)})
