"""`python -m tests.bench`: measure against the floors, rounds interleaved, and say which goals are met.

Exit status 1 when the measurement is worth nothing (an error, or a record lost); a goal that is not met is only said.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import cold_starts, fanout, guard, loads_embedded, loads_firestore, sendgrid_events, stripe_events
from tests.bench.embedded import Embedded
from tests.bench.emulators import Emulators
from tests.bench.first_calls import CREATE
from tests.bench.load import Failed
from tests.bench.stage import Stage
from tests.bench.table import Line, machine, results, say
from tests.emulators.absence import Absent

EMBEDDED, FIRESTORE = "embedded", "firestore"
ROWS = {
    "P1": [EMBEDDED],
    "P2": [FIRESTORE],
    "P4": [EMBEDDED],
    "P5": [EMBEDDED, FIRESTORE],
    "P6": [EMBEDDED, FIRESTORE],
    "P7": [EMBEDDED, FIRESTORE],
    "P8": [EMBEDDED],
    "P9": [EMBEDDED],
    "P10": [EMBEDDED],
}
"""And on which runtimes each is measured."""


def main() -> int:
    """Run the rows asked for."""
    asked = _asked()
    # what was started is ended on the way out, and the default would not go that way
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    say(machine())
    try:
        with tempfile.TemporaryDirectory(prefix="pledge-bench-") as scratch:
            lines = _measured(Stage(Path(scratch), _pinned() if asked.pin else None), Path(scratch), asked)
    except Failed as failure:
        say(f"\nFAILED: {failure}")
        return 1
    if not lines:
        return 1
    say(f"\nratios are to the floor of the same round; {asked.rounds} rounds, interleaved\n\n{results(lines)}")
    say(f"\ntook {time.monotonic() - began:.0f} s")
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in a round, for each subject")
    parser.add_argument("--only", default=",".join(ROWS), help="rows, with commas between")
    parser.add_argument("--on", default=f"{EMBEDDED},{FIRESTORE}", help="runtimes, with commas between")
    parser.add_argument("--pin", action="store_true", help="servers on one core, the load on another: steadier")
    asked = parser.parse_args()
    asked.only, asked.on = asked.only.upper().split(","), asked.on.lower().split(",")
    if not set(asked.only) <= set(ROWS):
        parser.error(f"--only: some of {','.join(ROWS)}")
    if not set(asked.on) <= {EMBEDDED, FIRESTORE}:
        parser.error(f"--on: some of {EMBEDDED},{FIRESTORE}")
    return asked


def _pinned() -> int:
    """Keep to the last core, with all that is started later; return the first, for the servers."""
    first, *_, last = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {last})
    return first


def _measured(stage: Stage, scratch: Path, asked: argparse.Namespace) -> list[Line]:
    rows = {on: [row for row in asked.only if on in ROWS[row]] for on in asked.on}
    lines = _embedded(stage, Embedded(scratch), scratch, rows[EMBEDDED], asked) if rows.get(EMBEDDED) else []
    if rows.get(FIRESTORE):
        try:
            with Emulators(scratch) as emulators:
                lines += _firestore(stage, emulators, rows[FIRESTORE], asked)
        except Absent as absent:
            say(f"\nnot measured on Firestore: {absent}")
    return lines


def _embedded(stage: Stage, runtime: Embedded, scratch: Path, rows: list[str], asked: argparse.Namespace) -> list[Line]:
    lines: list[Line] = []
    if loads_embedded.ROWS & set(rows):
        lines += loads_embedded.measure(stage, runtime, rows, asked.rounds, asked.seconds)
    if "P5" in rows:
        lines += cold_starts.measure(stage, runtime, asked.rounds, most=1.5)
    if "P7" in rows:
        lines += fanout.measure(runtime, asked.rounds)
    if "P8" in rows:
        lines += sendgrid_events.measure(runtime, asked.rounds)
    if "P9" in rows:
        lines += stripe_events.measure(stage, runtime, scratch, asked.rounds, asked.seconds)
    if "P10" in rows:
        lines += guard.measure(stage, runtime, asked.rounds, asked.seconds)
    return lines


def _firestore(stage: Stage, runtime: Emulators, rows: list[str], asked: argparse.Namespace) -> list[Line]:
    lines: list[Line] = []
    if loads_firestore.ROWS & set(rows):
        lines += loads_firestore.measure(stage, runtime, rows, asked.rounds, asked.seconds)
    if "P7" in rows:
        lines += fanout.measure(runtime, asked.rounds)
    if "P5" in rows:
        lines += cold_starts.measure(stage, runtime, asked.rounds, most=2.4, floors=[CREATE])
        say("the emulators ask for no credentials: in the cloud loading google.auth and asking for a token come on top")
    return lines


if __name__ == "__main__":
    sys.exit(main())
