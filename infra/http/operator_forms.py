"""What the operator's pages post: the one for publishing, and the one of a campaign."""

from __future__ import annotations

from typing import Literal

import msgspec


class PublishForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page posts. `seen`: the hash of what was looked at, by the button that publishes it; else it is shown first.

    A field left empty is absent: the page then says which, and keeps what was typed into the others.
    """

    token: str = ""
    version: str = ""
    text: str = ""
    title: str | None = None
    summary: str = ""
    effective_on: str | None = None
    minor: bool = False
    changes: list[str] = []
    seen: str = ""


class CampaignForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page of a campaign posts. `act`: what to do before it is shown."""

    token: str = ""
    act: Literal["look", "pause", "resume"] = "look"
