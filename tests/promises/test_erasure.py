"""§4: tables for the rules, then stories over real records."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.failures import NeverRetry, Stale, TryAgain
from shared.promises import erasure, evidence, operators, requests
from shared.promises.erasure import promise_met, status_of, worst
from shared.promises.operators import Resolution
from shared.promises.requests import Asked
from shared.records import Head, Pending, Request, Step, Subject, Suppression
from shared.store import Query
from tests.promises.world import NOON, ScriptedConnector, World, fails, says

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        (["verified"], "verified"),
        (["nothing_found", "verified"], "verified"),
        (["no_store", "nothing_found"], "nothing_found"),
        (["accepted", "verified"], "accepted"),
        (["scheduled_by_vendor", "accepted"], "scheduled_by_vendor"),
        (["retained", "scheduled_by_vendor"], "retained"),
        (["pending", "retained"], "pending"),
        (["held", "pending"], "held"),
        (["failed", "held", "verified"], "failed"),
    ],
)
def test_a_steps_outcome_is_the_worst_of_its_parts(parts: list[str], outcome: str) -> None:
    assert worst(parts) == outcome
    assert worst(reversed(parts)) == outcome


def test_a_step_without_parts_has_no_outcome() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst([])


def request(*steps: Step, ours_done: bool = True, **more: object) -> Request:
    names = ("google_cloud_platform", "stripe", "sendgrid")
    fields: dict[str, object] = {
        "right": "erasure",
        "channel": "web",
        "locale": "en",
        "status": "in_progress",
        "open": True,
        "received_at": NOON,
        "statutory_by": NOON + 31 * DAY,
        "watch_by": NOON + 14 * DAY,
        "head": Head(seq=1, mac=""),
        "verified_at": NOON,
        "promise_by": NOON + 14 * DAY,
        "begun_at": NOON + DAY,
        "ours_done_at": NOON + DAY if ours_done else None,
        "steps": dict(zip(names, steps, strict=False)),
    }
    return Request(**(fields | more))  # type: ignore[arg-type]


def step(outcome: str, day: int = 1, **more: object) -> Step:
    return Step(outcome=outcome, at=NOON + day * DAY, **more)  # type: ignore[arg-type]


LATER, EARLIER = NOON + 60 * DAY, NOON + 2 * DAY


@pytest.mark.parametrize(
    ("steps", "ours_done", "status"),
    [
        ([], True, "in_progress"),
        ([step("verified")], False, "in_progress"),
        ([step("verified"), step("pending")], True, "in_progress"),
        ([step("verified"), step("held")], True, "in_progress"),
        ([step("verified"), step("failed")], True, "in_progress"),
        ([step("retained"), step("failed")], True, "in_progress"),
        ([step("retained"), step("scheduled_by_vendor")], True, "partly_retained"),
        ([step("verified"), step("scheduled_by_vendor")], True, "awaiting_vendors"),
        ([step("verified"), step("accepted", until=LATER)], True, "awaiting_vendors"),
        ([step("verified"), step("accepted", until=EARLIER)], True, "completed"),
        ([step("verified"), step("accepted")], True, "completed"),
        ([step("nothing_found"), step("no_store")], True, "completed"),
    ],
)
def test_the_status_is_computed_from_the_outcomes_and_from_nothing_else(
    steps: list[Step], ours_done: bool, status: str
) -> None:
    assert status_of(request(*steps, ours_done=ours_done), NOON + 3 * DAY) == status


@pytest.mark.parametrize("status", ["withdrawn", "denied", "unconfirmed"])
def test_what_was_ended_otherwise_stays_ended(status: str) -> None:
    assert status_of(request(step("verified"), status=status), NOON) == status


@pytest.mark.parametrize(
    ("steps", "ours_done", "day", "met"),
    [
        ([step("verified", 1), step("accepted", 2)], True, 3, True),
        ([step("verified", 1), step("accepted", 15)], True, 16, False),
        ([step("verified", 1), step("pending", 1)], True, 3, None),
        ([step("verified", 1), step("pending", 1)], True, 15, False),
        ([step("pending", 1)], False, 3, None),
        ([step("pending", 1)], False, 15, False),
        ([step("verified", 1), step("retained", 14)], True, 20, True),
    ],
)
def test_a_promise_is_met_when_own_data_is_gone_and_every_vendor_instructed_in_time(
    steps: list[Step], ours_done: bool, day: int, met: bool | None
) -> None:
    assert promise_met(request(*steps, ours_done=ours_done), NOON + day * DAY) is met


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


def test_while_a_request_runs_the_person_is_restricted_and_the_address_silenced(world: World) -> None:
    world.account("u1", "ann@mail.test")
    answer = world.confirm("ann@mail.test")
    record = requests.Case.read(world.services, answer["request_id"]).record
    subject = world.services.store.get(Subject, record.subjects[0])
    assert subject is not None
    assert subject.record.restricted_by == [answer["request_id"]]
    assert all(world.services.store.get(Suppression, one) for one in record.suppressed)
    world.advance("P3D")
    assert world.services.store.get(Subject, record.subjects[0]) is None
    assert not any(world.services.store.get(Suppression, one) for one in record.suppressed)


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


def test_an_address_that_replaced_another_lengthens_the_cooling_off_and_the_old_one_is_told(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.advance("P30D")
    world.account("u1", "new@mail.test")
    answer = world.confirm("new@mail.test")
    world.run_due()
    assert len(world.mailed("request_notice", "old@mail.test")) == 1
    world.advance("P4D")
    assert world.view(answer["request_id"])["status"] == "verified"
    world.advance("P2D")
    assert world.view(answer["request_id"])["status"] != "verified"


def test_every_notified_address_can_cancel_until_the_first_step_and_not_after(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.advance("P30D")
    world.account("u1", "new@mail.test")
    answer = world.confirm("new@mail.test")
    world.run_due()
    token = world.mailed("request_notice", "old@mail.test")[0]["cancel_link"].partition("?t=")[2]

    def opened() -> requests.Case:
        return requests.with_token(world.services, answer["request_id"], token, "cancel")[0]

    assert requests.cancel(opened).record.status == "withdrawn"
    assert requests.cancel(opened).record.status == "withdrawn"
    world.advance("P14D")
    assert world.stripe.asked == []
    assert {one["to"] for one in world.mailed("request_cancelled")} == {"old@mail.test", "new@mail.test"}
    later = world.confirm("new@mail.test")
    world.advance("P6D")
    with pytest.raises(Stale):
        requests.cancel(lambda: requests.Case.read(world.services, later["request_id"]))


def test_a_second_request_joins_the_first_and_keeps_its_dates(world: World) -> None:
    world.account("u1", "ann@mail.test")
    first = world.confirm("ann@mail.test")
    world.advance("PT5H")
    second = world.confirm("ann@mail.test")
    one, two = world.view(first["request_id"]), world.view(second["request_id"])
    assert (two["promise"], two["begins_at"]) == (one["promise"], one["begins_at"])
    world.advance("P4D")
    for each in (first, second):
        shown = world.view(each["request_id"])
        assert (shown["status"], shown["promise"]["met"]) == ("completed", True)


def test_cancelling_one_request_cancels_every_other_of_the_same_account(world: World) -> None:
    world.account("u1", "ann@mail.test")
    first, second = world.confirm("ann@mail.test"), world.confirm("ann@mail.test")
    requests.cancel(lambda: requests.Case.read(world.services, first["request_id"]))
    world.advance("P14D")
    assert {world.view(one["request_id"])["status"] for one in (first, second)} == {"withdrawn"}
    assert world.stripe.asked == []
    assert world.services.store.query(Query(Subject))[0].record.restricted_by == []


def test_the_other_requests_of_an_address_that_nobody_confirmed_end_with_the_one_that_was(world: World) -> None:
    world.account("u1", "ann@mail.test")
    idle = world.ask("ann@mail.test")
    world.confirm("ann@mail.test")
    world.advance("P28D")
    assert world.view(idle)["status"] == "unconfirmed"
    assert not requests.Case.read(world.services, idle).has_envelope
    assert world.mailed("request_reminder") == []
    assert world.postman.posted[-1]["template"] == "request_closing"


def test_the_first_step_waits_for_the_notice_but_not_past_five_days(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.ask("ann@mail.test")
    token = world.token(request_id, "ann@mail.test")
    world.postman.trouble = TryAgain("timeout")
    requests.confirm(world.services, request_id, token)
    world.advance("P4D")
    assert world.view(request_id)["status"] == "verified"
    world.advance("P2D")
    assert world.view(request_id)["promise"]["ours_done_at"] == "2026-03-06T12:00:00Z"


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


def test_an_address_left_years_ago_opens_nothing_any_more(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.account("u1", "new@mail.test")
    world.advance("P1Y")
    answer = world.confirm("old@mail.test")
    world.advance("P4D")
    assert world.view(answer["request_id"])["steps"][0]["outcome"] == "nothing_found"
    assert world.stripe.asked[0].user_ids() == []


def test_a_merely_notified_address_gets_no_private_link(world: World) -> None:
    world.account("u1", "old@mail.test")
    world.account("u1", "new@mail.test")
    world.confirm("new@mail.test")
    world.advance("P10D")
    assert [one["template"] for one in world.postman.posted if one["to"] == "old@mail.test"] == ["request_notice"]


def test_a_shared_mailbox_is_left_to_the_account_that_keeps_using_it(world: World) -> None:
    world.account("u1", "family@mail.test", name="Ann Bee")
    world.account("u2", "family@mail.test", name="Cid Dee")
    answer = world.confirm("family@mail.test")
    assert [one["n"] for one in answer["accounts"]] == [1, 2]
    world.advance("P3D")
    assert world.stripe.asked == []
    key = answer["status_url"].partition("?key=")[2]
    requests.choose(world.services, answer["request_id"], key, [2])
    world.advance("P3D")
    assert world.stripe.asked[0].user_ids() == ["u2"]
    assert world.sendgrid.asked[0].addresses == []
    assert world.sendgrid.asked[0].shared_addresses == ["family@mail.test"]


def test_an_address_nobody_is_linked_to_runs_the_same_course_and_finds_nothing(world: World) -> None:
    answer = world.confirm("stranger@mail.test")
    assert "accounts" not in answer
    world.advance("P3D")
    shown = world.view(answer["request_id"])
    assert shown["status"] == "completed"
    assert shown["steps"][0]["outcome"] == "nothing_found"


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


def test_the_names_of_outcomes_are_the_contracts_in_its_order() -> None:
    assert erasure.WORST_FIRST == (
        "failed", "held", "pending", "retained", "scheduled_by_vendor", "accepted", "verified", "nothing_found", "no_store",
    )  # fmt: skip
