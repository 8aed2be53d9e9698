"""The archive of evidence as a folder: each object a file that is written once, whole, and then only read."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from shared.failures import NeverRetry, TryAgain


class EvidenceFolder:
    """The `Archive` port on the embedded runtime. No lock holds its owner back; what was changed shows when it is checked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, content: bytes) -> bool:
        """Write it whole, once, through to the disk."""
        path = self._folder / name
        with _disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            # written aside and linked: a crash must not leave half of it under a name that nobody may write again
            aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            try:
                with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(aside, path)
            except FileExistsError:
                return False
            finally:
                aside.unlink(missing_ok=True)
            _settle(path.parent)
        return True

    def read(self, name: str) -> bytes | None:
        """Return what stands there."""
        with _disk_errors():
            try:
                return (self._folder / name).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin so, in order."""
        with _disk_errors():
            files = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
            names = sorted(path.relative_to(self._folder).as_posix() for path in files)
        yield from (name for name in names if name.startswith(prefix))


def _settle(folder: Path) -> None:
    """Have the folder itself written: a file's name is an entry of its folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise NeverRetry("archive_refused") from error
    except OSError as error:
        raise TryAgain("archive_unavailable") from error
