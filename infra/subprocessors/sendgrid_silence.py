"""SendGrid: what an address does not want, as SendGrid knows it. A group for one kind of mail, the global list for all of it.

Never silently global: a kind of mail without a group of its own, beside others, is stopped by our senders alone, and it is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from infra.subprocessors.sendgrid_lists import SuppressionLists
from shared.ports import Part, Stops

NO_GROUP = (
    "this mail has no unsubscribe group at SendGrid, and its global list would stop other mail too: "
    "whoever sends it asks us first, and is told no"
)
STILL = "the address chose the global opt-out list at SendGrid itself, which is not ours to lift"


def silence(lists: SuppressionLists, stops: Stops, now: datetime, region: str) -> Sequence[Part]:
    """Bring SendGrid's lists into line with what an address wants, and say what was done."""
    everywhere = stops.everything or _is_the_only_mail(stops)
    groups = [one.sendgrid_group for one in stops.stopped if one.sendgrid_group is not None]
    wanted = [one.sendgrid_group for one in stops.going_on if one.sendgrid_group is not None]
    # stops first: whatever call is the last one, nobody is written to who said no
    for group in groups:
        lists.leave_group(group, stops.address, now)
    told = _everywhere(lists, stops.address, now) if everywhere else _not_everywhere(lists, stops)
    rejoined = sum(lists.rejoin_group(group, stops.address) for group in wanted if group not in groups)
    told |= {"groups_left": len(groups)} if groups else {}
    told |= {"groups_rejoined": rejoined} if rejoined else {}
    done = [Part(outcome="verified", name="opt-outs", evidence=told | {"region": region})] if told else []
    alone = [] if everywhere else [one for one in stops.stopped if one.sendgrid_group is None]
    unsaid = Part(
        outcome="no_store", name="mail without a group", evidence={"purposes": len(alone), "reason": NO_GROUP}
    )
    return [*done, *([unsaid] if alone else [])] or [Part(outcome="nothing_found", name="opt-outs")]


def _is_the_only_mail(stops: Stops) -> bool:
    return len(stops.stopped) == 1 and not stops.going_on and stops.stopped[0].sendgrid_group is None


def _everywhere(lists: SuppressionLists, address: str, now: datetime) -> dict[str, Any]:
    before = lists.object(address, now)
    return {"global": True} | ({"opted_out_before": True} if before else {})


def _not_everywhere(lists: SuppressionLists, stops: Stops) -> dict[str, Any]:
    told: dict[str, Any] = {"global_lifted": True} if lists.unobject(stops.address) else {}
    if stops.going_on and lists.everywhere(stops.address) and not lists.restricted(stops.address):
        told |= {"opted_out_still": True, "reason": STILL}
    return told
