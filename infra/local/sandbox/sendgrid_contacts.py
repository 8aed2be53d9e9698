"""The sandbox's SendGrid: marketing contacts, their lists and custom fields, and the job that erases an address."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeGuard

from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from infra.local.sandbox.sendgrid_wire import answer, body_of, is_address, refused, same
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Call, Route
from shared.times import rfc3339

MOST_ERASED = 5000
MOST_ERASED_BYTES = 256 * 1024
MOST_SEARCHED = 100
MOST_UPSERTED = 30_000
MOST_LISTS = 1000
IDENTIFIERS = ("external_id", "phone_number_id", "anonymous_id")
FIELDS = frozenset({
    "email", "first_name", "last_name", "alternate_emails", "external_id", "phone_number_id", "anonymous_id",
    "address_line_1", "address_line_2", "city", "country", "postal_code", "state_province_region", "custom_fields",
})  # fmt: skip


def erase(call: Call) -> Response:
    """Erase mails, contacts and names of up to 5,000 addresses or 256 KB; the suppression lists stay."""
    addresses = body_of(call, {"email_addresses"}).get("email_addresses")
    if not _texts(addresses) or not 1 <= len(addresses) <= MOST_ERASED:
        refused(400, f"from 1 to {MOST_ERASED} addresses are needed", "email_addresses")
    if len(call.request.get_data()) > MOST_ERASED_BYTES:
        refused(400, "the payload is larger than 256 KB", "email_addresses")
    invalid = [one for one in addresses if not is_address(one)]
    if invalid:
        errors = [{"message": f"Email_address {one} is not valid", "field": "email_addresses"} for one in invalid]
        abort(answer({"errors": errors}, 400))
    for about in map(same, addresses):
        call.shelf.delete("mail", about=about)
        call.shelf.delete("contact", about=about)
    return _job()


def upsert(call: Call) -> Response:
    """Create or change up to 30,000 contacts; fields left out stay as they were."""
    asked = body_of(call, {"contacts", "list_ids"})
    contacts, list_ids = asked.get("contacts"), asked.get("list_ids") or []
    if not isinstance(contacts, list) or not 1 <= len(contacts) <= MOST_UPSERTED:
        refused(400, "contacts is required", "contacts")
    for place, contact in enumerate(contacts):
        if not isinstance(contact, dict) or not is_address(contact.get("email")):
            refused(400, "email is not valid", f"contacts[{place}].email")
        if contact.keys() - FIELDS:
            refused(400, "unknown field", f"contacts[{place}]")
    # a job of its own time: what is wrong with one contact shows in the job alone
    for contact in (one for one in contacts if _updates(call.shelf, one)):
        keep(call.shelf, call.now, _by_name(call.shelf, contact), list_ids)
    return _job()


def lists(call: Call) -> Response:
    """Return the contact lists by page; `next` is an address with the token of the next one."""
    size, start = call.request.args.get("page_size", "100"), call.request.args.get("page_token", "0")
    if not (size.isdecimal() and 1 <= int(size) <= MOST_LISTS and start.isdecimal()):
        refused(400, f"page_size must be from 1 to {MOST_LISTS}", "page_size")
    found, end = call.shelf.find("list"), int(start) + int(size)
    address = call.request.base_url
    following = {"next": f"{address}?page_size={size}&page_token={end}"} if end < len(found) else {}
    return answer({"result": found[int(start) : end], "_metadata": {"self": address} | following})


def field_definitions(call: Call) -> Response:
    """Return the custom fields: a contact shows their names, and is written by their ids."""
    return answer({"custom_fields": call.shelf.find("field"), "reserved_fields": []})


def add_field_definition(call: Call) -> Response:
    """Define a custom field."""
    asked = body_of(call, {"name", "field_type"})
    if not isinstance(asked.get("name"), str) or asked.get("field_type") not in {"Text", "Number", "Date"}:
        refused(400, "name and field_type are required", "name")
    field = {"id": f"e{len(call.shelf.find('field')) + 1}_T", **asked}
    call.shelf.put("field", field["id"], field)
    return answer(field)


def search(call: Call) -> Response:
    """Find contacts by primary or alternate address; 404 when there is none at all."""
    emails = body_of(call, {"emails"}).get("emails")
    if not _texts(emails) or not 1 <= len(emails) <= MOST_SEARCHED:
        refused(400, f"from 1 to {MOST_SEARCHED} emails are needed", "emails")
    for invalid in (one for one in emails if not is_address(one)):
        refused(400, f"invalid email: {invalid}", "emails")
    found = {email: contact_of(call.shelf, email) for email in map(same, emails)}
    if not any(found.values()):
        refused(404, "not found")
    missing = {"error": "contact not found"}
    return answer({"result": {email: {"contact": one} if one else missing for email, one in found.items()}})


def delete(call: Call) -> Response:
    """Delete contacts by id. Deleting all of them is refused here, unlike there: nothing of ours may ask it."""
    ids = [one for one in call.request.args.get("ids", "").split(",") if one]
    if not ids:
        refused(400, "ids is required", "ids")
    for one in ids:
        call.shelf.delete("contact", id=one)
    return _job()


def contact_of(shelf: Shelf, email: str) -> Body | None:
    """Return the contact with this primary address, else the one with it as an alternate."""
    own = shelf.find("contact", email)
    if own:
        return own[0]
    return next((one for one in shelf.find("contact") if email in map(same, one["alternate_emails"])), None)


def keep(shelf: Shelf, now: datetime, contact: Body, list_ids: Iterable[str]) -> Body:
    """Create or change a contact; return it."""
    email = same(contact["email"])
    fresh = {"id": str(uuid.uuid4()), "alternate_emails": [], "list_ids": [], "created_at": rfc3339(now)}
    kept = {**fresh, **next(iter(shelf.find("contact", email)), {}), **contact}
    kept |= {"email": email, "updated_at": rfc3339(now), "segment_ids": []}
    kept["list_ids"] = sorted({*kept["list_ids"], *map(str, list_ids)})
    shelf.put("contact", kept["id"], kept, about=email)
    return kept


def keep_list(shelf: Shelf, list_id: str) -> None:
    """Create a contact list that is called like its id."""
    shelf.put("list", list_id, {"id": list_id, "name": f"List {list_id}"})


def _updates(shelf: Shelf, contact: Body) -> bool:
    """Tell whether the job does anything: every identifier a contact has must be named, and none be another's."""
    email = same(contact["email"])
    before = next(iter(shelf.find("contact", email)), {})
    taken = {
        (name, one[name])
        for one in shelf.find("contact")
        if one["email"] != email
        for name in IDENTIFIERS
        if one.get(name)
    }
    missing = [name for name in IDENTIFIERS if before.get(name) and contact.get(name) != before[name]]
    return not missing and not taken & {(name, contact.get(name)) for name in IDENTIFIERS}


def _by_name(shelf: Shelf, contact: Body) -> Body:
    given = contact.get("custom_fields")
    if not given:
        return contact
    names = {one["id"]: one["name"] for one in shelf.find("field")}
    return contact | {"custom_fields": {names[id]: value for id, value in given.items() if id in names}}


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _job() -> Response:
    return answer({"job_id": str(uuid.uuid4())}, 202)


ROUTES: tuple[Route, ...] = (
    ("POST", "/v3/recipients/erasejob", erase),
    ("PUT", "/v3/marketing/contacts", upsert),
    ("DELETE", "/v3/marketing/contacts", delete),
    ("POST", "/v3/marketing/contacts/search/emails", search),
    ("GET", "/v3/marketing/lists", lists),
    ("GET", "/v3/marketing/field_definitions", field_definitions),
    ("POST", "/v3/marketing/field_definitions", add_field_definition),
)
