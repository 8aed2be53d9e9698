"""P1, P4 and P6 on the embedded runtime: consents and requests for erasure, against `hello`."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.embedded import Embedded
from tests.bench.kept import consents_kept, requests_kept
from tests.bench.loads import Against, Found, loaded, memory
from tests.bench.rounds import Subject
from tests.bench.stack import consent, erasure
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line

ROWS = frozenset({"P1", "P4", "P6"})
HELLO, INSERT = "hello", "insert"
CONSENTS, FULL, ERASURE = "consents", "consents, synchronous=FULL", "requests (erasure)"


def measure(stage: Stage, runtime: Embedded, rows: Sequence[str], rounds: int, seconds: int) -> list[Line]:
    """Run the rows asked for."""
    found = loaded(stage, runtime, _subjects(runtime, rows), rounds, seconds)
    lines: list[Line] = []
    if "P1" in rows:
        lines += _consents("P1", found, CONSENTS)
        lines += _consents("P1 full", found, FULL, goals=False)
        lines += Against("floor", found, INSERT, HELLO).lines()
    if "P4" in rows:
        lines += Against("P4", found, ERASURE, HELLO).lines(throughput=Goal(0.45, at_least=True))
    if "P6" in rows:
        lines += memory(found, CONSENTS, Goal(85, at_least=False), HELLO)
    return lines


def _subjects(runtime: Embedded, rows: Sequence[str]) -> list[Subject]:
    stack = runtime.stack()
    body = consent(stack.services)
    stack.discard()
    consents = Subject(CONSENTS, "consents", body, stored=consents_kept)
    # the floors read the same body, so that the difference is our work
    subjects = [Subject(HELLO, "hello", body), consents]
    if "P1" in rows:
        subjects.insert(1, Subject(INSERT, "insert", body))
        subjects.append(Subject(FULL, "consents", body, {"SQLITE_SYNCHRONOUS": "FULL"}, consents_kept))
    if "P4" in rows:
        subjects.append(Subject(ERASURE, "requests", erasure(), stored=requests_kept))
    return subjects if set(rows) & {"P1", "P6"} else [one for one in subjects if one is not consents]


def _consents(row: str, found: Found, name: str, *, goals: bool = True) -> list[Line]:
    cpu, throughput, late = Goal(2.2, at_least=False), Goal(0.50, at_least=True), Goal(1.5, at_least=False)
    beside = Against(row, found, name, HELLO).lines(cpu if goals else None, throughput if goals else None)
    return [*beside, Against(row, found, name, INSERT).late(late if goals else None)]
