"""Under load: run the rounds of some subjects, show what they took, compare each with a floor."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.load import CONNECTIONS
from tests.bench.rounds import Round, Subject, run
from tests.bench.stack import Runtime
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line, Spread, ratios, say, table

HEADS = ("subject", "answers/s", "CPU us/answer", "p50 ms", "p99 ms", "RSS MiB", "PSS MiB", "kept / answered", "people")
Found = dict[str, list[Round]]


def loaded(stage: Stage, runtime: Runtime, subjects: Sequence[Subject], rounds: int, seconds: int) -> Found:
    """Run them, and show the absolute numbers."""
    say(f"\nload on {runtime.name}: wrk -t1 -c{CONNECTIONS} -d{seconds}s, an empty store each round")
    for subject in subjects:
        say(f"          {subject.name}: {subject.body.bytes} bytes of body")
    found = run(stage, runtime, subjects, rounds, seconds)
    say("\n" + table(HEADS, [absolute(name, each) for name, each in found.items()]))
    return found


def absolute(name: str, each: Sequence[Round]) -> tuple[str, ...]:
    """Return one subject's absolute numbers as a row."""
    kept = sum(one.kept or 0 for one in each)
    columns = [
        Spread.of([one.load.per_second for one in each]).shown(0),
        Spread.of([one.cpu_us for one in each]).shown(0),
        Spread.of([one.load.p50_ms for one in each]).shown(1),
        Spread.of([one.load.p99_ms for one in each]).shown(1),
        Spread.of([one.memory.rss for one in each]).shown(1),
        Spread.of([one.memory.pss for one in each]).shown(1),
    ]
    proof = f"{kept} / {sum(one.answered for one in each)}" if kept else ""
    return (name, *columns, proof, str(sum(one.people or 0 for one in each) or ""))


class Against:
    """One subject's rounds beside those of its floor."""

    def __init__(self, row: str, found: Found, name: str, floor: str) -> None:
        self._row, self._name, self._floor = row, name, floor
        self._each, self._floors = found[name], found[floor]

    def lines(self, cpu: Goal | None = None, throughput: Goal | None = None) -> list[Line]:
        """Compare processor time and throughput, round by round."""
        used = ratios([one.cpu_us for one in self._each], [one.cpu_us for one in self._floors])
        answered = ratios([one.load.per_second for one in self._each], [one.load.per_second for one in self._floors])
        # what disturbs a round only ever adds to its CPU: the least of each is nearest to the truth
        quiet = min(one.cpu_us for one in self._each) / min(one.cpu_us for one in self._floors)
        return [
            Line(self._row, f"{self._name}: CPU / {self._floor}", used, goal=cpu),
            Line(self._row, f"{self._name}: CPU / {self._floor}, quietest round of each", Spread.of([quiet])),
            Line(self._row, f"{self._name}: throughput / {self._floor}", answered, goal=throughput),
        ]

    def late(self, goal: Goal | None = None) -> Line:
        """Compare the slowest hundredth."""
        p99 = ratios([one.load.p99_ms for one in self._each], [one.load.p99_ms for one in self._floors])
        return Line(self._row, f"{self._name}: p99 / {self._floor}", p99, goal=goal)


def memory(found: Found, name: str, most: Goal, floor: str) -> list[Line]:
    """Return what an instance holds after its load, and beside it what a floor holds."""
    lines = []
    for one, goal in ((name, most), (floor, None)):
        lines += [
            Line("P6", f"{one}: RSS after the load, MiB", Spread.of([each.memory.rss for each in found[one]]), 1, goal),
            Line("P6", f"{one}: PSS, shared pages once, MiB", Spread.of([each.memory.pss for each in found[one]]), 1),
        ]
    return lines
