"""The sandbox's Google: the part of the Analytics Admin API that deletes what is held under an id.

A deletion is only ever scheduled, as there: what was held stays to be found until the next run, two months later.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request, Response

from infra.local.sandbox.google_wire import answer, body_of, failed, refused
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Call, Route
from shared.failures import BadInput
from shared.times import plus, rfc3339

IDS = ("clientId", "userId", "appInstanceId", "userProvidedData")
PUT_FIELDS = frozenset({"email", "user_id", "client_ids", "ga_client_ids"})
BETWEEN_RUNS = "P2M"
MOST_A_DAY = 500
MOST_AT_ONCE, AT_ONCE = 3, timedelta(seconds=2)
LONGEST_ID = 256


class Google:
    """One property. `property_id`: its number; without one, any number is it."""

    name = "google"

    def __init__(self, property_id: str | None = None) -> None:
        self._property = property_id
        self.routes: Sequence[Route] = (
            ("GET", "/v1alpha/properties/<property>", self._show),
            ("POST", "/v1alpha/properties/<property>:submitUserDeletion", self._submit),
        )

    def admit(self, request: Request, key: str | None) -> None:
        """Answer 401 without the right bearer, 400 to a body that is not JSON."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not given or (key and not hmac.compare_digest(given.encode(), key.encode())):
            refused(401, "Request had invalid authentication credentials.")
        if request.get_data() and request.mimetype != "application/json":
            refused(400, "Invalid content type.")

    def failure(self, status: int) -> Response:
        """Answer as Google does; it says of no limit when it ends."""
        return failed(status, "the sandbox was told to fail")

    def put_person(self, shelf: Shelf, now: datetime, fields: Body) -> list[str]:
        """Collect events under each id; without any id, under a new client id as a browser makes one."""
        for unknown in sorted(fields.keys() - PUT_FIELDS):
            raise BadInput("unknown field", unknown)
        clients = _texts(fields, "client_ids") + _texts(fields, "ga_client_ids")
        user = fields.get("user_id")
        if user is not None and not _is_id(user):
            raise BadInput("a text is needed", "user_id")
        if not clients and user is None:
            clients = [f"{secrets.randbelow(2**31)}.{int(now.timestamp())}"]
        for kind, value in [*(("clientId", one) for one in clients), *([("userId", user)] if user else [])]:
            events = {"kind": "events", "under": kind, "id": value, "last_at": rfc3339(now)}
            shelf.put("events", _key(kind, value), events, about=str(fields.get("email") or value))
        return [*clients, *([user] if user else [])]

    def find_person(self, shelf: Shelf, email: str | None, id: str | None) -> list[Body]:
        """Return the events under an id, or put with an address, each with when its deletion was asked for, if it was."""
        held = shelf.find("events", email) if email else [shelf.get("events", _key(kind, id or "")) for kind in IDS]
        return [one | _asked(shelf, one) for one in held if one]

    def pass_time(self, shelf: Shelf, now: datetime) -> None:
        """Run the deletions that are due. Events newer than their deletion's request stay."""
        for asked in shelf.find("deletion"):
            _run_if_due(shelf, asked, now)

    def _show(self, call: Call) -> Response:
        return answer({"name": f"properties/{self._own(call)}", "displayName": "Sandbox"})

    def _submit(self, call: Call) -> Response:
        self._own(call)
        asked = body_of(call, IDS)
        if len(asked) != 1:
            refused(400, "Exactly one of the fields of the oneof 'user' must be set.")
        ((kind, value),) = asked.items()
        if not _is_id(value):
            refused(400, f"Invalid value for {kind}.")
        _count(call.shelf, call.now)
        before = call.shelf.get("deletion", _key(kind, value))
        if before:
            _run_if_due(call.shelf, before, call.now)
        at = rfc3339(call.now)
        scheduled = {"under": kind, "id": value, "deletionRequestTime": at}
        runs_at = rfc3339(plus(call.now, BETWEEN_RUNS))
        call.shelf.put("deletion", _key(kind, value), scheduled | {"runs_at": runs_at}, about=value)
        return answer({"deletionRequestTime": at})

    def _own(self, call: Call) -> str:
        given = str(call.path["property"])
        if not (given.isascii() and given.isdecimal()):
            refused(400, "Invalid property name.")
        if self._property and given != self._property:
            refused(403, "The caller does not have permission")
        return given


def _run_if_due(shelf: Shelf, asked: Body, now: datetime) -> None:
    if asked["runs_at"] > rfc3339(now):
        return
    key = _key(asked["under"], asked["id"])
    events = shelf.get("events", key)
    if events and events["last_at"] <= asked["deletionRequestTime"]:
        shelf.delete("events", id=key)
    shelf.delete("deletion", id=key)


def _count(shelf: Shelf, now: datetime) -> None:
    """Hold the caller to 1.5 calls a second and 500 a day (UTC)."""
    kept = shelf.get("usage", "deletions") or {}
    today = rfc3339(now)[:10]
    count = kept.get("count", 0) if kept.get("day") == today else 0
    since = rfc3339(now - AT_ONCE)
    lately = [at for at in kept.get("lately", []) if at > since]
    if count >= MOST_A_DAY or len(lately) >= MOST_AT_ONCE:
        refused(429, "Quota exceeded.")
    shelf.put("usage", "deletions", {"day": today, "count": count + 1, "lately": [*lately, rfc3339(now)]})


def _asked(shelf: Shelf, events: Body) -> Body:
    asked = shelf.get("deletion", _key(events["under"], events["id"])) or {}
    covered = events["last_at"] <= asked.get("deletionRequestTime", "")
    return {"deletion_requested_at": asked["deletionRequestTime"], "deleted_by": asked["runs_at"]} if covered else {}


def _key(kind: str, value: str) -> str:
    return f"{kind}:{value}"


def _texts(fields: Body, name: str) -> list[str]:
    values = fields.get(name) or []
    if not isinstance(values, list) or not all(map(_is_id, values)):
        raise BadInput("a list of ids is needed", name)
    return values


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_ID
