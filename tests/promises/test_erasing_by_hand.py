"""§4: what a person settles by hand, and what they leave as it was told; and a mail that could not go before the last step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared import ledger
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.ports import Part, Person
from shared.promises import alerts, operators
from shared.promises.operators import Resolution
from shared.promises.statement import survives
from shared.records import ALL_ATTENTION, RETAINED_OF_STEP, Retained
from shared.store import Create
from tests.promises.world import NOON, World, fails

ANN = "ann@mail.test"
UNTIL = NOON + timedelta(days=6 * 365)
KEPT = {"outcome": "retained", "ground": "tax law", "until": "2032-02-28T12:00:00Z"}
HAND = {"outcome": "accepted", "by": "ola"}
BY_HAND = operators.resolve("stripe", Resolution(reason="looked: it is her brother's", evidence="ticket 7"), "ola")


def answers(world: World, said: Sequence[Part] | Exception, *, kept: bool) -> Any:
    """Put on record what law keeps, as a connector does, and answer so."""

    def erase(person: Person, now: datetime) -> Sequence[Part]:
        if kept and world.services.store.get(Retained, "k1") is None:
            sealed = world.services.vault.seal("retained/k1", {"places": ["cus_1"]})
            terms: dict[str, Any] = {"ground": "tax law", "categories": ["payments"], "until": UNTIL}
            record = Retained(request=person.request_id, subprocessor="stripe", sealed=sealed, **terms)
            world.services.store.commit([Create("k1", record)])
        if isinstance(said, Exception):
            raise said
        return said

    return erase


def resolved(world: World) -> str:
    world.account("u1", ANN)
    world.stripe.purge = lambda _places, _now: Part(name="kept", outcome="verified")  # type: ignore[method-assign]
    request_id = str(world.confirm(ANN)["request_id"])
    world.advance("P2D")
    operators.act(world.services, request_id, BY_HAND)
    world.advance("P5D")
    return request_id


FOUND = Part(name="customer", outcome="verified", evidence={"customers": 1})
PAID = Part(name="payments", outcome="retained", ground="tax law", until=UNTIL)
UNSURE = Part(name="customer found by e-mail alone", outcome="failed", evidence={"count": 1})
TOLD = {"customer": {"outcome": "verified", "customers": 1}, "customer found by e-mail alone": HAND}


@pytest.mark.parametrize(
    ("said", "kept", "told", "status"),
    [
        ([FOUND, PAID, UNSURE], True, TOLD | {"payments": KEPT}, "partly_retained"),
        ([FOUND, UNSURE], True, TOLD | {"kept: tax law": KEPT}, "partly_retained"),
        (NeverRetry("stripe_403"), True, {"by hand": HAND, "kept: tax law": KEPT}, "partly_retained"),
        ([FOUND, UNSURE], False, TOLD, "completed"),
        (NeverRetry("stripe_403"), False, {"by hand": HAND}, "completed"),
        (TryAgain("stripe_503"), False, {"by hand": HAND}, "completed"),
    ],
)
def test_a_persons_word_stands_for_what_was_not_settled_and_what_law_keeps_is_told_and_ends(
    world: World, said: Sequence[Part] | Exception, kept: bool, told: dict[str, Any], status: str
) -> None:
    world.stripe.answer = answers(world, said, kept=kept)
    request_id = resolved(world)
    case = Case.read(world.services, request_id)
    step = case.record.steps["stripe"]
    assert (step.evidence, step.outcome, world.view(request_id)["status"]) == (
        told,
        "retained" if kept else "accepted",
        status,
    )
    assert (step.until, step.ground) == ((UNTIL, "tax law") if kept else (None, None))
    assert any(one["why"] == "tax law" for one in survives(case)) is kept
    (mail,) = world.mailed("request_closing")
    assert any("Stripe: Kept because the law says so: tax law" in line for line in mail["kept"]) is kept
    world.advance("P6Y")
    assert world.services.store.query(RETAINED_OF_STEP, request_id, "stripe") == []
    assert world.view(request_id)["status"] == "completed"


# --- a mail that could not go ----------------------------------------------------------------------------------------


def kinds_of_entries(world: World, request_id: str) -> list[str]:
    return [one.record.kind for one in ledger.stream_of(world.services.store, request_id)]


def listed(world: World) -> list[str]:
    return [one.record.kind for one in world.services.store.query(ALL_ATTENTION) if one.record.kind == "mail_failed"]


def mailer_down_until_its_own_step(world: World) -> str:
    world.account("u1", ANN)
    request_id = str(world.confirm(ANN)["request_id"])
    world.advance("PT23H30M")
    world.postman.trouble = TryAgain("sendgrid_timeout")
    world.advance("P12DT2H")
    return request_id


@pytest.mark.parametrize("failure", [TryAgain("sendgrid_timeout"), NeverRetry("sendgrid_403")])
def test_the_last_mail_still_goes_where_the_mail_service_was_not_told_to_forget(
    world: World, failure: Exception
) -> None:
    world.sendgrid.answer = fails(failure)
    request_id = mailer_down_until_its_own_step(world)
    assert world.sendgrid.asked
    world.postman.trouble = None
    world.advance("PT12H")
    assert len(world.mailed("request_closing")) == 1
    assert "mail.dropped" not in kinds_of_entries(world, request_id)
    assert listed(world) == []


def test_a_last_mail_that_can_no_longer_go_is_evidence_and_a_person_sees_it(world: World) -> None:
    request_id = mailer_down_until_its_own_step(world)
    world.postman.trouble = None
    world.advance("P3D")
    assert world.mailed("request_closing") == []
    assert kinds_of_entries(world, request_id).count("mail.dropped") == 1
    (item,) = [one for one in world.services.store.query(ALL_ATTENTION) if one.record.kind == "mail_failed"]
    assert item.record.problem == "too_late"
    alerts.seen(world.services, item.id, "written to by post", "ola")
    assert listed(world) == []
