from __future__ import annotations

from datetime import timedelta

import pytest

from shared.promises import in_effect, policy
from shared.promises.policy import Draft, publish
from tests.promises.world import NOON, World


def test_a_coming_version_is_shown_beside_the_one_in_effect(world: World) -> None:
    coming = publish(world.services, Draft(text="b", version="v2", effective_at=NOON + timedelta(days=14)), "ola")
    now, upcoming = in_effect.effective(world.services, coming, NOON)
    assert (now.version, upcoming.version if upcoming else None) == ("v1", "v2")
    now, upcoming = in_effect.effective(world.services, coming, NOON + timedelta(days=14))
    assert (now.version, upcoming) == ("v2", None)


DAYS_OF_EFFECT: list[tuple[list[int], int, list[str]]] = [
    ([0], 0, ["in_effect"]),
    ([0, 14], 0, ["in_effect", "coming"]),
    ([0, 14], 14, ["replaced", "in_effect"]),
    ([0, 14, 1], 1, ["replaced", "overtaken", "in_effect"]),
    ([0, 0], 0, ["overtaken", "in_effect"]),
    ([0, 14, 7], 0, ["in_effect", "overtaken", "coming"]),
    ([0, 14, 7], 8, ["replaced", "overtaken", "in_effect"]),
    ([0, 7, 14], 0, ["in_effect", "coming", "coming"]),
    ([0, 7, 14], 8, ["replaced", "in_effect", "coming"]),
    ([0, 14, 14], 0, ["in_effect", "overtaken", "coming"]),
]


@pytest.mark.parametrize(("days", "now", "expected"), DAYS_OF_EFFECT)
def test_each_version_stands_as_the_days_of_effect_have_it(
    world: World, days: list[int], now: int, expected: list[str]
) -> None:
    drafts = [Draft(text="b", version=f"n{n}", effective_at=NOON + timedelta(days=day)) for n, day in enumerate(days)]
    versions = [publish(world.services, draft, "ola") for draft in drafts]
    found = in_effect.standings(versions, NOON + timedelta(days=now))
    assert [one.state for one in found] == expected
    shown = in_effect.effective(world.services, versions[-1], NOON + timedelta(days=now))[0]
    assert shown.version == versions[expected.index("in_effect")].version


def test_what_took_a_versions_place_is_named(world: World) -> None:
    drafts = [
        Draft(text="b", version=f"n{n}", effective_at=NOON + timedelta(days=day)) for n, day in enumerate((0, 14, 7))
    ]
    versions = [publish(world.services, draft, "ola") for draft in drafts]
    named = [one.by.version if one.by else None for one in in_effect.standings(versions, NOON)]
    assert named == ["n2", "n2", None]


PUBLISHED: list[tuple[list[tuple[int, int]], list[str]]] = [
    ([(0, 14)], []),
    ([(0, 14), (1, 7)], ["n0"]),
    ([(0, 14), (1, 1)], ["n0"]),
    ([(0, 14), (1, 14)], ["n0"]),
    ([(0, 14), (1, 20)], []),
    ([(0, 14), (14, 14)], []),
    ([(0, 14), (15, 15)], []),
    ([(0, 0), (1, 1)], []),
    ([(0, 14), (1, 20), (2, 7)], ["n0", "n1"]),
    ([(0, 14), (1, 20), (2, 16)], ["n1"]),
    ([(0, 20), (1, 14), (2, 7)], ["n1"]),
    ([(0, 20), (1, 7), (8, 14)], []),
    ([(0, 20), (1, 1), (2, 2)], []),
]


@pytest.mark.parametrize(("days", "expected"), PUBLISHED)
def test_a_version_names_those_whose_place_it_takes_before_their_day_and_nobody_took_before(
    world: World, days: list[tuple[int, int]], expected: list[str]
) -> None:
    """`days`: of each version, when it is published and when it takes effect."""
    versions = [world.services.policies.current()]
    for n, (at, effective) in enumerate(days):
        world.clock.at = NOON + timedelta(days=at)
        draft = Draft(text="b", version=f"n{n}", effective_at=NOON + timedelta(days=effective))
        versions.append(publish(world.services, draft, "ola"))
    found = in_effect.overtaken(world.services, versions[-1])
    assert [name for name, _ in found] == expected
    assert [day for _, day in found] == [one.policy.effective_at for one in versions if one.version in expected]
    before, after = (in_effect.standings(some, world.clock.at) for some in (versions[:-1], versions))
    stood = [one.version for one, was in zip(versions, before, strict=False) if was.state == "coming"]
    stands = [one.version for one, now in zip(versions, after, strict=True) if now.state != "overtaken"]
    assert expected == [name for name in stood if name not in stands], "as the list of versions has it"


@pytest.mark.parametrize(("day", "outdated"), [(0, False), (13, False), (14, True)])
@pytest.mark.parametrize("later", [[], [("minor", 0)], [("minor", 0), ("minor", 0)], [("ads", 3)]])
def test_a_change_counts_from_the_day_it_was_announced_for_whatever_is_published_after_it(
    world: World, later: list[tuple[str, int]], day: int, outdated: bool
) -> None:
    announced = Draft(text="b", version="v2", changes=["analytics"], effective_at=NOON + timedelta(days=14))
    newest = publish(world.services, announced, "ola")
    for n, (kind, ahead) in enumerate(later):
        effective_at = NOON + timedelta(days=ahead)
        more = {"material": False} if kind == "minor" else {"changes": [kind]}
        newest = publish(world.services, Draft(text="c", version=f"w{n}", effective_at=effective_at, **more), "ola")
    assert newest.changed_since("v1", "analytics"), "it is asked for from publication"
    assert has_changed(world, newest, "v1", day) is outdated
    assert has_changed(world, newest, "v2", day) is False


def test_an_earlier_change_that_is_in_effect_counts_while_a_later_one_is_coming(world: World) -> None:
    publish(world.services, Draft(text="b", version="v2", changes=["analytics"]), "ola")
    coming = Draft(text="c", version="v3", changes=["analytics"], effective_at=NOON + timedelta(days=14))
    publish(world.services, coming, "ola")
    newest = publish(world.services, Draft(text="d", version="v4", material=False), "ola")
    assert [has_changed(world, newest, version, 0) for version in ("v1", "v2", "v3")] == [True, False, False]
    assert [has_changed(world, newest, version, 14) for version in ("v1", "v2", "v3")] == [True, True, False]


def has_changed(world: World, newest: policy.Published, version: str, day: int) -> bool:
    now = NOON + timedelta(days=day)
    current = in_effect.effective(world.services, newest, now)[0]
    return in_effect.outdated(newest, lambda: current, version, "analytics", now)
