"""A Google service on loopback: gRPC with the real messages, and the troubles a test asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, Self
from urllib.parse import parse_qs

import grpc

ROUTING = "x-goog-request-params"
Method = tuple[Any, Any, Callable[[Any, grpc.ServicerContext], Any]]


class RpcEmulator:
    """One service on 127.0.0.1 and a free port.

    `called` lists the methods that were called, in order; `patience` is how long the last caller said it would wait.
    """

    service = ""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.patience: float | None = None
        self._failing: grpc.StatusCode | None = None
        self._hanging = False
        self._stopping = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(4))
        handlers = {name: self._handler(name, *method) for name, method in self.methods().items()}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(self.service, handlers)])
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def methods(self) -> dict[str, Method]:
        """Return each method's request type, answer type and function."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start answering."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop; calls under way break off."""
        self._stopping.set()
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(self, code: grpc.StatusCode) -> None:
        """Answer every call with this status until `heal`."""
        self._failing = code

    def hang(self) -> None:
        """Leave every call unanswered until `heal`."""
        self._hanging = True

    def heal(self) -> None:
        """End every trouble."""
        self._failing, self._hanging = None, False

    def _handler(
        self, name: str, request: Any, answer: Any, function: Callable[[Any, grpc.ServicerContext], Any]
    ) -> grpc.RpcMethodHandler:
        def handled(asked: Any, context: grpc.ServicerContext) -> Any:
            self.called.append(name)
            self.patience = context.time_remaining()
            if self._hanging:
                self._stopping.wait()
            if self._failing:
                # what a service says about a failure may repeat what was sent; nobody may pass it on
                context.abort(self._failing, f"a status text about {asked!r}")
            return function(asked, context)

        return grpc.unary_unary_rpc_method_handler(
            handled, request_deserializer=request.deserialize, response_serializer=answer.serialize
        )


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, why: str) -> NoReturn:
    """End a call with a status."""
    context.abort(code, why)
    raise AssertionError("abort raises")


def routed(context: grpc.ServicerContext, resource: str) -> None:
    """Refuse a call whose routing header does not name its resource: a real service finds the region by it."""
    sent = dict(context.invocation_metadata()).get(ROUTING, "")
    if [resource] not in parse_qs(str(sent)).values():
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"{ROUTING} does not name the resource")
