"""The operator's page for publishing: a form without cookie or script. Whoever posts it names themselves by their token each time.

So a page of somebody else cannot post it for them: it does not know the token, and a browser sends none by itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import flask
import msgspec

from infra.http.callers import operator_typed
from infra.http.difference_page import parts, sentences
from infra.http.operator_forms import PublishForm
from infra.http.pages import html
from shared.failures import BadInput, Refused
from shared.promises import campaigns, policy, publishing

if TYPE_CHECKING:
    from infra.container import Container

FUNCTION = "operator"


def empty(services: Container) -> flask.Response:
    """Show the form."""
    return _page(services, {})


def posted(services: Container, form: PublishForm, *, page: bool) -> flask.Response:
    """Show what publishing would do, or publish what was looked at. Refuses with what was typed, where a page is wanted."""
    typed = msgspec.to_builtins(form) | {"token": ""}
    try:
        by = operator_typed(form.token, services, FUNCTION)
        draft = _draft(form)
        seen = policy.text_hash(msgspec.json.encode(draft).decode())
        if form.seen == seen:
            return _published(services, typed, draft, by)
        return _rehearsed(services, typed | {"seen": seen}, draft, by)
    except Refused as refusal:
        if not page:
            raise
        return _page(services, typed, refusal.status, problem={"rule": refusal.rule, "field": refusal.field})


def _named(form: PublishForm) -> str:
    # a draft without a name is given one; on the page its field was left empty
    if not form.version.strip():
        raise BadInput("a version needs a name, such as 2027-01-01", "version")
    return form.version


def _draft(form: PublishForm) -> policy.Draft:
    return policy.Draft(
        text=form.text,
        version=_named(form),
        title=form.title,
        summary=form.summary,
        material=not form.minor,
        changes=form.changes or None,
        effective_at=_midnight(form.effective_on),
    )


def _midnight(day: str | None) -> datetime | None:
    if not day:
        return None
    try:
        at = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput("a day is needed, such as 2027-01-01", "effective_on") from None
    if not 1 < at.year < policy.LAST_YEAR:
        raise BadInput(f"a day of a year before {policy.LAST_YEAR} is needed, such as 2027-01-01", "effective_on")
    return at


def _published(services: Container, typed: dict[str, Any], draft: policy.Draft, by: str) -> flask.Response:
    published = policy.publish(services, draft, by)
    services.policies.wait_until_seen()
    return _page(services, typed, 202, campaign_id=campaigns.campaign_id(published.version))


def _rehearsed(services: Container, typed: dict[str, Any], draft: policy.Draft, by: str) -> flask.Response:
    answer = publishing.rehearse(services, draft, by)
    first = answer["diff"] is None
    titles = {one.name: one.title for one in services.company.purposes}
    shown = {
        "asked_again": [titles[name] for name in answer["changes"] or titles],
        "changes_shown": None if first else parts(answer["diff"]),
        "declared": [] if first else sentences(answer["catalogue"]),
        "since_last": _differing(answer["since_last"]) if answer["since_last"] else None,
    }
    return _page(services, typed, rehearsed=answer | shown)


def _differing(since: dict[str, Any]) -> dict[str, Any]:
    return {"changes_shown": parts(since["diff"]), "declared": sentences(since["catalogue"])}


def _page(services: Container, values: dict[str, Any], status: int = 200, **given: Any) -> flask.Response:
    purposes = [{"name": one.name, "title": one.title} for one in services.company.purposes]
    words = {"problem": None, "rehearsed": None, "campaign_id": None, **given}
    return html("publish", status, company=services.company, values=values, purposes=purposes, **words)
