from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from infra.container import Container
from infra.settings import Settings
from shared.failures import BadInput, Missing, Stale
from shared.promises import policy
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
        ({"text": "a", "effective_at": datetime(9999, 1, 1, tzinfo=UTC)}, "effective_at"),
        ({"text": "a", "effective_at": datetime(2027, 1, 1)}, "effective_at"),  # noqa: DTZ001 - that is what is wrong
    ],
)
def test_what_cannot_be_published_is_refused_by_its_name(world: World, draft: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        publish(world.services, Draft(**draft), "ola")  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        ({"version": "changes"}, "another name is needed: /policy/changes is a page of its own"),
        ({"version": "notice"}, "another name is needed: /policy/notice is a page of its own"),
        ({"version": "a...b"}, "1 to 64 of A-Z a-z 0-9 . _ -, without '..'"),
        (
            {"effective_at": datetime(9999, 1, 1, tzinfo=UTC)},
            "a year after 1 and before 9999 is needed, such as 2026-12-01T00:00:00Z",
        ),
        (
            {"effective_at": datetime(2027, 1, 1)},  # noqa: DTZ001 - that is what is wrong
            "a time with its zone is needed, such as 2026-12-01T00:00:00Z",
        ),
    ],
)
def test_it_is_said_what_is_wrong_and_nothing_else(world: World, draft: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        publish(world.services, Draft(text="a", **draft), "ola")  # type: ignore[arg-type]
    assert refused.value.rule == said


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


def test_no_later_version_takes_effect_before_it_is_published(world: World) -> None:
    world.advance("P1D")
    old = publish(world.services, Draft(text="b", version="v2", effective_at=NOON - timedelta(days=400)), "ola")
    assert old.policy.effective_at == world.clock.at


def test_the_first_version_may_be_older_than_we_are(tmp_path: Path) -> None:
    services = Container(Settings({"DATA_DIR": str(tmp_path)}))
    since = NOON - timedelta(days=4000)
    assert publish(services, Draft(text="b", effective_at=since), "ola").policy.effective_at == since


def test_an_unknown_version_is_missing(world: World) -> None:
    for version in ("v9", "", "../v1"):
        with pytest.raises(Missing):
            policy.read(world.services, version)
