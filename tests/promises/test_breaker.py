"""§4: too many erasures that nobody asked for wait for a person; what a person asked for never does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from shared import ledger
from shared.company import BreakerLimit, company_from
from shared.failures import BadInput, Misconfigured, Stale
from shared.ports import Standing
from shared.promises import breaker, endings
from shared.promises.breaker import Reset
from shared.promises.endings import Closed
from shared.records import ALL_ATTENTION, Breaker, Incident
from shared.store import Conflict, Query
from tests.promises.endings import endings_of, subscriptions_of
from tests.promises.world import World


def limited(world: World, most: int, within: str = "PT24H") -> None:
    company = world.services.company
    world.services.__dict__["company"] = msgspec.structs.replace(
        company, breaker=BreakerLimit(most=most, within=within)
    )


def close(world: World, *users: str) -> None:
    subscriptions_of(world).says = Standing()
    for user in users:
        world.account(user, f"{user}@mail.test")
        endings.close_account(world.services, user, Closed(by="person"))


def kinds(world: World) -> set[str]:
    return {one.record.kind for one in world.services.store.query(ALL_ATTENTION)}


def begun(world: World) -> int:
    return sum(one.record.begun_at is not None for one in endings_of(world))


def test_the_first_beyond_the_rate_stops_all_that_follow_until_a_person_lets_them_go_on(world: World) -> None:
    limited(world, 2)
    close(world, "u1", "u2", "u3", "u4")
    world.advance("P9D")
    assert begun(world) == 2
    assert {"breaker_tripped", "incident"} <= kinds(world)
    assert [one.record.kind for one in world.services.store.query(Query(Incident))] == ["breaker_tripped"]
    answer = breaker.reset(world.services, Reset(reason="a real campaign ended"), "olga")
    assert answer["stopped"] is False
    assert "breaker_tripped" not in kinds(world)
    world.advance("PT7H")
    assert begun(world) == 4
    world.advance("P5D")
    assert all(world.view(one.id)["promise"]["met"] for one in endings_of(world))
    stream = ledger.stream_of(world.services.store, breaker.ONE)
    assert [one.record.kind for one in stream] == ["breaker.tripped", "breaker.reset"]
    assert stream[1].record.facts == {"by": "olga"}
    assert b"campaign" not in msgspec.msgpack.encode(msgspec.to_builtins(stream[1].record))


def test_it_never_stops_what_a_person_asked_for(world: World) -> None:
    limited(world, 1)
    close(world, "u1", "u2")
    world.advance("P9D")
    assert begun(world) == 1
    world.account("u9", "nia@mail.test")
    asked = world.confirm("nia@mail.test")
    world.advance("P5D")
    assert world.view(asked["request_id"])["promise"]["met"] is True
    assert begun(world) == 1


def test_those_that_began_longer_ago_do_not_count(world: World) -> None:
    limited(world, 1)
    close(world, "u1")
    world.advance("P2D")
    close(world, "u2")
    world.advance("P14D")
    assert begun(world) == 2
    assert "breaker_tripped" not in kinds(world)


def test_what_waits_can_still_be_kept(world: World) -> None:
    limited(world, 1)
    close(world, "u1", "u2")
    world.advance("P9D")
    waiting = next(one for one in endings_of(world) if one.record.begun_at is None)
    label = next(iter(waiting.record.mails.values())).to
    assert label
    to = next(mail for mail in world.mailed("ending_first") if waiting.id in mail["keep_link"])
    endings.keep(world.services, waiting.id, to["keep_link"].partition("?t=")[2])
    breaker.reset(world.services, Reset(reason="done"), "olga")
    world.advance("P5D")
    assert begun(world) == 1


def test_of_many_that_ask_at_once_no_more_begin_than_may(world: World) -> None:
    limited(world, 5)

    def one(_: int) -> bool:
        for _attempt in range(100):
            asked = breaker.ask(world.services)
            try:
                world.services.commit(asked.changes)
            except Conflict:
                continue
            return asked.admitted
        raise AssertionError("never came through")

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(one, range(20)))
    assert sum(admitted) == 5


def test_a_reset_needs_a_reason_and_something_to_reset(world: World) -> None:
    with pytest.raises(Stale):
        breaker.reset(world.services, Reset(reason="why not"), "olga")
    limited(world, 1)
    close(world, "u1", "u2")
    world.advance("P9D")
    for reason in ("", "  ", "r" * 4001):
        with pytest.raises(BadInput):
            breaker.reset(world.services, Reset(reason=reason), "olga")
    (stored,) = world.services.store.query(Query(Breaker))
    assert stored.record.tripped_at is not None


@pytest.mark.parametrize("limit", [{"most": 0}, {"most": 1001}, {"within": "a day"}, {"most": "x"}, {"rate": 1}])
def test_a_rate_that_is_none_is_refused_at_start(world: World, limit: dict[str, object]) -> None:
    said = msgspec.to_builtins(world.services.company) | {"breaker": limit}
    with pytest.raises(Misconfigured):
        company_from(said)
