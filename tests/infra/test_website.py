"""The embedded twin of the website's own data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.sqlite_store import SqliteStore
from infra.local.website import LocalWebsite
from shared.failures import BadInput, TryAgain
from shared.records import WEBSITE_BELOW
from shared.website import only, readable
from shared.website_data import website_data_from

DECLARED = website_data_from(
    {
        "firestore": [
            {"documents": "users/{user_id}"},
            {"query": "orders where user_id == {user_id}"},
            {"query": "tickets where from.mail == {email}"},
        ],
        "storage": ["gs://uploads/users/{user_id}/", "gs://uploads/faces/{user_id}.png", "gs://invoices/{user_id}/"],
    }
)
LOOK_ALIKES = [
    "u1",
    "u10",
    "u1%",
    "u_",
    "u*",
    "u[1]",
    "U1",
    "u.1",
    "u 1",
    "u'1",
    'u"1',
    "u\\1",
    "ü1",
    "用户",
    "😀",
    "u1-x",
]
TRICKS = [
    "",
    "/",
    "a//b",
    "/a/b",
    "a/b/",
    "a/../b",
    "../a",
    "a/..",
    "./a",
    "a/.",
    "a/\x00b",
    "a/b\n",
    "a/\ud800",
    "\x7f/b",
]


@pytest.fixture
def website(tmp_path: Path) -> Iterator[LocalWebsite]:
    store = SqliteStore(tmp_path / "pledge.db")
    yield LocalWebsite(store, tmp_path / "website", DECLARED)
    store.close()


def paths(found: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [path for path, _ in found]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- documents -------------------------------------------------------------------------------------------------------


def test_below_is_the_document_and_all_that_stands_under_it(website: LocalWebsite) -> None:
    for path in ("users/u1", "users/u1/notes/n1", "users/u1/notes/n1/drafts/d", "users/u2", "shops/users"):
        website.write(path, {"at": path})
    assert website.below("users/u1") == [
        ("users/u1", {"at": "users/u1"}),
        ("users/u1/notes/n1", {"at": "users/u1/notes/n1"}),
        ("users/u1/notes/n1/drafts/d", {"at": "users/u1/notes/n1/drafts/d"}),
    ]


def test_what_stands_under_a_missing_document_is_found(website: LocalWebsite) -> None:
    website.write("users/u1/notes/n1", {})
    assert paths(website.below("users/u1")) == ["users/u1/notes/n1"]


@pytest.mark.parametrize("user", LOOK_ALIKES)
def test_an_id_finds_itself_and_none_that_looks_like_it(website: LocalWebsite, user: str) -> None:
    for other in LOOK_ALIKES:
        website.write(f"users/{other}", {"user_id": other})
        website.write(f"users/{other}/notes/1", {})
        website.write(f"orders/of {other}", {"user_id": other})
        website.write_file("uploads", f"users/{other}/a.txt", b"x")
        website.write_file("uploads", f"faces/{other}.png", b"x")
    found = website.person_data(user)
    assert set(found["documents"]) == {f"users/{user}", f"users/{user}/notes/1", f"orders/of {user}"}
    assert set(found["files"]) == {f"users/{user}/a.txt", f"faces/{user}.png"}


def test_more_documents_than_a_page_are_all_found_and_deleted(website: LocalWebsite) -> None:
    many = [f"users/u1/notes/{number:04d}" for number in range(1100)]
    for path in many:
        website.write(path, {"user_id": "u1"})
    website.write("users/u10", {})
    assert paths(website.below("users/u1")) == many
    assert len(website.matching("notes", "user_id", "u1")) == 1100
    website.delete(many)
    assert website.below("users/u1") == []
    assert paths(website.below("users/u10")) == ["users/u10"]


def test_a_query_finds_its_collection_at_any_depth_and_no_other(website: LocalWebsite) -> None:
    for path in ("orders/o1", "shops/1/orders/2", "orders/o1/items/i1", "old_orders/o", "shops/orders", "Orders/o"):
        website.write(path, {"user_id": "u1"})
    assert paths(website.matching("orders", "user_id", "u1")) == ["orders/o1", "shops/1/orders/2"]


def test_a_query_reads_dotted_fields(website: LocalWebsite) -> None:
    website.write("tickets/1", {"from": {"mail": "ada@example.com"}})
    website.write("tickets/2", {"from": "ada@example.com"})
    website.write("tickets/3", {"from.mail": "ada@example.com"})
    assert paths(website.matching("tickets", "from.mail", "ada@example.com")) == ["tickets/1"]


@pytest.mark.parametrize("value", [1, True, None, ["1"], {"1": "1"}, "1 ", "11", "", 1.0])
def test_a_query_is_exact_about_value_and_type(website: LocalWebsite, value: object) -> None:
    website.write("orders/o", {"user_id": value})
    assert website.matching("orders", "user_id", "1") == []


def test_writing_replaces_the_whole_document(website: LocalWebsite) -> None:
    website.write("users/u1", {"name": "Ada", "age": 36})
    website.write("users/u1", {"name": "A"})
    assert website.below("users/u1") == [("users/u1", {"name": "A"})]


def test_deleting_what_is_absent_is_fine(website: LocalWebsite) -> None:
    website.delete(["users/nobody", "users/nobody/notes/n"])


@pytest.mark.parametrize("path", TRICKS)
def test_a_tricky_path_is_refused_by_the_name_of_its_field(website: LocalWebsite, path: str) -> None:
    calls: dict[str, list[Callable[[], object]]] = {
        "documents": [
            lambda: website.below(path),
            lambda: website.write(path, {}),
            lambda: website.delete([path]),
            lambda: website.put_person_data("u1", {path: {}}, {}),
        ],
        "files": [
            lambda: website.read_file("uploads", path),
            lambda: website.write_file("uploads", path, b""),
            lambda: website.delete_file("uploads", path),
            lambda: website.put_person_data("u1", {}, {path: ""}),
        ],
    }
    for field, acts in calls.items():
        for act in acts:
            with pytest.raises(BadInput) as refused:
                act()
            assert refused.value.field == field


@pytest.mark.parametrize("prefix", ["", "/", "../", "a/../", "a//", "/a/", "a/./"])
def test_a_tricky_prefix_is_refused_and_an_empty_one_does_not_mean_all(website: LocalWebsite, prefix: str) -> None:
    website.write_file("uploads", "a/b", b"x")
    with pytest.raises(BadInput):
        website.list_files("uploads", prefix)


@pytest.mark.parametrize(
    "bucket", ["", "..", ".", "a", "Uploads", "up/loads", "../uploads", "up\x00", "-up", "{user_id}"]
)
def test_a_tricky_bucket_is_refused(website: LocalWebsite, bucket: str) -> None:
    for act in (website.read_file, website.list_files, website.delete_file):
        with pytest.raises(BadInput) as refused:
            act(bucket, "a/b")
        assert refused.value.field == "bucket"


SEGMENT = st.sampled_from(["a", "a0", "a-", "%", "~", "é", "😀"])
ASKED = st.sampled_from(["a/a", "a/a0", "a/%", "~/~", "é/a"])
STORED = st.builds(
    lambda start, more: "/".join([start, *more]),
    ASKED,
    st.lists(SEGMENT, max_size=4).filter(lambda more: len(more) % 2 == 0),
)


@settings(max_examples=60, deadline=None)
@given(stored=st.sets(STORED, max_size=12), asked=ASKED)
def test_below_agrees_with_the_plain_meaning(
    tmp_path_factory: pytest.TempPathFactory, stored: set[str], asked: str
) -> None:
    store = SqliteStore(tmp_path_factory.getbasetemp() / "below.db")
    site = LocalWebsite(store, tmp_path_factory.getbasetemp(), DECLARED)
    site.delete([left.id for left in store.query(WEBSITE_BELOW, limit=1000)])
    for path in stored:
        site.write(path, {})
    expected = {path for path in stored if path == asked or path.startswith(f"{asked}/")}
    found = paths(site.below(asked))
    store.close()
    assert set(found) == expected
    assert len(found) == len(expected)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_stands_where_the_contract_says(website: LocalWebsite, tmp_path: Path) -> None:
    website.write_file("uploads", "users/u1/a.txt", b"hello")
    assert (tmp_path / "website" / "uploads" / "users" / "u1" / "a.txt").read_bytes() == b"hello"
    assert website.read_file("uploads", "users/u1/a.txt") == b"hello"


def test_a_prefix_with_a_slash_lists_all_below_and_without_one_a_single_file(website: LocalWebsite) -> None:
    for path in ("users/u1/b", "users/u1/a/c", "users/u1x", "users/u10/d", "users/u1.png"):
        website.write_file("uploads", path, b"x")
    assert website.list_files("uploads", "users/u1/") == ["users/u1/a/c", "users/u1/b"]
    assert website.list_files("uploads", "users/u1.png") == ["users/u1.png"]
    assert website.list_files("uploads", "users/u1") == []
    assert website.list_files("nothing", "users/u1/") == []


def test_deleting_a_file_removes_the_folders_it_leaves_empty_and_no_other(
    website: LocalWebsite, tmp_path: Path
) -> None:
    website.write_file("uploads", "users/u1/deep/a", b"x")
    website.write_file("uploads", "users/u2/b", b"x")
    website.delete_file("uploads", "users/u1/deep/a")
    assert tree(tmp_path / "website") == ["uploads", "uploads/users", "uploads/users/u2", "uploads/users/u2/b"]


def test_a_deleted_files_content_is_overwritten_where_it_stood(website: LocalWebsite, tmp_path: Path) -> None:
    content = b"a secret" * 300_000
    website.write_file("uploads", "users/u1/a", content)
    os.link(tmp_path / "website/uploads/users/u1/a", tmp_path / "the same blocks")
    website.delete_file("uploads", "users/u1/a")
    assert (tmp_path / "the same blocks").read_bytes() == bytes(len(content))


def test_a_link_is_removed_and_what_it_leads_to_is_not_touched(website: LocalWebsite, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("not the website's")
    website.write_file("uploads", "users/u1/a", b"x")
    (tmp_path / "website/uploads/users/u1/link").symlink_to(tmp_path / "elsewhere")
    for path in website.list_files("uploads", "users/u1/"):
        website.delete_file("uploads", path)
    assert (tmp_path / "elsewhere").read_text() == "not the website's"
    assert website.list_files("uploads", "users/u1/") == []


def test_an_absent_file_reads_as_none_and_deletes_as_done(website: LocalWebsite) -> None:
    website.write_file("uploads", "users/u1/a", b"x")
    for path in ("users/u1/b", "users/u1", "users/u1/a/b", "x" * 300, f"users/{'😀' * 128}/a"):
        assert website.read_file("uploads", path) is None
        assert website.list_files("uploads", path) == []
        assert website.list_files("uploads", f"{path}/") == (["users/u1/a"] if path == "users/u1" else [])
        website.delete_file("uploads", path)
    assert website.read_file("uploads", "users/u1/a") == b"x"


@pytest.mark.parametrize("path", ["users", "users/u1/a/b", "x" * 300])
def test_a_file_that_cannot_stand_there_is_refused(website: LocalWebsite, path: str) -> None:
    website.write_file("uploads", "users/u1/a", b"x")
    with pytest.raises(BadInput) as refused:
        website.write_file("uploads", path, b"y")
    assert refused.value.field == "files"


def test_a_disk_that_cannot_answer_asks_to_try_again_without_naming_the_path(
    website: LocalWebsite, tmp_path: Path
) -> None:
    (tmp_path / "website" / "uploads").mkdir(parents=True)
    (tmp_path / "website" / "uploads" / "ada").symlink_to("ada")
    with pytest.raises(TryAgain) as failed:
        website.read_file("uploads", "ada")
    assert failed.value.code == "website_files_eloop"
    assert failed.value.__context__ is None


# --- the demo website's data -----------------------------------------------------------------------------------------


def test_what_was_put_is_got_by_the_declaration(website: LocalWebsite) -> None:
    documents = {
        "users/u1": {"name": "Ada"},
        "users/u1/notes/n": {"text": "hm"},
        "orders/7": {"user_id": "u1", "amount": 5},
        "orders/8": {"user_id": "u2"},
    }
    website.put_person_data("u1", documents, {"users/u1/a.txt": "grüße", "users/u2/b.txt": "no"})
    del documents["orders/8"]
    assert website.person_data("u1") == {"documents": documents, "files": {"users/u1/a.txt": "grüße"}}


def test_files_outside_the_first_bucket_are_shown_with_their_bucket(website: LocalWebsite) -> None:
    website.write_file("invoices", "u1/7.pdf", b"\xff\xfe")
    assert website.person_data("u1")["files"] == {"gs://invoices/u1/7.pdf": {"base64": "//4="}}


def test_a_user_without_data_has_none(website: LocalWebsite) -> None:
    assert website.person_data("nobody") == {"documents": {}, "files": {}}


@pytest.mark.parametrize(
    ("person", "documents", "files", "field"),
    [
        ("a/b", {}, {}, "user_id"),
        ("..", {}, {}, "user_id"),
        ("u1", {"users": {}}, {}, "documents"),
        ("u1", {"users/u1/notes": {}}, {}, "documents"),
        ("u1", {"users/u1": "text"}, {}, "documents"),
        ("u1", {"users/u1": None}, {}, "documents"),
        ("u1", {"users/u1": {}}, {"a": 5}, "files"),
        ("u1", {"users/u1": {}}, {"../a": "x"}, "files"),
        ("u1", {f"users/{number}": {} for number in range(501)}, {}, "documents"),
    ],
)
def test_what_cannot_be_put_is_refused_and_nothing_is_written(
    website: LocalWebsite, tmp_path: Path, person: str, documents: dict[str, Any], files: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        website.put_person_data(person, {"users/fine": {}, **documents}, {"fine": "x", **files})
    assert refused.value.field == field
    assert website.below("users/fine") == []
    assert tree(tmp_path / "website") == []


def test_files_need_a_declared_bucket(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "pledge.db")
    bare = LocalWebsite(store, tmp_path / "website", website_data_from({}))
    with pytest.raises(BadInput) as refused:
        bare.put_person_data("u1", {}, {"a": "x"})
    assert refused.value.field == "files"
    store.close()


# --- pure parts ------------------------------------------------------------------------------------------------------


def test_only_the_named_fields_are_kept_also_inside_maps() -> None:
    data = {"amount": 5, "buyer": {"name": "Ada", "vat": "X1"}, "note": "hm", "zero": 0, "none": None}
    fields = ["amount", "buyer.vat", "zero", "none", "absent", "amount.deeper"]
    assert only(data, fields) == {"amount": 5, "buyer": {"vat": "X1"}, "zero": 0, "none": None}
    assert only(only(data, fields), fields) == only(data, fields)
    assert only(data, ["buyer", "buyer.vat"]) == {"buyer": {"name": "Ada", "vat": "X1"}}


def test_a_file_is_shown_as_text_when_it_is_text() -> None:
    assert readable("grüße".encode()) == "grüße"
    assert readable(b"\x89PNG") == {"base64": "iVBORw=="}
