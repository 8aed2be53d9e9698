"""The embedded twin of the website's own data: documents in the Store, files in a folder for each bucket."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from shared.failures import BadInput, TryAgain
from shared.records import WEBSITE_BELOW, WEBSITE_COLLECTION, WebsiteDocument
from shared.store import MOST_CHANGES, Delete, Put, Store, every
from shared.website import Data, has
from shared.website_paths import bucket_name, document_path, file_path

T = TypeVar("T")
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_CANNOT_BE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
_ZEROS = bytes(1 << 20)


class LocalWebsite:
    """The `WebsiteStore` port on the embedded runtime. `folder` holds one folder for each bucket."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def below(self, path: str) -> list[tuple[str, Data]]:
        root = self._store.get(WebsiteDocument, document_path(path))
        # "0" follows "/", so the range ends behind all that is below; `users/u1` + "0" itself is another's document
        ranged = every(self._store, WEBSITE_BELOW, at_least=f"{path}/", at_most=f"{path}0")
        found = [stored for stored in ranged if stored.id.startswith(f"{path}/")]
        return [(stored.id, stored.record.data) for stored in ([root] if root else []) + found]

    def matching(self, collection: str, field: str, value: str) -> list[tuple[str, Data]]:
        everything = every(self._store, WEBSITE_COLLECTION, collection)
        return [(stored.id, stored.record.data) for stored in everything if has(stored.record.data, field, value)]

    def write(self, path: str, data: Data) -> None:
        parent = document_path(path).split("/")[-2]
        self._store.commit([Put(path, WebsiteDocument(parent=parent, data=data))])

    def delete(self, paths: Sequence[str]) -> None:
        changes = [Delete(WebsiteDocument, document_path(path)) for path in paths]
        for start in range(0, len(changes), MOST_CHANGES):
            self._store.commit(changes[start : start + MOST_CHANGES])

    def list_files(self, bucket: str, prefix: str) -> list[str]:
        place = self._place(bucket, prefix.removesuffix("/"))
        if not prefix.endswith("/"):
            found = _on_disk(lambda: _if_there(place.lstat))
            return [prefix] if found and not stat.S_ISDIR(found.st_mode) else []
        folder = self._folder / bucket
        return _on_disk(lambda: sorted(path.relative_to(folder).as_posix() for path in _files_in(place)))

    def read_file(self, bucket: str, path: str) -> bytes | None:
        place = self._place(bucket, path)
        return _on_disk(lambda: _if_there(place.read_bytes))

    def write_file(self, bucket: str, path: str, content: bytes) -> None:
        place = self._place(bucket, path)
        _on_disk(lambda: _write(place, content))

    def delete_file(self, bucket: str, path: str) -> None:
        place = self._place(bucket, path)
        _on_disk(lambda: _if_there(lambda: _wipe(place)))
        # a folder's name may be the person's id
        with contextlib.suppress(OSError):
            for folder in itertools.takewhile(lambda each: each != self._folder / bucket, place.parents):
                folder.rmdir()

    def _place(self, bucket: str, path: str) -> Path:
        return self._folder / bucket_name(bucket) / file_path(path)


def _files_in(folder: Path) -> Iterator[Path]:
    def unless_absent(error: OSError) -> None:
        if error.errno not in _NOT_THERE:
            raise error

    for inside, _, names in os.walk(folder, onerror=unless_absent):
        yield from (Path(inside, name) for name in names)


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_file():
        _zero(place)
    place.write_bytes(content)


def _wipe(place: Path) -> None:
    if not place.is_symlink():
        _zero(place)
    place.unlink()


def _zero(place: Path) -> None:
    # Unlinking frees a file's blocks and leaves their content readable on the medium until they are used again. Zeros
    # go where the content stood on file systems that write in place; for the others there is `horizon_days`.
    with place.open("r+b") as file:
        left = place.stat().st_size
        while left > 0:
            left -= file.write(_ZEROS[:left])
        file.flush()
        os.fsync(file.fileno())


def _if_there(act: Callable[[], T]) -> T | None:
    try:
        return act()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def _on_disk(act: Callable[[], T]) -> T:
    try:
        return act()
    except OSError as error:
        number = error.errno or 0
    # raised out here, so that the disk's own error, which names the path and with it an id, is not even its context
    if number in _CANNOT_BE:
        raise BadInput("a file cannot stand at this path", "files")
    raise TryAgain(f"website_files_{errno.errorcode.get(number, 'error').lower()}")
