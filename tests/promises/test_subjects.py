from __future__ import annotations

import pytest

from shared.failures import BadInput
from shared.promises import people, subjects
from shared.promises.subjects import Linked
from shared.records import Subject
from shared.store import Query
from tests.promises.world import World


def test_linking_twice_is_one_account(world: World) -> None:
    for new in (True, False):
        answer, created = subjects.link(
            world.services, Linked(user_id="u1", email="ann@mail.test", email_verified=True)
        )
        assert created is new
        assert answer == {"user_id": "u1", "email": "confirmed"}
    assert len(world.services.store.query(Query(Subject))) == 1


def test_an_unverified_address_leads_nowhere(world: World) -> None:
    subjects.link(world.services, Linked(user_id="u1", email="ann@mail.test"))
    assert people.by_address(world.services, "ann@mail.test") == []


def test_ids_gather_and_are_sealed(world: World) -> None:
    for customer in ("cus_1", "cus_2", "cus_1"):
        subjects.link(world.services, Linked(user_id="u1", stripe_customer_ids=[customer]))
    found = people.by_user(world.services, "u1")
    assert found is not None
    assert found.known.stripe_customer_ids == ["cus_1", "cus_2"]
    assert b"cus_1" not in found.stored.record.sealed


@pytest.mark.parametrize("user_id", ["", "a/b", ".", "..", "x" * 129, "a\nb", "\0"])
def test_a_user_id_that_could_lead_elsewhere_is_refused(world: World, user_id: str) -> None:
    with pytest.raises(BadInput) as refused:
        subjects.link(world.services, Linked(user_id=user_id))
    assert refused.value.field == "user_id"
