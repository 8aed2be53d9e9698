"""The archive of evidence: one contract over the folder and the bucket, and what each can suffer."""

from __future__ import annotations

import secrets
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from infra.container import Container
from infra.gcp.evidence_bucket import EvidenceBucket
from infra.local.evidence_folder import EvidenceFolder
from infra.local.server import free_port
from infra.settings import Settings
from shared.failures import Misconfigured, NeverRetry, TryAgain
from tests.contracts.archive_contract import NAME, ArchiveContract
from tests.emulators.absence import Absent, skip_or_fail
from tests.emulators.storage import StorageEmulator

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def storage() -> Iterator[StorageEmulator]:
    """Return a running fake of Cloud Storage; skip where there is none."""
    emulator = StorageEmulator()
    try:
        emulator.start()
    except Absent as absent:
        skip_or_fail(absent)
    yield emulator
    emulator.stop()


# --- the folder -------------------------------------------------------------------------------------------------------


class TestEvidenceFolder(ArchiveContract):
    @pytest.fixture
    def archive(self, tmp_path: Path) -> EvidenceFolder:
        return EvidenceFolder(tmp_path / "evidence")


def test_a_file_is_for_reading_and_for_its_owner_alone(tmp_path: Path) -> None:
    EvidenceFolder(tmp_path).keep(NAME, b"x")
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o400
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["000001.jws"]


def test_half_a_file_that_a_crash_left_is_no_object(tmp_path: Path) -> None:
    archive = EvidenceFolder(tmp_path)
    archive.keep(NAME, b"x")
    (tmp_path / "checkpoints" / ".000002.jws.0123").write_bytes(b"hal")
    assert list(archive.names("")) == [NAME]
    assert archive.keep("checkpoints/000002.jws", b"whole") is True


def test_a_folder_that_cannot_be_written_is_shown_to_a_person(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file stands in its place")
    with pytest.raises(NeverRetry, match="archive_refused"):
        EvidenceFolder(tmp_path / "evidence").keep("1", b"x")


def test_a_disk_that_cannot_take_it_is_tried_again(tmp_path: Path) -> None:
    too_long = "x" * 300
    with pytest.raises(TryAgain, match="archive_unavailable"):
        EvidenceFolder(tmp_path).keep(too_long, b"x")


# --- the bucket -------------------------------------------------------------------------------------------------------


class TestEvidenceBucket(ArchiveContract):
    @pytest.fixture
    def archive(self, storage: StorageEmulator) -> EvidenceBucket:
        bucket = f"evidence-{secrets.token_hex(6)}"
        storage.bucket(bucket)
        return EvidenceBucket("demo", bucket, storage.url)


def test_names_go_on_behind_the_first_page(storage: StorageEmulator) -> None:
    storage.bucket("evidence-pages")
    archive = EvidenceBucket("demo", "evidence-pages", storage.url)
    names = [f"checkpoints/{number:06d}.jws" for number in range(1, 41)]
    for name in reversed(names):
        archive.keep(name, b"x")
    assert list(archive.names("checkpoints/")) == names


@pytest.mark.parametrize("act", ["keep", "read", "names"])
def test_a_bucket_that_is_not_there_is_no_empty_one(storage: StorageEmulator, act: str) -> None:
    with pytest.raises(NeverRetry, match="archive_404"):
        does(EvidenceBucket("demo", "evidence-nowhere", storage.url), act)


@pytest.mark.parametrize("act", ["keep", "read", "names"])
def test_a_storage_that_nobody_answers_for_is_tried_again(act: str) -> None:
    archive = EvidenceBucket("demo", "evidence", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TryAgain, match="archive_unreachable"):
        does(archive, act)


def does(archive: EvidenceBucket, act: str) -> None:
    acts = {
        "keep": lambda: archive.keep(NAME, b"x"),
        "read": lambda: archive.read(NAME),
        "names": lambda: list(archive.names("")),
    }
    acts[act]()


class Scripted(BaseHTTPRequestHandler):
    """Answers every upload with one status, every download with another, and counts them."""

    upload: ClassVar[int]
    download: ClassVar[int]
    asked: ClassVar[list[str]]

    def do_POST(self) -> None:
        self.asked.append(f"POST {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(self.upload)

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        self.answer(self.download)

    def answer(self, status: int) -> None:
        content = b"{}" if status == 200 else b'{"error": {"message": "scripted"}}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[tuple[type[Scripted], EvidenceBucket]]:
    script = type("Script", (Scripted,), {"upload": 200, "download": 200, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), script)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield script, EvidenceBucket("demo", "evidence", f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "failure"),
    [(500, TryAgain), (503, TryAgain), (429, TryAgain), (408, TryAgain), (400, NeverRetry)],
)
@pytest.mark.parametrize("act", ["keep", "read", "names"])
def test_each_refusal_has_its_type_and_is_asked_for_once(
    scripted: tuple[type[Scripted], EvidenceBucket], status: int, failure: type[Exception], act: str
) -> None:
    script, archive = scripted
    script.upload = script.download = status
    with pytest.raises(failure, match=f"archive_{status}"):
        does(archive, act)
    assert len(script.asked) == 1


@pytest.mark.parametrize("act", ["keep", "read", "names"])
def test_credentials_that_do_not_count_are_shown_to_a_person(
    scripted: tuple[type[Scripted], EvidenceBucket], act: str
) -> None:
    script, archive = scripted
    script.upload = script.download = 401
    with pytest.raises(NeverRetry, match="archive_no_credentials"):
        does(archive, act)


def test_who_may_create_and_not_overwrite_is_told_no_and_finds_what_stands_there(
    scripted: tuple[type[Scripted], EvidenceBucket],
) -> None:
    script, archive = scripted
    script.upload = 403
    assert archive.keep(NAME, b"x") is False
    script.download = 403
    with pytest.raises(NeverRetry, match="archive_403"):
        archive.keep(NAME, b"x")


# --- which one it is --------------------------------------------------------------------------------------------------


def archive_of(folder: Path, **environment: str) -> object:
    return Container(Settings({"DATA_DIR": str(folder), **environment})).archive


def test_on_this_machine_it_is_a_folder(tmp_path: Path) -> None:
    assert isinstance(archive_of(tmp_path), EvidenceFolder)
    assert isinstance(archive_of(tmp_path, EVIDENCE_BUCKET="b"), EvidenceFolder)
    assert isinstance(archive_of(tmp_path, FIRESTORE_EMULATOR_HOST="127.0.0.1:9"), EvidenceFolder)


def test_on_google_cloud_it_is_the_bucket_that_is_named(tmp_path: Path) -> None:
    emulators = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:9", "STORAGE_EMULATOR_HOST": NOBODY, "GOOGLE_CLOUD_PROJECT": "p"}
    assert isinstance(archive_of(tmp_path, EVIDENCE_BUCKET="b", **emulators), EvidenceBucket)
    assert isinstance(
        archive_of(tmp_path, EVIDENCE_BUCKET="b", RUNTIME="gcp", GOOGLE_CLOUD_PROJECT="p"), EvidenceBucket
    )


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"RUNTIME": "gcp", "GOOGLE_CLOUD_PROJECT": "p"}, "EVIDENCE_BUCKET"),
        ({"RUNTIME": "gcp", "EVIDENCE_BUCKET": "b"}, "GOOGLE_CLOUD_PROJECT"),
        (
            {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:9", "EVIDENCE_BUCKET": "b", "GOOGLE_CLOUD_PROJECT": "p"},
            "STORAGE_EMULATOR_HOST",
        ),
        ({"RUNTIME": "gcp", "EVIDENCE_BUCKET": "b", "STORAGE_EMULATOR_HOST": "http://10.0.0.1:9"}, "."),
    ],
)
def test_evidence_never_lies_elsewhere_than_it_was_said(
    tmp_path: Path, environment: dict[str, str], missing: str
) -> None:
    with pytest.raises(Misconfigured, match=missing):
        archive_of(tmp_path, **environment)
