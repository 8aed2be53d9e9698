"""The sandbox's SendGrid: who may call, how it fails, and its people. Contacts, lists and mails stand beside it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from datetime import datetime

from werkzeug.wrappers import Request, Response

from infra.local.sandbox import sendgrid_contacts as contacts
from infra.local.sandbox import sendgrid_lists as lists
from infra.local.sandbox import sendgrid_mail as mails
from infra.local.sandbox.sendgrid_wire import answer, is_address, refused, same
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Route
from shared.failures import BadInput

SCOPES = (
    "mail.send",
    "asm.groups.create",
    "asm.groups.read",
    "asm.groups.suppressions.read",
    "marketing.read",
    "recipients.erasejob.create",
    "recipients.erasejob.read",
    "suppression.delete",
    "suppression.read",
)
MESSAGES = {
    400: "Bad Request",
    404: "not found",
    405: "method not allowed",
    429: "too many requests",
    500: "internal server error",
    504: "gateway timeout",
}
WINDOW_SECONDS = 5
PUT_FIELDS = {"email", "user_id", "name", "lists", *lists.MARKS}


class Sendgrid:
    """SendGrid's v3 API, as strict as the real one where the product meets it."""

    name = "sendgrid"
    routes: Sequence[Route] = (
        ("GET", "/v3/scopes", lambda _: answer({"scopes": SCOPES})),
        ("POST", "/v3/mail/send", mails.send),
        *contacts.ROUTES,
        *lists.ROUTES,
    )

    def admit(self, request: Request, key: str | None) -> None:
        """Answer 401 without the right bearer, 413 to too much, 415 to anything but JSON."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not given or (key and not hmac.compare_digest(given.encode(), key.encode())):
            refused(401, "The provided authorization grant is invalid, expired, or revoked")
        body = request.get_data()
        if len(body) > mails.MOST_BYTES:
            refused(413, "content too large")
        if body and request.mimetype != "application/json":
            refused(415, "Content-Type should be application/json.")

    def failure(self, status: int) -> Response:
        """Answer as SendGrid does; a 429 says when the window ends (Unix time, real clock)."""
        response = answer({"errors": [{"message": MESSAGES.get(status, "failure"), "field": None}]}, status)
        if status == 429:
            response.headers["X-RateLimit-Remaining"] = "0"
            response.headers["X-RateLimit-Reset"] = str(int(time.time()) + WINDOW_SECONDS)
        return response

    def put_person(self, shelf: Shelf, now: datetime, fields: Body) -> list[str]:
        """Create a contact with optional name and lists, and put the address on the suppression lists asked for."""
        for unknown in sorted(fields.keys() - PUT_FIELDS):
            raise BadInput("unknown field", unknown)
        email, list_ids = fields.get("email"), fields.get("lists") or []
        if not is_address(email):
            raise BadInput("an e-mail address is needed", "email")
        if not isinstance(list_ids, list):
            raise BadInput("a list of list ids is needed", "lists")
        first, _, last = str(fields.get("name") or "").partition(" ")
        contact = {"email": email, "first_name": first, "last_name": last, "external_id": fields.get("user_id") or ""}
        for one in list_ids:
            contacts.keep_list(shelf, str(one))
        kept = contacts.keep(shelf, now, contact, list_ids)
        lists.put_on(shelf, now, kept["email"], [mark for mark in lists.MARKS if fields.get(mark)])
        return [kept["id"]]

    def find_person(self, shelf: Shelf, email: str | None, id: str | None) -> list[Body]:
        """Return the contact, each list entry, and how many mails went to them."""
        contact = shelf.get("contact", id) if id else contacts.contact_of(shelf, same(email or ""))
        about = same(email) if email else str((contact or {}).get("email", ""))
        found = [{"kind": "contact", **contact}] if contact else []
        count = shelf.count("mail", about)
        mailed = [{"kind": "mails", "email": about, "count": count}] if count else []
        return [*found, *lists.entries_of(shelf, about), *mailed]
