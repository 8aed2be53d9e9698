"""A function as it is deployed: its own `functions-framework`, with gunicorn's defaults, in a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from infra.local.server import free_port
from tests.bench.load import Failed

READY_WITHIN_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")
OF_ANY_PROCESS = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
TROUBLES = ('"severity":"WARNING"', '"severity":"ERROR"', "Traceback")


class Call(msgspec.Struct, frozen=True):
    """One request to a function."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Program(msgspec.Struct, frozen=True):
    """A function in a file, and how the framework calls it."""

    source: Path
    target: str
    signature: str = "http"


class Memory(msgspec.Struct, frozen=True):
    """Of all processes of one instance, in MiB. The second counts a page that several share once."""

    rss: float
    pss: float


class Server:
    """One instance. Leaving it kills it as a power cut would."""

    def __init__(self, program: Program, environment: Mapping[str, str], logs: Path, core: int | None = None) -> None:
        self.port = free_port()
        self._target = program.target
        command = [str(Path(sys.executable).with_name("functions-framework")), "--source", str(program.source)]
        command += ["--target", program.target, "--signature-type", program.signature]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        self._log = logs / f"{program.target}-{self.port}.log"
        self.spawned_at = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=program.source.parent,
                env=dict(environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if core is not None:
            # what it starts, threads and workers, stays there too
            os.sched_setaffinity(self._process.pid, {core})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self.kill()

    def ask(self, call: Call) -> bytes:
        """Call it, waiting until it listens. Raises Failed on anything but a 2xx."""
        with contextlib.closing(self._connected()) as connection:
            try:
                connection.request(call.method, call.path, call.body, dict(call.headers))
                answer = connection.getresponse()
                raw = answer.read()
            except (OSError, HTTPException) as error:
                raise self._failed(type(error).__name__) from None
        if not 200 <= answer.status < 300:
            raise self._failed(f"{call.method} {call.path}: {answer.status} {raw[:300].decode(errors='replace')}")
        return raw

    def _connected(self) -> HTTPConnection:
        until = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=READY_WITHIN_SECONDS)
            try:
                connection.connect()
            except OSError:
                connection.close()
                # seldom enough to leave the processor to who is starting
                time.sleep(0.003)
            else:
                return connection
        raise self._failed("did not start")

    def _failed(self, what: str) -> Failed:
        return Failed(f"{self._target}: {what}\n{self._log.read_text()[-2000:]}")

    def check_log(self) -> None:
        """Raise Failed when it logged trouble: what failed beside an answer is not in the answer."""
        if any(trouble in self._log.read_text() for trouble in TROUBLES):
            raise self._failed("answered, and had trouble")

    def cpu_seconds(self) -> float:
        """Return what its processes have used so far, user and system, ended children included."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self._processes()) / TICKS

    def memory(self) -> Memory:
        """Return what its processes hold."""
        held = {"Rss:": 0, "Pss:": 0}
        for pid, _ in self._processes():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                name, number, *_ = line.split()
                held[name] = held.get(name, 0) + int(number)
        return Memory(held["Rss:"] / 1024, held["Pss:"] / 1024)

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the session's pids, with the fields of `stat` from the state on."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self._process.pid:
                    yield int(folder.name), fields

    def kill(self) -> None:
        """End the whole session at once; no handler runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def clean_environment() -> dict[str, str]:
    """Return of this process's environment only what any process needs: nothing that would change what is measured."""
    return {name: os.environ[name] for name in OF_ANY_PROCESS if name in os.environ}
