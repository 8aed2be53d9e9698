"""P2 and P6 on Firestore's emulator: consents of new and of returning devices, against one bare `create()`."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.emulators import Emulators, Project
from tests.bench.kept import consents_kept
from tests.bench.loads import Against, loaded, memory
from tests.bench.rounds import Subject, run
from tests.bench.stack import consent
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line, say

ROWS = frozenset({"P2", "P6"})
LONGER = 4
"""Times a round: until then the emulator's own time for a `create()` falls to a fifth."""
CREATE, NEW, RETURNING = "create", "consents, a new device", "consents, a returning one"


def measure(stage: Stage, runtime: Emulators, rows: Sequence[str], rounds: int, seconds: int) -> list[Line]:
    """Run the rows asked for."""
    subjects = _subjects(runtime, rows)
    say("\none long round more on Firestore, not counted: its emulator goes on compiling itself while it runs")
    run(stage, runtime, subjects, 1, LONGER * seconds)
    found = loaded(stage, runtime, subjects, rounds, seconds)
    lines: list[Line] = []
    if "P2" in rows:
        lines += Against("P2", found, NEW, CREATE).lines(throughput=Goal(0.6, at_least=True))
        lines += Against("P2", found, RETURNING, CREATE).lines(throughput=Goal(0.45, at_least=True))
    if "P6" in rows:
        lines += memory(found, NEW, Goal(125, at_least=False), CREATE)
    return lines


def _subjects(runtime: Emulators, rows: Sequence[str]) -> list[Subject]:
    stack = runtime.stack()
    body = consent(stack.services)
    stack.discard()
    subjects = [
        Subject(CREATE, "create", body, stored=_bodies),
        Subject(NEW, "consents", body, stored=consents_kept, people=_people),
    ]
    if "P2" in rows:
        subjects.append(Subject(RETURNING, "consents", body, stored=consents_kept, returning=True, people=_people))
    return subjects


def _bodies(stack: Project) -> int:
    return stack.count("bodies")


def _people(stack: Project) -> int:
    return stack.count("subjects")
