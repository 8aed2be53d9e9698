"""How the sandbox's Meta reads and answers: JSON, errors in the Graph API's shape, parameters it knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import msgspec
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body
from infra.local.sandbox.vendor import Call

Reason = tuple[int, str, int, int | None]
"""Status, message, code, subcode."""
BAD = (400, "Invalid parameter", 100, None)
UNKNOWN = (400, "Unsupported request: the object does not exist, or this token may not load it", 100, 33)
UNREADABLE_TOKEN = (401, "Invalid OAuth access token - Cannot parse access token", 190, None)
NO_TOKEN = (400, "An access token is required to request this resource.", 104, None)
LOCKS: dict[str, Reason] = {
    "flagged": (400, "Invalid parameter", 100, 1713230),
    "small": (400, "Permissions error", 200, 1870047),
    "updating": (400, "Audience update in progress", 2650, 1870145),
}
"""Why an audience takes no removals: for its words, because few would be left, while its list is replaced."""
PASSING = {1, 2, 4, 17, 32, 613}


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(value), status, content_type="application/json; charset=UTF-8")


def error(status: int, message: str, code: int, subcode: int | None = None) -> Response:
    """Answer with an error as Graph words it."""
    body: Body = {"message": message, "type": "OAuthException", "code": code, "is_transient": code in PASSING}
    if subcode is not None:
        body["error_subcode"] = subcode
    return answer({"error": body | {"fbtrace_id": "Sandbox"}}, status)


def refused(reason: Reason, detail: str = "") -> NoReturn:
    """Abort with one of the reasons, and what is wrong in this case."""
    status, message, code, subcode = reason
    abort(error(status, f"(#{code}) {message}{': ' if detail else ''}{detail}", code, subcode))


def query_of(call: Call, known: Collection[str]) -> dict[str, str]:
    """Return the parameters in the address, none but the known ones. A token there is refused, unlike at Meta."""
    return _known(call.request.args.to_dict(), known)


def form_of(call: Call, known: Collection[str]) -> dict[str, str]:
    """Return the parameters in a form's body, none but the known ones; none may stand in the address."""
    query_of(call, ())
    if call.request.mimetype != "application/x-www-form-urlencoded":
        refused(BAD, "a form is needed")
    return _known(dict(parse_qsl(call.request.get_data(as_text=True), keep_blank_values=True)), known)


def _known(given: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    for name in sorted(given.keys() - set(known)):
        refused(BAD, f"unknown parameter {name}")
    return dict(given)
