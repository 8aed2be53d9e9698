"""P5: from spawning `functions-framework` to the first real answer, for every function of the map."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from infra.local.server import Sandbox
from tests.bench.first_calls import FIRST_CALLS, HELLO
from tests.bench.imports import Loaded, loaded
from tests.bench.load import Failed
from tests.bench.stack import Runtime
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line, Spread, ratios, say, table

HELLOS_A_ROUND = 3
HEADS = ("cold start", "first 2xx, ms", "CPU, ms", "libraries loaded")


class Start(msgspec.Struct, frozen=True):
    """One cold start: wall time to the answer, and what the processor did for it."""

    ms: float
    cpu_ms: float


def measure(stage: Stage, runtime: Runtime, rounds: int, most: float, floors: Sequence[str] = ()) -> list[Line]:
    """Start each function so many times over new stacks; `floors` beside `hello` are shown and not judged."""
    with tempfile.TemporaryDirectory(prefix="pledge-bench-") as folder:
        sandbox = Sandbox(Path(folder), stage.environment({"SENDGRID_API_KEY": "bench"}))
        try:
            sandbox.wait()
            given = {"SENDGRID_API_BASE": f"{sandbox.base}/sendgrid", "SENDGRID_API_KEY": "bench"}
            cold = ColdStarts(stage, runtime, given)
            starts = cold.run([*floors, *stage.functions], rounds)
            probed = {name: loaded(stage, runtime, name, given) for name in stage.functions}
        finally:
            sandbox.stop()
    _show(runtime, starts, probed)
    return _lines(runtime, starts, stage.functions, Goal(most, at_least=False))


class ColdStarts:
    """Starts functions over new stacks of one runtime."""

    def __init__(self, stage: Stage, runtime: Runtime, given: Mapping[str, str]) -> None:
        self._stage = stage
        self._runtime = runtime
        self._given = given
        missing = [name for name in stage.functions if name not in FIRST_CALLS]
        if missing:
            raise Failed(f"no first call is known for {', '.join(missing)}: add it to FIRST_CALLS")

    def run(self, names: Sequence[str], rounds: int) -> dict[str, list[Start]]:
        """Return the starts of each, and of hello."""
        for name in [HELLO, *names]:
            # the first start compiles what it imports, so that every measured one finds it compiled
            self._start(name)
        starts: dict[str, list[Start]] = {name: [] for name in [HELLO, *names]}
        for _ in range(rounds):
            floors = []
            for place, name in enumerate(names):
                if place % (len(names) // HELLOS_A_ROUND) == 0:
                    floors.append(self._start(HELLO))
                starts[name].append(self._start(name))
            # one floor for the round, steadier than one start
            starts[HELLO].append(sorted(floors, key=lambda start: start.ms)[len(floors) // 2])
        return starts

    def _start(self, name: str) -> Start:
        stack = self._runtime.stack()
        call = FIRST_CALLS[name](stack)
        stack.close()
        with self._stage.serve(name, stack.environment(name, self._given)) as server:
            server.ask(call)
            ms = (time.perf_counter() - server.spawned_at) * 1e3
            cpu_ms = server.cpu_seconds() * 1e3
            server.check_log()
        stack.discard()
        return Start(ms, cpu_ms)


def _show(runtime: Runtime, starts: Mapping[str, Sequence[Start]], probed: Mapping[str, Loaded]) -> None:
    rows = []
    for name, each in starts.items():
        wall, cpu = Spread.of([one.ms for one in each]), Spread.of([one.cpu_ms for one in each])
        libraries = probed[name].libraries if name in probed else []
        rows.append((name, wall.shown(0), cpu.shown(0), ", ".join(libraries) or "-"))
    say(f"\ncold starts, {runtime.name}\n\n{table(HEADS, rows)}")
    unused = [f"{name}: {', '.join(one.unused)}" for name, one in probed.items() if one.unused]
    say(f"loaded without use: {'; '.join(unused) or 'nothing'}")


def _lines(
    runtime: Runtime, starts: Mapping[str, Sequence[Start]], judged: Mapping[str, object], goal: Goal
) -> list[Line]:
    floor = starts[HELLO]
    lines = []
    for name, each in starts.items():
        if name != HELLO:
            used = ratios([one.cpu_ms for one in each], [one.cpu_ms for one in floor])
            took = ratios([one.ms for one in each], [one.ms for one in floor])
            what = f"{name}, {runtime.name}"
            lines += [
                Line("P5", f"{what}: first answer / hello's", took, goal=goal if name in judged else None),
                Line("P5", f"{what}: CPU to the first answer / hello's", used),
            ]
    return lines
