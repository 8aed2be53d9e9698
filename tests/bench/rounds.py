"""One round: each floor and each subject of measurement, started anew over an empty store, loaded, and killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from shared import ledger
from shared.records import ALL_EVIDENCE, ALL_REQUESTS
from shared.store import Query, Stored
from tests.bench.load import Body, Failed, Load, load
from tests.bench.serving import Call, Memory, Server
from tests.bench.stage import Stage, container

WARM_UP_SECONDS = 1
WARM_UP_CALLS = 20
JSON = {"Content-Type": "application/json"}


class Subject(msgspec.Struct, frozen=True):
    """What is measured: a function, what it is sent, its settings, and how many records prove the answers."""

    name: str
    function: str
    body: Body
    settings: Mapping[str, str] = {}
    stored: Callable[[Path], int] | None = None


class Round(msgspec.Struct, frozen=True):
    """What one round gave. `cpu_us`: of the server, for each request. `kept`: records found after the kill."""

    load: Load
    cpu_us: float
    memory: Memory
    answered: int
    kept: int | None


def measured(stage: Stage, subject: Subject, seconds: int) -> Round:
    """Run one round. Raises Failed on an error, or when less was kept than was answered."""
    folder = stage.folder()
    with stage.serve(subject.function, folder, **subject.settings) as server:
        first = _warmed(server, subject.body)
        before = server.cpu_seconds()
        seen = load(server.port, subject.body, seconds)
        cpu = server.cpu_seconds() - before
        memory = server.memory()
    # the server is dead by now, and was told nothing
    answered = first + seen.requests
    kept = subject.stored(folder) if subject.stored else None
    if kept is not None and kept < answered:
        raise Failed(f"{subject.name}: {answered} answered, {kept} kept after kill -9")
    return Round(seen, cpu / seen.requests * 1e6, memory, answered, kept)


def _warmed(server: Server, body: Body) -> int:
    for number in range(WARM_UP_CALLS):
        server.ask(Call("POST", "/", f"{body.head}warm-up-{number}{body.tail}".encode(), JSON))
    return WARM_UP_CALLS + load(server.port, body, WARM_UP_SECONDS).requests


def consents_kept(folder: Path) -> int:
    """Count the consents in a store whose evidence holds. Raises Failed where it does not."""
    services = container(folder)
    entries = list(_all(folder, ALL_EVIDENCE))
    broken = ledger.first_break(services.vault, entries)
    if broken is not None:
        raise Failed(f"the evidence does not hold at {broken}")
    return sum(entry.record.kind == "consent" for entry in entries)


def requests_kept(folder: Path) -> int:
    """Count the requests in a store."""
    return sum(1 for _ in _all(folder, ALL_REQUESTS))


def _all(folder: Path, query: Query) -> list[Stored]:  # type: ignore[type-arg]
    store = container(folder).store
    found: list[Stored] = []  # type: ignore[type-arg]
    while page := store.query(query, after=found[-1] if found else None, limit=1000):
        found += page
    return found


def run(stage: Stage, subjects: list[Subject], rounds: int, seconds: int) -> dict[str, list[Round]]:
    """Run the rounds interleaved, beginning with another subject each time, so that none always comes first."""
    found: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        turn = number % len(subjects)
        for subject in itertools.chain(subjects[turn:], subjects[:turn]):
            found[subject.name].append(measured(stage, subject, seconds))
    return found
