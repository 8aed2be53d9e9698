"""The embedded twin of the website's own data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.sqlite_store import SqliteStore
from infra.local.website import LocalWebsite
from shared.failures import BadInput, TryAgain
from shared.records import WEBSITE_BELOW
from shared.website import only, readable
from tests.contracts.website_contract import TRICKS, WebsiteContract, paths


@pytest.fixture
def website(tmp_path: Path) -> Iterator[LocalWebsite]:
    store = SqliteStore(tmp_path / "pledge.db")
    yield LocalWebsite(store, tmp_path / "website")
    store.close()


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


class TestLocalWebsite(WebsiteContract):
    """The contract, over SQLite and a folder."""


# --- documents -------------------------------------------------------------------------------------------------------

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
    site = LocalWebsite(store, tmp_path_factory.getbasetemp())
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


@pytest.mark.parametrize("path", TRICKS)
def test_a_tricky_path_is_neither_read_nor_deleted(website: LocalWebsite, path: str) -> None:
    for act in (website.read_file, website.delete_file):
        with pytest.raises(BadInput) as refused:
            act("uploads", path)
        assert refused.value.field == "files"


def test_a_bucket_nothing_was_put_into_is_empty(website: LocalWebsite) -> None:
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
