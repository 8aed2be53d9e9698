"""The file of an export: whole, the same each time, and harmless wherever it is opened."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from shared import export_zip
from shared.export_zip import Facts, Names, cell, page, table
from tests.infra.html_reader import Page

AT = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
MANIFEST: dict[str, Any] = {
    "request_id": "r1",
    "right": "access",
    "scope": "All of it.",
    "generated_at": "2026-03-01T12:34:56Z",
    "controller": "Sample Rooms",
    "gaps": [{"subprocessor": "facebook", "why": "nobody <is> told", "as_of": "2026-02-01"}],
}
HELD: dict[str, Any] = {
    "stripe": {"customers": [{"id": "cus_1", "address": {"city": "Leith"}, "tags": ["a", "b"]}, {"id": "cus_2"}]},
    "google_cloud_platform": {"documents": {"users/u1": {"name": "Ann"}, "users/u2": {"n": -5}}},
    "sendgrid": {},
}
FILES = {"gs://uploads/users/u1/photo": {"base64": "/9g="}, "gs://uploads/users/u1/note.txt": "héllo"}


def made(held: Mapping[str, Any] = HELD, files: Mapping[str, Any] = FILES) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(written(held, files))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def written(held: Mapping[str, Any] = HELD, files: Mapping[str, Any] = FILES) -> bytes:
    to = io.BytesIO()
    export_zip.write(Facts(AT, held, files, MANIFEST), to)
    return to.getvalue()


def test_everything_is_in_it_as_data_as_tables_as_a_page_and_as_files() -> None:
    members = made()
    assert list(members) == [
        "data.json",
        "index.html",
        "csv/stripe-customers.csv",
        "csv/google_cloud_platform-documents.csv",
        "files/uploads/users/u1/photo",
        "files/uploads/users/u1/note.txt",
        "manifest.json",
    ]
    data = json.loads(members["data.json"])
    assert data["data"] == HELD
    assert data["files"]["gs://uploads/users/u1/photo"] == "files/uploads/users/u1/photo"
    assert members["files/uploads/users/u1/photo"] == b"\xff\xd8"
    assert members["files/uploads/users/u1/note.txt"].decode() == "héllo"


def test_the_manifest_vouches_for_every_member_and_names_the_gaps() -> None:
    members = made()
    manifest = json.loads(members.pop("manifest.json"))
    assert manifest["gaps"] == MANIFEST["gaps"]
    assert {one["name"]: (one["bytes"], one["sha256"]) for one in manifest["members"]} == {
        name: (len(content), sha256(content).hexdigest()) for name, content in members.items()
    }
    assert manifest["members"][-1]["from"] == "gs://uploads/users/u1/note.txt"


def test_the_same_facts_make_the_same_bytes_whatever_their_order() -> None:
    assert written() == written()
    with zipfile.ZipFile(io.BytesIO(written())) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2026, 3, 1, 12, 34, 56)}
    turned = {"stripe": {"customers": [dict(reversed(one.items())) for one in HELD["stripe"]["customers"]]}}
    assert made(turned)["data.json"] == made({"stripe": HELD["stripe"]})["data.json"]


def test_a_table_has_a_column_for_every_field_and_text_for_what_is_nested() -> None:
    rows = list(csv.DictReader(io.StringIO(made()["csv/stripe-customers.csv"].decode())))
    assert rows == [
        {"id": "cus_1", "address.city": "Leith", "tags": '["a","b"]'},
        {"id": "cus_2", "address.city": "", "tags": ""},
    ]
    named = list(csv.DictReader(io.StringIO(made()["csv/google_cloud_platform-documents.csv"].decode())))
    assert [row["name"] for row in named] == ["Ann", "users/u2"]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_begins_like_a_formula_and_no_column_either(begins: str) -> None:
    text = f'{begins}cmd|"/c calc"!A1'
    (row,) = csv.DictReader(io.StringIO(table([{text: text}]).decode(), newline=""))
    assert row == {f"'{text}": f"'{text}"}


def test_numbers_and_truths_stay_what_they_are() -> None:
    assert [cell(one) for one in (-5, 1.5, True, False, "plain", "")] == [-5, 1.5, "true", "false", "plain", ""]


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    "..",
    ".",
    "C:\\Windows\\x",
    "a\\..\\b",
    "con",
    "aux.txt",
    "x\x00y",
    "line\nbreak",
    "trailing. ",
    "a//b",
    "\ud800lone",
    "x" * 5000,
    "right\u202eto left",
]


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda one: ascii(one[:20]))
def test_no_name_leads_out_of_the_folder(raw: str) -> None:
    place = f"gs://bucket/{raw}"
    (name,) = [name for name in made({}, {place: "x"}) if name.startswith("files/")]
    parts = name.split("/")
    assert all(part not in {"", ".", ".."} and len(part) <= 101 for part in parts)
    assert not any(sign in name for sign in '\\:\0\n\u202e<>|"?*')
    assert not name.endswith((".", " "))
    assert parts[-1].partition(".")[0].lower() not in {"con", "aux"}


def test_no_two_names_are_the_same_on_any_machine() -> None:
    names = Names()
    taken = [
        names.take(one)
        for one in ("files/a.txt", "files/A.TXT", "files/a:.txt", "files/a?.txt", "files/é", "files/e\u0301")
    ]
    assert taken == ["files/a.txt", "files/A~2.TXT", "files/a_.txt", "files/a_~2.txt", "files/é", "files/é~2"]


def test_two_places_never_share_a_file() -> None:
    files = {"gs://b/x?": "one", "gs://b/x*": "two", "gs://b/X_": "three"}
    contents = [content for name, content in made({}, files).items() if name.startswith("files/")]
    assert contents == [b"one", b"two", b"three"]


def test_the_page_runs_nothing_and_fetches_nothing_whatever_is_in_it() -> None:
    nasty = '<script>alert(1)</script><img src="https://x.test/p" onerror=x>"\'&'
    text = page(
        MANIFEST | {"gaps": [{"subprocessor": nasty, "why": nasty}]}, {nasty: {nasty: [{nasty: nasty}]}}, {nasty: nasty}
    )
    shown = Page(text)
    assert shown.named("script", "img", "link", "iframe", "object", "form") == []
    assert "default-src 'none'" in text
    assert "<script>alert(1)</script>" in shown.text
    assert not any(
        name.startswith("on") or name in {"src", "href"} for one in shown.elements for name in one.attributes
    )


def test_the_page_shows_what_is_held_and_what_is_missing() -> None:
    text = Page(made()["index.html"].decode()).text
    for shown in ("Stripe", "cus_1", "Leith", "Facebook: nobody <is> told", "files/uploads/users/u1/photo"):
        assert shown in text


def test_an_empty_export_is_a_whole_file_all_the_same() -> None:
    assert list(made({}, {})) == ["data.json", "index.html", "manifest.json"]
