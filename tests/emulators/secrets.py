"""Secret Manager on loopback: secrets with numbered versions that are enabled, disabled or destroyed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import google_crc32c
import grpc
from google.cloud import secretmanager_v1 as sm

from tests.emulators.rpc import Method, RpcEmulator, refuse, routed

MOST_BYTES = 64 * 1024
MOST_ON_A_PAGE = 100
State = sm.SecretVersion.State
Code = grpc.StatusCode
Context = grpc.ServicerContext


@dataclass
class Stored:
    """One version. What is destroyed holds nothing any more."""

    data: bytes
    checksum_given: bool
    state: State = State.ENABLED


class SecretsEmulator(RpcEmulator):
    """The secrets of all projects. Answers name a project by its number, as the real service does.

    `damage_answers` flips a bit of a payload after its checksum was made, as a bad wire does.
    """

    service = "google.cloud.secretmanager.v1.SecretManagerService"

    def __init__(self) -> None:
        super().__init__()
        self.damage_answers = False
        self._secrets: dict[str, list[Stored]] = {}

    def create(self, project: str, *names: str) -> None:
        """Make secrets without versions, as Terraform does."""
        for name in names:
            self._secrets[f"projects/{number_of(project)}/secrets/{name}"] = []

    def methods(self) -> dict[str, Method]:
        """Return the methods this emulator knows."""
        return {
            "CreateSecret": (sm.CreateSecretRequest, sm.Secret, self._create),
            "AddSecretVersion": (sm.AddSecretVersionRequest, sm.SecretVersion, self._add),
            "GetSecretVersion": (sm.GetSecretVersionRequest, sm.SecretVersion, self._get),
            "AccessSecretVersion": (sm.AccessSecretVersionRequest, sm.AccessSecretVersionResponse, self._access),
            "ListSecretVersions": (sm.ListSecretVersionsRequest, sm.ListSecretVersionsResponse, self._list),
            "EnableSecretVersion": (sm.EnableSecretVersionRequest, sm.SecretVersion, self._becoming(State.ENABLED)),
            "DisableSecretVersion": (sm.DisableSecretVersionRequest, sm.SecretVersion, self._becoming(State.DISABLED)),
            "DestroySecretVersion": (sm.DestroySecretVersionRequest, sm.SecretVersion, self._becoming(State.DESTROYED)),
        }

    def _create(self, asked: Any, context: Context) -> Any:
        routed(context, asked.parent)
        name = f"{_numbered(asked.parent)}/secrets/{asked.secret_id}"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", asked.secret_id) or "replication" not in asked.secret:
            refuse(
                context, Code.INVALID_ARGUMENT, "a secret needs an id of letters, digits, - and _, and a replication"
            )
        if name in self._secrets:
            refuse(context, Code.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        self._secrets[name] = []
        return sm.Secret(name=name, replication=asked.secret.replication)

    def _add(self, asked: Any, context: Context) -> Any:
        routed(context, asked.parent)
        name, payload = _numbered(asked.parent), asked.payload
        versions = self._versions(context, name)
        if not 0 < len(payload.data) <= MOST_BYTES:
            refuse(context, Code.INVALID_ARGUMENT, f"a payload has 1 to {MOST_BYTES} bytes")
        given = "data_crc32c" in payload
        if given and payload.data_crc32c != google_crc32c.value(payload.data):
            refuse(context, Code.INVALID_ARGUMENT, "the checksum did not match the data")
        versions.append(Stored(payload.data, given))
        return self._shown(name, len(versions))

    def _get(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        return self._shown(*self._found(context, asked.name))

    def _access(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        name, number = self._found(context, asked.name)
        stored = self._secrets[name][number - 1]
        if stored.state != State.ENABLED:
            refuse(context, Code.FAILED_PRECONDITION, f"Secret Version [{name}] is in {stored.state.name} state.")
        sent = bytes([stored.data[0] ^ 1]) + stored.data[1:] if self.damage_answers else stored.data
        payload = sm.SecretPayload(data=sent, data_crc32c=google_crc32c.value(stored.data))
        return sm.AccessSecretVersionResponse(name=f"{name}/versions/{number}", payload=payload)

    def _list(self, asked: Any, context: Context) -> Any:
        routed(context, asked.parent)
        if asked.filter:
            refuse(context, Code.UNIMPLEMENTED, "this emulator has no filters")
        name = _numbered(asked.parent)
        numbers = range(len(self._versions(context, name)), 0, -1)  # the newest first
        begin = int(asked.page_token or 0)
        end = begin + min(asked.page_size or MOST_ON_A_PAGE, MOST_ON_A_PAGE)
        return sm.ListSecretVersionsResponse(
            versions=[self._shown(name, number) for number in numbers[begin:end]],
            next_page_token=str(end) if end < len(numbers) else "",
            total_size=len(numbers),
        )

    def _becoming(self, state: State) -> Any:
        def change(asked: Any, context: Context) -> Any:
            routed(context, asked.name)
            name, number = self._found(context, asked.name)
            stored = self._secrets[name][number - 1]
            if stored.state == State.DESTROYED:
                refuse(context, Code.FAILED_PRECONDITION, f"Secret Version [{name}] is in DESTROYED state.")
            stored.state, stored.data = state, b"" if state == State.DESTROYED else stored.data
            return self._shown(name, number)

        return change

    def _versions(self, context: Context, name: str) -> list[Stored]:
        if name not in self._secrets:
            refuse(context, Code.NOT_FOUND, f"Secret [{name}] not found.")
        return self._secrets[name]

    def _found(self, context: Context, version_name: str) -> tuple[str, int]:
        name, _, number = _numbered(version_name).partition("/versions/")
        versions = self._versions(context, name)
        # `latest` is the one created last, whatever has become of it
        index = len(versions) if number == "latest" else int(number) if number.isdecimal() else 0
        if not 1 <= index <= len(versions):
            refuse(context, Code.NOT_FOUND, f"Secret Version [{version_name}] not found.")
        return name, index

    def _shown(self, name: str, number: int) -> Any:
        stored = self._secrets[name][number - 1]
        return sm.SecretVersion(
            name=f"{name}/versions/{number}",
            state=stored.state,
            client_specified_payload_checksum=stored.checksum_given,
        )


def number_of(project: str) -> str:
    """Return the number of a project, made from its id."""
    return project if project.isdecimal() else str(100_000_000_000 + crc32(project.encode()))


def _numbered(name: str) -> str:
    collection, _, rest = name.partition("/")
    project, slash, tail = rest.partition("/")
    return f"{collection}/{number_of(project)}{slash}{tail}"
