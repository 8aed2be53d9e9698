from __future__ import annotations

from datetime import timedelta

import pytest

from shared import attention
from shared.failures import BadInput, Missing, Stale
from shared.promises import alerts, evidence, operators
from shared.records import Incident, LedgerEntry
from shared.store import Query
from tests.promises.world import World

LEDGER = Query(LedgerEntry)


def test_what_comes_up_within_ten_minutes_is_one_mail(world: World) -> None:
    for name in ("a", "b", "a"):
        world.services.commit(attention.raised("step_failed", name, world.clock.at, "stripe_401"))
    world.advance("PT20M")
    mails = world.mailed("operator_alert")
    assert len(mails) == 1
    assert [one["ref"] for one in mails[0]["items"]] == ["a", "b"]


def test_what_was_settled_meanwhile_alerts_nobody(world: World) -> None:
    world.services.commit(attention.raised("step_failed", "a", world.clock.at))
    world.services.commit([attention.settled("step_failed", "a")])
    world.advance("PT20M")
    assert world.mailed("operator_alert") == []


# --- what a person saw ------------------------------------------------------------------------------------------------


def listed(world: World) -> list[str]:
    return [one["id"] for one in operators.attention_list(world.services)["items"]]


def test_news_leaves_the_list_once_somebody_saw_it_and_the_evidence_says_who(world: World) -> None:
    world.services.commit(attention.raised("notices_bounced", "campaign-v2", world.clock.at))
    (item,) = listed(world)
    assert alerts.seen(world.services, item, "Written to by post: ann@mail.test", "ola") == {"id": item, "seen": True}
    assert listed(world) == []
    (entry,) = [one.record for one in world.services.store.query(LEDGER) if one.record.kind == "attention.seen"]
    assert entry.facts == {"item": item, "by": "ola"}
    assert "ann" not in str(entry), "what a person writes is sealed"
    assert evidence.check(world.services)["intact"] is True
    with pytest.raises(Missing):
        alerts.seen(world.services, item, "again", "ola")


@pytest.mark.parametrize("kind", ["work_failed", "deadline_near", "breaker_tripped", "objection", "policy_unpublished"])
def test_what_still_is_cannot_be_waved_away(world: World, kind: str) -> None:
    world.services.commit(attention.raised(kind, "a", world.clock.at))
    with pytest.raises(Stale):
        alerts.seen(world.services, listed(world)[0], "seen", "ola")
    assert len(listed(world)) == 1


def test_an_incident_that_was_dealt_with_leaves_the_list_and_stays_in_the_register(world: World) -> None:
    world.services.commit(attention.incident("evidence_broken", "a", world.clock.at))
    alerts.seen(world.services, listed(world)[0], "told the authority on 3 March", "ola")
    assert listed(world) == []
    assert [one.record.kind for one in world.services.store.query(Query(Incident))] == ["evidence_broken"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_seeing_needs_a_reason(world: World, reason: str) -> None:
    world.services.commit(attention.raised("notices_bounced", "campaign-v2", world.clock.at))
    with pytest.raises(BadInput, match=r"1 to 2000"):
        alerts.seen(world.services, listed(world)[0], reason, "ola")
    assert len(listed(world)) == 1


def test_an_alert_names_the_newest_and_counts_the_others(world: World) -> None:
    for number in range(alerts.MOST_ITEMS + 2):
        at = world.clock.at + timedelta(seconds=number)
        world.services.commit(attention.raised("mail_failed", f"r{number:03}", at))
    world.clock.at += timedelta(minutes=15)
    world.run_due()
    words = world.mailed("operator_alert")[-1]
    assert (words["items"][0]["ref"], len(words["items"]), words["older"]) == ("r101", alerts.MOST_ITEMS, 2)
