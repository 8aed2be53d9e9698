"""The website's own data on Google Cloud: Firestore's emulator, a fake Cloud Storage, and the real SDK beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from google.cloud import firestore

from infra.gcp.website import GoogleWebsite, google_website
from infra.settings import Settings
from shared.failures import Misconfigured
from shared.website import WebsiteStore
from shared.website_data import website_data_from
from tests.contracts.website_contract import WebsiteContract
from tests.emulators.firestore import FirestoreEmulator
from tests.infra.populated import ALL_GONE, NOW, outcomes, populated

T = TypeVar("T")


@pytest.fixture
def website(google_website: GoogleWebsite) -> GoogleWebsite:
    return google_website


class TestGoogleWebsite(WebsiteContract):
    """The contract, over Firestore and Cloud Storage."""

    @pytest.fixture(autouse=True)
    def _fast(self, sdk: firestore.Client) -> None:
        self._sdk = sdk

    def fill(self, website: WebsiteStore, paths: Sequence[str]) -> None:
        writer = self._sdk.bulk_writer()
        for path in paths:
            writer.set(self._sdk.document(path), {"user_id": "u1"})
        writer.close()


# --- where it is -----------------------------------------------------------------------------------------------------

LOCAL = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:9", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"}
OURS = {"GOOGLE_CLOUD_PROJECT": "p", **LOCAL}


def built(declared: dict[str, Any], **environment: str) -> GoogleWebsite:
    return google_website(Settings(environment), website_data_from(declared))


def test_the_website_may_stand_in_another_project_and_database(
    firestore_emulator: FirestoreEmulator, firestore_project: str, sdk: firestore.Client
) -> None:
    sdk.document("users/u1").set({"name": "Ada"})
    place = {**OURS, "FIRESTORE_EMULATOR_HOST": firestore_emulator.host, "WEBSITE_PROJECT": firestore_project}
    assert built({}, **place).below("users/u1") == [("users/u1", {"name": "Ada"})]
    assert built({}, **place, WEBSITE_DATABASE="other").below("users/u1") == []
    assert built({}, **{**place, "WEBSITE_PROJECT": ""}).below("users/u1") == []


REACHING = [
    {"documents": "subjects/{user_id}"},
    {"documents": "/work/{user_id}/steps/{email}"},
    {"documents": "{user_id}/profile"},
    {"query": "requests where user_id == {user_id}"},
]


@pytest.mark.parametrize("rule", REACHING)
def test_in_our_own_database_no_rule_reaches_into_our_own_collections(rule: dict[str, str]) -> None:
    declared = {"firestore": [{"documents": "users/{user_id}"}, rule]}
    with pytest.raises(Misconfigured, match="reaches into a collection of Pledge's own"):
        built(declared, **OURS)
    with pytest.raises(Misconfigured, match="reaches into a collection of Pledge's own"):
        built(declared, **OURS, FIRESTORE_DATABASE="same", WEBSITE_DATABASE="same")
    assert built(declared, **OURS, WEBSITE_DATABASE="website")
    assert built(declared, **OURS, FIRESTORE_DATABASE="pledge")
    assert built(declared, **OURS, WEBSITE_PROJECT="website")


def test_a_rule_that_names_one_of_our_collections_further_down_is_fine() -> None:
    assert built({"firestore": [{"documents": "users/{user_id}/requests/{email}"}]}, **OURS)


@pytest.mark.parametrize("missing", LOCAL)
def test_beside_one_emulator_nothing_real_is_reached_for_the_other(missing: str) -> None:
    declared = {"storage": ["gs://uploads/{user_id}/"]}
    with pytest.raises(Misconfigured, match=missing):
        built(declared, **{**OURS, missing: ""})


def test_without_a_project_it_does_not_start() -> None:
    with pytest.raises(Misconfigured, match="GOOGLE_CLOUD_PROJECT"):
        built({}, **LOCAL)


# --- the whole of an erasure -----------------------------------------------------------------------------------------


def test_what_law_keeps_may_be_of_any_type_and_is_exported_first(
    tmp_path: Path, website: GoogleWebsite, sdk: firestore.Client
) -> None:
    with populated(tmp_path, lambda *_: website) as world:
        person = world.account("u1")
        paid_at = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)
        order = {"user_id": "u1", "amount": math.nan, "buyer": {"vat": paid_at, "at": firestore.GeoPoint(1, 2)}}
        sdk.document("orders/u1 1").set(order)
        exported = msgspec.json.decode(msgspec.json.encode(world.connector().export(person)))
        shown = exported["documents"]["orders/u1 1"]
        assert shown["amount"] == {"type": "doubleValue", "value": "NaN"}
        assert shown["buyer"]["at"]["value"] == {"latitude": 1.0, "longitude": 2.0}
        for _ in range(2):
            assert outcomes(world.connector().erase(person, NOW)) == ALL_GONE
        kept = sdk.document("orders/u1 1").get().to_dict()
        assert kept["buyer"] == {"vat": paid_at}
        assert math.isnan(kept.pop("amount"))
        assert kept.keys() == {"buyer"}


def test_no_word_of_the_person_is_left_in_an_export_of_the_database(
    tmp_path: Path, website: GoogleWebsite, firestore_emulator: FirestoreEmulator, firestore_project: str
) -> None:
    def holds(words: list[bytes], folder: Path) -> list[bytes]:
        files = firestore_emulator.export(firestore_project, folder).parent.rglob("*")
        content = b"".join(path.read_bytes() for path in files if path.is_file())
        return [word for word in words if word in content]

    words = [b"ada-lovelace", b"Name of ada", b"Note of ada", b"Buyer ada", b"Item of ada"]
    with populated(tmp_path, lambda *_: website) as world:
        person = world.account("ada-lovelace")
        world.account("bob")
        rules = [{"documents": "users/{user_id}"}, {"query": "orders where user_id == {user_id}"}]
        declared = website_data_from({"firestore": rules, "storage": ["gs://uploads/users/{user_id}/"]})
        assert holds(words, tmp_path / "before") == words
        world.connector(declared=declared).erase(person, NOW)
        assert holds([*words, b"Name of bob"], tmp_path / "after") == [b"Name of bob"]
