"""§4: when an account is closed or its subscription ends, its data is deleted within 14 days of that (TRUTH §6).

Nobody asked for it, so it is told on the day and a week later, each time with a link that keeps the account; nothing begins
before one of these mails was taken. Everything is looked at again right before the first step, and whatever speaks against
it stops it. From there on it is an erasure like any other: its steps are in `erasing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from shared import attention, identity, ledger, work
from shared.case import Case
from shared.failures import Missing, Stale
from shared.ports import Services, Standing
from shared.promises import breaker, erasure, mails, people, requests
from shared.promises.people import Found
from shared.records import Account, Alias, Attention, Mailing, Request
from shared.store import Change, Update, persist
from shared.times import ANSWERABLE_FOR, PROMISED
from shared.vault import new_id

Channel = Literal["subscription_ended", "account_closed"]
AGAIN = "ending.again"
BEGIN = "ending.begin"
TOLD_AGAIN_AFTER = timedelta(days=7)
BEGINS_AFTER = timedelta(days=8)
NOTICE_WAITED_FOR = timedelta(days=2)
"""So long the first step waits for a mail that is not taken, where another one was: somebody was told."""
LOOKED_EVERY = timedelta(hours=1)
UNTOLD_LOOKED_EVERY = timedelta(days=1)
STOPPED_FOR = timedelta(hours=6)
"""After so long whatever the breaker stopped asks again: a person's word takes effect within it."""
HEARD_WITHIN = timedelta(days=3)
"""For so long Stripe repeats an event that was not taken: what ended earlier counts from when we heard of it."""
GONE = "gone"
UNSAID = frozenset({"erasure_asked", GONE})
"""Reasons to stop that the person knows better than we: another mail could follow the last one."""
UNCLEAR = "unclear"
UNTAKEN = frozenset({"queued", "failed", "dropped"})


class Closed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who closed an account: only what a `person` closes is erased."""

    by: Literal["person", "staff", "merge"]


# --- what begins it --------------------------------------------------------------------------------------------------


def expired(services: Services, found: Found, standing: Standing) -> list[Change]:
    """Return what follows for an account from its standing at Stripe: nothing, an ending, or a person's look."""
    now = services.clock.now()
    if standing.going or standing.ended_at is None or running(services, found):
        return []
    last = services.store.get(Request, found.stored.record.ending) if found.stored.record.ending else None
    if last is not None and standing.ended_at <= last.record.received_at:
        # the same end was dealt with: somebody kept the account, or a person looked at it
        return []
    if standing.unclear or _shares_customers(services, found):
        return attention.raised(erasure.ENDING_UNCLEAR, found.ref, now)
    at = standing.ended_at if now - HEARD_WITHIN <= standing.ended_at <= now else now
    return _opened(services, found, "subscription_ended", at).changes()


def close_account(services: Services, user_id: str, said: Closed) -> dict[str, Any]:
    """Take note that an account was closed; return `{user_id, by, request_id?}`, the same when it is said again.

    Raises BadInput, Missing.
    """
    identity.user_id(user_id)

    def attempt(_look: bool) -> dict[str, Any]:
        found = people.by_user(services, user_id)
        if found is None:
            raise Missing("there is no account of this user", "user_id")
        answer = {"user_id": user_id, "by": said.by}
        if said.by != "person":
            services.commit(_only_noted(services, found, said.by))
            return answer
        return answer | {"request_id": _closed_by_person(services, found)}

    return persist(attempt)


def _closed_by_person(services: Services, found: Found) -> str:
    case = running(services, found)
    if case is None:
        case = _opened(services, found, "account_closed", services.clock.now())
        case.commit()
    elif case.record.channel == "subscription_ended":
        # the person's own word: from now on no subscription keeps the account
        case.set(channel="account_closed")
        case.note("account_closed", by="person")
        case.commit()
    return case.id


def _only_noted(services: Services, found: Found, by: str) -> list[Change]:
    before = found.stored.record
    if before.closed_by == by:
        return []
    entry, _ = ledger.append(
        services.vault, None, new_id(), services.clock.now(), "account_closed", {"by": by}, subject=found.ref
    )
    return [entry, Update(found.stored, msgspec.structs.replace(before, closed_by=by))]


def running(services: Services, found: Found) -> Case | None:
    """Return the open erasure of an account, whoever began it."""
    record = found.stored.record
    for request_id in [*([record.ending] if record.ending else []), *record.restricted_by]:
        stored = services.store.get(Request, request_id)
        if stored is None or stored.record.only is not None:
            # what concerns a part of the account does not end it
            continue
        if stored.record.open and stored.record.right == "erasure":
            return Case(services, request_id, stored.record, stored)
    return None


def _shares_customers(services: Services, found: Found) -> bool:
    ids = [identity.alias(services.vault, "stripe", one) for one in found.known.stripe_customer_ids]
    aliases = filter(None, (services.store.get(Alias, one) for one in ids))
    return any(link.ref != found.ref for alias in aliases for link in alias.record.links)


def _opened(services: Services, found: Found, channel: Channel, at: datetime) -> Case:
    case = requests.new_case(services, "erasure", channel, found.known.locale or "en", at)
    by = at + PROMISED
    case.envelope.user_id = found.known.user_id
    case.set(
        status="verified",
        verified_at=at,
        promise_by=by,
        watch_by=min(by, case.record.statutory_by),
        begins_at=at + BEGINS_AFTER,
        lookup=services.vault.keyed(f"evidence:{case.now.year}", found.known.user_id or ""),
        accounts=[Account(n=1, ref=found.ref, chosen=True)],
        subjects=[found.ref],
    )
    case.note("verified", proof=channel, promise_by=by, accounts=1)
    _tell_first(case, found)
    case.work(AGAIN, at + TOLD_AGAIN_AFTER)
    case.work(BEGIN, at + BEGINS_AFTER)
    case.also(Update(found.stored, msgspec.structs.replace(found.stored.record, ending=case.id)))
    return case


def _tell_first(case: Case, found: Found) -> None:
    addresses = people.notice_addresses(case.services, [found], case.services.clock)
    for n, email in enumerate(addresses, 2):
        label = f"a{n}"
        case.envelope.addresses[label] = email
        case.key("keep", use=f"keep:{label}", label=label)
        if people.still_current(case.services, [found], email):
            # an address the account has left hears of it and can keep it; what was done is not for it to read
            case.key("view", use="view", label=label)
        case.mail("ending_first", label)
    if not addresses:
        case.also(*attention.raised("ending_untold", case.id, case.now))


# --- until it begins -------------------------------------------------------------------------------------------------


def again(services: Services, claim: work.Claim) -> None:
    """Tell it a second time, unless something speaks against it by now (work `ending.again`)."""
    case = Case.read(services, claim.work.ref)
    if _waits(case):
        if reason := _obstacle(case, _account(case)):
            _stop(case, reason)
        else:
            _tell_again(case)
        case.also(claim.done())
        case.commit()
    else:
        services.commit([claim.done()])


def begin(services: Services, claim: work.Claim) -> work.Ran:
    """Look at everything again, pass the breaker, restrict, and hand over to the steps (work `ending.begin`)."""
    case = Case.read(services, claim.work.ref)
    if not _waits(case) or case.record.chosen_at is not None:
        services.commit([claim.done()])
        return "done"
    taken = _taken(case)
    if case.envelope.addresses and not taken:
        _wait_untold(case, claim)
        return "postponed"
    if taken and (later := _answerable_until(case, taken)) > case.now:
        case.set(begins_at=later)
        case.also(claim.again(later, "notice_first"))
        case.commit()
        return "postponed"
    # read once: a restriction that comes after this look makes the commit a conflict
    found = _account(case)
    reason = _obstacle(case, found)
    if found is None or reason:
        _stop(case, reason or GONE)
    else:
        asked = breaker.ask(services)
        if not asked.admitted:
            services.commit([claim.again(case.now + STOPPED_FOR, breaker.TRIPPED), *asked.changes])
            return "postponed"
        _begin(case, found)
        case.also(*asked.changes)
    case.also(claim.done())
    case.commit()
    return "done"


def _waits(case: Case) -> bool:
    return case.record.status == "verified" and case.record.begun_at is None


def _taken(case: Case) -> list[Mailing]:
    """Return the mails that offered to keep the account and that the mail service took; one that came back counts too."""
    offers = (one for one in case.record.mails.values() if one.template in mails.OFFERS)
    return [one for one in offers if one.status not in UNTAKEN or one.evidence]


def _wait_untold(case: Case, claim: work.Claim) -> None:
    """Nobody could answer yet: a person is shown it once, the mails go on being tried, and the clocks run."""
    later = case.now + UNTOLD_LOOKED_EVERY
    shown = attention.attention_id(erasure.ENDING_UNHEARD, case.id)
    if case.services.store.get(Attention, shown) is None:
        case.note("ending.waits", reason="nobody_told")
        case.also(*attention.raised(erasure.ENDING_UNHEARD, case.id, case.now))
    if all(one.status != "queued" for one in case.record.mails.values()):
        # each of them was given up meanwhile
        _tell_again(case)
    case.set(begins_at=later)
    case.also(claim.again(later, "notice_first"))
    case.commit()


def _tell_again(case: Case) -> None:
    for label in case.envelope.addresses:
        case.mail("ending_again", label)


def _answerable_until(case: Case, taken: list[Mailing]) -> datetime:
    """Return until when the last mail may still be answered; one that is not taken is waited for, but not for ever."""
    latest = max(case.record.received_at + BEGINS_AFTER + NOTICE_WAITED_FOR, min(one.at for one in taken))
    second = [one for one in case.record.mails.values() if one.template == "ending_again"]
    if case.now < latest and (not second or any(one.status == "queued" for one in second)):
        return min(case.now + LOOKED_EVERY, latest)
    return min(max(one.at for one in taken), latest) + ANSWERABLE_FOR


def _begin(case: Case, found: Found) -> None:
    own, _shared = people.own_and_shared(case.services, [found], None)
    silenced = people.silenced(case.services, own, case.id)
    for mail_id, mailing in case.record.mails.items():
        if mailing.status == "queued":
            case.mailing(mail_id, status="dropped", problem="too_late")
            case.note("mail.dropped", mail=mail_id, template=mailing.template, problem="too_late")
    case.set(chosen_at=case.now, suppressed=list(silenced))
    case.note("restricted", subjects=1, begins_at=case.now)
    case.also(*people.restricted([found], case.id), *silenced.values())
    case.work(erasure.BEGIN)


# --- what stops it ---------------------------------------------------------------------------------------------------


def _account(case: Case) -> Found | None:
    return people.by_ref(case.services, case.record.subjects[0])


def _obstacle(case: Case, found: Found | None) -> str | None:
    """Return what speaks against it right now, Stripe asked anew."""
    if found is None:
        return GONE
    if any(one != case.id for one in found.stored.record.restricted_by):
        return "restricted"
    if any(one.open for one in _others(case, found)):
        return "open_request"
    standing = standing_of(case.services, found)
    if standing.disputes:
        return "dispute"
    # what the person closed themselves, no subscription keeps
    return _not_ended(case.services, found, standing) if case.record.channel == "subscription_ended" else None


def _not_ended(services: Services, found: Found, standing: Standing) -> str | None:
    if standing.going:
        return "subscription_back"
    return UNCLEAR if standing.unclear or _shares_customers(services, found) else None


def _others(case: Case, found: Found) -> Iterator[Request]:
    """Yield the other requests that anybody made by what identifies this account, this year or the last."""
    values = [*([found.known.user_id] if found.known.user_id else []), *found.known.addresses]
    same = people.requests_of(case.services, values)
    yield from (one.record for one in same if one.id != case.id)


def standing_of(services: Services, found: Found) -> Standing:
    """Ask Stripe anew about an account's customers. Raises TryAgain, NeverRetry."""
    if "stripe" not in services.connected or not found.known.stripe_customer_ids:
        return Standing()
    return services.subscriptions.standing(found.known)


def keep(services: Services, request_id: str, token: str | None) -> Case:
    """Keep the account, by a link of ours. Doing it again answers the same. Raises BadInput, Stale once it has begun."""

    def attempt(_look: bool) -> Case:
        case, _key = requests.with_token(services, request_id, token, "keep")
        if case.record.status != "withdrawn":
            if not _waits(case):
                raise Stale("its deletion has begun; this account can no longer be kept", "t")
            _stop(case, "kept")
            case.commit()
        return case

    return persist(attempt)


def can_keep(case: Case) -> bool:
    """Tell whether an account can still be kept."""
    return _waits(case)


def overtaken(services: Services, claim: work.Claim) -> None:
    """Give way to an erasure that the person asked for: it runs by itself (work `ending.overtaken`)."""
    case = Case.read(services, claim.work.ref)
    if _waits(case):
        _stop(case, "erasure_asked")
        case.also(claim.done())
        case.commit()
    else:
        services.commit([claim.done()])


def _stop(case: Case, reason: str) -> None:
    case.set(status="withdrawn")
    case.note("withdrawn", reason=reason)
    case.envelope.reason = reason
    case.also(*people.released(people.by_refs(case.services, case.record.subjects), {case.id}))
    if reason not in UNSAID:
        # only whom the mail service told of it by now
        for label in sorted({one.to for one in _taken(case)}):
            case.mail("ending_stopped", label)
    if reason == UNCLEAR:
        case.also(*attention.raised(erasure.ENDING_UNCLEAR, case.record.subjects[0], case.now))
    closed_at_the_website = case.record.channel == "account_closed" and reason == "kept"
    if reason in {"restricted", "open_request", "dispute"} or closed_at_the_website:
        # what the policy promises did not happen, or the website still has it closed
        case.also(*attention.raised("ending_stopped", case.id, case.now, reason))
    erasure.close(case)
