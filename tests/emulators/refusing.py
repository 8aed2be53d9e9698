"""Servers that answer as they are told, over gRPC and HTTP: for what no emulator refuses, or knows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

SECRET = "what was asked, with ids in it"


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, answer: Callable[[str, bytes, grpc.ServicerContext], Any]) -> None:
        self._answer = answer

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method.rpartition("/")[2]
        if method in {"RunQuery", "BatchGetDocuments"}:
            return grpc.unary_stream_rpc_method_handler(lambda asked, to: iter(self._answer(method, asked, to)))
        return grpc.unary_unary_rpc_method_handler(lambda asked, to: self._answer(method, asked, to))


@contextmanager
def grpc_server(answer: Callable[[str, bytes, grpc.ServicerContext], Any]) -> Iterator[str]:
    """Answer every method by this function; yield `host:port`."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_AnyMethod(answer)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@contextmanager
def refusing_grpc(code: grpc.StatusCode) -> Iterator[str]:
    """Refuse every call with this status; yield `host:port`."""
    with grpc_server(lambda _, __, to: to.abort(code, SECRET)) as host:
        yield host


@contextmanager
def http_server(answer: Callable[[str, str], tuple[int, bytes]], *, cut_off: bool = False) -> Iterator[str]:
    """Answer every request by this function of method and path; yield the address. `cut_off`: half is never sent."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            status, body = answer(self.command, self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) * (2 if cut_off else 1)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - as http.server looks them up

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def refusing_http(status: int, reason: str) -> Iterator[str]:
    """Refuse every request with a status and a reason as Google's JSON APIs give them; yield the address."""
    error = {"code": status, "message": SECRET, "errors": [{"reason": reason, "message": SECRET}]}
    body = json.dumps({"error": error}).encode()
    with http_server(lambda _, __: (status, body)) as address:
        yield address
