"""`sweep`: finds what is due where the queue lost a message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from infra.container import Container
from tests.functions.called import Called
from tests.functions.edge_contract import InternalContract

EMAIL = "ada@people.example"


class TestSweep(InternalContract):
    edge = "sweep"


class Bell:
    """A queue that remembers what was announced, and delivers nothing."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def announce(self, work: Sequence[tuple[str, datetime]]) -> None:
        self.announced += [work_id for work_id, _ in work]


def test_a_sweep_announces_what_is_due_and_changes_nothing(called: Called) -> None:
    assert called.platform("sweep").json == {"announced": 0}
    called.ask(EMAIL)
    called.ask("bob@people.example")
    for _ in range(2):
        with called.changing_nothing():
            assert called.platform("sweep").json == {"announced": 2}


def test_what_is_not_due_is_left_for_a_later_sweep(called: Called) -> None:
    asked = called.ask(EMAIL)
    called.confirm_link(EMAIL, asked["request_id"])
    assert called.platform("sweep").json == {"announced": 0}
    called.later(days=7, minutes=1)
    assert called.platform("sweep").json == {"announced": 1}, "a reminder"


def test_the_queue_hears_the_ids_of_what_is_due_and_nothing_else(called: Called, tmp_path: Path) -> None:
    called.ask(EMAIL)
    bell = Bell()
    called.containers["sweep"] = Container(called.container.settings, bell)
    assert called.platform("sweep").json == {"announced": 1}
    assert bell.announced == [row[0] for row in called.rows()["work"]]


def test_a_backlog_is_announced_sweep_by_sweep(called: Called) -> None:
    for number in range(12):
        for person in range(10):
            called.ask(f"person-{number}-{person}@people.example")
    announced = called.platform("sweep").json["announced"]
    assert 100 <= announced <= 120
    called.with_mail().run_due()
    assert called.platform("sweep").json == {"announced": 0}
