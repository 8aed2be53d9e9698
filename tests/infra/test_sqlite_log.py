"""The log of the SQLite store is copied into the file beside the writers: nobody waits for it, and nothing is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.sqlite_log import COPIED_EVERY, MOST_UNCOPIED, ROW_BYTES, Log
from infra.local.sqlite_store import SqliteStore
from shared.records import WebsiteDocument
from shared.store import Create, Delete, Put, Query
from tests.contracts.store_contract import NOON, document, read

SOON = 10


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pledge.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    store.close()


class SlowCopy:
    """Connects for a log's copies, and holds up each until it is let go."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.times = 0

    def __call__(self) -> sqlite3.Connection:
        self.times += 1
        self.begun.release()
        assert self.go.acquire(timeout=SOON)
        return sqlite3.connect(self._file, isolation_level=None)


def until(true: Callable[[], bool]) -> bool:
    by = time.monotonic() + SOON
    while not true() and time.monotonic() < by:
        time.sleep(0.01)
    return true()


def copying(folder: Path) -> tuple[Log, SlowCopy]:
    """Return a log that is being copied, and its copy that waits to be let go."""
    copy = SlowCopy(folder / "x.db")
    log = Log(copy, threading.Lock())
    log.grew(1, COPIED_EVERY)
    assert copy.begun.acquire(timeout=SOON)
    return log, copy


def in_a_thread(act: Callable[[], None]) -> threading.Event:
    """Begin to act beside the test; return what is set when it came to its end."""
    over = threading.Event()

    def acting() -> None:
        act()
        over.set()

    threading.Thread(target=acting).start()
    return over


def rest(log: Log) -> None:
    with log.at_rest():
        pass


def test_what_was_written_reaches_the_file_while_it_is_open(store: SqliteStore, file: Path) -> None:
    small = file.stat().st_size
    for n in range(COPIED_EVERY // 500_000 + 1):
        store.commit([Create(f"d{n}", document(text="x" * 500_000))])
    assert until(lambda: file.stat().st_size > small + COPIED_EVERY * 0.9)
    assert read(store, WebsiteDocument, "d0").record == document(text="x" * 500_000)


def test_short_rows_count_by_the_pages_they_change(tmp_path: Path) -> None:
    copy = SlowCopy(tmp_path / "x.db")
    log = Log(copy, threading.Lock())
    for _ in range(COPIED_EVERY // ROW_BYTES // 3 + 1):
        log.grew(3, 300)
    assert copy.begun.acquire(timeout=SOON)
    copy.go.release()
    with log.at_rest():
        assert copy.times == 1


def test_a_commit_waits_for_no_copy_and_begins_no_second_one_beside_it(tmp_path: Path) -> None:
    log, copy = copying(tmp_path)
    log.grew(1, COPIED_EVERY)
    assert copy.times == 1
    copy.go.release()
    with log.at_rest():
        assert copy.times == 1
    log.grew(1, COPIED_EVERY // 2)
    assert copy.times == 1, "what was written meanwhile was copied at its end"
    log.grew(1, COPIED_EVERY // 2)
    assert copy.begun.acquire(timeout=SOON)
    copy.go.release()
    with log.at_rest():
        assert copy.times == 2


def test_whoever_needs_the_log_at_rest_waits_for_the_copy(tmp_path: Path) -> None:
    log, copy = copying(tmp_path)
    rested = in_a_thread(lambda: rest(log))
    assert not rested.wait(0.1)
    copy.go.release()
    assert rested.wait(SOON)


def test_whoever_writes_faster_than_the_disk_waits_for_it(tmp_path: Path) -> None:
    log, copy = copying(tmp_path)
    log.keep_up()
    log.grew(1, MOST_UNCOPIED)
    through = in_a_thread(log.keep_up)
    assert not through.wait(0.1)
    copy.go.release()
    assert through.wait(SOON)


def test_the_end_of_a_copy_keeps_writers_out_and_its_beginning_does_not(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    writing, copy = threading.Lock(), SlowCopy(file)
    copy.go.release()
    log = Log(copy, writing)
    with writing:
        log.grew(1, COPIED_EVERY)
        assert copy.begun.acquire(timeout=SOON)
        rested = in_a_thread(lambda: rest(log))
        assert not rested.wait(0.2), "a commit that is under way could start the log anew between two looks of the copy"
    assert rested.wait(SOON)


@pytest.mark.parametrize("readers", [0, 2])
def test_the_log_stays_short_while_nobody_pauses(store: SqliteStore, file: Path, readers: int) -> None:
    over = threading.Event()

    def read_on() -> None:
        while not over.is_set():
            store.query(Query(WebsiteDocument), limit=3)

    beside = [threading.Thread(target=read_on) for _ in range(readers)]
    for one in beside:
        one.start()
    for n in range(400):
        store.commit([Put(f"d{n % 9}", document(text="x" * 500_000))])
    over.set()
    for one in beside:
        one.join()
    assert file.with_name(f"{file.name}-wal").stat().st_size < 8 * COPIED_EVERY, "of 200 MB that were written"


def test_a_copy_that_fails_is_made_again_and_no_commit_fails_for_it(tmp_path: Path) -> None:
    tried = threading.Semaphore(0)

    def fails() -> sqlite3.Connection:
        tried.release()
        raise sqlite3.OperationalError("disk I/O error")

    log = Log(fails, threading.Lock())
    for _ in range(2):
        log.grew(1, COPIED_EVERY)
        assert tried.acquire(timeout=SOON)
        with log.at_rest():
            pass


def test_what_was_deleted_is_gone_though_its_log_is_being_copied(store: SqliteStore, file: Path) -> None:
    for n in range(12):
        for m in range(COPIED_EVERY // 800_000 // 4):
            store.commit([Put(f"d{m}", document(text=f"Lovelace {n}" + "x" * 800_000))])
        store.commit([Delete(WebsiteDocument, f"d{m}") for m in range(COPIED_EVERY // 800_000 // 4)])
        store.physically_gone(NOON)
        left = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
        assert b"Lovelace" not in left
