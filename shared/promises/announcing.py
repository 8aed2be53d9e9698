"""§8: everybody with an account is told of a new version by mail, once.

Accounts are read by ranges of their ids, in strands that run beside each other; each batch of a strand is one work item, one
call of the mail service and one stream of evidence. A batch is marked `sending` before the call. Found so later, the mail
service may have it or not: then nobody is written to for some hours, and after that only whom no event speaks of. So a person
is written to twice only if the call was cut off and the events of a mail that did leave were lost for that long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec

from shared import attention, batches, identity, ledger, references, work
from shared.failures import InDoubt, NeverRetry, TryAgain, Unacceptable
from shared.identity import Identifiers
from shared.ports import Recipient, Services
from shared.promises import people, policy
from shared.promises.unsubscribing import preferences_link
from shared.records import ACCOUNTS, Batch, Campaign, Subject, Work
from shared.store import Change, Create, Stored, Update, persist
from shared.vault import b64url

START = "campaign.start"
SEND = "campaign.send"
END = "campaign.end"
BOUNCED = "campaign.bounced"
MAIL = "policy_changed"
STRANDS = 16
HEARD_WITHIN = timedelta(hours=6)
"""How long a call that was cut off is given to show by its events that it was taken."""
FIRST_ID, LAST_ID = "0" * 40, "f" * 40
REF_BYTES = 20
MOST_MARKED = 400


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Which batch of which strand, and the id of the subject it comes after."""

    strand: int
    number: int
    after: str

    def args(self) -> dict[str, str]:
        """Return what a work item carries."""
        return {"strand": str(self.strand), "number": str(self.number), "after": self.after}


@dataclass(frozen=True)
class Chosen:
    """Somebody a batch is for: the number in it, and where the mail goes."""

    n: int
    ref: str
    email: str
    locale: str


def place_of(args: Mapping[str, str]) -> Place:
    """Return the place that a work item names."""
    return Place(int(args["strand"]), int(args["number"]), args["after"])


def prefix(version: str) -> str:
    """Return how the ids of a version's batches begin. A version may hold what a reference must not."""
    return f"p{sha256(version.encode()).hexdigest()[:16]}"


def batch_id(version: str, place: Place) -> str:
    """Name a batch: always the same for the same place of the same version."""
    return f"{prefix(version)}-{place.strand:02}-{place.number:05}"


# --- the strands -----------------------------------------------------------------------------------------------------


def start(services: Services, claim: work.Claim) -> None:
    """Divide the accounts among strands and ask for the first batch of each (work `campaign.start`)."""
    campaign = services.store.get(Campaign, claim.work.ref)
    if campaign is None or campaign.record.state != "announced":
        services.commit([claim.done()])
        return
    most = services.company.notices_per_call
    few = len(services.store.query(ACCOUNTS, "account", limit=most + 1)) <= most
    strands = 1 if few else STRANDS
    now = services.clock.now()
    entry, head = ledger.append(
        services.vault, campaign.record.head, campaign.id, now, "campaign.sending", {"strands": strands}
    )
    sending = msgspec.structs.replace(campaign.record, state="sending", strands=strands, head=head)
    asked = [_asked(campaign, Place(n, 0, _before(n, strands)), services) for n in range(strands)]
    services.commit([Update(campaign, sending), entry, *asked, claim.done()])


def _before(strand: int, strands: int) -> str:
    """Return what sorts just before the first id of a strand."""
    return "" if strand == 0 else f"{strand * (16 // strands):x}"


def _ends(strand: int, strands: int) -> str:
    return LAST_ID if strand + 1 == strands else f"{(strand + 1) * (16 // strands) - 1:x}".ljust(40, "f")


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


def resumed(services: Services, campaign: Stored[Campaign]) -> list[Change]:
    """Return the work items that a pause had stopped."""
    places = [msgspec.json.decode(one, type=Place) for one in campaign.record.waiting]
    asked = [_asked(campaign, place, services) for place in dict.fromkeys(places)]
    return [*asked, work.item(END, campaign.id, services.clock.now())]


def _send_new(services: Services, campaign: Stored[Campaign], place: Place, claim: work.Claim) -> work.Ran:
    most = services.company.notices_per_call
    page = services.store.query(
        ACCOUNTS,
        "account",
        at_least=f"{place.after}0" if place.after else FIRST_ID,
        at_most=_ends(place.strand, campaign.record.strands),
        limit=most,
    )
    chosen = _chosen(services, page, campaign.record)
    batch = Batch(
        campaign=campaign.id,
        n_recipients=len(chosen),
        state="sending",
        at=services.clock.now(),
        refs=b"".join(bytes.fromhex(one.ref) for one in chosen),
        attempts=1,
        last=len(page) < most,
    )
    id = batch_id(campaign.record.version, place)
    changes: list[Change] = [Create(id, batch)]
    if not batch.last:
        following = Place(place.strand, place.number + 1, page[-1].id)
        changes.append(_asked(campaign, following, services, _pace(services, campaign.record)))
    version, *_ = services.commit(changes)
    return _hand_over(services, campaign, Stored(id, version, batch), chosen, claim)


def _pace(services: Services, campaign: Campaign) -> timedelta:
    """Return how long a strand waits between two batches, so that all of them keep the company's limit."""
    company = services.company
    limit = company.notices_per_hour
    return timedelta(hours=company.notices_per_call * campaign.strands / limit) if limit else timedelta()


def _send_again(services: Services, campaign: Stored[Campaign], stored: Stored[Batch], claim: work.Claim) -> work.Ran:
    now, batch = services.clock.now(), stored.record
    heard_by = (batch.at or now) + HEARD_WITHIN
    if batch.state == "sending" and now < heard_by:
        services.commit([claim.again(heard_by, "in_doubt")])
        return "postponed"
    left = _left(services, campaign.record, batch)
    again = msgspec.structs.replace(batch, state="sending", at=now, attempts=batch.attempts + 1)
    (version,) = services.commit([Update(stored, again)])
    return _hand_over(services, campaign, Stored(stored.id, version, again), left, claim)


def _left(services: Services, campaign: Campaign, batch: Batch) -> list[Chosen]:
    """Return whom of a batch no event speaks of, as far as they are still there, by their first numbers."""
    refs = refs_of(batch)
    heard = batches.heard(batch)
    unheard = {ref: n for n, ref in enumerate(refs) if not heard >> n & 1}
    if not unheard:
        return []
    page = services.store.query(
        ACCOUNTS, "account", at_least=refs[0], at_most=refs[-1], limit=references.MOST_IN_A_BATCH
    )
    found = _chosen(services, [one for one in page if one.id in unheard], campaign)
    return [Chosen(unheard[one.ref], one.ref, one.email, one.locale) for one in found]


def refs_of(batch: Batch) -> list[str]:
    """Return the subjects of a batch in their order."""
    return [batch.refs[at : at + REF_BYTES].hex() for at in range(0, len(batch.refs), REF_BYTES)]


def _chosen(services: Services, page: Sequence[Stored[Subject]], campaign: Campaign) -> list[Chosen]:
    """Return who of these subjects is written to: account holders of before with a confirmed mailbox that is there."""
    found: dict[str, tuple[str, str]] = {}
    for one in page:
        if one.record.created_at > campaign.announced_at or one.record.unreachable_at is not None:
            continue
        known = services.vault.unsealed(f"subjects/{one.id}", one.record.sealed, Identifiers)
        email = known.addresses[-1] if known.addresses else None
        if email and email not in found and not (known.shared and _told_as_another(services, one.id, email)):
            found[email] = (one.id, known.locale or "en")
    return [Chosen(n, ref, email, locale) for n, (email, (ref, locale)) in enumerate(found.items())]


def _told_as_another(services: Services, ref: str, email: str) -> bool:
    """Tell whether an older account of the same mailbox gets the mail: nobody is told twice."""
    links = [one for one in people.links_of(services, email) if one.kind == "account" and one.replaced_at is None]
    return identity.eldest(links) not in {None, ref}


# --- the call --------------------------------------------------------------------------------------------------------


def _hand_over(
    services: Services, campaign: Stored[Campaign], stored: Stored[Batch], chosen: Sequence[Chosen], claim: work.Claim
) -> work.Ran:
    call = _Call(services, campaign.record, stored.id)
    try:
        call.hand_over(chosen)
    except InDoubt as trouble:
        # it stays `sending`: only its events, or their absence, can tell
        services.commit([claim.again(services.clock.now() + HEARD_WITHIN, trouble.code)])
        return "postponed"
    except (TryAgain, NeverRetry):
        if not call.handed:
            _untaken(services, stored)
        raise
    return persist(lambda _: _settled(services, campaign, stored.id, call.refused, claim))


class _Call:
    """One batch on its way: `handed` once the mail service took any of it, `refused` the numbers it never will."""

    def __init__(self, services: Services, campaign: Campaign, batch: str) -> None:
        self._services = services
        self._batch = batch
        self._words = words(services, campaign.version)
        self.handed = False
        self.refused: list[int] = []

    def hand_over(self, chosen: Sequence[Chosen]) -> None:
        postman, by_language = self._services.postman, defaultdict[str, list[Chosen]](list)
        languages = {locale: postman.language(MAIL, locale) for locale in {one.locale for one in chosen}}
        for one in chosen:
            by_language[languages[one.locale]].append(one)
        for language, some in by_language.items():
            self._post(language, some)

    def _post(self, language: str, some: Sequence[Chosen]) -> None:
        services = self._services
        recipients = [
            Recipient(one.email, references.of_recipient(self._batch, one.n), preferences_link(services, one.email))
            for one in some
        ]
        try:
            services.postman.post_all(MAIL, language, self._words, recipients)
            self.handed = True
        except Unacceptable:
            # it says no to all of a call for one of them: that one is found by halving
            if len(some) == 1:
                self.refused.append(some[0].n)
                return
            middle = len(some) // 2
            self._post(language, some[:middle])
            self._post(language, some[middle:])


def words(services: Services, version: str) -> dict[str, Any]:
    """Return what the mail says of a version: the same for everybody."""
    published = policy.read(services, version).policy
    before = published.history[-2] if len(published.history) > 1 else None
    base = f"{services.base_url}/policy"
    return {
        "title": published.title,
        "summary": published.summary,
        "material": published.material,
        "effective_at": published.effective_at,
        "published_at": published.published_at,
        "version_url": f"{base}/{version}",
        "difference_url": f"{base}/{before}...{version}" if before else None,
    }


def _untaken(services: Services, stored: Stored[Batch]) -> None:
    """Remember that nothing was handed over: the next attempt need not wait for events."""

    def attempt(look: bool) -> None:
        now = services.store.get(Batch, stored.id) if look else stored
        if now is not None and now.record.state == "sending":
            services.commit([Update(now, msgspec.structs.replace(now.record, state="waiting"))])

    persist(attempt)


def _settled(
    services: Services, campaign: Stored[Campaign], id: str, refused: Iterable[int], claim: work.Claim
) -> work.Ran:
    stored = services.store.get(Batch, id)
    if stored is None:
        raise NeverRetry("batch_missing")
    batch = batches.marked(stored.record, {"refused": sum(1 << n for n in refused)})
    batch = msgspec.structs.replace(batch, state="sent")
    facts = {
        "campaign": campaign.id,
        "recipients": batch.n_recipients,
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
    found = [one for ref in refs if (one := services.store.get(Subject, ref)) and one.record.unreachable_at is None]
    for some in (found[at : at + MOST_MARKED] for at in range(0, len(found), MOST_MARKED)):
        marked = [Update(one, msgspec.structs.replace(one.record, unreachable_at=now)) for one in some]
        services.commit([*marked, *attention.raised("notices_bounced", stored.record.campaign, now)])
    services.commit([claim.done()])
