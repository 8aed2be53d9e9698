"""How the sandbox's SendGrid reads and answers: JSON, errors in SendGrid's shape, addresses as it compares them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NoReturn

import msgspec
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body
from infra.local.sandbox.vendor import Call

ADDRESS = re.compile(r"[^@\s<>\",]+@[^@\s<>\",]+\.[^@\s.<>\",]{2,}")
LONGEST_ADDRESS = 254


def answer(value: Any = None, status: int = 200) -> Response:
    """Answer with JSON, or with nothing."""
    body = b"" if value is None else msgspec.json.encode(value)
    return Response(body, status, content_type="application/json" if body else None)


def refused(status: int, message: str, field: str | None = None) -> NoReturn:
    """Abort with SendGrid's error shape."""
    abort(answer({"errors": [{"message": message, "field": field, "help": None}]}, status))


def body_of(call: Call, known: Collection[str]) -> Body:
    """Return the body, an object of no other than the known fields."""
    try:
        value = msgspec.json.decode(call.request.get_data())
    except msgspec.DecodeError:
        refused(400, "Bad Request")
    if not isinstance(value, dict):
        refused(400, "Bad Request")
    for name in sorted(value.keys() - set(known)):
        refused(400, "unknown parameter", name)
    return value


def same(email: str) -> str:
    """Return an address as SendGrid compares them."""
    return email.strip().lower()


def is_address(value: Any) -> bool:
    """Tell whether SendGrid would take this for an address."""
    return isinstance(value, str) and len(value) <= LONGEST_ADDRESS and ADDRESS.fullmatch(value.strip()) is not None
