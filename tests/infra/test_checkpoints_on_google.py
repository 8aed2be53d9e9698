"""The day's checkpoint on Google Cloud's parts: the ledger in Firestore's emulator, the archive in a fake bucket."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.container import Container
from infra.gcp.evidence_bucket import EvidenceBucket
from infra.gcp.firestore_store import FirestoreStore
from infra.local.swept_queue import SweptQueue
from infra.settings import Settings
from shared import ledger
from shared.failures import TryAgain
from shared.promises import checkpoints, evidence
from shared.records import Checkpoint, LedgerEntry
from shared.store import Delete
from tests.emulators.absence import Absent, skip_or_fail
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.storage import StorageEmulator
from tests.promises.world import SetClock

DAY = timedelta(days=1)


@pytest.fixture
def storage() -> Iterator[StorageEmulator]:
    """Return a fake of Cloud Storage that a test may end."""
    emulator = StorageEmulator()
    try:
        emulator.start()
    except Absent as absent:
        skip_or_fail(absent)
    yield emulator
    emulator.stop()


@pytest.fixture
def services(
    tmp_path: Path, firestore_emulator: FirestoreEmulator, firestore_project: str, storage: StorageEmulator
) -> Container:
    bucket = f"evidence-{secrets.token_hex(6)}"
    storage.bucket(bucket)
    environment = {
        "DATA_DIR": str(tmp_path),
        "GOOGLE_CLOUD_PROJECT": firestore_project,
        "FIRESTORE_EMULATOR_HOST": firestore_emulator.host,
        "STORAGE_EMULATOR_HOST": storage.url,
        "EVIDENCE_BUCKET": bucket,
    }
    container = Container(Settings(environment), SweptQueue())
    container.__dict__["clock"] = SetClock()
    return container


def later(services: Container) -> None:
    services.clock.at += DAY  # type: ignore[attr-defined]


def written(services: Container, stream: str, length: int) -> None:
    head = None
    for number in range(length):
        entry, head = ledger.append(services.vault, head, stream, services.clock.now(), "noted", {"n": number})
        services.store.commit([entry])


def test_each_day_is_closed_in_the_bucket_and_the_whole_walk_agrees(services: Container) -> None:
    assert isinstance(services.store, FirestoreStore)
    assert isinstance(services.archive, EvidenceBucket)
    for number, stream in enumerate(("a", "b", "c"), 1):
        written(services, stream, 3)
        later(services)
        assert checkpoints.run(services) == {"checkpoint": number, "entries": 3, "intact": True}
    assert evidence.check(services) == {"entries": 9, "intact": True}
    services.store.commit([Delete(LedgerEntry, "c:000002")])
    assert checkpoints.check_since_last(services)["first_break"] == "c:000003"
    assert evidence.check(services)["first_break"] == "c:000003"


def test_a_bucket_that_nobody_answers_for_leaves_everything_to_the_next_run(
    services: Container, storage: StorageEmulator
) -> None:
    written(services, "a", 3)
    later(services)
    storage.stop()
    with pytest.raises(TryAgain, match="archive_unreachable"):
        checkpoints.run(services)
    assert services.store.get(Checkpoint, "last") is None
