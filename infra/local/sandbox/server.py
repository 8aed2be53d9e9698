"""The sandbox as a WSGI app on the loopback address: vendors below `/{vendor}`, and what steers them.

Steering (`/sandbox/…`, `/outbox`) answers in the product's shapes, vendors in their own. No request is ever logged:
vendors' addresses hold people's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from infra.local.file_clock import FileClock
from infra.local.sandbox.faults import Faults
from infra.local.sandbox.google import Google
from infra.local.sandbox.meta import Meta
from infra.local.sandbox.sendgrid import Sendgrid
from infra.local.sandbox.sendgrid_mail import outbox
from infra.local.sandbox.state import Body, State
from infra.local.sandbox.stripe import Stripe
from infra.local.sandbox.vendor import Call, Handler, Passing, Vendor
from infra.local.sandbox.webhooks import Webhooks
from infra.settings import Settings
from shared.failures import BadInput, Missing, Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

VENDORS: tuple[Vendor, ...] = (
    Sendgrid(),
    Meta(Settings().text("META_AD_ACCOUNT")),
    Stripe(),
    Google(Settings().text("GA_PROPERTY")),
)
SLOW_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Sandbox:
    """The app. `keys`: the API key each vendor expects; else the one the product generated; else any.

    `product`: where webhooks go; without it none are sent.
    """

    def __init__(self, data_dir: Path, keys: Mapping[str, str] | None = None, product: str | None = None) -> None:
        self._data_dir = data_dir
        self._keys = keys or {}
        self.clock = FileClock(data_dir / "clock")
        self.state = State(data_dir / "sandbox.db")
        self.faults = Faults(self.state, self.clock)
        self.webhooks = Webhooks(self.state, product)
        self._vendors = {vendor.name: vendor for vendor in VENDORS}
        self._map = Map([*self._steering(), *self._calls()])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _steering(self) -> list[Rule]:
        return [
            Rule("/healthz", methods=["GET"], endpoint=lambda _: _json({"status": "ok"})),
            Rule("/outbox", methods=["GET"], endpoint=self._outbox),
            Rule("/sandbox/<vendor>/people", methods=["PUT"], endpoint=self._put_person),
            Rule("/sandbox/<vendor>/people", methods=["GET"], endpoint=self._find_person),
            Rule("/sandbox/<vendor>/faults", methods=["POST"], endpoint=self._ask_fault),
            Rule("/sandbox/<vendor>/faults", methods=["GET"], endpoint=self._show_faults),
            Rule("/sandbox/<vendor>/faults", methods=["DELETE"], endpoint=self._clear_faults),
            Rule("/sandbox/<vendor>/webhooks", methods=["POST"], endpoint=self._ask_webhooks),
            Rule("/webhooks/settled", methods=["POST"], endpoint=self._settle_webhooks),
        ]

    def _calls(self) -> list[Rule]:
        return [
            Rule(f"/{vendor.name}{address}", methods=[method], endpoint=(vendor, handler))
            for vendor in VENDORS
            for method, address, handler in vendor.routes
        ]

    def _answer(self, request: Request) -> Response:
        vendor = self._vendors.get(request.path.split("/")[1])
        try:
            return self._call(vendor, request) if vendor else self._steer(request)
        except Exception as error:  # noqa: BLE001
            # the kind alone: its text may hold what was sent
            _log.error("sandbox_failed %s", type(error).__name__)
            return vendor.failure(500) if vendor else _problem(Refused("the sandbox failed"), 500)

    def _steer(self, request: Request) -> Response:
        try:
            handle, path = self._map.bind_to_environ(request.environ).match()
            if path and path["vendor"] not in self._vendors:
                raise Missing("no such vendor", "vendor")
            answer: Response = handle(request, **path)
        except Refused as refused:
            return _problem(refused, refused.status)
        except HTTPException as error:
            return _problem(Missing("no such address here"), error.code or 404)
        return answer

    def _outbox(self, _: Request) -> Response:
        with self.state.transaction():
            return _json({"mails": outbox(self.state.shelf("sendgrid"))})

    def _put_person(self, request: Request, vendor: str) -> Response:
        fields = _fields(request)
        with self.state.transaction():
            ids = self._vendors[vendor].put_person(self.state.shelf(vendor), self.clock.now(), fields)
        return _json({"ids": ids}, 201)

    def _find_person(self, request: Request, vendor: str) -> Response:
        asked = (request.args.get("email"), request.args.get("id"))
        if not any(asked):
            raise BadInput("email or id is needed", "email")
        with self.state.transaction():
            shelf, named = self.state.shelf(vendor), self._vendors[vendor]
            if isinstance(named, Passing):
                named.pass_time(shelf, self.clock.now())
            return _json({"found": named.find_person(shelf, *asked)})

    def _ask_fault(self, request: Request, vendor: str) -> Response:
        return _json(msgspec.to_builtins(self.faults.ask(vendor, _fields(request))), 201)

    def _show_faults(self, _: Request, vendor: str) -> Response:
        return _json({"faults": self.faults.show(vendor)})

    def _clear_faults(self, _: Request, vendor: str) -> Response:
        self.faults.clear(vendor)
        return Response(status=204)

    def _ask_webhooks(self, request: Request, vendor: str) -> Response:
        return _json(self.webhooks.ask(vendor, _fields(request)), 201)

    def _settle_webhooks(self, _: Request) -> Response:
        return _json({"settled": self.webhooks.settle()})

    def _call(self, vendor: Vendor, request: Request) -> Response:
        strike = self.faults.strike(vendor.name)
        kind = strike.kind if strike else ""
        if strike and kind == "timeout":
            self.faults.hold(vendor.name, strike)
            # never served late: the caller has given up, and would do it again
            return vendor.failure(504)
        if kind.isdigit():
            return vendor.failure(int(kind))
        if kind == "slow":
            time.sleep(SLOW_SECONDS)
        answer = self._serve(vendor, request)
        return vendor.failure(500) if kind == "half" else answer

    def _serve(self, vendor: Vendor, request: Request) -> Response:
        try:
            vendor.admit(request, self._key(vendor.name))
            (_, handler), path = self._map.bind_to_environ(request.environ).match()
            return self._handle(vendor, handler, request, path)
        except HTTPException as error:
            return error.response if isinstance(error.response, Response) else vendor.failure(error.code or 404)

    def _handle(self, vendor: Vendor, handler: Handler, request: Request, path: Mapping[str, Any]) -> Response:
        with self.state.transaction():
            return handler(Call(self.state.shelf(vendor.name), self.clock.now(), request, path))

    def _key(self, vendor: str) -> str | None:
        generated = self._data_dir / f"{vendor}-api-key"
        return self._keys.get(vendor) or (generated.read_text().strip() if generated.exists() else None)


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: request lines hold addresses."""


def server_of(sandbox: Sandbox, port: int) -> BaseWSGIServer:
    """Bind to the loopback address alone; port 0 takes a free one."""
    return make_server("127.0.0.1", port, sandbox, threaded=True, request_handler=_QuietHandler)


def _fields(request: Request) -> Body:
    try:
        fields = msgspec.json.decode(request.get_data())
    except msgspec.DecodeError:
        raise BadInput("JSON is needed") from None
    if not isinstance(fields, dict):
        raise BadInput("a JSON object is needed")
    return fields


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, content_type="application/json")


def _problem(refused: Refused, status: int) -> Response:
    """Answer RFC 9457 problem details, in the shape of the product's own."""
    detail = f"{refused.field}: {refused.rule}" if refused.field else refused.rule
    body: Body = {"type": "about:blank", "title": refused.title, "status": status, "detail": detail}
    if refused.field:
        body["errors"] = [{"field": refused.field, "rule": refused.rule}]
    return Response(msgspec.json.encode(body), status, content_type="application/problem+json")
