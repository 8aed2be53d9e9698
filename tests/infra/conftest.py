"""What several tests of the adapters may ask for."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.gcp.website import GoogleWebsite
from shared.store import Store
from shared.website import WebsiteStore
from tests.contracts.website_contract import BUCKETS
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.storage import StorageEmulator
from tests.infra.populated import DECLARED, Twin, embedded

if TYPE_CHECKING:
    from google.cloud import firestore, storage


@pytest.fixture(params=["embedded", "google"])
def twin(request: pytest.FixtureRequest) -> Twin:
    """Return how to make an empty website: a test that asks for it runs once over each twin."""
    return embedded if request.param == "embedded" else on_google(request)


def on_google(request: pytest.FixtureRequest) -> Twin:
    """Return how to make one over Firestore's emulator and a fake Cloud Storage; skip where they are not."""
    documents: FirestoreEmulator = request.getfixturevalue("firestore_emulator")
    files: StorageEmulator = request.getfixturevalue("storage_emulator")

    def empty(_: Store, __: Path) -> WebsiteStore:
        files.wipe()
        for location in DECLARED.storage:
            files.bucket(location.split("/")[2])
        return GoogleWebsite(f"demo-{secrets.token_hex(6)}", "(default)", documents.host, files.url)

    return empty


@pytest.fixture
def google_website(
    firestore_emulator: FirestoreEmulator, firestore_project: str, storage_emulator: StorageEmulator
) -> GoogleWebsite:
    """Return an empty website on Firestore's emulator and a fake Cloud Storage."""
    storage_emulator.wipe()
    for bucket in BUCKETS:
        storage_emulator.bucket(bucket)
    return GoogleWebsite(firestore_project, "(default)", firestore_emulator.host, storage_emulator.url)


@pytest.fixture
def sdk(
    firestore_emulator: FirestoreEmulator, firestore_project: str, monkeypatch: pytest.MonkeyPatch
) -> firestore.Client:
    """Return Google's own client of the same database."""
    from google.cloud import firestore

    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator.host)
    return firestore.Client(firestore_project)


@pytest.fixture
def sdk_files(storage_emulator: StorageEmulator) -> storage.Client:
    """Return Google's own client of the same buckets."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": storage_emulator.url})
