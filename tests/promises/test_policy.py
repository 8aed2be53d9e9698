from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from infra.container import Container
from infra.settings import Settings
from shared.failures import BadInput, Missing, Stale
from shared.promises import in_effect, policy
from shared.promises.policy import Draft, canonical_text, publish
from tests.promises.world import NOON, World


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("a\r\nb\r", "a\nb\n"),
        ("a  \nb\t\n\n\n", "a\nb\n"),
        ("\ufeffa", "a\n"),
        ("e\u0301", "\u00e9\n"),
    ],
)
def test_the_same_text_has_one_form_and_so_one_hash(raw: str, canonical: str) -> None:
    assert canonical_text(raw) == canonical
    assert canonical_text(canonical) == canonical


def test_a_version_keeps_its_text_and_hash_for_ever(world: World) -> None:
    publish(world.services, Draft(text="# Two\r\n\r\nWords.  ", version="v2"), "ola")
    kept = policy.read(world.services, "v2").policy
    assert kept.text == "# Two\n\nWords.\n"
    assert kept.hash == sha256(kept.text.encode()).hexdigest()
    assert (kept.title, kept.published_by, kept.history) == ("Two", "ola", ["v1", "v2"])
    with pytest.raises(Stale):
        publish(world.services, Draft(text="# Other", version="v2"), "ola")


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        ({"text": " \n"}, "text"),
        ({"text": "a", "version": "../x"}, "version"),
        ({"text": "a", "version": "a...b"}, "version"),
        ({"text": "a", "version": "notice"}, "version"),
        ({"text": "a", "version": "changes"}, "version"),
        ({"text": "a", "changes": ["telepathy"]}, "changes"),
    ],
)
def test_what_cannot_be_published_is_refused_by_its_name(world: World, draft: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        publish(world.services, Draft(**draft), "ola")  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("title", "text", "kept"),
    [
        (None, "# Our words\n\nMore.", "Our words"),
        (None, "Our\x0b\x00words\u2028here\x85\nMore.", "Our words here"),
        (None, "#\n\n## Our words", "Our words"),
        (None, "###", "Privacy policy"),
        ("  ", "# Our words", "Our words"),
        (" Our title ", "# Our words", "Our title"),
    ],
)
def test_the_title_is_one_line_that_a_mail_can_have_as_its_subject(
    world: World, title: str | None, text: str, kept: str
) -> None:
    assert publish(world.services, Draft(text=text, title=title), "ola").policy.title == kept


def test_a_version_without_a_name_is_called_by_its_day(world: World) -> None:
    assert publish(world.services, Draft(text="a"), "ola").version == "2026-03-01"
    assert publish(world.services, Draft(text="b"), "ola").version == "2026-03-01.2"


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


def test_no_later_version_takes_effect_before_it_is_published(world: World) -> None:
    world.advance("P1D")
    old = publish(world.services, Draft(text="b", version="v2", effective_at=NOON - timedelta(days=400)), "ola")
    assert old.policy.effective_at == world.clock.at


def test_the_first_version_may_be_older_than_we_are(tmp_path: Path) -> None:
    services = Container(Settings({"DATA_DIR": str(tmp_path)}))
    since = NOON - timedelta(days=4000)
    assert publish(services, Draft(text="b", effective_at=since), "ola").policy.effective_at == since


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


def test_an_unknown_version_is_missing(world: World) -> None:
    for version in ("v9", "", "../v1"):
        with pytest.raises(Missing):
            policy.read(world.services, version)
