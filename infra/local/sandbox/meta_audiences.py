"""The sandbox's Meta: the ad account's custom audiences, and taking people out of the customer lists among them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from werkzeug.wrappers import Response

from infra.local.sandbox import meta_wire as wire
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Call

MOST_REMOVED = 10_000
MOST_SAMPLES = 100
PAGE = 25
HASH = re.compile(r"[0-9a-f]{64}")
SCHEMA = "EMAIL_SHA256"
NORMAL: Body = {"code": 200, "description": "Normal"}
FLAGGED: Body = {"code": 471, "description": "Flagged"}
FIELDS = {"id", "account_id", "name", "subtype", "operation_status"}
NEXT = "https://graph.facebook.example/next?access_token=never-to-be-followed"


def usual(account: str) -> list[Body]:
    """Return the audiences that an account has before anybody changed them: three customer lists and two of Meta's."""
    names = (("Customers", "CUSTOM"), ("Newsletter", "CUSTOM"), ("Trials", "CUSTOM"))
    made = (("Visitors", "WEBSITE"), ("Like customers", "LOOKALIKE"))
    return [audience(f"2000{n}", account, name, subtype) for n, (name, subtype) in enumerate((*names, *made), 1)]


def audience(id: str, account: str, name: str, subtype: str = "CUSTOM", **more: Any) -> Body:
    """Return an audience. `refuses`: why it takes no removals, a name in `meta_wire.LOCKS`; `misreads`: entries it cannot read."""
    return {"id": id, "account_id": account, "name": name, "subtype": subtype, "operation_status": NORMAL} | more


def audiences_of(shelf: Shelf, account: str) -> list[Body]:
    """Return the audiences of the account, also those that others share with it."""
    return shelf.find("audience") or usual(account)


def listed(call: Call, account: str) -> Response:
    """List audiences, page by page; only `id` unless more is asked for."""
    query = wire.query_of(call, {"fields", "limit", "after"})
    fields, limit, start = _fields(query), _number(query, "limit", PAGE), _number(query, "after", 0)
    found = audiences_of(call.shelf, account)
    shown = [{name: one[name] for name in FIELDS if name in fields} for one in found[start : start + limit]]
    end = start + len(shown)
    paging: Body = {"cursors": {"before": str(start), "after": str(end)}} if shown else {}
    return wire.answer({"data": shown, "paging": paging | ({"next": NEXT} if end < len(found) else {})})


def remove(call: Call, account: str) -> Response:
    """Take people out of a customer list by their hashes; who was never in it does no harm."""
    target = next((one for one in audiences_of(call.shelf, account) if one["id"] == call.path["audience"]), None)
    if target is None or target["account_id"] != account:
        wire.refused(wire.UNKNOWN)
    if target["subtype"] != "CUSTOM":
        wire.refused(wire.BAD, "the members of this audience cannot be changed")
    hashes = _hashes(wire.form_of(call, {"payload"}))
    lock = "flagged" if target["operation_status"] == FLAGGED else target.get("refuses")
    if lock:
        wire.refused(wire.LOCKS[lock])
    return wire.answer(_removed(call.shelf, target["id"], hashes, target.get("misreads", [])))


def hashed(email: str) -> str:
    """Return the hash under which Meta knows an address: trimmed, lower case, SHA-256."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def put_in(shelf: Shelf, account: str, email: str) -> list[str]:
    """Put an address into every customer list of the account; return the entries' ids."""
    digest = hashed(email)
    lists = [one["id"] for one in audiences_of(shelf, account) if one["subtype"] == "CUSTOM"]
    ids = [f"{each}:{digest}" for each in lists]
    for each, id in zip(lists, ids, strict=True):
        shelf.put("member", id, {"id": id, "audience": each, "hash": digest}, about=digest)
    return ids


def _removed(shelf: Shelf, target: str, hashes: Sequence[str], misread: Sequence[str]) -> Body:
    invalid = [one for one in hashes if one in misread or not HASH.fullmatch(one)]
    for one in hashes:
        if one not in invalid:
            shelf.delete("member", id=f"{target}:{one}")
    return {
        "audience_id": target,
        "session_id": "1",
        "num_received": len(hashes),
        "num_invalid_entries": len(invalid),
        "invalid_entry_samples": invalid[:MOST_SAMPLES],
    }


def _hashes(form: Body) -> list[str]:
    try:
        payload = msgspec.json.decode(form.get("payload", ""))
    except msgspec.DecodeError:
        wire.refused(wire.BAD, "payload must be JSON")
    if not isinstance(payload, dict) or payload.keys() - {"schema", "is_raw", "data"}:
        wire.refused(wire.BAD, "payload holds schema, is_raw and data")
    data = payload.get("data")
    if payload.get("schema") != SCHEMA or payload.get("is_raw", False) is not False:
        wire.refused(wire.BAD, "this sandbox knows EMAIL_SHA256, not raw")
    if not isinstance(data, list) or not all(isinstance(one, str) for one in data):
        wire.refused(wire.BAD, "data is missing or does not match schema")
    if not 1 <= len(data) <= MOST_REMOVED:
        wire.refused(wire.BAD, f"from 1 to {MOST_REMOVED} entries at a time")
    return data


def _fields(query: Body) -> set[str]:
    fields = {"id", *(one for one in query.get("fields", "").split(",") if one)}
    for unknown in sorted(fields - FIELDS):
        wire.refused(wire.BAD, f"Tried accessing nonexisting field ({unknown})")
    return fields


def _number(query: Body, name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not text.isdecimal() or (name == "limit" and text == "0"):
        wire.refused(wire.BAD, f"{name} is not valid")
    return int(text)
