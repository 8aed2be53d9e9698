"""Load by `wrk`: sixteen connections, a fresh subject in every body, or the same ones in turn."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from pathlib import Path

import msgspec

SCRIPT = Path(__file__).with_name("fresh.lua")
CONNECTIONS = 16
GRACE_SECONDS = 30


class Failed(Exception):
    """The bench is not worth anything: something did not answer, or answered an error."""


class Body(msgspec.Struct, frozen=True):
    """A JSON body around what is fresh in it."""

    head: str
    tail: str

    @classmethod
    def around(cls, text: str, mark: str) -> Body:
        """Split a body where its fresh part stands."""
        head, _, tail = text.partition(mark)
        return cls(head, tail)

    def named(self, name: str) -> bytes:
        """Return it with this in its fresh part."""
        return f"{self.head}{name}{self.tail}".encode()

    @property
    def bytes(self) -> int:
        """Return its length, with a typical fresh part."""
        return len(self.named(f"{fresh()}12345"))


class Load(msgspec.Struct, frozen=True):
    """What wrk saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def per_second(self) -> float:
        """Return the throughput."""
        return self.requests / self.seconds


def fresh() -> str:
    """Return what makes the subjects of one load different from every other's."""
    return secrets.token_hex(12) + "."


def load(port: int, body: Body, seconds: int, mark: str = "", subjects: int = 0) -> Load:
    """Post for so many seconds. Raises Failed at the first thing that is not a 2xx.

    `mark`: what begins the subjects' names, so that two loads meet the same ones. `subjects`: how many there are, 0 for
    another one each time.
    """
    return posted(port, SCRIPT, seconds, body.head, mark or fresh(), body.tail, str(subjects))


def posted(port: int, script: Path, seconds: int, *arguments: str) -> Load:
    """Post what a script of wrk's makes of its arguments. Raises Failed at the first thing that is not a 2xx."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Failed("wrk is not installed")
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    command += [f"http://127.0.0.1:{port}/", "--", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS, check=False)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise Failed(f"wrk: {ran.stderr.strip() or ran.stdout.strip()}")
    seen = msgspec.json.decode(lines[-1], type=Load)
    if seen.refused or seen.broken or not seen.requests:
        raise Failed(f"{seen.requests} answers, {seen.refused} of them not 2xx, {seen.broken} connections broken")
    return seen
