"""§8: a published version is announced, once: its campaign is opened, and is what everybody will be told by.

The publication asks for it in its own commit; the work says it on the topic; what hears it opens the campaign. Mailing is
not part of this: a campaign that is `announced` has counted nobody and written to nobody.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared import ledger
from shared.failures import Missing, NeverRetry, TryAgain
from shared.ports import Services
from shared.promises import policy
from shared.records import Campaign
from shared.store import Conflict, Create
from shared.work import Claim

PREFIX = "campaign-"
PATIENT_RUNS = 6
"""After so many runs, about half an hour, a campaign that is still not open is shown to a person."""


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
    published = policy.read(services, said.version)
    stream, now = campaign_id(published.version), services.clock.now()
    facts = {"version": published.version, "hash": published.policy.hash}
    entry, head = ledger.append(services.vault, None, stream, now, "campaign.announced", facts)
    campaign = Campaign(version=published.version, state="announced", announced_at=now, head=head)
    try:
        services.commit([Create(stream, campaign), entry])
    except Conflict:
        if not _is_open(services, said.version):
            # contention and no campaign: acknowledged now, the message would be lost
            raise TryAgain("contention") from None


def shown(services: Services, id: str) -> dict[str, Any]:
    """Return how far a campaign is: `{recipients, sent, delivered, bounced, failed, state}`. Raises Missing.

    `pending`: the version is published, and its campaign not open yet.
    """
    version = id.removeprefix(PREFIX)
    if version == id or not policy.VERSION.fullmatch(version):
        raise Missing("there is no such campaign", "campaign_id")
    stored = services.store.get(Campaign, id)
    if stored is None:
        policy.read(services, version)
    campaign = stored.record if stored else None
    counts = {name: getattr(campaign, name, 0) for name in ("recipients", "sent", "delivered", "bounced", "failed")}
    return counts | {"state": campaign.state if campaign else "pending"}
