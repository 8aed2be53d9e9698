"""§5.1: a person asks for a right, proves the mailbox, and follows what becomes of it.

Intake never looks the person up: one commit, the same for everybody, so that neither answer nor time tells whether an
address is known. Proof of the mailbox mints a new key for whoever holds it; the filer's own link opens nothing from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import attention, identity, references, throttle, work
from shared.case import NO_HEAD, Case
from shared.failures import BadInput, Missing, NeverRetry, Stale, TooMany
from shared.ports import Services
from shared.promises import erasure, fetching, mails, objections, people, rectifying, verification
from shared.records import Key, Mailing, Request, Right
from shared.store import persist
from shared.times import statutory_month
from shared.vault import new_id, token_hash

SIGN_IN_IS_RECENT = timedelta(hours=1)
CLOCKS_DIFFER_BY = timedelta(minutes=5)
LONGEST_DETAILS = 4000
REMINDERS = 2
REMINDED_EVERY = timedelta(days=7)
SHORTEST_TO_CONFIRM = timedelta(days=7)
ANSWERED_BEFORE = timedelta(days=3)
REMIND = "request.remind"
TRIED_FOR = timedelta(days=14)


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request. Browsers send `email`; the website's server may send `user_id`, `verified` and `auth_time` instead."""

    right: Right
    email: str | None = None
    scope: str | None = None
    details: str | None = None
    corrections: dict[str, str] | None = None
    locale: str | None = None
    user_id: str | None = None
    verified: bool = False
    auth_time: datetime | None = None


# --- intake ----------------------------------------------------------------------------------------------------------


def open_request(services: Services, asked: Asked, *, server: bool) -> dict[str, Any]:
    """Take a request; return `{request_id, status, status_url?}`.

    Raises BadInput by field, Stale, TooMany.
    """
    _check(asked)
    if asked.user_id is not None or asked.verified:
        return _open_verified(services, asked, server=server)
    email = identity.address(asked.email or "")
    locale, corrections = identity.locale(asked.locale), corrections_of(asked.right, asked.corrections, asked.details)

    def attempt(look: bool) -> dict[str, Any]:
        case = new_case(services, asked.right, "server" if server else "web", locale, services.clock.now())
        mailed = server or _takes_place(case, email, look=look)
        take_address(case, email, asked.details, asked.scope, mailed=mailed)
        case.envelope.corrections = corrections
        waiting = case.key("waiting")
        case.commit()
        url = f"{services.base_url}/requests/{case.id}?key={waiting}"
        answer = {"request_id": case.id, "status": case.record.status}
        return answer if server else answer | {"status_url": url}

    return persist(attempt)


def _takes_place(case: Case, email: str, *, look: bool) -> bool:
    """Take one of the address's places for this hour. A no is never one too many: it is taken, only no mail tells of it."""
    try:
        case.also(throttle.place(case.services, email, case.now, look=look))
    except TooMany:
        if case.record.right != "objection":
            raise
        return False
    return True


def _check(asked: Asked) -> None:
    if asked.details is not None and len(asked.details) > LONGEST_DETAILS:
        raise BadInput(f"at most {LONGEST_DETAILS} characters", "details")
    if asked.email is None and asked.user_id is None:
        raise BadInput("an e-mail address is needed", "email")
    if asked.scope is not None and asked.right != "objection":
        # passed over, it would do more than was asked for
        raise BadInput("only an objection has a scope", "scope")


def corrections_of(right: Right, corrections: Mapping[str, str] | None, details: str | None) -> dict[str, str]:
    """Return what a rectification is to put right, checked; no other right has corrections. Raises BadInput."""
    if right == "rectification":
        return rectifying.checked(corrections, details)
    if corrections:
        raise BadInput("only a rectification has corrections", "corrections")
    return {}


def new_case(services: Services, right: Right, channel: str, locale: str, received_at: datetime) -> Case:
    """Start a request. Its clocks run from `received_at`."""
    by = statutory_month(received_at)
    record = Request(
        right=right,
        channel=channel,
        locale=locale,
        status="unverified",
        open=True,
        received_at=received_at,
        statutory_by=by,
        watch_by=by,
        head=NO_HEAD,
    )
    case = Case(services, new_id(), record, None)
    case.note("received", right=right, channel=channel, received_at=received_at, statutory_by=by)
    return case


def take_address(case: Case, email: str, details: str | None, scope: str | None = None, *, mailed: bool = True) -> None:
    """Keep the address that asked, sealed, and have its mailbox asked to confirm. An objection acts without that."""
    case.envelope.addresses["a1"] = email
    case.envelope.details = details
    case.set(lookup=case.services.vault.keyed(f"evidence:{case.now.year}", email))
    if case.record.right == "objection":
        objections.take(case, [email], scope, mailed=mailed)
        return
    # one that arrived by post weeks ago still gets its week to confirm
    until = max(case.record.statutory_by - ANSWERED_BEFORE, case.now + SHORTEST_TO_CONFIRM)
    case.key("confirm", use="confirm", until=until)
    case.mail("request_confirm", "a1")


def _open_verified(services: Services, asked: Asked, *, server: bool) -> dict[str, Any]:
    user_id = _signed_in(services, asked, server=server)
    email = identity.address(asked.email) if asked.email else None
    corrections = corrections_of(asked.right, asked.corrections, asked.details)

    def attempt(_look: bool) -> dict[str, Any]:
        found = people.by_user(services, user_id)
        if email and (found is None or email not in found.known.addresses[-1:]):
            raise Stale("this is not the confirmed address of this user", "email")
        locale = identity.locale(asked.locale)
        case = new_case(services, asked.right, "server", locale, services.clock.now())
        case.set(lookup=services.vault.keyed(f"evidence:{case.now.year}", user_id))
        case.envelope.details, case.envelope.user_id = asked.details, user_id
        case.envelope.corrections = corrections
        if asked.right == "objection":
            objections.take_from(case, found, asked.scope)
        else:
            verification.verify(case, [found] if found else [], proof="signed in at the website")
        case.commit()
        return {"request_id": case.id, "status": case.record.status}

    return persist(attempt)


def _signed_in(services: Services, asked: Asked, *, server: bool) -> str:
    if not server:
        raise BadInput("only the website's server may vouch for a user", "user_id" if asked.user_id else "verified")
    if not (asked.user_id and asked.verified):
        raise BadInput("user_id, verified: true and auth_time go together", "verified" if asked.user_id else "user_id")
    if asked.auth_time is None or asked.auth_time.tzinfo is None:
        raise BadInput("when the user signed in, RFC 3339 with its zone, is needed", "auth_time")
    now = services.clock.now()
    if asked.auth_time > now + CLOCKS_DIFFER_BY:
        raise BadInput("lies in the future", "auth_time")
    if asked.auth_time < now - SIGN_IN_IS_RECENT:
        raise Stale("the sign-in is too long ago; have the user sign in again", "auth_time")
    return identity.user_id(asked.user_id)


# --- what a token opens ----------------------------------------------------------------------------------------------


def with_token(services: Services, request_id: str, token: str | None, *opens: str) -> tuple[Case, Key]:
    """Open a request by a mailed token. Raises BadInput: unknown, of another request or for another act."""
    try:
        case = Case.read(services, request_id)
    except Missing:
        raise BadInput("this link was not made here", "t") from None
    key = case.record.keys.get(token_hash(token or ""))
    if key is None or key.opens not in opens:
        raise BadInput("this link was not made here", "t")
    return case, key


def may_cancel(case: Case, key: Key) -> bool:
    """Tell whether a mailed cancel link still cancels. A restriction that stands is lifted by whoever proved the mailbox.

    A merely notified address may be one the person left long ago: its link ends with the first step, as for every right.
    """
    over = case.record.right == "restriction" and case.record.status == "completed" and key.label != "a1"
    return verification.may_withdraw(case) and not over


def with_cancel_link(services: Services, request_id: str, token: str | None) -> Case:
    """Open a request to cancel it by a mailed link. Raises BadInput, Stale."""
    case, key = with_token(services, request_id, token, "cancel")
    if case.record.status != "withdrawn" and not may_cancel(case, key):
        raise Stale("this link cancels no more; the request's own page says what can be done")
    return case


def with_key(services: Services, request_id: str, token: str | None, *, waiting: bool = False) -> Case:
    """Open a request by its private key, or with `waiting` also by the filer's link. Raises Missing."""
    case = Case.read(services, request_id)
    key = case.record.keys.get(token_hash(token or ""))
    filer = key is not None and key.opens == "waiting" and waiting and case.record.verified_at is None
    if key is None or not (key.opens == "view" or filer):
        raise Missing("there is no such request, or this key does not open it")
    return case


def confirm(services: Services, request_id: str, token: str | None) -> dict[str, Any]:
    """Verify a request by the mailed token, once; return the private link to whoever posted it.

    A token mailed to a corrected address confirms that address, and opens nothing.
    Raises BadInput (unknown token), Stale (used, expired, or the request is closed).
    """

    def attempt(_look: bool) -> dict[str, Any]:
        case, key = with_token(services, request_id, token, "confirm", "address")
        if key.opens == "address":
            rectifying.confirm_address(case, token or "", key)
            case.commit()
            return {"request_id": case.id, "status": case.record.status}
        refuse_confirm(case, key)
        resume(case)
        used = msgspec.structs.replace(key, used_at=case.now)
        case.set(keys=case.record.keys | {token_hash(token or ""): used})
        case.envelope.tokens.pop("confirm", None)
        found = people.by_address(services, case.envelope.addresses["a1"])
        verification.verify(case, found, proof="mailbox")
        view = case.envelope.tokens["view"]
        case.commit()
        return confirmed_answer(case, view)

    return persist(attempt)


def refuse_confirm(case: Case, key: Key) -> None:
    """Refuse a token that was used or came too late."""
    if key.used_at is not None or case.record.verified_at is not None:
        raise Stale("this request is confirmed already; your private link is in the mail we sent then", "t")
    expired = key.expires_at is not None and case.now >= key.expires_at and case.record.paused_at is None
    if case.record.status != "unverified" or expired:
        raise Stale("this link has expired; you can make a new request at any time, free of charge", "t")


def resume(case: Case) -> None:
    """End a pause: the statutory clock stood still while the person was asked who they are (Art. 12(6))."""
    if case.record.paused_at is not None:
        by = case.record.statutory_by + (case.now - case.record.paused_at)
        case.set(paused_at=None, statutory_by=by, watch_by=by)


def confirmed_answer(case: Case, view: str) -> dict[str, Any]:
    """Return the contract's answer to a confirmation."""
    answer: dict[str, Any] = {
        "request_id": case.id,
        "status": case.record.status,
        "status_url": f"{case.services.base_url}/requests/{case.id}?key={view}",
    }
    if len(case.record.accounts) > 1:
        answer["accounts"] = accounts_of(case)
    return answer


def accounts_of(case: Case) -> list[dict[str, Any]]:
    """Return the accounts a person may choose from, masked."""
    return [
        {"n": account.n, "masked": case.envelope.masked.get(str(account.n), ""), "chosen": account.chosen}
        for account in case.record.accounts
    ]


def choose(services: Services, request_id: str, key: str | None, numbers: Sequence[int]) -> Case:
    """Say which accounts are meant. The same choice again changes nothing. Raises Missing, BadInput, Stale."""

    def attempt(_look: bool) -> Case:
        case = with_key(services, request_id, key)
        if choose_accounts(case, numbers):
            case.commit()
        return case

    return persist(attempt)


def choose_accounts(case: Case, numbers: Sequence[int]) -> bool:
    """Decide which accounts are meant; False when just these were chosen before. Raises BadInput, Stale."""
    wanted = sorted(set(numbers))
    offered = [account.n for account in case.record.accounts]
    if not wanted or any(n not in offered for n in wanted):
        raise BadInput(f"one or more of {', '.join(map(str, offered)) or 'none'}", "accounts")
    if case.record.chosen_at is not None:
        if wanted != [account.n for account in case.record.accounts if account.chosen]:
            raise Stale("the accounts were chosen already", "accounts")
        return False
    if case.record.status != "verified":
        raise Stale("this request is closed", "accounts")
    verification.choose(case, wanted)
    return True


def cancel(open_case: Callable[[], Case]) -> Case:
    """Cancel until the first step. Cancelling again answers the same. Raises Stale once it has begun."""

    def attempt(_look: bool) -> Case:
        case = open_case()
        if case.record.status == "withdrawn":
            return case
        refuse_cancel(case)
        verification.withdraw(case)
        case.commit()
        return case

    return persist(attempt)


def refuse_cancel(case: Case) -> None:
    """Refuse once the first step has begun, or nothing is left to cancel."""
    if not verification.may_withdraw(case):
        raise Stale("the first step has begun; this can no longer be cancelled")


# --- nobody confirmed ------------------------------------------------------------------------------------------------


def remind(services: Services, claim: work.Claim) -> None:
    """Remind twice, then, before the month ends, answer with reasons (work `request.remind`)."""
    case = Case.read(services, claim.work.ref)
    if case.record.status != "unverified" or not case.has_envelope:
        services.commit([claim.done()])
    elif case.record.paused_at is not None or case.record.second_needed_from is not None:
        # it waits for more than the mailbox
        services.commit([claim.again(case.now + timedelta(days=1))])
    else:
        _remind(case, int(claim.work.args["n"]))
        case.also(claim.done())
        case.commit()


def _remind(case: Case, n: int) -> None:
    if n > REMINDERS:
        _unconfirmed(case)
        return
    case.mail("request_reminder", "a1")
    case.note("reminded", n=n)
    next_reminder(case, n + 1)


def next_reminder(case: Case, n: int) -> None:
    """Ask for the next reminder, or for the answer that closes the request when its link ends."""
    ends = next(key.expires_at for key in case.record.keys.values() if key.opens == "confirm") or case.now
    at = case.now + REMINDED_EVERY
    if n > REMINDERS or at >= ends:
        case.work(REMIND, max(ends, case.now), n=str(REMINDERS + 1))
    else:
        case.work(REMIND, at, n=str(n))


def _unconfirmed(case: Case) -> None:
    case.envelope.tokens.pop("confirm", None)
    case.set(status="unconfirmed")
    case.note("unconfirmed")
    case.mail("request_unconfirmed", "a1")
    erasure.close(case)


def send_mail(services: Services, claim: work.Claim) -> None:
    """Send one of a request's mails and record that the vendor took it (work `request.mail`)."""
    case = Case.read(services, claim.work.ref)
    mail_id = claim.work.args["mail"]
    posted = _post(case, mail_id)
    # a mail that was taken must not go twice because its request moved meanwhile
    persist(lambda look: _keep(Case.read(services, case.id) if look else case, mail_id, posted, claim))


def _keep(case: Case, mail_id: str, posted: str | NeverRetry | None, claim: work.Claim) -> None:
    mailing = case.record.mails[mail_id]
    if isinstance(posted, NeverRetry):
        _refused(case, mail_id, posted.code, claim)
    elif posted is not None:
        _accepted(case, mail_id, posted, claim)
    else:
        if mailing.status == "queued":
            case.mailing(mail_id, status="dropped", problem="no_longer_needed")
        case.also(claim.done())
    if mailing.template == "request_confirm" and case.record.status == "unverified" and not mailing.attempts:
        next_reminder(case, 1)
    erasure.settle(case)
    case.commit()


def _is_needed(case: Case, mailing: Mailing) -> bool:
    """A mail that waited out an outage may have been overtaken by what it speaks of."""
    # these are quick: they may be done before the mail with the private link has gone
    answered = {"completed"} if case.record.right in {"restriction", "rectification"} else set()
    needed_in = {
        "request_confirm": {"unverified"},
        "request_reminder": {"unverified"},
        "request_verified": {"verified", "in_progress", *answered},
        "request_notice": {"verified", "in_progress", *answered},
        "address_confirm": {"verified"},
        "ending_first": {"verified"},
        "ending_again": {"verified"},
    }
    return case.has_envelope and case.record.status in needed_in.get(mailing.template, {case.record.status})


def _post(case: Case, mail_id: str) -> str | NeverRetry | None:
    """Return the vendor's message id or its refusal; None where nothing is to be sent any more."""
    mailing = case.record.mails[mail_id]
    if mailing.status != "queued" or not _is_needed(case, mailing):
        return None
    words, to = mails.words(case, mailing.template, mailing.to), case.mailbox(mailing.to)
    reference = references.of_mail(case.id, mail_id)
    try:
        return case.services.postman.post(mailing.template, to, case.record.locale, words, reference)
    except NeverRetry as failure:
        return failure


def _accepted(case: Case, mail_id: str, message: str, claim: work.Claim) -> None:
    mailing = case.record.mails[mail_id]
    # the vendor's own event of it may have been quicker
    told = {} if mailing.status != "queued" else {"status": "sent", "problem": None}
    case.mailing(mail_id, evidence=message, attempts=claim.work.attempts, **told)
    case.note("mail.accepted", mail=mail_id, template=mailing.template, message=message)
    fetching.handed_over(case, mailing.template)
    case.also(claim.done(), attention.settled("mail_failed", case.id, mail_id))
    if mailing.template in mails.OFFERS:
        case.also(attention.settled(erasure.ENDING_UNHEARD, case.id))


def _refused(case: Case, mail_id: str, problem: str, claim: work.Claim) -> None:
    """A key that is being changed refuses for an hour: a person is told, and it is tried for two weeks."""
    over = case.now >= claim.work.created_at + TRIED_FOR
    case.mailing(mail_id, status="failed" if over else "queued", problem=problem, attempts=claim.work.attempts)
    case.note("mail.refused", mail=mail_id, problem=problem, given_up=over)
    case.also(*attention.raised("mail_failed", case.id, case.now, problem, mail_id))
    case.also(claim.done() if over else claim.again(case.now + work.LONGEST_BACKOFF, problem))
