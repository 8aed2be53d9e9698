"""Secret Manager, for the command line. Functions get their secrets as environment and never come here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c

from infra.gcp.calls import TRANSIENT
from shared.failures import Misconfigured, TryAgain

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

ANSWER_WITHIN_SECONDS = 10.0


class Version(NamedTuple):
    """One version of a secret: its number, and ENABLED, DISABLED or DESTROYED."""

    number: int
    state: str

    @property
    def enabled(self) -> bool:
        """Tell whether it can be read."""
        return self.state == "ENABLED"


class Secrets:
    """The secrets of one project. Every call raises Misconfigured (what to mend) or TryAgain."""

    def __init__(self, project: str, emulator: str | None = None) -> None:
        self._project = project
        self._client = _client(emulator)

    def versions(self, name: str) -> list[Version]:
        """Return every version of a secret, the newest first."""
        asked = {"parent": self._path(name)}
        pages = self._client.list_secret_versions
        # listed inside the call: the second page is asked for only then
        listed = self._call(name, lambda **given: list(pages(**given)), asked)
        return sorted((Version(_number(one.name), one.state.name) for one in listed), reverse=True)

    def newest(self, name: str) -> Version | None:
        """Return the newest version that can be read, None when there is none."""
        return next((version for version in self.versions(name) if version.enabled), None)

    def read(self, name: str, number: int) -> str:
        """Return what a version holds."""
        asked = {"name": f"{self._path(name)}/versions/{number}"}
        payload = self._call(name, self._client.access_secret_version, asked).payload
        if payload.data_crc32c != google_crc32c.value(payload.data):
            raise TryAgain("secrets_answer_damaged")
        try:
            text: str = payload.data.decode()
        except UnicodeDecodeError:
            raise Misconfigured(f"secret {name}: version {number} is not UTF-8 text") from None
        return text

    def add(self, name: str, text: str) -> int:
        """Add a version, and return its number."""
        data = text.encode()
        payload = {"data": data, "data_crc32c": google_crc32c.value(data)}
        asked = {"parent": self._path(name), "payload": payload}
        return _number(self._call(name, self._client.add_secret_version, asked).name)

    def _path(self, name: str) -> str:
        return f"projects/{self._project}/secrets/{name}"

    def _call(self, name: str, method: Callable[..., Any], asked: dict[str, Any]) -> Any:
        from google.api_core.exceptions import GoogleAPICallError

        try:
            return method(request=asked, retry=None, timeout=ANSWER_WITHIN_SECONDS)
        except GoogleAPICallError as error:
            raise _failure(name, error.grpc_status_code.name if error.grpc_status_code else "UNKNOWN") from None


def _failure(name: str, code: str) -> Exception:
    if code in TRANSIENT:
        return TryAgain(f"secrets_{code.lower()}")
    reasons = {
        "NOT_FOUND": "this project has no such secret or version; Terraform makes the secrets",
        "PERMISSION_DENIED": "this account may not read it, or not write it",
        "UNAUTHENTICATED": "no valid Google credentials",
        "FAILED_PRECONDITION": "that version is disabled or destroyed",
    }
    return Misconfigured(f"secret {name}: {reasons.get(code, f'Secret Manager answers {code}')}")


def _client(emulator: str | None) -> SecretManagerServiceClient:
    import grpc
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
        SecretManagerServiceGrpcTransport,
    )

    if emulator:
        channel = grpc.insecure_channel(emulator)
        return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))
    try:
        return SecretManagerServiceClient()
    except DefaultCredentialsError:
        raise Misconfigured("no Google credentials on this machine: gcloud auth application-default login") from None


def _number(version_name: str) -> int:
    return int(version_name.rpartition("/")[2])
