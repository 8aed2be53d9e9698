"""The emulators as fixtures: import those needed into a conftest. Each runs once for a test process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.emulators.absence import Absent, skip_or_fail
from tests.emulators.cloud import Cloud
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.storage import StorageEmulator


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[FirestoreEmulator]:
    """Return the running emulator; skip where there is none."""
    emulator = FirestoreEmulator()
    try:
        emulator.start()
    except Absent as absent:
        skip_or_fail(absent)
    yield emulator
    emulator.stop()


@pytest.fixture(scope="session")
def storage_emulator() -> Iterator[StorageEmulator]:
    """Return the running fake of Cloud Storage; skip where there is none. Buckets are for the test to make."""
    emulator = StorageEmulator()
    try:
        emulator.start()
    except Absent as absent:
        skip_or_fail(absent)
    yield emulator
    emulator.stop()


@pytest.fixture
def firestore_project(firestore_emulator: FirestoreEmulator) -> Iterator[str]:
    """Return a project of this test's own, emptied afterwards."""
    project = f"demo-{secrets.token_hex(6)}"
    yield project
    firestore_emulator.reset(project)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Return Google Cloud's parts, all running; skip where one is missing."""
    running = Cloud()
    try:
        running.start()
    except Absent as absent:
        running.stop()
        skip_or_fail(absent)
    yield running
    running.stop()
