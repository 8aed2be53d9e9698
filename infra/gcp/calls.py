"""Calls to Google's services over gRPC: the message types of their SDKs, one channel each, and no SDK client.

An SDK's package imports its synchronous, asynchronous and REST clients before the first message can be made: 350 to 500 ms
of a cold start. Its message types and a channel take 70. And an SDK's client retries on its own, where our work items are
the one retry authority.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

import grpc

from shared.failures import Misconfigured, NeverRetry, TryAgain

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # what was away is there again as soon as it is back: gRPC would wait up to two minutes
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # a stream of one answer, read in the calling thread: a quarter less CPU than a thread for each call
    ("SingleThreadedUnaryStream", 1),
)
TRANSIENT = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "CANCELLED", "UNKNOWN"}
)

Unary = Callable[..., Any]


class _LazyPackage(ModuleType):
    """A package whose `__init__` runs when somebody asks for what it defines, and not for its submodules alone."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__dict__.get("_begun") or self._is_submodule(name):
            raise AttributeError(name)
        with _importing:
            if not self.__dict__.get("_begun") and self.__spec__ and self.__spec__.loader:
                self._begun = True
                self.__spec__.loader.exec_module(self)
        return getattr(self, name)

    def _is_submodule(self, name: str) -> bool:
        return PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__) is not None


_importing = threading.RLock()


def messages(package: str, module: str) -> Any:
    """Return a module of an SDK's message types (`google.cloud.tasks_v2`, `cloudtasks`) without its clients."""
    with _importing:
        if package not in sys.modules:
            _stand_in(package)
        return importlib.import_module(f"{package}.types.{module}")


def _stand_in(package: str) -> None:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise Misconfigured(f"{package} is not installed")
    lazy = _LazyPackage(package)
    lazy.__spec__, lazy.__loader__, lazy.__file__ = spec, spec.loader, spec.origin
    lazy.__path__ = spec.submodule_search_locations or []
    lazy.__package__ = package
    sys.modules[package] = lazy
    parent, _, leaf = package.rpartition(".")
    setattr(importlib.import_module(parent), leaf, lazy)


class Api:
    """One service of Google's over one channel: the real host with our credentials, or an emulator on loopback."""

    def __init__(self, service: str, host: str, emulator: str | None = None) -> None:
        self._service = service
        self._channel = grpc.insecure_channel(emulator, options=OPTIONS) if emulator else _authorized(host)

    def unary(self, method: str, request: Any, answer: Any) -> Unary:
        """Return a callable for one method: `call(message, timeout=seconds, metadata=…)` → raw answer; raises RpcError."""
        call: Unary = self._channel.unary_unary(self._path(method), _serialize, answer.pb().FromString)
        return call

    def streamed(self, method: str, request: Any, answer: Any) -> Unary:
        """Return a callable for a method that answers with a stream."""
        call: Unary = self._channel.unary_stream(self._path(method), _serialize, answer.pb().FromString)
        return call

    def _path(self, method: str) -> str:
        return f"/{self._service}/{method}"

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _serialize(message: Any) -> bytes:
    raw: bytes = getattr(message, "_pb", message).SerializeToString()
    return raw


def _authorized(host: str) -> grpc.Channel:
    import google.auth
    import urllib3
    from google.auth.transport.grpc import secure_authorized_channel
    from google.auth.transport.urllib3 import Request

    credentials, _ = google.auth.default(scopes=[SCOPE])
    request = Request(urllib3.PoolManager())  # type: ignore[no-untyped-call]
    return secure_authorized_channel(credentials, request, host, options=OPTIONS)  # type: ignore[no-untyped-call]


def code_of(error: grpc.RpcError) -> str:
    """Return the status's name, as `PERMISSION_DENIED`."""
    code = getattr(error, "code", None)
    return str(code().name) if callable(code) else "UNKNOWN"


def failure(error: grpc.RpcError, service: str) -> TryAgain | NeverRetry:
    """Return the failure a status stands for. A status's text never goes on: it may repeat what was sent."""
    code = code_of(error)
    name = f"{service}_{code.lower()}"
    return TryAgain(name) if code in TRANSIENT else NeverRetry(name)
