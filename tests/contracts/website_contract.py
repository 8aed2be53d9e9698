"""What every `WebsiteStore` must do, wherever the website keeps its data. Subclasses supply an empty `website`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest

from infra.local.person_data import person_data, put_person_data
from shared.failures import BadInput
from shared.website import WebsiteStore, only
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
BUCKETS = ("uploads", "invoices")
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
    "u`1",
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
STARTS = ["a/a", "a/a0", "a/a-", "a/%", "~/~", "é/a"]
SEGMENTS = ["a", "a0", "-", "😀"]
MANY = 1200


def paths(found: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    return [path for path, _ in found]


class WebsiteContract:
    """Inherit, and supply the fixture `website`."""

    def fill(self, website: WebsiteStore, paths: Sequence[str]) -> None:
        """Write a document at each of these paths; a twin may know a faster way."""
        for path in paths:
            website.write(path, {"user_id": "u1"})

    # --- documents ---------------------------------------------------------------------------------------------------

    def test_below_is_the_document_and_all_that_stands_under_it(self, website: WebsiteStore) -> None:
        for path in ("users/u1", "users/u1/notes/n1", "users/u1/notes/n1/drafts/d", "users/u2", "shops/users"):
            website.write(path, {"at": path})
        assert website.below("users/u1") == [
            ("users/u1", {"at": "users/u1"}),
            ("users/u1/notes/n1", {"at": "users/u1/notes/n1"}),
            ("users/u1/notes/n1/drafts/d", {"at": "users/u1/notes/n1/drafts/d"}),
        ]

    def test_what_stands_under_missing_documents_is_found(self, website: WebsiteStore) -> None:
        website.write("users/u1/notes/n1/drafts/d/lines/l", {})
        website.write("users/u1/pets/p", {})
        assert paths(website.below("users/u1")) == ["users/u1/notes/n1/drafts/d/lines/l", "users/u1/pets/p"]

    def test_below_agrees_with_the_plain_meaning(self, website: WebsiteStore) -> None:
        deeper = [*map("/".join, product(SEGMENTS, repeat=2)), "-/-/a/a", "a0/a/😀/-"]
        stored = [*STARTS[::2], *(f"{start}/{more}" for start in STARTS for more in deeper)]
        self.fill(website, stored)
        for asked in [*STARTS, "a/a/a/a", "a/a/-/-", "é/é"]:
            expected = sorted(path for path in stored if path == asked or path.startswith(f"{asked}/"))
            assert paths(website.below(asked)) == expected, asked

    def test_an_id_finds_itself_and_none_that_looks_like_it(self, website: WebsiteStore) -> None:
        for user in LOOK_ALIKES:
            website.write(f"users/{user}", {"user_id": user})
            website.write(f"users/{user}/notes/1", {})
            website.write(f"orders/of {user}", {"user_id": user})
            website.write_file("uploads", f"users/{user}/a.txt", b"x")
            website.write_file("uploads", f"faces/{user}.png", b"x")
        for user in LOOK_ALIKES:
            found = person_data(website, DECLARED, user)
            assert set(found["documents"]) == {f"users/{user}", f"users/{user}/notes/1", f"orders/of {user}"}
            assert set(found["files"]) == {f"users/{user}/a.txt", f"faces/{user}.png"}

    def test_more_documents_than_a_page_are_all_found_and_deleted(self, website: WebsiteStore) -> None:
        many = [f"users/u1/notes/{number:04d}" for number in range(MANY)]
        self.fill(website, [*many, "users/u10"])
        assert paths(website.below("users/u1")) == many
        assert paths(website.matching("notes", "user_id", "u1")) == many
        website.delete(many)
        assert website.below("users/u1") == []
        assert paths(website.below("users/u10")) == ["users/u10"]

    def test_a_query_finds_its_collection_at_any_depth_and_no_other(self, website: WebsiteStore) -> None:
        for path in ("orders/o1", "shops/1/orders/2", "orders/o1/items/i1", "old_orders/o", "shops/orders", "Orders/o"):
            website.write(path, {"user_id": "u1"})
        assert paths(website.matching("orders", "user_id", "u1")) == ["orders/o1", "shops/1/orders/2"]

    def test_a_query_reads_dotted_fields(self, website: WebsiteStore) -> None:
        website.write("tickets/1", {"from": {"mail": "ada@example.com"}})
        website.write("tickets/2", {"from": "ada@example.com"})
        website.write("tickets/3", {"from.mail": "ada@example.com"})
        assert paths(website.matching("tickets", "from.mail", "ada@example.com")) == ["tickets/1"]

    @pytest.mark.parametrize("field", ["id", "_", "0", "9lives", "élan", "用户.名", "from.0", "select"])
    def test_a_field_may_have_any_name_a_rule_can_hold(self, website: WebsiteStore, field: str) -> None:
        outer, _, inner = field.partition(".")
        website.write("tickets/1", {outer: {inner: "ada"}} if inner else {outer: "ada"})
        website.write("tickets/2", {field: "somebody else"})
        assert paths(website.matching("tickets", field, "ada")) == ["tickets/1"]

    @pytest.mark.parametrize("value", [1, True, None, ["1"], {"1": "1"}, "1 ", "11", "", 1.0])
    def test_a_query_is_exact_about_value_and_type(self, website: WebsiteStore, value: object) -> None:
        website.write("orders/o", {"user_id": value})
        website.write("orders/p", {"user_id": "1"})
        assert paths(website.matching("orders", "user_id", "1")) == ["orders/p"]

    def test_writing_replaces_the_whole_document(self, website: WebsiteStore) -> None:
        website.write("users/u1", {"name": "Ada", "age": 36})
        website.write("users/u1", {"name": "A"})
        assert website.below("users/u1") == [("users/u1", {"name": "A"})]

    def test_a_document_is_read_as_it_was_written_and_can_be_pared_down(self, website: WebsiteStore) -> None:
        numbers = {"zero": 0, "big": 2**63 - 1, "small": -(2**63), "half": 0.5, "tiny": 5e-324, "whole": 2.0}
        odd = {"a.b": 1, "`": 2, "\\": 3, "ü 😀": 4, "0": 5}
        data = {
            "text": "grüße\n",
            "none": None,
            "yes": True,
            "list": [1, "2", None, {}],
            "map": {},
            **numbers,
            "m": odd,
        }
        website.write("users/u1", data)
        ((_, found),) = website.below("users/u1")
        assert found == data
        assert {name: type(value) for name, value in found.items()} == {
            name: type(value) for name, value in data.items()
        }
        website.write("users/u1", only(found, ["m", "half", "absent"]))
        assert website.below("users/u1") == [("users/u1", {"m": odd, "half": 0.5})]

    def test_deleting_what_is_absent_is_fine(self, website: WebsiteStore) -> None:
        website.delete(["users/nobody", "users/nobody/notes/n"])
        website.delete([])

    @pytest.mark.parametrize("path", TRICKS)
    def test_a_tricky_path_is_refused_by_the_name_of_its_field(self, website: WebsiteStore, path: str) -> None:
        calls: dict[str, list[Callable[[], object]]] = {
            "documents": [
                lambda: website.below(path),
                lambda: website.write(path, {}),
                lambda: website.delete([path]),
                lambda: website.delete(["users/fine", path]),
                lambda: put_person_data(website, DECLARED, "u1", {path: {}}, {}),
            ],
            "files": [
                lambda: website.write_file("uploads", path, b""),
                lambda: put_person_data(website, DECLARED, "u1", {}, {path: ""}),
            ],
        }
        for field, acts in calls.items():
            for act in acts:
                with pytest.raises(BadInput) as refused:
                    act()
                assert refused.value.field == field

    @pytest.mark.parametrize("path", ["users", "users/u1/notes"])
    def test_a_collection_is_no_document(self, website: WebsiteStore, path: str) -> None:
        website.write("users/u1/notes/n", {})
        for act in (website.below, lambda path: website.write(path, {}), lambda path: website.delete([path])):
            with pytest.raises(BadInput) as refused:
                act(path)
            assert refused.value.field == "documents"

    # --- files -------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("prefix", ["", "/", "../", "a/../", "a//", "/a/", "a/./"])
    def test_a_tricky_prefix_is_refused_and_an_empty_one_does_not_mean_all(
        self, website: WebsiteStore, prefix: str
    ) -> None:
        website.write_file("uploads", "a/b", b"x")
        with pytest.raises(BadInput):
            website.list_files("uploads", prefix)

    @pytest.mark.parametrize(
        "bucket", ["", "..", ".", "a", "Uploads", "up/loads", "../uploads", "up\x00", "-up", "{user_id}"]
    )
    def test_a_tricky_bucket_is_refused(self, website: WebsiteStore, bucket: str) -> None:
        for act in (website.read_file, website.list_files, website.delete_file):
            with pytest.raises(BadInput) as refused:
                act(bucket, "a/b")
            assert refused.value.field == "bucket"

    def test_a_prefix_with_a_slash_lists_all_below_and_without_one_a_single_file(self, website: WebsiteStore) -> None:
        for path in ("users/u1/b", "users/u1/a/c", "users/u1x", "users/u10/d", "users/u1.png", "users/u1.png.old"):
            website.write_file("uploads", path, b"x")
        assert website.list_files("uploads", "users/u1/") == ["users/u1/a/c", "users/u1/b"]
        assert website.list_files("uploads", "users/u1.png") == ["users/u1.png"]
        assert website.list_files("uploads", "users/u1") == []
        assert website.list_files("invoices", "users/u1/") == []

    def test_a_file_is_read_as_it_was_written_last_and_gone_when_deleted(self, website: WebsiteStore) -> None:
        for content in (b"hello", bytes(range(256)) * 5, b""):
            website.write_file("uploads", "users/u1/a", content)
            assert website.read_file("uploads", "users/u1/a") == content
        website.write_file("uploads", "users/u1/ab", b"y")
        website.delete_file("uploads", "users/u1/a")
        assert website.read_file("uploads", "users/u1/a") is None
        assert website.list_files("uploads", "users/u1/") == ["users/u1/ab"]

    def test_an_absent_file_reads_as_none_and_deletes_as_done(self, website: WebsiteStore) -> None:
        website.write_file("uploads", "users/u1/a", b"x")
        for path in ("users/u1/b", "users/u1", "users/u1/a/b", "x" * 300, f"users/{'😀' * 128}/a"):
            assert website.read_file("uploads", path) is None
            assert website.list_files("uploads", path) == []
            assert website.list_files("uploads", f"{path}/") == (["users/u1/a"] if path == "users/u1" else [])
            website.delete_file("uploads", path)
        assert website.read_file("uploads", "users/u1/a") == b"x"

    # --- the demo website's data -------------------------------------------------------------------------------------

    def test_what_was_put_is_got_by_the_declaration(self, website: WebsiteStore) -> None:
        documents = {
            "users/u1": {"name": "Ada"},
            "users/u1/notes/n": {"text": "hm"},
            "orders/7": {"user_id": "u1", "amount": 5},
            "orders/8": {"user_id": "u2"},
        }
        put_person_data(website, DECLARED, "u1", documents, {"users/u1/a.txt": "grüße", "users/u2/b.txt": "no"})
        del documents["orders/8"]
        found = person_data(website, DECLARED, "u1")
        assert found == {"documents": documents, "files": {"users/u1/a.txt": "grüße"}}

    def test_files_outside_the_first_bucket_are_shown_with_their_bucket(self, website: WebsiteStore) -> None:
        website.write_file("invoices", "u1/7.pdf", b"\xff\xfe")
        assert person_data(website, DECLARED, "u1")["files"] == {"gs://invoices/u1/7.pdf": {"base64": "//4="}}

    def test_a_user_without_data_has_none(self, website: WebsiteStore) -> None:
        assert person_data(website, DECLARED, "nobody") == {"documents": {}, "files": {}}

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
        self, website: WebsiteStore, person: str, documents: dict[str, Any], files: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(BadInput) as refused:
            put_person_data(website, DECLARED, person, {"users/fine": {}, **documents}, {"fine": "x", **files})
        assert refused.value.field == field
        assert website.below("users/fine") == []
        assert website.list_files("uploads", "fine") == []

    def test_files_need_a_declared_bucket(self, website: WebsiteStore) -> None:
        with pytest.raises(BadInput) as refused:
            put_person_data(website, website_data_from({}), "u1", {}, {"a": "x"})
        assert refused.value.field == "files"
