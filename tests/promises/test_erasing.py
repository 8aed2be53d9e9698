"""§4: the steps of an erasure, as stories over real records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from shared.failures import NeverRetry, Stale, TryAgain
from shared.ports import Part, Person
from shared.promises import evidence, operators, requests
from shared.promises.operators import Resolution
from shared.promises.requests import Asked
from shared.promises.statement import survives
from shared.records import Pending, Retained
from shared.store import Create, Query
from tests.promises.world import NOON, ScriptedConnector, World, fails, says

DAY = timedelta(days=1)


def test_nothing_is_deleted_before_the_cooling_off_ends_and_own_data_goes_first(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    world.advance("PT23H")
    assert world.view(answer["request_id"])["status"] == "verified"
    assert world.stripe.asked == []
    world.advance("PT2H")
    shown = world.view(answer["request_id"])
    assert shown["promise"]["ours_done_at"] < shown["steps"][2]["at"] or shown["steps"][2]["outcome"] == "pending"
    assert [one["subprocessor"] for one in shown["steps"]] == ["google_cloud_platform", "stripe", "sendgrid"]
    assert world.stripe.asked[0].user_ids() == ["u1"]


def test_the_mail_service_is_told_last_a_day_after_the_last_mail(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    world.advance("PT25H")
    assert len(world.mailed("request_closing")) == 1
    assert world.sendgrid.asked == []
    world.advance("P1D")
    assert world.sendgrid.asked[0].addresses == ["ann@mail.test"]
    assert world.view(answer["request_id"])["status"] == "completed"
    assert world.postman.posted[-1]["template"] == "request_closing"


def test_the_envelope_is_gone_when_the_last_step_that_needs_it_is_settled(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    world.advance("PT25H")
    assert requests.Case.read(world.services, answer["request_id"]).has_envelope
    world.advance("P2D")
    assert not requests.Case.read(world.services, answer["request_id"]).has_envelope


def test_a_vendor_that_is_down_is_tried_again_and_the_closing_mail_names_it(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.stripe.answer = fails(TryAgain("timeout"))
    answer = world.confirm("ann@mail.test")
    world.advance("P5D")
    shown = world.view(answer["request_id"])
    assert shown["status"] == "in_progress"
    assert shown["steps"][1]["attempts"] > 10
    assert world.mailed("request_closing") == []
    world.advance("P7D")
    closing = world.mailed("request_closing")
    assert len(closing) == 1
    assert any("Stripe" in line for line in closing[0]["open"])
    world.stripe.answer = says("verified")
    world.advance("P1D")
    assert world.view(answer["request_id"])["promise"]["met"] is True
    assert world.view(answer["request_id"])["status"] == "completed"


def test_a_vendor_that_refuses_needs_a_person_who_can_retry(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.stripe.answer = fails(NeverRetry("stripe_401"))
    answer = world.confirm("ann@mail.test")
    world.advance("P2D")
    assert world.view(answer["request_id"])["steps"][1]["outcome"] == "failed"
    items = operators.attention_list(world.services)["items"]
    assert [(one["kind"], one["subprocessor"], one["problem"]) for one in items] == [
        ("step_failed", "stripe", "stripe_401")
    ]
    assert len(world.mailed("operator_alert")) == 1
    world.stripe.answer = says("verified")
    operators.act(
        world.services, answer["request_id"], operators.retry("stripe", Resolution(reason="key renewed"), "ola")
    )
    world.advance("P2D")
    assert operators.attention_list(world.services)["items"] == []
    assert world.view(answer["request_id"])["status"] == "completed"


def test_a_person_can_settle_a_failed_step_by_hand_and_it_is_never_called_verified(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.stripe.answer = fails(NeverRetry("stripe_401"))
    answer = world.confirm("ann@mail.test")
    world.advance("P2D")
    resolved = operators.resolve("stripe", Resolution(reason="deleted in the dashboard", evidence="ticket 7"), "ola")
    shown = operators.act(world.services, answer["request_id"], resolved)
    assert shown["steps"][1]["outcome"] == "accepted"
    world.advance("P2D")
    assert world.view(answer["request_id"])["status"] == "completed"


def test_what_law_keeps_is_named_and_ends_by_itself(world: World) -> None:
    world.account("u1", "ann@mail.test")
    order = {"user_id": "u1", "amount": 5, "date": "2026", "invoice_no": "n", "ship_to": "somewhere"}
    world.services.website.write("orders/o1", order)
    answer = world.confirm("ann@mail.test")
    world.advance("P3D")
    shown = world.view(answer["request_id"])
    assert shown["status"] == "partly_retained"
    assert shown["steps"][0]["ground"] == "invoices, company law"
    assert dict(world.services.website.below("orders/o1"))["orders/o1"] == {
        "amount": 5,
        "date": "2026",
        "invoice_no": "n",
    }
    world.advance("P6Y")
    assert world.view(answer["request_id"])["status"] == "completed"
    assert world.services.website.below("orders/o1") == []


def test_a_plan_without_our_own_store_is_an_error_and_never_a_completion(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    world.services.__dict__["connected"] = ()
    world.advance("P2D")
    assert world.view(answer["request_id"])["status"] == "verified"
    assert [one["problem"] for one in operators.attention_list(world.services)["items"]] == ["erasure.begin:empty_plan"]


def test_what_was_proved_is_looked_for_at_the_website_even_where_we_know_nobody(world: World) -> None:
    world.services.website.write("users/guest", {"name": "Gus"})
    said = Asked(right="erasure", user_id="guest", verified=True, auth_time=NOON)
    request_id = str(requests.open_request(world.services, said, server=True)["request_id"])
    world.advance("P3D")
    assert world.view(request_id)["steps"][0]["outcome"] == "verified"
    assert world.services.website.below("users/guest") == []


def test_an_unconfirmed_consent_of_the_address_goes_too(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.decide({"marketing_email": True}, device_id="device-0001", email="ann@mail.test")
    world.confirm("ann@mail.test")
    assert len(world.services.store.query(Query(Pending))) == 1
    world.advance("P2D")
    assert world.services.store.query(Query(Pending)) == []


def test_a_part_that_failed_needs_a_person(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.stripe.answer = says("failed")
    world.confirm("ann@mail.test")
    world.advance("P2D")
    assert [one["kind"] for one in operators.attention_list(world.services)["items"]] == ["step_failed"]


def test_our_own_part_is_never_settled_by_hand_and_the_mail_service_never_before_the_last_mail(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.services.__dict__["connectors"]["google_cloud_platform"] = ScriptedConnector("ours", fails(NeverRetry("x")))
    answer = world.confirm("ann@mail.test")
    world.advance("P2D")
    act = operators.resolve("google_cloud_platform", Resolution(reason="done"), "ola")
    for decide in (act, operators.retry("sendgrid", Resolution(reason="now"), "ola")):
        with pytest.raises(Stale):
            operators.act(world.services, answer["request_id"], decide)


def test_the_last_mail_that_cannot_be_sent_delays_the_mail_service_but_not_past_the_promise(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    world.run_due()
    world.postman.trouble = TryAgain("timeout")
    world.advance("P10D")
    assert world.sendgrid.asked == []
    world.advance("P4D")
    assert len(world.sendgrid.asked) == 1
    assert world.view(answer["request_id"])["promise"]["met"] is True


@pytest.mark.parametrize("crash_after", range(1, 12))
def test_a_crash_after_any_commit_ends_right(world: World, crash_after: int) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    real = world.services.store
    crashing = CrashingStore(real, crash_after)
    world.services.__dict__["store"] = crashing
    for _ in range(20):
        try:
            world.advance("P1D")
        except PowerCutError:
            crashing.left = 10**9
    shown = world.view(answer["request_id"])
    assert shown["status"] == "completed"
    assert shown["promise"]["met"] is True
    assert evidence.check(world.services)["intact"] is True


class PowerCutError(BaseException):
    """Ends everything, as no handler may catch."""


class CrashingStore:
    """A store that commits so many times and then dies, after the commit was written."""

    def __init__(self, store: object, left: int) -> None:
        self.store, self.left = store, left

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def commit(self, changes: list[object]) -> object:
        done = self.store.commit(changes)  # type: ignore[attr-defined]
        self.left -= 1
        if self.left == 0:
            raise PowerCutError
        return done


def test_what_was_kept_by_law_and_purged_since_is_no_longer_told_as_kept(world: World) -> None:
    world.account("u1", "ann@mail.test")
    until = NOON + 30 * DAY

    def keeps(person: Person, now: datetime) -> list[Part]:
        sealed = world.services.vault.seal("retained/r1", {"places": ["cus_1"]})
        record = Retained(
            request=person.request_id, subprocessor="stripe", ground="tax", categories=["a"], until=until, sealed=sealed
        )
        world.services.store.commit([Create("r1", record)])
        gone = Part(name="customer", outcome="verified", evidence={"customers": 1})
        return [gone, Part(name="payments", outcome="retained", ground="tax", until=until)]

    world.stripe.answer = keeps
    world.stripe.purge = lambda _places, _now: Part(name="kept", outcome="verified")  # type: ignore[method-assign]
    request_id = world.confirm("ann@mail.test")["request_id"]
    world.advance("P10D")
    assert any("Stripe" in one["what"] for one in survives(requests.Case.read(world.services, request_id)))
    world.advance("P25D")
    case = requests.Case.read(world.services, request_id)
    assert case.record.status == "completed"
    assert not any("Stripe" in one["what"] for one in survives(case))
    assert case.record.steps["stripe"].evidence == {
        "customer": {"outcome": "verified", "customers": 1},
        "payments": {"outcome": "verified"},
    }


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (TryAgain("stripe_redaction_running"), []),
        (NeverRetry("stripe_403"), ["purge_failed"]),
        (KeyError("places"), ["purge_failed"]),
    ],
)
def test_one_record_that_cannot_be_purged_keeps_no_other_from_its_end(
    world: World, error: Exception, kinds: list[str]
) -> None:
    world.account("u1", "ann@mail.test")
    until = NOON + 30 * DAY
    trouble = [error]

    def keeps(person: Person, now: datetime) -> list[Part]:
        for id in ("r1", "r2"):
            sealed = world.services.vault.seal(f"retained/{id}", {"places": [id]})
            terms = {"ground": "tax", "categories": ["a"], "until": until, "sealed": sealed}
            record = Retained(request=person.request_id, subprocessor="stripe", **terms)  # type: ignore[arg-type]
            world.services.store.commit([Create(id, record)])
        return [Part(name="payments", outcome="retained", ground="tax", until=until)]

    def purge(places: Sequence[str], _now: datetime) -> Part:
        if places == ["r1"] and trouble:
            raise trouble[0]
        return Part(name="kept", outcome="verified")

    world.stripe.answer, world.stripe.purge = keeps, purge  # type: ignore[method-assign]
    request_id = world.confirm("ann@mail.test")["request_id"]
    world.advance("P31D")
    assert [one.id for one in world.services.store.query(Query(Retained))] == ["r1"]
    assert world.view(request_id)["status"] == "partly_retained"
    assert [one["kind"] for one in operators.attention_list(world.services)["items"]] == kinds
    trouble.clear()
    world.advance("P2D")
    assert world.services.store.query(Query(Retained)) == []
    assert world.view(request_id)["status"] == "completed"
    assert operators.attention_list(world.services)["items"] == []
