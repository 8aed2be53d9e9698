"""Fixtures for all tests: the emulators, each started once in a process and only when a test asks for it."""

from tests.emulators.fixtures import cloud, firestore_emulator, firestore_project, storage_emulator

__all__ = ["cloud", "firestore_emulator", "firestore_project", "storage_emulator"]
