"""§5.1: a copy is put together from everybody who holds something; what one cannot give is named, never left out in silence.

One work item asks every subprocessor: one that is down is waited for, three days at most, and keeps nobody from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from shared import attention, export_scope, export_zip, pieces, work
from shared.annex import OURS
from shared.case import Case
from shared.export_scope import Answer, Gap
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Ability, Person, Services
from shared.promises import erasure, fetching, people
from shared.promises.policy import IN_FORCE
from shared.records import Export, InForce, Policy, Request, Step, Subject
from shared.store import Stored, Update, persist
from shared.times import rfc3339

GATHER = "export.gather"
KEPT_FOR = timedelta(days=14)
TRIED_FOR = timedelta(days=3)


def gather(services: Services, claim: work.Claim) -> work.Ran:
    """Ask every subprocessor and make the file (work `export.gather`).

    One that is down is waited for, three days at most, and keeps none of the others from being asked.
    """
    case = Case.read(services, claim.work.ref)
    if claim.work.attempts > 1:
        pieces.remove_left(services.store, claim.id, case.record.export.id if case.record.export else None)
    if not _is_waiting(case):
        services.commit([claim.done()])
        return "done"
    person, erased = _whom(case)
    answers = {name: _asked(services, name, person) for name in case.record.steps}
    late = {name: answer for name, answer in answers.items() if isinstance(answer, TryAgain)}
    if late and case.now < claim.work.created_at + TRIED_FOR:
        persist(lambda _: _postpone(Case.read(services, case.id), late, claim))
        return "postponed"
    gaps = _gaps(case, answers, erased=erased)
    export = _packed(case, answers, gaps, pieces.named(claim.id, claim.work.attempts))
    try:
        persist(lambda _: _ready(Case.read(services, case.id), answers, export, erased=erased, claim=claim))
    except TryAgain:
        _take_back(Case.read(services, case.id), export)
        raise
    return "done"


def _is_waiting(case: Case) -> bool:
    return any(step.outcome == "pending" for step in case.record.steps.values())


def _whom(case: Case) -> tuple[Person, bool]:
    """Return whose data is asked for, and whether an account of theirs was erased meanwhile."""
    found = [one for ref in case.record.subjects if (one := people.by_ref(case.services, ref))]
    email, user_id = case.envelope.addresses.get("a1"), case.envelope.user_id
    own, shared = people.own_and_shared(case.services, found, email)
    person = Person(
        request_id=case.id,
        refs=[one.ref for one in found],
        known=[one.known for one in found] + people.proven_alone(found, own, user_id, email),
        addresses=own,
        shared_addresses=shared,
    )
    return person, len(found) < len(case.record.subjects)


def _asked(services: Services, name: str, person: Person) -> Answer:
    try:
        return services.connectors[name].export(person)
    except (TryAgain, NeverRetry) as failure:
        return failure
    except Exception as error:  # noqa: BLE001 - a defect in one connector must not keep a person from all the others
        return NeverRetry(f"defect_{type(error).__name__}")


def _postpone(case: Case, late: Mapping[str, TryAgain], claim: work.Claim) -> None:
    if not _is_waiting(case):
        # another run was quicker
        case.services.commit([claim.done()])
        return
    steps = dict(case.record.steps)
    for name, trouble in late.items():
        attempts = steps[name].attempts + 1
        steps[name] = msgspec.structs.replace(steps[name], at=case.now, attempts=attempts, problem=trouble.code)
        case.note("step.postponed", subprocessor=name, attempts=attempts, problem=trouble.code)
    case.set(steps=steps)
    after = max((one.after_seconds or 0 for one in late.values()), default=0)
    case.also(claim.again(case.now + work.backoff(claim.work.attempts, after), "waiting_for_a_vendor"))
    case.commit()


def _ability(services: Services, name: str) -> Ability | None:
    try:
        return next((one for one in services.connectors[name].describe() if one.what == "export"), None)
    except Misconfigured:
        return None


def _gaps(case: Case, answers: Mapping[str, Answer], *, erased: bool) -> list[Gap]:
    found = [export_scope.gap(OURS, export_scope.ERASED, case.now)] if erased else []
    for name, answer in answers.items():
        able = _ability(case.services, name)
        found += export_scope.gaps(name, answer, able.checked if able else None, case.now)
    return found


def _packed(case: Case, answers: Mapping[str, Answer], gaps: list[Gap], export_id: str) -> Export:
    services, held, left_out = case.services, {}, {}
    for name, answer in answers.items():
        if not isinstance(answer, TryAgain | NeverRetry):
            held[name], left_out[name] = export_scope.within(case.record.right, name, answer)
    files = held.get(OURS, {}).pop("files", {})
    manifest = {
        "request_id": case.id,
        "right": case.record.right,
        "scope": export_scope.SCOPE[case.record.right],
        "generated_at": rfc3339(case.now),
        "controller": services.company.name,
        "contact": services.company.contact,
        "policy": _policy(services),
        "left_out": {name: parts for name, parts in left_out.items() if parts},
        "gaps": gaps,
    }
    writer = pieces.PieceWriter(services.store, services.vault, export_id, case.now + KEPT_FOR)
    export_zip.write(export_zip.Facts(case.now, held, files, manifest), writer)
    return writer.close(case.now)


def _policy(services: Services) -> dict[str, str]:
    pointer = services.store.get(InForce, IN_FORCE)
    policy = services.store.get(Policy, pointer.record.version) if pointer else None
    return {"version": policy.id, "hash": policy.record.hash} if policy else {}


def _ready(case: Case, answers: Mapping[str, Answer], export: Export, *, erased: bool, claim: work.Claim) -> None:
    found = [one for ref in case.record.subjects if (one := case.services.store.get(Subject, ref))]
    if _are_being_erased(case.services, found) or (not erased and len(found) < len(case.record.subjects)):
        # erased while it was gathered: what was read must not outlive that
        raise TryAgain("subject_erased_meanwhile")
    if not _is_waiting(case):
        # another run was quicker
        case.services.commit([*pieces.removed(export), claim.done()])
        return
    earlier = case.record.export
    for name, answer in answers.items():
        _settle_step(case, name, answer)
    case.set(export=export, ours_done_at=None)
    case.note("copy.ready", n_bytes=export.n_bytes, sha256=export.sha256, until=export.until)
    case.work(fetching.END, export.until, export=export.id)
    fetching.mail(case, export)
    # as they were looked at: an erasure that begins at this very moment makes it a conflict
    case.also(*(Update(one, one.record) for one in found))
    case.also(*(pieces.removed(earlier) if earlier else []), claim.done())
    erasure.settle(case)
    case.commit()


def _are_being_erased(services: Services, found: Sequence[Stored[Subject]]) -> bool:
    """Tell whether an erasure of any of these has begun: it has removed their files, and comes by no second time."""
    ids = {each for one in found for each in one.record.restricted_by}
    requests = [one.record for each in sorted(ids) if (one := services.store.get(Request, each))]
    return any(one.right == "erasure" and one.begun_at is not None for one in requests)


def _take_back(case: Case, export: Export) -> None:
    """Remove a file that the request does not name: somebody else has the work by now, or the account was erased."""
    if case.record.export is None or case.record.export.id != export.id:
        case.services.commit(pieces.removed(export))


def _settle_step(case: Case, name: str, answer: Answer) -> None:
    step, able = case.record.steps[name], _ability(case.services, name)
    outcome = export_scope.outcome(answer, keeps_nothing=able is not None and able.how == "absence")
    if outcome == "failed" and step.outcome == "accepted":
        return  # an operator has handed that part over
    problem = export_scope.problem(answer)
    read = {} if isinstance(answer, TryAgain | NeverRetry) else answer
    reasons = read.get("gaps") or ([able.reason] if able and outcome == "no_store" else [])
    evidence = export_scope.evidence(read, reasons)
    attempts = step.attempts + 1
    done = Step(outcome=outcome, at=case.now, attempts=attempts, evidence=evidence or None, problem=problem)
    case.set(steps=case.record.steps | {name: done})
    case.note("step.settled", subprocessor=name, outcome=outcome, parts=evidence)
    if outcome == "failed":
        case.also(*attention.raised("step_failed", case.id, case.now, problem, subprocessor=name))
    else:
        case.also(attention.settled("step_failed", case.id, name))


def retry(case: Case, name: str, by: str, reason: str) -> None:
    """Ask a subprocessor again, at an operator's word; the person gets a new file."""
    again = msgspec.structs.replace(case.record.steps[name], outcome="pending", problem=None, at=case.now)
    case.set(steps=case.record.steps | {name: again}, status="in_progress")
    case.note("step.retried", private=reason, subprocessor=name, by=by)
    case.also(attention.settled("step_failed", case.id, name))
    case.work(GATHER)
