"""Fixtures for all tests: the emulators, each started once in a process and only when a test asks for it."""

import pytest

from tests.emulators.fixtures import cloud, firestore_emulator, firestore_project, storage_emulator

__all__ = ["cloud", "firestore_emulator", "firestore_project", "storage_emulator"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the journeys: the longest takes minutes, and at the end one processor would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)
