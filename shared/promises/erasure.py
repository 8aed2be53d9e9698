"""§4: on request, account deletion or expiry we delete a person's data within 14 days of verification.

The course of a request: verified, restricted at once, cancelled or begun, closed. Nothing is done unless a recorded outcome
says so: completion is computed, never set. What each step does is in `erasing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from shared import attention, identity, work
from shared.annex import MAILER
from shared.case import Case
from shared.outcomes import ENDED, UNSETTLED, status_of
from shared.ports import Services
from shared.promises import people, recipients
from shared.promises.people import Found
from shared.records import REQUESTS_OF_ADDRESS, Account
from shared.times import PROMISED, plus

CHANGED_ADDRESS_COOLING_OFF = timedelta(days=5)
MAILER_AFTER = timedelta(days=1)
BEGIN = "erasure.begin"
STEP = "erasure.step"
CLOSE = "erasure.close"
SUPERSEDE = "erasure.supersede"


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
    recipients.ask(case, "restriction")
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
    if case.record.chosen_at is not None and case.record.begun_at is None:
        recipients.ask(case, "restriction_lifted")
    case.also(*(attention.settled(kind, case.id) for kind in ("deadline_near", "accounts_not_chosen", "unanswered")))
    case.also(*(attention.settled("step_late", case.id, name) for name in case.record.steps))
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
