"""§4: the steps of an erasure. Own data first, whatever vendors do; then one work item for each vendor, the mail service last.

One choke point: nothing erases a person by another path. Each step ends in a recorded outcome, an operator's word included.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec

from shared import answers, attention, identity, late_answers, meta_links, own_records, work
from shared.annex import MAILER, OURS
from shared.answers import Said
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.outcomes import UNSETTLED, worst
from shared.ports import Part, Services
from shared.promises import exporting, people, restricting
from shared.promises.erasure import CLOSE, SETTLED_BY_ERASURE, STEP, SUPERSEDE, settle
from shared.promises.people import CHANGED_ADDRESS_COOLING_OFF, Found
from shared.records import RETAINED_OF_STEP, HandedMail, Retained, Step, Suppression, Work
from shared.store import Change, Delete, Put, Stored, Update, every, persist
from shared.times import PROMISED, plus

CLOSING_BEFORE = timedelta(days=3)
MAIL_WAITED_FOR_BEFORE = timedelta(days=1)
PURGE = "erasure.purge"
RECHECK = "erasure.recheck"
PURGED_AT_ONCE = 100
MAILBOX_TO_CLEAR = "mailbox_to_clear"
MOST_CLEARED = 400
TOO_LATE = "too_late"


def begin(services: Services, claim: work.Claim) -> None:
    """Take the identifiers into the envelope, plan a step for each connected subprocessor, start with our own data."""
    case = Case.read(services, claim.work.ref)
    if case.record.status != "verified" or case.record.begun_at is not None:
        services.commit([claim.done()])
    elif _notice_is_waiting(case):
        services.commit([claim.again(case.now + timedelta(hours=1), "notice_first")])
    elif exporting.awaited(case, found := _subjects(case)):
        services.commit([claim.again(case.now + timedelta(hours=1), "copy_first")])
    else:
        exporting.discard(case, found)
        _plan(case, found)
        case.also(claim.done())
        case.commit()


def _subjects(case: Case) -> list[Found]:
    return [one for ref in case.record.subjects if (one := people.by_ref(case.services, ref))]


def _notice_is_waiting(case: Case) -> bool:
    """A cancel link that arrives after the deed is none: wait for it, but not so long that the promise breaks."""
    chosen_at = case.record.chosen_at
    return _has_queued(case) and chosen_at is not None and case.now < chosen_at + CHANGED_ADDRESS_COOLING_OFF


def _has_queued(case: Case) -> bool:
    return any(mailing.status == "queued" for mailing in case.record.mails.values())


def _plan(case: Case, found: list[Found]) -> None:
    names = list(case.services.connected)
    if OURS not in names:
        # an empty plan would compute to "completed" without anything done
        raise NeverRetry("empty_plan")
    own, shared = people.own_and_shared(case.services, found, case.envelope.addresses.get("a1"))
    user_id, email = case.envelope.user_id, case.envelope.addresses.get("a1")
    case.envelope.known = [one.known for one in found] + people.proven_alone(found, own, user_id, email)
    case.envelope.own_addresses, case.envelope.shared_addresses = own, shared
    case.set(
        status="in_progress",
        begun_at=case.now,
        steps={name: Step(at=case.now) for name in names},
        objected=people.objected(case.services, own),
        opted_out=people.opted_out(case.services, own),
    )
    case.note("begun", steps=names, subjects=len(found))
    # as they were read: an identifier, or a copy, that comes at this very moment makes it a conflict
    case.also(*(Update(one.stored, one.stored.record) for one in found))
    case.work(STEP, subprocessor=OURS)
    case.work(SUPERSEDE)
    case.also(*restricting.overtaking(case))
    promise_by = case.record.promise_by or case.now + PROMISED
    case.work(CLOSE, max(promise_by - CLOSING_BEFORE, case.now))


def step(services: Services, claim: work.Claim) -> work.Ran:
    """Have one subprocessor erase the person, and record what became of it (work `erasure.step`)."""
    case = Case.read(services, claim.work.ref)
    name = claim.work.args["subprocessor"]
    current = case.record.steps[name]
    if case.record.right != "erasure":
        services.commit([claim.done()])
        return "done"
    if current.outcome != "pending":
        # whoever ran it before may have put on record what law keeps, and died before it could say so
        return _answered_late(case, name, [claim.done()], (), [])
    if name == MAILER and _mail_is_waiting(case):
        services.commit([claim.again(case.now + timedelta(hours=1), "closing_mail_first")])
        return "postponed"
    return _attempt(case, name, claim)


def _mail_is_waiting(case: Case) -> bool:
    promise_by = case.record.promise_by
    return _has_queued(case) and promise_by is not None and case.now < promise_by - MAIL_WAITED_FOR_BEFORE


def _attempt(case: Case, name: str, claim: work.Claim) -> work.Ran:
    # the envelope may be gone by the time of the answer
    addresses = case.envelope.own_addresses
    try:
        said: Said = _erase(case, name)
    except (TryAgain, NeverRetry) as failure:
        said = failure

    def record(look: bool) -> work.Ran:
        # other steps of the request settle at the same time: the vendor's answer is kept and not asked for again,
        # because the second answer would say that nothing was found
        now = Case.read(case.services, case.id) if look else case
        ends = [claim.done()] if not look or _is_held(now, claim) else []
        if now.record.steps[name].outcome != "pending":
            return _answered_late(now, name, ends, said, addresses)
        if ends or not isinstance(said, TryAgain | NeverRetry):
            return _record(now, name, claim, ends, said)
        # whoever has the work by now asks again
        return "taken"

    return persist(record)


def _is_held(case: Case, claim: work.Claim) -> bool:
    """Tell whether the work is still ours: a vendor that took too long may have been asked by another run too."""
    stored = case.services.store.get(Work, claim.id)
    return stored is not None and stored.version == claim.version


def _erase(case: Case, name: str) -> Sequence[Part]:
    if case.record.only == "meta" and name == OURS:
        # what Meta asked for never reaches a whole account, whoever has this step run
        return meta_links.erase(case)
    return case.services.connectors[name].erase(case.person(), case.now)


def _record(case: Case, name: str, claim: work.Claim, ends: Sequence[Change], said: Said) -> work.Ran:
    ran: work.Ran = "done"
    attempts = case.record.steps[name].attempts + 1
    if isinstance(said, TryAgain):
        _step(case, name, attempts=attempts, problem=said.code)
        ran = "postponed"
        case.note("step.postponed", subprocessor=name, attempts=attempts, problem=said.code)
        case.also(claim.again(case.now + work.backoff(attempts, said.after_seconds), said.code))
    elif isinstance(said, NeverRetry):
        _step(case, name, outcome="failed", attempts=attempts, problem=said.code)
        ran = "failed"
        case.note("step.failed", subprocessor=name, attempts=attempts, problem=said.code)
        case.also(*attention.raised("step_failed", case.id, case.now, said.code, subprocessor=name), *ends)
        _after(case, name)
    else:
        _settle_step(case, name, said, attempts)
        case.also(*ends)
    case.commit()
    return ran


def _step(case: Case, name: str, **fields: Any) -> None:
    steps = dict(case.record.steps)
    steps[name] = msgspec.structs.replace(steps[name], **({"at": case.now} | fields))
    case.set(steps=steps)


def _settle_step(case: Case, name: str, parts: Sequence[Part], attempts: int) -> None:
    outcome = worst(part.outcome for part in parts)
    _step(
        case,
        name,
        outcome=outcome,
        attempts=attempts,
        problem=None,
        until=max((part.until for part in parts if part.until), default=None),
        ground="; ".join(dict.fromkeys(part.ground for part in parts if part.ground)) or None,
        physically_gone_by=max((part.physically_gone_by for part in parts if part.physically_gone_by), default=None),
        evidence=answers.told(parts),
    )
    kind = "step.waiting" if outcome == "pending" else "step.settled"
    case.note(kind, subprocessor=name, outcome=outcome, parts=msgspec.to_builtins(parts))
    if waits_for_mailbox(case):
        case.also(*attention.raised(MAILBOX_TO_CLEAR, case.id, case.now))
    if outcome == "failed":
        case.also(*attention.raised("step_failed", case.id, case.now, "failed", subprocessor=name))
    else:
        case.also(attention.settled("step_failed", case.id, name), attention.settled("step_late", case.id, name))
    _take_along(case, name, parts, case.envelope.own_addresses)
    if name == OURS and outcome not in UNSETTLED:
        _ours_is_done(case)
    _after(case, name)


def _take_along(case: Case, name: str, parts: Sequence[Part], addresses: Sequence[str]) -> None:
    """Draw what follows from a vendor's answer, whenever it comes."""
    if name == MAILER and parts:
        _drop_mails(case)
    if late_answers.tells_of_objection(parts):
        _remember_objection(case, addresses)
    _follow_retained(case, name)


def _drop_mails(case: Case) -> None:
    """Nothing may reach the mail service after it was told to forget. A person sees which mail did not go."""
    for mail_id in [one for one, mailing in case.record.mails.items() if mailing.status == "queued"]:
        case.mailing(mail_id, status="dropped", problem=TOO_LATE)
        case.note("mail.dropped", mail=mail_id, template=case.record.mails[mail_id].template, problem=TOO_LATE)
        case.also(*attention.raised("mail_failed", case.id, case.now, TOO_LATE, mail_id))


def _answered_late(case: Case, name: str, ends: Sequence[Change], said: Said, addresses: Sequence[str]) -> work.Ran:
    """Keep what an answer says beyond the record: what another run, or a person, settled stays settled."""
    before = case.record.steps[name]
    if not late_answers.take(case, name, said, _kept(case, name)):
        if ends:
            case.services.commit(ends)
        return "done"
    _take_along(case, name, () if isinstance(said, TryAgain | NeverRetry) else said, addresses)
    if case.record.steps[name] != before:
        _recheck_in_time(case, name)
        _keep_as_long(case, name)
    settle(case)
    case.also(*ends)
    case.commit()
    return "done"


def _keep_as_long(case: Case, name: str) -> None:
    """Evidence of what is kept outlives it, even where the request has ended before we heard of it."""
    until, expires_at = case.record.steps[name].until, case.record.expires_at
    if until is not None and expires_at is not None and case.record.steps[name].outcome == "retained":
        case.set(expires_at=max(expires_at, plus(until, case.services.company.evidence_kept_for)))


def _ours_is_done(case: Case) -> None:
    case.set(ours_done_at=case.now)
    case.also(attention.settled(MAILBOX_TO_CLEAR, case.id))
    case.also(*(attention.settled(kind, ref) for ref in case.record.subjects for kind in SETTLED_BY_ERASURE))


def waits_for_mailbox(case: Case) -> bool:
    """Tell whether all that is left of our own step are mails that only a person can delete (TRUTH §12)."""
    ours = case.record.steps.get(OURS)
    if ours is None or ours.outcome != "pending":
        return False
    left = [name for name, part in (ours.evidence or {}).items() if part.get("outcome") in UNSETTLED]
    return left == [own_records.MAILBOX]


def clear_mailbox(case: Case, by: str, reason: str, evidence: str | None) -> None:
    """Take a person's word that they deleted the mails: `accepted`, never `verified`. What was read back stays as it was."""
    lying = own_records.handed_mails(case.services.store, case.services.vault, case.envelope.own_addresses)
    parts = dict(case.record.steps[OURS].evidence or {})
    parts[own_records.MAILBOX] = {"outcome": "accepted", "by": by}
    outcome = worst(part["outcome"] for part in parts.values())
    _step(case, OURS, outcome=outcome, problem=None, evidence=parts)
    case.note("mailbox.cleared", private=f"{reason}\n{evidence or ''}", subprocessor=OURS, by=by, outcome=outcome)
    case.also(*(Delete(HandedMail, one.id) for one in lying[:MOST_CLEARED]))
    case.also(attention.settled("step_late", case.id, OURS))
    _ours_is_done(case)
    _after(case, OURS)


def _remember_objection(case: Case, addresses: Sequence[str]) -> None:
    """Keep, under our own key, the opt-out a vendor knew of: it survives the erasure (TRUTH §4 b)."""
    case.set(objected=True)
    stop = Suppression(reason="objection", since=case.now)
    for email in addresses:
        case.also(Put(identity.suppression(case.services.vault, email, "marketing"), stop))


def _kept(case: Case, name: str) -> list[Retained]:
    return [one.record for one in every(case.services.store, RETAINED_OF_STEP, case.id, name)]


def _follow_retained(case: Case, name: str) -> None:
    """Ask once for what ends it, however often it is said."""
    first = case.services.store.query(RETAINED_OF_STEP, case.id, name, limit=1)
    if first:
        due_at, args = first[0].record.until, {"subprocessor": name}
        ends = Work(kind=PURGE, ref=case.id, due_at=due_at, created_at=case.now, args=args)
        case.also(Put(f"purge-{case.id}-{name}", ends))


def _after(case: Case, name: str) -> None:
    if name == OURS:
        for other in case.record.steps:
            if other not in {OURS, MAILER} and case.record.steps[other].outcome == "pending":
                case.work(STEP, subprocessor=other)
    _recheck_in_time(case, name)
    settle(case)


def _recheck_in_time(case: Case, name: str) -> None:
    until = case.record.steps[name].until
    if until is not None and case.record.steps[name].outcome in {"accepted", "scheduled_by_vendor"}:
        case.work(RECHECK, until)


def recheck(services: Services, claim: work.Claim) -> None:
    """Compute the status anew once a vendor's own date has come."""
    case = Case.read(services, claim.work.ref)
    due = [
        name
        for name, one in case.record.steps.items()
        if one.outcome == "scheduled_by_vendor" and one.until is not None and one.until <= case.now
    ]
    for name in due:
        # the vendor's date has come; it offers no read-back, so this is its word and no more
        _step(case, name, outcome="accepted", at=case.record.steps[name].at)
        case.note("step.settled", subprocessor=name, outcome="accepted", parts=[])
    settle(case)
    case.also(claim.done())
    case.commit()


def purge(services: Services, claim: work.Claim) -> None:
    """Delete what law made us keep at one subprocessor, as its dates come (work `erasure.purge`, one for a step).

    One record that cannot be deleted now keeps no other from it. Raises TryAgain for those that wait for a vendor.
    """
    case, name = Case.read(services, claim.work.ref), claim.work.args["subprocessor"]
    kept = services.store.query(RETAINED_OF_STEP, case.id, name, limit=PURGED_AT_ONCE + 1)
    purged = [(one, _purged(case, one)) for one in kept[:PURGED_AT_ONCE] if one.record.until <= case.now]
    done = [said for _, said in purged if isinstance(said, Part)]
    gone = [one for one, said in purged if isinstance(said, Part)]
    left = [one for one in kept if one not in gone]
    if done and not left:
        _settle_purged(case, name, done)
    waiting = [said for _, said in purged if isinstance(said, TryAgain)]
    if waiting:
        case.commit()
        raise waiting[0]
    # what a person must look at first is tried again the next day
    again = max(left[0].record.until, case.now + timedelta(days=1)) if left else None
    case.also(claim.again(again) if again else claim.done())
    case.commit()


def _settle_purged(case: Case, name: str, done: Sequence[Part]) -> None:
    before, purged = case.record.steps[name], worst(part.outcome for part in done)
    # only what was kept is told anew: a part that failed, or only said yes, is no better for it
    parts = {
        part: {"outcome": purged} if said.get("outcome") == "retained" else said
        for part, said in (before.evidence or {}).items()
    }
    gone_by = max(filter(None, [before.physically_gone_by, *(part.physically_gone_by for part in done)]), default=None)
    told = answers.summed(parts or {"data": {"outcome": purged}}) | {"evidence": parts or None}
    _step(case, name, at=before.at, physically_gone_by=gone_by, **told)
    case.note("step.settled", subprocessor=name, outcome=told["outcome"], parts=[])
    settle(case)


def _purged(case: Case, stored: Stored[Retained]) -> Part | TryAgain | NeverRetry:
    """Delete one retained record's documents. What is refused, or a defect, a person must look at first."""
    opened = case.services.vault.unseal(f"retained/{stored.id}", stored.record.sealed)
    name, places = stored.record.subprocessor, cast("list[str]", opened["places"])
    said = answers.asked(name, lambda: case.services.connectors[name].purge(places, case.now))
    if isinstance(said, NeverRetry):
        case.also(*attention.raised("purge_failed", case.id, case.now, said.code, stored.id))
    if not isinstance(said, Part):
        return said
    case.note("retained.purged", subprocessor=name, outcome=said.outcome)
    case.also(Delete(Retained, stored.id, stored.version), attention.settled("purge_failed", case.id, stored.id))
    return said


def retry(case: Case, name: str, by: str, reason: str) -> None:
    """Try a step again now, whatever its timer says."""
    _step(case, name, outcome="pending", problem=None)
    case.set(status="in_progress")
    case.note("step.retried", private=reason, subprocessor=name, by=by)
    case.also(attention.settled("step_failed", case.id, name))
    case.work(STEP, subprocessor=name)


def resolve(case: Case, name: str, by: str, reason: str, evidence: str | None) -> None:
    """Settle by hand what is not settled of a step. What was deleted before, and what law keeps, stays as it was told."""
    # of a copy nothing is kept: a person has handed over what it lacked
    is_erasure = case.record.right == "erasure"
    said = (case.record.steps[name].evidence or {}) if is_erasure else {}
    parts = answers.with_kept(answers.settled_by_hand(said, by), _kept(case, name) if is_erasure else [])
    _step(case, name, problem=None, **answers.summed(parts))
    outcome = case.record.steps[name].outcome
    case.note("step.resolved", private=f"{reason}\n{evidence or ''}", subprocessor=name, by=by, outcome=outcome)
    case.also(attention.settled("step_failed", case.id, name), attention.settled("step_late", case.id, name))
    _follow_retained(case, name)
    _after(case, name)
