"""The words each mail of a request is given. Links act only on POST: each opens a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared import words as said
from shared.case import Case
from shared.promises import objections, statement
from shared.times import ANSWERABLE_FOR

OFFERS = frozenset({"ending_first", "ending_again"})
"""What offers to keep an account whose end comes by itself."""
COMMON = ("right", "received_at", "promise_by", "statutory_by", "begins_at")

OWN: Mapping[str, Callable[[Case], dict[str, Any]]] = {objections.MAIL: objections.words}
"""Words that a promise gives to a mail of its own."""


def words(case: Case, template: str, label: str) -> dict[str, Any]:
    """Return what a template is filled with, for one address of the request."""
    record, tokens = case.record, case.envelope.tokens
    page = f"{case.services.base_url}/requests/{case.id}"
    given: dict[str, Any] = {name: getattr(record, name) for name in COMMON}
    given["new_request_url"] = f"{case.services.base_url}/requests/new"
    given["reason"] = case.envelope.reason or ""
    if template in {"request_confirm", "request_reminder"}:
        key = next(key for key in record.keys.values() if key.opens == "confirm")
        given |= {"link": f"{page}/confirm?t={tokens['confirm']}", "expires_at": key.expires_at}
    if template in {"request_verified", "request_notice"}:
        cancel = tokens.get(f"cancel:{label}")
        given["cancel_link"] = f"{page}/cancel?t={cancel}" if cancel else None
        given["choose"] = len(record.accounts) > 1 and record.chosen_at is None
    if template in OFFERS:
        given |= {"keep_link": f"{page}/keep?t={tokens[f'keep:{label}']}", "why": record.channel}
        # one that waited out an outage names a day on which it can still be answered
        given["begins_at"] = max(record.begins_at or case.now, case.now + ANSWERABLE_FOR)
    if template == "export_ready" and record.export is not None:
        given |= {"link": f"{page}/export?key={tokens[f'export:{label}']}", "until": record.export.until}
        given["missing"] = statement.missing(case)
    if template in {"request_verified", "request_closing", "request_done", "export_ready"}:
        given["status_url"] = f"{page}?key={tokens['view']}"
    if template == "request_done":
        given |= statement.answers(case) | {
            "corrected": [said.field(one) for one in record.corrected if record.subjects]
        }
        given["standing"] = said.STANDING
    if template == "request_restriction_ends":
        given["ends_at"] = record.ends_at
    if template == "address_confirm":
        key = next(key for key in record.keys.values() if key.opens == "address")
        given |= {"link": f"{page}/confirm?t={tokens['address']}", "expires_at": key.expires_at}
    given |= OWN[template](case) if template in OWN else {}
    if template == "request_closing":
        given |= statement.lines_for_mail(case)
        given["survives"] = [f"{one['what']}: {one['why']}" for one in statement.survives(case)]
        given["not_connected"] = [one["title"] for one in statement.not_connected(case)]
        given["standing"] = said.STANDING
    return given
