"""§5.1: a person gets a copy of everything we and those who work for us hold of them, and can take it elsewhere.

It begins at once, unless another address has to be told and may cancel. An erasure of the same person waits for it.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import msgspec

from shared import work
from shared.annex import OURS
from shared.case import Case
from shared.failures import Missing, NeverRetry
from shared.ports import Services
from shared.promises import erasure, fetching, people
from shared.promises.gathering import GATHER
from shared.promises.people import Found
from shared.records import Step
from shared.store import Change, Update, persist

RIGHTS = frozenset({"access", "portability"})
BEGIN = "export.begin"
NOTICE_WAITED_FOR = timedelta(days=5)
ERASURE_WAITS = timedelta(days=5)
REMEMBERED = 20


def start(case: Case, found: list[Found]) -> None:
    """Go on at once, or wait out the cooling-off where somebody else is told and may cancel (TRUTH §2)."""
    if _others_hear(case, found):
        case.set(begins_at=case.now + people.cooling_off(case.services, found))
    _keep_dates(case, found)
    case.note("copy.asked", subjects=len(found), begins_at=case.record.begins_at)
    case.also(*_remembered(case, found))
    case.work(BEGIN, case.record.begins_at)


def _others_hear(case: Case, found: list[Found]) -> bool:
    proven = case.envelope.addresses.get("a1")
    told = people.notice_addresses(case.services, found, case.services.clock)
    others = [one for one in told if one != proven and (proven or not people.still_current(case.services, found, one))]
    return bool(others) or people.freshly_changed(case.services, found)


def _keep_dates(case: Case, found: list[Found]) -> None:
    """A second request for the same keeps the law's date of the first (TRUTH §8). It runs by itself."""
    same = [one.record for one in _copies(case, found) if one.record.open and one.record.right == case.record.right]
    refs = {one.ref for one in found}
    by = min((one.statutory_by for one in same if refs <= set(one.subjects)), default=case.record.statutory_by)
    if by < case.record.statutory_by:
        case.set(statutory_by=by, watch_by=min(by, case.record.watch_by))
        case.note("joined", statutory_by=by)


def _remembered(case: Case, found: list[Found]) -> list[Change]:
    """An erasure of the same subjects must find the copy it waits for."""
    named = [(one.stored, [*one.stored.record.copies, case.id][-REMEMBERED:]) for one in found]
    return [Update(stored, msgspec.structs.replace(stored.record, copies=copies)) for stored, copies in named]


def _copies(case: Case, found: list[Found]) -> list[Case]:
    """Return the other exports of these subjects; where there are none, those the same address asked for."""
    services, ids = case.services, {each for one in found for each in one.stored.record.copies}
    if not found:
        asked = [case.envelope.addresses.get("a1"), case.envelope.user_id]
        same = people.requests_of(services, [one for one in asked if one])
        ids = {one.id for one in same if one.record.right in RIGHTS and not one.record.subjects}
    found_cases = []
    for request_id in sorted(ids - {case.id}):
        # one whose time is over is forgotten, and its id may still be remembered
        with contextlib.suppress(Missing):
            found_cases.append(Case.read(services, request_id))
    return found_cases


def withdraw(case: Case) -> None:
    """Cancel before anything is gathered."""
    case.set(status="withdrawn")
    case.note("withdrawn")
    for label in case.envelope.addresses:
        case.mail("request_cancelled", label)
    erasure.close(case)


def begin(services: Services, claim: work.Claim) -> None:
    """Plan a step for each connected subprocessor, and have them asked (work `export.begin`)."""
    persist(lambda _: _begin(Case.read(services, claim.work.ref), claim))


def _begin(case: Case, claim: work.Claim) -> None:
    if case.record.status != "verified" or case.record.begun_at is not None:
        case.services.commit([claim.done()])
    elif _notice_is_waiting(case):
        case.services.commit([claim.again(case.now + timedelta(hours=1), "notice_first")])
    else:
        _plan(case)
        case.also(claim.done())
        case.commit()


def _notice_is_waiting(case: Case) -> bool:
    """A cancel link that arrives after the deed is none."""
    queued = [one for one in case.record.mails.values() if (one.template, one.status) == ("request_notice", "queued")]
    since = case.record.chosen_at
    return bool(queued) and since is not None and case.now < since + NOTICE_WAITED_FOR


def _plan(case: Case) -> None:
    names = list(case.services.connected)
    if OURS not in names:
        raise NeverRetry("empty_plan")
    if not fetching.mailed_to(case):
        # nobody could be given the file: an operator must find out how to reach the person
        raise NeverRetry("no_address_to_mail")
    steps = {name: Step(at=case.now) for name in names}
    case.set(status="in_progress", begun_at=case.now, closing_at=case.now, steps=steps)
    case.note("begun", steps=names, subjects=len(case.record.subjects))
    case.work(GATHER)


# --- an erasure of the same person ------------------------------------------------------------------------------------


def awaited(case: Case, found: list[Found]) -> bool:
    """Tell whether an erasure waits for a copy that was asked for, or not fetched yet: until its own day 5 (TRUTH §8)."""
    verified_at = case.record.verified_at
    if verified_at is None or case.now >= verified_at + ERASURE_WAITS:
        return False
    return any(_is_wanted(one) for one in _copies(case, found))


def _is_wanted(copy: Case) -> bool:
    export = copy.record.export
    if export is not None:
        return export.fetched_at is None and copy.now < export.until
    return copy.record.status in {"verified", "in_progress"}


def discard(case: Case, found: list[Found]) -> None:
    """Remove every file made of these subjects: what they hold is about to be erased."""
    for copy in _copies(case, found):
        if copy.record.export is not None:
            export_id = copy.record.export.id
            persist(lambda _, copy=copy, export_id=export_id: fetching.remove(copy.services, copy.id, export_id))  # type: ignore[misc]
