from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared import attention
from shared.failures import BadInput, NeverRetry, Stale
from shared.promises import evidence, operators
from shared.promises.operators import Act, Entered, Verification
from shared.records import LedgerEntry, Request
from shared.store import Put
from tests.promises.world import NOON, World, timedelta

REASON = Act(reason="Ann called; her sister is on the line too")


def enter(world: World, **said: object) -> str:
    fields = {"channel": "phone", "received_at": NOON, "right": "erasure", "email": "ann@mail.test"} | said
    return str(operators.enter(world.services, Entered(**fields), "ola")["request_id"])  # type: ignore[arg-type]


def test_a_request_by_phone_waits_for_the_mailbox_like_any_other(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = enter(world)
    assert world.confirm("ann@mail.test", request_id)["status"] == "verified"


def test_an_operator_who_saw_proof_verifies_for_somebody_without_the_mailbox(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = enter(world, email=None, user_id="u1")
    shown = operators.act(
        world.services, request_id, operators.verify(Verification(reason="passport seen", proof="passport"), "ola")
    )
    assert shown["status"] == "verified"
    world.advance("P3D")
    assert world.stripe.asked[0].user_ids() == ["u1"]


def test_where_two_operators_exist_an_erasure_needs_the_second(tmp_path: Path) -> None:
    world = World(tmp_path, OPERATORS="ola,per")
    world.account("u1", "ann@mail.test")
    request_id = enter(world)
    verify = Verification(reason="passport seen", proof="passport")
    assert operators.act(world.services, request_id, operators.verify(verify, "ola"))["status"] == "unverified"
    with pytest.raises(Stale):
        operators.act(world.services, request_id, operators.verify(verify, "ola"))
    assert operators.act(world.services, request_id, operators.verify(verify, "per"))["status"] == "verified"


@pytest.mark.parametrize(
    ("right", "status"),
    [
        ("erasure", "unverified"),
        ("access", "unverified"),
        ("portability", "unverified"),
        ("restriction", "in_progress"),
        ("rectification", "verified"),
    ],
)
def test_only_what_destroys_or_opens_data_needs_the_second_operator(tmp_path: Path, right: str, status: str) -> None:
    world = World(tmp_path, OPERATORS="ola,per")
    world.account("u1", "ann@mail.test")
    request_id = enter(world, right=right, email=None, user_id="u1", proof="passport seen", details="My birthday.")
    assert world.view(request_id)["status"] == status


def test_what_waits_for_the_second_operator_is_on_the_list_and_never_answered_as_unconfirmed(tmp_path: Path) -> None:
    world = World(tmp_path, OPERATORS="ola,per")
    world.account("u1", "ann@mail.test")
    request_id = enter(world, right="access", proof="passport seen")
    listed = {one["kind"] for one in operators.attention_list(world.services)["items"]}
    assert listed == {"second_operator_needed"}
    world.advance("P30D")
    assert world.view(request_id)["status"] == "unverified"
    assert world.mailed("request_unconfirmed") == []
    verify = operators.verify(Verification(reason="passport seen"), "per")
    assert operators.act(world.services, request_id, verify)["status"] == "verified"
    assert "second_operator_needed" not in {one["kind"] for one in operators.attention_list(world.services)["items"]}


def test_a_refusal_is_mailed_with_its_reason_and_lifts_the_restriction(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.confirm("ann@mail.test")["request_id"]
    assert (
        operators.act(world.services, request_id, operators.deny(Act(reason="not the person"), "ola"))["status"]
        == "denied"
    )
    world.advance("P10D")
    assert world.mailed("request_denied")[0]["reason"] == "not the person"
    assert world.stripe.asked == []
    with pytest.raises(Stale):
        operators.act(world.services, request_id, operators.deny(REASON, "ola"))


def test_two_more_months_can_be_taken_once_inside_the_first(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    shown = operators.act(world.services, request_id, operators.extend(REASON, "ola"))
    assert shown["statutory_by"] == "2026-06-01T12:00:00Z"
    with pytest.raises(Stale):
        operators.act(world.services, request_id, operators.extend(REASON, "ola"))


def test_a_pause_asks_at_once_and_its_days_are_given_back(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    operators.act(world.services, request_id, operators.pause(Act(reason="Which account do you mean?"), "ola"))
    world.run_due()
    assert len(world.mailed("request_paused")) == 1
    world.clock.at += timedelta(days=5)
    shown = operators.act(world.services, request_id, operators.verify(Verification(reason="answered"), "ola"))
    assert shown["statutory_by"] == "2026-04-06T12:00:00Z"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"received_at": NOON + timedelta(days=1)}, "received_at"),
        ({"received_at": NOON.replace(tzinfo=None)}, "received_at"),
        ({"user_id": "u1"}, "email"),
        ({"email": None}, "email"),
        ({"channel": "by\nphone"}, "channel"),
    ],
)
def test_what_is_entered_wrong_is_refused_by_its_name(world: World, said: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        enter(world, **said)
    assert refused.value.field == field


def test_what_a_person_wrote_is_sealed_in_the_evidence(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    operators.act(world.services, request_id, operators.extend(REASON, "ola"))
    entries = operators.evidence(world.services, request_id)["entries"]
    assert "sister" not in str(entries)
    assert [one["facts"].get("by") for one in entries if one["kind"] == "extended"] == ["ola"]


def test_an_altered_entry_and_a_cut_tail_are_found(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    store = world.services.store
    world.run_due()
    assert evidence.check(world.services)["intact"] is True
    first = store.get(LedgerEntry, f"{request_id}:000001")
    assert first is not None
    altered = msgspec.structs.replace(first.record, facts=first.record.facts | {"channel": "phone"})
    store.commit([Put(first.id, altered)])
    assert evidence.check(world.services)["first_break"] == first.id
    store.commit([Put(first.id, first.record)])
    case = store.get(Request, request_id)
    assert case is not None
    from shared.store import Delete

    store.commit([Delete(LedgerEntry, f"{request_id}:{case.record.head.seq:06d}")])
    assert evidence.check(world.services) | {"entries": 0} == {
        "entries": 0,
        "intact": False,
        "first_break": request_id,
    }


def test_an_operator_sees_the_accounts_before_choosing_among_them(world: World) -> None:
    world.account("u1", "family@mail.test")
    world.account("u2", "family@mail.test")
    request_id = enter(world, email="family@mail.test")
    with pytest.raises(Stale):
        operators.act(world.services, request_id, operators.verify(Verification(reason="seen", accounts=[1]), "ola"))
    operators.act(world.services, request_id, operators.verify(Verification(reason="seen"), "ola"))
    assert len(operators.shown(world.services, request_id)["accounts"]) == 2
    with pytest.raises(BadInput):
        operators.act(world.services, request_id, operators.verify(Verification(reason="seen", accounts=[9]), "ola"))
    operators.act(world.services, request_id, operators.verify(Verification(reason="seen", accounts=[2]), "ola"))
    world.advance("P3D")
    assert world.stripe.asked[0].user_ids() == ["u2"]


def test_a_letter_that_is_weeks_old_still_gets_its_week_to_confirm(world: World) -> None:
    request_id = enter(world, received_at=NOON - timedelta(days=29))
    world.advance("P6D")
    assert world.confirm("ann@mail.test", request_id)["status"] == "verified"


def test_a_paused_request_is_not_closed_while_it_waits(world: World) -> None:
    request_id = world.ask("ann@mail.test")
    world.run_due()
    operators.act(world.services, request_id, operators.pause(Act(reason="Which account do you mean?"), "ola"))
    world.advance("P40D")
    assert world.view(request_id)["status"] == "unverified"
    assert world.confirm("ann@mail.test", request_id)["status"] == "verified"


def test_the_list_of_what_a_person_must_look_at_leaves_nothing_out_and_begins_with_the_oldest(world: World) -> None:
    for n in range(1100):
        at = world.clock.at - timedelta(minutes=n)
        world.services.store.commit(
            attention.raised("step_failed", f"{n:040x}", at, "stripe_403", subprocessor="stripe")
        )
    items = operators.attention_list(world.services)["items"]
    assert [one["request_id"] for one in items] == [f"{n:040x}" for n in reversed(range(1100))]


def test_an_alert_that_cannot_be_sent_asks_for_no_alerts(world: World) -> None:
    world.postman.trouble = NeverRetry("sendgrid_401")
    world.ask("ann@mail.test")
    world.advance("P3D")
    assert len(operators.attention_list(world.services)["items"]) == 1
