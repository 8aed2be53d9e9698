from __future__ import annotations

from datetime import timedelta

import pytest

from shared.identity import followed, moved_away
from shared.promises import people
from shared.records import Link
from tests.promises.world import NOON, World

DAY = timedelta(days=1)


def link(ref: str, confirmed: int | None, replaced: int | None = None, kind: str = "account") -> Link:
    return Link(
        ref=ref,
        kind=kind,  # type: ignore[arg-type]
        source="server",
        confirmed_at=None if confirmed is None else NOON + confirmed * DAY,
        replaced_at=None if replaced is None else NOON + replaced * DAY,
    )


@pytest.mark.parametrize(
    ("links", "refs"),
    [
        pytest.param([link("a", None)], [], id="an unconfirmed link is not followed"),
        pytest.param([link("a", 0)], ["a"], id="a confirmed one is"),
        pytest.param([link("a", 0), link("b", 0)], ["a", "b"], id="a shared address leads to both"),
        pytest.param([link("a", 0), link("b", 80)], ["a", "b"], id="also when one came weeks later"),
        pytest.param([link("a", 0, replaced=5), link("b", 10)], ["b"], id="it changed hands after a moved away"),
        pytest.param(
            [link("a", 0, replaced=5)], ["a"], id="an old address nobody else took still leads to its account"
        ),
        pytest.param([link("a", 0), link("b", 400)], ["b"], id="a recycled mailbox does not open the account of old"),
        pytest.param([link("a", 395), link("b", 400)], ["a", "b"], id="unless that was confirmed again lately"),
        pytest.param([link("a", 10, replaced=20), link("b", 0)], ["a", "b"], id="an older confirmation takes nothing"),
        pytest.param([link("a", -400, replaced=-100)], [], id="one left long ago does not"),
        pytest.param([link("a", 0, replaced=5), link("m", 10, kind="mailbox")], ["m"], id="its new holder confirmed"),
        pytest.param([link("m", 0, kind="mailbox"), link("b", 400)], ["m", "b"], id="the mailbox itself is never lost"),
        pytest.param([link("a", 0), link("m", 400, kind="mailbox")], ["a", "m"], id="nor does it take an account away"),
        pytest.param(
            [link("m", 0, replaced=5, kind="mailbox"), link("n", 10, kind="mailbox")],
            ["n"],
            id="but one that moved along with a correction is not its new holder's",
        ),
    ],
)
def test_a_link_is_followed_while_nobody_else_has_taken_the_address(links: list[Link], refs: list[str]) -> None:
    assert [one.ref for one in followed(links, NOON + 50 * DAY)] == refs


@pytest.mark.parametrize(
    ("links", "away"),
    [
        pytest.param([link("a", 0)], [], id="who has the address is not away"),
        pytest.param([link("a", 0, replaced=5)], ["a"], id="who left it is"),
        pytest.param([link("a", -900, replaced=-800)], ["a"], id="however long ago"),
        pytest.param([link("a", 0, replaced=5), link("b", 10)], [], id="unless somebody else has proved it since"),
        pytest.param([link("a", 0, replaced=5), link("m", 10, kind="mailbox")], [], id="be it the mailbox alone"),
        pytest.param([link("a", 0, replaced=5), link("b", None)], ["a"], id="who did not prove it takes nothing over"),
        pytest.param([link("a", 0, replaced=5), link("b", 3)], ["a"], id="who shared it before may have meant either"),
        pytest.param([link("a", 0, replaced=5), link("b", 2, replaced=9)], ["a", "b"], id="two who left it are both"),
        pytest.param([link("m", 0, replaced=5, kind="mailbox")], ["m"], id="a mailbox may have moved along"),
    ],
)
def test_a_no_speaks_for_whoever_left_until_somebody_else_has_the_address(links: list[Link], away: list[str]) -> None:
    assert [one.ref for one in links if moved_away(one, links)] == away


def test_proof_of_one_address_never_opens_another_ones_data(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.account("u2", "anna@mail.test")
    assert [one.known.user_id for one in people.by_address(world.services, "ann@mail.test")] == ["u1"]
    assert people.by_address(world.services, "nn@mail.test") == []


def test_addresses_are_split_into_own_and_shared(world: World) -> None:
    world.account("u1", "family@mail.test")
    world.account("u1", "ann@mail.test")
    world.account("u2", "family@mail.test")
    found = people.by_address(world.services, "ann@mail.test")
    own, shared = people.own_and_shared(world.services, found, "ann@mail.test")
    assert (own, shared) == (["ann@mail.test"], [])
    world.account("u3", "ann@mail.test")
    own, shared = people.own_and_shared(world.services, found, "ann@mail.test")
    assert (own, shared) == ([], ["ann@mail.test"])
