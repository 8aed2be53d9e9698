"""§4: events of Stripe's: claimed once, in any order, about whom we know, and never believed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.failures import BadInput
from shared.ports import Standing
from shared.promises import stripe_events
from shared.records import ALL_ATTENTION, RECORDS, WebhookEvent
from shared.store import Query
from tests.infra.troubled_twins import ContendedOnce
from tests.promises.endings import endings_of, event, happens, subscriptions_of
from tests.promises.world import NOON, World

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def everything(world: World) -> dict[str, list[Any]]:
    return {kind.collection: [one.id for one in world.services.store.query(Query(kind))] for kind in RECORDS}


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("customer.subscription.deleted", "taken"),
        ("customer.subscription.updated", "taken"),
        ("customer.subscription.paused", "taken"),
        ("customer.subscription.created", "of_no_interest"),
        ("customer.deleted", "of_no_interest"),
        ("customer.created", "of_no_interest"),
        ("customer.updated", "of_no_interest"),
        ("invoice.paid", "of_no_interest"),
        ("something.new", "of_no_interest"),
    ],
)
def test_which_events_are_looked_into(world: World, kind: str, taken: str) -> None:
    world.account("u1", "ann@mail.test", stripe_customer_ids=["cus_1"])
    before = everything(world)
    assert happens(world, kind) == taken
    assert (everything(world) != before) is (taken == "taken")


def test_an_event_about_somebody_unknown_leaves_nothing_behind(world: World) -> None:
    before = everything(world)
    assert happens(world, customer="cus_stranger") == "nobody"
    assert everything(world) == before


def test_an_event_is_not_lost_to_contention(world: World) -> None:
    world.account("u1", "ann@mail.test", stripe_customer_ids=["cus_1"])
    busy = ContendedOnce(world.services.store)
    world.services.__dict__["store"] = busy
    assert happens(world) == "taken"
    assert world.services.store.get(WebhookEvent, "stripe:evt_1") is not None
    assert happens(world) == "again"


def test_fifty_copies_at_once_are_one(world: World) -> None:
    subscriptions_of(world).says = Standing(ended_at=NOON)
    world.account("u1", "ann@mail.test", stripe_customer_ids=["cus_1"])
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: happens(world), range(50)))
    assert sorted(taken) == ["again"] * 49 + ["taken"]
    world.run_due()
    assert len(endings_of(world)) == 1
    assert len(world.mailed("ending_first")) == 1


def test_any_order_of_events_ends_in_what_stripe_says_now(world: World) -> None:
    twin = subscriptions_of(world)
    twin.says = Standing(ended_at=NOON)
    world.account("u1", "ann@mail.test", stripe_customer_ids=["cus_1"])
    for n, kind in enumerate(["deleted", "updated", "created", "paused", "updated"]):
        happens(world, f"customer.subscription.{kind}", id=f"evt_{n}")
    world.run_due()
    assert len(endings_of(world)) == 1


def test_what_was_taken_is_forgotten_after_30_days(world: World) -> None:
    world.account("u1", "ann@mail.test", stripe_customer_ids=["cus_1"])
    happens(world)
    (claimed,) = world.services.store.query(Query(WebhookEvent))
    assert claimed.record.expires_at == NOON + stripe_events.REMEMBERED_FOR


@pytest.mark.parametrize(
    ("addresses", "seen"),
    [(["ann@mail.test"], []), ([], []), (["other@mail.test"], ["stripe_email_changed"])],
    ids=["as we know it", "none any more", "unknown"],
)
def test_an_address_changed_at_stripe_links_nothing_and_is_shown_to_a_person(
    world: World, addresses: list[str], seen: list[str]
) -> None:
    subscriptions_of(world).says = Standing(ended_at=NOON, addresses=addresses)
    world.account("u1", "ann@mail.test", stripe_customer_ids=["cus_1"])
    aliases = everything(world)["aliases"]
    assert happens(world, "customer.updated", previous_attributes={"email": "ann@mail.test"}) == "taken"
    world.run_due()
    assert [one.record.kind for one in world.services.store.query(ALL_ATTENTION)] == seen
    assert everything(world)["aliases"] == aliases
    assert endings_of(world) == [], "it is no end of a subscription"


WHOLE = msgspec.json.decode(event("customer.subscription.deleted"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"object":"event"',
        b"[" * 100_000,
        msgspec.json.encode(WHOLE | {"object": "v2.core.event"}),
        msgspec.json.encode({name: value for name, value in WHOLE.items() if name != "id"}),
        msgspec.json.encode(WHOLE | {"id": "evt/1"}),
        msgspec.json.encode(WHOLE | {"id": "evt_1\n"}),
        msgspec.json.encode(WHOLE | {"id": "e" * 256}),
        msgspec.json.encode(WHOLE | {"id": ""}),
        msgspec.json.encode(WHOLE | {"livemode": "true"}),
        msgspec.json.encode(WHOLE | {"type": None}),
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput):
        stripe_events.read(raw)


@pytest.mark.parametrize(
    "data", [None, [], {}, {"object": None}, {"object": {}}, {"object": {"id": "sub_1", "customer": {"id": "cus_1"}}}]
)
def test_an_event_that_matters_and_names_nobody_is_refused(world: World, data: Any) -> None:
    with pytest.raises(BadInput):
        stripe_events.take(world.services, stripe_events.read(msgspec.json.encode(WHOLE | {"data": data})))


@given(st.binary(max_size=200) | JSONS.map(msgspec.json.encode))
def test_no_bytes_at_all_do_more_than_be_refused(raw: bytes) -> None:
    with pytest.raises(BadInput):
        stripe_events.read(raw)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "type", "livemode", "data"), JSONS)))
def test_an_event_with_anything_in_it_is_read_or_refused(change: dict[str, Any]) -> None:
    raw = msgspec.json.encode(WHOLE | change)
    try:
        read = stripe_events.read(raw)
    except BadInput:
        return
    assert read.id.isascii()
