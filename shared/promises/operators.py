"""What the person who answers the privacy mailbox may do. Every act is an entry of evidence with who did it.

Where two operators exist, what destroys or opens data on an operator's own verification needs the second one (TRUTH §2).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import attention, identity, ledger
from shared.annex import MAILER, OURS
from shared.case import Case
from shared.failures import BadInput, Missing, Stale
from shared.outcomes import ENDED, UNSETTLED
from shared.ports import Services
from shared.promises import (
    erasing,
    erasure,
    exporting,
    gathering,
    notifying,
    objections,
    people,
    requests,
    restricting,
    verification,
)
from shared.promises.statement import TITLE_NOT_CONNECTED, not_connected, view
from shared.records import (
    ALL_ATTENTION,
    ALL_REQUESTS,
    REQUESTS_BY_STATUS,
    LedgerEntry,
    Request,
    Right,
    Status,
)
from shared.store import Stored, every, persist
from shared.times import plus, rfc3339, whole_second

PAGE = 50
LONGEST_ON_THE_WAY = timedelta(days=366)
LONGEST_REASON = 4000
OWN_CHANNELS = frozenset({"web", "server", "meta_callback", "subscription_ended", "account_closed"})
"""Channels that the product notes by itself, and draws conclusions from."""
SECOND_NEEDED_FOR = frozenset({"erasure", "access", "portability"})


class Entered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that came by phone, post or in person. `proof`: what proof of identity was seen."""

    channel: str
    received_at: datetime
    right: Right
    email: str | None = None
    user_id: str | None = None
    proof: str | None = None
    on_behalf_of: str | None = None
    details: str | None = None
    corrections: dict[str, str] | None = None
    locale: str | None = None


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's act and its reason."""

    reason: str


class Verification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What proof was seen; and, once the accounts have been shown, which of several are meant."""

    reason: str
    proof: str | None = None
    accounts: list[int] | None = None


class Resolution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a step is tried again or was settled by hand, and what shows it."""

    reason: str
    evidence: str | None = None


def listed(services: Services, status: Status | None, *, overdue: bool, cursor: str | None) -> dict[str, Any]:
    """Return a page of requests, `{requests, cursor?}`."""
    after: Stored[Request] | None = None
    if cursor is not None and (after := services.store.get(Request, cursor)) is None:
        raise BadInput("is not a cursor given here", "cursor")
    if status:
        page = services.store.query(REQUESTS_BY_STATUS, status, after=after, limit=PAGE)
    else:
        page = services.store.query(ALL_REQUESTS, after=after, limit=PAGE)
    now = services.clock.now()
    shown = [one for one in page if not overdue or (one.record.open and one.record.watch_by < now)]
    answer: dict[str, Any] = {"requests": [view(Case(services, one.id, one.record, one)) for one in shown]}
    return answer | ({"cursor": page[-1].id} if len(page) == PAGE else {})


def shown(services: Services, request_id: str) -> dict[str, Any]:
    """Return one request with what only an operator needs."""
    case = Case.read(services, request_id)
    record = case.record
    mails = {name: {"status": one.status, **msgspec.to_builtins(one)} for name, one in record.mails.items()}
    problems = {name: step.problem for name, step in record.steps.items() if step.problem}
    extra = {
        "channel": record.channel,
        "accounts": requests.accounts_of(case),
        "details": case.envelope.details,
        "corrections": case.envelope.corrections,
        "mails": mails,
        "problems": problems,
        "warned": record.warned,
        "second_needed_from": record.second_needed_from,
        "not_connected": not_connected(case),
        # whose mails to look for: nobody else can delete them there
        "mailbox_to_clear": case.envelope.own_addresses if erasing.waits_for_mailbox(case) else [],
    }
    return view(case) | extra


def enter(services: Services, said: Entered, by: str) -> dict[str, Any]:
    """Enter a request for somebody. With `proof` it is verified, by one operator or the first of two."""
    if (said.email is None) == (said.user_id is None):
        raise BadInput("either email or user_id", "email")
    now = services.clock.now()
    if said.received_at.tzinfo is None or not now - LONGEST_ON_THE_WAY <= said.received_at <= now:
        raise BadInput("when it arrived, RFC 3339 with its zone: in the past year, not in the future", "received_at")
    email = identity.address(said.email) if said.email is not None else None
    user_id = identity.user_id(said.user_id) if said.user_id is not None else None
    _channel(said.channel)
    for field, words in (("proof", said.proof), ("on_behalf_of", said.on_behalf_of)):
        if words is not None and not 1 <= len(words.strip()) <= LONGEST_REASON:
            # an empty word would verify a request with nothing to show for it
            raise BadInput(f"1 to {LONGEST_REASON} characters", field)

    def attempt(_look: bool) -> dict[str, Any]:
        case = _entered(services, said, email, user_id, by)
        case.commit()
        return {"request_id": case.id, "status": case.record.status}

    return persist(attempt)


def _entered(services: Services, said: Entered, email: str | None, user_id: str | None, by: str) -> Case:
    received_at = whole_second(said.received_at)
    case = requests.new_case(services, said.right, said.channel, identity.locale(said.locale), received_at)
    case.set(entered_by_operator=True)
    case.note("entered", private=said.on_behalf_of, by=by)
    # without corrections it is what a person does by hand
    case.envelope.corrections = requests.corrections_of(said.right, said.corrections, said.details or said.channel)
    if email is not None:
        requests.take_address(case, email, said.details)
    else:
        case.envelope.user_id, case.envelope.details = user_id, said.details
        case.set(lookup=services.vault.keyed(f"evidence:{case.now.year}", user_id or ""))
        if said.right == "objection":
            objections.take_from(case, people.by_user(services, user_id or ""), None)
    if said.proof and said.right != "objection":
        _verified_by(case, by, said.proof)
    return case


def _channel(raw: str) -> str:
    if not 1 <= len(raw) <= 40 or not raw.replace("_", "").replace("-", "").isalnum():
        raise BadInput("one word such as phone, post or in_person", "channel")
    if raw in OWN_CHANNELS:
        raise BadInput("this one names what came without a person; say how this request came", "channel")
    return raw


def act(services: Services, request_id: str, decide: Callable[[Case], None]) -> dict[str, Any]:
    """Read a request, let the operator's act decide, commit; return the request. Raises Missing, Stale."""

    def attempt(_look: bool) -> dict[str, Any]:
        case = Case.read(services, request_id)
        decide(case)
        case.commit()
        return view(case)

    return persist(attempt)


def _reason(said: Act | Verification | Resolution) -> str:
    if not 1 <= len(said.reason.strip()) <= LONGEST_REASON:
        raise BadInput(f"1 to {LONGEST_REASON} characters", "reason")
    return said.reason


def verify(said: Verification, by: str) -> Callable[[Case], None]:
    """Verify by proof an operator has seen; then, where several accounts were found, say which are meant."""

    def decide(case: Case) -> None:
        if case.record.right == "objection":
            objections.uphold(case, by, _reason(said))
        elif case.record.status == "unverified":
            if said.accounts:
                raise Stale("the accounts are found by verifying; look at them, then choose", "accounts")
            reason = _reason(said)
            _verified_by(case, by, f"{reason}\n{said.proof}" if said.proof else reason)
        elif said.accounts:
            case.note("accounts.by_operator", private=_reason(said), by=by)
            requests.choose_accounts(case, said.accounts)
        else:
            raise Stale("only a request that waits for confirmation can be verified")

    return decide


def _verified_by(case: Case, by: str, proof: str) -> None:
    first = case.record.second_needed_from
    if case.record.right in SECOND_NEEDED_FOR and len(case.services.operators) > 1 and first in {None, by}:
        if first is None:
            case.set(second_needed_from=by)
            case.note("verification.first", private=proof, by=by)
            case.also(*attention.raised(erasure.SECOND_NEEDED, case.id, case.now))
            return
        raise Stale("a second operator must verify this too")
    case.note("verification", private=proof, by=by)
    requests.resume(case)
    verification.verify(case, _found(case), proof="operator")


def _found(case: Case) -> list[people.Found]:
    case.envelope.tokens.pop("confirm", None)
    if case.envelope.user_id is not None:
        account = people.by_user(case.services, case.envelope.user_id)
        return [account] if account else []
    return people.by_address(case.services, case.envelope.addresses["a1"])


def deny(said: Act, by: str) -> Callable[[Case], None]:
    """Refuse, with reasons, and with where to complain (Art. 12(4))."""

    def decide(case: Case) -> None:
        if case.record.right == "restriction" and case.record.chosen_at is not None:
            restricting.end(case, by, _reason(said))
            return
        if case.record.status in ENDED or case.record.begun_at is not None or case.record.corrected:
            raise Stale("this request has begun or ended")
        objections.refuse_denial(case)
        notifying.drop_steps(case)
        case.set(status="denied")
        case.note("denied", private=_reason(said), by=by)
        case.envelope.reason = said.reason
        for label in case.envelope.addresses:
            case.mail("request_denied", label)
        case.also(*people.released(people.by_refs(case.services, case.record.subjects), {case.id}))
        erasure.close(case)

    return decide


def extend(said: Act, by: str) -> Callable[[Case], None]:
    """Take two more months, with reasons told inside the first (Art. 12(3)). The promised 14 days stay."""

    def decide(case: Case) -> None:
        if not case.record.open or case.record.extended_at is not None or case.record.closing_at is not None:
            raise Stale("this request has ended or was extended already")
        if case.now >= case.record.statutory_by:
            raise Stale("the first month is over")
        by_date = plus(case.record.statutory_by, "P2M")
        watch_by = min(by_date, case.record.promise_by or by_date)
        case.set(extended_at=case.now, statutory_by=by_date, watch_by=watch_by)
        case.note("extended", private=_reason(said), by=by, statutory_by=by_date)
        _tell(case, "request_extended", said.reason)

    return decide


def pause(said: Act, by: str) -> Callable[[Case], None]:
    """Ask who the person is, at once, on a recorded and reasonable doubt (Art. 12(6)); the statutory clock waits."""

    def decide(case: Case) -> None:
        if case.record.status != "unverified" or case.record.paused_at is not None:
            raise Stale("only a request that waits for confirmation can be paused, and once")
        case.set(paused_at=case.now)
        case.note("paused", private=_reason(said), by=by)
        _tell(case, "request_paused", said.reason)

    return decide


def _tell(case: Case, template: str, reason: str) -> None:
    case.envelope.reason = reason
    for label in case.envelope.addresses:
        case.mail(template, label)


def retry(name: str, said: Resolution, by: str) -> Callable[[Case], None]:
    """Try a failed step again."""

    def decide(case: Case) -> None:
        _failed_step(case, name)
        if case.record.right in notifying.RIGHTS:
            notifying.retry(case, name, by, _reason(said))
            return
        course = gathering if case.record.right in exporting.RIGHTS else erasing
        course.retry(case, name, by, _reason(said))

    return decide


def resolve(name: str, said: Resolution, by: str) -> Callable[[Case], None]:
    """Settle a failed step by hand, with evidence."""

    def decide(case: Case) -> None:
        _failed_step(case, name)
        if case.record.right in notifying.RIGHTS:
            notifying.resolve(case, name, by, _reason(said), said.evidence)
            return
        if name == OURS and erasing.waits_for_mailbox(case):
            erasing.clear_mailbox(case, by, _reason(said), said.evidence)
            return
        if name == OURS:
            raise Stale("our own data is gone when it was read back; mend the cause and try again")
        erasing.resolve(case, name, by, _reason(said), said.evidence)

    return decide


def _failed_step(case: Case, name: str) -> None:
    step = case.record.steps.get(name)
    if step is None:
        raise Missing("this request has no such step", "subprocessor")
    if step.outcome not in UNSETTLED:
        raise Stale(f"this step is settled: {step.outcome}")
    if name == MAILER and case.record.closing_at is None and case.record.right not in notifying.RIGHTS:
        raise Stale("the mail service is told last, after the closing mail")


def attention_list(services: Services) -> dict[str, Any]:
    """Return what a person must look at, oldest first, and the subprocessors nobody is connected to."""
    things = every(services.store, ALL_ATTENTION)
    items = [
        {"id": one.id, **msgspec.to_builtins(one.record)} for one in sorted(things, key=lambda one: one.record.since)
    ]
    for one in items:
        one["request_id"] = one.pop("ref")
    connected, not_used = set(services.connected), services.company.not_used
    idle = [
        {"name": one.name, "title": one.title, "note": TITLE_NOT_CONNECTED}
        for one in services.annex
        if one.name not in connected and one.name not in not_used
    ]
    return {"items": items, "not_connected": idle}


def evidence(services: Services, stream: str) -> dict[str, Any]:
    """Return one stream of evidence. Raises Missing."""
    entries = ledger.stream_of(services.store, stream)
    if not entries:
        raise Missing("there is no such stream", "stream")
    return {"stream": stream, "entries": [_entry(one.record) for one in entries]}


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": rfc3339(entry.at),
        "kind": entry.kind,
        "facts": entry.facts,
        "has_private_words": entry.sealed is not None,
        "previous": entry.previous,
        "mac": entry.mac,
    }
