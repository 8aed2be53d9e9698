"""How the ids of subjects are divided for telling everybody: strands of batches, each with a name that follows from its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

STRANDS = (1, 2, 4, 8, 16)
FULL_BATCHES = 5
"""Batches that a strand is worth: the last one of each is only part of a call."""
SAMPLE = 100
FIRST_ID, LAST_ID = "0" * 40, "f" * 40


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Which batch of which strand, and the id of the subject it comes after."""

    strand: int
    number: int
    after: str

    def args(self) -> dict[str, str]:
        """Return what a work item carries."""
        return {"strand": str(self.strand), "number": str(self.number), "after": self.after}


def place_of(args: Mapping[str, str]) -> Place:
    """Return the place that a work item names."""
    return Place(int(args["strand"]), int(args["number"]), args["after"])


def prefix(version: str) -> str:
    """Return how the ids of a version's batches begin. A version may hold what a reference must not."""
    return f"p{sha256(version.encode()).hexdigest()[:16]}"


def batch_id(version: str, place: Place) -> str:
    """Name a batch: always the same for the same place of the same version."""
    return f"{prefix(version)}-{place.strand:02}-{place.number:05}"


def estimated(first_ids: Sequence[str]) -> int:
    """Return about how many ids there are, by the first `SAMPLE` of all: drawn at random, their reach tells it."""
    if len(first_ids) < SAMPLE:
        return len(first_ids)
    return int(len(first_ids) * 16.0 ** len(LAST_ID) / int(first_ids[-1], 16))


def suited(expected: int, batch: int) -> int:
    """Return how many strands suit so many ids."""
    return max(n for n in STRANDS if n == 1 or n * FULL_BATCHES * batch <= expected)


def before(strand: int, strands: int) -> str:
    """Return what sorts just before the first id of a strand."""
    return "" if strand == 0 else f"{strand * (16 // strands):x}"


def ends(strand: int, strands: int) -> str:
    """Return the last id of a strand."""
    return LAST_ID if strand + 1 == strands else f"{(strand + 1) * (16 // strands) - 1:x}".ljust(40, "f")
