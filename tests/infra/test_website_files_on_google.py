"""The website's files in Cloud Storage: every version, whatever its name, and what refusals mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest
from google.cloud import storage

from infra.gcp.website import GoogleWebsite
from shared.failures import NeverRetry, TryAgain
from tests.emulators.refusing import http_server, refusing_http
from tests.emulators.storage import StorageEmulator

T = TypeVar("T")


@pytest.fixture
def website(google_website: GoogleWebsite) -> GoogleWebsite:
    return google_website


EVERY_FILE_CALL: list[Callable[[GoogleWebsite], object]] = [
    lambda website: website.list_files("uploads", "users/ada/"),
    lambda website: website.read_file("uploads", "users/ada/face"),
    lambda website: website.write_file("uploads", "users/ada/face", b"x"),
    lambda website: website.delete_file("uploads", "users/ada/face"),
]


class Versioned:
    """A bucket that keeps versions, which the fake cannot delete: two pages of a listing, and single deletions."""

    def __init__(self, *versions: tuple[str, int]) -> None:
        self.versions = list(versions)
        self.asked: list[dict[str, str]] = []

    def __call__(self, method: str, address: str) -> tuple[int, bytes]:
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        self.asked.append(query)
        if method == "DELETE":
            self.versions.remove((unquote(parts.path.rpartition("/")[2]), int(query["generation"])))
            return 204, b""
        second = query.get("pageToken") == "second"
        page = self.versions[2:] if second else self.versions[:2]
        items = [{"name": name, "generation": str(generation)} for name, generation in page]
        return 200, msgspec.json.encode({"items": items} | ({} if second else {"nextPageToken": "second"}))


def test_every_version_is_found_and_deleted_also_of_a_file_the_website_has_deleted() -> None:
    bucket = Versioned(("users/u1/a", 1), ("users/u1/ab", 2), ("users/u1/a", 3), ("users/u1/c", 4), ("users/u1/a", 5))
    with http_server(bucket) as address:
        website = GoogleWebsite("p", emulator_of_documents="127.0.0.1:9", emulator_of_files=address)
        assert website.list_files("uploads", "users/u1/") == ["users/u1/a", "users/u1/ab", "users/u1/c"]
        assert website.list_files("uploads", "users/u1/a") == ["users/u1/a"]
        assert {asked["versions"] for asked in bucket.asked if "prefix" in asked} == {"true"}
        website.delete_file("uploads", "users/u1/a")
        assert bucket.versions == [("users/u1/ab", 2), ("users/u1/c", 4)]


def test_a_version_the_website_deleted_is_still_found(
    website: GoogleWebsite, storage_emulator: StorageEmulator, sdk_files: storage.Client
) -> None:
    storage_emulator.bucket("versioned", versioned=True)
    website.write_file("versioned", "users/u1/a", b"x")
    sdk_files.bucket("versioned").blob("users/u1/a").delete()
    assert website.read_file("versioned", "users/u1/a") is None
    assert website.list_files("versioned", "users/u1/") == ["users/u1/a"]
    assert website.list_files("versioned", "users/u1/a") == ["users/u1/a"]


@pytest.mark.parametrize("name", ["", "/a", "/", "../a", "./a", "a/", "a\x07", "ü 😀?#&%2F", "a\\b", "*"])
def test_whatever_is_listed_below_a_persons_prefix_is_read_and_deleted(
    website: GoogleWebsite, sdk_files: storage.Client, name: str
) -> None:
    sdk_files.bucket("uploads").blob(f"users/u1/{name}").upload_from_string(b"x")
    website.write_file("uploads", "users/u10/a", b"y")
    assert website.list_files("uploads", "users/u1/") == [f"users/u1/{name}"]
    assert website.read_file("uploads", f"users/u1/{name}") == b"x"
    website.delete_file("uploads", f"users/u1/{name}")
    assert [blob.name for blob in sdk_files.list_blobs("uploads")] == ["users/u10/a"]


def test_a_file_named_like_a_folder_does_not_take_what_is_in_the_folder_with_it(website: GoogleWebsite) -> None:
    website.write_file("uploads", "users/u1/a/b", b"x")
    website.delete_file("uploads", "users/u1/a/")
    assert website.list_files("uploads", "users/u1/") == ["users/u1/a/b"]


def test_more_files_than_a_page_are_all_found(website: GoogleWebsite, sdk_files: storage.Client) -> None:
    bucket = sdk_files.bucket("uploads")
    for number in range(1100):
        bucket.blob(f"users/u1/{number:04d}").upload_from_string(b"x")
    assert website.list_files("uploads", "users/u1/") == [f"users/u1/{number:04d}" for number in range(1100)]


def test_a_bucket_that_does_not_exist_needs_a_person(website: GoogleWebsite) -> None:
    for act in (website.list_files, website.delete_file, lambda *place: website.write_file(*place, b"")):
        with pytest.raises(NeverRetry, match="website_files_bucket_missing"):
            act("nothing", "users/u1")


REFUSALS = [
    (500, "backendError", TryAgain, "500"),
    (503, "backendError", TryAgain, "503"),
    (429, "rateLimitExceeded", TryAgain, "429"),
    (408, "", TryAgain, "408"),
    (403, "rateLimitExceeded", TryAgain, "403"),
    (403, "forbidden", NeverRetry, "403"),
    (403, "objectUnderActiveHold", NeverRetry, "under_hold"),
    (403, "retentionPolicyNotMet", NeverRetry, "under_retention"),
    (400, "invalid", NeverRetry, "400"),
]


@pytest.mark.parametrize(("status", "reason", "kind", "code"), REFUSALS)
def test_a_refusal_of_files_says_whether_trying_again_helps_and_nothing_of_what_was_asked(
    status: int, reason: str, kind: type[TryAgain | NeverRetry], code: str
) -> None:
    with refusing_http(status, reason) as address:
        website = GoogleWebsite("p", emulator_of_documents="127.0.0.1:9", emulator_of_files=address)
        for call in EVERY_FILE_CALL:
            with pytest.raises(kind) as failed:
                call(website)
            assert failed.value.code == f"website_files_{code}"
            assert (failed.value.__context__, failed.value.__cause__) == (None, None)


def test_buckets_that_are_down_are_tried_again() -> None:
    website = GoogleWebsite("p", emulator_of_documents="127.0.0.1:9", emulator_of_files="http://127.0.0.1:9")
    for call in EVERY_FILE_CALL:
        with pytest.raises(TryAgain, match="website_files_unreachable") as failed:
            call(website)
        assert failed.value.__context__ is None


def test_a_file_that_breaks_off_is_tried_again() -> None:
    with http_server(lambda _, __: (200, b"half"), cut_off=True) as address:
        website = GoogleWebsite("p", emulator_of_documents="127.0.0.1:9", emulator_of_files=address)
        with pytest.raises(TryAgain, match="website_files_unreachable"):
            website.read_file("uploads", "users/ada/face")
