from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.failures import BadInput, Stale
from shared.promises import consents, receipts
from shared.promises.consents import Decided, Who, consent_mode
from shared.promises.policy import Draft, publish
from shared.promises.processing import Whom, decide
from shared.vault import unb64url
from tests.promises.world import World

DEVICE = "device-0001"


def current(world: World, *names: str, gpc: bool = False) -> dict[str, object]:
    return receipts.current(world.services, world.services.policies.current(), DEVICE, names or None, gpc=gpc)


def test_a_grant_stands_at_once_and_a_withdrawal_is_the_same_call(world: World) -> None:
    world.decide({"analytics": True, "ads": False}, device_id=DEVICE)
    assert current(world) == {"decisions": {"analytics": True, "ads": False}, "needs_prompt": False, "reasons": []}
    world.decide({"analytics": False}, device_id=DEVICE)
    assert current(world, "analytics")["decisions"] == {"analytics": False}


def test_a_device_never_asked_needs_a_prompt_for_every_consent_purpose(world: World) -> None:
    shown = current(world)
    assert shown["decisions"] == {"analytics": False, "ads": False, "marketing_email": False}
    assert (shown["needs_prompt"], shown["reasons"]) == (True, ["never_asked"])


def test_global_privacy_control_denies_until_an_explicit_grant_here(world: World) -> None:
    assert current(world, gpc=True) | {"decisions": {}} == {"decisions": {}, "needs_prompt": False, "reasons": ["gpc"]}
    world.decide({"ads": True}, device_id=DEVICE)
    assert current(world, "ads", gpc=True)["decisions"] == {"ads": True}


def test_consent_runs_out_and_is_asked_again(world: World) -> None:
    world.decide({"analytics": True}, device_id=DEVICE)
    world.advance("P12M")
    assert current(world) == {"decisions": {"analytics": False}, "needs_prompt": True, "reasons": ["expired"]}


@pytest.mark.parametrize(
    ("material", "changes", "asked_again"),
    [(True, None, True), (True, ["analytics"], True), (True, ["ads"], False), (False, None, False)],
)
def test_a_material_change_asks_again_for_the_purposes_it_changes(
    world: World, material: bool, changes: list[str] | None, asked_again: bool
) -> None:
    world.decide({"analytics": True}, device_id=DEVICE)
    publish(world.services, Draft(text="# New", version="v2", material=material, changes=changes), "ola")
    publish(world.services, Draft(text="# Newer", version="v3", material=False), "ola")
    world.services.policies.forget()
    assert current(world, "analytics")["needs_prompt"] is asked_again
    assert current(world, "analytics")["reasons"] == (["policy_changed"] if asked_again else [])


def test_a_change_asks_again_for_a_yes_that_stands_whatever_the_device_was_last_asked_for(world: World) -> None:
    world.decide({"analytics": True, "ads": True}, device_id=DEVICE)
    world.decide({"analytics": False}, device_id=DEVICE)
    change(world, ["ads"])
    assert current(world) == {
        "decisions": {"analytics": False, "ads": False},
        "needs_prompt": True,
        "reasons": ["policy_changed"],
    }
    world.decide({"ads": True}, device_id=DEVICE)
    assert current(world) == {"decisions": {"ads": True}, "needs_prompt": False, "reasons": []}


def test_of_two_changed_purposes_the_one_that_was_not_answered_is_asked_for_again(world: World) -> None:
    world.decide({"analytics": True, "ads": True}, device_id=DEVICE)
    change(world, None)
    world.decide({"analytics": True}, device_id=DEVICE)
    shown = current(world)
    assert (shown["needs_prompt"], shown["reasons"]) == (True, ["policy_changed"])
    assert shown["decisions"] == {"analytics": True, "ads": False}


def test_a_no_to_what_was_changed_stands_and_asks_nobody_who_was_last_asked_for_something_else(world: World) -> None:
    world.decide({"ads": False}, device_id=DEVICE)
    world.decide({"analytics": True}, device_id=DEVICE)
    change(world, ["ads"])
    assert current(world) == {"decisions": {"analytics": True}, "needs_prompt": False, "reasons": []}


def test_a_yes_to_what_was_changed_counts_until_the_change_takes_effect(world: World) -> None:
    world.decide({"analytics": True}, device_id=DEVICE)
    change(world, ["analytics"], effective_at=world.clock.at + timedelta(days=10))
    for days, granted in ((0, True), (9, True), (1, False)):
        world.advance(f"P{days}D")
        found = current(world)
        assert (found["decisions"], found["needs_prompt"]) == ({"analytics": granted}, True)
        assert decide_for(world, "analytics") is granted, "the guard says the same"


def change(world: World, purposes: list[str] | None, **more: Any) -> None:
    publish(world.services, Draft(text="# Changed", version="changed", material=True, changes=purposes, **more), "ola")
    world.services.policies.forget()


def decide_for(world: World, purpose: str) -> bool:
    whom = Whom(device_id=DEVICE)
    return decide(world.services, world.services.policies.current(), whom, purpose).allowed


def test_a_purpose_that_is_asked_of_nobody_any_more_does_not_ask_again(world: World) -> None:
    world.decide({"analytics": True, "ads": True}, device_id=DEVICE)
    publish(world.services, Draft(text="# More advertisements", version="more", changes=["ads"]), "ola")
    left = [one for one in world.services.company.purposes if one.name != "ads"]
    world.services.__dict__["company"] = msgspec.structs.replace(world.services.company, purposes=left)
    publish(world.services, Draft(text="# Without advertisements", version="v2", changes=[]), "ola")
    world.services.policies.forget()
    assert current(world) == {"decisions": {"analytics": True}, "needs_prompt": False, "reasons": []}


def test_the_same_key_gets_the_same_answer_and_another_body_is_refused(world: World) -> None:
    notice = world.notice("analytics")

    def said(yes: bool) -> Decided:
        return Decided(subject=Who(device_id=DEVICE), notice=notice, decisions={"analytics": yes}, method="banner")

    published = world.services.policies.current()
    first = consents.capture(world.services, published, said(True), server=False, key="k")
    assert consents.capture(world.services, published, said(True), server=False, key="k") == first
    with pytest.raises(Stale):
        consents.capture(world.services, published, said(False), server=False, key="k")


def test_a_stale_notice_and_a_forged_one_are_told_apart(world: World) -> None:
    notice = world.notice("analytics")
    said = Decided(subject=Who(device_id=DEVICE), notice=notice, decisions={"analytics": True}, method="banner")
    publish(world.services, Draft(text="# New", version="v2"), "ola")
    world.services.policies.forget()
    with pytest.raises(Stale):
        consents.capture(world.services, world.services.policies.current(), said, server=False, key=None)
    forged = Decided(subject=said.subject, notice=notice[:-2] + "xx", decisions=said.decisions, method="banner")
    with pytest.raises(BadInput):
        consents.capture(world.services, world.services.policies.current(), forged, server=False, key=None)


@pytest.mark.parametrize(
    ("decisions", "field"),
    [({}, "decisions"), ({"ads": True}, "decisions.ads"), ({"account": True}, "decisions.account")],
)
def test_only_consent_purposes_that_stood_in_the_notice_can_be_decided(
    world: World, decisions: dict[str, bool], field: str
) -> None:
    said = Decided(
        subject=Who(device_id=DEVICE), notice=world.notice("analytics", "account"), decisions=decisions, method="banner"
    )
    with pytest.raises(BadInput) as refused:
        consents.capture(world.services, world.services.policies.current(), said, server=False, key=None)
    assert refused.value.field == field


def test_anybody_can_check_a_receipt_with_the_published_key(world: World) -> None:
    answer = world.decide({"analytics": True}, device_id=DEVICE)
    signed = receipts.receipt(world.services, answer["receipt_id"])["jws"]
    head, claims, signature = signed.split(".")
    kid = json.loads(unb64url(head))["kid"]
    key = next(one for one in world.services.vault.jwks()["keys"] if one["kid"] == kid)
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
    public.verify(unb64url(signature), f"{head}.{claims}".encode())
    stated = json.loads(unb64url(claims))
    assert stated["purposes"] == {"analytics": "given"}
    assert stated["privacy_notice"]["sha256"] == answer["policy_hash"]


def test_a_receipt_names_nobody(world: World) -> None:
    answer = world.decide({"analytics": True}, device_id=DEVICE, email="ann@mail.test", ga_client_id="GA1.2.3")
    text = json.dumps(receipts.receipt(world.services, answer["receipt_id"]))
    assert not [one for one in (DEVICE, "ann@mail.test", "GA1.2.3") if one in text]


def test_consent_mode_grants_a_signal_only_with_its_purpose(world: World) -> None:
    purposes = world.services.policies.current().purposes()
    mode = consent_mode(purposes, {"analytics"})
    granted = {"analytics_storage", "security_storage"}
    assert {name for name, state in mode.items() if state == "granted"} == granted
    assert len(mode) == 7
