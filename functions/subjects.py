"""`subjects`: the website's server links a person's identifiers."""

from __future__ import annotations

from infra.http.answers import Answer, json_answer
from infra.http.edge import Call, Edge
from shared.promises import subjects
from shared.promises.subjects import Linked

edge = Edge("subjects")


@edge.route("POST", "/", "Link a person's identifiers", body=Linked, who="website")
def link(call: Call[Linked]) -> Answer:
    answer, new = subjects.link(call.services, call.body)
    return json_answer(answer, 201 if new else 200)
