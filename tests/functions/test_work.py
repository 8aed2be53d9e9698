"""`work`: runs one item that the queue names; answers 2xx for whatever was recorded."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from shared.records import DUE_WORK, Work
from shared.store import Create
from tests.functions.called import Called, problem
from tests.functions.edge_contract import InternalContract

EMAIL = "ada@people.example"


class TestWork(InternalContract):
    edge = "work"
    body = {"id": "none"}


def due(called: Called) -> list[str]:
    return [one.id for one in called.container.store.query(DUE_WORK, at_most=called.now())]


def ran(called: Called, work_id: str) -> str:
    answer = called.platform("work", {"id": work_id})
    assert answer.status_code == 200, answer.text
    (said,) = answer.json.items()
    assert said[0] == "ran"
    return str(said[1])


def test_an_item_is_done_once_and_a_message_that_comes_twice_does_no_harm(called: Called) -> None:
    sandbox = called.sandbox
    called.ask(EMAIL)
    (item,) = due(called)
    assert ran(called, item) == "done"
    calls = sandbox.calls
    assert calls >= 1
    with called.changing_nothing():
        assert ran(called, item) == "done"
    assert sandbox.calls == calls
    assert len(called.mails(EMAIL)) == 1


def test_an_item_that_is_none_is_done(called: Called) -> None:
    with called.changing_nothing():
        assert ran(called, "no-such-item") == "done"


def test_an_item_waits_for_its_time(called: Called) -> None:
    with_time = Work(kind="request.mail", ref="r", due_at=called.now() + timedelta(hours=1), created_at=called.now())
    called.container.store.commit([Create("w1", with_time)])
    with called.changing_nothing():
        assert ran(called, "w1") == "not_due"


def test_a_vendor_that_cannot_answer_postpones_the_item_and_a_line_says_so(
    called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    called.sandbox.fail("sendgrid", "500")
    said = called.consent({"device_id": "device-0001", "email": EMAIL}, {"marketing_email": True})
    assert called.post("/consents", said).status_code == 201
    (item,) = due(called)
    assert ran(called, item) == "postponed"
    assert ran(called, item) == "not_due"
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["severity"], line["id"]) == ("work_postponed", "WARNING", item)
    called.sandbox.heal("sendgrid")
    called.later(hours=7)
    assert called.mailed_link(EMAIL, "/consents/confirm?t=")


def test_a_mail_of_a_request_waits_out_an_outage(called: Called) -> None:
    called.sandbox.fail("sendgrid", "500")
    asked = called.ask(EMAIL)
    assert called.run_due() == ["postponed"]
    assert called.mails(EMAIL) == []
    called.sandbox.heal("sendgrid")
    called.later(hours=7)
    assert called.confirm_link(EMAIL, asked["request_id"])


def test_an_item_that_no_one_knows_how_to_do_is_kept_and_shown_to_a_person(
    called: Called, capsys: pytest.CaptureFixture[str]
) -> None:
    called.container.store.commit(
        [Create("w1", Work(kind="unheard.of", ref="r1", due_at=called.now(), created_at=called.now()))]
    )
    assert ran(called, "w1") == "failed"
    assert called.container.store.get(Work, "w1") is not None
    (item,) = called.operator("GET", "/attention").json["items"]
    assert (item["kind"], item["request_id"]) == ("defect", "r1")
    assert json.loads(capsys.readouterr().err)["event"] == "work_failed"


def test_no_line_names_whom_the_work_is_about(called: Called, capfd: pytest.CaptureFixture[str]) -> None:
    called.sign_up("user-number-one", EMAIL)
    called.sandbox.fail("sendgrid", "500")
    asked = called.ask(EMAIL)
    said = called.consent({"device_id": "device-0001", "email": EMAIL}, {"marketing_email": True})
    assert called.post("/consents", said).status_code == 201
    assert "postponed" in called.run_due()
    called.sandbox.heal("sendgrid")
    out, err = capfd.readouterr()
    assert err
    for text in (EMAIL, "user-number-one", asked["status_url"].partition("?key=")[2]):
        assert text not in out + err


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "id"), ({"id": 1}, "id"), ({"id": None}, "id"), ({"id": "w1", "email": EMAIL}, "email")],
    ids=["none", "a number", "null", "more than an id"],
)
def test_a_message_holds_an_id_and_nothing_else(called: Called, body: dict[str, object], field: str) -> None:
    with called.changing_nothing():
        problem(called.platform("work", body), 400, field)
