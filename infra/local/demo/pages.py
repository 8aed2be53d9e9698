"""The demo's pages: the product's own style with a little more, no script, nothing fetched from anywhere."""

from __future__ import annotations

import base64
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import flask
import jinja2
from markupsafe import Markup

from infra.http.answers import HEADERS
from infra.local.demo.product import Refusal
from infra.local.demo.scene import Scene
from shared import words

FOLDER = Path(__file__).parent
STYLES = (FOLDER.parents[1] / "pages" / "style.css", FOLDER / "demo.css")
POLICY = (
    "default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; frame-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def page(scene: Scene, template: str, status: int = 200, **given: Any) -> flask.Response:
    """Render `<template>.html`. A word that the page needs and does not get is an error, never a blank."""
    style, policy = _style()
    given |= {"style": style, "company": scene.container.company, "base": scene.container.base_url}
    body = _environment().get_template(f"{template}.html").render(**given)
    # same-origin: under `no-referrer` a browser would hide the origin of our own forms from us too
    more = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin", "Vary": "Accept"}
    return flask.Response(body, status, HEADERS | more, content_type="text/html; charset=utf-8")


def see(path: str, did: str, place: str = "") -> flask.Response:
    """Send the browser to a page that says what was done: reloading it does not do it again."""
    anchor = f"#{place}" if place else ""
    return flask.Response(status=303, headers=HEADERS | {"Location": f"{path}?did={did}{anchor}"})


def refused(scene: Scene, refusal: Refusal) -> flask.Response:
    """Answer with a page of its own."""
    return page(scene, "refused", refusal.status, refusal=refusal)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(words.FILTERS)
    return environment


@lru_cache(maxsize=1)
def _style() -> tuple[Markup, str]:
    """Return the style as it stands in every page, and the security policy that allows it and nothing else."""
    style = "\n".join(path.read_text(encoding="utf-8") for path in STYLES)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return Markup(style), POLICY.format(digest=digest)  # noqa: S704 - our own files
