"""`retention`: removes what has reached the end of its time."""

from __future__ import annotations

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.promises import retention

edge = Edge("retention")


@edge.route("POST", "/", "Remove what has expired", who="internal")
def expire(call: Call[None]) -> Answer:
    return retention.expire(call.services)
