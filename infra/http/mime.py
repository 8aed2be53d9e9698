"""Mails as SendGrid's Inbound Parse posts them: a form of fields, each in its own charset, or the whole mail as it came.

Whatever can be read is read, and what cannot is said to be missing: SendGrid forgets a mail whose webhook is refused.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes, message_from_string
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from typing import Any

import msgspec

from infra.http.multipart import MOST_ATTACHED, MOST_OF_FIELD, WHOLE_MAIL, Form, form_of
from shared.mail_reading.own_words import printable, text_of
from shared.mail_reading.received import Attachment, Mail

MOST_HEADERS = 256 * 1024
MOST_BOUNDARIES = 10_000
LONGEST_TEXT, LONGEST_HTML, LONGEST_LINE = 100_000, 200_000, 998
KEPT_HEADERS = frozenset({
    "auto-submitted", "precedence", "x-auto-response-suppress", "x-autoreply", "x-autorespond", "list-id",
    "list-unsubscribe", "x-loop",
})  # fmt: skip
NOT_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"})
PASSED = re.compile(r"@([A-Za-z0-9.-]+)\s*:\s*pass\b", re.IGNORECASE)
THE_REST = "the rest of the mail"
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What the standard library's parsers raise on mails that break their rules."""


def mail_of(raw: bytes, content_type: str) -> Mail:
    """Read the body of the webhook. Never raises; what is no form at all becomes a damaged mail of its first words."""
    form = form_of(raw, content_type)
    if not form.fields:
        return Mail(text=printable(raw[:LONGEST_TEXT].decode("utf-8", "replace")), damaged=True)
    charsets = _json(form.fields.get("charsets", b""))
    said = {name: _decoded(value, charsets.get(name)) for name, value in form.fields.items() if name != WHOLE_MAIL}
    mail = _whole_mail(form, said) if WHOLE_MAIL in form.fields else _fields_mail(form, said)
    envelope = _json(form.fields.get("envelope", b"")).get("from")
    return msgspec.structs.replace(
        mail,
        envelope_from=printable(envelope).strip() if isinstance(envelope, str) else None,
        dkim=PASSED.findall(said.get("dkim", "")),
        spf=said.get("SPF", "").strip().lower() == "pass",
        damaged=mail.damaged or not form.whole,
    )


def _json(raw: bytes) -> dict[str, Any]:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = msgspec.json.decode(raw)
        return said if isinstance(said, dict) else {}
    return {}


def _decoded(raw: bytes, charset: object) -> str:
    """Decode as the sender said, or as UTF-8; what does not fit is replaced, never refused."""
    name = str(charset or "utf-8").lower()
    if name.replace("-", "_") not in NOT_CHARSETS:
        with contextlib.suppress(LookupError, ValueError):
            return raw.decode(name, "replace")
    return raw.decode("utf-8", "replace")


# --- the mail --------------------------------------------------------------------------------------------------------


def _fields_mail(form: Form, said: Mapping[str, str]) -> Mail:
    headers = _headers_of(said.get("headers", ""))
    return _mail(headers, said.get("from", ""), said.get("subject"), (said.get("text", ""), said.get("html", "")), form)


def _whole_mail(form: Form, said: Mapping[str, str]) -> Mail:
    raw = form.fields[WHOLE_MAIL]
    try:
        message = _parsed(raw)
        bodies, files, left_out = _bodies(message)
    except UNREADABLE:
        rest = printable(raw[:LONGEST_TEXT].decode("utf-8", "replace"))
        mail = _mail({}, said.get("from", ""), said.get("subject"), (rest, ""), form)
        return msgspec.structs.replace(mail, damaged=True)
    headers = {name.lower(): str(value) for name, value in reversed(message.items())}
    return _mail(headers, said.get("from", ""), said.get("subject"), bodies, Form({}, files, left_out, whole=True))


def _parsed(raw: bytes) -> Message:
    """Parse a mail. Raises ValueError for one of more parts than a person would write: each takes long."""
    if raw.count(b"\n--") > MOST_BOUNDARIES:
        raise ValueError
    return message_from_bytes(raw)


def _mail(headers: Mapping[str, str], sender: str, subject: str | None, bodies: tuple[str, str], form: Form) -> Mail:
    sender = sender or _header(headers.get("from", ""))
    text, html = printable(bodies[0]), printable(bodies[1])
    cut = [THE_REST] if len(text) > LONGEST_TEXT or len(html) > LONGEST_HTML else []
    return Mail(
        sender=_line(sender),
        senders=_addresses(sender),
        subject=_line(_header(headers.get("subject", "")) if subject is None else subject),
        text=(text if text.strip() else text_of(html))[:LONGEST_TEXT],
        html=html[:LONGEST_HTML],
        headers={name: _line(value) for name, value in headers.items() if name in KEPT_HEADERS},
        message_id=_line(headers.get("message-id", "")),
        attachments=[msgspec.structs.replace(one, name=_line(one.name), media=_line(one.media)) for one in form.files],
        left_out=[*map(_line, form.left_out), *cut],
    )


def _headers_of(text: str) -> dict[str, str]:
    try:
        return {name.lower(): str(value) for name, value in reversed(message_from_string(text[:MOST_HEADERS]).items())}
    except UNREADABLE:
        return {}


def _header(value: str) -> str:
    """Decode a header's encoded words (RFC 2047); what does not decode stays as it is."""
    with contextlib.suppress(*UNREADABLE):
        return str(make_header(decode_header(value)))
    return value


def _addresses(sender: str) -> list[str]:
    return [address for _, address in getaddresses([sender[:LONGEST_LINE]]) if address] if sender else []


def _line(text: str) -> str:
    return " ".join(printable(text).split())[:LONGEST_LINE]


def _bodies(message: Message) -> tuple[tuple[str, str], list[Attachment], list[str]]:
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    files: list[Attachment] = []
    left_out: list[str] = []
    for part in _parts(message):
        content = _content(part)
        name, media = part.get_filename(), part.get_content_type()
        if name is None and part.get_content_disposition() != "attachment" and media in texts:
            texts[media].append(_decoded(content[:MOST_OF_FIELD], part.get_content_charset()))
        elif sum(len(one.content) for one in files) + len(content) <= MOST_ATTACHED:
            files.append(Attachment(name=_line(_header(name or "attachment")), media=media, content=content))
        else:
            left_out.append(_line(_header(name or "attachment")))
    plain, html = ("\n".join(texts[kind])[:MOST_OF_FIELD] for kind in ("text/plain", "text/html"))
    return (plain, html), files, left_out


def _parts(message: Message) -> Iterator[Message]:
    """Yield what a mail consists of. A mail inside it is a file of it, and does not speak for its sender."""
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from _parts(part)
    else:
        yield message


def _content(part: Message) -> bytes:
    payload = part.get_payload()
    if isinstance(payload, list):
        return b"".join(one.as_bytes() for one in payload if isinstance(one, Message))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
