"""§4: on request, account deletion or expiry we delete a person's data within 14 days of verification.

The course of a request: restricted at once, cancelled or begun, closed. Nothing is done unless a recorded outcome says so:
completion is computed, never set. What each step does is in `erasing`, who verified it in `verification`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from shared import attention, work
from shared.annex import MAILER
from shared.case import Case
from shared.outcomes import ENDED, UNSETTLED, status_of
from shared.ports import Services
from shared.promises import people, recipients
from shared.promises.people import Found
from shared.times import PROMISED, plus

MAILER_AFTER = timedelta(days=1)
BEGIN = "erasure.begin"
STEP = "erasure.step"
CLOSE = "erasure.close"
SUPERSEDE = "erasure.supersede"
OVERTAKEN = "ending.overtaken"
ENDING_UNCLEAR = "ending_unclear"
ENDING_UNHEARD = "ending_unheard"
"""The mail service took no mail that offers to keep an account, so that what ends by itself does not begin."""
EMAIL_CHANGED = "stripe_email_changed"
SETTLED_BY_ERASURE = (ENDING_UNCLEAR, EMAIL_CHANGED)
"""What a person had to look at for as long as there was an account."""
SECOND_NEEDED = "second_operator_needed"
SETTLED_BY_ITS_END = ("deadline_near", "accounts_not_chosen", "unanswered", SECOND_NEEDED, ENDING_UNHEARD)
"""What a person had to look at for as long as the request was open."""


def _together(case: Case, found: Iterable[Found]) -> list[Case]:
    """Return the other open erasures that cover any of these subjects."""
    ids = {each for one in found for each in one.stored.record.restricted_by} - {case.id}
    others = [Case.read(case.services, each) for each in sorted(ids)]
    return [one for one in others if one.record.open and one.record.right == "erasure"]


def _keep_dates(case: Case, found: Sequence[Found]) -> None:
    """A second request keeps the dates of the first that covers the same subjects (TRUTH §8). It runs by itself."""
    refs = {one.ref for one in found}
    for first in _together(case, found):
        by, begins_at = first.record.promise_by, first.record.begins_at
        if refs and refs <= set(first.record.subjects) and by and begins_at and case.record.promise_by:
            by = min(by, case.record.promise_by)
            case.set(promise_by=by, watch_by=min(by, case.record.watch_by), begins_at=max(begins_at, case.now))
            case.note("joined", request=first.id, promise_by=by)


def start(case: Case, found: list[Found]) -> None:
    """Restrict at once, and wait out the cooling-off. `found`: the subjects that are meant."""
    by = case.record.promise_by or case.now + PROMISED
    own, _shared = people.own_and_shared(case.services, found, case.envelope.addresses.get("a1"))
    silenced = people.silenced(case.services, own, case.id)
    begins_at = case.now + people.cooling_off(case.services, found)
    case.set(
        promise_by=by,
        watch_by=min(by, case.record.statutory_by),
        suppressed=list(silenced),
        begins_at=begins_at,
    )
    _keep_dates(case, found)
    case.note("restricted", subjects=len(found), begins_at=case.record.begins_at)
    case.also(*people.restricted(found, case.id), *silenced.values())
    case.work(BEGIN, case.record.begins_at)
    recipients.ask(case, "restriction")
    endings = [one.stored.record.ending for one in found if one.stored.record.ending]
    case.also(*(work.item(OVERTAKEN, ending, case.now) for ending in endings))


def withdraw(case: Case) -> None:
    """Cancel before the first step, and with it every other erasure of the same subjects that has not begun."""
    found = people.by_refs(case.services, case.record.subjects)
    others = [one for one in _together(case, found) if one.record.begun_at is None]
    more = {ref for one in others for ref in one.record.subjects} - {one.ref for one in found}
    found += people.by_refs(case.services, more)
    case.also(*people.released(found, {one.id for one in (case, *others)}))
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
    if case.record.right == "erasure" and case.record.chosen_at is not None and case.record.begun_at is None:
        recipients.ask(case, "restriction_lifted")
    case.also(*(attention.settled(kind, case.id) for kind in SETTLED_BY_ITS_END))
    case.also(*(attention.settled("step_late", case.id, name) for name in case.record.steps))
    settle(case)


def settle(case: Case) -> None:
    """Draw the consequences of what is recorded: closing mail, status, end, and the envelope's end."""
    if case.record.begun_at is not None and case.record.closing_at is None:
        others = [one.outcome for name, one in case.record.steps.items() if name != MAILER]
        if not UNSETTLED.intersection(others):
            _send_closing(case)
    _settle_status(case)
    case.let_go()


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
    opened |= {key.label for key in case.record.keys.values() if key.opens == "view" and key.label}
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


def supersede(services: Services, claim: work.Claim) -> None:
    """Close the other requests of who is erased that nobody confirmed: their reminders must not follow the last mail.

    An address that somebody else still uses closes none. What an operator entered or verifies is the operator's to answer.
    """
    person = Case.read(services, claim.work.ref).person()
    for stored in list(people.requests_of(services, [*person.addresses, *person.user_ids()])):
        record = stored.record
        if record.status == "unverified" and not record.entered_by_operator and record.second_needed_from is None:
            # as it was read: one that its mailbox confirms this very moment is not closed
            other = Case(services, stored.id, record, stored)
            other.set(status="unconfirmed")
            other.note("superseded", by_request=claim.work.ref)
            close(other)
            other.commit()
    services.commit([claim.done()])
