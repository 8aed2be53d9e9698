"""Decision 34 held against a slow and plain model: a yes stands until the announced day of a change that was published after it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.container import Container
from infra.settings import Settings
from shared.promises import in_effect, processing, receipts
from shared.promises.policy import Draft, Published, publish
from shared.promises.processing import Whom
from tests.promises.world import NOON, SetClock, World

PURPOSES = ("analytics", "ads")


class Step(NamedTuple):
    """A publication: how many days after the one before, in how many days it takes effect, and what it materially changes."""

    waited: int
    ahead: int
    changes: frozenset[str]


class Kept(NamedTuple):
    """A version as the model keeps it."""

    at: datetime
    changes: frozenset[str]


def is_changed(kept: Sequence[Kept], place: int, purpose: str, now: datetime) -> bool:
    """Tell in the rule's own words whether a yes to the version at that place ended by now: 0 is the first version."""
    return any(purpose in one.changes and one.at <= now for one in kept[place:])


def allowed(world: World, place: int, purpose: str) -> bool:
    asked, current = Whom(device_id=f"device-{place:04}"), world.services.policies.current()
    ruling = processing.decide(world.services, current, asked, purpose)
    assert ruling.reasons in {(), ("policy_changed",)}
    return ruling.allowed


def follow(world: World, steps: Sequence[Step]) -> Iterator[list[Kept]]:
    """Publish each, have a device agree right after to all that is asked, and yield what was published so far."""
    kept = list[Kept]()
    agree(world, 0)
    for n, step in enumerate(steps, 1):
        world.clock.at += timedelta(days=step.waited)
        at = world.clock.at + timedelta(days=step.ahead)
        more = {"changes": sorted(step.changes)} if step.changes else {"material": False}
        publish(world.services, Draft(text=f"text {n}", version=f"w{n}", effective_at=at, **more), "ola")
        world.services.policies.forget()
        kept.append(Kept(max(at, world.clock.at), step.changes))
        agree(world, n)
        yield kept


def agree(world: World, place: int) -> None:
    world.decide(dict.fromkeys(PURPOSES, True), device_id=f"device-{place:04}")


def expect_the_rule(world: World, kept: Sequence[Kept]) -> None:
    for place in range(len(kept) + 1):
        for purpose in PURPOSES:
            ended = is_changed(kept, place, purpose, world.clock.at)
            assert allowed(world, place, purpose) is not ended, (place, purpose, world.clock.at)
        expect_receipts(world, kept, place)


def expect_receipts(world: World, kept: Sequence[Kept], place: int) -> None:
    """A person is asked again from publication, and their yes reads as one until the guard denies it."""
    current = world.services.policies.current()
    told = receipts.current(world.services, current, f"device-{place:04}", None, gpc=False)
    changed = frozenset[str]().union(*(one.changes for one in kept[place:]))
    assert told["needs_prompt"] is bool(changed)
    assert told["decisions"] == {name: not is_changed(kept, place, name, world.clock.at) for name in PURPOSES}


def moments(kept: Sequence[Kept], until: datetime | None, now: datetime) -> list[datetime]:
    """Return when to ask: now, and right before and at each day, up to the next publication."""
    near = {one.at + timedelta(seconds=seconds) for one in kept for seconds in (-1, 0)}
    return sorted(one for one in near | {now} if now <= one and (until is None or one < until))


STEPS = st.builds(
    Step, st.integers(0, 3), st.integers(-1, 6), st.sets(st.sampled_from(PURPOSES)).map(frozenset)
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEPS, min_size=1, max_size=5))
def test_the_guard_answers_as_the_plain_rule_does_whatever_is_published(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for n, kept in enumerate(follow(world, steps), 1):
            published_at = world.clock.at
            until = published_at + timedelta(days=steps[n].waited) if n < len(steps) else None
            for now in moments(kept, until, published_at):
                world.clock.at = now
                expect_the_rule(world, kept)
            world.clock.at = published_at


ANALYTICS, ADS, NOTHING = frozenset({"analytics"}), frozenset({"ads"}), frozenset[str]()
AHEAD = Step(0, 30, ANALYTICS)
SEQUENCES: dict[str, tuple[list[Step], int]] = {
    # and from which day on a yes to analytics that was given before all of them is denied
    "alone": ([AHEAD], 30),
    "a correction at once": ([AHEAD, Step(0, 0, NOTHING)], 30),
    "one a day later, then a correction": ([AHEAD, Step(0, 31, NOTHING), Step(0, 0, NOTHING)], 30),
    "one of the same day, then a correction": ([AHEAD, Step(0, 30, NOTHING), Step(0, 0, NOTHING)], 30),
    "the same purpose a day later": ([AHEAD, Step(0, 31, ANALYTICS), Step(0, 0, NOTHING)], 30),
    "the same purpose a day sooner": ([AHEAD, Step(0, 29, ANALYTICS), Step(0, 0, NOTHING)], 29),
    "another purpose sooner": ([AHEAD, Step(0, 3, ADS), Step(0, 0, NOTHING)], 30),
    "many corrections": ([AHEAD, *[Step(1, 0, NOTHING)] * 4], 30),
    "three to come, corrected": ([AHEAD, Step(0, 31, ADS), Step(0, 32, NOTHING), Step(0, 0, NOTHING)], 30),
    "a correction on the day itself": ([AHEAD, Step(30, 0, NOTHING)], 30),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_yes_is_denied_from_the_announced_day_and_not_before(world: World, name: str) -> None:
    steps, day = SEQUENCES[name]
    kept = list(follow(world, steps))[-1]
    began = world.clock.at
    for days in (0, 1, 28, 29, 30, 31, 32):
        world.clock.at = NOON + timedelta(days=days)
        if world.clock.at >= began:
            assert allowed(world, 0, "analytics") is (days < day), days
            expect_the_rule(world, kept)


def test_a_change_counts_from_its_day_also_where_a_later_version_returns_to_the_old_text(world: World) -> None:
    old = world.services.policies.current().policy.text
    publish(world.services, Draft(text="b", version="w2", effective_at=NOON + timedelta(days=30)), "ola")
    publish(world.services, Draft(text=old, version="w3", material=False), "ola")
    world.services.policies.forget()
    assert world.services.policies.current().changed_since("v1", "ads", NOON + timedelta(days=29)) is False
    assert world.services.policies.current().changed_since("v1", "ads", NOON + timedelta(days=30)) is True


def test_nothing_counts_before_its_day_while_no_version_at_all_is_in_effect_yet(tmp_path: Path) -> None:
    services = Container(Settings({"DATA_DIR": str(tmp_path)}))
    services.__dict__["clock"] = SetClock()
    publish(services, Draft(text="a", version="f1", effective_at=NOON + timedelta(days=30)), "ola")
    draft = Draft(text="b", version="f2", changes=["ads"], effective_at=NOON + timedelta(days=40))
    newest = publish(services, draft, "ola")
    assert [is_outdated(services, newest, NOON + timedelta(days=day)) for day in (0, 39, 40)] == [False, False, True]


def is_outdated(services: Container, newest: Published, now: datetime) -> bool:
    current = in_effect.effective(services, newest, now)[0]
    return in_effect.outdated(newest, lambda: current, "f1", "ads", now)
