"""§6: the preference page of a mailbox stops at once, starts nothing by itself, and tells nobody who is known."""

from __future__ import annotations

import pytest

from shared.failures import BadInput
from shared.ports import Services
from shared.promises import confirmations, objections, preferences
from shared.promises.preferences import Changed
from shared.promises.unsubscribing import Link
from shared.records import Work
from shared.store import Query
from tests.promises.world import World

ANN = "ann@mail.test"


def stopped(world: World, email: str = ANN) -> dict[str, str]:
    return {name: one.reason for name, one in objections.stopped(world.services, email).items()}


def change(world: World, **wanted: list[str]) -> list[str]:
    current = world.services.policies.current
    return preferences.change(world.services, current, Link(ANN, "marketing"), Changed(**wanted))


def shown(services: Services, email: str = ANN) -> dict[str, dict[str, object]]:
    purposes = preferences.shown(services, Link(email, "marketing"))["purposes"]
    return {one["name"]: one for one in purposes}


def test_every_purpose_is_shown_with_what_can_be_done_about_it(world: World) -> None:
    assert {name: one["can"] for name, one in shown(world.services).items()} == {
        "account": "nothing",
        "payments": "nothing",
        "service_mail": "nothing",
        "legal_records": "nothing",
        "analytics": "website",
        "ads": "switch",
        "marketing_email": "switch",
    }


def test_whoever_holds_a_link_learns_nothing_of_the_person(world: World) -> None:
    before = preferences.shown(world.services, Link(ANN, "marketing"))
    world.account("u1", ANN)
    world.decide({"marketing_email": True}, email=ANN, device_id="device-0001")
    assert preferences.shown(world.services, Link(ANN, "marketing")) == before


def test_one_purpose_is_switched_off_and_stays_off_while_the_others_stand(world: World) -> None:
    for _ in range(2):
        assert change(world, stop=["marketing_email"]) == []
    assert {name: one.get("stopped") for name, one in shown(world.services).items()} == {
        **dict.fromkeys(("account", "payments", "service_mail", "legal_records", "analytics"), None),
        "ads": False,
        "marketing_email": True,
    }


def test_everything_is_switched_off_at_once(world: World) -> None:
    change(world, stop=["marketing"])
    assert preferences.shown(world.services, Link(ANN, "ads"))["all_stopped"] is True
    assert [name for name, one in shown(world.services).items() if one.get("stopped")] == ["ads", "marketing_email"]
    assert stopped(world) == {"marketing": "objection"}


def test_a_yes_from_a_link_waits_for_the_mailbox_and_then_lifts_the_stop(world: World) -> None:
    change(world, stop=["marketing_email"])
    assert change(world, start=["marketing_email"]) == ["marketing_email"]
    assert shown(world.services)["marketing_email"]["stopped"] is True
    world.run_due()
    (mail,) = world.mailed("consent_confirm", ANN)
    confirmations.confirm(world.services, world.services.policies.current(), mail["link"].partition("?t=")[2])
    assert shown(world.services)["marketing_email"]["stopped"] is False


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "stop"),
        ({"stop": ["newsletter"]}, "stop"),
        ({"stop": ["service_mail"]}, "stop"),
        ({"stop": ["marketing_email", "newsletter"]}, "stop"),
        ({"start": ["newsletter"]}, "start"),
        ({"start": ["marketing"]}, "start"),
        ({"start": ["analytics"]}, "start"),
        ({"start": ["service_mail"]}, "start"),
        ({"stop": ["marketing"], "start": ["newsletter"]}, "start"),
    ],
)
def test_a_change_that_is_none_is_refused_by_field_and_nothing_of_it_done(
    world: World, wanted: dict[str, list[str]], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        change(world, **wanted)
    assert refused.value.field == field
    assert stopped(world) == {}
    assert world.services.store.query(Query(Work)) == []
