"""§5.1: who asks for it has their data kept and not used, from the moment it is proved who asks (GDPR Art. 18).

It stands until it is lifted: by the person, or by us with reasons. Either way the person is told before (Art. 18(3)), and
whoever was told of the restriction is told that it ended. An erasure of the same data ends it by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared import identity, work
from shared.case import LIFTED, Case
from shared.failures import Stale
from shared.ports import Services
from shared.promises import erasure, notifying, people, recipients
from shared.promises.people import Found
from shared.records import Status, Suppression
from shared.store import Create, Put

LIFT = "restriction.lift"
OVERTAKEN = "restriction.overtaken"
TOLD_BEFORE = timedelta(days=3)
"""So long before its end the person hears of one that we lift. What they end themselves ends as soon as they were told."""
ENDS = "request_restriction_ends"
MOST_YEARS = 5
"""How far back it is looked for one that stands for an address alone: no account's record names it."""
TAKEN = frozenset({"sent", "deferred", "delivered"})


def start(case: Case, found: list[Found]) -> None:
    """Stop every use at once, and have every recipient told. `found`: the subjects that are meant."""
    services, email = case.services, case.envelope.addresses.get("a1")
    own, shared = people.own_and_shared(services, found, email)
    case.envelope.known = [
        *(one.known for one in found),
        *people.proven_alone(found, own, case.envelope.user_id, email),
    ]
    case.envelope.own_addresses, case.envelope.shared_addresses = own, shared
    silenced = _silenced(case, own)
    case.set(suppressed=list(silenced), objected=people.objected(services, own))
    case.note("restricted", subjects=len(found))
    case.also(*people.restricted(found, case.id), *silenced.values())
    notifying.ask(case, services.connected)


def _silenced(case: Case, addresses: list[str]) -> dict[str, Put]:
    """Return, by id, what stops all but service mail to these addresses: a mark for each request, so that none lifts another's."""
    stop = Suppression(reason="restriction", since=case.now, requests=[case.id])
    name = f"restriction-{case.id}"
    return {key: Put(key, stop) for one in addresses if (key := identity.suppression(case.services.vault, one, name))}


def stands(case: Case) -> bool:
    """Tell whether it is in force: put in force, and neither lifted nor overtaken by an erasure."""
    return (
        case.record.chosen_at is not None and case.record.status in {"in_progress", "completed"} and not _closed(case)
    )


def _closed(case: Case) -> bool:
    return case.record.closed_at is not None


def may_withdraw(case: Case) -> bool:
    """Tell whether the person can still take it back: before it is in force, and as long as it stands."""
    return case.record.status == "verified" or stands(case)


def withdraw(case: Case) -> None:
    """Take it back: at once where nothing was restricted yet, else once the person was told that it ends."""
    if stands(case):
        _announce(case, "withdrawn", case.now)
        return
    case.set(status="withdrawn")
    case.note("withdrawn")
    for label in case.envelope.addresses:
        case.mail("request_cancelled", label)
    erasure.close(case)


def end(case: Case, by: str, reason: str) -> None:
    """Lift it with reasons, some days after the person was told. Raises Stale when it does not stand, or ends already."""
    if not stands(case) or case.record.ends_at is not None:
        raise Stale("this restriction does not stand any more, or its end was announced already")
    case.envelope.reason = reason
    _announce(case, "denied", case.now + TOLD_BEFORE, by=by, reason=reason)


def _announce(case: Case, status: Status, at: datetime, by: str = "the person", reason: str | None = None) -> None:
    if case.record.ends_at is not None and case.record.ends_at <= at:
        return
    case.set(ends_at=at)
    case.note("restriction.announced_end", private=reason, ends_at=at, by=by)
    for label in case.envelope.addresses:
        case.mail(ENDS, label)
    case.work(LIFT, at, status=status)


def lift(services: Services, claim: work.Claim) -> work.Ran:
    """Lift it, if the person was told; have the recipients told (work `restriction.lift`)."""
    case = Case.read(services, claim.work.ref)
    if not stands(case):
        services.commit([claim.done()])
        return "done"
    if not _is_told(case):
        services.commit([claim.again(case.now + work.backoff(claim.work.attempts), "notice_first")])
        return "postponed"
    status: Status = "denied" if claim.work.args["status"] == "denied" else "withdrawn"
    case.set(status=status)
    case.note("restriction.lifted", status=status)
    case.also(*people.released(people.by_refs(services, case.record.subjects), {case.id}), claim.done())
    recipients.ask(case, LIFTED)
    erasure.close(case)
    case.commit()
    return "done"


def _is_told(case: Case) -> bool:
    """Nobody is told by a mail that nobody took. Whoever has no address of ours cannot be; an operator sees to it."""
    mails = [one for one in case.record.mails.values() if one.template == ENDS]
    queued = any(one.status == "queued" for one in mails)
    return not queued and (any(one.status in TAKEN for one in mails) or not mails)


def overtaking(case: Case) -> list[Create]:
    """Return the work by which an erasure that begins ends the restrictions of what it erases."""
    found = [one for ref in case.record.subjects if (one := people.by_ref(case.services, ref))]
    ids = {each for one in found for each in one.stored.record.restricted_by}
    person = case.person()
    same = people.requests_of(case.services, [*person.addresses, *person.user_ids()], years=MOST_YEARS)
    ids |= {one.id for one in same if one.record.right == "restriction" and one.record.closed_at is None}
    return [work.item(OVERTAKEN, one, case.now, by=case.id) for one in sorted(ids - {case.id})]


def overtaken(services: Services, claim: work.Claim) -> None:
    """Give way to an erasure of everything this restricts: its steps tell the recipients (work `restriction.overtaken`)."""
    case, by = Case.read(services, claim.work.ref), claim.work.args["by"]
    erased = set(Case.read(services, by).record.subjects)
    if case.record.right == "restriction" and stands(case) and set(case.record.subjects) <= erased:
        told = {name: step for name, step in case.record.steps.items() if step.outcome != "pending"}
        case.set(status="completed", steps=told)
        case.note("restriction.overtaken", by_request=by)
        erasure.close(case)
        case.also(claim.done())
        case.commit()
    else:
        services.commit([claim.done()])
