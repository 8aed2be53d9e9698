"""What was there before is taken in by the command line, killed on the way, and counts from then on; on both runtimes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.container import Container
from infra.settings import Settings
from shared.records import ACCOUNTS, ALL_IMPORTS, Import
from shared.store import every
from tests.journeys.house import ROOT, RUNTIMES, House, cloud_of

PEOPLE = {"embedded": 6000, "emulators": 900}
EVERY_NTH_IS_WRONG = 50
pytestmark = pytest.mark.journey


@pytest.fixture(params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    running = House(tmp_path / "data", cloud_of(request)).start()
    running.count = PEOPLE[request.param]  # type: ignore[attr-defined]
    yield running
    running.stop()


def email(n: int) -> str:
    return f"canary{n}@mail{n % 7}.test"


def write(path: Path, header: str, rows: Iterator[list[Any]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return str(path)


def imports(house: House) -> list[Import]:
    return [one.record for one in every(Container(Settings(house.environment)).store, ALL_IMPORTS)]


def killed_on_the_way(house: House, *arguments: str) -> int:
    """Start an import and end it as a power cut would, at its first word of progress; return how far it had come."""
    command = [sys.executable, "-m", "infra.cli", "import", *arguments]
    running = subprocess.Popen(command, cwd=ROOT, env=house.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stderr is not None
    assert running.stderr.readline()
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    (record,) = [one for one in imports(house) if one.kind == arguments[0]]
    assert record.state == "running"
    return record.counts["rows"]


def may(house: House, **subject: str) -> Any:
    answer = house.server("/processing", {"subject": subject, "purpose": "marketing_email"})
    assert answer.status == 200, answer.text
    return answer.json


def test_customers_come_in_through_a_kill_and_only_who_said_yes_may_be_written_to(house: House, tmp_path: Path) -> None:
    count: int = house.count  # type: ignore[attr-defined]
    policy = house.get("/policy", Accept="application/json").json
    customers = write(
        tmp_path / "customers.csv",
        "user_id,email,email_verified",
        ([f"u{n}", "none" if n % EVERY_NTH_IS_WRONG == 7 else email(n), "true"] for n in range(count)),
    )
    report = tmp_path / "report.csv"
    came = killed_on_the_way(house, "customers", customers)
    assert 0 < came < count
    house.pledge("import", "customers", customers, "--report", str(report))
    with report.open(newline="") as file:
        refused = list(csv.reader(file))[1:]
    assert [int(row[0]) for row in refused] == [n + 2 for n in range(7, count, EVERY_NTH_IS_WRONG)]
    store = Container(Settings(house.environment)).store
    assert len(list(every(store, ACCOUNTS, "account"))) == count - len(refused)

    house.put("sendgrid", email=email(2), unsubscribed=True)
    house.pledge("import", "suppressions", "--from", "sendgrid")
    house.pledge("import", "unsubscribes", write(tmp_path / "no.csv", "email", iter([[email(3)]])))
    said = "2026-01-01T12:00:00Z", policy["version"], policy["hash"], "form", "newsletter form"
    yes = ([f"u{n}", "marketing_email", "true", *said] for n in (1, 2, 3))
    header = "user_id,purpose,granted,at,policy_version,text_sha256,method,source"
    house.pledge("import", "consents", write(tmp_path / "yes.csv", header, yes), "--report", str(report))
    assert [may(house, user_id=f"u{n}")["allowed"] for n in (0, 1, 2, 3)] == [False, True, False, False]
    with report.open(newline="") as file:
        assert [row[:2] for row in csv.reader(file)][1:] == [["3", "email"], ["4", "email"]]

    house.settle()
    # the mail service was told of the one no that it did not know, and of nobody else's
    on_list = [n for n in range(5) if "global" in {one["kind"] for one in house.found("sendgrid", email=email(n))}]
    assert on_list == [2, 3]
    assert "intact" in house.pledge("verify", "--all")
    assert house.traces([f"canary{n}@" for n in range(10, 40)], tmp_path / "exported") == []
    assert "canary" not in report.read_text() + house.log.read_text()
