"""`python -m tests.bench`: measure against the floors, rounds interleaved, and say which goals are met.

Exit status 1 when the measurement is worth nothing (an error, or a record lost); a goal that is not met is only said.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.cold_starts import HELLO, ColdStarts
from tests.bench.load import CONNECTIONS, Failed
from tests.bench.rounds import Round, Subject, consents_kept, requests_kept, run
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line, Spread, machine, ratios, results, table

ROWS = ("P1", "P4", "P5", "P6")
CONSENTS, FULL, ERASURE, INSERT = "consents", "consents, synchronous=FULL", "requests (erasure)", "insert"


def main() -> int:
    """Run the rows asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in a round, for each subject")
    parser.add_argument("--only", default=",".join(ROWS), help="rows, with commas between")
    parser.add_argument("--pin", action="store_true", help="servers on one core, the load on another: steadier")
    asked = parser.parse_args()
    rows = asked.only.upper().split(",")
    if not set(rows) <= set(ROWS):
        parser.error(f"--only: some of {','.join(ROWS)}")
    began = time.monotonic()
    _say(machine())
    try:
        with tempfile.TemporaryDirectory(prefix="pledge-bench-") as scratch:
            _measure(Stage(Path(scratch), _pinned() if asked.pin else None), rows, asked.rounds, asked.seconds)
    except Failed as failure:
        _say(f"\nFAILED: {failure}")
        return 1
    _say(f"\ntook {time.monotonic() - began:.0f} s")
    return 0


def _pinned() -> int:
    """Keep to the last core, with all that is started later; return the first, for the servers."""
    first, *_, last = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {last})
    return first


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _measure(stage: Stage, rows: Sequence[str], rounds: int, seconds: int) -> None:
    lines: list[Line] = []
    if set(rows) & {"P1", "P4", "P6"}:
        lines += _loads(stage, rows, rounds, seconds)
    if "P5" in rows:
        lines += _cold_starts(stage, rounds)
    _say(f"\nratios are to the floor of the same round; {rounds} rounds, interleaved\n\n{results(lines)}")


# --- under load ------------------------------------------------------------------------------------------------------


def _loads(stage: Stage, rows: Sequence[str], rounds: int, seconds: int) -> list[Line]:
    subjects = _subjects(stage, rows)
    _say(f"load      wrk -t1 -c{CONNECTIONS} -d{seconds}s, a fresh subject each time, an empty store each round")
    for subject in subjects:
        _say(f"          {subject.name}: {subject.body.bytes} bytes of body")
    found = run(stage, subjects, rounds, seconds)
    heads = ("subject", "answers/s", "CPU us/answer", "p50 ms", "p99 ms", "RSS MiB", "PSS MiB", "kept / answered")
    _say("\n" + table(heads, [_absolute(name, each) for name, each in found.items()]))
    floor = found[HELLO]
    lines: list[Line] = []
    if "P1" in rows:
        lines += _consents("P1", found[CONSENTS], floor, found[INSERT])
        lines += _consents("P1 full", found[FULL], floor, found[INSERT], goals=False)
        lines += _against("floor", INSERT, found[INSERT], floor)
    if "P4" in rows:
        lines += _against("P4", ERASURE, found[ERASURE], floor, throughput=Goal(0.45, at_least=True))
    if "P6" in rows:
        lines += _memory(found[CONSENTS], floor)
    return lines


def _subjects(stage: Stage, rows: Sequence[str]) -> list[Subject]:
    body = stage.consent()
    consents = Subject(CONSENTS, "consents", body, stored=consents_kept)
    # the floors read the same body, so that the difference is our work
    subjects = [Subject(HELLO, "hello", body), consents]
    if "P1" in rows:
        subjects.insert(1, Subject(INSERT, "insert", body))
        subjects.append(Subject(FULL, "consents", body, {"SQLITE_SYNCHRONOUS": "FULL"}, consents_kept))
    if "P4" in rows:
        subjects.append(Subject(ERASURE, "requests", stage.erasure(), stored=requests_kept))
    return subjects if set(rows) & {"P1", "P6"} else [one for one in subjects if one is not consents]


def _absolute(name: str, each: Sequence[Round]) -> tuple[str, ...]:
    kept = sum(one.kept or 0 for one in each)
    proof = f"{kept} / {sum(one.answered for one in each)}" if kept else ""
    columns = [
        Spread.of([one.load.per_second for one in each]).shown(0),
        Spread.of([one.cpu_us for one in each]).shown(0),
        Spread.of([one.load.p50_ms for one in each]).shown(1),
        Spread.of([one.load.p99_ms for one in each]).shown(1),
        Spread.of([one.memory.rss for one in each]).shown(1),
        Spread.of([one.memory.pss for one in each]).shown(1),
    ]
    return (name, *columns, proof)


def _against(
    row: str,
    name: str,
    each: Sequence[Round],
    floor: Sequence[Round],
    cpu: Goal | None = None,
    throughput: Goal | None = None,
) -> list[Line]:
    used = ratios([one.cpu_us for one in each], [one.cpu_us for one in floor])
    answered = ratios([one.load.per_second for one in each], [one.load.per_second for one in floor])
    # what disturbs a round only ever adds to its CPU: the least of each is nearest to the truth
    quiet = min(one.cpu_us for one in each) / min(one.cpu_us for one in floor)
    return [
        Line(row, f"{name}: CPU / hello", used, goal=cpu),
        Line(row, f"{name}: CPU / hello, quietest round of each", Spread.of([quiet])),
        Line(row, f"{name}: throughput / hello", answered, goal=throughput),
    ]


def _consents(
    row: str, each: Sequence[Round], floor: Sequence[Round], insert: Sequence[Round], *, goals: bool = True
) -> list[Line]:
    cpu, throughput, late = Goal(2.2, at_least=False), Goal(0.50, at_least=True), Goal(1.5, at_least=False)
    p99 = ratios([one.load.p99_ms for one in each], [one.load.p99_ms for one in insert])
    return [
        *_against(row, "consents", each, floor, cpu if goals else None, throughput if goals else None),
        Line(row, "consents: p99 / bare insert's", p99, goal=late if goals else None),
    ]


def _memory(each: Sequence[Round], floor: Sequence[Round]) -> list[Line]:
    most = Goal(85, at_least=False)
    return [
        Line("P6", "consents: RSS after the load, MiB", Spread.of([one.memory.rss for one in each]), 1, most),
        Line("P6", "consents: PSS, shared pages once, MiB", Spread.of([one.memory.pss for one in each]), 1),
        Line("P6", "hello: RSS, MiB", Spread.of([one.memory.rss for one in floor]), 1),
        Line("P6", "hello: PSS, MiB", Spread.of([one.memory.pss for one in floor]), 1),
    ]


# --- cold ------------------------------------------------------------------------------------------------------------


def _cold_starts(stage: Stage, rounds: int) -> list[Line]:
    cold = ColdStarts(stage, rounds)
    starts, imported = cold.run()
    floor = starts[HELLO]
    rows = []
    lines = []
    for name, each in starts.items():
        wall, cpu = Spread.of([one.ms for one in each]), Spread.of([one.cpu_ms for one in each])
        rows.append((name, wall.shown(0), cpu.shown(0), ", ".join(imported.get(name, [])) or "-"))
        if name != HELLO:
            used = ratios([one.cpu_ms for one in each], [one.cpu_ms for one in floor])
            took = ratios([one.ms for one in each], [one.ms for one in floor])
            lines += [
                Line("P5", f"{name}: first answer / hello's", took, goal=Goal(1.5, at_least=False)),
                Line("P5", f"{name}: CPU to the first answer / hello's", used),
            ]
    _say("\n" + table(("cold start", "first 2xx, ms", "CPU, ms", "SDKs imported"), rows))
    unused = {name: sdks for name, each in imported.items() if (sdks := cold.unused(name, each))}
    named = [f"{name}: {' '.join(sdks)}" for name, sdks in unused.items()]
    _say(f"SDKs imported without use: {', '.join(named) or 'none'}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
