"""§8 from the outside: a policy goes out to a crowd, is killed on the way, twice, and reaches everybody once."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra.container import Container
from infra.settings import Settings
from tests.journeys import crowd
from tests.journeys.house import ROOT, RUNTIMES, House, cloud_of

POLICY = Path(os.environ.get("PLEDGE_POLICY_FILE") or ROOT / "infra" / "local" / "samples" / "policy.md")
CROWD = {"embedded": 100_000, "emulators": 2_000}
KILLED_AT = (0.1, 0.5)
PATIENCE_SECONDS = 300
pytestmark = pytest.mark.journey


class Town(House):
    """A house and the crowd that has accounts with it."""

    people = 0


@pytest.fixture(scope="module", params=RUNTIMES)
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    built = Town(tmp_path_factory.mktemp("town") / "data", cloud_of(request))
    built.start()
    built.people = CROWD[request.param]
    crowd.gather(Container(Settings(built.environment)), built.people)
    yield built
    built.stop()


def publish(town: Town, version: str, title: str, text: str, **more: Any) -> None:
    body = {"version": version, "title": title, "text": text, "material": True, "summary": "See for yourself.", **more}
    assert town.operator("POST", "/operator/policies", body).status == 202


def report(town: Town, version: str) -> dict[str, Any]:
    found: dict[str, Any] = town.operator("GET", f"/operator/campaigns/campaign-{version}").json
    return found


def wait_until_sent(town: Town, version: str, count: int) -> None:
    """Wait until so many were handed over; what a kill cut off stays in doubt until the clock moves."""
    until = time.monotonic() + PATIENCE_SECONDS
    while sum((found := report(town, version))[name] for name in ("sent", "in_doubt")) < count:
        assert time.monotonic() < until, found
        time.sleep(0.05)


def mailed(town: Town, title: str) -> Counter[str]:
    """Count the mails of a title by mailbox, from the mail service's own store: an outbox of so many is slow to read."""
    like = f'%"subject":"{title}:%'
    with closing(sqlite3.connect(town.data_dir / "sandbox.db")) as database:
        rows = database.execute("SELECT about FROM things WHERE kind = 'mail' AND body LIKE ?", (like,))
        return Counter(about for (about,) in rows)


def test_a_policy_reaches_everybody_once_through_two_kills_and_the_report_says_so(town: Town) -> None:
    publish(town, "first", "First title", POLICY.read_text())
    for share in KILLED_AT:
        wait_until_sent(town, "first", int(share * town.people))
        town.kill()
        town.start()
    town.advance("P1D")
    told = mailed(town, "First title")
    assert len(told) == town.people
    assert set(told.values()) == {1}
    found = report(town, "first")
    assert (found["state"], found["recipients"], found["sent"]) == ("done", town.people, town.people)
    assert (found["failed"], found["in_doubt"], found["bounced"]) == (0, 0, 0)


def test_a_changed_version_reaches_everybody_once_too(town: Town) -> None:
    changed = f"{POLICY.read_text()}\n\nAnd one thing more: we count visits in another way.\n"
    publish(town, "second", "Second title", changed, changes=["analytics"])
    wait_until_sent(town, "second", town.people)
    # who looks for the end while a call is on its way looks again after its lease
    town.advance("PT1H")
    told = mailed(town, "Second title")
    assert told == Counter(crowd.email(n) for n in range(town.people))
    found = report(town, "second")
    assert (found["state"], found["sent"], found["delivered"]) == ("done", town.people, town.people)
    assert town.operator("POST", "/operator/evidence/verify").json["intact"] is True
    assert town.operator("GET", "/operator/attention").json["items"] == []
