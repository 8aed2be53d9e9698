"""Pages for people: our own templates and style, no script, nothing fetched from anywhere.

Nothing is read or compiled before the first page: a cold start that answers JSON does not pay for it.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import flask
import jinja2  # costs nothing: Flask has loaded it
from markupsafe import Markup, escape

from infra.http.answers import HEADERS
from shared import words

FOLDER = Path(__file__).parents[1] / "pages"
POLICY = (
    "default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
FIRST_HEADING = re.compile(r"<(/?)h1\b")


def html(template: str, status: int = 200, *, cache: str | None = None, **given: Any) -> flask.Response:
    """Render `infra/pages/<template>.html`. A word that the page needs and does not get is an error, never a blank.

    Every page needs `company`; each template names the rest in its first lines. `cache` is for public
    pages alone; any other page is stored nowhere.
    """
    style, policy = _style()
    body = _environment().get_template(f"{template}.html").render(style=style, status=status, **given)
    # the same address answers programs in JSON: a cache must tell them apart
    headers = {**HEADERS, "Cache-Control": cache or "no-store", "Content-Security-Policy": policy, "Vary": "Accept"}
    return flask.Response(body, status, headers, content_type="text/html; charset=utf-8")


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
    environment.filters.update(words.FILTERS, under_title=_under_title)
    environment.globals["standing"] = words.STANDING
    return environment


@lru_cache(maxsize=1)
def _style() -> tuple[Markup, str]:
    """Return the style as it stands in every page, and the security policy that allows it and nothing else."""
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return Markup(style), POLICY.format(digest=digest)  # noqa: S704 - our own file


def _under_title(body: str, title: str) -> Markup:
    """Fit a text below the page's title, which is the only `h1`: drop its own first line where that says the same.

    What is no Markup gets escaped.
    """
    # str: a Markup would escape what is put in
    text = str(escape(body))
    same = re.match(rf"\s*<(h1|p)>\s*{re.escape(str(escape(title)))}\s*</\1>", text, re.IGNORECASE)
    return Markup(FIRST_HEADING.sub(r"<\1h2", text[same.end() :] if same else text))  # noqa: S704 - escaped above
