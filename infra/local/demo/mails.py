"""The outbox as a mailbox shows it: newest first, escaped, with links to press. Its store is the sandbox SendGrid."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, NamedTuple

import flask
from markupsafe import Markup, escape

from infra.http.answers import HEADERS
from infra.local.demo.product import Product, Refusal

LINK = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]")
REQUEST = re.compile(r"/requests/([0-9a-zA-Z_-]{8,64})/")
# the mails' own styles stand in their elements; nothing else is let in, and no script ever runs
PREVIEW = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
NEW_TAB = Markup('<base target="_blank">')


class Mail(NamedTuple):
    """One mail. `id` is made of its content: the outbox gives none."""

    id: str
    to: str
    sender: str
    subject: str
    at: str
    text: Markup
    html: str
    about: frozenset[str]


def outbox(product: Product) -> list[Mail]:
    """Return every mail, newest first."""
    return [_mail(one) for one in reversed(product.anyone("GET", "/outbox")["mails"])]


def _mail(raw: dict[str, Any]) -> Mail:
    told = "\n".join((raw["at"], raw["to"], raw["subject"], raw["text"]))
    return Mail(
        id=sha256(told.encode("utf-8", "replace")).hexdigest()[:24],
        to=raw["to"],
        sender=raw["from"],
        subject=raw["subject"],
        at=raw["at"],
        text=linked(raw["text"]),
        html=raw["html"],
        about=frozenset(REQUEST.findall(raw["text"])),
    )


def linked(text: str) -> Markup:
    """Escape a text, and make its web addresses links."""
    parts, end = [], 0
    for found in LINK.finditer(text):
        url = escape(found.group())
        parts += [
            escape(text[end : found.start()]),
            Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(url),
        ]
        end = found.end()
    return Markup().join([*parts, escape(text[end:])])


def preview(product: Product, mail_id: str) -> flask.Response:
    """Answer one mail's HTML, shut in: it runs nothing, fetches nothing, and only opens links in new tabs."""
    mail = next((one for one in outbox(product) if one.id == mail_id), None)
    if mail is None or not mail.html:
        raise Refusal(404, "Not found", "this mail is no longer in the outbox")
    body = mail.html.replace("<head>", f"<head>{NEW_TAB}", 1)
    headers = HEADERS | {"Content-Security-Policy": PREVIEW}
    return flask.Response(body, 200, headers, content_type="text/html; charset=utf-8")
