"""§4: on request, account deletion or expiry we delete a person's data within 14 days of verification.

Own data first, whatever vendors do; then one work item for each vendor, the mail service last. Nothing is done unless a
recorded outcome says so: completion is computed, never set. One choke point: nothing erases a person by another path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast, get_args

import msgspec

from shared import attention, identity, work
from shared.annex import MAILER, OURS
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.ports import Part, Services
from shared.promises import people
from shared.promises.people import Found
from shared.records import (
    REQUESTS_OF_ADDRESS,
    RETAINED_OF_REQUEST,
    Account,
    Outcome,
    Request,
    Retained,
    Status,
    Step,
    Suppression,
)
from shared.store import Delete, Put, Stored
from shared.times import PROMISED, plus, rfc3339

CHANGED_ADDRESS_COOLING_OFF = timedelta(days=5)
CLOSING_BEFORE = timedelta(days=3)
MAILER_AFTER = timedelta(days=1)
MAIL_WAITED_FOR_BEFORE = timedelta(days=1)
BEGIN = "erasure.begin"
STEP = "erasure.step"
CLOSE = "erasure.close"
PURGE = "erasure.purge"
RECHECK = "erasure.recheck"
SUPERSEDE = "erasure.supersede"
PURGED_AT_ONCE = 100
WORST_FIRST: tuple[str, ...] = get_args(Outcome)
UNSETTLED = frozenset({"pending", "held", "failed"})
ENDED = frozenset({"completed", "awaiting_vendors", "partly_retained", "denied", "withdrawn", "unconfirmed"})


# --- rules -----------------------------------------------------------------------------------------------------------


def worst(outcomes: Iterable[str]) -> str:
    """Return the worst outcome of a step's parts, in the contract's order. An empty step has no outcome: ValueError."""
    return min(outcomes, key=WORST_FIRST.index)


def status_of(request: Request, now: Any) -> Status:
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


def _vendor_still_holds(step: Step, now: Any) -> bool:
    if step.outcome == "scheduled_by_vendor":
        return True
    return step.outcome == "accepted" and step.until is not None and step.until > now


def promise_met(request: Request, now: Any) -> bool | None:
    """Tell whether own data was gone and every vendor instructed by the promised date; None while it is open."""
    by = request.promise_by
    if by is None or request.begun_at is None:
        return None if by is None or now <= by or request.status in ENDED else False
    settled = [step.at for step in request.steps.values() if step.outcome not in UNSETTLED]
    if request.ours_done_at is not None and len(settled) == len(request.steps) and request.steps:
        return max(request.ours_done_at, *settled) <= by
    return False if now > by else None


# --- verified --------------------------------------------------------------------------------------------------------


def verify(case: Case, found: Sequence[Found], proof: str) -> None:
    """Start the promised clock, restrict at once, tell every confirmed address, and wait out the cooling-off."""
    by = case.now + PROMISED
    accounts = [one for one in found if one.is_account]
    case.set(
        status="verified",
        verified_at=case.now,
        promise_by=by,
        watch_by=min(by, case.record.statutory_by),
        accounts=[Account(n=n, ref=one.ref) for n, one in enumerate(accounts, 1)],
    )
    case.envelope.masked = {str(n): identity.masked_account(one.known) for n, one in enumerate(accounts, 1)}
    case.note("verified", proof=proof, promise_by=by, accounts=len(accounts))
    case.key("view", use="view")
    if len(accounts) > 1:
        case.key("cancel", use="cancel:a1", label="a1")
        case.mail("request_verified", "a1")
        return
    _start(case, list(found))


def choose(case: Case, numbers: Sequence[int]) -> None:
    """Go on with the accounts the person chose; the mailbox itself only when no account keeps using it."""
    chosen = [msgspec.structs.replace(account, chosen=account.n in numbers) for account in case.record.accounts]
    case.set(accounts=chosen)
    case.note("accounts.chosen", accounts=sorted(numbers))
    refs = [account.ref for account in chosen if account.chosen]
    found = [one for ref in refs if (one := people.by_ref(case.services, ref))]
    if all(account.chosen for account in chosen):
        mailbox = people.by_address(case.services, case.envelope.addresses["a1"])
        found += [one for one in mailbox if not one.is_account]
    _start(case, found)


def _together(case: Case, refs: Iterable[str]) -> list[Case]:
    """Return the other open erasures that cover any of these subjects."""
    found = [one for ref in refs if (one := people.by_ref(case.services, ref))]
    ids = {each for one in found for each in one.stored.record.restricted_by} - {case.id}
    others = [Case.read(case.services, each) for each in sorted(ids)]
    return [one for one in others if one.record.open and one.record.right == "erasure"]


def _keep_dates(case: Case, found: Sequence[Found]) -> None:
    """A second request keeps the dates of the first that covers the same subjects (TRUTH §8). It runs by itself."""
    refs = {one.ref for one in found}
    for first in _together(case, refs):
        by, begins_at = first.record.promise_by, first.record.begins_at
        if refs and refs <= set(first.record.subjects) and by and begins_at and case.record.promise_by:
            by = min(by, case.record.promise_by)
            case.set(promise_by=by, watch_by=min(by, case.record.watch_by), begins_at=max(begins_at, case.now))
            case.note("joined", request=first.id, promise_by=by)


def _start(case: Case, found: list[Found]) -> None:
    cooling_off = plus(case.now, case.services.company.cooling_off) - case.now
    if people.freshly_changed(case.services, found):
        cooling_off = max(cooling_off, CHANGED_ADDRESS_COOLING_OFF)
    own, _shared = people.own_and_shared(case.services, found, case.envelope.addresses.get("a1"))
    silenced = people.silenced(case.services, own, case.id)
    begins_at = case.now + cooling_off
    case.set(
        accounts=[
            msgspec.structs.replace(one, chosen=one.chosen or len(case.record.accounts) == 1)
            for one in case.record.accounts
        ],
        subjects=[one.ref for one in found],
        suppressed=list(silenced),
        chosen_at=case.now,
        begins_at=begins_at,
    )
    _keep_dates(case, found)
    case.note("restricted", subjects=len(found), begins_at=case.record.begins_at)
    case.also(*people.restricted(found, case.id), *silenced.values())
    case.work(BEGIN, case.record.begins_at)
    _tell(case, found)


def _tell(case: Case, found: Sequence[Found]) -> None:
    """Mail the private link to whoever proved the mailbox, and a notice with its own cancel link to every other one.

    A signed-in person has proved no mailbox: the link goes to the addresses the account has now.
    """
    proven = case.envelope.addresses.get("a1")
    known = dict.fromkeys(people.notice_addresses(case.services, list(found), case.services.clock))
    for n, email in enumerate((one for one in known if one != proven), 2):
        case.envelope.addresses[f"a{n}"] = email
    for label, email in case.envelope.addresses.items():
        if f"cancel:{label}" in case.envelope.tokens:
            continue
        case.key("cancel", use=f"cancel:{label}", label=label)
        opens = label == "a1" or (not proven and people.still_current(case.services, list(found), email))
        case.mail("request_verified" if opens else "request_notice", label)


def withdraw(case: Case) -> None:
    """Cancel before the first step, and with it every other erasure of the same subjects that has not begun."""
    others = [one for one in _together(case, case.record.subjects) if one.record.begun_at is None]
    subjects = {ref for one in (case, *others) for ref in one.record.subjects}
    case.also(*people.released(case.services, subjects, {one.id for one in (case, *others)}))
    for one in (*others, case):
        one.set(status="withdrawn")
        one.note("withdrawn", by_request=case.id)
        for label in one.envelope.addresses:
            one.mail("request_cancelled", label)
        close(one)
    for one in others:
        case.also(*one.changes())


def close(case: Case) -> None:
    """End a request: its evidence is kept for the company's period, its suppressions of processing are lifted."""
    until = [step.until for step in case.record.steps.values() if step.outcome == "retained" and step.until]
    kept_from = max([case.now, *until])
    case.also(*people.unsilenced(case.services, case.record.suppressed, case.id))
    expires_at = plus(kept_from, case.services.company.evidence_kept_for)
    case.set(open=False, closed_at=case.now, expires_at=expires_at, suppressed=[])
    case.also(*(attention.settled(kind, case.id) for kind in ("deadline_near", "accounts_not_chosen", "unanswered")))
    case.also(*(attention.settled("step_late", case.id, name) for name in case.record.steps))
    settle(case)


# --- the work --------------------------------------------------------------------------------------------------------


def begin(services: Services, claim: work.Claim) -> None:
    """Take the identifiers into the envelope, plan a step for each connected subprocessor, start with our own data."""
    case = Case.read(services, claim.work.ref)
    if case.record.status != "verified" or case.record.begun_at is not None:
        services.commit([claim.done()])
    elif _notice_is_waiting(case):
        services.commit([claim.again(case.now + timedelta(hours=1), "notice_first")])
    else:
        _plan(case)
        case.also(claim.done())
        case.commit()


def _notice_is_waiting(case: Case) -> bool:
    """A cancel link that arrives after the deed is none: wait for it, but not so long that the promise breaks."""
    chosen_at = case.record.chosen_at
    return _has_queued(case) and chosen_at is not None and case.now < chosen_at + CHANGED_ADDRESS_COOLING_OFF


def _has_queued(case: Case) -> bool:
    return any(mailing.status == "queued" for mailing in case.record.mails.values())


def _plan(case: Case) -> None:
    names = list(case.services.connected)
    if OURS not in names:
        # an empty plan would compute to "completed" without anything done
        raise NeverRetry("empty_plan")
    found = [one for ref in case.record.subjects if (one := people.by_ref(case.services, ref))]
    own, shared = people.own_and_shared(case.services, found, case.envelope.addresses.get("a1"))
    case.envelope.known = [one.known for one in found] + _proven_alone(case, found, own)
    case.envelope.own_addresses, case.envelope.shared_addresses = own, shared
    case.set(
        status="in_progress",
        begun_at=case.now,
        steps={name: Step(at=case.now) for name in names},
        objected=people.objected(case.services, own),
        opted_out=people.opted_out(case.services, own),
    )
    case.note("begun", steps=names, subjects=len(found))
    case.work(STEP, subprocessor=OURS)
    case.work(SUPERSEDE)
    promise_by = case.record.promise_by or case.now + PROMISED
    case.work(CLOSE, max(promise_by - CLOSING_BEFORE, case.now))


def _proven_alone(case: Case, found: Sequence[Found], own: Sequence[str]) -> list[Identifiers]:
    """Return what was proved but leads to no subject of ours: the website may hold data by it all the same."""
    user_id, email = case.envelope.user_id, case.envelope.addresses.get("a1")
    alone = []
    if user_id and all(one.known.user_id != user_id for one in found):
        alone.append(Identifiers(user_id=user_id))
    if email in own and all(email not in one.known.addresses for one in found):
        alone.append(Identifiers(addresses=[str(email)]))
    return alone


def supersede(services: Services, claim: work.Claim) -> None:
    """Close the other requests of this address that nobody confirmed: their reminders must not follow the last mail."""
    lookup = Case.read(services, claim.work.ref).record.lookup
    same = services.store.query(REQUESTS_OF_ADDRESS, lookup, limit=500) if lookup else []
    waiting = [one.id for one in same if one.record.status == "unverified" and one.record.channel != "operator"]
    for request_id in waiting:
        other = Case.read(services, request_id)
        other.set(status="unconfirmed", open=False, closed_at=other.now)
        other.set(expires_at=plus(other.now, services.company.evidence_kept_for))
        other.note("superseded", by_request=claim.work.ref)
        other.drop_envelope()
        other.commit()
    services.commit([claim.done()])


def step(services: Services, claim: work.Claim) -> work.Ran:
    """Have one subprocessor erase the person, and record what became of it (work `erasure.step`)."""
    case = Case.read(services, claim.work.ref)
    name = claim.work.args["subprocessor"]
    current = case.record.steps[name]
    if current.outcome != "pending":
        services.commit([claim.done()])
        return "done"
    if name == MAILER and _mail_is_waiting(case):
        services.commit([claim.again(case.now + timedelta(hours=1), "closing_mail_first")])
        return "postponed"
    return _attempt(case, name, claim)


def _mail_is_waiting(case: Case) -> bool:
    promise_by = case.record.promise_by
    return _has_queued(case) and promise_by is not None and case.now < promise_by - MAIL_WAITED_FOR_BEFORE


def _attempt(case: Case, name: str, claim: work.Claim) -> work.Ran:
    ran: work.Ran = "done"
    attempts = case.record.steps[name].attempts + 1
    if name == MAILER:
        # nothing may reach the mail service after it was told to forget
        for mail_id in [one for one, mailing in case.record.mails.items() if mailing.status == "queued"]:
            case.mailing(mail_id, status="dropped", problem="too_late")
    try:
        parts = case.services.connectors[name].erase(case.person(), case.now)
    except TryAgain as trouble:
        _step(case, name, attempts=attempts, problem=trouble.code)
        ran = "postponed"
        case.note("step.postponed", subprocessor=name, attempts=attempts, problem=trouble.code)
        again = claim.again(case.now + work.backoff(attempts, trouble.after_seconds), trouble.code)
        case.also(again)
    except NeverRetry as failure:
        _step(case, name, outcome="failed", attempts=attempts, problem=failure.code)
        ran = "failed"
        case.note("step.failed", subprocessor=name, attempts=attempts, problem=failure.code)
        case.also(*attention.raised("step_failed", case.id, case.now, failure.code, subprocessor=name), claim.done())
        _after(case, name)
    else:
        _settle_step(case, name, parts, attempts)
        case.also(claim.done())
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
        evidence={part.name: _told(part) for part in parts},
    )
    case.note("step.settled", subprocessor=name, outcome=outcome, parts=msgspec.to_builtins(parts))
    if outcome == "failed":
        case.also(*attention.raised("step_failed", case.id, case.now, "failed", subprocessor=name))
    else:
        case.also(attention.settled("step_failed", case.id, name), attention.settled("step_late", case.id, name))
    if any(part.evidence.get("objection_found") for part in parts):
        _remember_objection(case)
    if name == OURS:
        _follow_retained(case)
        if outcome not in UNSETTLED:
            case.set(ours_done_at=case.now)
    _after(case, name)


def _told(part: Part) -> dict[str, Any]:
    """Return a part as the person reads it: two grounds, two dates."""
    told: dict[str, Any] = {"outcome": part.outcome}
    if part.ground:
        told["ground"] = part.ground
    if part.until:
        told["until"] = rfc3339(part.until)
    return told | part.evidence


def _remember_objection(case: Case) -> None:
    """Keep, under our own key, the opt-out a vendor knew of: it survives the erasure (TRUTH §4 b)."""
    case.set(objected=True)
    stop = Suppression(reason="objection", since=case.now)
    for email in case.envelope.own_addresses:
        case.also(Put(identity.suppression(case.services.vault, email, "marketing"), stop))


def _follow_retained(case: Case) -> None:
    first = case.services.store.query(RETAINED_OF_REQUEST, case.id, limit=1)
    if first:
        case.work(PURGE, first[0].record.until)


def _after(case: Case, name: str) -> None:
    if name == OURS:
        for other in case.record.steps:
            if other not in {OURS, MAILER} and case.record.steps[other].outcome == "pending":
                case.work(STEP, subprocessor=other)
    until = case.record.steps[name].until
    if until is not None and case.record.steps[name].outcome in {"accepted", "scheduled_by_vendor"}:
        case.work(RECHECK, until)
    settle(case)


def settle(case: Case) -> None:
    """Draw the consequences of what is recorded: closing mail, status, end, and the envelope's end."""
    if case.record.begun_at is not None and case.record.closing_at is None:
        others = [one.outcome for name, one in case.record.steps.items() if name != MAILER]
        if not UNSETTLED.intersection(others):
            _send_closing(case)
    _settle_status(case)
    waiting = any(mailing.status == "queued" for mailing in case.record.mails.values())
    unsettled = any(one.outcome in UNSETTLED for one in case.record.steps.values())
    if not case.record.open and not waiting and not unsettled and case.has_envelope:
        case.drop_envelope()
        case.note("envelope.dropped")


def _settle_status(case: Case) -> None:
    status = status_of(case.record, case.now)
    if status == case.record.status or case.record.begun_at is None:
        return
    case.set(status=status)
    case.note("status", status=status)
    if status in ENDED and case.record.open:
        close(case)


def _send_closing(case: Case) -> None:
    case.set(closing_at=case.now)
    case.note("closing")
    # only where the private link went: a merely notified address opens nothing
    opened = {one.to for one in case.record.mails.values() if one.template == "request_verified"}
    for label in sorted(opened & case.envelope.addresses.keys()):
        case.mail("request_closing", label)
    if MAILER in case.record.steps:
        case.work(STEP, case.now + MAILER_AFTER, subprocessor=MAILER)


def closing(services: Services, claim: work.Claim) -> None:
    """Send the closing mail at the latest three days before the promised date, naming what is open."""
    case = Case.read(services, claim.work.ref)
    if case.record.open and case.record.begun_at is not None and case.record.closing_at is None:
        _send_closing(case)
        case.also(claim.done())
        case.commit()
    else:
        services.commit([claim.done()])


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
    """Delete what law made us keep, as its dates come (work `erasure.purge`, one for a request)."""
    case = Case.read(services, claim.work.ref)
    kept = services.store.query(RETAINED_OF_REQUEST, case.id, limit=PURGED_AT_ONCE + 1)
    purged = [(one, _purged(case, one)) for one in kept[:PURGED_AT_ONCE] if one.record.until <= case.now]
    left = [one for one in kept if all(one is not gone or part is None for gone, part in purged)]
    gone_by = [part.physically_gone_by for _, part in purged if part and part.physically_gone_by]
    if purged and not left:
        step_at = case.record.steps[OURS].at
        last = max(gone_by, default=None)
        _step(case, OURS, outcome="verified", at=step_at, until=None, ground=None, physically_gone_by=last)
        case.note("step.settled", subprocessor=OURS, outcome="verified", parts=[])
        settle(case)
    # what a person must look at first is tried again the next day
    again = max(left[0].record.until, case.now + timedelta(days=1)) if left else None
    case.also(claim.again(again) if again else claim.done())
    case.commit()


def _purged(case: Case, stored: Stored[Retained]) -> Part | None:
    """Delete one retained record's documents; None when a person must look first."""
    opened = case.services.vault.unseal(f"retained/{stored.id}", stored.record.sealed)
    name = stored.record.subprocessor
    try:
        part = case.services.connectors[name].purge(cast("list[str]", opened["places"]), case.now)
    except NeverRetry as failure:
        case.also(*attention.raised("purge_failed", case.id, case.now, failure.code, stored.id))
        return None
    case.note("retained.purged", subprocessor=name, outcome=part.outcome)
    case.also(Delete(Retained, stored.id, stored.version), attention.settled("purge_failed", case.id, stored.id))
    return part


# --- what an operator may do to a step -------------------------------------------------------------------------------


def retry(case: Case, name: str, by: str, reason: str) -> None:
    """Try a step again now, whatever its timer says."""
    _step(case, name, outcome="pending", problem=None)
    case.set(status="in_progress")
    case.note("step.retried", private=reason, subprocessor=name, by=by)
    case.also(attention.settled("step_failed", case.id, name))
    case.work(STEP, subprocessor=name)


def resolve(case: Case, name: str, by: str, reason: str, evidence: str | None) -> None:
    """Settle a step by hand. An operator's word is `accepted`, never `verified`: nothing was read back."""
    _step(case, name, outcome="accepted", problem=None, evidence={"by hand": {"outcome": "accepted", "by": by}})
    case.note("step.resolved", private=f"{reason}\n{evidence or ''}", subprocessor=name, by=by)
    case.also(attention.settled("step_failed", case.id, name), attention.settled("step_late", case.id, name))
    _after(case, name)
