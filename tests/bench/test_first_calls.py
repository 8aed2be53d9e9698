"""The bench stays whole: it knows every function of the map, and sees what a function loads for nothing."""

from __future__ import annotations

import pytest

from infra.local.functions import function_map
from tests.bench.first_calls import FIRST_CALLS
from tests.bench.imports import judged

CONSENTS = function_map()["consents"]
WORK = function_map()["work"]
OWN = ["flask", "grpc", "google.cloud.firestore_v1", "google.cloud.firestore_v1.types.write", "google.cloud.kms_v1"]


@pytest.mark.parametrize("name", function_map())
def test_every_function_has_a_first_call(name: str) -> None:
    assert name in FIRST_CALLS


def test_a_function_may_load_what_its_entry_has_a_use_for() -> None:
    assert judged(OWN, CONSENTS, on_google=True).unused == []
    assert judged([*OWN, "stripe", "google.cloud.storage"], WORK, on_google=True).unused == []


def test_what_its_entry_has_no_use_for_is_named() -> None:
    assert judged([*OWN, "google.cloud.storage"], CONSENTS, on_google=True).unused == ["google.cloud.storage"]
    assert judged([*OWN, "stripe"], CONSENTS, on_google=True).unused == ["stripe"]
    assert judged([*OWN, "sendgrid"], WORK, on_google=True).unused == ["sendgrid"], "its client is for the bench"


def test_the_embedded_runtime_has_a_use_for_nothing_of_googles() -> None:
    assert judged(["flask", "grpc"], CONSENTS, on_google=False).unused == ["grpc"]


def test_an_sdks_own_client_is_never_of_use() -> None:
    client = "google.cloud.firestore_v1.services.firestore.async_client"
    assert judged([*OWN, client], CONSENTS, on_google=True).unused == ["google.cloud.firestore_v1's clients"]
