"""The way to Meta's Graph API that both of its connectors share: plain HTTPS, its failures turned into ours.

The token travels in a header and hashes in the body: an address in a log then says nothing.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request

import msgspec

from infra.subprocessors.headers import UNREADABLE, checked
from infra.subprocessors.opener import opener_to
from shared.failures import Misconfigured, NeverRetry, TryAgain

BASE = "https://graph.facebook.com/v26.0"
BUSY = {http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS}
PASSING = frozenset({1, 2, 4, 17, 32, 341, 368, 613, *range(80000, 80015)})
"""Codes that Meta says to wait for: downtime, and the limits of apps, users, pages, ad accounts and use cases."""
T = TypeVar("T")


class _Error(msgspec.Struct):
    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False


class _Refusal(msgspec.Struct):
    error: _Error | None = None


class _Use(msgspec.Struct):
    estimated_time_to_regain_access: float = 0


class MetaTransport:
    """One way in, by one token. `base_url` carries the API's version; `timeout` in seconds, for each wait on the network."""

    def __init__(self, access_token: str, base_url: str = BASE, timeout: float = 10.0) -> None:
        token = checked(access_token, "META_ACCESS_TOKEN")
        if not base_url.startswith(("https://", "http://")):
            raise Misconfigured("META_API_BASE: an http or https address is needed")
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._timeout = timeout
        self._opener = opener_to(base_url)

    def get(self, expected: type[T], *path: str, query: Mapping[str, str]) -> T:
        """Read a node or one page of an edge, as `expected`. Raises TryAgain, NeverRetry (`meta_{code}_{subcode}`)."""
        return self._call(expected, Request(f"{self._address(path)}?{urlencode(query)}", headers=self._headers))  # noqa: S310

    def delete(self, expected: type[T], *path: str, form: Mapping[str, str]) -> T:
        """Delete with a form as its body, which Graph reads like a query. Raises as `get` does."""
        body = urlencode(form).encode()
        return self._call(expected, Request(self._address(path), body, self._headers, method="DELETE"))  # noqa: S310

    def _address(self, path: Sequence[str]) -> str:
        if not all(path):  # without its first segment an edge is somebody else's
            raise NeverRetry("meta_empty_segment")
        return "/".join([self._base, *(quote(segment, safe="") for segment in path)])

    def _call(self, expected: type[T], request: Request) -> T:
        outcome = self._outcome(expected, request)
        if isinstance(outcome, TryAgain | NeverRetry):
            # raised here and not where it was caught: what was caught holds the vendor's text
            raise outcome
        return outcome

    def _outcome(self, expected: type[T], request: Request) -> T | TryAgain | NeverRetry:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                status, headers, body = response.status, response.headers, response.read()
            return _failure(status, headers, body) or msgspec.json.decode(body, type=expected, strict=False)
        except HTTPError as error:
            with error:
                return _failure(error.code, error.headers, _rest(error)) or NeverRetry(f"meta_{error.code}")
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            return TryAgain("meta_timeout" if isinstance(reason, TimeoutError) else "meta_unreachable")
        except UNREADABLE:
            return TryAgain("meta_unreadable")


def _rest(error: HTTPError) -> bytes:
    try:
        return error.read()
    except (OSError, http.client.HTTPException):
        return b""


def _failure(status: int, headers: Message[str, str], body: bytes) -> TryAgain | NeverRetry | None:
    """Return what an answer says went wrong. Meta's own code counts for more than the status it comes with."""
    error = _error(body)
    if error is None:
        return TryAgain(f"meta_{status}", _regained(headers)) if _is_busy(status) else None
    code = "_".join(str(part) for part in ("meta", error.code, error.error_subcode) if part)
    if error.code in PASSING or error.is_transient or _is_busy(status):
        return TryAgain(code, _regained(headers))
    return NeverRetry(code)


def _is_busy(status: int) -> bool:
    return status >= http.client.INTERNAL_SERVER_ERROR or status in BUSY


def _error(body: bytes) -> _Error | None:
    try:
        return msgspec.json.decode(body, type=_Refusal, strict=False).error
    except UNREADABLE:
        return None


def _regained(headers: Message[str, str]) -> int | None:
    """Return in how many seconds Meta lets us in again; it counts in minutes. None when it does not say."""
    try:
        uses = msgspec.json.decode(headers.get("X-Business-Use-Case-Usage") or "{}", type=dict[str, list[_Use]])
    except UNREADABLE:
        return None
    minutes = max((use.estimated_time_to_regain_access for each in uses.values() for use in each), default=0)
    return int(minutes * 60) or None
