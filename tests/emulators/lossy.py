"""Stands between a client and a gRPC service, hands everything on, and spoils what it is told to spoil."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

from infra.local.server import free_port

Spoil = Callable[[str], None]


class LossyWire:
    """A proxy on a port of its own. `refuse` answers in the service's place; `lose_answers` lets the call through first."""

    def __init__(self, target: str) -> None:
        self.host = f"127.0.0.1:{free_port()}"
        self.calls: list[str] = []
        self._refused: dict[str, grpc.StatusCode] = {}
        self._lost: dict[str, grpc.StatusCode] = {}
        self._channel = grpc.insecure_channel(target)
        self._server = grpc.server(ThreadPoolExecutor(20), handlers=[_Handler(self)])
        self._server.add_insecure_port(self.host)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None)
        self._channel.close()

    def refuse(self, method: str, code: grpc.StatusCode) -> None:
        """Answer this method with a status from now on; the service never hears of the call."""
        self._refused[method] = code

    def lose_answers(self, method: str, code: grpc.StatusCode) -> None:
        """Let this method happen, and tell the caller a failure."""
        self._lost[method] = code

    def mend(self) -> None:
        """Spoil nothing any more."""
        self._refused.clear()
        self._lost.clear()

    def pass_on(self, path: str, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Hand one call on, as a stream of answers."""
        method = path.rpartition("/")[2]
        self.calls.append(method)
        if method in self._refused:
            context.abort(self._refused[method], "refused with a text about ann@example.org")
        metadata = [(key, value) for key, value in context.invocation_metadata() if not key.startswith("user-agent")]
        try:
            answers = list(self._channel.unary_stream(path)(request, metadata=metadata, timeout=20))
        except grpc.RpcError as error:
            answers = context.abort(error.code(), error.details() or "")
        if method in self._lost:
            context.abort(self._lost[method], "lost")
        yield from answers


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, wire: LossyWire) -> None:
        self._wire = wire

    def service(self, handler_call_details: Any) -> Any:
        path = handler_call_details.method
        return grpc.unary_stream_rpc_method_handler(lambda request, context: self._wire.pass_on(path, request, context))
