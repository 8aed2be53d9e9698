"""What every edge shares: find the route, read the body, ask who calls, run one use case, answer or explain.

An edge is a list of routes. It accepts its paths with or without its own name in front: the functions address strips it,
a load balancer and the local server do not. Failures become RFC 9457 problems here and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import flask
import msgspec
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from infra.container import Container, container_of
from infra.http import log, repeats
from infra.http.answers import JSON, Answer, cors_headers, json_answer, preflight, problem_answer
from infra.http.callers import Caller, caller_of
from shared.failures import BadInput, Missing, Refused, TooLarge, TryAgain

Who = Literal["anyone", "website", "operator", "internal", "form"]
FORM = "application/x-www-form-urlencoded"
MOST_BYTES = 64 * 1024
MOST_DRAINED = 64 * 1024 * 1024
B = TypeVar("B")
_compiling = threading.Lock()


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that may be absent, empty or any form (a mailbox sends its one-click field)."""


class Route(NamedTuple):
    """One call of the contract. `who`: the least a caller must be; `form`: they name themselves in what they post.

    `form`: pages may post it urlencoded.

    `raw`: the handler gets the body's bytes as they came, to check a signature over them before anything reads them.

    `query`: the parameters there are; any other is refused. None takes whatever comes: what people follow from their mail may
    have had something put behind it on the way.
    """

    method: str
    path: str
    handler: Callable[..., Answer]
    summary: str
    body: Any
    status: int
    who: Who
    form: bool
    most_bytes: int
    raw: bool = False
    query: tuple[str, ...] | None = None


class Call(Generic[B]):
    """One request, parsed. `body` is a checked value of the route's type (None where it is optional and absent), or bytes."""

    __slots__ = ("body", "caller", "path", "request", "services")

    def __init__(
        self, request: flask.Request, services: Container, path: Mapping[str, str], caller: Caller, body: B
    ) -> None:
        self.request = request
        self.services = services
        self.path = path
        self.caller = caller
        self.body = body

    def query(self, name: str) -> str | None:
        """Return one query parameter."""
        return self.request.args.get(name)

    def required(self, name: str) -> str:
        """Return one query parameter, or refuse by its name."""
        value = self.request.args.get(name)
        if not value:
            raise BadInput("is needed in the query", name)
        return value

    def wants_page(self) -> bool:
        """Tell whether a person's browser asks: pages and JSON share addresses."""
        return wants_page(self.request)


def wants_page(request: flask.Request) -> bool:
    """Tell whether the caller prefers HTML. `*/*` is a program."""
    if "text/html" not in request.headers.get("Accept", ""):
        return False
    return request.accept_mimetypes.best_match([JSON, "text/html"]) == "text/html"


class Edge:
    """One deployed function's routes; calling it answers a request. `browser`: the website's pages may call it (CORS)."""

    def __init__(self, name: str, *, browser: bool = False) -> None:
        self.name = name
        self.browser = browser
        self.routes: list[Route] = []
        self._fixed: dict[tuple[str, str], Route] = {}
        self._adapter: MapAdapter | None = None

    def route(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        body: Any = None,
        status: int = 200,
        who: Who = "anyone",
        form: bool = False,
        most_bytes: int = MOST_BYTES,
        raw: bool = False,
        query: tuple[str, ...] | None = None,
    ) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        """Add a call. Paths are werkzeug rules without the edge's own name; `/` is the edge itself."""

        def add(handler: Callable[..., Answer]) -> Callable[..., Answer]:
            named = () if query is None and who not in {"anyone", "form"} else query
            route = Route(method, path, handler, summary, body, status, who, form, most_bytes, raw, named)
            self.routes.append(route)
            if "<" not in path:
                self._fixed[method, path] = route
            return handler

        return add

    def __call__(self, request: flask.Request) -> flask.Response:
        """Answer one request; never raises, and never shows an exception's text."""
        services = container_of(flask.current_app)
        try:
            if request.method == "OPTIONS" and self.browser:
                return preflight(request, services.website_origins)
            route, values = self._match(request)
            answer = self._run(route, values, request, services)
        except Refused as refusal:
            answer = problem_answer(refusal, wants_page(request), services)
        except TryAgain as trouble:
            log.event("unavailable", self.name, code=trouble.code)
            answer = problem_answer(Unavailable("try again in a moment"), wants_page(request), services)
        except HTTPException as error:
            answer = problem_answer(_http_problem(error), wants_page(request), services)
        except Exception as error:  # noqa: BLE001 - the last line: nothing of it may reach the caller
            log.event("crashed", self.name, code=type(error).__name__, frames=frames(error))
            answer = problem_answer(Broken("this failed on our side and was reported"), wants_page(request), services)
        finally:
            _drain(request)
        origin = request.headers.get("Origin")
        if origin is not None and self.browser:
            answer.headers.extend(cors_headers(origin, services.website_origins))
        return answer

    def _run(
        self, route: Route, values: Mapping[str, str], request: flask.Request, services: Container
    ) -> flask.Response:
        # the body is read first: a connection closed on unread bytes loses the answer
        raw = _read(request, route.most_bytes)
        caller = caller_of(request, services, route.who, self.name)
        _check_query(route, request)
        body = raw if route.raw else _parse(route, raw, request) if route.body is not None else None
        return json_answer(route.handler(Call(request, services, values, caller, body)), route.status)

    def _match(self, request: flask.Request) -> tuple[Route, Mapping[str, str]]:
        path = self._own_path(request.path)
        fixed = self._fixed.get((request.method, path))
        if fixed is not None:
            return fixed, {}
        try:
            return self._bound().match(path, request.method)
        except MethodNotAllowed as error:
            raise _MethodRefused(", ".join(error.valid_methods or ())) from None
        except NotFound:
            raise Missing("there is nothing at this address") from None

    def _bound(self) -> MapAdapter:
        if self._adapter is None:
            # one at a time: Python 3.11 fails when two threads compile rules at once
            with _compiling:
                rules = [Rule(route.path, methods=[route.method], endpoint=route) for route in self.routes]
                rule_map = Map(rules, strict_slashes=False, merge_slashes=False)
                rule_map.update()
                self._adapter = rule_map.bind("")
        return self._adapter

    def _own_path(self, path: str) -> str:
        prefix = f"/{self.name}"
        if path == prefix or path.startswith(prefix + "/"):
            path = path[len(prefix) :]
        return path or "/"


class _MethodRefused(Refused):
    status = 405
    title = "That method is not for this address"


class Unavailable(Refused):
    """A later attempt may succeed."""

    status = 503
    title = "Not possible at this moment"


class Broken(Refused):
    """A defect of ours."""

    status = 500
    title = "Something went wrong"


def _http_problem(error: HTTPException) -> Refused:
    # only werkzeug's own parsing raises these; its texts may repeat what was sent
    return BadInput("the request could not be read")


def frames(error: Exception) -> list[str]:
    """Return where it happened, without the exception's text or any value."""
    return [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
    ]


def _check_query(route: Route, request: flask.Request) -> None:
    """Refuse what would be passed over: `?dry-run=1` must not publish."""
    if route.query is None or not request.query_string:
        return
    for name, values in request.args.lists():
        if name not in route.query:
            raise BadInput(f"only {', '.join(route.query)} can be asked for" if route.query else "takes no query", name)
        if len(values) > 1:
            raise BadInput("at most once", name)


def _read(request: flask.Request, most: int) -> bytes:
    if request.method in {"GET", "HEAD"}:
        return b""
    try:
        return _read_all(request, most)
    except (HTTPException, OSError, ValueError):
        raise BadInput("the request ended before its body did") from None


def _drain(request: flask.Request) -> None:
    """Read what nobody asked for, and forget it.

    A connection closed on unread bytes loses the answer; and the framework would read the rest again after us, all of it
    into memory, or stumble over a broken end a second time.
    """
    drained = 0
    with contextlib.suppress(HTTPException, OSError, ValueError):
        while drained < MOST_DRAINED and (chunk := request.stream.read(65536)):
            drained += len(chunk)
    request.stream = io.BytesIO()


def _read_all(request: flask.Request, most: int) -> bytes:
    length = request.content_length
    if length is None or length <= most:
        raw = request.stream.read(most + 1)
        if len(raw) <= most:
            return raw
    raise TooLarge(f"at most {most} bytes")


def _parse(route: Route, raw: bytes, request: flask.Request) -> Any:
    kind = request.mimetype
    if route.form and kind == FORM:
        return _from_form(route, raw)
    if not raw and is_optional(route.body):
        return None
    if kind != JSON:
        raise BadInput(f"send {JSON}", "Content-Type")
    try:
        body = _decoder(route).decode(raw)
        repeats.refuse(raw)
    except msgspec.ValidationError as error:
        raise _invalid(error, route.body) from None
    except (ValueError, RecursionError):
        raise BadInput("the body is not valid JSON") from None
    return body


def is_optional(body: Any) -> bool:
    """Tell whether a route's body may be absent."""
    return type(None) in get_args(body)


def _from_form(route: Route, raw: bytes) -> Any:
    if _struct(route.body) is Nothing:
        return Nothing()
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=False, max_num_fields=100)
    except (UnicodeDecodeError, ValueError):
        raise BadInput("the form could not be read") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    lists = {field.name for field in msgspec.structs.fields(_struct(route.body)) if get_origin(field.type) is list}
    flat = {name: several if name in lists or len(several) > 1 else several[0] for name, several in values.items()}
    try:
        return msgspec.convert(_nested(flat), route.body, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error, route.body) from None


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Fold `corrections.name` of a form into `{corrections: {name}}`, as JSON would send it."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        outer, dot, inner = name.partition(".")
        if dot and isinstance(nested.setdefault(outer, {}), dict):
            nested[outer][inner] = value
        else:
            nested[name] = value
    return nested


def _struct(body: Any) -> type[msgspec.Struct]:
    """Return the struct of an optional body."""
    found: type[msgspec.Struct] = next((one for one in get_args(body) if one is not type(None)), body)
    return found


_decoders: dict[int, msgspec.json.Decoder[Any]] = {}


def _decoder(route: Route) -> msgspec.json.Decoder[Any]:
    key = id(route.body)
    if key not in _decoders:
        _decoders[key] = msgspec.json.Decoder(_struct(route.body))
    return _decoders[key]


def _invalid(error: msgspec.ValidationError, body: Any) -> BadInput:
    """Split msgspec's `rule - at $.field`; an unknown field's name stands inside the rule."""
    rule, _, place = str(error).partition(" - at ")
    if rule.startswith("Invalid enum value"):
        # its own words repeat what was sent; ours name what there is
        rule = f"one of {', '.join(map(str, _choices(body, place))) or 'the values of the description'}"
    field = place.strip("`").removeprefix("$").lstrip(".")
    named = rule.split("`")
    if "unknown field" in rule or "missing required field" in rule:
        field = f"{field}.{named[1]}".lstrip(".")
    return BadInput(rule, field or None)


def _choices(body: Any, place: str) -> list[Any]:
    kind: Any = _struct(body)
    for name in place.strip("`").removeprefix("$.").split("."):
        fields = {one.name: one.type for one in msgspec.structs.fields(kind)} if isinstance(kind, type) else {}
        kind = fields.get(name)
    return list(get_args(kind))
