"""The Firestore store: the contract on Google's emulator, and what a network and a database of its own can do to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from infra.gcp.firestore_store import FirestoreStore
from shared.failures import NeverRetry, TryAgain
from shared.records import DUE_WORK, Work
from shared.store import Conflict, Create, Delete, Put, Store, Update
from tests.contracts.store_contract import NOON, StoreContract, read, work
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.lossy import LossyWire


@pytest.fixture
def store(firestore_emulator: FirestoreEmulator, firestore_project: str) -> FirestoreStore:
    return FirestoreStore(firestore_project, emulator=firestore_emulator.host)


class TestFirestoreStore(StoreContract):
    @pytest.fixture
    def store(self, firestore_emulator: FirestoreEmulator, firestore_project: str) -> Store:
        return FirestoreStore(firestore_project, emulator=firestore_emulator.host)


def test_what_was_deleted_is_gone_when_the_horizon_has_passed(store: FirestoreStore) -> None:
    assert store.physically_gone(NOON) == NOON + timedelta(days=7)


@pytest.mark.parametrize(
    "id", ["", ".", "..", "__all__", "a/b", "x" * 1501, "\ud800", "../../databases/other/documents/x"]
)
def test_an_id_that_leads_elsewhere_or_nowhere_is_refused(store: FirestoreStore, id: str) -> None:
    with pytest.raises(NeverRetry, match="impossible_id"):
        store.commit([Create("fine", work()), Create(id, work())])
    assert store.get(Work, "fine") is None


def test_databases_are_apart(firestore_emulator: FirestoreEmulator, firestore_project: str) -> None:
    here = FirestoreStore(firestore_project, "(default)", firestore_emulator.host)
    there = FirestoreStore(firestore_project, "other", firestore_emulator.host)
    here.commit([Create("w", work())])
    assert there.get(Work, "w") is None
    assert there.query(DUE_WORK) == []


# --- the wire ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def wire(firestore_emulator: FirestoreEmulator) -> Iterator[LossyWire]:
    with LossyWire(firestore_emulator.host) as spoiling:
        yield spoiling


@pytest.fixture
def far(wire: LossyWire, firestore_project: str) -> FirestoreStore:
    return FirestoreStore(firestore_project, emulator=wire.host)


LOST = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL]


@pytest.mark.parametrize("code", LOST)
def test_a_commit_whose_answer_was_lost_is_known_to_have_landed(
    wire: LossyWire, far: FirestoreStore, code: grpc.StatusCode
) -> None:
    (version,) = far.commit([Create("w", work(1))])
    wire.lose_answers("Commit", code)
    old = read(far, Work, "w")
    changed, created, deleted = far.commit([Update(old, work(2)), Create("x", work()), Delete(Work, "never")])
    assert changed == read(far, Work, "w").version != version
    assert (created, deleted) == (read(far, Work, "x").version, "")


def test_a_commit_that_did_not_land_asks_for_another_attempt(wire: LossyWire, far: FirestoreStore) -> None:
    wire.refuse("Commit", grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(TryAgain, match="database_unavailable"):
        far.commit([Create("w", work())])
    assert far.get(Work, "w") is None


def test_what_stood_there_before_is_not_taken_for_a_lost_commit(wire: LossyWire, far: FirestoreStore) -> None:
    far.commit([Create("w", work(1))])
    wire.refuse("Commit", grpc.StatusCode.DEADLINE_EXCEEDED)
    with pytest.raises(TryAgain):
        far.commit([Put("w", work(1))])


def test_a_commit_of_deletions_alone_may_be_tried_again(wire: LossyWire, far: FirestoreStore) -> None:
    far.commit([Create("w", work())])
    wire.lose_answers("Commit", grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(TryAgain):
        far.commit([Delete(Work, "w")])
    wire.mend()
    assert far.commit([Delete(Work, "w")]) == [""]


def test_an_aborted_commit_is_a_conflict_to_decide_again(wire: LossyWire, far: FirestoreStore) -> None:
    wire.refuse("Commit", grpc.StatusCode.ABORTED)
    with pytest.raises(Conflict):
        far.commit([Create("w", work())])


MENDED_OUTSIDE = ["PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"]


@pytest.mark.parametrize("code", MENDED_OUTSIDE)
@pytest.mark.parametrize("method", ["BatchGetDocuments", "RunQuery"])
def test_what_a_person_mends_from_outside_works_on_the_next_attempt(
    wire: LossyWire, far: FirestoreStore, method: str, code: str
) -> None:
    wire.refuse(method, grpc.StatusCode[code])
    with pytest.raises(TryAgain, match=f"database_{code.lower()}") as raised:
        far.get(Work, "w") if method == "BatchGetDocuments" else far.query(DUE_WORK)
    assert "ann@example.org" not in str(raised.value)
    assert raised.value.__cause__ is None
    wire.mend()
    assert (far.get(Work, "w"), far.query(DUE_WORK)) == (None, [])


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "NOT_FOUND"])
def test_a_commit_that_may_not_be_made_is_no_conflict(wire: LossyWire, far: FirestoreStore, code: str) -> None:
    wire.refuse("Commit", grpc.StatusCode[code])
    with pytest.raises(TryAgain, match=f"database_{code.lower()}"):
        far.commit([Create("w", work())])


def test_a_call_that_the_database_cannot_understand_is_never_repeated(wire: LossyWire, far: FirestoreStore) -> None:
    wire.refuse("Commit", grpc.StatusCode.INVALID_ARGUMENT)
    with pytest.raises(NeverRetry, match="database_invalid_argument"):
        far.commit([Create("w", work())])


# --- a database that goes away ----------------------------------------------------------------------------------------


def test_a_database_that_does_not_answer_is_not_waited_for_forever(
    firestore_emulator: FirestoreEmulator, firestore_project: str
) -> None:
    store = FirestoreStore(firestore_project, emulator=firestore_emulator.host, seconds=0.5)
    store.commit([Create("w", work())])
    with firestore_emulator.frozen(), pytest.raises(TryAgain, match="database_deadline_exceeded"):
        store.get(Work, "w")
    assert store.get(Work, "w")


def test_a_killed_database_is_met_again_when_it_is_back(tmp_path: Path, firestore_emulator: FirestoreEmulator) -> None:
    # a process of its own: the one for all tests must not lose their data
    own = type(firestore_emulator)().start()
    store = FirestoreStore("demo-killed", emulator=own.host)
    store.commit([Create("w", work(1))])
    saved = own.export("demo-killed", tmp_path)
    own.stop()
    with pytest.raises(TryAgain, match="database_unavailable"):
        store.commit([Create("x", work())])
    own.start(saved)
    try:
        until_it_answers(store)
        store.commit([Update(read(store, Work, "w"), work(2))])
        assert read(store, Work, "w").record == work(2)
    finally:
        own.stop()


def until_it_answers(store: FirestoreStore) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            store.get(Work, "w")
        except TryAgain:
            assert time.monotonic() < until, "it never answered"
            time.sleep(0.1)
        else:
            return
