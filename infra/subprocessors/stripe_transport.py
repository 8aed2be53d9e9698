"""The way to Stripe: its client over our own opener, at our pace, with its failures turned into ours."""

from __future__ import annotations

import http.client
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import OpenerDirector, Request

import stripe
from stripe import _util as stripe_util

from infra.subprocessors.headers import checked, seconds
from infra.subprocessors.opener import opener_to
from shared.failures import Misconfigured, NeverRetry, TryAgain

Json = dict[str, Any]
ADDRESS = "https://api.stripe.com"
PREVIEW = "2026-09-30.preview"
"""The version under which Stripe offers redaction jobs: a public preview, absent from the released one."""
PAGE = 100
"""Things in one page of a list, at the most."""
CALLS_A_SECOND = 25
"""What Stripe allows for one endpoint, and to a test account altogether."""
UNHURRIED = 1000
"""For a stand-in that counts no calls."""
VENDORS_WORD = re.compile(r"[a-z_]{1,60}")


class StripeTransport:
    """Stripe's client, with its failures turned into ours. `timeout` in seconds, for each wait on the network."""

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        timeout: float = 10.0,
        calls_a_second: int = CALLS_A_SECOND,
    ) -> None:
        base = (base_url or ADDRESS).rstrip("/")
        key = checked(api_key, "STRIPE_API_KEY")
        if not base.startswith(("https://", "http://")):
            raise Misconfigured("STRIPE_API_BASE: an http or https address is needed")
        _keep_quiet()
        opener = opener_to(base)
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": base},
            max_network_retries=0,
            http_client=_Http(opener, timeout, _Pace(calls_a_second)),
        )

    def get(self, *path: str, preview: bool = False, **params: Any) -> Json | None:
        """Read one thing; None when there is no such thing, since absent is often success."""
        return self._call("get", path, params, preview)

    def delete(self, *path: str, **params: Any) -> Json | None:
        """Delete or cancel one thing; None when there is no such thing (any more)."""
        return self._call("delete", path, params, preview=False)

    def post(self, *path: str, key: str, params: Mapping[str, Any], preview: bool = False) -> Json | None:
        """Create, change or start something, once for each idempotency key; None when there is no such thing."""
        return self._call("post", path, {**params, "idempotency_key": key}, preview)

    def every(self, *path: str, preview: bool = False, **params: Any) -> Iterator[Json]:
        """Yield everything of a list, page by page, newest first. Raises NeverRetry when there is no such list."""
        after: Json = {}
        while True:
            page = self._call("get", path, {"limit": PAGE, **params, **after}, preview)
            if page is None:
                raise NeverRetry("stripe_no_such_list")
            found = page.get("data")
            if not isinstance(found, list) or (page.get("has_more") and not found):
                raise TryAgain("stripe_unreadable")
            yield from found
            if not page.get("has_more"):
                return
            after = {"starting_after": found[-1]["id"]}

    def _call(self, method: str, path: tuple[str, ...], params: Mapping[str, Any], preview: bool) -> Json | None:
        """Call `/v1/{path}`, each segment escaped.

        Raises TryAgain for timeouts, lost connections, 409, 429 and 5xx; NeverRetry for every other refusal.
        """
        if not all(path) or {".", ".."} & {*path}:  # without its last segment an address means the whole list
            raise NeverRetry("stripe_empty_segment")
        address = "/v1/" + "/".join(quote(segment, safe="") for segment in path)
        options = {"stripe_version": PREVIEW} if preview else {}
        answer = _outcome(lambda: self._client.raw_request(method, address, **params, **options).data)
        if isinstance(answer, Exception):
            # raised here and not where it was caught: the client's exception holds what was asked and answered
            raise answer
        return answer


class _Pace:
    """At most so many calls in any second, from one process."""

    def __init__(self, calls_a_second: int) -> None:
        self._lock = threading.Lock()
        self._recent: deque[float] = deque([float("-inf")] * calls_a_second, calls_a_second)

    def wait(self) -> None:
        with self._lock:
            time.sleep(max(0.0, self._recent[0] + 1 - time.monotonic()))
            self._recent.append(time.monotonic())


class _Http(stripe.HTTPClient):
    """The vendor's client over our own opener: no redirect takes the key along, and no second library is loaded."""

    name = "urllib"

    def __init__(self, opener: OpenerDirector, timeout: float, pace: _Pace) -> None:
        super().__init__()
        self._opener, self._timeout, self._pace = opener, timeout, pace

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[Any, int, Any]:
        self._pace.wait()
        data = None if post_data is None else post_data.encode()
        request = Request(url, data, dict(headers or {}), method=method.upper())  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return response.read(), response.status, response.headers
        except HTTPError as error:
            with error:
                return error.read(), error.code, error.headers


def _keep_quiet() -> None:
    # the client logs addresses, bodies and answers, prints them when its own variable asks for it, and reports home
    # how long calls took, under an id that it writes into the home folder
    logging.getLogger("stripe").addFilter(_nothing)
    stripe_util.STRIPE_LOG = None
    stripe.log = None
    stripe.enable_telemetry = False


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _outcome(call: Callable[[], Any]) -> Json | TryAgain | NeverRetry | None:
    try:
        answer = call()
    except stripe.StripeError as error:
        return _refusal(error)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return TryAgain("stripe_timeout" if isinstance(reason, TimeoutError) else "stripe_unreachable")
    except (ValueError, AttributeError, TypeError, RecursionError):
        # the client itself trips over an answer of another shape
        return TryAgain("stripe_unreadable")
    return answer if isinstance(answer, dict) else TryAgain("stripe_unreadable")


def _refusal(error: stripe.StripeError) -> TryAgain | NeverRetry | None:
    status, word = error.http_status or 0, _word(error)
    if status < http.client.MULTIPLE_CHOICES:
        return TryAgain("stripe_unreadable")
    if status == http.client.TOO_MANY_REQUESTS or word == "rate_limit":
        return TryAgain("stripe_429", seconds((error.headers or {}).get("Retry-After")))
    if status >= http.client.INTERNAL_SERVER_ERROR or status in {http.client.REQUEST_TIMEOUT, http.client.CONFLICT}:
        return TryAgain(f"stripe_{status}", seconds((error.headers or {}).get("Retry-After")))
    if word == "resource_missing":
        # it exists, but our key is for the other mode: to call that absent would be a lie
        return NeverRetry("stripe_wrong_mode") if "similar object exists in" in str(error) else None
    return NeverRetry(f"stripe_{status}_{word}" if word else f"stripe_{status}")


def _word(error: stripe.StripeError) -> str:
    """Return Stripe's own word for what was wrong, never text that could repeat what we sent."""
    body = error.json_body
    said = body.get("error") if isinstance(body, dict) else None
    word = said.get("code") if isinstance(said, dict) else None
    return word if isinstance(word, str) and VENDORS_WORD.fullmatch(word) else ""
