"""The emulated KMS, driven by Google's own client: what the real one promises, it does."""

from __future__ import annotations

from collections.abc import Iterator

import google_crc32c
import grpc
import pytest
from google.api_core.exceptions import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
)
from google.cloud.kms_v1 import CryptoKeyVersion, KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

from tests.emulators.kms import KmsEmulator

KEY = "projects/demo/locations/europe-west1/keyRings/pledge/cryptoKeys/keyset"
OTHER = KEY.replace("keyset", "other")
State = CryptoKeyVersion.CryptoKeyVersionState


@pytest.fixture
def kms() -> Iterator[KmsEmulator]:
    with KmsEmulator() as emulator:
        emulator.create_key(KEY)
        yield emulator


@pytest.fixture
def client(kms: KmsEmulator) -> KeyManagementServiceClient:
    channel = grpc.insecure_channel(kms.host)
    return KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))


def encrypted(client: KeyManagementServiceClient, plaintext: bytes = b"plain", aad: bytes = b"aad") -> bytes:
    asked = {"name": KEY, "plaintext": plaintext, "additional_authenticated_data": aad}
    return client.encrypt(request=asked, retry=None).ciphertext


def decrypted(client: KeyManagementServiceClient, ciphertext: bytes, aad: bytes = b"aad", name: str = KEY) -> bytes:
    asked = {"name": name, "ciphertext": ciphertext, "additional_authenticated_data": aad}
    return client.decrypt(request=asked, retry=None).plaintext


def test_what_was_encrypted_decrypts_and_nothing_of_it_shows(client: KeyManagementServiceClient) -> None:
    ciphertext = encrypted(client)
    assert b"plain" not in ciphertext
    assert decrypted(client, ciphertext) == b"plain"
    assert encrypted(client) != ciphertext


def test_checksums_are_checked_and_given(client: KeyManagementServiceClient) -> None:
    sums = {"plaintext_crc32c": google_crc32c.value(b"a"), "additional_authenticated_data_crc32c": 0}
    answer = client.encrypt(request={"name": KEY, "plaintext": b"a", **sums})
    assert answer.verified_plaintext_crc32c
    assert answer.verified_additional_authenticated_data_crc32c
    assert answer.ciphertext_crc32c == google_crc32c.value(answer.ciphertext)
    assert not client.encrypt(request={"name": KEY, "plaintext": b"a"}).verified_plaintext_crc32c
    opened = client.decrypt(request={"name": KEY, "ciphertext": answer.ciphertext})
    assert opened.plaintext_crc32c == google_crc32c.value(b"a")
    with pytest.raises(InvalidArgument, match="checksum"):
        client.encrypt(request={"name": KEY, "plaintext": b"b", **sums})
    with pytest.raises(InvalidArgument, match="checksum"):
        client.decrypt(request={"name": KEY, "ciphertext": answer.ciphertext, "ciphertext_crc32c": 1})


@pytest.mark.parametrize("spoil", [lambda one: one[:-1], lambda one: one[:-1] + bytes([one[-1] ^ 1]), lambda _: b"x"])
def test_what_was_altered_does_not_decrypt(client: KeyManagementServiceClient, spoil) -> None:
    with pytest.raises(InvalidArgument):
        decrypted(client, spoil(encrypted(client)))


def test_other_associated_data_or_another_key_does_not_decrypt(
    client: KeyManagementServiceClient, kms: KmsEmulator
) -> None:
    kms.create_key(OTHER)
    ciphertext = encrypted(client)
    with pytest.raises(InvalidArgument):
        decrypted(client, ciphertext, aad=b"another")
    with pytest.raises(InvalidArgument):
        decrypted(client, ciphertext, name=OTHER)


def test_an_unknown_key_is_not_found(client: KeyManagementServiceClient) -> None:
    with pytest.raises(NotFound):
        client.encrypt(name=OTHER, plaintext=b"a")
    with pytest.raises(NotFound):
        client.get_crypto_key(name=OTHER)


def test_more_than_64_kib_is_refused(client: KeyManagementServiceClient) -> None:
    assert decrypted(client, encrypted(client, bytes(64 * 1024))) == bytes(64 * 1024)
    with pytest.raises(InvalidArgument):
        encrypted(client, bytes(64 * 1024 + 1))
    with pytest.raises(InvalidArgument):
        encrypted(client, b"a", bytes(64 * 1024 + 1))


def test_the_primary_version_writes_and_every_enabled_one_reads(client: KeyManagementServiceClient) -> None:
    first = encrypted(client)
    second = client.create_crypto_key_version(parent=KEY, crypto_key_version={}).name
    assert client.get_crypto_key(name=KEY).primary.name == f"{KEY}/cryptoKeyVersions/1"
    shown = client.update_crypto_key_primary_version(name=KEY, crypto_key_version_id="2")
    assert shown.primary.name == second == f"{KEY}/cryptoKeyVersions/2"
    assert client.encrypt(name=KEY, plaintext=b"a").name == second
    asked = {"name": KEY, "additional_authenticated_data": b"aad"}
    assert not client.decrypt(request=asked | {"ciphertext": first}).used_primary
    assert client.decrypt(request=asked | {"ciphertext": encrypted(client)}).used_primary


def test_a_version_that_is_disabled_or_destroyed_opens_nothing(client: KeyManagementServiceClient) -> None:
    ciphertext, version = encrypted(client), f"{KEY}/cryptoKeyVersions/1"
    mask = {"paths": ["state"]}
    client.update_crypto_key_version(crypto_key_version={"name": version, "state": State.DISABLED}, update_mask=mask)
    with pytest.raises(FailedPrecondition, match="DISABLED"):
        decrypted(client, ciphertext)
    client.update_crypto_key_version(crypto_key_version={"name": version, "state": State.ENABLED}, update_mask=mask)
    assert decrypted(client, ciphertext) == b"plain"
    assert client.destroy_crypto_key_version(name=version).state == State.DESTROY_SCHEDULED
    with pytest.raises(FailedPrecondition, match="DESTROY_SCHEDULED"):
        decrypted(client, ciphertext)
    with pytest.raises(FailedPrecondition):
        encrypted(client)
    with pytest.raises(FailedPrecondition):
        client.update_crypto_key_version(crypto_key_version={"name": version, "state": State.ENABLED}, update_mask=mask)


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied),
        (grpc.StatusCode.UNAVAILABLE, ServiceUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    ],
)
def test_troubles_come_when_asked_for_and_go(
    client: KeyManagementServiceClient, kms: KmsEmulator, code: grpc.StatusCode, raised: type[Exception]
) -> None:
    kms.fail(code)
    with pytest.raises(raised):
        encrypted(client)
    kms.heal()
    assert decrypted(client, encrypted(client)) == b"plain"


def test_an_answer_that_never_comes_ends_at_the_callers_deadline(
    client: KeyManagementServiceClient, kms: KmsEmulator
) -> None:
    kms.hang()
    with pytest.raises(DeadlineExceeded):
        client.get_crypto_key(name=KEY, retry=None, timeout=0.1)


def test_a_call_without_its_routing_header_is_refused(kms: KmsEmulator) -> None:
    from google.cloud.kms_v1 import EncryptRequest, EncryptResponse

    channel = grpc.insecure_channel(kms.host)
    bare = channel.unary_unary(f"/{kms.service}/Encrypt", EncryptRequest.serialize, EncryptResponse.deserialize)
    with pytest.raises(grpc.RpcError) as refused:
        bare(EncryptRequest(name=KEY, plaintext=b"a"))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
