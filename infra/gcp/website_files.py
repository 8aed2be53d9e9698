"""The website's own files: its buckets in Cloud Storage, with every version a bucket has kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from shared.failures import NeverRetry, TryAgain
from shared.website_paths import bucket_name, file_path

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

T = TypeVar("T")
SECONDS = (5, 20)
"""To connect, and between two pieces of an answer."""
# no retries of the library's own: our work items are the one retry authority
ONCE: dict[str, Any] = {"retry": None, "timeout": SECONDS}
LISTED = "items(name,generation),nextPageToken"
TRANSIENT = frozenset({408, 429})
BUSY = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
KEPT = {"objectUnderActiveHold": "under_hold", "retentionPolicyNotMet": "under_retention"}


class WebsiteFiles:
    """The files' half of `WebsiteStore`. `emulator`: an address on this machine.

    An object's name is one piece of text to Cloud Storage and leads nowhere else, so that what a listing gave is
    read and deleted whatever it looks like (`users/u1/`, `users/u1//a`); what we were told to look for is checked.
    """

    def __init__(self, project: str, emulator: str | None = None) -> None:
        self._project = project
        self._emulator = emulator

    @cached_property
    def _client(self) -> Client:
        from google.cloud.storage import Client

        if self._emulator is None:
            return Client(self._project)
        from google.auth.credentials import AnonymousCredentials

        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
        return Client(self._project, nobody, client_options={"api_endpoint": self._emulator})

    def list_files(self, bucket: str, prefix: str) -> list[str]:
        file_path(prefix.removesuffix("/"))
        listed = self._below if prefix.endswith("/") else self._versions
        found = _answered(lambda: {blob.name for blob in listed(bucket, prefix)}, "bucket_missing")
        return sorted(found)

    def read_file(self, bucket: str, path: str) -> bytes | None:
        blob = self._blob(bucket, path)
        return _answered(lambda: _unless_absent(lambda: blob.download_as_bytes(**ONCE)))

    def write_file(self, bucket: str, path: str, content: bytes) -> None:
        blob = self._blob(bucket, file_path(path))
        _answered(lambda: blob.upload_from_string(content, "application/octet-stream", **ONCE), "bucket_missing")

    def delete_file(self, bucket: str, path: str) -> None:
        found = _answered(lambda: list(self._versions(bucket, path)), "bucket_missing")
        for version in found:
            _delete(version)

    def _versions(self, bucket: str, path: str) -> Iterator[Blob]:
        """Yield every version of the one file of exactly this path."""
        # the listing ends before most of what only begins alike: "!" is the first character that shows
        begun_alike = self._below(bucket, path, end_offset=f"{path}!")
        return (blob for blob in begun_alike if blob.name == path)

    def _below(self, bucket: str, prefix: str, **narrowed: str) -> Iterator[Blob]:
        """Yield every version of every file whose path begins so."""
        # `versions` as text: a boolean would go out as `True`, which not every server takes for one
        asked = {"prefix": prefix, "versions": "true", "fields": LISTED, **narrowed}
        found: Iterator[Blob] = self._client.list_blobs(bucket_name(bucket), **asked, **ONCE)
        return found

    def _blob(self, bucket: str, path: str) -> Blob:
        return self._client.bucket(bucket_name(bucket)).blob(path)


def _delete(version: Blob) -> None:
    _answered(lambda: _unless_absent(lambda: version.delete(**ONCE)))


def _unless_absent(act: Callable[[], T]) -> T | None:
    from google.api_core.exceptions import NotFound

    try:
        return act()
    except NotFound:
        return None


def _answered(act: Callable[[], T], absent: str = "not_found") -> T:
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption
    from requests import RequestException

    failed: TryAgain | NeverRetry
    try:
        return act()
    except GoogleAPICallError as error:
        failed = _failure(int(error.code or 500), _reason(error), absent)
    except DefaultCredentialsError:
        failed = NeverRetry("website_files_no_credentials")
    except (RequestException, GoogleAuthError, DataCorruption):
        failed = TryAgain("website_files_unreachable")
    # raised out here: the error itself repeats the address that was asked, and with it ids
    raise failed


def _reason(error: Any) -> str:
    """Return the reason Google's JSON API gives, as `retentionPolicyNotMet`; empty when there is none."""
    try:
        return str(error.response.json()["error"]["errors"][0]["reason"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""


def _failure(status: int, reason: str, absent: str) -> TryAgain | NeverRetry:
    if status >= 500 or status in TRANSIENT or reason in BUSY:
        return TryAgain(f"website_files_{status}")
    if status == 404:
        return NeverRetry(f"website_files_{absent}")
    return NeverRetry(f"website_files_{KEPT.get(reason, status)}")
