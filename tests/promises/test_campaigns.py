from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from shared import work
from shared.failures import Missing, NeverRetry, TryAgain
from shared.promises import campaigns, evidence, operators
from shared.promises.campaigns import Announcement, campaign_id, open_campaign
from shared.promises.policy import ANNOUNCE, Draft, Published, publish
from shared.records import ALL_CAMPAIGNS, DUE_WORK, Campaign, LedgerEntry, Work
from shared.store import Change, Conflict, Delete, Put, Stored
from tests.infra.troubled_twins import ForwardingStore
from tests.promises.world import NOON, World, timedelta

NOBODY_YET = {"recipients": 0, "sent": 0, "delivered": 0, "bounced": 0, "failed": 0, "in_doubt": 0, "waiting": 0}
ALL_THE_WAY = ["done"] * 4
"""Announced, divided, one batch, ended."""


def published(world: World, version: str = "v2") -> Published:
    return publish(world.services, Draft(text="# Two\n\nWords.", version=version), "ola")


def announcements(world: World) -> list[Stored[Work]]:
    every = world.services.store.query(DUE_WORK, at_most=NOON + timedelta(days=365))
    return [one for one in every if one.record.kind == ANNOUNCE]


def opened(world: World, version: str = "v2") -> Campaign | None:
    stored = world.services.store.get(Campaign, campaign_id(version))
    return stored.record if stored else None


def entries(world: World, version: str = "v2") -> list[LedgerEntry]:
    stream = campaign_id(version)
    found = [world.services.store.get(LedgerEntry, f"{stream}:{seq:06d}") for seq in (1, 2)]
    return [one.record for one in found if one]


def attention(world: World) -> list[tuple[str, str]]:
    items = operators.attention_list(world.services)["items"]
    return [(item["kind"], item["problem"]) for item in items]


# --- the announcement ------------------------------------------------------------------------------------------------


def test_publishing_asks_for_the_announcement_in_the_same_commit(world: World) -> None:
    world.services.topic.trouble = NeverRetry("never called")  # type: ignore[attr-defined]
    published(world)
    (asked,) = announcements(world)
    assert (asked.record.ref, asked.record.due_at, asked.record.args) == ("v2", NOON, {})
    assert opened(world) is None


def test_the_announcement_carries_the_version_and_nothing_else(world: World) -> None:
    published(world)
    assert world.run_due() == ALL_THE_WAY
    assert world.topic.published == [{"version": "v1"}, {"version": "v2"}]
    assert announcements(world) == []


def test_a_run_that_broke_off_says_it_again_and_changes_nothing(world: World) -> None:
    published(world)
    (asked,) = announcements(world)
    world.run_due()
    before = opened(world), entries(world)
    again = msgspec.structs.replace(asked.record, due_at=world.clock.at)
    world.services.store.commit([Put(asked.id, again)])
    assert world.run_due() == ["done"]
    assert (opened(world), entries(world)) == before
    assert world.topic.published[-1] == {"version": "v2"}
    assert len(world.topic.published) == 2, "what is open is not announced again"


def test_a_topic_that_cannot_be_reached_is_tried_again(world: World) -> None:
    world.topic.trouble = TryAgain("pubsub_unavailable")
    published(world)
    assert world.run_due() == ["postponed"]
    assert announcements(world)[0].record.problem == "pubsub_unavailable"
    world.topic.trouble = None
    world.advance("PT1H")
    assert opened(world) is not None
    assert announcements(world) == []
    assert attention(world) == []


def test_a_topic_that_refuses_is_shown_to_a_person_and_goes_on_once_mended(world: World) -> None:
    world.topic.trouble = NeverRetry("pubsub_permission_denied")
    published(world)
    assert world.run_due() == ["failed"]
    assert attention(world) == [("work_failed", f"{ANNOUNCE}:pubsub_permission_denied")]
    world.topic.trouble = None
    world.advance("PT7H")
    assert opened(world) is not None
    assert attention(world) == []


def test_a_message_that_was_lost_is_said_again_until_the_campaign_is_open(world: World) -> None:
    world.topic.loses = True
    published(world)
    assert world.run_due() == ["postponed"]
    assert announcements(world)[0].record.problem == "campaign_not_open"
    world.topic.loses = False
    world.advance("PT5M")
    assert opened(world) is not None
    assert world.topic.published[1:] == [{"version": "v2"}] * 2
    assert announcements(world) == []


def test_a_campaign_that_nobody_opens_is_shown_to_a_person_within_hours_and_settles_itself(world: World) -> None:
    world.topic.loses = True
    published(world)
    world.advance("PT20M")
    assert attention(world) == []
    world.advance("PT3H")
    assert attention(world) == [("work_failed", f"{ANNOUNCE}:campaign_not_open")]
    world.topic.loses = False
    world.advance("PT13H")
    assert opened(world) is not None
    assert attention(world) == []
    assert announcements(world) == []


# --- the campaign ----------------------------------------------------------------------------------------------------


def test_a_campaign_opens_with_its_evidence_and_claims_no_mail(world: World) -> None:
    version = published(world)
    open_campaign(world.services, Announcement("v2"))
    campaign = opened(world)
    assert campaign is not None
    assert (campaign.version, campaign.state, campaign.announced_at) == ("v2", "announced", NOON)
    (entry,) = entries(world)
    assert (entry.kind, entry.facts) == ("campaign.announced", {"version": "v2", "hash": version.policy.hash})
    assert (campaign.head.seq, campaign.head.mac) == (1, entry.mac)
    assert evidence.check(world.services)["intact"] is True
    shown = campaigns.shown(world.services, "campaign-v2")
    assert shown == NOBODY_YET | {"state": "announced", "version": "v2", "announced_at": "2026-03-01T12:00:00Z"}


def test_a_message_that_comes_again_later_changes_nothing(world: World) -> None:
    published(world)
    open_campaign(world.services, Announcement("v2"))
    before = opened(world), entries(world)
    world.clock.at += timedelta(days=3)
    for _ in range(3):
        open_campaign(world.services, Announcement("v2"))
    assert (opened(world), entries(world)) == before
    assert len(entries(world)) == 1


def test_of_fifty_at_once_one_opens_the_campaign(world: World) -> None:
    published(world)
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(open_campaign, world.services, Announcement("v2")) for _ in range(50)]:
            done.result()
    assert len(entries(world)) == 1
    assert len(world.services.store.query(ALL_CAMPAIGNS)) == 2
    assert evidence.check(world.services)["intact"] is True


def test_versions_are_announced_in_any_order(world: World) -> None:
    versions = ["v2", "v3", "v3.1"]
    for version in versions:
        published(world, version)
    for version in [*reversed(versions), *versions]:
        open_campaign(world.services, Announcement(version))
    assert [one.record.version for one in world.services.store.query(ALL_CAMPAIGNS)] == ["v1", *versions]
    assert evidence.check(world.services)["intact"] is True


@pytest.mark.parametrize("version", ["v9", "", "../v1", "policy", "v1\n", "a" * 65, "\N{SNOWMAN}"])
def test_a_version_that_nobody_published_opens_nothing(world: World, version: str) -> None:
    with pytest.raises(Missing):
        open_campaign(world.services, Announcement(version))
    assert [one.id for one in world.services.store.query(ALL_CAMPAIGNS)] == ["campaign-v1"]


def test_a_version_may_be_called_like_another_stream(world: World) -> None:
    published(world, "policy")
    world.run_due()
    assert opened(world, "policy") is not None
    assert evidence.check(world.services)["intact"] is True


@pytest.mark.parametrize("first", [Campaign, LedgerEntry])
def test_nothing_of_a_campaign_is_written_when_half_of_it_is_there(world: World, first: type, tmp_path: Path) -> None:
    published(world)
    open_campaign(world.services, Announcement("v2"))
    campaign, (entry,) = opened(world), entries(world)
    ids = {Campaign: "campaign-v2", LedgerEntry: "campaign-v2:000001"}
    kept = {Campaign: campaign, LedgerEntry: entry}
    world.services.store.commit([Delete(kind, id) for kind, id in ids.items()])
    world.services.store.commit([Put(ids[first], kept[first])])
    # evidence alone opens nothing: the message comes again until a person has looked
    with contextlib.nullcontext() if first is Campaign else pytest.raises(TryAgain):
        open_campaign(world.services, Announcement("v2"))
    found = (opened(world) is not None, bool(entries(world)))
    assert found == (first is Campaign, first is LedgerEntry)


def test_a_campaign_whose_evidence_was_cut_is_found(world: World) -> None:
    published(world)
    world.run_due()
    world.services.store.commit([Delete(LedgerEntry, "campaign-v2:000001")])
    found = evidence.check(world.services)
    assert (found["intact"], found["first_break"]) == (False, "campaign-v2:000002")


# --- what the operator is shown --------------------------------------------------------------------------------------


def test_a_campaign_on_its_way_is_pending(world: World) -> None:
    published(world)
    assert campaigns.shown(world.services, "campaign-v2") == NOBODY_YET | {"state": "pending"}


@pytest.mark.parametrize(
    "id", ["campaign-v9", "v1", "", "campaign-", "campaign-../v1", "policy", "campaign-campaign-v1"]
)
def test_a_campaign_that_is_none_is_missing(world: World, id: str) -> None:
    with pytest.raises(Missing):
        campaigns.shown(world.services, id)


def test_the_work_ends_only_when_its_own_version_is_open(world: World) -> None:
    world.topic.loses = True
    published(world, "v2")
    published(world, "v3")
    open_campaign(world.services, Announcement("v3"))
    assert sorted(world.run_due()) == [*ALL_THE_WAY, "postponed"]
    assert [one.record.ref for one in announcements(world)] == ["v2"]
    assert work.due(world.services) == []


class ContendedStore(ForwardingStore):
    """Aborts every commit, as a busy Firestore may: nothing is written, and nothing stands in the way."""

    def commit(self, changes: Sequence[Change]) -> list[str]:
        raise Conflict


def test_contention_is_not_taken_for_an_open_campaign(world: World) -> None:
    world.topic.loses = True
    published(world)
    whole = world.services.store
    world.services.store = ContendedStore(whole)  # type: ignore[misc,assignment]
    with pytest.raises(TryAgain, match="contention"):
        open_campaign(world.services, Announcement("v2"))
    world.services.store = whole  # type: ignore[misc]
    open_campaign(world.services, Announcement("v2"))
    assert opened(world)
