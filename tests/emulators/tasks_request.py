"""How Cloud Tasks sends a task: what the queue's target overrides, which headers it adds, when it tries again, when it gives up."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from google.cloud import tasks_v2

from tests.emulators.issuer import Issuer

METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}
COMPUTED_HEADERS = ("host", "content-length", "user-agent", "x-cloudtasks-", "x-google-", "x-appengine-")
Mode = tasks_v2.UriOverride.UriOverrideEnforceMode


@dataclass
class Entry:
    """A task in its queue, and how far its delivery got. Times are seconds since the epoch."""

    task: Any
    queue: str
    due: float
    first_at: float | None = None
    busy: bool = False
    attempts: int = 0
    responses: int = 0


class Sent(NamedTuple):
    """A request as it goes out."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Delivery(NamedTuple):
    """A request that went out for a task, and the status that came back; None when none came. Short names."""

    queue: str
    task: str
    sent: Sent
    status: int | None


def request_of(entry: Entry, queue: Any, issuer: Issuer) -> Sent:
    """Return what is sent for a task of this queue: the queue's target has the last word."""
    asked, target = entry.task.http_request, queue.http_target
    method = (target.http_method or asked.http_method or tasks_v2.HttpMethod.POST).name
    url = overridden(asked.url, target.uri_override)
    override = {one.header.key: one.header.value for one in target.header_overrides}
    headers = _allowed(asked.headers) | _allowed(override) | _told(entry)
    oidc = next((one.oidc_token for one in (target, asked) if "oidc_token" in one), None)
    if oidc is not None:
        headers["Authorization"] = f"Bearer {issuer.token(oidc.audience or url, oidc.service_account_email)}"
    return Sent(method, url, headers, asked.body if method in METHODS_WITH_BODY else b"")


def overridden(url: str, override: Any) -> str:
    """Return where a task really goes. What its own URL says is replaced, unless the mode is IF_NOT_EXISTS."""
    parts = urlsplit(url)
    own = {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port, "path": parts.path, "query": parts.query}
    given: dict[str, Any] = {}
    if "scheme" in override:
        given["scheme"] = "http" if override.scheme == tasks_v2.UriOverride.Scheme.HTTP else "https"
    given |= {name: getattr(override, name) for name in ("host", "port") if name in override}
    if "path_override" in override:
        given["path"] = override.path_override.path
    if "query_override" in override:
        given["query"] = override.query_override.query_params
    if override.uri_override_enforce_mode == Mode.IF_NOT_EXISTS:
        given = {name: value for name, value in given.items() if not own[name]}
    to = own | given
    place = f"{to['host']}:{to['port']}" if to["port"] else to["host"]
    return urlunsplit((to["scheme"], place, to["path"], to["query"], ""))


def _allowed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.lower().startswith(COMPUTED_HEADERS)}


def _told(entry: Entry) -> dict[str, str]:
    return {
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": short(entry.queue),
        "X-CloudTasks-TaskName": short(entry.task.name),
        "X-CloudTasks-TaskRetryCount": str(entry.attempts),
        "X-CloudTasks-TaskExecutionCount": str(entry.responses),
        "X-CloudTasks-TaskETA": f"{entry.due:.6f}",
    }


def short(name: str) -> str:
    """Return the last part of a resource's name."""
    return name.rpartition("/")[2]


def post(sent: Sent, within_seconds: float) -> int | None:
    """Send a request; return its status, None when no answer came. Never leaves this machine, follows no redirect."""
    parts = urlsplit(sent.url)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        return None
    connection = HTTPConnection(parts.netloc, timeout=within_seconds)
    try:
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request(sent.method, path, sent.body or None, sent.headers)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def backoff_seconds(retry: Any, attempts: int) -> float:
    """Return the wait after so many attempts: doubled so many times, then longer by the same step, up to the longest."""
    doubled = min(attempts - 1, retry.max_doublings)
    first, longest = retry.min_backoff.total_seconds(), retry.max_backoff.total_seconds()
    return float(min(first * 2**doubled * max(1, attempts - retry.max_doublings), longest))


def exhausted(retry: Any, attempts: int, seconds: float) -> bool:
    """Tell whether a task is given up: every limit that is set must have been reached."""
    longest = retry.max_retry_duration.total_seconds() if retry.max_retry_duration else 0
    limits = [attempts >= retry.max_attempts] * (retry.max_attempts > 0) + [seconds >= longest] * (longest > 0)
    return bool(limits) and all(limits)
