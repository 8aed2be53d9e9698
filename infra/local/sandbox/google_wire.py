"""How the sandbox's Google answers: JSON, and errors in the shape of Google's APIs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NoReturn

import msgspec
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body
from infra.local.sandbox.vendor import Call

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(value), status, content_type="application/json; charset=UTF-8")


def failed(status: int, message: str) -> Response:
    """Return an error in Google's shape."""
    return answer({"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}, status)


def refused(status: int, message: str) -> NoReturn:
    """Abort with Google's error shape."""
    abort(failed(status, message))


def body_of(call: Call, known: Collection[str]) -> Body:
    """Return the body, an object of no other than the known fields."""
    try:
        value = msgspec.json.decode(call.request.get_data())
    except msgspec.DecodeError:
        refused(400, "Invalid JSON payload received.")
    if not isinstance(value, dict):
        refused(400, "Invalid JSON payload received. An object is needed.")
    for name in sorted(value.keys() - set(known)):
        refused(400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    return value
