"""What a version announced for a later day and another one begins sooner is said, and a correction of the old text is accused of nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.promises import in_effect, policy, publishing
from shared.promises.findings import Finding
from shared.promises.policy import Draft, publish
from tests.promises.world import NOON, World

OLD = "# Ours\n\nWhere you allow it, we count visits. Our staff may see your data. We never sell your data.\n"
SELLS = OLD.replace("we count visits", "we also sell your data to our partners and count visits")
FORGETS = OLD.replace(" We never sell your data.", "")
LONGER = OLD + "\nWe keep invoices for ten years.\n"
DAYS = timedelta(days=1)


@pytest.fixture
def ours(world: World) -> World:
    """A policy in effect for a month, so that no two days are one."""
    publish(world.services, Draft(text=OLD, version="w1"), "ola")
    world.clock.at = NOON + 30 * DAYS
    return world


def announce(world: World, version: str, text: str, days: int, **more: Any) -> None:
    at = world.clock.at + days * DAYS
    publish(world.services, Draft(text=text, version=version, effective_at=at, **more), "ola")


def rehearsed(world: World, text: str, days: int = 0, **more: Any) -> dict[str, Any]:
    draft = {"material": False, "effective_at": world.clock.at + days * DAYS} | more
    return publishing.rehearse(world.services, Draft(text=text, version="w9", **draft), "ola")


def early(told: dict[str, Any]) -> list[Finding]:
    return [one for one in told["findings"] if one.rule == "announced_begins_early"]


def shown(pieces: Any) -> list[tuple[str, str]]:
    return [(one.old.strip(), one.new.strip()) for one in pieces if one.op != "equal"]


@pytest.mark.parametrize(
    ("announced", "correction", "words"),
    [
        (SELLS, SELLS.replace("may see", "may look at"), "also sell your data to our partners and"),
        (SELLS, SELLS.replace("our partners", "its partners"), "also sell your data to our partners and"),
        (FORGETS, FORGETS.replace("may see", "may look at"), "We never sell your data."),
        (LONGER, LONGER.replace("Ours", "Our policy"), "We keep invoices for ten years."),
        (SELLS, SELLS, "also sell your data to our partners and"),
        # returns to the text in effect, corrects it, or goes its own way
        (SELLS, OLD, None),
        (SELLS, OLD.replace("may see", "may look at"), None),
        (SELLS, OLD.replace("count visits", "count all visits"), None),
        (FORGETS, OLD.replace("We never sell", "We do not sell"), None),
        (LONGER, OLD + "\nWe keep letters.\n", None),
    ],
)
def test_announced_words_that_begin_before_their_day_are_named(
    ours: World, announced: str, correction: str, words: str | None
) -> None:
    announce(ours, "w2", announced, 30)
    told = rehearsed(ours, correction)
    assert [(one.id, one.kind, one.sentence) for one in early(told)] == (
        [("announced_begins_early-w2", "contradiction", words)] if words else []
    )
    assert [one.id for one in told["findings"] if one.rule == "coming_overtaken"] == ["coming_overtaken-w2"]


def test_the_finding_says_both_days_and_how_little_time_is_left(ours: World) -> None:
    announce(ours, "w2", SELLS, 30)
    (why,) = (one.why for one in early(rehearsed(ours, SELLS)))
    assert "from 30 April 2026 begins on 31 March 2026" in why
    assert "less than 14 days" in why
    assert "counts until 30 April 2026" in why
    (later,) = (one.why for one in early(rehearsed(ours, SELLS, 20, material=True)))
    assert "begins on 20 April 2026" in later
    assert "less than 14 days" not in later
    assert "counts until" not in later, "this one is material itself"


@pytest.mark.parametrize(("days", "found"), [(0, True), (29, True), (30, False), (31, False)])
def test_what_begins_on_the_announced_day_or_later_is_not_early(ours: World, days: int, found: bool) -> None:
    announce(ours, "w2", SELLS, 30)
    assert bool(early(rehearsed(ours, SELLS + "\nMore.\n", days))) is found


def test_a_change_that_was_not_material_was_promised_for_no_day(ours: World) -> None:
    announce(ours, "w2", SELLS, 30, material=False)
    assert early(rehearsed(ours, SELLS)) == []


def test_of_several_announced_versions_each_is_named_whose_change_begins_early(ours: World) -> None:
    announce(ours, "w2", SELLS, 30)
    announce(ours, "w3", SELLS + "\nWe keep invoices for ten years.\n", 40)
    assert [one.id[-2:] for one in early(rehearsed(ours, SELLS + "\nWe keep invoices for ten years.\n"))] == [
        "w2",
        "w3",
    ]
    # from day 30 on people live under w2, and w3 adds one sentence
    assert [one.id[-2:] for one in early(rehearsed(ours, SELLS + "\nWe keep invoices for ten years.\n", 35))] == ["w3"]
    assert early(rehearsed(ours, SELLS + "\nBye.\n", 35)) == []


def test_it_is_said_also_of_a_version_whose_place_was_taken_and_once_only(ours: World) -> None:
    announce(ours, "w2", SELLS, 30)
    announce(ours, "w3", OLD.replace("may see", "may look at"), 0, material=False)
    ours.clock.at += DAYS
    assert [one.id[-2:] for one in early(rehearsed(ours, SELLS))] == ["w2"], "its day has not come all the same"
    announce(ours, "w4", SELLS.replace("may see", "may look at"), 0, material=False)
    ours.clock.at += DAYS
    told = rehearsed(ours, SELLS.replace("may see", "may look at").replace("Ours", "Our policy"))
    assert early(told) == [], "people live under it by now"


def without_instagram(world: World) -> None:
    company = world.services.company
    world.services.__dict__["company"] = msgspec.structs.replace(company, not_used={"instagram": "no"})


def test_a_recipient_or_purpose_that_was_announced_is_named_when_it_begins_early(ours: World) -> None:
    without_instagram(ours)
    purposes = [*ours.services.company.purposes]
    purposes[4] = msgspec.structs.replace(purposes[4], kept_for="P20M")
    company = ours.services.company
    ours.services.__dict__["company"] = msgspec.structs.replace(company, purposes=purposes)
    announce(ours, "w2", OLD, 30)
    (found,) = early(rehearsed(ours, OLD))
    assert "Instagram (gone)" in found.why
    assert f"{purposes[4].title} (how long it is kept)" in found.why
    ours.services.__dict__["company"] = msgspec.structs.replace(company, purposes=company.purposes)
    assert [one.why.count(purposes[4].title) for one in early(rehearsed(ours, OLD))] == [0]


# --- what a version is compared with ------------------------------------------------------------------------------------


def test_a_dry_run_compares_with_what_people_live_under_and_shows_what_came_since_the_last(ours: World) -> None:
    announce(ours, "w2", SELLS, 30)
    told = rehearsed(ours, SELLS.replace("may see", "may look at"))
    assert (told["follows"], told["difference_from"]) == ("w2", "w1")
    assert shown(told["diff"]) == [("", "also sell your data to our partners and"), ("see", "look at")]
    assert shown(told["since_last"]["diff"]) == [("see", "look at")]
    later = rehearsed(ours, SELLS.replace("may see", "may look at"), 31)
    assert (later["follows"], later["difference_from"], later["since_last"]) == ("w2", "w2", None)
    assert shown(later["diff"]) == [("see", "look at")]


def test_to_take_back_what_was_announced_is_not_for_nothing(ours: World) -> None:
    announce(ours, "w2", SELLS, 30)
    assert rehearsed(ours, OLD)["unchanged"] is False
    assert rehearsed(ours, SELLS, 31)["unchanged"] is True


def test_what_counts_as_changed_is_held_against_what_people_live_under(ours: World) -> None:
    without_instagram(ours)
    announce(ours, "w2", OLD, 30)
    called_minor = [
        {one.rule for one in rehearsed(ours, OLD + "\nMore.\n", days)["findings"]} & {"called_minor"}
        for days in (0, 30, 31)
    ]
    assert called_minor == [{"called_minor"}, set(), set()], "on its day w2 asks already"


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([0], [None]),
        ([0, 5], [None, 0]),
        ([0, 30, 1], [None, 0, 0]),
        ([0, 30, 31], [None, 0, 1]),
        ([0, 30, 30], [None, 0, 0]),
        ([0, 30, 31, 5], [None, 0, 1, 0]),
        ([0, 30, 31, 30], [None, 0, 1, 0]),
        ([0, 30, 10, 40], [None, 0, 0, 2]),
        # nothing was in effect before
        ([0, 0], [None, 0]),
        ([0, 30, 0], [None, 0, 0]),
        ([0, 0, 0], [None, 0, 1]),
        ([30, 0], [None, 0]),
        ([30, 31, 0], [None, 0, 1]),
    ],
)
def test_each_version_replaces_the_one_people_live_under(
    world: World, days: list[int], expected: list[int | None]
) -> None:
    template = policy.read(world.services, "v1").policy
    history = [f"n{n}" for n in range(len(days))]
    versions = [
        policy.Published(name, msgspec.structs.replace(template, effective_at=NOON + day * DAYS))
        for name, day in zip(history, days, strict=True)
    ]
    found = [one and one.version for one in in_effect.lineage(versions)]
    assert found == [None if n is None else f"n{n}" for n in expected]
