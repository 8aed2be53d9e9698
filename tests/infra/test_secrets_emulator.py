"""The emulated Secret Manager, driven by Google's own client: what the real one promises, it does."""

from __future__ import annotations

from collections.abc import Iterator

import google_crc32c
import grpc
import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from google.cloud.secretmanager_v1 import SecretManagerServiceClient, SecretVersion
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from tests.emulators.secrets import SecretsEmulator, number_of

SECRET = "projects/demo/secrets/KEYSET"
State = SecretVersion.State


@pytest.fixture
def secrets() -> Iterator[SecretsEmulator]:
    with SecretsEmulator() as emulator:
        yield emulator


@pytest.fixture
def client(secrets: SecretsEmulator) -> SecretManagerServiceClient:
    channel = grpc.insecure_channel(secrets.host)
    made = SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))
    made.create_secret(parent="projects/demo", secret_id="KEYSET", secret={"replication": {"automatic": {}}})
    return made


def add(client: SecretManagerServiceClient, data: bytes) -> str:
    return client.add_secret_version(parent=SECRET, payload={"data": data}).name


def read(client: SecretManagerServiceClient, version: str) -> bytes:
    return client.access_secret_version(name=f"{SECRET}/versions/{version}").payload.data


def test_versions_count_from_one_and_the_project_is_named_by_its_number(client: SecretManagerServiceClient) -> None:
    names = [add(client, data) for data in (b"one", b"two")]
    assert names == [f"projects/{number_of('demo')}/secrets/KEYSET/versions/{n}" for n in (1, 2)]
    assert [read(client, version) for version in ("1", "2", "latest")] == [b"one", b"two", b"two"]
    assert client.access_secret_version(name=names[0]).payload.data == b"one"


def test_a_secret_is_created_once_and_by_a_good_name(client: SecretManagerServiceClient) -> None:
    replicated = {"replication": {"automatic": {}}}
    with pytest.raises(AlreadyExists):
        client.create_secret(parent="projects/demo", secret_id="KEYSET", secret=replicated)
    for secret_id, secret in (("a b", replicated), ("A", {})):
        with pytest.raises(InvalidArgument):
            client.create_secret(parent="projects/demo", secret_id=secret_id, secret=secret)


def test_what_is_not_there_is_not_found(client: SecretManagerServiceClient) -> None:
    for version in ("1", "latest", "0", "x"):
        with pytest.raises(NotFound):
            read(client, version)
    with pytest.raises(NotFound):
        client.access_secret_version(name="projects/other/secrets/KEYSET/versions/1")
    with pytest.raises(NotFound):
        client.add_secret_version(parent="projects/demo/secrets/NONE", payload={"data": b"a"})


def test_latest_is_the_one_created_last_even_when_it_cannot_be_read(client: SecretManagerServiceClient) -> None:
    add(client, b"one")
    last = add(client, b"two")
    client.disable_secret_version(name=last)
    with pytest.raises(FailedPrecondition, match="DISABLED"):
        read(client, "latest")
    assert read(client, "1") == b"one"
    client.enable_secret_version(name=last)
    assert read(client, "latest") == b"two"


def test_what_is_destroyed_stays_destroyed(client: SecretManagerServiceClient) -> None:
    name = add(client, b"one")
    assert client.destroy_secret_version(name=name).state == State.DESTROYED
    with pytest.raises(FailedPrecondition):
        read(client, "1")
    for change in (client.enable_secret_version, client.disable_secret_version, client.destroy_secret_version):
        with pytest.raises(FailedPrecondition):
            change(name=name)
    assert client.get_secret_version(name=name).state == State.DESTROYED


def test_versions_are_listed_newest_first_page_by_page(client: SecretManagerServiceClient) -> None:
    for n in range(5):
        add(client, b"%d" % n)
    pages = client.list_secret_versions(request={"parent": SECRET, "page_size": 2}).pages
    listed = [[int(version.name.rpartition("/")[2]) for version in page.versions] for page in pages]
    assert listed == [[5, 4], [3, 2], [1]]


def test_checksums_are_checked_and_given(client: SecretManagerServiceClient) -> None:
    right = {"data": b"one", "data_crc32c": google_crc32c.value(b"one")}
    assert client.add_secret_version(parent=SECRET, payload=right).client_specified_payload_checksum
    assert client.access_secret_version(name=f"{SECRET}/versions/1").payload.data_crc32c == right["data_crc32c"]
    with pytest.raises(InvalidArgument, match="checksum"):
        client.add_secret_version(parent=SECRET, payload=right | {"data": b"two"})


def test_a_payload_has_1_byte_to_64_kib(client: SecretManagerServiceClient) -> None:
    add(client, bytes(64 * 1024))
    for data in (b"", bytes(64 * 1024 + 1)):
        with pytest.raises(InvalidArgument):
            add(client, data)


def test_troubles_come_when_asked_for_and_go(client: SecretManagerServiceClient, secrets: SecretsEmulator) -> None:
    secrets.fail(grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(PermissionDenied):
        add(client, b"one")
    secrets.heal()
    assert add(client, b"one").endswith("/versions/1")
