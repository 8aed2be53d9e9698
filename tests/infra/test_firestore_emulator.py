"""The emulator our tests stand on: what it forgets, what it brings back, and what becomes of tests without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.cloud import firestore

from tests.emulators.absence import Absent, skip_or_fail
from tests.emulators.firestore import FirestoreEmulator


def test_what_was_exported_is_there_again_after_a_start_on_the_same_port(
    firestore_emulator: FirestoreEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # asked for the skip where there is none; the one to kill is this test's own
    emulator = FirestoreEmulator().start()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator.host)
    try:
        firestore.Client("demo-one", database="named").document("users/u1").set({"name": "Ada"})
        seed = emulator.export("demo-one", tmp_path, "named")
        emulator.stop()
        emulator.start(seed)
        found = firestore.Client("demo-one", database="named").document("users/u1").get()
        assert found.to_dict() == {"name": "Ada"}
    finally:
        emulator.stop()


def test_a_reset_empties_one_database_of_one_project(
    firestore_emulator: FirestoreEmulator, firestore_project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator.host)
    places = [(firestore_project, "(default)"), (firestore_project, "named"), (f"{firestore_project}-2", "(default)")]
    documents = [firestore.Client(project, database=name).document("users/u1") for project, name in places]
    for document in documents:
        document.set({})
    firestore_emulator.reset(firestore_project, "named")
    assert [document.get().exists for document in documents] == [True, False, True]


def test_a_frozen_emulator_answers_nothing_and_then_goes_on(
    firestore_emulator: FirestoreEmulator, firestore_project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator.host)
    document = firestore.Client(firestore_project).document("users/u1")
    assert not document.get().exists
    with firestore_emulator.frozen(), pytest.raises(DeadlineExceeded):
        document.get(retry=None, timeout=0.3)
    assert not document.get().exists


def test_without_the_emulator_a_test_is_skipped_with_the_reason_or_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PLEDGE_REQUIRE_EMULATORS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs Java"):
        skip_or_fail(Absent("needs Java"))
    monkeypatch.setenv("PLEDGE_REQUIRE_EMULATORS", "1")
    with pytest.raises(Absent, match="needs Java"):
        skip_or_fail(Absent("needs Java"))


def test_what_is_not_on_this_machine_is_said_to_be_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Absent, match="needs Java"):
        FirestoreEmulator().start()
