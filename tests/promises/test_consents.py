from __future__ import annotations

import pytest

from shared import suppressions
from shared.failures import BadInput, Stale
from shared.records import Subject
from tests.promises.world import World

DEVICE = "device-0001"


def consents_subjects():
    from shared.store import Query

    return Query(Subject)


def test_the_websites_server_decides_for_a_user_without_waiting(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.decide({"marketing_email": True}, server=True, user_id="u1", email="ann@mail.test")
    assert answer["pending"] == []
    with pytest.raises(Stale):
        world.decide({"marketing_email": True}, server=True, user_id="u1", email="other@mail.test")


def test_a_browser_may_not_name_a_user(world: World) -> None:
    with pytest.raises(BadInput) as refused:
        world.decide({"analytics": True}, user_id="u1")
    assert refused.value.field == "subject.user_id"


def test_a_device_keeps_its_google_client_id_sealed_and_links_nothing_else(world: World) -> None:
    world.decide({"analytics": True}, device_id=DEVICE)
    world.decide({"analytics": True}, device_id=DEVICE, ga_client_id="GA1.2.3")
    stored = world.services.store.query(consents_subjects())
    assert [one.record.kind for one in stored] == ["device"]
    opened = world.services.vault.unseal(f"subjects/{stored[0].id}", stored[0].record.sealed)
    assert opened == {"device_id": DEVICE, "ga_client_ids": ["GA1.2.3"]}


def test_a_no_of_an_account_reaches_two_spellings_of_one_address_in_one_commit(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.account("u1", "ann+shop@mail.test")
    world.decide({"marketing_email": False}, server=True, user_id="u1")
    stop = suppressions.chosen(world.services, "ann@mail.test")["marketing_email"]
    assert len(stop.spellings) == 2, "each spelling is told to vendors"
