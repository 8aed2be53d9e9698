"""`checkpoints`: checks what evidence came since the last time, and closes it with a signed checkpoint."""

from __future__ import annotations

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.promises import checkpoints

edge = Edge("checkpoints")


@edge.route("POST", "/", "Check the day's evidence and close it", who="internal")
def close(call: Call[None]) -> Answer:
    return checkpoints.run(call.services)
