"""§8: a published version is announced, once: its campaign is opened, can be paused, and says how far it is.

The publication asks for it in its own commit; the work says it on the topic; what hears it opens the campaign and asks for
its sending, which is in `announcing`. What became of each mail is counted from the batches, never kept beside them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec

from shared import attention, batches, ledger, work
from shared.failures import Missing, NeverRetry, Stale, TryAgain
from shared.ports import Services
from shared.promises import announcing, policy
from shared.records import Campaign
from shared.store import Change, Conflict, Create, Stored, Update, persist
from shared.times import plus, rfc3339
from shared.work import Claim

PREFIX = "campaign-"
COUNTS = ("recipients", "sent", "delivered", "bounced", "failed", "in_doubt", "waiting")
GOING = frozenset({"announced", "sending"})
PATIENT_RUNS = 6
"""After so many runs, about half an hour, a campaign that is still not open is shown to a person."""
PATIENT_LOOKS = 12
"""After so many looks, about a day, a campaign with a batch that nobody answered for is shown to a person."""


class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the topic carries: which version, and nothing else."""

    version: str


def campaign_id(version: str) -> str:
    """Return the id of a version's campaign, which names its stream of evidence too."""
    return f"{PREFIX}{version}"


def announce(services: Services, claim: Claim) -> None:
    """Say on the topic that a version was published (work `policy.announce`): one message a run, until it was heard.

    The topic may lose what nobody took for a day, so the work ends when the campaign is open and not before.
    """
    version = claim.work.ref
    if not _is_open(services, version):
        services.topic.publish(msgspec.to_builtins(Announcement(version)))
        if not _is_open(services, version):
            raise (TryAgain if claim.work.attempts < PATIENT_RUNS else NeverRetry)("campaign_not_open")
    services.commit([claim.done()])


def _is_open(services: Services, version: str) -> bool:
    return services.store.get(Campaign, campaign_id(version)) is not None


def open_campaign(services: Services, said: Announcement) -> None:
    """Open a version's campaign, with its evidence; whoever comes later changes nothing. Raises Missing, TryAgain."""
    campaign, entry = _announced(services, policy.read(services, said.version))
    try:
        services.commit([campaign, entry, work.item(announcing.START, campaign.id, services.clock.now())])
    except Conflict:
        if not _is_open(services, said.version):
            # contention and no campaign: acknowledged now, the message would be lost
            raise TryAgain("contention") from None


def _announced(services: Services, published: policy.Published) -> tuple[Create, Change]:
    """Return the campaign of a version as it is opened, and the first entry of its evidence."""
    stream, now = campaign_id(published.version), services.clock.now()
    facts = {"version": published.version, "hash": published.policy.hash}
    entry, head = ledger.append(services.vault, None, stream, now, "campaign.announced", facts)
    expires_at = plus(now, services.company.evidence_kept_for)
    record = Campaign(
        version=published.version,
        state="announced",
        # who signed up since then was shown this version
        announced_at=published.policy.published_at,
        head=head,
        expires_at=expires_at,
    )
    return Create(stream, record), entry


def shown(services: Services, id: str) -> dict[str, Any]:
    """Return how far a campaign is: `{recipients, sent, delivered, bounced, failed, state, …}`. Raises Missing.

    `recipients`: who was written to or is about to be; all of them once the state is `done`. `sent`: the mail service took
    it. `failed`: it did not, or dropped it. `in_doubt`: a call is on its way, or was cut off and its events are awaited.
    `waiting`: the mail service had not taken it when last asked, and is asked again.
    `pending`: the version is published, and its campaign not open yet. `accounts_about`: how many accounts there were when
    it began, estimated where there are many, until it is done.
    """
    stored = _stored(services, id)
    if stored is None:
        return dict.fromkeys(COUNTS, 0) | {"state": "pending"}
    record = stored.record
    counts: dict[str, Any] = _reached(services, record.version).counts
    about = {"accounts_about": record.accounts_about} if record.strands and record.state != "done" else {}
    said = {"state": record.state, "version": record.version, "announced_at": rfc3339(record.announced_at)}
    return counts | said | about


def _stored(services: Services, id: str) -> Stored[Campaign] | None:
    version = id.removeprefix(PREFIX)
    if version == id or not policy.VERSION.fullmatch(version):
        raise Missing("there is no such campaign", "campaign_id")
    stored = services.store.get(Campaign, id)
    if stored is None:
        published = policy.read(services, version).policy
        if plus(published.published_at, services.company.evidence_kept_for) <= services.clock.now():
            raise Missing("its evidence was kept for as long as the company keeps any", "campaign_id")
    return stored


class Reached(NamedTuple):
    """How far the batches are: how many strands have their last, how many batches wait for an answer, whether one left somebody."""

    lasts: int
    unsent: int
    left: bool
    counts: dict[str, int]


def _reached(services: Services, version: str) -> Reached:
    """Look at every batch, once: they are large."""
    lasts, unsent, left, totals = 0, 0, False, dict.fromkeys(COUNTS, 0)
    for stored in batches.of_version(services.store, version):
        batch = stored.record
        lasts += batch.last
        unsent += batch.state != "sent"
        left = left or bool(batch.left)
        counted = batches.counted(batch)
        there = batch.n_recipients - counted["gone"]
        totals["recipients"] += there
        totals["sent"] += counted["taken"]
        if batch.state != "sent":
            totals["in_doubt" if batch.state == "sending" else "waiting"] += (
                there - counted["taken"] - counted["refused"]
            )
        totals["delivered"] += counted["delivered"]
        totals["bounced"] += counted["bounced"]
        totals["failed"] += counted["refused"] + counted["dropped"]
    return Reached(lasts, unsent, left, totals)


def pause(services: Services, id: str, by: str) -> dict[str, Any]:
    """Stop before the next batch; what is on its way goes on. Pausing again changes nothing. Raises Missing, Stale."""
    return _turn(services, id, by, GOING, "paused")


def resume(services: Services, id: str, by: str) -> dict[str, Any]:
    """Go on where a pause stopped it. Resuming again changes nothing. Raises Missing, Stale."""
    return _turn(services, id, by, {"paused"}, "sending")


def _turn(
    services: Services, id: str, by: str, before: Container[str], after: Literal["paused", "sending"]
) -> dict[str, Any]:
    def attempt(_look: bool) -> None:
        stored = _stored(services, id)
        if stored is None and after == "paused":
            services.commit(_paused_unopened(services, id, by))
            return
        if stored is None:
            raise Stale("it is not open yet", "campaign_id")
        if stored.record.state in (GOING if after == "sending" else {after}):
            return
        if stored.record.state not in before:
            raise Stale(f"it is {stored.record.state}", "campaign_id")
        services.commit(_turned(services, stored, by, after))

    persist(attempt)
    return shown(services, id)


def _paused_unopened(services: Services, id: str, by: str) -> list[Change]:
    """Open a campaign as one that is paused: a mistake can be stopped before the first mail, and resuming begins it."""
    opened, entry = _announced(services, policy.read(services, id.removeprefix(PREFIX)))
    record = cast(Campaign, opened.record)
    now = services.clock.now()
    second, head = ledger.append(services.vault, record.head, id, now, "campaign.paused", {"by": by})
    return [Create(id, msgspec.structs.replace(record, state="paused", head=head)), entry, second]


def _turned(services: Services, stored: Stored[Campaign], by: str, after: Literal["paused", "sending"]) -> list[Change]:
    now, record = services.clock.now(), stored.record
    kind = "campaign.paused" if after == "paused" else "campaign.resumed"
    entry, head = ledger.append(services.vault, record.head, stored.id, now, kind, {"by": by})
    if after == "paused":
        return [Update(stored, msgspec.structs.replace(record, state="paused", head=head)), entry]
    # paused before it was divided, it starts from the beginning
    state: Literal["announced", "sending"] = "sending" if record.strands else "announced"
    resumed = Update(stored, msgspec.structs.replace(record, state=state, head=head))
    ending = announcing.end_of(stored.id, record.version, now)
    return [resumed, entry, work.item(announcing.START, stored.id, now), ending]


def end(services: Services, claim: Claim) -> None:
    """End a campaign once every batch of every strand was answered for (work `campaign.end`).

    Raises TryAgain while one was not: whoever answers a call late asks for nothing.
    """
    stored = services.store.get(Campaign, claim.work.ref)
    if stored is None or stored.record.state != "sending" or stored.record.waiting:
        # a campaign that is paused is asked after it goes on
        services.commit([claim.done()])
        return
    reached = _reached(services, stored.record.version)
    if reached.lasts < stored.record.strands:
        # whoever settles the last of a strand asks again
        services.commit([claim.done()])
    elif reached.unsent:
        raise (TryAgain if claim.work.attempts < PATIENT_LOOKS else NeverRetry)("batches_unanswered")
    elif reached.left and reached.lasts == stored.record.strands:
        services.commit([*announcing.second_look(services, stored), claim.done()])
    else:
        services.commit([*_ended(services, stored, reached.counts), claim.done()])


def _ended(services: Services, stored: Stored[Campaign], counts: Mapping[str, int]) -> list[Change]:
    now, version = services.clock.now(), stored.record.version
    # whoever was not taken was refused; what became of the rest is what was heard until now
    facts = {name: counts[name] for name in ("recipients", "sent", "delivered", "bounced", "failed")}
    facts["refused"] = counts["recipients"] - counts["sent"]
    facts |= batches.ends_of(services.store, version)
    entry, head = ledger.append(services.vault, stored.record.head, stored.id, now, "campaign.done", facts)
    done = msgspec.structs.replace(stored.record, state="done", head=head, ended_at=now)
    # the item may have been asked for anew since a person was shown that it waits
    seen = [attention.settled(kind, stored.id, announcing.end_id(version)) for kind in work.SHOWN]
    return [Update(stored, done), entry, *seen]
