"""§8: everybody with an account is told of a new version by mail, once.

Accounts are read by ranges of their ids, in strands that run beside each other; each batch of a strand is one work item, one
call of the mail service and one stream of evidence. A batch is marked `sending` before the call. Found so later, the mail
service may have it or not: then nobody is written to for some hours, and after that only whom no event speaks of. So a person
is written to twice only if the call was cut off and the events of a mail that did leave were lost for that long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Literal

import msgspec

from shared import attention, batches, identity, ledger, work
from shared.failures import InDoubt, NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.notice_call import Call, Chosen
from shared.ports import Services
from shared.promises import people
from shared.records import ACCOUNTS, Batch, Campaign, Subject, Work
from shared.store import Change, Create, Stored, Update, every, persist
from shared.strands import FIRST_ID, SAMPLE, Place, batch_id, before, ends, place_of, suited
from shared.vault import b64url

START = "campaign.start"
SEND = "campaign.send"
END = "campaign.end"
BOUNCED = "campaign.bounced"
HEARD_WITHIN = timedelta(hours=6)
"""How long a call that was cut off is given to show by its events that it was taken."""
REF_BYTES = 20
MOST_MARKED = MOST_ASKED = 400
"""Changes of one sort in one commit."""


# --- the strands -----------------------------------------------------------------------------------------------------


def start(services: Services, claim: work.Claim) -> work.Ran:
    """Divide the accounts among strands and ask for the first batch of each; or go on after a pause (`campaign.start`)."""
    campaign = services.store.get(Campaign, claim.work.ref)
    if campaign is not None and campaign.record.state == "announced":
        services.commit([*_divided(services, campaign), claim.done()])
    elif campaign is not None and campaign.record.state == "sending" and campaign.record.waiting:
        return _go_on(services, campaign, claim)
    else:
        services.commit([claim.done()])
    return "done"


def _divided(services: Services, campaign: Stored[Campaign]) -> list[Change]:
    count = _strands(services)
    now = services.clock.now()
    entry, head = ledger.append(
        services.vault, campaign.record.head, campaign.id, now, "campaign.sending", {"strands": count}
    )
    sending = msgspec.structs.replace(campaign.record, state="sending", strands=count, head=head)
    asked = [_asked(campaign, Place(n, 0, before(n, count)), services) for n in range(count)]
    return [Update(campaign, sending), entry, *asked]


def _strands(services: Services) -> int:
    if services.company.notices_per_hour is not None:
        # at a pace that the company limits, nothing is gained by strands beside each other
        return 1
    first = services.store.query(ACCOUNTS, "account", limit=SAMPLE)
    return suited([one.id for one in first], services.company.notices_per_call)


def _go_on(services: Services, campaign: Stored[Campaign], claim: work.Claim) -> work.Ran:
    """Ask for the batches that a pause had stopped, as many as one commit takes."""
    waiting = list(dict.fromkeys(campaign.record.waiting))
    some, left = waiting[:MOST_ASKED], waiting[MOST_ASKED:]
    asked = [_asked(campaign, msgspec.json.decode(one, type=Place), services) for one in some]
    after = Update(campaign, msgspec.structs.replace(campaign.record, waiting=left))
    now = services.clock.now()
    services.commit([after, *asked, claim.again(now) if left else claim.done()])
    return "postponed" if left else "done"


def _asked(campaign: Stored[Campaign], place: Place, services: Services, wait: timedelta = timedelta()) -> Create:
    now = services.clock.now()
    due = Work(kind=SEND, ref=campaign.id, due_at=now + wait, created_at=now, args=place.args())
    # the id follows from the place: whoever asks for the same batch again asks for nothing new
    return Create(f"w-{batch_id(campaign.record.version, place)}", due)


# --- one batch -------------------------------------------------------------------------------------------------------


def send(services: Services, claim: work.Claim) -> work.Ran:
    """Write to one batch of account holders (work `campaign.send`)."""
    campaign = services.store.get(Campaign, claim.work.ref)
    if campaign is None:
        raise NeverRetry("campaign_missing")
    place = place_of(claim.work.args)
    stored = services.store.get(Batch, batch_id(campaign.record.version, place))
    if stored is not None and stored.record.state == "sent":
        services.commit([claim.done()])
        return "done"
    if campaign.record.state == "paused":
        _wait(services, campaign, place, claim)
        return "postponed"
    if stored is None:
        return _send_new(services, campaign, place, claim)
    return _send_again(services, campaign, stored, claim)


def _wait(services: Services, campaign: Stored[Campaign], place: Place, claim: work.Claim) -> None:
    waiting = [*campaign.record.waiting, msgspec.json.encode(place).decode()]
    services.commit([Update(campaign, msgspec.structs.replace(campaign.record, waiting=waiting)), claim.done()])


def _send_new(services: Services, campaign: Stored[Campaign], place: Place, claim: work.Claim) -> work.Ran:
    most = _most_in_a_call(services)
    page = services.store.query(
        ACCOUNTS,
        "account",
        at_least=f"{place.after}0" if place.after else FIRST_ID,
        at_most=ends(place.strand, campaign.record.strands),
        limit=most,
    )
    chosen = _chosen(services, page, campaign.record)
    batch = Batch(
        campaign=campaign.id,
        n_recipients=len(chosen),
        state="sending",
        at=services.clock.now(),
        refs=bytes.fromhex("".join([one.ref for one in chosen])),
        attempts=1,
        last=len(page) < most,
        expires_at=campaign.record.expires_at,
    )
    id = batch_id(campaign.record.version, place)
    changes: list[Change] = [Create(id, batch)]
    if not batch.last:
        following = Place(place.strand, place.number + 1, page[-1].id)
        changes.append(_asked(campaign, following, services, _pace(services)))
    version, *_ = services.commit(changes)
    return _hand_over(services, campaign, Stored(id, version, batch), chosen, claim)


def _most_in_a_call(services: Services) -> int:
    company = services.company
    return min(company.notices_per_call, company.notices_per_hour or company.notices_per_call)


def _pace(services: Services) -> timedelta:
    """Return how long the one strand waits between two batches, to keep the company's limit. Second attempts come on top."""
    limit = services.company.notices_per_hour
    return timedelta(hours=_most_in_a_call(services) / limit) if limit else timedelta()


def _send_again(services: Services, campaign: Stored[Campaign], stored: Stored[Batch], claim: work.Claim) -> work.Ran:
    now, batch = services.clock.now(), stored.record
    heard_by = (batch.at or now) + HEARD_WITHIN
    if batch.state == "sending" and now < heard_by:
        services.commit([claim.again(heard_by, "in_doubt")])
        return "postponed"
    left = _left(services, campaign.record, batch)
    gone = batches.unheard(batch) & ~sum(1 << one.n for one in left)
    again = msgspec.structs.replace(batch, state="sending", at=now, attempts=batch.attempts + 1, gone=b"")
    again = batches.marked(again, {"gone": gone})
    (version,) = services.commit([Update(stored, again)])
    return _hand_over(services, campaign, Stored(stored.id, version, again), left, claim)


def _left(services: Services, campaign: Campaign, batch: Batch) -> list[Chosen]:
    """Return whom of a batch no event speaks of, as far as they are still there, by their first numbers."""
    refs, bits = refs_of(batch), batches.unheard(batch)
    unheard = {ref: n for n, ref in enumerate(refs) if bits >> n & 1}
    if not unheard:
        return []
    # all of the range: accounts that came since the batch was made stand in between
    between = every(services.store, ACCOUNTS, "account", at_least=refs[0], at_most=refs[-1])
    found = _chosen(services, [one for one in between if one.id in unheard], campaign)
    return [Chosen(unheard[one.ref], one.ref, one.email, one.locale) for one in found]


def refs_of(batch: Batch) -> list[str]:
    """Return the subjects of a batch in their order."""
    return [batch.refs[at : at + REF_BYTES].hex() for at in range(0, len(batch.refs), REF_BYTES)]


def _chosen(services: Services, page: Sequence[Stored[Subject]], campaign: Campaign) -> list[Chosen]:
    """Return who of these subjects is written to: account holders of before with a confirmed mailbox that is there."""
    found: dict[str, Chosen] = {}
    for one in page:
        if one.record.created_at > campaign.announced_at or one.record.unreachable_at is not None:
            continue
        known = services.vault.unsealed(f"subjects/{one.id}", one.record.sealed, Identifiers)
        email = known.addresses[-1] if known.addresses else None
        if email and email not in found and not (known.shared and _told_as_another(services, one.id, email)):
            found[email] = Chosen(len(found), one.id, email, known.locale or "en")
    return list(found.values())


def _told_as_another(services: Services, ref: str, email: str) -> bool:
    """Tell whether an older account of the same mailbox gets the mail: nobody is told twice."""
    links = [one for one in people.links_of(services, email) if one.kind == "account" and one.replaced_at is None]
    return identity.eldest(links) not in {None, ref}


# --- the call --------------------------------------------------------------------------------------------------------


def _hand_over(
    services: Services, campaign: Stored[Campaign], stored: Stored[Batch], chosen: Sequence[Chosen], claim: work.Claim
) -> work.Ran:
    call = Call(services, campaign.record, stored)
    try:
        call.hand_over(chosen)
    except InDoubt as trouble:
        # it stays `sending`: of the rest only events, or their absence, can tell
        _broken_off(services, stored, call.taken, "sending")
        services.commit([claim.again(services.clock.now() + HEARD_WITHIN, trouble.code)])
        return "postponed"
    except (TryAgain, NeverRetry):
        # nothing is in doubt: the next attempt need not wait for events
        _broken_off(services, stored, call.taken, "waiting")
        raise
    return persist(lambda _: _settled(services, campaign, stored.id, call.refused, claim))


def _broken_off(services: Services, stored: Stored[Batch], taken: int, state: Literal["sending", "waiting"]) -> None:
    """Remember who was taken before the trouble came: they are not written to again."""

    def attempt(look: bool) -> None:
        now = services.store.get(Batch, stored.id) if look else stored
        if now is not None and now.record.state == "sending":
            after = batches.marked(now.record, {"accepted": taken})
            services.commit([Update(now, msgspec.structs.replace(after, state=state))])

    persist(attempt)


def _settled(services: Services, campaign: Stored[Campaign], id: str, refused: int, claim: work.Claim) -> work.Ran:
    stored = services.store.get(Batch, id)
    if stored is None:
        raise NeverRetry("batch_missing")
    batch = batches.marked(stored.record, {"refused": refused})
    batch = msgspec.structs.replace(batch, state="sent")
    facts = {
        "campaign": campaign.id,
        "recipients": batch.n_recipients - batches.counted(batch)["gone"],
        "refused": batches.bits(batch.refused).bit_count(),
        "attempts": batch.attempts,
        "subjects_sha256": b64url(sha256(batch.refs).digest()),
    }
    entry, _ = ledger.append(services.vault, None, id, services.clock.now(), "batch.sent", facts)
    changes: list[Change] = [Update(stored, batch), entry, claim.done()]
    if facts["refused"]:
        changes += attention.raised("notices_refused", campaign.id, services.clock.now(), about=id)
    if batch.last or batch.attempts > 1:
        changes.append(work.item(END, campaign.id, services.clock.now()))
    services.commit(changes)
    return "done"


# --- what came back --------------------------------------------------------------------------------------------------


def bounced(services: Services, claim: work.Claim) -> None:
    """Remember who has no mailbox any more, and have a person see it (work `campaign.bounced`, `ref` the batch)."""
    stored = services.store.get(Batch, claim.work.ref)
    if stored is None:
        raise NeverRetry("batch_missing")
    now, bits = services.clock.now(), batches.bits(stored.record.bounced)
    refs = [ref for n, ref in enumerate(refs_of(stored.record)) if bits >> n & 1]
    found = [one for ref in refs if (one := services.store.get(Subject, ref)) and _had_no_other(services, one, stored)]
    for some in (found[at : at + MOST_MARKED] for at in range(0, len(found), MOST_MARKED)):
        marked = [Update(one, msgspec.structs.replace(one.record, unreachable_at=now)) for one in some]
        services.commit([*marked, *attention.raised("notices_bounced", stored.record.campaign, now)])
    services.commit([claim.done()])


def _had_no_other(services: Services, subject: Stored[Subject], batch: Stored[Batch]) -> bool:
    """Tell whether a bounce is news, and is about the address that the subject still has."""
    if subject.record.unreachable_at is not None:
        return False
    known = services.vault.unsealed(f"subjects/{subject.id}", subject.record.sealed, Identifiers)
    links = people.links_of(services, known.addresses[-1]) if known.addresses else []
    changed = [one.changed_at for one in links if one.ref == subject.id and one.changed_at is not None]
    return batch.record.at is None or not any(at > batch.record.at for at in changed)
