"""Meta's sandbox as its connectors' tests use it, and a Meta that says whatever a test wants it to say."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.local.sandbox import meta_audiences as audiences
from infra.local.sandbox.meta import AD_ACCOUNT
from infra.subprocessors.meta_transport import MetaTransport
from tests.contracts.running_sandbox import RunningSandbox

TOKEN = "EAAB.test.token"


def transport(sandbox: RunningSandbox, timeout: float = 5.0, token: str = TOKEN) -> MetaTransport:
    return MetaTransport(token, f"{sandbox.url('meta')}/v26.0", timeout)


def put_audience(sandbox: RunningSandbox, number: int, subtype: str = "CUSTOM", **more: Any) -> None:
    """Put an audience into the account, which then has no other than those put there."""
    id = f"3{number:04}"
    account = more.pop("account", AD_ACCOUNT)
    with sandbox.app.state.transaction():
        shelf = sandbox.app.state.shelf("meta")
        shelf.put("audience", id, audiences.audience(id, account, f"Audience {number}", subtype, **more))


def audiences_holding(sandbox: RunningSandbox, email: str) -> set[str]:
    return {entry["audience"] for entry in sandbox.found("meta", email=email)}


@contextlib.contextmanager
def meta_saying(body: Any, status: int = 400, **headers: str) -> Iterator[MetaTransport]:
    """Serve one answer to every call."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)

    @Request.application
    def say(_: Request) -> Response:
        return Response(content, status, headers)

    server = make_server("127.0.0.1", 0, say)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield MetaTransport(TOKEN, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
