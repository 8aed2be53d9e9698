"""The website's documents in Firestore: of every type, in order, and what its refusals mean."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc
import msgspec
import pytest
from google.cloud import firestore
from google.cloud.firestore_v1.types import CommitRequest
from google.cloud.firestore_v1.vector import Vector

from infra.gcp.website import GoogleWebsite
from shared.failures import BadInput, NeverRetry, TryAgain
from shared.website import only
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.refusing import SECRET, grpc_server, refusing_grpc

T = TypeVar("T")


@pytest.fixture
def website(google_website: GoogleWebsite) -> GoogleWebsite:
    return google_website


def native(sdk: firestore.Client) -> dict[str, Any]:
    """Return a document of everything Firestore has a type for and JSON has not."""
    return {
        "at": datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "before": datetime(1910, 1, 1, tzinfo=UTC),
        "bytes": b"\x00\xff",
        "where": firestore.GeoPoint(48.2, -16.37),
        "nowhere": firestore.GeoPoint(0, 0),
        "friend": sdk.document("users/u2"),
        "vector": Vector([0.5, -1.0]),
        "most": math.inf,
        "least": -math.inf,
        "list": [{"at": datetime(2026, 3, 1, tzinfo=UTC)}, b"x"],
        "deep": {"er": {"where": firestore.GeoPoint(1, 2)}},
    }


def test_what_json_has_no_word_for_is_read_exported_and_written_back_as_it_was(
    website: GoogleWebsite, sdk: firestore.Client
) -> None:
    sdk.document("users/u1").set(native(sdk))
    ((_, data),) = website.below("users/u1")
    shown = msgspec.json.decode(msgspec.json.encode(data))
    assert shown["at"] == {"type": "timestampValue", "value": "2026-03-01T12:00:00.123456Z"}
    assert shown["bytes"] == {"type": "bytesValue", "value": "AP8="}
    assert shown["where"] == {"type": "geoPointValue", "value": {"latitude": 48.2, "longitude": -16.37}}
    assert shown["friend"]["value"].endswith("/documents/users/u2")
    assert shown["vector"]["value"] == [0.5, -1.0]
    assert shown["most"] == {"type": "doubleValue", "value": "Infinity"}
    website.write("users/copy", data)
    assert sdk.document("users/copy").get().to_dict() == native(sdk)


def test_a_pared_down_document_keeps_its_values_and_equals_itself_when_read_back(
    website: GoogleWebsite, sdk: firestore.Client
) -> None:
    sdk.document("users/u1").set({**native(sdk), "none": math.nan, "deeper": [math.nan]})
    ((_, data),) = website.below("users/u1")
    pared = only(data, ["at", "deep.er", "none", "deeper"])
    website.write("users/u1", pared)
    assert website.below("users/u1") == [("users/u1", pared)]
    kept = sdk.document("users/u1").get().to_dict()
    assert kept.keys() == pared.keys()
    assert kept["deep"]["er"]["where"] == firestore.GeoPoint(1, 2)
    assert math.isnan(kept["none"])


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "\ud800", object(), {"a": {1}}, [b"x"]])
def test_what_firestore_has_no_type_for_is_refused_and_not_repeated(website: GoogleWebsite, value: object) -> None:
    with pytest.raises(BadInput) as refused:
        website.write("users/u1", {"name": value})
    assert refused.value.field == "documents"
    assert refused.value.__context__ is None
    assert website.below("users/u1") == []


def test_another_database_of_the_same_project_is_not_seen(
    website: GoogleWebsite, firestore_emulator: FirestoreEmulator, sdk: firestore.Client
) -> None:
    website.write("users/u1", {"name": "Ada"})
    other = GoogleWebsite(sdk.project, "website", firestore_emulator.host)
    assert other.below("users/u1") + other.matching("users", "name", "Ada") == []
    other.write("users/u1", {})
    other.delete(["users/u1"])
    assert website.below("users/u1")


def test_documents_go_in_the_order_given_batch_after_batch() -> None:
    batches: list[list[str]] = []

    def answer(method: str, asked: bytes, to: grpc.ServicerContext) -> bytes:
        if len(batches) == 2:
            to.abort(grpc.StatusCode.UNAVAILABLE, SECRET)
        batches.append([write.delete for write in CommitRequest.deserialize(asked).writes])
        return b""

    paths = [f"users/u1/notes/{number}" for number in range(1200, 0, -1)]
    with grpc_server(answer) as host, pytest.raises(TryAgain):
        GoogleWebsite("p", emulator_of_documents=host).delete(paths)
    assert [len(batch) for batch in batches] == [500, 500]
    assert [
        name.removeprefix("projects/p/databases/(default)/documents/") for batch in batches for name in batch
    ] == paths[:1000]


EVERY_DOCUMENT_CALL: list[Callable[[GoogleWebsite], object]] = [
    lambda website: website.below("users/ada"),
    lambda website: website.matching("users", "name", "ada"),
    lambda website: website.write("users/ada", {}),
    lambda website: website.delete(["users/ada"]),
]
TRANSIENT = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL")
LASTING = ("PERMISSION_DENIED", "NOT_FOUND", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "UNIMPLEMENTED")


@pytest.mark.parametrize("status", [*TRANSIENT, *LASTING])
def test_a_refusal_says_whether_trying_again_helps_and_nothing_of_what_was_asked(status: str) -> None:
    with refusing_grpc(grpc.StatusCode[status]) as host:
        website = GoogleWebsite("p", emulator_of_documents=host)
        for call in EVERY_DOCUMENT_CALL:
            with pytest.raises(TryAgain if status in TRANSIENT else NeverRetry) as failed:
                call(website)
            assert failed.value.code == f"website_documents_{status.lower()}"
            assert (failed.value.__context__, failed.value.__cause__) == (None, None)


def test_a_database_that_is_down_is_tried_again_and_found_when_it_is_back(
    firestore_emulator: FirestoreEmulator,
) -> None:
    # asked for the skip where there is none; the one to kill is this test's own
    emulator = FirestoreEmulator()
    website = GoogleWebsite("demo-down", emulator_of_documents=emulator.host)
    for call in EVERY_DOCUMENT_CALL:
        with pytest.raises(TryAgain, match="website_documents_unavailable"):
            call(website)
    emulator.start()
    try:
        assert eventually(lambda: website.below("users/ada")) == []
    finally:
        emulator.stop()


def eventually(act: Callable[[], T]) -> T:
    until = time.monotonic() + 30
    while True:
        try:
            return act()
        except TryAgain:
            assert time.monotonic() < until
            time.sleep(0.05)
