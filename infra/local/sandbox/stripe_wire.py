"""How the sandbox's Stripe reads and answers: nested forms, JSON, its errors, its pages, and repeats by their key."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Any, NoReturn

import msgspec
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body
from infra.local.sandbox.vendor import Call, Handler
from shared.times import rfc3339

Readers = dict[str, Any]
"""What a call takes: names to a reader of a text, or to further names for a hash."""
LONGEST_KEY = 255
KEYS_KEPT_FOR = timedelta(hours=24)


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(value), status, content_type="application/json")


def error(message: str, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error") -> Body:
    """Return a body in Stripe's error shape."""
    said = {"type": kind, "message": message, "code": code, "param": param}
    return {"error": {name: value for name, value in said.items() if value is not None}}


def refused(status: int, message: str, code: str | None = None, param: str | None = None) -> NoReturn:
    """Abort with Stripe's error shape."""
    abort(answer(error(message, code, param), status))


def missing(what: str, id: str, param: str = "id", status: int = 404) -> NoReturn:
    """Abort as Stripe does where there is no such thing."""
    refused(status, f"No such {what}: '{id}'", "resource_missing", param)


def new(prefix: str) -> str:
    """Make an id as Stripe's look."""
    return f"{prefix}_{secrets.token_hex(7)}"


# --- what is asked ---------------------------------------------------------------------------------------------------


def text(value: Any) -> Any:
    """Read a text; an empty one unsets."""
    return value or None if isinstance(value, str) else _no()


def whole(value: Any) -> int:
    """Read a whole number."""
    return int(text(value) or "")


def truth(value: Any) -> bool:
    """Read `true` or `false`."""
    return {"true": True, "false": False}[value] if isinstance(value, str) and value in {"true", "false"} else _no()


def texts(value: Any) -> list[str]:
    """Read a list of texts."""
    return [str(one) for one in value.values()] if isinstance(value, dict) else _no()


def pairs(value: Any) -> dict[str, str]:
    """Read a hash of names that are the caller's own; an empty text empties it."""
    return value if isinstance(value, dict) else {} if value == "" else _no()


def one_of(*choices: str) -> Callable[[Any], str]:
    """Make a reader of one of these words."""
    return lambda value: value if value in choices else _no()


PAGED: Readers = {"limit": whole, "starting_after": text}
ADDRESS: Readers = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text)


def asked(call: Call, readers: Readers) -> Body:
    """Return the parameters, of no other than the known names, read."""
    given = call.request.form if call.request.method == "POST" else call.request.args
    root: Body = {}
    for name, value in given.items(multi=True):
        _place(root, name.replace("]", "").split("["), value)
    return _read(root, {"expand": texts, **readers}, "")


def _place(node: Body, names: list[str], value: str) -> None:
    for name in names[:-1]:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            refused(400, "Invalid hash", "parameter_invalid", name)
    node[names[-1] or str(len(node))] = value


def _read(given: Body, readers: Readers, place: str) -> Body:
    found: Body = {}
    for name, value in given.items():
        param = f"{place}[{name}]" if place else name
        if name not in readers:
            refused(400, f"Received unknown parameter: {param}", "parameter_unknown", param)
        found[name] = _value(value, readers[name], param)
    return found


def _value(value: Any, reader: Any, param: str) -> Any:
    if isinstance(reader, dict) and isinstance(value, dict):
        return _read(value, reader, param)
    try:
        return one_of("")(value) or None if isinstance(reader, dict) else reader(value)
    except ValueError:
        refused(400, f"Invalid {param}", "parameter_invalid", param)


def _no() -> NoReturn:
    raise ValueError


# --- what is answered ------------------------------------------------------------------------------------------------


def listed(call: Call, found: Iterable[Body], params: Body) -> Response:
    """Answer one page, newest first. `found`: oldest first, as it is kept."""
    limit, after = params.get("limit", 10), params.get("starting_after")
    if not 1 <= limit <= 100:
        refused(400, "Invalid integer: must be from 1 to 100", "parameter_invalid_integer", "limit")
    rows = list(found)[::-1]
    ids = [row["id"] for row in rows]
    if after is not None and after not in ids:
        missing("object", after, "starting_after", 400)
    rest = rows[ids.index(after) + 1 :] if after is not None else rows
    url = call.request.path[call.request.path.index("/v1/") :]
    return answer({"object": "list", "data": rest[:limit], "has_more": len(rest) > limit, "url": url})


def once(handler: Handler) -> Handler:
    """Do a POST once for each idempotency key; what is refused is not remembered."""

    def handle(call: Call) -> Response:
        key = call.request.headers.get("Idempotency-Key")
        if key is None:
            return handler(call)
        if len(key) > LONGEST_KEY:
            refused(400, "Idempotency keys are at most 255 characters", "idempotency_key_too_long")
        kept = call.shelf.get("idempotency", key)
        if kept and kept["until"] > rfc3339(call.now):
            return _again(kept, _digest(call))
        answered = handler(call)
        until = rfc3339(call.now + KEYS_KEPT_FOR)
        said = answered.get_data(as_text=True)
        call.shelf.put("idempotency", key, {"asked": _digest(call), "body": said, "until": until})
        return answered

    return handle


def _digest(call: Call) -> str:
    return sha256(f"{call.request.path}\n{call.request.form.to_dict(flat=False)}".encode()).hexdigest()


def _again(kept: Body, digest: str) -> Response:
    if kept["asked"] != digest:
        said = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        abort(answer(error(said, kind="idempotency_error"), 400))
    again = Response(kept["body"], content_type="application/json")
    again.headers["Idempotent-Replayed"] = "true"
    return again
