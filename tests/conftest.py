"""Fixtures for all tests: the emulators, each started once in a process and only when a test asks for it."""

import pytest

from tests.emulators.fixtures import cloud, firestore_emulator, firestore_project, storage_emulator

__all__ = ["cloud", "firestore_emulator", "firestore_project", "storage_emulator"]

SLOWEST = ["test_thousand_people", "test_every_fault", "test_everybody_is_told", "test_on_google", "test_demo"]
"""Modules that take minutes: the first to begin, so that no process is left waiting for one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: n for n, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
