"""SendGrid: what was corrected, in its contacts. A contact cannot change its address: a new one takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.subprocessors.sendgrid_contacts import Contacts, is_own
from infra.subprocessors.sendgrid_transport import settled
from shared.ports import Corrections

Json = dict[str, Any]
IDENTIFIERS = ("external_id", "phone_number_id", "anonymous_id")
"""Beside the address. An update must name all a contact has, and no two contacts can have the same one."""
CARRIED = (
    "first_name", "last_name", "address_line_1", "address_line_2", "city", "state_province_region", "postal_code",
    "country",
)  # fmt: skip
"""What goes along to a new address."""


def corrected(corrections: Corrections) -> Json:
    """Return what was corrected, in SendGrid's fields. It has none for a language."""
    fields: Json = {}
    if corrections.name is not None:
        fields["first_name"], _, fields["last_name"] = corrections.name.strip().partition(" ")
    if corrections.country is not None:
        fields["country"] = corrections.country
    return fields


def correct(contacts: Contacts, own: Sequence[Json], fields: Json) -> None:
    """Write the fields into these contacts where they differ, and read them back."""
    wrong = [contact for contact in own if not _stands(contact, fields)]
    for contact in wrong:
        contacts.put(_identified(contact) | fields)
    if wrong:
        settled(all(_stands(one, fields) for one in contacts.own([contact["email"] for contact in wrong])))


def move(contacts: Contacts, own: Sequence[Json], email: str, fields: Json) -> Json:
    """Let one contact with this address take the place of all; return evidence. The old ones go when it stands there."""
    there = [contact for contact in own if is_own(contact, [email])]
    left = [contact for contact in own if not is_own(contact, [email])]
    wanted = _merged([*there, *left]) | fields
    custom = _custom([*there, *left])
    list_ids = {one for contact in own for one in contact.get("list_ids") or []}
    if not _is_there(there, wanted, custom, list_ids):
        named = _identified(there[0]) if there else {"email": email}
        contacts.put(named | wanted | _by_id(contacts, custom), sorted(list_ids))
        settled(_is_there(contacts.own([email]), wanted, custom, list_ids))
    contacts.remove(left)
    behind = {name for contact in left for name in (*IDENTIFIERS, "alternate_emails") if contact.get(name)}
    return {"moved": len(left), "not_carried": sorted(behind)}


def _identified(contact: Json) -> Json:
    return {name: contact[name] for name in ("email", *IDENTIFIERS) if contact.get(name)}


def _stands(contact: Json, fields: Json) -> bool:
    return all((contact.get(name) or "") == value for name, value in fields.items())


def _is_there(there: Sequence[Json], fields: Json, custom: Json, list_ids: set[str]) -> bool:
    return any(
        _stands(one, fields)
        and list_ids <= set(one.get("list_ids") or [])
        and custom == {name: (one.get("custom_fields") or {}).get(name) for name in custom}
        for one in there
    )


def _merged(own: Sequence[Json]) -> Json:
    # the first one's word before the next one's
    return {name: value for name in CARRIED if (value := next((one[name] for one in own if one.get(name)), None))}


def _custom(own: Sequence[Json]) -> Json:
    held: Json = {}
    for contact in reversed(own):
        held |= {name: value for name, value in (contact.get("custom_fields") or {}).items() if value is not None}
    return held


def _by_id(contacts: Contacts, custom: Json) -> Json:
    # read by name, written by id
    ids = contacts.field_ids() if custom else {}
    return {"custom_fields": {ids[name]: value for name, value in custom.items() if name in ids}} if custom else {}
