"""`pledge publish` as whoever types it meets it: what is wrong is said in words, and nothing is published."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from infra.cli import main
from infra.container import Container
from infra.settings import Settings
from shared.records import Policy
from shared.store import Query


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.md"], "missing.md: there is no such file or folder"),
        (["."], "a folder, and a file is needed"),
        (["a.md", "--effective-at", "tomorrow"], "argument --effective-at: a time with its zone is needed"),
        (["a.md", "--effective-at", "2027-01-01"], "--effective-at: give the zone too"),
        (["a.md", "--version", "a/b"], "version: 1 to 64 of"),
        (["a.md", "--version", "changes"], "version: another name is needed: /policy/changes is a page"),
        (["a.md", "--effective-at", "9999-01-01T00:00:00Z"], "effective_at: a year after 1 and before 9999"),
        (["empty.md"], "text: the policy has no text"),
    ],
)
def test_what_is_wrong_is_said_in_words_and_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "a.md").write_text("# Policy\n")
    (tmp_path / "empty.md").write_text(" \n")
    with contextlib.suppress(SystemExit):
        assert main(["publish", *arguments, "--by", "ola"]) == 1
    assert said in capsys.readouterr().err
    assert Container(Settings({"DATA_DIR": str(tmp_path / "data")})).store.query(Query(Policy)) == []


def test_what_is_not_so_is_said_after_publishing_too_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    first, second, third = (tmp_path / name for name in ("a.md", "b.md", "c.md"))
    first.write_text("# Policy\n\nWe delete your data within 3 days.\n")
    second.write_text("# Policy\n\nWe sell nothing.\n")
    third.write_text("# Policy\n\n" + "".join(f"Reason {n}: we delete data within {n} days.\n\n" for n in range(1, 13)))
    assert main(["publish", str(first), "--version", "v1", "--by", "ola", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "deadline" in {one["rule"] for one in said["contradictions"]}
    assert main(["publish", str(second), "--version", "v2", "--effective-at", "2090-01-01T00:00:00Z"]) == 0
    capsys.readouterr()
    assert main(["publish", str(third), "--version", "v3", "--minor"]) == 0
    said = capsys.readouterr().out
    assert "published v3" in said
    assert "Contradicted by the configuration: " in said
    assert "Version v2 will never take effect" in " ".join(said.split())
    assert "more" in said
    assert len(said.splitlines()) < 60


def test_a_day_in_the_past_counts_for_the_first_version_alone_and_the_answer_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "a.md").write_text("# Policy\n\nA.\n")
    (tmp_path / "b.md").write_text("# Policy\n\nB.\n")
    past = ["--effective-at", "2024-01-01T00:00:00Z", "--by", "ola"]
    assert main(["publish", str(tmp_path / "a.md"), *past]) == 0
    said = capsys.readouterr().out
    assert "in effect from 2024-01-01T00:00:00Z" in said
    assert "Not from the day you gave" not in said
    assert main(["publish", str(tmp_path / "b.md"), "--version", "v2", *past]) == 0
    said = capsys.readouterr().out
    assert "in effect from 2024" not in said
    assert "Not from the day you gave" in said
