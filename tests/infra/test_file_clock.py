from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.file_clock import FileClock
from shared.failures import Misconfigured

DAY = 86_400
TOLERANCE = timedelta(seconds=2)


def ahead(clock: FileClock) -> timedelta:
    return clock.now() - datetime.now(UTC)


def test_without_a_file_it_is_the_real_clock_in_whole_seconds_utc(tmp_path: Path) -> None:
    now = FileClock(tmp_path / "clock").now()
    assert abs(now - datetime.now(UTC)) < TOLERANCE
    assert now.tzinfo is UTC
    assert now.microsecond == 0


def test_moved_ahead_it_stays_so_for_every_clock_on_the_same_file(tmp_path: Path) -> None:
    mine, theirs = FileClock(tmp_path / "clock"), FileClock(tmp_path / "clock")
    assert abs(ahead(theirs)) < TOLERANCE
    for days in (14, 3, 0, 400):
        mine.set_ahead(days * DAY)
        for clock in (mine, theirs, FileClock(tmp_path / "clock")):
            assert abs(ahead(clock) - timedelta(days=days)) < TOLERANCE


def test_the_file_holds_the_number_and_no_leftover_stands_beside_it(tmp_path: Path) -> None:
    FileClock(tmp_path / "clock").set_ahead(-5)
    assert (tmp_path / "clock").read_text().strip() == "-5"
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


def test_a_file_that_goes_away_means_the_real_clock_again(tmp_path: Path) -> None:
    clock = FileClock(tmp_path / "clock")
    clock.set_ahead(DAY)
    assert ahead(clock) > timedelta(hours=23)
    (tmp_path / "clock").unlink()
    assert abs(ahead(clock)) < TOLERANCE


@pytest.mark.parametrize("text", ["", "soon", "1.5", "9" * 30])
def test_a_file_that_holds_no_number_of_seconds_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    with pytest.raises(Misconfigured, match="clock"):
        FileClock(tmp_path / "clock").now()
