"""The demo site (to come)."""

from __future__ import annotations

from typing import Any

import flask


def demo(request: flask.Request, container: Any, platform: Any, sandbox: str) -> flask.Response:
    """Answer a page of the demo."""
    return flask.Response("demo")
