from __future__ import annotations

import pytest

from shared.failures import BadInput, Missing, Stale
from shared.identity import suppression
from shared.promises import confirmations, evidence, receipts, retention
from shared.records import Suppression
from tests.promises.world import World

DEVICE = "device-0001"


def current(world: World, *names: str, gpc: bool = False) -> dict[str, object]:
    return receipts.current(world.services, world.services.policies.current(), DEVICE, names or None, gpc=gpc)


def token_mailed(world: World) -> str:
    world.run_due()
    return str(world.mailed("consent_confirm")[-1]["link"].partition("?t=")[2])


def test_mail_consent_from_a_browser_waits_for_the_mailbox(world: World) -> None:
    answer = world.decide({"marketing_email": True}, device_id=DEVICE, email="ann@mail.test")
    assert answer["pending"] == ["marketing_email"]
    assert current(world) == {"decisions": {"marketing_email": False}, "needs_prompt": False, "reasons": ["pending"]}
    token = token_mailed(world)
    published = world.services.policies.current()
    first = confirmations.confirm(world.services, published, token)
    assert confirmations.confirm(world.services, published, token) == first
    assert current(world)["decisions"] == {"marketing_email": True}
    assert evidence.check(world.services)["intact"] is True


def test_an_unconfirmed_mail_consent_is_forgotten_after_seven_days(world: World) -> None:
    answer = world.decide({"marketing_email": True}, email="ann@mail.test")
    token = token_mailed(world)
    world.advance("P8D")
    with pytest.raises(Stale):
        confirmations.confirm(world.services, world.services.policies.current(), token)
    retention.expire(world.services)
    with pytest.raises(BadInput):
        confirmations.confirm(world.services, world.services.policies.current(), token)
    with pytest.raises(Missing):
        receipts.receipt(world.services, answer["receipt_id"])


def test_the_evidence_of_a_confirmed_mail_consent_outlives_its_confirmation_record(world: World) -> None:
    answer = world.decide({"marketing_email": True}, email="ann@mail.test")
    confirmations.confirm(world.services, world.services.policies.current(), token_mailed(world))
    world.advance("P60D")
    retention.expire(world.services)
    assert receipts.receipt(world.services, answer["receipt_id"])["events"][0]["purposes"] == ["marketing_email"]


def test_no_needs_no_proof_and_a_confirmed_yes_lifts_it(world: World) -> None:
    world.decide({"marketing_email": False}, email="Ann+news@Mail.test")
    key = suppression(world.services.vault, "ann@mail.test", "marketing_email")
    assert world.services.store.get(Suppression, key) is not None
    world.decide({"marketing_email": True}, email="ann@mail.test")
    assert world.services.store.get(Suppression, key) is not None, "a yes that nobody confirmed lifts nothing"
    confirmations.confirm(world.services, world.services.policies.current(), token_mailed(world))
    assert world.services.store.get(Suppression, key) is None
