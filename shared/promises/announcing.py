"""§8: everybody with an account is told of a new version by mail, once.

Accounts are read by ranges of their ids, in strands that run beside each other; each batch of a strand is one work item, one
call of the mail service and one stream of evidence. A batch is marked `sending` before the call. Found so later, the mail
service may have it or not: then nobody is written to for some hours, and after that only whom no event speaks of. So a person
is written to twice only if the call was cut off and the events of a mail that did leave were lost for that long.

Behind the others comes a strand of those who were left to another account of their mailbox; see `shared.addressees`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import msgspec

from shared import addressees, attention, batches, ledger, work
from shared.failures import InDoubt, NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.notice_call import Call, Chosen
from shared.ports import Services
from shared.promises import people
from shared.records import ACCOUNTS, Batch, Campaign, Subject, Work
from shared.store import Change, Create, Put, Stored, Update, persist
from shared.strands import FIRST_ID, SAMPLE, Place, batch_id, before, ends, estimated, place_of, prefix, suited
from shared.vault import b64url

START = "campaign.start"
SEND = "campaign.send"
END = "campaign.end"
BOUNCED = "campaign.bounced"
HEARD_WITHIN = timedelta(hours=6)
"""How long a call that was cut off is given to show by its events that it was taken."""
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
    first = services.store.query(ACCOUNTS, "account", limit=SAMPLE)
    about = estimated([one.id for one in first])
    # at a pace that the company limits, nothing is gained by strands beside each other
    count = 1 if services.company.notices_per_hour is not None else suited(about, services.company.notices_per_call)
    now = services.clock.now()
    entry, head = ledger.append(
        services.vault, campaign.record.head, campaign.id, now, "campaign.sending", {"strands": count}
    )
    sending = msgspec.structs.replace(campaign.record, state="sending", strands=count, accounts_about=about, head=head)
    asked = [_asked(campaign, Place(n, 0, before(n, count)), services) for n in range(count)]
    return [Update(campaign, sending), entry, *asked]


def _go_on(services: Services, campaign: Stored[Campaign], claim: work.Claim) -> work.Ran:
    """Ask for the batches that a pause had stopped, as many as one commit takes."""
    waiting = list(dict.fromkeys(campaign.record.waiting))
    some, left = waiting[:MOST_ASKED], waiting[MOST_ASKED:]
    # with a problem: what was shown to a person before the pause is settled when they are done
    places = [msgspec.json.decode(one, type=Place) for one in some]
    asked = [_asked(campaign, place, services, problem="paused") for place in places]
    after = Update(campaign, msgspec.structs.replace(campaign.record, waiting=left))
    now = services.clock.now()
    services.commit([after, *asked, claim.again(now, claim.work.problem) if left else claim.done()])
    return "postponed" if left else "done"


def _asked(
    campaign: Stored[Campaign],
    place: Place,
    services: Services,
    wait: timedelta = timedelta(),
    problem: str | None = None,
) -> Create:
    now = services.clock.now()
    due = Work(kind=SEND, ref=campaign.id, due_at=now + wait, created_at=now, args=place.args(), problem=problem)
    return Create(_work_id(campaign, place), due)


def _work_id(campaign: Stored[Campaign], place: Place) -> str:
    # it follows from the place: whoever asks for the same batch again asks for nothing new
    return f"w-{batch_id(campaign.record.version, place)}"


def second_look(services: Services, campaign: Stored[Campaign]) -> list[Change]:
    """Ask for a strand of those who were left to another account of their mailbox; for nothing where it was asked for."""
    place = Place(campaign.record.strands, 0, "")
    made = services.store.get(Batch, batch_id(campaign.record.version, place))
    if made is not None or services.store.get(Work, _work_id(campaign, place)) is not None:
        return []
    return [_asked(campaign, place, services, _pace(services))]


def end_id(version: str) -> str:
    """Name the work that ends a version's campaign: there is one item of it, however many ask."""
    return f"e-{prefix(version)}"


def end_of(campaign_id: str, version: str, now: datetime) -> Put:
    """Ask for a campaign's end. Whoever looks for it just now loses the item to this, and it is looked for again."""
    return Put(end_id(version), Work(kind=END, ref=campaign_id, due_at=now, created_at=now))


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
    now, most = services.clock.now(), _most_in_a_call(services)
    refs, read = _next_of(services, campaign.record, place, most)
    batch = Batch(
        campaign=campaign.id,
        n_recipients=len(read.chosen),
        state="sending",
        at=now,
        refs=batches.packed([one.ref for one in read.chosen]),
        left=batches.packed(read.left),
        attempts=1,
        last=len(refs) < most,
        expires_at=campaign.record.expires_at,
    )
    id = batch_id(campaign.record.version, place)
    changes: list[Change] = [Create(id, batch)]
    if not batch.last:
        following = Place(place.strand, place.number + 1, refs[-1])
        changes.append(_asked(campaign, following, services, _pace(services)))
    version, *_ = services.commit(changes)
    return _hand_over(services, campaign, Stored(id, version, batch), read.chosen, claim)


def _next_of(services: Services, campaign: Campaign, place: Place, most: int) -> tuple[list[str], addressees.Read]:
    """Return the ids that come next in a strand, and what to do about them."""
    if place.strand == campaign.strands:
        refs, chosen = addressees.left_behind(services, campaign, place.after, most)
        return refs, addressees.Read(chosen, [])
    page = services.store.query(
        ACCOUNTS,
        "account",
        at_least=f"{place.after}0" if place.after else FIRST_ID,
        at_most=ends(place.strand, campaign.strands),
        limit=most,
    )
    return [one.id for one in page], addressees.of_page(services, page, campaign)


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
    in_range = place_of(claim.work.args).strand < campaign.record.strands
    left = addressees.still_unheard(services, batch, campaign.record, in_range=in_range)
    gone = batches.unheard(batch) & ~batches.bits_of([one.n for one in left])
    again = msgspec.structs.replace(
        batch, state="sending", at=now, began_at=_began_at(batch), attempts=batch.attempts + 1, gone=b""
    )
    again = batches.marked(again, {"gone": gone})
    (version,) = services.commit([Update(stored, again)])
    return _hand_over(services, campaign, Stored(stored.id, version, again), left, claim)


def _began_at(batch: Batch) -> datetime | None:
    return batch.began_at or batch.at


# --- the call --------------------------------------------------------------------------------------------------------


def _hand_over(
    services: Services, campaign: Stored[Campaign], stored: Stored[Batch], chosen: Sequence[Chosen], claim: work.Claim
) -> work.Ran:
    call = Call(services, campaign.record, stored)
    try:
        came_to_its_end = call.hand_over(chosen)
    except InDoubt as trouble:
        # it stays `sending`: of the rest only events, or their absence, can tell
        _broken_off(services, stored, call, "sending")
        services.commit([claim.again(services.clock.now() + HEARD_WITHIN, trouble.code)])
        return "postponed"
    except (TryAgain, NeverRetry):
        # nothing is in doubt: the next attempt need not wait for events
        _broken_off(services, stored, call, "waiting")
        raise
    if not came_to_its_end:
        _broken_off(services, stored, call, "waiting")
        services.commit([claim.again(services.clock.now(), "many_refused")])
        return "postponed"

    def attempt(look: bool) -> work.Ran:
        now = services.store.get(Batch, stored.id) if look else stored
        if now is None:
            raise NeverRetry("batch_missing")
        return _settled(services, campaign, now, call.refused, claim)

    return persist(attempt)


def _broken_off(services: Services, stored: Stored[Batch], call: Call, state: Literal["sending", "waiting"]) -> None:
    """Remember who was taken or refused before it broke off: each attempt begins where the last one ended."""

    def attempt(look: bool) -> None:
        now = services.store.get(Batch, stored.id) if look else stored
        if now is not None and now.record.state == "sending":
            after = batches.marked(now.record, call.known)
            services.commit([Update(now, msgspec.structs.replace(after, state=state))])

    persist(attempt)


def _settled(
    services: Services, campaign: Stored[Campaign], stored: Stored[Batch], refused: int, claim: work.Claim
) -> work.Ran:
    batch = batches.marked(stored.record, {"refused": refused})
    batch = msgspec.structs.replace(batch, state="sent")
    facts = {
        "campaign": campaign.id,
        "recipients": batch.n_recipients - batches.counted(batch)["gone"],
        "refused": batches.bits(batch.refused).bit_count(),
        "attempts": batch.attempts,
        "subjects_sha256": b64url(sha256(batch.refs).digest()),
    }
    entry, _ = ledger.append(services.vault, None, stored.id, services.clock.now(), "batch.sent", facts)
    changes: list[Change] = [Update(stored, batch), entry, claim.done()]
    if facts["refused"]:
        changes += attention.raised("notices_refused", campaign.id, services.clock.now(), about=stored.id)
    if batch.last or batch.attempts > 1:
        changes.append(end_of(campaign.id, campaign.record.version, services.clock.now()))
    services.commit(changes)
    return "done"


# --- what came back --------------------------------------------------------------------------------------------------


def bounced(services: Services, claim: work.Claim) -> None:
    """Remember who has no mailbox any more, and have a person see it (work `campaign.bounced`, `ref` the batch)."""
    stored = services.store.get(Batch, claim.work.ref)
    if stored is None:
        raise NeverRetry("batch_missing")
    now, bits = services.clock.now(), batches.bits(stored.record.bounced)
    refs = [ref for n, ref in enumerate(batches.unpacked(stored.record.refs)) if bits >> n & 1]
    found = [one for ref in refs if (one := services.store.get(Subject, ref)) and _had_no_other(services, one, stored)]
    for some in (found[at : at + MOST_MARKED] for at in range(0, len(found), MOST_MARKED)):
        marked = [Update(one, msgspec.structs.replace(one.record, unreachable_at=now)) for one in some]
        services.commit([*marked, *attention.raised("notices_bounced", stored.record.campaign, now)])
    services.commit([claim.done()])


def _had_no_other(services: Services, subject: Stored[Subject], batch: Stored[Batch]) -> bool:
    """Tell whether a bounce is news, and is about the address that the subject still has.

    Which attempt came back is not known: who moved since the first is not marked.
    """
    if subject.record.unreachable_at is not None:
        return False
    known = services.vault.unsealed(f"subjects/{subject.id}", subject.record.sealed, Identifiers)
    links = people.links_of(services, known.addresses[-1]) if known.addresses else []
    changed = [one.changed_at for one in links if one.ref == subject.id and one.changed_at is not None]
    began_at = _began_at(batch.record)
    return began_at is None or not any(at >= began_at for at in changed)
