"""Hands on the ledger and its archive: what an outsider, a clumsy restore or a holder of our keys could do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import checkpoint_chain, ledger
from shared.checkpoint_chain import LAST
from shared.promises import operators
from shared.promises.checkpoints import run
from shared.records import ALL_EVIDENCE, Checkpoint, Head, Incident, LedgerEntry
from shared.store import Delete, Put, Stored, every
from tests.promises.world import World

DAY = timedelta(days=1)


class FolderOfDicts:
    """The `Archive` port in memory, so that a test may do what no archive allows."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.trouble: Exception | None = None

    def keep(self, name: str, content: bytes) -> bool:
        self._answers()
        return self.objects.setdefault(name, content) is content

    def read(self, name: str) -> bytes | None:
        self._answers()
        return self.objects.get(name)

    def names(self, prefix: str) -> Iterator[str]:
        self._answers()
        yield from sorted(name for name in self.objects if name.startswith(prefix))

    def _answers(self) -> None:
        if self.trouble:
            raise self.trouble


def archive_in(world: World) -> FolderOfDicts:
    """Give the world an archive that can be tampered with."""
    archive = FolderOfDicts()
    world.services.__dict__["archive"] = archive
    return archive


def entries(world: World) -> list[Stored[LedgerEntry]]:
    """Return the whole ledger in order of names."""
    return list(every(world.services.store, ALL_EVIDENCE))


def altered(world: World, stored: Stored[LedgerEntry], **fields: Any) -> None:
    """Change an entry as somebody without our keys would."""
    world.services.store.commit([Put(stored.id, msgspec.structs.replace(stored.record, **fields))])


def rewritten(world: World, stored: Stored[LedgerEntry], after: Head | None = None, **fields: Any) -> None:
    """Write an entry again as a holder of our keys could: with a MAC that holds, behind `after`."""
    entry = msgspec.structs.replace(stored.record, **fields)
    created, _ = ledger.append(
        world.services.vault, after, entry.stream, entry.at, entry.kind, entry.facts, entry.sealed, entry.subject
    )
    world.services.store.commit([Put(created.id, created.record)])


def removed(world: World, *ids: str) -> None:
    """Take entries out."""
    world.services.store.commit([Delete(LedgerEntry, id) for id in ids])


def stamped(world: World, stream: str, at: datetime, length: int = 1) -> list[str]:
    """Write a stream of our own with this stamp; return the ids of its entries."""
    head, ids = None, []
    for number in range(length):
        entry, head = ledger.append(world.services.vault, head, stream, at, "noted", {"n": number})
        world.services.store.commit([entry])
        ids.append(entry.id)
    return ids


def known(world: World) -> Checkpoint | None:
    """Return the last checkpoint as the store knows it."""
    stored = world.services.store.get(Checkpoint, LAST)
    return stored.record if stored else None


def set_back(world: World, to: Checkpoint | None) -> None:
    """Have the store know an earlier checkpoint, as a restored copy does."""
    change = Put(LAST, to) if to else Delete(Checkpoint, LAST)
    world.services.store.commit([change])


def resigned(world: World, number: int, /, **fields: Any) -> bytes:
    """Return a checkpoint of the archive with other claims, signed with our key."""
    found = checkpoint_chain.read(world.services, number)
    assert found is not None
    return checkpoint_chain.signed(world.services.vault, msgspec.structs.replace(found, **fields))


def a_day_later(world: World, device: str = "device-0001") -> dict[str, Any]:
    """Let a day go by with a consent and a request in it; run the job."""
    world.decide({"analytics": True}, device_id=device)
    world.ask(f"{device}@mail.test")
    world.clock.at += DAY
    return run(world.services)


def three_days(world: World) -> None:
    """Let three days go by, each with its checkpoint."""
    for device in ("device-0001", "device-0002", "device-0003"):
        a_day_later(world, device)


def incident(world: World, kind: str, where: str) -> Incident | None:
    """Return the incident that is open there."""
    stored = world.services.store.get(Incident, f"{where}:{kind}")
    return stored.record if stored else None


def attention(world: World) -> list[str]:
    """Return the kinds of what a person must look at."""
    return sorted(one["kind"] for one in operators.attention_list(world.services)["items"])
