"""`checkpoints`: the day's evidence is checked and closed, once a day, and never over a break."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from infra import cli
from infra.local.functions import function_map
from infra.local.queue import LocalPlatform, LocalQueue
from tests.functions.called import Called
from tests.functions.edge_contract import InternalContract
from tests.functions.signatures import claims_of

EMAIL = "ada@people.example"


class TestCheckpoints(InternalContract):
    edge = "checkpoints"


def closed(called: Called) -> dict[str, Any]:
    answer = called.platform("checkpoints")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def objects(called: Called) -> list[str]:
    folder = called.data_dir / "evidence"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jws"))


def verified(called: Called) -> dict[str, Any]:
    body: dict[str, Any] = called.operator("POST", "/evidence/verify").json
    return body


def in_the_ledger(called: Called, sql: str) -> None:
    with closing(sqlite3.connect(called.data_dir / "pledge.db")) as database:
        assert database.execute(sql).rowcount
        database.commit()


def test_each_day_has_its_checkpoint_and_anybody_can_check_it(called: Called) -> None:
    keys = called.get("/.well-known/jwks.json").json
    previous = ""
    for number in (1, 2, 3):
        called.ask(f"{number}@people.example")
        called.later(days=1)
        answer = closed(called)
        raw = (called.data_dir / "evidence" / "checkpoints" / f"{number:06d}.jws").read_bytes()
        claims = claims_of(raw.decode(), keys)
        assert answer == {"checkpoint": number, "entries": claims["entries"], "intact": True}
        assert claims.get("previous", "") == previous
        previous = sha256(raw).hexdigest()
    assert verified(called) == {"entries": called.count("ledger"), "intact": True}


def test_a_second_call_on_the_same_day_does_nothing(called: Called) -> None:
    called.later(days=1)
    closed(called)
    with called.changing_nothing():
        assert closed(called) == {"checkpoint": 1}
    assert objects(called) == ["checkpoints/000001.jws"]


def test_over_altered_evidence_nothing_is_closed_and_an_operator_is_told(called: Called) -> None:
    request_id = called.ask(EMAIL)["request_id"]
    called.later(days=1)
    in_the_ledger(
        called, f"UPDATE ledger SET body = replace(body, 'received', 'refused') WHERE id LIKE '{request_id}:%1'"
    )
    broken = f"{request_id}:000001"
    for _ in range(2):
        found = closed(called)
        assert (found["intact"], found["first_break"]) == (False, broken)
    assert objects(called) == []
    assert called.count("incidents") == 1
    assert [one["kind"] for one in called.operator("GET", "/attention").json["items"]] == ["incident"]


def test_a_checkpoint_that_was_taken_away_or_altered_shows(called: Called) -> None:
    called.later(days=1)
    closed(called)
    path = called.data_dir / "evidence" / "checkpoints" / "000001.jws"
    kept = path.read_bytes()
    path.unlink()
    assert verified(called)["first_break"] == "checkpoint:000001"
    path.write_bytes(kept[:-9])
    called.later(days=1)
    assert closed(called)["first_break"] == "checkpoint:000001"
    path.write_bytes(kept)
    assert closed(called)["checkpoint"] == 2
    assert called.count("incidents") == 1


def test_an_erasure_between_two_checkpoints_breaks_nothing(called: Called) -> None:
    said = called.consent({"device_id": "device-0001"}, {"ads": True})
    called.post("/consents", said)
    called.later(days=1)
    closed(called)
    called.later(days=365 * 3 + 2)
    assert called.platform("retention").json["subjects"] == 1
    assert closed(called) == {"checkpoint": 2, "entries": 0, "intact": True}
    assert verified(called)["intact"] is True


def test_a_jump_of_two_weeks_closes_each_day(called: Called) -> None:
    called.ask(EMAIL)
    apps = {name: called.app(name) for name in function_map()}
    platform = LocalPlatform(called.container, apps, LocalQueue())
    platform.jump(called.now() + timedelta(days=14))
    assert 14 <= len(objects(called)) <= 15
    assert verified(called)["intact"] is True


@pytest.fixture
def command_line(called: Called, monkeypatch: pytest.MonkeyPatch) -> Called:
    monkeypatch.setenv("DATA_DIR", str(called.data_dir))
    return called


def test_the_command_line_looks_forward_or_at_everything(
    command_line: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line.ask(EMAIL)
    command_line.later(days=1)
    closed(command_line)
    command_line.ask(EMAIL)
    assert cli.main(["verify"]) == 0
    assert capsys.readouterr().out == "1 entries, intact\n"
    assert cli.main(["verify", "--all"]) == 0
    assert capsys.readouterr().out == f"{command_line.count('ledger')} entries, intact\n"
    in_the_ledger(command_line, "UPDATE ledger SET body = replace(body, '\"v1\"', '\"v9\"') WHERE id = 'policy:000001'")
    assert cli.main(["verify", "--all"]) == 2
    assert capsys.readouterr().out.endswith("entries, BROKEN at policy:000001\n")
