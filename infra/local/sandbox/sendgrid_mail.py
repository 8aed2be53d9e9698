"""The sandbox's SendGrid: mail/send with its rules, and the outbox, which is this vendor's store of mails."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from werkzeug.wrappers import Response

from infra.local.sandbox import sendgrid_events as events
from infra.local.sandbox.sendgrid_lists import on_lists
from infra.local.sandbox.sendgrid_wire import answer, is_address, refused, same
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Call
from shared.times import rfc3339

MOST_BYTES = 30 * 1024 * 1024
MOST_RECIPIENTS = 1000
MOST_ARGS_BYTES = 10_000
MOST_AHEAD = timedelta(hours=72)
FORBIDDEN_HEADERS = frozenset({
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from",
    "subject", "reply-to", "cc", "bcc",
})  # fmt: skip
BYPASSES = {
    "bypass_bounce_management": "bounces",
    "bypass_spam_management": "spam_reports",
    "bypass_unsubscribe_management": "global",
}
CONTENT_ORDER = {"text/plain": 0, "text/html": 1}
OUTBOX_FIELDS = ("to", "from", "subject", "text", "html", "headers", "at")


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a mail; a parameter SendGrid does not know is refused."""


class Address(Strict):
    """An address with a name."""

    email: str
    name: str | None = None


class Content(Strict):
    """One body."""

    type: str
    value: str


class Personalization(Strict):
    """One envelope."""

    to: list[Address]
    cc: list[Address] = []
    bcc: list[Address] = []
    sender: Address | None = msgspec.field(default=None, name="from")
    subject: str | None = None
    headers: dict[str, str] = {}
    substitutions: dict[str, str] = {}
    dynamic_template_data: dict[str, Any] = {}
    custom_args: dict[str, str] = {}
    send_at: int | None = None

    def recipients(self) -> list[Address]:
        """Return everybody this goes to."""
        return [*self.to, *self.cc, *self.bcc]


class Asm(Strict):
    """The unsubscribe group a mail belongs to."""

    group_id: int
    groups_to_display: list[int] = []


class Mail(Strict):
    """The body of mail/send."""

    personalizations: list[Personalization]
    sender: Address = msgspec.field(name="from")
    reply_to: Address | None = None
    reply_to_list: list[Address] = []
    subject: str | None = None
    content: list[Content] = []
    attachments: list[dict[str, Any]] = []
    template_id: str | None = None
    sections: dict[str, str] = {}
    headers: dict[str, str] = {}
    categories: list[str] = []
    custom_args: dict[str, str] = {}
    send_at: int | None = None
    batch_id: str | None = None
    asm: Asm | None = None
    ip_pool_name: str | None = None
    mail_settings: dict[str, dict[str, Any]] = {}
    tracking_settings: dict[str, dict[str, Any]] = {}


def send(call: Call) -> Response:
    """Accept a mail: one row for each recipient who is on no list that this mail does not bypass."""
    try:
        mail = msgspec.json.decode(call.request.get_data(), type=Mail)
    except msgspec.DecodeError as error:
        refused(400, str(error))
    latest = int((call.now + MOST_AHEAD).timestamp())
    for message, field in _problems(mail, latest):
        refused(400, message, field)
    message_id = secrets.token_urlsafe(16)
    sandbox = _on(mail, "sandbox_mode")
    happened: list[Body] = []
    for envelope in [] if sandbox else mail.personalizations:
        happened += _deliver(call, mail, envelope, message_id)
    events.tell(call.shelf, happened)
    response = answer(status=200 if sandbox else 202)
    response.headers["X-Message-Id"] = message_id
    return response


def outbox(shelf: Shelf) -> list[Body]:
    """Return every mail, oldest first, as the demo's outbox shows them."""
    return [{field: mail[field] for field in OUTBOX_FIELDS} for mail in shelf.find("mail")]


def _deliver(call: Call, mail: Mail, envelope: Personalization, message_id: str) -> list[Body]:
    """Keep a row for each recipient who gets it; return the events of all of them."""
    body = {
        "from": (envelope.sender or mail.sender).email,
        "subject": _filled(envelope.subject or mail.subject or "", envelope.substitutions),
        "text": _content(mail, envelope, "text/plain"),
        "html": _content(mail, envelope, "text/html"),
        "headers": mail.headers | envelope.headers | _answered_to(mail),
        "custom_args": mail.custom_args | envelope.custom_args,
        "categories": mail.categories,
        "at": rfc3339(call.now),
        "message_id": message_id,
    }
    happened: list[Body] = []
    for recipient in envelope.recipients():
        lists = _keeping_back(call.shelf, mail, same(recipient.email))
        if not lists:
            named = {"to": recipient.email, "name": recipient.name or ""}
            call.shelf.put("mail", secrets.token_hex(8), named | body, about=same(recipient.email))
        way = events.dropped(lists) if lists else events.sent(call.shelf, call.now, recipient.email)
        happened += events.named(way, body, recipient.email, call.now)
    return happened


def _answered_to(mail: Mail) -> dict[str, str]:
    """Return the headers that the real one writes of these fields, as the mail's reader sees them."""
    answers = [one.email for one in (*mail.reply_to_list, *([mail.reply_to] if mail.reply_to else []))]
    files = [str(one.get("filename")) for one in mail.attachments]
    named = {"Reply-To": ", ".join(answers), "X-Attachments": ", ".join(files)}
    return {name: value for name, value in named.items() if value}


def _keeping_back(shelf: Shelf, mail: Mail, email: str) -> set[str]:
    if _on(mail, "bypass_list_management"):
        return set()
    bypassed = {name for setting, name in BYPASSES.items() if _on(mail, setting)}
    return on_lists(shelf, email, mail.asm.group_id if mail.asm else None) - bypassed


def _on(mail: Mail, setting: str) -> bool:
    return mail.mail_settings.get(setting, {}).get("enable") is True


def _content(mail: Mail, envelope: Personalization, media: str) -> str:
    text = next((content.value for content in mail.content if content.type == media), "")
    return _filled(text, envelope.substitutions)


def _filled(text: str, substitutions: Mapping[str, str]) -> str:
    for tag, value in substitutions.items():
        text = text.replace(tag, value)
    return text


def _problems(mail: Mail, latest: int) -> Iterator[tuple[str, str]]:
    yield from _envelope_problems(mail, latest)
    yield from _content_problems(mail)
    for setting in BYPASSES:
        if _on(mail, setting) and _on(mail, "bypass_list_management"):
            yield "bypass_list_management cannot be combined with another bypass", f"mail_settings.{setting}"
    if len(mail.categories) > 10 or any(len(category) > 255 for category in mail.categories):
        yield "at most 10 categories of at most 255 characters", "categories"
    if mail.reply_to and mail.reply_to_list:
        yield "either reply_to or reply_to_list", "reply_to_list"
    if not is_address(mail.sender.email):
        yield "The from email does not contain a valid address.", "from.email"


def _envelope_problems(mail: Mail, latest: int) -> Iterator[tuple[str, str]]:
    if not 1 <= len(mail.personalizations) <= MOST_RECIPIENTS:
        yield "from 1 to 1000 personalizations are needed", "personalizations"
    recipients = [same(one.email) for envelope in mail.personalizations for one in envelope.recipients()]
    if len(recipients) > MOST_RECIPIENTS:
        yield "at most 1000 recipients", "personalizations"
    if len(set(recipients)) < len(recipients):
        yield "Each email address in the personalizations should be unique.", "personalizations"
    for place, envelope in enumerate(mail.personalizations):
        for message, field in _one_envelope_problems(mail, envelope, latest):
            yield message, f"personalizations.{place}.{field}"


def _one_envelope_problems(mail: Mail, envelope: Personalization, latest: int) -> Iterator[tuple[str, str]]:
    if not envelope.to:
        yield "The to array is required, with at least one recipient.", "to"
    if not all(is_address(one.email) for one in envelope.recipients()):
        yield "Does not contain a valid address.", "to"
    if not (envelope.subject or mail.subject or mail.template_id):
        yield "The subject is required.", "subject"
    if FORBIDDEN_HEADERS & {name.lower() for name in (*mail.headers, *envelope.headers)}:
        yield "That header cannot be set.", "headers"
    if len(msgspec.json.encode(mail.custom_args | envelope.custom_args)) > MOST_ARGS_BYTES:
        yield "custom_args may not exceed 10000 bytes", "custom_args"
    if (envelope.send_at or mail.send_at or 0) > latest:
        yield "send_at may be at most 72 hours ahead", "send_at"


def _content_problems(mail: Mail) -> Iterator[tuple[str, str]]:
    types = [content.type for content in mail.content]
    if not types and not mail.template_id:
        yield "The content is required, unless a template is used.", "content"
    if not all(content.type and content.value for content in mail.content):
        yield "The content value must be a string at least one character in length.", "content"
    if types != sorted(types, key=lambda one: CONTENT_ORDER.get(one, 2)):
        yield "text/plain comes first, then text/html, then the others", "content"
    if len(set(types)) < len(types):
        yield "text/plain and text/html may only be provided once.", "content"
