"""`deadlines`: the watchdog over the promised and the statutory dates."""

from __future__ import annotations

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.promises import deadlines

edge = Edge("deadlines")


@edge.route("POST", "/", "Warn of what nears its date", who="internal")
def watch(call: Call[None]) -> Answer:
    return deadlines.watch(call.services)
