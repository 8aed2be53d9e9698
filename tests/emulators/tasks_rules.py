"""What Cloud Tasks refuses to create. Where its documents disagree, the stricter one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.cloud import tasks_v2

from tests.emulators.rpc import refuse
from tests.emulators.tasks_request import METHODS_WITH_BODY, is_loopback

QUEUE_NAME = re.compile(r"projects/[A-Za-z0-9.:-]+/locations/[A-Za-z0-9-]+/queues/[A-Za-z0-9-]{1,100}")
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
MOST_TASK_BYTES = 100 * 1024
MOST_HEADER_BYTES = 80 * 1024
MOST_URL_CHARACTERS = 2083
FURTHEST = timedelta(days=30)
SHORTEST_DEADLINE, LONGEST_DEADLINE = timedelta(seconds=15), timedelta(minutes=30)
Scheme = tasks_v2.UriOverride.Scheme


def check_queue(parent: str, queue: Any, context: grpc.ServicerContext) -> None:
    """Refuse a queue that cannot be."""
    override, oidc = queue.http_target.uri_override, queue.http_target.oidc_token
    wrong = {
        "the name is not that of a queue in its parent": not QUEUE_NAME.fullmatch(queue.name)
        or queue.name.rpartition("/queues/")[0] != parent,
        "the host of an override is empty": "host" in override and not override.host,
        "a queue's token needs account and audience": "oidc_token" in queue.http_target
        and not (oidc.service_account_email and oidc.audience),
        # ours: a token in the clear never leaves this machine
        "a token goes over https, or to loopback": "oidc_token" in queue.http_target
        and override.scheme == Scheme.HTTP
        and not is_loopback(override.host),
    }
    _refuse_if(wrong, context)


def check_task(queue: str, task: Any, size: int, context: grpc.ServicerContext) -> None:
    """Refuse a task that cannot be. `size`: bytes of the task as it came."""
    request = task.http_request
    deadline = task.dispatch_deadline or SHORTEST_DEADLINE
    method = (request.http_method or tasks_v2.HttpMethod.POST).name
    authorized = "oidc_token" in request or "oauth_token" in request
    wrong = {
        f"a task has at most {MOST_TASK_BYTES} bytes": size > MOST_TASK_BYTES,
        "the name is not that of a task in its queue": bool(task.name)
        and not (task.name.startswith(f"{queue}/tasks/") and TASK_ID.fullmatch(task.name.rpartition("/")[2])),
        "an HTTP request is needed": "http_request" not in task,
        "the URL must begin with http:// or https://": not request.url.startswith(("http://", "https://")),
        "the URL must begin with https:// where a token is sent": authorized and request.url.startswith("http://"),
        f"a URL has at most {MOST_URL_CHARACTERS} characters": len(request.url) > MOST_URL_CHARACTERS,
        f"headers have less than {MOST_HEADER_BYTES} bytes": _bytes(request.headers) >= MOST_HEADER_BYTES,
        f"{method} has no body": bool(request.body) and method not in METHODS_WITH_BODY,
        "schedule_time is too far ahead": bool(task.schedule_time)
        and task.schedule_time > datetime.now(UTC) + FURTHEST,
        "dispatch_deadline must be from 15 s to 30 min": not SHORTEST_DEADLINE <= deadline <= LONGEST_DEADLINE,
    }
    _refuse_if(wrong, context)


def _refuse_if(wrong: dict[str, bool], context: grpc.ServicerContext) -> None:
    found = [why for why, so in wrong.items() if so]
    if found:
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, found[0])


def _bytes(headers: Any) -> int:
    return sum(len(name) + len(value) for name, value in headers.items())
