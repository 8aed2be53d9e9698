from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shared import ledger
from shared.promises import evidence
from shared.promises.policy import IN_FORCE, Draft, publish
from shared.records import ALL_CAMPAIGNS, ALL_REQUESTS, Campaign, Head, Incident, InForce, Request
from shared.store import Delete, Put, Update
from tests.promises.tampering import altered, entries, removed, rewritten, stamped
from tests.promises.world import World


@pytest.fixture
def lived(world: World) -> World:
    """A world with consents, requests at every stage, and a second version of the policy."""
    world.account("u1", "ann@mail.test")
    world.decide({"analytics": True, "marketing_email": True}, device_id="device-0001", email="bob@mail.test")
    world.confirm("ann@mail.test")
    for name in ("cid", "dan", "eve"):
        world.ask(f"{name}@mail.test")
    publish(world.services, Draft(text="# Policy\n\nAnother.\n", version="v2"), "set-up")
    world.advance("P2D")
    return world


def of(world: World, stream: str) -> list[str]:
    return [one.id for one in entries(world) if one.record.stream == stream]


def test_what_was_never_touched_is_intact_and_counted(lived: World) -> None:
    assert evidence.check(lived.services) == {"entries": len(entries(lived)), "intact": True}
    assert lived.services.store.query(ALL_CAMPAIGNS)
    assert len(lived.services.store.query(ALL_REQUESTS)) == 4


def test_every_altered_and_every_missing_entry_of_a_chain_that_has_a_head_shows(lived: World) -> None:
    requests = {one.id for one in lived.services.store.query(ALL_REQUESTS)}
    with_heads = [one for one in entries(lived) if one.record.stream in requests | {"policy", "campaign-v1"}]
    assert len(with_heads) > 20
    for one in with_heads:
        altered(lived, one, kind="undone")
        assert evidence.check(lived.services)["first_break"] == one.id
        removed(lived, one.id)
        assert evidence.check(lived.services)["intact"] is False, one.id
        lived.services.store.commit([Put(one.id, one.record)])
    assert evidence.check(lived.services)["intact"] is True


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_a_stream_that_is_gone_whole_shows_by_the_request_it_belonged_to(lived: World, which: int) -> None:
    request_id = lived.services.store.query(ALL_REQUESTS)[which].id
    removed(lived, *of(lived, request_id))
    assert evidence.check(lived.services)["first_break"] == request_id
    assert lived.services.store.get(Incident, f"{request_id}:evidence_broken") is not None


def request(world: World) -> str:
    return world.services.store.query(ALL_REQUESTS)[1].id


@pytest.mark.parametrize(
    ("kind", "name", "stream"),
    [
        (Request, request, request),
        (Campaign, lambda _: "campaign-v1", lambda _: "campaign-v1"),
        (InForce, lambda _: IN_FORCE, lambda _: "policy"),
    ],
    ids=["request", "campaign", "policy"],
)
def test_a_head_that_was_set_back_shows(
    lived: World, kind: Any, name: Callable[[World], str], stream: Callable[[World], str]
) -> None:
    stored = lived.services.store.get(kind, name(lived))
    assert stored is not None
    earlier = Head(seq=1, mac="0" * 64)
    lived.services.store.commit([Put(stored.id, msgspec.structs.replace(stored.record, head=earlier))])
    assert evidence.check(lived.services)["first_break"] == stream(lived)


def test_a_whole_ledger_that_is_gone_shows(lived: World) -> None:
    removed(lived, *[one.id for one in entries(lived)])
    first = lived.services.store.query(ALL_REQUESTS)[0].id
    assert evidence.check(lived.services) == {"entries": 0, "intact": False, "first_break": first}


class Moving:
    """A store in which something happens right after requests were listed, or one was read: so many times."""

    def __init__(self, store: Any, happens: Callable[[], object], *, listed: int = 0, read: int = 0) -> None:
        self._store = store
        self._happens = happens
        self.listed, self.read = listed, read

    def query(self, query: Any, *equals: Any, **more: Any) -> Any:
        found = self._store.query(query, *equals, **more)
        if query is ALL_REQUESTS and self.listed:
            self.listed -= 1
            self._happens()
        return found

    def get(self, kind: Any, id: str) -> Any:
        found = self._store.get(kind, id)
        if kind is Request and self.read:
            self.read -= 1
            self._happens()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("read", [0, 2])
def test_what_grows_while_it_is_checked_is_intact(lived: World, read: int) -> None:
    grown = request(lived)
    store = lived.services.store

    def grow() -> None:
        found = store.get(Request, grown)
        assert found is not None
        entry, head = ledger.append(
            lived.services.vault, found.record.head, grown, lived.clock.at, "noted", {"reading": moving.read}
        )
        store.commit([Update(found, msgspec.structs.replace(found.record, head=head)), entry])

    moving = Moving(store, grow, listed=1, read=read)
    lived.services.__dict__["store"] = moving
    assert evidence.check(lived.services)["intact"] is True
    assert (moving.listed, moving.read) == (0, 0)


def test_what_is_purged_while_it_is_checked_is_intact(lived: World) -> None:
    gone = request(lived)

    def purge() -> None:
        lived.services.store.commit([Delete(Request, gone)])
        removed(lived, *of(lived, gone))

    moving = Moving(lived.services.store, purge, listed=1)
    lived.services.__dict__["store"] = moving
    assert evidence.check(lived.services)["intact"] is True
    assert of(lived, gone) == []


@pytest.mark.parametrize(
    ("seq", "forerunner", "broken"),
    [(0, None, "s:000002"), (1, 1, "s:000002"), (0, 2, "s:000001")],
    ids=["a beginning", "a middle", "a beginning that follows"],
)
def test_an_entry_that_a_holder_of_our_keys_wrote_again_breaks_its_chain(
    world: World, seq: int, forerunner: int | None, broken: str
) -> None:
    stamped(world, "s", world.clock.at, 3)
    own = [one for one in entries(world) if one.record.stream == "s"]
    after = Head(seq=seq, mac=own[forerunner].record.mac) if forerunner is not None else None
    rewritten(world, own[seq], after, facts={"n": 9})
    assert evidence.check(world.services)["first_break"] == broken


def test_an_entry_that_leaves_a_number_out_breaks_its_chain(world: World) -> None:
    stamped(world, "s", world.clock.at, 2)
    first, second = [one for one in entries(world) if one.record.stream == "s"]
    removed(world, second.id)
    rewritten(world, second, Head(seq=2, mac=first.record.mac))
    assert evidence.check(world.services)["first_break"] == "s:000003"


def test_streams_of_any_name_are_told_apart(world: World) -> None:
    for name in ("a", "a0", "ab", "A", "b", "receiptm", "receipt"):
        stamped(world, name, world.clock.at, 3)
    world.ask("ann@mail.test")
    assert evidence.check(world.services) == {"entries": len(entries(world)), "intact": True}
    ends = {one.record.stream: one.record.mac for one in entries(world)}
    assert dict(ledger.tails(world.services.vault, entries(world))) == ends
    removed(world, "ab:000002")
    assert evidence.check(world.services)["first_break"] == "ab:000003"
