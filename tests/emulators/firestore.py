"""Google's own Firestore emulator, started without gcloud so that the process is Java's own. It keeps all in memory."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from infra.gcp.calls import Api, messages
from infra.local.server import free_port
from tests.emulators.absence import Absent

JAR = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
READY_WITHIN_SECONDS = 120.0


class FirestoreEmulator:
    """One process on 127.0.0.1, on the same port each time it is started. Projects and databases are apart in it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seed: Path | None = None) -> FirestoreEmulator:
        """Start, with what an export holds, and wait until it answers. Raises Absent without Java or the emulator."""
        command = [java(), "-Xmx256m", "-Duser.language=en", "-cp", str(jar()), MAIN]
        command += ["--host=127.0.0.1", f"--port={self.port}"]
        command += [f"--seed_from_export={seed}"] if seed else []
        with tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            if not self._answers(time.monotonic() + READY_WITHIN_SECONDS):
                self.stop()
                said.seek(0)
                raise RuntimeError(f"the Firestore emulator did not start: {said.read().decode()[-2000:]}")
        self._warm()
        return self

    def _warm(self) -> None:
        # on a busy machine Java takes seconds for the first call of each kind: longer than our adapters wait
        service = messages("google.cloud.firestore_v1", "firestore")
        database = "projects/demo-warm/databases/(default)"
        name = f"{database}/documents/nobody/0"
        write = service.CommitRequest(database=database, writes=[{"delete": name}])
        get = service.BatchGetDocumentsRequest(database=database, documents=[name])
        run = service.RunQueryRequest(parent=name, structured_query={"from_": [{"all_descendants": True}]})
        api = Api("google.firestore.v1.Firestore", "", self.host)
        waiting: dict[str, Any] = {"timeout": READY_WITHIN_SECONDS, "wait_for_ready": True}
        api.unary("Commit", service.CommitRequest, service.CommitResponse)(write, **waiting)
        list(api.streamed("BatchGetDocuments", type(get), service.BatchGetDocumentsResponse)(get, **waiting))
        list(api.streamed("RunQuery", type(run), service.RunQueryResponse)(run, **waiting))
        api.close()

    def _answers(self, until: float) -> bool:
        while time.monotonic() < until and self._process and self._process.poll() is None:
            try:
                with urlopen(f"http://{self.host}/", timeout=5):
                    return True
            except (URLError, OSError):
                time.sleep(0.05)
        return False

    def stop(self) -> None:
        """Kill it: what it held is gone, calls under way break off."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Leave calls unanswered for a while: connected, and nothing comes back."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        # told is not yet stopped: each of its threads may still be answering
        while not _is_stopped(process.pid):
            time.sleep(0.005)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def reset(self, project: str, database: str = "(default)") -> None:
        """Delete every document of a project's database."""
        self._call("DELETE", f"projects/{project}/databases/{database}/documents")

    def export(self, project: str, folder: Path, database: str = "(default)") -> Path:
        """Write all documents into a folder; return the file that `start` takes as its seed."""
        name = "export"
        folder.mkdir(parents=True, exist_ok=True)
        asked = {"database": f"projects/{project}/databases/{database}"}
        self._call("POST", f"projects/{project}:export", asked | {"export_directory": str(folder), "export_name": name})
        return folder / name / f"{name}.overall_export_metadata"

    def _call(self, method: str, path: str, body: Any = None) -> None:
        headers = {"Content-Type": "application/json"}
        content = json.dumps(body).encode() if body is not None else None
        asked = Request(f"http://{self.host}/emulator/v1/{path}", content, headers, method=method)
        with urlopen(asked, timeout=60):
            pass


def _is_stopped(pid: int) -> bool:
    states = [task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def java() -> str:
    """Return where Java is. Raises Absent."""
    found = shutil.which("java")
    if not found:
        raise Absent("the Firestore emulator needs Java")
    return found


@cache
def sdk() -> Path:
    """Return where Google Cloud's command-line tools are. Raises Absent."""
    gcloud = shutil.which("gcloud")
    if not gcloud:
        raise Absent("the emulators come with Google Cloud's command-line tools (gcloud)")
    beside = Path(gcloud).resolve().parents[1]
    if (beside / "platform").is_dir():
        return beside
    asked = [gcloud, "info", "--format=value(installation.sdk_root)"]
    return Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())


def jar() -> Path:
    """Return the emulator's archive. Raises Absent."""
    found = sdk() / JAR
    if not found.is_file():
        raise Absent("gcloud has no cloud-firestore-emulator component")
    return found
