"""One round: each floor and each subject of measurement, started anew over an empty stack, loaded, and killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tests.bench.load import CONNECTIONS, Body, Failed, Load, fresh, load
from tests.bench.serving import Call, Memory
from tests.bench.stack import Runtime, Stack
from tests.bench.stage import Stage

WARM_UP_SECONDS = 1
WARM_UP_CALLS = 10 * CONNECTIONS
"""Each of another person. So many, that where they return nobody comes twice at the same time."""
JSON = {"Content-Type": "application/json"}


class Subject(msgspec.Struct, frozen=True):
    """What is measured: a function, what it is sent, its settings, and how many records prove the answers.

    `returning`: the people of the warm-up calls come again, in turn. `people`: counts those the store knows.
    """

    name: str
    function: str
    body: Body
    settings: Mapping[str, str] = {}
    stored: Callable[[Any], int] | None = None
    returning: bool = False
    people: Callable[[Any], int] | None = None


class Round(msgspec.Struct, frozen=True):
    """What one round gave. `cpu_us`: of the server, for each request. `kept`, `people`: records found after the kill."""

    load: Load
    cpu_us: float
    memory: Memory
    answered: int
    kept: int | None
    people: int | None


def measured(stage: Stage, runtime: Runtime, subject: Subject, seconds: int) -> Round:
    """Run one round. Raises Failed on an error, or when less was kept than was answered."""
    stack = runtime.stack()
    with stage.serve(subject.function, stack.environment(subject.function, subject.settings)) as server:
        met = fresh()
        for number in range(1, WARM_UP_CALLS + 1):
            server.ask(Call("POST", "/", subject.body.named(f"{met}{number}"), JSON))
        again = (met, WARM_UP_CALLS) if subject.returning else ("", 0)
        first = load(server.port, subject.body, WARM_UP_SECONDS, *again)
        before = server.cpu_seconds()
        seen = load(server.port, subject.body, seconds, *again)
        cpu = server.cpu_seconds() - before
        memory = server.memory()
        server.check_log()
    # the server is dead by now, and was told nothing
    answered = WARM_UP_CALLS + first.requests + seen.requests
    kept, people = _proved(stack, subject, answered)
    stack.discard()
    return Round(seen, cpu / seen.requests * 1e6, memory, answered, kept, people)


def _compile(stage: Stage, runtime: Runtime, subject: Subject) -> None:
    """Start it once: the first instance compiles what it imports, and keeps the memory that takes."""
    stack = runtime.stack()
    with stage.serve(subject.function, stack.environment(subject.function, subject.settings)) as server:
        server.ask(Call("POST", "/", subject.body.named(f"{fresh()}1"), JSON))
    stack.discard()


def _proved(stack: Stack, subject: Subject, answered: int) -> tuple[int | None, int | None]:
    """Return the records and the people in the store. Raises Failed where they belie what was answered."""
    kept = subject.stored(stack) if subject.stored else None
    if kept is not None and kept < answered:
        raise Failed(f"{subject.name}: {answered} answered, {kept} kept after kill -9")
    people = subject.people(stack) if subject.people else None
    met = WARM_UP_CALLS if subject.returning else answered
    # whoever was sent when a load ended may be known without an answer
    if people is not None and not met <= people <= met + (0 if subject.returning else 2 * CONNECTIONS):
        raise Failed(f"{subject.name}: {met} people were met, the store knows {people}")
    return kept, people


def run(
    stage: Stage, runtime: Runtime, subjects: Sequence[Subject], rounds: int, seconds: int
) -> dict[str, list[Round]]:
    """Run the rounds interleaved, beginning with another subject each time, so that none always comes first."""
    for subject in subjects:
        _compile(stage, runtime, subject)
    found: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        turn = number % len(subjects)
        for subject in itertools.chain(subjects[turn:], subjects[:turn]):
            found[subject.name].append(measured(stage, runtime, subject, seconds))
    return found
