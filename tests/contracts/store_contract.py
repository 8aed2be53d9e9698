"""What every `Store` must do, whatever it stands on. Subclasses supply an empty `store`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar, cast

import pytest

from shared.failures import NeverRetry
from shared.records import (
    ACCOUNTS,
    ALL_EVIDENCE,
    DUE_WORK,
    EXPIRED,
    WATCHED_REQUESTS,
    WEBSITE_BELOW,
    WEBSITE_COLLECTION,
    Addressee,
    Decision,
    Head,
    LedgerEntry,
    Request,
    Subject,
    WebsiteDocument,
    Work,
)
from shared.store import (
    MOST_CHANGES,
    MOST_RECORD_BYTES,
    Change,
    Conflict,
    Create,
    Delete,
    Put,
    Query,
    Store,
    Stored,
    Update,
    View,
    every,
)

R = TypeVar("R", bound=View)
T = TypeVar("T")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
THREADS = 16
WITH_EXPIRY = cast(Query[Subject], next(query for query in EXPIRED if query.kind is Subject))


def work(minutes: int = 0, kind: str = "mail") -> Work:
    return Work(kind=kind, ref="r", due_at=NOON + timedelta(minutes=minutes), created_at=NOON)


def document(parent: str = "orders", **data: Any) -> WebsiteDocument:
    return WebsiteDocument(parent=parent, data=data)


def request(minutes: int, *, is_open: bool) -> Request:
    return Request(
        right="erasure",
        channel="form",
        locale="en",
        status="unverified",
        open=is_open,
        received_at=NOON,
        statutory_by=NOON + timedelta(days=31),
        watch_by=NOON + timedelta(minutes=minutes),
        head=Head(seq=1, mac="m"),
    )


def read(store: Store, kind: type[R], id: str) -> Stored[R]:
    found = store.get(kind, id)
    assert found is not None
    return found


def at_once(act: Callable[[int], T]) -> list[T]:
    """Run the act in many threads that start together."""
    start = Barrier(THREADS)

    def run(number: int) -> T:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def paged(store: Store, query: Query[R], *equals: str | bool, limit: int) -> list[str]:
    """Read a query through in pages, as every use case does."""
    ids: list[str] = []
    last: Stored[R] | None = None
    while page := store.query(query, *equals, after=last, limit=limit):
        ids += [stored.id for stored in page]
        last = page[-1]
    return ids


def wins(store: Store, changes: Sequence[Change]) -> bool:
    try:
        store.commit(changes)
    except Conflict:
        return False
    return True


class StoreContract:
    """Inherited by a test class for each twin."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    # --- one record ---------------------------------------------------------------------------------------------------

    def test_what_is_absent_is_none(self, store: Store) -> None:
        assert store.get(Work, "nobody") is None

    def test_times_bytes_and_nested_values_come_back_as_written(self, store: Store) -> None:
        subject = Subject(
            kind="account",
            created_at=NOON,
            sealed=bytes(range(256)),
            decisions={
                "ads.and/more `quoted` é": Decision(granted=True, at=NOON, policy="2", receipt="r", until=NOON),
                "mail": Decision(granted=False, at=NOON, policy="1", receipt=""),
            },
            asked=["mail", "ads"],
        )
        store.commit([Create("s", subject)])
        assert read(store, Subject, "s").record == subject

    def test_free_values_keep_their_types(self, store: Store) -> None:
        data: dict[str, Any] = {"none": None, "yes": True, "one": 1, "float": 1.5, "text": "ä\u0000😀'\""}
        data |= {"map": {"a": {}}, "list": [1, "2", {"b": [None]}]}
        store.commit([Create("d", WebsiteDocument(parent="p", data=data))])
        assert read(store, WebsiteDocument, "d").record.data == data
        assert read(store, WebsiteDocument, "d").record.data["yes"] is True

    def test_a_long_text_comes_back_whole(self, store: Store) -> None:
        long = document(text="§ Ωords\n" * 20_000)
        store.commit([Create("1", long)])
        assert read(store, WebsiteDocument, "1").record == long

    def test_kinds_do_not_share_ids(self, store: Store) -> None:
        store.commit([Create("same", work()), Create("same", document())])
        store.commit([Delete(Work, "same")])
        assert store.get(Work, "same") is None
        assert read(store, WebsiteDocument, "same").record == document()

    def test_an_unusual_id_is_found_again_and_only_itself(self, store: Store) -> None:
        ids = ["a", "A", "a%", "a_", "a*", "a'", 'a"', "a b", "ä", "a\u0308", "a:1", "a;--", "😀"]
        store.commit([Create(one, work(kind=one)) for one in ids])
        assert [read(store, Work, one).record.kind for one in ids] == ids

    # --- preconditions ------------------------------------------------------------------------------------------------

    def test_creating_what_exists_conflicts_and_changes_nothing(self, store: Store) -> None:
        store.commit([Create("w", work(1))])
        before = read(store, Work, "w")
        with pytest.raises(Conflict):
            store.commit([Create("w", work(2))])
        assert read(store, Work, "w") == before

    def test_an_update_of_what_was_read_is_written(self, store: Store) -> None:
        store.commit([Create("w", work(1))])
        store.commit([Update(read(store, Work, "w"), work(2))])
        assert read(store, Work, "w").record == work(2)

    def test_an_update_of_what_has_changed_since_conflicts(self, store: Store) -> None:
        store.commit([Create("w", work(1))])
        old = read(store, Work, "w")
        store.commit([Update(old, work(2))])
        with pytest.raises(Conflict):
            store.commit([Update(old, work(3))])
        assert read(store, Work, "w").record == work(2)

    def test_a_write_of_the_same_content_counts_as_a_change(self, store: Store) -> None:
        store.commit([Create("w", work(1))])
        old = read(store, Work, "w")
        store.commit([Put("w", work(1))])
        with pytest.raises(Conflict):
            store.commit([Update(old, work(2))])

    def test_an_update_of_what_is_gone_conflicts_and_does_not_bring_it_back(self, store: Store) -> None:
        store.commit([Create("w", work(1))])
        old = read(store, Work, "w")
        store.commit([Delete(Work, "w")])
        with pytest.raises(Conflict):
            store.commit([Update(old, work(2))])
        assert store.get(Work, "w") is None

    @pytest.mark.parametrize("change", ["update", "delete"])
    def test_what_was_deleted_and_made_again_does_not_look_unchanged(self, store: Store, change: str) -> None:
        store.commit([Create("w", work(1))])
        old = read(store, Work, "w")
        store.commit([Delete(Work, "w")])
        store.commit([Create("w", work(1))])
        with pytest.raises(Conflict):
            store.commit([Update(old, work(2)) if change == "update" else Delete(Work, "w", old.version)])
        assert read(store, Work, "w").record == work(1)

    def test_a_delete_without_a_condition_takes_what_is_there_and_what_is_not(self, store: Store) -> None:
        store.commit([Create("w", work())])
        assert store.commit([Delete(Work, "w"), Delete(Work, "never")]) == ["", ""]
        assert store.get(Work, "w") is None

    def test_a_delete_of_what_was_read_is_done(self, store: Store) -> None:
        store.commit([Create("w", work())])
        store.commit([Delete(Work, "w", read(store, Work, "w").version)])
        assert store.get(Work, "w") is None

    def test_a_delete_of_what_has_changed_since_conflicts(self, store: Store) -> None:
        (version,) = store.commit([Create("w", work(1))])
        store.commit([Put("w", work(2))])
        with pytest.raises(Conflict):
            store.commit([Delete(Work, "w", version)])
        assert read(store, Work, "w").record == work(2)

    def test_a_conditional_delete_of_what_is_gone_conflicts(self, store: Store) -> None:
        (version,) = store.commit([Create("w", work())])
        store.commit([Delete(Work, "w")])
        with pytest.raises(Conflict):
            store.commit([Delete(Work, "w", version)])

    def test_a_put_writes_whatever_was_there(self, store: Store) -> None:
        store.commit([Put("w", work(1))])
        store.commit([Put("w", work(2))])
        assert read(store, Work, "w").record == work(2)

    def test_a_commit_returns_the_versions_that_reading_shows(self, store: Store) -> None:
        store.commit([Create("old", work())])
        changes: list[Change] = [
            Create("a", work()),
            Put("b", document()),
            Update(read(store, Work, "old"), work(1)),
        ]
        created, put, updated, deleted = store.commit([*changes, Delete(Work, "gone")])
        assert (created, put) == (read(store, Work, "a").version, read(store, WebsiteDocument, "b").version)
        assert (updated, deleted) == (read(store, Work, "old").version, "")

    # --- all or nothing -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("where", ["first", "last"])
    @pytest.mark.parametrize("broken", ["create", "update", "delete"])
    def test_one_failing_precondition_writes_nothing(self, store: Store, where: str, broken: str) -> None:
        (old,) = store.commit([Create("w", work(1))])
        store.commit([Put("w", work(2)), Create("stays", work(1))])
        stale = Stored("w", old, work(1))
        fails: Change = Delete(Work, "w", old)
        if broken != "delete":
            fails = Create("w", work(3)) if broken == "create" else Update(stale, work(3))
        fine: list[Change] = [
            Create("new", work()),
            Put("also", document()),
            Update(read(store, Work, "stays"), work(9)),
        ]
        with pytest.raises(Conflict):
            store.commit([fails, *fine] if where == "first" else [*fine, fails])
        assert store.get(Work, "new") is None
        assert store.get(WebsiteDocument, "also") is None
        assert read(store, Work, "stays").record == work(1)
        assert read(store, Work, "w").record == work(2)

    def test_a_store_works_on_after_a_conflict(self, store: Store) -> None:
        store.commit([Create("w", work())])
        with pytest.raises(Conflict):
            store.commit([Create("w", work())])
        store.commit([Create("x", work())])
        assert store.get(Work, "x")

    def test_nothing_may_be_committed(self, store: Store) -> None:
        assert store.commit([]) == []

    def test_a_commit_takes_as_many_changes_as_promised(self, store: Store) -> None:
        ids = [f"{number:03d}" for number in range(MOST_CHANGES)]
        assert len(store.commit([Create(one, work()) for one in ids])) == MOST_CHANGES
        store.commit([Delete(Work, one) for one in ids])
        assert store.query(DUE_WORK) == []

    # --- queries ------------------------------------------------------------------------------------------------------

    def test_an_equality_is_exact(self, store: Store) -> None:
        parents = ["orders", "Orders", "orders ", "order%", "order_", "*", "o'rders", "örders", ""]
        store.commit([Create(f"d{number}", document(parent)) for number, parent in enumerate(parents)])
        for number, parent in enumerate(parents):
            assert [found.id for found in store.query(WEBSITE_COLLECTION, parent)] == [f"d{number}"]

    def test_an_equality_tells_true_from_false(self, store: Store) -> None:
        store.commit([Create("open", request(1, is_open=True)), Create("closed", request(2, is_open=False))])
        assert [found.id for found in store.query(WATCHED_REQUESTS, True)] == ["open"]
        assert [found.id for found in store.query(WATCHED_REQUESTS, False)] == ["closed"]

    def test_a_range_includes_both_ends(self, store: Store) -> None:
        store.commit([Create(f"w{minute}", work(minute)) for minute in range(6)])
        found = store.query(DUE_WORK, at_least=NOON + timedelta(minutes=2), at_most=NOON + timedelta(minutes=4))
        assert [stored.id for stored in found] == ["w2", "w3", "w4"]

    def test_results_come_in_order_and_not_more_than_asked_for(self, store: Store) -> None:
        store.commit([Create(f"w{minute}", work(minute)) for minute in (3, 1, 2, 0)])
        assert [stored.id for stored in store.query(DUE_WORK, limit=3)] == ["w0", "w1", "w2"]

    def test_times_are_compared_as_times(self, store: Store) -> None:
        moments = [datetime(999, 1, 1, tzinfo=UTC), NOON, NOON + timedelta(seconds=1), datetime(2100, 1, 1, tzinfo=UTC)]
        store.commit(
            [
                Create(f"w{number}", Work(kind="k", ref="r", due_at=moment, created_at=NOON))
                for number, moment in enumerate(moments)
            ]
        )
        assert [stored.id for stored in store.query(DUE_WORK, at_most=NOON)] == ["w0", "w1"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    def test_ties_are_paged_through_without_loss_or_repetition(self, store: Store, limit: int) -> None:
        store.commit([Create(f"w{number}", work(number // 5)) for number in range(9)])
        assert paged(store, DUE_WORK, limit=limit) == [f"w{number}" for number in range(9)]

    def test_pages_go_on_when_the_page_before_was_deleted(self, store: Store) -> None:
        store.commit([Create(f"w{number}", work(number // 5)) for number in range(9)])
        first = store.query(DUE_WORK, limit=4)
        store.commit([Delete(Work, stored.id) for stored in first])
        assert [stored.id for stored in store.query(DUE_WORK, after=first[-1])] == ["w4", "w5", "w6", "w7", "w8"]

    def test_equality_range_order_limit_and_cursor_work_together(self, store: Store) -> None:
        store.commit([Create(f"r{number:02d}", request(number // 3, is_open=number % 2 == 0)) for number in range(20)])
        begin, end = NOON + timedelta(minutes=1), NOON + timedelta(minutes=5)
        first = store.query(WATCHED_REQUESTS, True, at_least=begin, at_most=end, limit=3)
        rest = store.query(WATCHED_REQUESTS, True, at_least=begin, at_most=end, after=first[-1])
        assert [stored.id for stored in first] == ["r04", "r06", "r08"]
        assert [stored.id for stored in rest] == ["r10", "r12", "r14", "r16"]

    def test_a_record_without_the_field_ranged_by_is_never_returned(self, store: Store) -> None:
        bare = Subject(kind="device", created_at=NOON, sealed=b"")
        timed = Subject(kind="device", created_at=NOON, sealed=b"", expires_at=NOON)
        store.commit([Create("bare", bare), Create("timed", timed)])
        assert [stored.id for stored in store.query(WITH_EXPIRY)] == ["timed"]
        assert [stored.id for stored in store.query(WITH_EXPIRY, at_most=NOON + timedelta(days=9))] == ["timed"]

    def test_ids_are_ordered_by_code_point(self, store: Store) -> None:
        ids = ["A", "a", "a b", "a-", "a.", "a0", "aa", "z", "é", "\uff5e", "😀"]
        store.commit([Create(one, document()) for one in reversed(ids)])
        assert paged(store, WEBSITE_BELOW, limit=2) == ids

    def test_a_range_of_ids_reads_what_begins_alike(self, store: Store) -> None:
        entry = LedgerEntry(stream="s", seq=1, at=NOON, kind="k", facts={}, previous="")
        ids = ["a:000001", "a:000002", "ab:000001", "a", "a;", "b:000001"]
        store.commit([Create(one, entry) for one in ids])
        assert [stored.id for stored in store.query(ALL_EVIDENCE, at_least="a:", at_most="a:~")] == ids[:2]

    def test_an_equality_ordered_by_id_is_paged_through(self, store: Store) -> None:
        store.commit([Create(f"d{number}", document("ab"[number % 2])) for number in range(8)])
        assert paged(store, WEBSITE_COLLECTION, "a", limit=3) == ["d0", "d2", "d4", "d6"]

    def test_what_a_query_returns_can_be_updated(self, store: Store) -> None:
        store.commit([Create("w", work(1))])
        (found,) = store.query(DUE_WORK)
        assert found == read(store, Work, "w")
        store.commit([Update(found, work(2))])
        assert read(store, Work, "w").record == work(2)

    def test_a_view_reads_what_it_names_of_a_record_and_is_found_by_what_only_the_record_names(
        self, store: Store
    ) -> None:
        accounts = {id: Subject(kind="account", created_at=NOON, sealed=id.encode(), asked=["v1"]) for id in "cab"}
        device = Subject(kind="device", created_at=NOON, sealed=b"d")
        store.commit([Create(id, one) for id, one in {**accounts, "aa": device}.items()])
        found = store.query(ACCOUNTS, "account", at_least="b", limit=5)
        assert [(one.id, one.record) for one in found] == [
            (id, Addressee(created_at=NOON, sealed=id.encode())) for id in "bc"
        ]
        assert read(store, Addressee, "aa").record == Addressee(created_at=NOON, sealed=b"d")
        assert paged(store, ACCOUNTS, "account", limit=2) == ["a", "b", "c"]
        assert store.get(Addressee, "x") is None

    def test_a_page_shorter_than_asked_for_is_the_last(self, store: Store) -> None:
        store.commit([Create(f"d{number}", document("ab"[number % 2])) for number in range(20)])
        sizes = [len(store.query(WEBSITE_COLLECTION, "a", limit=limit)) for limit in (1, 9, 10, 11)]
        assert sizes == [1, 9, 10, 10]
        for page in (1, 3, 5, 10, 11):
            ids = [one.id for one in every(store, WEBSITE_COLLECTION, "a", page=page)]
            assert ids == sorted(f"d{number}" for number in range(0, 20, 2))

    def test_a_query_sees_a_change_of_the_fields_it_asks_by(self, store: Store) -> None:
        store.commit([Create("r", request(1, is_open=True))])
        store.commit([Update(read(store, Request, "r"), request(1, is_open=False))])
        assert store.query(WATCHED_REQUESTS, True) == []

    def test_a_query_that_is_not_declared_is_refused(self, store: Store) -> None:
        with pytest.raises(NeverRetry, match="undeclared_query"):
            store.query(Query(Work, by="created_at"))

    # --- what no batch can do ------------------------------------------------------------------------------------------

    def test_more_changes_than_a_batch_takes_are_refused_and_none_is_written(self, store: Store) -> None:
        with pytest.raises(NeverRetry, match="commit_too_large"):
            store.commit([Create(f"{number:03d}", work()) for number in range(MOST_CHANGES + 1)])
        assert store.query(DUE_WORK) == []

    @pytest.mark.parametrize(("records", "length"), [(1, MOST_RECORD_BYTES + 1), (5, 900_000)])
    def test_more_bytes_than_a_batch_takes_are_refused_and_none_is_written(
        self, store: Store, records: int, length: int
    ) -> None:
        with pytest.raises(NeverRetry, match="commit_too_large"):
            store.commit([Create(f"d{number}", document(text="x" * length)) for number in range(records)])
        assert store.query(WEBSITE_BELOW) == []

    def test_nearly_as_many_bytes_as_a_batch_takes_are_written(self, store: Store) -> None:
        store.commit([Create(f"d{number}", document(text="x" * 950_000)) for number in range(4)])
        assert [len(found.record.data["text"]) for found in store.query(WEBSITE_BELOW)] == [950_000] * 4

    @pytest.mark.parametrize("id", ["", ".", "..", "__all__", "a/b", "x" * 1501, "__x/y__", "\0"])
    def test_nothing_stands_under_an_impossible_id(self, store: Store, id: str) -> None:
        assert store.get(Request, id) is None

    # --- many at once -------------------------------------------------------------------------------------------------

    def test_of_many_updates_of_one_record_exactly_one_wins(self, store: Store) -> None:
        store.commit([Create("w", work())])
        old = read(store, Work, "w")
        won = at_once(lambda number: wins(store, [Update(old, work(number + 1)), Create(f"by{number}", work())]))
        assert won.count(True) == 1
        winner = won.index(True)
        assert read(store, Work, "w").record == work(winner + 1)
        assert [number for number in range(THREADS) if store.get(Work, f"by{number}")] == [winner]

    def test_of_many_creations_of_one_id_exactly_one_wins(self, store: Store) -> None:
        won = at_once(lambda number: wins(store, [Create("w", work(number))]))
        assert won.count(True) == 1
        assert read(store, Work, "w").record == work(won.index(True))

    def test_counting_by_read_and_update_loses_nothing(self, store: Store) -> None:
        store.commit([Create("d", document(count=0))])

        def add(_: int) -> None:
            while True:
                old = read(store, WebsiteDocument, "d")
                if wins(store, [Update(old, document(count=old.record.data["count"] + 1))]):
                    return

        at_once(add)
        assert read(store, WebsiteDocument, "d").record.data == {"count": THREADS}

    def test_a_commit_is_seen_whole_or_not_at_all(self, store: Store) -> None:
        store.commit([Create("a", document(n=0)), Create("b", document(n=0))])

        def write_or_read(number: int) -> bool:
            if number == 0:
                for turn in range(20):
                    store.commit([Put("a", document(n=turn)), Put("b", document(n=turn))])
                return True
            seen = [[stored.record.data["n"] for stored in store.query(WEBSITE_BELOW)] for _ in range(10)]
            return all(len(set(pair)) == 1 for pair in seen)

        assert all(at_once(write_or_read))

    # --- gone ---------------------------------------------------------------------------------------------------------

    def test_the_last_copy_is_not_gone_before_the_deletion(self, store: Store) -> None:
        store.commit([Create("w", work())])
        store.commit([Delete(Work, "w")])
        assert store.physically_gone(NOON) >= NOON
