"""Functions that believe they stand on Google Cloud, over a SQLite store: who may call them is checked as there."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import flask
from werkzeug.serving import make_server

from infra.container import Container
from infra.local.server import QuietHandler
from infra.local.swept_queue import SweptQueue
from infra.settings import Settings
from shared.ports import WorkQueue
from tests.emulators.issuer import Issuer
from tests.functions.called import SETTINGS, Called

PLACE = "projects/demo/locations/europe-west1"
QUEUE = f"{PLACE}/queues/work"
AUDIENCE = "https://{function}-123456.europe-west1.run.app"
CALLER = "invoker@demo.iam.gserviceaccount.com"
NOBODY = "127.0.0.1:9"


def audience(function: str) -> str:
    """Return the audience of a function."""
    return AUDIENCE.replace("{function}", function)


def oidc_settings(issuer: Issuer) -> dict[str, str]:
    """Return the settings that say who may call."""
    callers = f"another@demo.iam.gserviceaccount.com, {CALLER}"
    return {"OIDC_AUDIENCE": AUDIENCE, "OIDC_CALLERS": callers, "OIDC_CERTS_URL": issuer.certs_url}


def on_google(called: Called, queue: WorkQueue | None = None, **settings: str) -> Container:
    """Return a container of the emulators' runtime over the world's own store; without a queue, the sweep finds all."""
    there = {"DATA_DIR": str(called.data_dir), "FIRESTORE_EMULATOR_HOST": NOBODY}
    container = Container(Settings(SETTINGS | there | settings), queue or SweptQueue())
    container.__dict__["store"] = called.container.store
    return container


class Served:
    """A function behind a port of its own, as Cloud Run has it."""

    def __init__(self, app: flask.Flask) -> None:
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
