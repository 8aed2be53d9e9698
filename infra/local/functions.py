"""The functions as they are deployed, in one process: each behind `functions_framework.create_app`, by the same map."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
import yaml
from functions_framework import create_app

from infra.container import Container

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ROOT = Path(__file__).parents[2]
MAP = ROOT / "terraform" / "functions.yaml"
AT_THE_ROOT = {".well-known": "site", "openapi.json": "site"}


def function_map() -> dict[str, Any]:
    """Read the map that drives Terraform too."""
    loaded: dict[str, Any] = yaml.safe_load(MAP.read_text())
    return loaded


def apps(container: Container) -> dict[str, flask.Flask]:
    """Build every function of the map over one container."""
    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    built = {}
    for name, entry in function_map().items():
        app: flask.Flask = create_app(  # type: ignore[no-untyped-call]
            target=name.replace("-", "_"),
            source=str(ROOT / "main.py"),
            signature_type="cloudevent" if "topic" in entry["trigger"] else "http",
        )
        app.extensions["pledge"] = container
        built[name] = app
    return built


def public(functions: Mapping[str, Any]) -> set[str]:
    """Return the names that the world may call; the others are the platform's own."""
    return {name for name, entry in functions.items() if "http" in entry["trigger"]}


class FrontDoor:
    """One port for everything: the first part of the path names the function, as the load balancer does it."""

    def __init__(self, built: Mapping[str, flask.Flask], open_to_all: set[str], rest: flask.Flask) -> None:
        self._apps = {name: app for name, app in built.items() if name in open_to_all}
        self._rest = rest

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        first = environ.get("PATH_INFO", "/").lstrip("/").partition("/")[0]
        app = self._apps.get(AT_THE_ROOT.get(first, first), self._rest)
        return app(environ, start_response)
