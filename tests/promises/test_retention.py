from __future__ import annotations

from shared import ledger
from shared.promises import evidence, retention
from shared.records import ALL_EVIDENCE, ALL_REQUESTS, Alias, Subject, Tombstone
from shared.store import Query
from tests.promises.world import World


def test_the_evidence_of_a_request_goes_whole_when_its_time_is_over(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.confirm("ann@mail.test")["request_id"]
    world.advance("P4D")
    assert ledger.stream_of(world.services.store, request_id)
    world.advance("P2Y")
    retention.expire(world.services)
    assert len(world.services.store.query(ALL_REQUESTS)) == 1
    world.advance("P1Y")
    retention.expire(world.services)
    assert world.services.store.query(ALL_REQUESTS) == []
    assert ledger.stream_of(world.services.store, request_id) == []
    assert evidence.check(world.services)["intact"] is True


def test_a_tombstone_goes_when_the_longest_copy_is_gone(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.confirm("ann@mail.test")
    world.advance("P1DT1H")
    assert len(world.services.store.query(Query(Tombstone))) == 1
    world.advance("P3D")
    retention.expire(world.services)
    assert world.services.store.query(Query(Tombstone)) == []


def test_a_device_nobody_hears_of_is_forgotten_with_its_consents(world: World) -> None:
    world.decide({"analytics": True}, device_id="device-0001")
    world.advance("P2Y")
    world.decide({"analytics": True}, device_id="device-0002")
    world.advance("P1Y")
    retention.expire(world.services)
    assert len(world.services.store.query(Query(Subject))) == 1
    assert len(world.services.store.query(Query(Alias))) == 1
    consents = [one for one in world.services.store.query(ALL_EVIDENCE) if one.record.kind == "consent"]
    assert len(consents) == 1


def test_an_account_does_not_expire_by_itself(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.advance("P10Y")
    assert "subjects" not in retention.expire(world.services)
    assert len(world.services.store.query(Query(Subject))) == 1
