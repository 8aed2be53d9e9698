"""The SQLite store: the contract, and what a file of its own can suffer."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.sqlite_store import COMPACTED_WITHIN, SqliteStore
from shared.failures import NeverRetry, TryAgain
from shared.records import ACCOUNTS, DUE_WORK, Subject, WebsiteDocument, Work
from shared.store import Conflict, Create, Delete, Put, Query, Record, Store, Update
from tests.contracts.store_contract import NOON, StoreContract, document, read, work

WRITER = """
import itertools, sys
from datetime import UTC, datetime
from pathlib import Path
from infra.local.sqlite_store import COMPACTED_WITHIN, SqliteStore
from shared.records import Work
from shared.store import Create

now = datetime(2026, 3, 1, tzinfo=UTC)
store = SqliteStore(Path(sys.argv[1]))
for number in itertools.count():
    store.commit([Create(f"{number}-{half}", Work(kind="k", ref="r", due_at=now, created_at=now)) for half in "ab"])
    print(number, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pledge.db"


@contextlib.contextmanager
def opened(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    store.close()


@pytest.fixture
def store_file(file: Path) -> Iterator[SqliteStore]:
    with opened(file) as store:
        yield store


@contextlib.contextmanager
def other_connection(file: Path, *statements: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement).fetchall()
    yield connection
    connection.close()


@contextlib.contextmanager
def files_cannot_grow_beyond(size: int) -> Iterator[None]:
    """A full disk, as a process meets it: the write itself fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def integrity(file: Path) -> str:
    with other_connection(file) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def raw(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, file: Path) -> Iterator[Store]:
        with opened(file) as store:
            yield store


def test_what_was_committed_is_there_after_opening_again(file: Path) -> None:
    with opened(file) as store:
        (version,) = store.commit([Create("w", work(1))])
    with opened(file) as again:
        assert read(again, Work, "w").record == work(1)
        assert read(again, Work, "w").version == version


def test_a_file_of_an_older_program_is_found_by_what_is_asked_for_since(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("w", work(1)), Create("v", work(2))])
    with other_connection(file) as older:
        indexes = older.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%due_at%'"
        ).fetchall()
        for (name,) in indexes:
            older.execute(f'DROP INDEX "{name}"')
        older.execute("ALTER TABLE work DROP COLUMN due_at")
        older.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with opened(file) as store:
            assert [one.id for one in store.query(DUE_WORK, at_most=NOON + timedelta(days=9))] == ["w", "v"]
            assert read(store, Work, "w").record == work(1)


ACCOUNT = Subject(kind="account", created_at=NOON, sealed=b"sealed")


@pytest.mark.parametrize(
    ("record", "query", "equals", "in_order_of_ids"),
    [
        pytest.param(ACCOUNT, ACCOUNTS, ("account",), True, id="short records"),
        pytest.param(work(), DUE_WORK, (), False, id="all others"),
    ],
)
def test_a_table_of_an_older_program_is_laid_out_as_a_new_one_is(
    file: Path, record: Record, query: Query[Any], equals: tuple[str, ...], in_order_of_ids: bool
) -> None:
    with opened(file) as store:
        versions = store.commit([Create(id, record) for id in ("w", "v")])
    name, clause = record.collection, " WITHOUT ROWID"
    with other_connection(file) as older:
        (now,) = older.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        older.execute(f"ALTER TABLE {name} RENAME TO newer")
        older.execute(now.replace(clause, "") if in_order_of_ids else now + clause)
        older.execute(f"INSERT INTO {name} SELECT * FROM newer")
        older.execute("DROP TABLE newer")
        older.execute("PRAGMA user_version = 1")
    with opened(file) as store:
        assert [read(store, type(record), id).version for id in ("w", "v")] == versions
        assert [one.id for one in store.query(query, *equals)] == ["v", "w"]
    with other_connection(file) as newer:
        assert newer.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchall() == [(now,)]
    assert (clause in now) is in_order_of_ids


def test_finding_one_of_many_large_records_reads_none_of_the_others(file: Path) -> None:
    with opened(file) as store:
        for n in range(0, 300, 3):
            store.commit([Create(f"d{m}", document(text="x" * 30_000)) for m in (n, n + 1, n + 2)])
        store.physically_gone(NOON)
    with other_connection(file, "SELECT count(*) FROM website_documents WHERE id = ''") as connection:
        before = bytes_read()
        connection.execute("SELECT body FROM website_documents WHERE id = 'd77'").fetchall()
        assert bytes_read() - before < 2 * 30_000, "it alone, and a few pages of ids on the way to it"


def bytes_read() -> int:
    """Return how many bytes this process has read from files."""
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


@contextlib.contextmanager
def older_program(file: Path, *statements: str) -> Iterator[None]:
    """Have the file as an older program left it: with these changes, and without the mark of today's tables."""
    with other_connection(file, *statements, "PRAGMA user_version = 1"):
        pass
    yield


WITHOUT_DUE_AT = (
    "ALTER TABLE work RENAME TO newer",
    "CREATE TABLE work (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
    "INSERT INTO work SELECT id, version, body FROM newer",
    "DROP TABLE newer",
)
IN_THE_ORDER_THEY_CAME = (
    "ALTER TABLE work RENAME TO newer",
    'CREATE TABLE work (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL, "due_at")',
    "INSERT INTO work SELECT id, version, body, due_at FROM newer",
    "DROP TABLE newer",
)
RUINED = """UPDATE work SET body = '{"kind": "ann@mail.test", "due_at": "ann@mail.test"}' WHERE id = 'v'"""


def test_a_record_that_cannot_be_read_any_more_does_not_close_the_file_where_nothing_must_be_read(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("w", work(1)), Create("v", work(2))])
    with older_program(file, *IN_THE_ORDER_THEY_CAME, RUINED), opened(file) as store:
        assert read(store, Work, "w").record == work(1)
        assert [one.id for one in store.query(DUE_WORK, at_most=NOON + timedelta(days=1), limit=1)] == ["w"]


def test_a_record_that_must_be_read_and_cannot_be_is_named_and_not_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, made = SqliteStore._connect, list[sqlite3.Connection]()
    monkeypatch.setattr(SqliteStore, "_connect", lambda store: made.append(connect(store)) or made[-1])
    with opened(file) as store:
        store.commit([Create("w", work(1)), Create("v", work(2))])
    with older_program(file, *WITHOUT_DUE_AT, RUINED):
        for _ in range(2):
            with pytest.raises(NeverRetry, match=r"^unreadable_work_v$") as refused:
                SqliteStore(file)
            assert "ann" not in repr(refused.value.__context__)
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                made[-1].execute("SELECT 1")
    with other_connection(file, "UPDATE work SET body = (SELECT body FROM work WHERE id = 'w') WHERE id = 'v'"):
        pass
    with opened(file) as store:
        assert [one.id for one in store.query(DUE_WORK, at_most=NOON + timedelta(days=9))] == ["v", "w"]
    assert integrity(file) == "ok"


def test_a_path_of_the_website_that_cannot_be_read_is_not_named(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("mail/ann@mail.test", document(text="x"))])
    older = (
        "ALTER TABLE website_documents RENAME TO newer",
        "CREATE TABLE website_documents (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL)",
        "INSERT INTO website_documents SELECT id, version, '{}' FROM newer",
        "DROP TABLE newer",
    )
    with older_program(file, *older), pytest.raises(NeverRetry, match=r"^unreadable_website_documents$"):
        SqliteStore(file)


def test_a_page_is_read_at_once_however_busy_the_other_threads_are(store_file: SqliteStore) -> None:
    for some in range(8):
        store_file.commit([Create(f"w{some}-{n}", work(n)) for n in range(500)])
    over = threading.Event()
    busy = threading.Thread(target=lambda: [sum(range(10_000)) for _ in iter(over.is_set, True)])
    busy.start()
    began = time.perf_counter()
    found = store_file.query(Query(Work), limit=4000)
    took = time.perf_counter() - began
    over.set()
    busy.join()
    assert len(found) == 4000
    assert took < 100 * sys.getswitchinterval(), "row by row, each would wait for the interpreter's lock anew"


def test_two_processes_on_one_file_cannot_both_win(file: Path) -> None:
    with opened(file) as one, opened(file) as other:
        one.commit([Create("w", work(1))])
        old = read(other, Work, "w")
        one.commit([Update(read(one, Work, "w"), work(2))])
        with pytest.raises(Conflict):
            other.commit([Update(old, work(3))])
        assert read(other, Work, "w").record == work(2)


def test_a_locked_database_asks_to_try_again_and_still_reads(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("w", work(1))])
        with other_connection(file, "BEGIN IMMEDIATE"):
            with pytest.raises(TryAgain, match="database_sqlite_busy"):
                store.commit([Put("w", work(2))])
            assert read(store, Work, "w").record == work(1)
        store.commit([Put("w", work(2))])
        assert read(store, Work, "w").record == work(2)


def test_a_file_that_cannot_grow_asks_to_try_again_and_holds_nothing_half_written(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("w", work())])
        room = max(path.stat().st_size for path in file.parent.iterdir())
        large = [Create(f"d{number}", document(text="x" * 50_000)) for number in range(20)]
        with files_cannot_grow_beyond(room + 100_000), pytest.raises(TryAgain):
            store.commit([*large, Put("w", work(1))])
        assert store.get(WebsiteDocument, "d0") is None
        assert read(store, Work, "w").record == work()
        store.commit(large)
    assert integrity(file) == "ok"


def test_a_full_database_asks_to_try_again_and_holds_nothing_half_written(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("w", work())])
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count={pages + 5}")
        with pytest.raises(TryAgain, match="database_sqlite_full"):
            store.commit([Put("w", work(1)), Create("d", document(text="x" * 100_000))])
        assert store.get(WebsiteDocument, "d") is None
        assert read(store, Work, "w").record == work()
        store.commit([Put("w", work(2))])
        assert read(store, Work, "w").record == work(2)
    assert integrity(file) == "ok"


def test_what_is_no_database_asks_to_try_again(file: Path) -> None:
    file.write_bytes(b"This is a text of more than a hundred bytes, and surely no database file. " * 20)
    with pytest.raises(TryAgain, match="database_sqlite_notadb"):
        SqliteStore(file)


def test_everything_acknowledged_survives_kill_9(file: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    assert writer.wait() == -signal.SIGKILL
    with opened(file) as store:
        lost = [n for n in acknowledged if not (store.get(Work, f"{n}-a") and store.get(Work, f"{n}-b"))]
        halves = len(store.query(DUE_WORK, limit=1_000_000))
    assert lost == []
    assert halves % 2 == 0
    assert integrity(file) == "ok"


def test_what_was_deleted_is_in_no_file_once_it_is_said_to_be_gone(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("users/ada", document(name="Ada Lovelace"))])
        assert b"Lovelace" in raw(file)
        store.commit([Put("users/ada", document(name="A."))])
        store.commit([Delete(WebsiteDocument, "users/ada")])
        assert store.physically_gone(NOON) == NOON + COMPACTED_WITHIN
        assert b"Lovelace" not in raw(file)
        assert b"users/ada" not in raw(file)


def test_what_was_deleted_among_much_else_is_in_no_file_either(file: Path) -> None:
    with opened(file) as store:
        people = [f"person-{number}" for number in range(60)]
        for turn in range(40):
            for person in people[turn % 3 :: 3]:
                store.commit([Put(f"users/{person}/notes/{turn}", document(note=f"{person}." * (turn % 7 + 1)))])
        for person in people[::2]:
            page = store.query(Query(WebsiteDocument), at_least=f"users/{person}/", at_most=f"users/{person}/~")
            store.commit([Delete(WebsiteDocument, stored.id) for stored in page])
        store.physically_gone(NOON)
        store.compact()
        left = raw(file)
    assert [person for person in people[::2] if f"{person}.".encode() in left or f"{person}/".encode() in left] == []


def test_what_somebody_still_reads_is_not_said_to_be_gone(file: Path) -> None:
    with opened(file) as store:
        store.commit([Create("w", work())])
        with other_connection(file, "BEGIN", "SELECT * FROM work"):
            store.commit([Delete(Work, "w")])
            with pytest.raises(TryAgain, match="database_busy"):
                store.physically_gone(NOON)
        assert store.physically_gone(NOON) == NOON + COMPACTED_WITHIN


def test_a_file_is_not_called_rewritten_while_somebody_still_reads_what_was_in_it(file: Path) -> None:
    with opened(file) as store:
        for n in range(300):
            store.commit([Create(f"users/{n:04}", document(name="Lovelace" * 50))])
        store.physically_gone(NOON)
        store._writer.execute("PRAGMA busy_timeout = 100")
        with other_connection(file, "BEGIN", "SELECT count(*) FROM website_documents"):
            store.commit([Delete(WebsiteDocument, f"users/{n:04}") for n in range(300)])
            with pytest.raises(TryAgain, match="database_busy"):
                store.compact()
            assert b"Lovelace" in raw(file)
        store.compact()
        assert b"Lovelace" not in raw(file)


@pytest.mark.parametrize(("letter", "n_bytes"), [("x", 1), ("ü", 2), ("房", 3), ("\N{GRINNING FACE}", 4)])
def test_a_record_is_as_large_as_its_bytes_and_not_its_letters(file: Path, letter: str, n_bytes: int) -> None:
    with opened(file) as store:
        store.commit([Create("fits", document(text=letter * (900_000 // n_bytes)))])
        with pytest.raises(NeverRetry, match="commit_too_large"):
            store.commit([Create("large", document(text=letter * (1_010_000 // n_bytes)))])
