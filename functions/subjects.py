"""`subjects`: the website's server links a person's identifiers."""

from __future__ import annotations

from infra.http.answers import Answer, json_answer
from infra.http.edge import Call, Edge
from shared.promises import endings, subjects
from shared.promises.endings import Closed
from shared.promises.subjects import Linked

edge = Edge("subjects")


@edge.route("POST", "/", "Link a person's identifiers", body=Linked, who="website")
def link(call: Call[Linked]) -> Answer:
    answer, new = subjects.link(call.services, call.body)
    return json_answer(answer, 201 if new else 200)


@edge.route(
    "POST",
    "/<user_id>/closed",
    "Say who closed an account: a person's is erased within 14 days; 404 for a user who was never linked",
    body=Closed,
    who="website",
)
def closed(call: Call[Closed]) -> Answer:
    return endings.close_account(call.services, call.path["user_id"], call.body)
