"""The archive of evidence as a Cloud Storage bucket under a locked retention policy.

Runs once a day, so it takes the SDK as it is and loads it when first asked. The SDK retries nothing itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from shared.failures import NeverRetry, TryAgain

TIMEOUT_SECONDS = (5.0, 30.0)
"""To connect, and to wait for the answer."""
TYPE = "application/jose"
PASSING = frozenset({408, 429})
ONCE: dict[str, Any] = {"timeout": TIMEOUT_SECONDS, "retry": None}


class EvidenceBucket:
    """The `Archive` port on Google Cloud. `emulator`: the URL of a stand-in, spoken to without credentials."""

    def __init__(self, project: str, bucket: str, emulator: str | None = None) -> None:
        self._project = project
        self._name = bucket
        self._emulator = emulator

    @cached_property
    def _bucket(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        # for tracing, the SDK would ask for the bucket's own metadata: in a thread, again and again, and without the right to
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        if self._emulator is None:
            return storage.Client(self._project).bucket(self._name)
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
        return storage.Client(self._project, nobody, client_options={"api_endpoint": self._emulator}).bucket(self._name)

    def keep(self, name: str, content: bytes) -> bool:
        """Write it on the condition that no generation of it exists."""
        from google.api_core.exceptions import Forbidden, PreconditionFailed

        with _storage_errors():
            try:
                self._bucket.blob(name).upload_from_string(content, TYPE, if_generation_match=0, **ONCE)
            except PreconditionFailed:
                return False
            except Forbidden:
                # who may create and not delete can be told so, where an object stands already
                if self.read(name) is None:
                    raise
                return False
        return True

    def read(self, name: str) -> bytes | None:
        """Return what stands there. A bucket that is not there is no empty bucket: NeverRetry."""
        from google.api_core.exceptions import NotFound

        with _storage_errors():
            try:
                found: bytes = self._bucket.blob(name).download_as_bytes(**ONCE)
            except NotFound:
                # the same status for a missing object and a missing bucket; a list tells them apart
                list(self._bucket.list_blobs(prefix=name, max_results=1, **ONCE))
                return None
        return found

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin so, in order, page by page."""
        with _storage_errors():
            for blob in self._bucket.list_blobs(prefix=prefix, fields="items(name),nextPageToken", **ONCE):
                yield blob.name


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    """Type what the SDK raises."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption
    from requests.exceptions import RequestException

    try:
        yield
    except GoogleAPICallError as error:
        status = int(error.code or 500)
        failure = TryAgain if status >= 500 or status in PASSING else NeverRetry
        raise failure(f"archive_{status}") from error
    except DefaultCredentialsError as error:
        raise NeverRetry("archive_no_credentials") from error
    except (GoogleAuthError, RequestException, DataCorruption) as error:
        raise TryAgain("archive_unreachable") from error
