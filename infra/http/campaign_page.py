"""The operator's page of a campaign: how far it is, and to stop it or go on. Like the one for publishing it keeps no token.

Without a token it says nothing, not even whether there is such a campaign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask

from infra.http.callers import operator_typed
from infra.http.operator_forms import CampaignForm
from infra.http.pages import html
from infra.http.publish_page import FUNCTION
from shared.failures import Refused
from shared.promises import campaigns

if TYPE_CHECKING:
    from infra.container import Container


def empty(services: Container, id: str) -> flask.Response:
    """Ask for the token."""
    return _page(services, id)


def posted(services: Container, id: str, form: CampaignForm, *, page: bool) -> flask.Response:
    """Do what was pressed, and show how far it is. Refuses on the page, where one is wanted."""
    try:
        by = operator_typed(form.token, services, FUNCTION)
        return _page(services, id, shown=_done(services, id, form, by))
    except Refused as refusal:
        if not page:
            raise
        return _page(services, id, refusal.status, problem={"rule": refusal.rule, "field": refusal.field})


def _done(services: Container, id: str, form: CampaignForm, by: str) -> dict[str, Any]:
    if form.act == "pause":
        return campaigns.pause(services, id, by)
    return campaigns.resume(services, id, by) if form.act == "resume" else campaigns.shown(services, id)


def _page(services: Container, id: str, status: int = 200, **given: Any) -> flask.Response:
    words = {"problem": None, "shown": None, **given}
    return html("campaign", status, company=services.company, campaign_id=id, **words)
