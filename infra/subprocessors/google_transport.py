"""The way to Google's APIs that are plain HTTPS and JSON, with a bearer token and their failures turned into ours.

Identifiers travel in the body: an address in a log then says nothing. No SDK: its package costs a cold start more than the
one call we make.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import msgspec

from infra.subprocessors.headers import UNREADABLE, can_be_sent, seconds
from infra.subprocessors.opener import opener_to
from shared.failures import Misconfigured, NeverRetry, TryAgain

ADMIN_BASE = "https://analyticsadmin.googleapis.com"
EDIT_SCOPE = "https://www.googleapis.com/auth/analytics.edit"
QUOTA_SECONDS = 3600
"""How long to stay away when Google says that a quota is used up, and not until when."""
QUOTA_REASONS = frozenset(
    {"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}
)
Json = dict[str, Any]


class _Reason(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    status: str = ""
    errors: list[_Reason] = []
    details: list[_Reason] = []


class _Refusal(msgspec.Struct):
    error: _Error


class GoogleTransport:
    """One API by one base URL. `token` is asked for each call; `timeout` in seconds, for each wait on the network."""

    def __init__(self, base_url: str, token: Callable[[], str], timeout: float = 10.0) -> None:
        if not base_url.startswith(("https://", "http://")):
            raise Misconfigured("GA_API_BASE: an http or https address is needed")
        self._base = base_url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._opener = opener_to(base_url)

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Call `{base}/{path}` and return the object it answers. `path` is ours alone, nothing personal.

        Raises TryAgain for timeouts, lost connections, quotas, 5xx and unreadable answers; NeverRetry(`google_{status}`)
        for every other refusal, and (`google_token_unusable`) for what cannot be a token.
        """
        token = self._token()
        if not can_be_sent(token):
            # Python's own refusal would repeat it
            raise NeverRetry("google_token_unusable")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else msgspec.json.encode(body)
        outcome = self._outcome(Request(f"{self._base}/{path}", data, headers, method=method))  # noqa: S310
        if isinstance(outcome, Exception):
            # raised here and not where it was caught: what was caught holds the vendor's text
            raise outcome
        return outcome

    def _outcome(self, request: Request) -> Json | TryAgain | NeverRetry:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return msgspec.json.decode(response.read(), type=Json)
        except HTTPError as error:
            with error:
                return _refusal(error.code, error.headers.get("Retry-After"), _rest(error))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            return TryAgain("google_timeout" if isinstance(reason, TimeoutError) else "google_unreachable")
        except UNREADABLE:
            return TryAgain("google_unreadable")


class ApplicationDefaultToken:
    """An access token for whom this runs as (application default credentials), renewed when it is about to end."""

    def __init__(self, scope: str = EDIT_SCOPE) -> None:
        self._scope = scope
        self._lock = threading.Lock()
        self._credentials: Any = None

    def __call__(self) -> str:
        """Return the token. Raises NeverRetry without credentials, TryAgain when none is to be had just now."""
        with self._lock:
            failure = self._renewed()
            if failure:
                raise failure
            return str(self._credentials.token)

    def _renewed(self) -> TryAgain | NeverRetry | None:
        # imported here: only a function that calls this API pays for it
        import google.auth
        import urllib3
        from google.auth import exceptions
        from google.auth.transport.urllib3 import Request as TokenRequest

        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[self._scope])
            if not self._credentials.valid:
                self._credentials.refresh(TokenRequest(urllib3.PoolManager()))  # type: ignore[no-untyped-call]
        except exceptions.DefaultCredentialsError:
            return NeverRetry("google_credentials_missing")
        except (exceptions.GoogleAuthError, OSError):
            return TryAgain("google_token_unavailable")
        return None


def _rest(error: HTTPError) -> bytes:
    try:
        return error.read()
    except (OSError, http.client.HTTPException):
        return b""


def _refusal(status: int, retry_after: str | None, body: bytes) -> TryAgain | NeverRetry:
    if status == http.client.TOO_MANY_REQUESTS or (status == http.client.FORBIDDEN and _is_quota(body)):
        return TryAgain(f"google_{status}", seconds(retry_after) or QUOTA_SECONDS)
    if status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.REQUEST_TIMEOUT:
        return TryAgain(f"google_{status}", seconds(retry_after))
    return NeverRetry(f"google_{status}")


def _is_quota(body: bytes) -> bool:
    """Tell a quota from a missing permission: Google answers 403 to both. Its newer and its older shape of errors."""
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except UNREADABLE:
        return False
    reasons = {one.reason for one in (*error.errors, *error.details)}
    return error.status == "RESOURCE_EXHAUSTED" or not QUOTA_REASONS.isdisjoint(reasons)
