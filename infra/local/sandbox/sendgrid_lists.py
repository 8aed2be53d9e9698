"""The sandbox's SendGrid: who is not to be written to. Unsubscribe groups, the global list, and the four others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from infra.local.sandbox.sendgrid_wire import answer, body_of, is_address, refused, same
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.vendor import Call, Route

LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails")
MARKS = {
    "bounced": "bounces",
    "blocked": "blocks",
    "reported_spam": "spam_reports",
    "invalid": "invalid_emails",
    "unsubscribed": "global",
    "group": "group_entry",
}
"""Field of a person put into the sandbox, and the list it means."""
DETAILS: dict[str, Body] = {
    "bounces": {"reason": "550 5.1.1 mailbox does not exist", "status": "5.1.1"},
    "blocks": {"reason": "error dialing remote address", "status": "4.0.0"},
    "spam_reports": {"ip": "203.0.113.7"},
    "invalid_emails": {"reason": "Mail domain mentioned in email address is unknown"},
}
LONGEST_NAME, LONGEST_DESCRIPTION = 30, 100
MOST_IN_PAGE = 500
MOST_GIVEN = 500
"""How many a page holds, however many are asked for."""


def groups(call: Call) -> Response:
    """List the unsubscribe groups, with how many addresses each holds."""
    left = Counter(entry["group_id"] for entry in call.shelf.find("group_entry"))
    return answer([{**one, "unsubscribes": left[one["id"]]} for one in _groups(call.shelf)])


def add_group(call: Call) -> Response:
    """Create an unsubscribe group."""
    asked = body_of(call, {"name", "description", "is_default"})
    for field, longest in (("name", LONGEST_NAME), ("description", LONGEST_DESCRIPTION)):
        value = asked.get(field)
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            refused(400, f"{field} is required, at most {longest} characters", field)
    if asked["name"] in [one["name"] for one in _groups(call.shelf)]:
        refused(400, "A group with this name already exists", "name")
    return answer(_new_group(call.shelf, asked["name"], asked["description"], bool(asked.get("is_default"))), 201)


def group(call: Call) -> Response:
    """Show one unsubscribe group; 404 when it was deleted or never was."""
    found = call.shelf.get("group", str(call.path["group"])) or refused(404, "group not found")
    return answer({**found, "unsubscribes": len(_left(call.shelf, found["id"]))})


def delete_group(call: Call) -> Response:
    """Delete an unsubscribe group and who is on it: they are written to again."""
    for entry in _left(call.shelf, call.path["group"]):
        call.shelf.delete("group_entry", id=f"{entry['group_id']}:{entry['email']}")
    if not call.shelf.delete("group", id=str(call.path["group"])):
        refused(404, "group not found")
    return answer(status=204)


def groups_of(call: Call) -> Response:
    """Show every group, and for each whether the address left it."""
    left = {entry["group_id"] for entry in call.shelf.find("group_entry", same(call.path["email"]))}
    shown = [{**one, "suppressed": one["id"] in left} for one in _groups(call.shelf)]
    return answer({"suppressions": shown})


def add_to_group(call: Call) -> Response:
    """Put addresses on a group; on the global list when the group does not exist, as SendGrid silently does."""
    emails, group = _recipients(call), call.path["group"]
    for email in emails:
        if call.shelf.get("group", str(group)):
            _add_to_group(call.shelf, call.now, email, group)
        else:
            _add(call.shelf, call.now, "global", email)
    return answer({"recipient_emails": emails}, 201)


def take_from_group(call: Call) -> Response:
    """Take an address off a group."""
    call.shelf.delete("group_entry", id=f"{call.path['group']}:{same(call.path['email'])}")
    return answer(status=204)


def add_globally(call: Call) -> Response:
    """Put addresses on the global list."""
    emails = _recipients(call)
    for email in emails:
        _add(call.shelf, call.now, "global", email)
    return answer({"recipient_emails": emails}, 201)


def global_of(call: Call) -> Response:
    """Show a global entry; `{}` when there is none, not 404."""
    entry = call.shelf.get("global", same(call.path["email"]))
    return answer({"recipient_email": entry["email"]} if entry else {})


def take_globally(call: Call) -> Response:
    """Take an address off the global list."""
    call.shelf.delete("global", id=same(call.path["email"]))
    return answer(status=204)


def every(call: Call) -> Response:
    """List one of the four lists, page by page."""
    return _page(call, call.shelf.find(call.path["list"]))


def every_globally(call: Call) -> Response:
    """List the global list, page by page."""
    return _page(call, call.shelf.find("global"))


def every_group(call: Call) -> Response:
    """List who is on any group, whole: it has no pages."""
    names = {one["id"]: one["name"] for one in _groups(call.shelf)}
    found = call.shelf.find("group_entry")
    return answer([
        {"email": one["email"], "group_id": one["group_id"], "group_name": names[one["group_id"]], "created_at": one["created"]}
        for one in found
    ])  # fmt: skip


def listed(call: Call) -> Response:
    """Show an address on one of the four lists; `[]` when it is not on it."""
    return answer(call.shelf.find(call.path["list"], same(call.path["email"])))


def unlist(call: Call) -> Response:
    """Take an address off one of the four lists; 404 when it was not on it."""
    if not call.shelf.delete(call.path["list"], id=same(call.path["email"])):
        refused(404, "not found")
    return answer(status=204)


_FOUR = f"<any({', '.join(LISTS)}):list>"
# path: an address may hold a slash
ROUTES: tuple[Route, ...] = (
    ("GET", "/v3/asm/groups", groups),
    ("POST", "/v3/asm/groups", add_group),
    ("GET", "/v3/asm/groups/<int:group>", group),
    ("DELETE", "/v3/asm/groups/<int:group>", delete_group),
    ("POST", "/v3/asm/groups/<int:group>/suppressions", add_to_group),
    ("DELETE", "/v3/asm/groups/<int:group>/suppressions/<path:email>", take_from_group),
    ("GET", "/v3/asm/suppressions", every_group),
    ("GET", "/v3/asm/suppressions/<path:email>", groups_of),
    ("POST", "/v3/asm/suppressions/global", add_globally),
    ("GET", "/v3/asm/suppressions/global/<path:email>", global_of),
    ("DELETE", "/v3/asm/suppressions/global/<path:email>", take_globally),
    ("GET", "/v3/suppression/unsubscribes", every_globally),
    ("GET", f"/v3/suppression/{_FOUR}", every),
    ("GET", f"/v3/suppression/{_FOUR}/<path:email>", listed),
    ("DELETE", f"/v3/suppression/{_FOUR}/<path:email>", unlist),
)


def put_on(shelf: Shelf, now: datetime, email: str, marks: Iterable[str]) -> None:
    """Put an address on the lists that these marks mean; the group is one called Newsletter."""
    for mark in marks:
        if MARKS[mark] == "group_entry":
            group = next(iter(_groups(shelf)), None) or _new_group(shelf, "Newsletter", "Our newsletter", default=True)
            _add_to_group(shelf, now, email, group["id"])
        else:
            _add(shelf, now, MARKS[mark], email)


def entries_of(shelf: Shelf, email: str) -> list[Body]:
    """Return every entry an address has on any list."""
    return [{"kind": kind, **entry} for kind in MARKS.values() for entry in shelf.find(kind, email)]


def on_lists(shelf: Shelf, email: str, group: int | None) -> set[str]:
    """Return the lists that keep a mail from this address; a block concerns one mail and keeps nothing back."""
    found = {kind for kind in ("bounces", "spam_reports", "invalid_emails", "global") if shelf.get(kind, email)}
    return found | ({"group"} if group is not None and shelf.get("group_entry", f"{group}:{email}") else set())


def _page(call: Call, found: list[Body]) -> Response:
    """Answer one page, newest first. Between two calls entries may come and go, and then the next page has moved."""
    asked = {name: call.request.args.get(name) for name in ("limit", "offset", "start_time", "end_time")}
    for name, value in asked.items():
        if value is not None and not value.isdecimal():
            refused(400, f"{name} must be a number", name)
    limit, offset = int(asked["limit"] or MOST_IN_PAGE), int(asked["offset"] or 0)
    if not 1 <= limit <= MOST_IN_PAGE:
        refused(400, f"limit must be from 1 to {MOST_IN_PAGE}", "limit")
    first, last = int(asked["start_time"] or 0), int(asked["end_time"] or 1 << 40)
    within = [one for one in found[::-1] if first <= one["created"] <= last]
    return answer(within[offset : offset + min(limit, MOST_GIVEN)])


def _groups(shelf: Shelf) -> list[Body]:
    return shelf.find("group")


def _left(shelf: Shelf, group: int) -> list[Body]:
    return [entry for entry in shelf.find("group_entry") if entry["group_id"] == group]


def _new_group(shelf: Shelf, name: str, description: str, default: bool) -> Body:
    # never an id that a deleted one had
    made = shelf.get("made", "groups") or {"groups": 0}
    shelf.put("made", "groups", {"groups": made["groups"] + 1})
    group = {"id": 100 + made["groups"], "name": name, "description": description, "is_default": default}
    shelf.put("group", str(group["id"]), group)
    return group


def _add_to_group(shelf: Shelf, now: datetime, email: str, group: int) -> None:
    entry = {"email": same(email), "group_id": group, "created": int(now.timestamp())}
    shelf.put("group_entry", f"{group}:{same(email)}", entry, about=same(email))


def _add(shelf: Shelf, now: datetime, kind: str, email: str) -> None:
    entry: dict[str, Any] = {"created": int(now.timestamp()), "email": same(email), **DETAILS.get(kind, {})}
    shelf.put(kind, same(email), entry, about=same(email))


def _recipients(call: Call) -> list[str]:
    emails = body_of(call, {"recipient_emails"}).get("recipient_emails")
    if not isinstance(emails, list) or not emails or not all(map(is_address, emails)):
        refused(400, "recipient_emails must be addresses", "recipient_emails")
    return [same(email) for email in emails]
