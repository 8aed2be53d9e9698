"""`pledge publish` as whoever types it meets it: what is wrong is said in words, and nothing is published."""

from __future__ import annotations

import contextlib
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
