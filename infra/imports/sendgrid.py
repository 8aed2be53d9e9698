"""SendGrid's lists of who is not to be written to, read page by page.

The global list, groups and reports as spam are a person's no; bounces and invalid addresses say that a mailbox is not there,
and blocks concern one mail each and are left out. What we ourselves put on a list is nobody's word and is left out too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http.client import OK
from typing import Any

from infra.subprocessors.sendgrid_transport import Answer
from shared.company import Company
from shared.failures import TryAgain
from shared.imports.rows import Row
from shared.times import rfc3339

PAGE = 500
"""Entries in one page, at the most."""
OVERLAP = 50
"""So many of one page are asked for again with the next one."""
EVERYTHING = (("suppression", "unsubscribes"), ("suppression", "spam_reports"))
UNREACHABLE = (("suppression", "bounces"), ("suppression", "invalid_emails"))
GROUPS = ("asm", "suppressions")
Json = dict[str, Any]
Call = Callable[..., Answer]


def rows(call: Call, company: Company, is_ours: Callable[[str, int | None], bool]) -> Iterator[Row]:
    """Yield every entry as a row. `is_ours`: whether we put an address on the global list, or on this group's."""
    for line, cells in enumerate(_entries(call, company, is_ours), 1):
        yield Row(line, cells, where=f"entry {line}")


def _entries(call: Call, company: Company, is_ours: Callable[[str, int | None], bool]) -> Iterator[dict[str, str]]:
    for path in EVERYTHING:
        own = path[-1] == "unsubscribes"
        for entry in _paged(call, path):
            if not (own and is_ours(_email(entry), None)):
                yield _cells(entry, "created")
    for entry in _listed(call, GROUPS):
        names = _purposes(company, entry.get("group_id"))
        if names and not is_ours(_email(entry), entry.get("group_id")):
            yield _cells(entry, "created_at") | {"purpose": " ".join(names)}
    for path in UNREACHABLE:
        for entry in _paged(call, path):
            yield _cells(entry, "created") | {"unreachable": "yes"}


def _purposes(company: Company, group: Any) -> Sequence[str]:
    """Return what somebody left with a group; all marketing where nobody knows the group, nothing where it is no marketing."""
    left = [one for one in company.purposes if group is not None and one.sendgrid_group == group]
    return [one.name for one in left if one.is_marketing] if left else ["marketing"]


def _paged(call: Call, path: Sequence[str]) -> Iterator[Json]:
    """Yield every entry once, until a page is empty: what a page holds less than was asked for says nothing.

    What is taken off meanwhile moves all that stands behind it forward, so that pages overlap; one that does not begin
    with an entry that was read already has moved by more, and is read again from further ahead.
    """
    offset = overlap = 0
    read: set[tuple[str, str]] = set()
    while True:
        found = _listed(call, path, {"limit": str(PAGE), "offset": str(offset)})
        if overlap and not (found and _key(found[0]) in read):
            offset = max(0, offset - PAGE)
            overlap = offset
            continue
        if not found:
            return
        yield from (one for one in found if _key(one) not in read)
        read |= {_key(one) for one in found}
        overlap = min(OVERLAP, len(found) // 2)
        offset += len(found) - overlap
        if offset > 2 * (len(read) + PAGE):
            # it gives the same whatever page is asked for
            raise TryAgain("sendgrid_unreadable")


def _listed(call: Call, path: Sequence[str], query: dict[str, str] | None = None) -> list[Json]:
    answer = call("get", *path, query=query, answers=())
    answer.expect(OK)
    if not isinstance(answer.body, list) or not all(isinstance(one, dict) for one in answer.body):
        raise TryAgain("sendgrid_unreadable")
    return answer.body


def _key(entry: Json) -> tuple[str, str]:
    return _email(entry).lower(), str(entry.get("created"))


def _email(entry: Json) -> str:
    return str(entry.get("email") or "")


def _cells(entry: Json, time: str) -> dict[str, str]:
    created = entry.get(time)
    at = rfc3339(datetime.fromtimestamp(created, UTC)) if isinstance(created, int) and 0 < created < 1 << 33 else ""
    return {name: value for name, value in (("email", _email(entry)), ("at", at)) if value}
