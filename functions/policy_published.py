"""`policy-published`: hears on the topic that a version was published, and opens its campaign (§8)."""

from __future__ import annotations

from infra.http.event import EventEdge
from shared.promises import campaigns
from shared.promises.campaigns import Announcement

edge = EventEdge("policy-published", Announcement, campaigns.open_campaign)
