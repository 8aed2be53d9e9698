"""`sweep`: announces what is due. The queue may lose a message; the sweep does not."""

from __future__ import annotations

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared import work

edge = Edge("sweep")


@edge.route("POST", "/", "Announce everything that is due", who="internal")
def sweep(call: Call[None]) -> Answer:
    due = work.due(call.services)
    call.services.queue.announce([(one.id, one.record.due_at) for one in due])
    return {"announced": len(due)}
