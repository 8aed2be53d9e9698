"""§5.1: a copy is whole, and what is missing is named."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec

from functions.work import HANDLERS
from shared import work
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.ports import Ability, Person
from shared.promises import exporting, gathering, operators, requests
from shared.promises.operators import Resolution
from shared.records import Piece, Work
from shared.store import Create, Delete, Update
from shared.times import rfc3339
from tests.promises.copies import (
    CHECKED,
    EMAIL,
    PIECES,
    ask,
    confirmed,
    exports,
    fetched,
    links,
    made,
    problems,
    steps,
)
from tests.promises.world import NOON, World


def test_what_everybody_holds_is_in_one_file_and_the_request_is_complete_when_its_link_was_mailed(world: World) -> None:
    world.account("u1", EMAIL, name="Ann")
    world.account("u2", "bob@mail.test", name="Bob")
    world.stripe.export = exports({"customers": [{"id": "cus_1", "email": EMAIL}]})  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    shown = world.view(request_id)
    assert shown["status"] == "completed"
    assert shown["export"]["until"] == rfc3339(NOON + timedelta(days=14))
    assert steps(world, request_id) == {
        "google_cloud_platform": "verified",
        "stripe": "verified",
        "sendgrid": "nothing_found",
    }
    members = fetched(world, request_id, links(world)[0])
    data = json.loads(members["data.json"])["data"]
    assert data["stripe"]["customers"] == [{"id": "cus_1", "email": EMAIL}]
    assert data["google_cloud_platform"]["identifiers"][0]["name"] == "Ann"
    assert not any(b"bob" in content.lower() for content in members.values())


def test_the_connectors_are_asked_for_the_chosen_account_alone(world: World) -> None:
    world.account("u1", EMAIL)
    world.account("u2", EMAIL)
    asked: list[Person] = []
    world.stripe.export = lambda person: asked.append(person) or {}  # type: ignore[method-assign, func-returns-value]
    answer = world.confirm(EMAIL, ask(world))
    world.run_due()
    assert asked == []
    key = answer["status_url"].partition("?key=")[2]
    requests.choose(world.services, answer["request_id"], key, [2])
    world.run_due()
    ((person),) = asked
    assert person.user_ids() == ["u2"]
    assert (person.addresses, person.shared_addresses) == ([], [EMAIL])


def test_an_address_nobody_knows_gets_a_file_that_says_so(world: World) -> None:
    request_id, _ = confirmed(world)
    assert world.view(request_id)["status"] == "completed"
    members = fetched(world, request_id, links(world)[0])
    assert set(steps(world, request_id).values()) == {"nothing_found"}
    assert json.loads(members["data.json"])["data"] == {name: {} for name in world.services.connected}


def test_asking_again_makes_the_same_bytes_of_the_same_facts(world: World) -> None:
    world.account("u1", EMAIL)
    world.stripe.export = exports({"customers": [{"id": "cus_1"}]})  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    case = Case.read(world.services, request_id)
    assert case.record.export is not None
    answers = {"stripe": {"customers": [{"id": "cus_1"}]}}
    first, second = (gathering._packed(case, answers, [], f"export{n}").sha256 for n in range(2))  # type: ignore[arg-type]
    assert first == second


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_what_a_vendor_cannot_give_is_named_with_the_day_that_was_looked_up(world: World) -> None:
    able = Ability(what="export", how="none", checked=CHECKED, reason="no way")
    world.stripe.describe = lambda: [able]  # type: ignore[method-assign]
    world.stripe.export = exports({"gaps": ["who saw which advertisement"]})  # type: ignore[method-assign]
    manifest = made(world)["manifest"]
    assert manifest["gaps"] == [
        {"subprocessor": "stripe", "why": "who saw which advertisement", "as_of": CHECKED.isoformat()}
    ]
    (mail,) = world.mailed("export_ready")
    assert mail["missing"] == ["Stripe: who saw which advertisement"]


def test_a_vendor_that_keeps_nothing_per_person_is_no_gap(world: World) -> None:
    able = Ability(what="export", how="absence", checked=CHECKED, reason="request logs alone")
    world.stripe.describe = lambda: [able]  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    assert steps(world, request_id)["stripe"] == "no_store"
    assert world.mailed("export_ready")[0]["missing"] == []


def test_what_may_be_somebody_elses_is_never_called_nothing_and_comes_to_a_person(world: World) -> None:
    world.account("u1", EMAIL)
    world.stripe.export = exports({"gaps": ["one by e-mail alone"], "unclear": 1})  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    assert (steps(world, request_id)["stripe"], world.view(request_id)["status"]) == ("failed", "in_progress")
    assert ("step_failed", "unclear") in problems(world)
    (mail,) = world.mailed("export_ready")
    assert mail["missing"] == ["Stripe: one by e-mail alone"]
    handed = operators.resolve("stripe", Resolution(reason="hers, and sent by hand"), "eve")
    assert operators.act(world.services, request_id, handed)["status"] == "completed"
    members = fetched(world, request_id, links(world)[0])
    assert json.loads(members["data.json"])["data"]["stripe"] == {}


def test_a_vendor_that_refuses_is_a_gap_and_comes_to_a_person_who_may_have_it_tried_again(world: World) -> None:
    world.account("u1", EMAIL)
    world.stripe.export = exports(NeverRetry("stripe_400"))  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    assert world.view(request_id)["status"] == "in_progress"
    assert ("step_failed", "stripe_400") in problems(world)
    manifest = json.loads(fetched(world, request_id, links(world)[0])["manifest.json"])
    ((gap),) = manifest["gaps"]
    assert (gap["subprocessor"], gap["problem"]) == ("stripe", "stripe_400")
    world.stripe.export = exports({"customers": [{"id": "cus_1"}]})  # type: ignore[method-assign]
    operators.act(world.services, request_id, operators.retry("stripe", Resolution(reason="mended"), "eve"))
    world.run_due()
    assert world.view(request_id)["status"] == "completed"
    assert problems(world) == set()
    data = json.loads(fetched(world, request_id, links(world)[1])["data.json"])["data"]
    assert data["stripe"] == {"customers": [{"id": "cus_1"}]}
    assert world.stripe.asked == [], "nothing erases by way of an export"


def test_a_defect_in_one_connector_keeps_nobody_from_the_others(world: World) -> None:
    world.stripe.export = exports(KeyError("id"))  # type: ignore[method-assign]
    world.sendgrid.export = exports({"contacts": [{"email": EMAIL}]})  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    assert steps(world, request_id) == {
        "google_cloud_platform": "nothing_found",
        "stripe": "failed",
        "sendgrid": "verified",
    }
    assert ("step_failed", "defect_KeyError") in problems(world)


def test_what_an_operator_handed_over_by_other_means_completes_the_request(world: World) -> None:
    world.stripe.export = exports(NeverRetry("stripe_400"))  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    operators.act(world.services, request_id, operators.resolve("stripe", Resolution(reason="sent by post"), "eve"))
    assert world.view(request_id)["status"] == "completed"
    world.run_due()
    assert world.stripe.asked == []


def test_one_that_is_down_is_waited_for_and_the_file_is_whole(world: World) -> None:
    world.stripe.export = exports(TryAgain("stripe_500"))  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    assert (world.view(request_id)["status"], links(world)) == ("in_progress", [])
    assert steps(world, request_id)["stripe"] == "pending"
    world.stripe.export = exports({"customers": [{"id": "cus_1"}]})  # type: ignore[method-assign]
    world.advance("P1D")
    assert world.view(request_id)["status"] == "completed"
    assert len(links(world)) == 1


def test_one_that_stays_down_is_named_after_three_days_and_keeps_the_rest_from_nobody(world: World) -> None:
    world.stripe.export = exports(TryAgain("stripe_500"))  # type: ignore[method-assign]
    world.sendgrid.export = exports({"contacts": [{"email": EMAIL}]})  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    world.advance("P4D")
    members = fetched(world, request_id, links(world)[0])
    assert json.loads(members["data.json"])["data"]["sendgrid"] == {"contacts": [{"email": EMAIL}]}
    assert [gap["subprocessor"] for gap in json.loads(members["manifest.json"])["gaps"]] == ["stripe"]
    assert ("step_failed", "stripe_500") in problems(world)


def test_portability_leaves_out_what_others_noted_and_says_so(world: World) -> None:
    world.account("u1", EMAIL)
    world.stripe.export = exports({"customers": [{"id": "c"}], "invoices": [{"id": "i"}]})  # type: ignore[method-assign]
    made_of = made(world, "portability")
    assert made_of["data"]["data"]["stripe"] == {"customers": [{"id": "c"}]}
    assert made_of["data"]["data"]["google_cloud_platform"].keys() == {"identifiers"}
    assert made_of["manifest"]["left_out"]["stripe"] == ["invoices"]
    assert "Art. 20" in made_of["manifest"]["scope"]
    assert made(world, "access")["data"]["data"]["stripe"].keys() == {"customers", "invoices"}


def test_the_manifest_names_the_policy_in_force(world: World) -> None:
    manifest = made(world)["manifest"]
    assert manifest["policy"]["version"] == "v1"
    assert len(manifest["policy"]["hash"]) == 64


def gather_again(world: World, attempts: int) -> str:
    """Have a copy asked for whose gathering was begun so often already; return the request's id."""
    request_id = ask(world)
    requests.confirm(world.services, request_id, world.token(request_id, EMAIL))
    (begin,) = [one for one in work.due(world.services) if one.record.kind == exporting.BEGIN]
    work.run(world.services, begin.id, HANDLERS)
    (gather,) = [one for one in work.due(world.services) if one.record.kind == gathering.GATHER]
    item = Work(kind=gathering.GATHER, ref=request_id, due_at=NOON, created_at=NOON, attempts=attempts)
    world.services.store.commit([Delete(Work, gather.id), Create("gather", item)])
    return request_id


def test_what_a_crash_left_of_a_file_goes_with_the_next_attempt(world: World) -> None:
    request_id = gather_again(world, attempts=1)
    left = Piece(expires_at=NOON + gathering.KEPT_FOR, sealed=b"her data")
    world.services.store.commit([Create(f"gather-1:{n:04}", left) for n in range(3)])
    world.run_due()
    export = Case.read(world.services, request_id).record.export
    assert export is not None
    assert len(world.services.store.query(PIECES)) == export.pieces


def test_who_lost_the_lease_meanwhile_leaves_no_piece_behind(world: World) -> None:
    gather_again(world, attempts=0)
    pieces_then: list[int] = []

    def export(_person: Person) -> dict[str, Any]:
        held = world.services.store.get(Work, "gather")
        assert held is not None
        if held.record.attempts == 1:
            taken = msgspec.structs.replace(held.record, due_at=world.clock.at + timedelta(hours=1))
            world.services.store.commit([Update(held, taken)])
        else:
            pieces_then.append(len(world.services.store.query(PIECES)))
        return {}

    world.stripe.export = export  # type: ignore[method-assign]
    world.run_due()
    assert world.services.store.query(PIECES) == []
    world.advance("PT2H")
    assert (pieces_then, len(links(world))) == ([0], 1)


def test_two_runs_at_once_make_one_file_and_leave_no_piece_behind(world: World) -> None:
    request_id = ask(world)
    token = world.token(request_id, EMAIL)
    requests.confirm(world.services, request_id, token)
    raced: list[str] = []

    def export(_person: Person) -> dict[str, Any]:
        if not raced:
            raced.append("once")
            world.services.store.commit(
                [Create("other", Work(kind=gathering.GATHER, ref=request_id, due_at=NOON, created_at=NOON))]
            )
            work.run(world.services, "other", HANDLERS)
        return {}

    world.stripe.export = export  # type: ignore[method-assign]
    world.run_due()
    assert (raced, len(links(world))) == (["once"], 1)
    case = Case.read(world.services, request_id)
    assert case.record.export is not None
    assert len(world.services.store.query(PIECES)) == case.record.export.pieces


def test_work_that_runs_twice_makes_one_file_and_one_mail(world: World) -> None:
    request_id = ask(world)
    token = world.token(request_id, EMAIL)
    requests.confirm(world.services, request_id, token)
    again = [
        Create(f"again{n}", Work(kind=kind, ref=request_id, due_at=NOON, created_at=NOON))
        for n, kind in enumerate([exporting.BEGIN, exporting.BEGIN, gathering.GATHER, gathering.GATHER])
    ]
    world.services.store.commit(again)
    world.run_due()
    world.services.store.commit([Create("late", again[-1].record)])
    world.run_due()
    assert len(links(world)) == 1
    assert world.view(request_id)["status"] == "completed"
    assert problems(world) == set()
