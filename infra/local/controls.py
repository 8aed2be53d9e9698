"""What only the embedded runtime has: health, the outbox, the clock, the website's own data, the sandbox, the demo."""

from __future__ import annotations

from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request as Outgoing
from urllib.request import urlopen

import flask
import msgspec
from werkzeug.routing import Rule

from infra.container import Container
from infra.http.answers import json_answer, problem_answer
from infra.http.edge import Call, Edge
from infra.local.person_data import person_data, put_person_data
from infra.local.queue import LocalPlatform
from shared.failures import BadInput
from shared.times import plus, rfc3339, valid_duration, whole_second

LONGEST_JUMP = timedelta(days=366 * 20)
LAST_YEAR = 9999
MOST_BYTES = 16 * 1024 * 1024


class Moved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far to move the clock: a duration, or a time. One of them."""

    advance: str | None = None
    at: datetime | None = None


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the demo website holds about somebody."""

    documents: dict[str, dict[str, Any]] = {}
    files: dict[str, str] = {}


def controls(container: Container, platform: LocalPlatform, sandbox: str) -> flask.Flask:
    """Build the app behind every path that is no function's."""
    from infra.local.demo import demo

    app = flask.Flask("controls", static_folder=None)
    app.extensions["pledge"] = container
    edge = _edge(container, platform)

    def answer(path: str) -> flask.Response:
        if path == "outbox" and "text/html" in flask.request.headers.get("Accept", ""):
            return demo(flask.request, container, platform, sandbox)
        if path == "outbox" or path.startswith("sandbox/"):
            return _proxied(flask.request, sandbox, container)
        if path in {"", "demo"} or path.startswith("demo/"):
            return demo(flask.request, container, platform, sandbox)
        return edge(flask.request)

    # rules without methods: a method nobody knows gets our own problem, not the framework's page
    app.url_map.add(Rule("/", defaults={"path": ""}, endpoint="any"))
    app.url_map.add(Rule("/<path:path>", endpoint="any"))
    app.view_functions["any"] = answer
    return app


def _edge(container: Container, platform: LocalPlatform) -> Edge:
    edge = Edge("local")

    @edge.route("GET", "/healthz", "Ready")
    def healthy(call: Call[None]) -> Any:
        call.services.policies.current()
        return {"status": "ready", "now": rfc3339(container.clock.now())}

    @edge.route("POST", "/clock", "Move the clock", body=Moved)
    def move(call: Call[Moved]) -> Any:
        platform.jump(_target(container, call.body))
        return {"now": rfc3339(container.clock.now())}

    @edge.route("GET", "/clock", "Read the clock")
    def read(call: Call[None]) -> Any:
        return {"now": rfc3339(container.clock.now())}

    @edge.route("PUT", "/website/<user_id>", "What the website holds", body=Held, most_bytes=MOST_BYTES)
    def hold(call: Call[Held]) -> Any:
        person, held = call.path["user_id"], call.body
        put_person_data(container.website, container.website_data, person, held.documents, held.files)
        return person_data(container.website, container.website_data, person)

    @edge.route("GET", "/website/<user_id>", "What the website holds")
    def held(call: Call[None]) -> Any:
        return person_data(container.website, container.website_data, call.path["user_id"])

    return edge


def _target(container: Container, moved: Moved) -> datetime:
    now = container.clock.now()
    if (moved.advance is None) == (moved.at is None):
        raise BadInput("either advance or at", "advance")
    if moved.advance is not None:
        try:
            target = plus(now, valid_duration(moved.advance, "advance"))
        except (OverflowError, ValueError):
            raise BadInput("at most twenty years", "advance") from None
    else:
        if moved.at is None or moved.at.tzinfo is None or not 1 < moved.at.year < LAST_YEAR:
            raise BadInput("a time with its zone is needed", "at")
        target = whole_second(moved.at)
    field = "advance" if moved.advance is not None else "at"
    if target < now:
        raise BadInput("the clock only moves ahead", field)
    if target > now + LONGEST_JUMP:
        raise BadInput("at most twenty years", field)
    return target


def _proxied(request: flask.Request, sandbox: str, container: Container) -> flask.Response:
    """Hand a call to the sandbox's control, under our own port."""
    if not request.path.startswith(("/outbox", "/sandbox/")):
        return problem_answer(BadInput("there is nothing here"), page=False, services=container)
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    url = f"{sandbox}{quote(request.path)}{query}"
    headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
    outgoing = Outgoing(url, request.get_data() or None, headers, method=request.method)
    try:
        with urlopen(outgoing, timeout=60) as answer:
            return flask.Response(answer.read(), answer.status, content_type=answer.headers.get("Content-Type"))
    except HTTPError as error:
        return flask.Response(error.read(), error.code, content_type=error.headers.get("Content-Type"))
    except (OSError, ValueError, HTTPException):
        return json_answer({"title": "the sandbox does not answer", "status": 502}, 502, "application/problem+json")
