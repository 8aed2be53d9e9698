from __future__ import annotations

import json

from shared.case import Case
from shared.promises import requests, statement
from shared.vault import unb64url
from tests.promises.world import World, says


def finished(world: World) -> Case:
    world.account("u1", "ann@mail.test", name="Ann Bee")
    request_id = world.confirm("ann@mail.test")["request_id"]
    world.advance("P4D")
    return Case.read(world.services, request_id)


def test_a_statement_is_signed_and_says_line_by_line_what_was_recorded(world: World) -> None:
    signed = statement.statement(finished(world))
    claims = json.loads(unb64url(signed["jws"].split(".")[1]))
    assert claims["lines"] == signed["statement"]["lines"]
    assert [(one["subprocessor"], one["outcome"]) for one in claims["lines"]] == [
        ("google_cloud_platform", "verified"),
        ("stripe", "nothing_found"),
        ("sendgrid", "accepted"),
    ]


def test_a_statement_names_nobody(world: World) -> None:
    text = json.dumps(statement.statement(finished(world)))
    assert not [one for one in ("ann@mail.test", "Ann Bee", '"u1"') if one in text]


def test_everything_that_outlives_an_erasure_is_named(world: World) -> None:
    world.sendgrid.answer = says("accepted", evidence={"objection_found": True})
    named = statement.survives(finished(world))
    whats = " ".join(one["what"] for one in named)
    for expected in ("this request", "erased", "opt-out"):
        assert expected in whats


def marks(world: World, request_id: str) -> int:
    return sum("mark" in one["what"] for one in statement.survives(Case.read(world.services, request_id)))


def test_a_mark_of_erasure_is_said_to_stay_where_there_is_one_alone(world: World) -> None:
    world.account("u1", "ann@mail.test")
    cancelled, nobodys = (world.confirm(email)["request_id"] for email in ("ann@mail.test", "nobody@mail.test"))
    assert marks(world, cancelled) == 0, "it has not begun"
    requests.cancel(lambda: Case.read(world.services, cancelled))
    erased = world.confirm("ann@mail.test")["request_id"]
    world.advance("P4D")
    found = {
        name: marks(world, id) for name, id in (("cancelled", cancelled), ("nobody's", nobodys), ("erased", erased))
    }
    assert found == {"cancelled": 0, "nobody's": 0, "erased": 1}


def test_what_is_not_connected_is_said(world: World) -> None:
    names = {one["name"]: one["why"] for one in statement.not_connected(finished(world))}
    assert set(names) == {"google_analytics", "google_tag_manager", "facebook", "instagram"}
    assert set(names.values()) == {"not connected: we sent it nothing"}


def test_what_a_vendor_still_holds_is_outstanding_until_its_date(world: World) -> None:
    case_until = world.clock.at.replace(month=6)
    world.stripe.answer = says("accepted", until=case_until)
    case = finished(world)
    assert statement.view(case)["status"] == "awaiting_vendors"
    assert {"subprocessor": "stripe", "until": "2026-06-01T12:00:00Z"} in statement.view(case)["promise"]["outstanding"]
    world.advance("P4M")
    assert world.view(case.id)["status"] == "completed"
