"""`sendgrid-events`: SendGrid's signed webhook, and whatever is sent in its name."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from infra.http.signatures import SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP, verify_sendgrid
from infra.local.sendgrid_keys import EVENTS_KEY, public_key, signed
from shared import references
from shared.case import Case
from shared.failures import BadInput, Misconfigured, TryAgain
from shared.promises import objections
from shared.records import ALL_EVIDENCE, Suppression
from tests.functions.called import PAGE, Called, problem
from tests.functions.edge_contract import ActsContract
from tests.infra.troubled_twins import ForwardingStore

PATH = "/sendgrid-events"
ANN = "ann@people.example"
CANARY = "canary-7f3a"
NOW = 1_600_112_502
MADE_BY_OTHERS = {
    "key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
    "signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
    "timestamp": "1600112502",
}
"""SendGrid's own example, from the tests of its library. Its body ends with a line end, which is signed too."""
EXAMPLE = (
    json.dumps(
        [
            {
                "email": "hello@world.com",
                "event": "dropped",
                "reason": "Bounced Address",
                "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
                "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
                "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
                "timestamp": 1600112492,
            }
        ],
        sort_keys=True,
        separators=(",", ":"),
    )
    + "\r\n"
).encode()


class TestSendgridEventsActs(ActsContract):
    edge = "sendgrid-events"
    acts = ("/",)
    browser = False


def body(*events: Any) -> bytes:
    return json.dumps(list(events)).encode()


def send(called: Called, raw: bytes, timestamp: int = NOW, **headers: str) -> TestResponse:
    """Send a body as SendGrid does."""
    sent = signed(called.data_dir / EVENTS_KEY, timestamp, raw)
    named = {name.replace("-", "_"): value for name, value in sent.items()}
    return called.post(PATH, raw, **({"Content_Type": "application/json"} | named | headers))


def is_stopped(called: Called, email: str = ANN) -> bool:
    return "marketing" in objections.stopped(called.container, email)


UNSUBSCRIBED = body({"event": "unsubscribe", "email": ANN})

# --- what is signed --------------------------------------------------------------------------------------------------


def test_what_sendgrid_published_as_an_example_is_taken(called: Called) -> None:
    called.container.__dict__["sendgrid_event_keys"] = (MADE_BY_OTHERS["key"],)
    headers = {
        "X_Twilio_Email_Event_Webhook_Signature": MADE_BY_OTHERS["signature"],
        "X_Twilio_Email_Event_Webhook_Timestamp": MADE_BY_OTHERS["timestamp"],
    }
    assert called.post(PATH, EXAMPLE, **headers).json == {"events": 1}
    with called.changing_nothing():
        problem(called.post(PATH, EXAMPLE.rstrip(), **headers), 400, SENDGRID_SIGNATURE)


def test_an_opt_out_at_sendgrid_is_one_with_us(called: Called) -> None:
    answer = send(called, UNSUBSCRIBED)
    assert (answer.status_code, answer.json) == (200, {"events": 1})
    assert is_stopped(called)


def test_a_mail_that_we_sent_comes_back_by_its_reference(called: Called) -> None:
    request_id = called.ask(ANN)["request_id"]
    called.mails(ANN)
    (args,) = [thing["custom_args"] for kind, _, thing in called.sandbox.snapshot("sendgrid") if kind == "mail"]
    assert args == {"pledge": references.of_mail(request_id, "m1")}
    send(called, body({"event": "delivered", "email": ANN, **args}))
    assert Case.read(called.container, request_id).record.mails["m1"].status == "delivered"


def test_two_keys_are_valid_at_once_while_one_is_changed_for_the_other(called: Called) -> None:
    ours = public_key(called.data_dir / EVENTS_KEY)
    for keys in ((ours, MADE_BY_OTHERS["key"]), (MADE_BY_OTHERS["key"], ours)):
        called.container.__dict__["sendgrid_event_keys"] = keys
        assert send(called, UNSUBSCRIBED).status_code == 200
    called.container.__dict__["sendgrid_event_keys"] = (MADE_BY_OTHERS["key"],)
    with called.changing_nothing():
        problem(send(called, UNSUBSCRIBED), 400, SENDGRID_SIGNATURE)


def test_what_was_signed_a_day_or_years_ago_is_taken_because_sendgrid_may_repeat_it(called: Called) -> None:
    assert send(called, UNSUBSCRIBED, timestamp=1).status_code == 200
    with called.changing_nothing():
        assert send(called, UNSUBSCRIBED, timestamp=99_999_999_999).status_code == 200


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/plain", ""])
def test_what_is_signed_counts_whatever_it_is_called(called: Called, kind: str) -> None:
    assert send(called, UNSUBSCRIBED, Content_Type=kind).status_code == 200
    assert is_stopped(called)


def test_the_same_fifty_times_at_once_is_done_once(called: Called) -> None:
    request_id = called.ask(ANN)["request_id"]
    called.mails(ANN)
    reference = references.of_mail(request_id, "m1")
    raw = body(
        {"event": "unsubscribe", "email": ANN},
        *({"event": one, "pledge": reference} for one in ("bounce", "delivered")),
    )
    with ThreadPoolExecutor(8) as pool:
        answers = {answer.status_code for answer in pool.map(lambda _: send(called, raw), range(50))}
    # 503: so much at once that this one is to come again
    assert answers <= {200, 503}
    assert send(called, raw).status_code == 200
    assert is_stopped(called)
    kinds = [one.record.kind for one in called.container.store.query(ALL_EVIDENCE, limit=500)]
    assert (kinds.count("mail.undelivered"), kinds.count("objection")) == (1, 1)


def test_an_empty_array_is_nothing_new(called: Called) -> None:
    with called.changing_nothing():
        assert send(called, b"[]").json == {"events": 0}


def test_a_database_that_cannot_take_it_has_sendgrid_send_it_again(called: Called) -> None:
    class Down(ForwardingStore):
        def commit(self, changes: Any) -> list[str]:
            raise TryAgain("busy")

    real = called.container.store
    called.container.__dict__["store"] = Down(real)
    problem(send(called, UNSUBSCRIBED), 503)
    called.container.__dict__["store"] = real
    assert send(called, UNSUBSCRIBED).status_code == 200
    assert is_stopped(called)


def test_the_log_counts_and_names_nobody(called: Called, capfd: pytest.CaptureFixture[str]) -> None:
    email = f"{CANARY}@people.example"
    send(called, body({"event": "unsubscribe", "email": email}, {"event": "bounce", "reason": CANARY, "email": email}))
    said = capfd.readouterr().err
    assert json.loads(said) | {"stops": 1, "events": 2} == json.loads(said)
    assert CANARY not in said


# --- what is not -----------------------------------------------------------------------------------------------------

WRONG_HEADERS: dict[str, dict[str, str | None]] = {
    "unsigned": {SENDGRID_SIGNATURE: None, SENDGRID_TIMESTAMP: None},
    "no signature": {SENDGRID_SIGNATURE: None},
    "no time": {SENDGRID_TIMESTAMP: None},
    "an empty signature": {SENDGRID_SIGNATURE: ""},
    "garbage": {SENDGRID_SIGNATURE: "x"},
    "not base64": {SENDGRID_SIGNATURE: "MEUC-_IGHQ"},
    "base64 of nothing signed": {SENDGRID_SIGNATURE: base64.b64encode(b"0" * 71).decode()},
    "no ASCII": {SENDGRID_SIGNATURE: "\u00fc" * 20},
    "a signature of something else": {SENDGRID_SIGNATURE: MADE_BY_OTHERS["signature"]},
    "another time": {SENDGRID_TIMESTAMP: str(NOW + 1)},
    "a time in words": {SENDGRID_TIMESTAMP: "now"},
    "a time in other digits": {SENDGRID_TIMESTAMP: "\u00b2\u00b3"},
    "a negative time": {SENDGRID_TIMESTAMP: f"-{NOW}"},
    "an endless time": {SENDGRID_TIMESTAMP: "1" * 10_000},
}


@pytest.mark.parametrize("how", WRONG_HEADERS)
def test_what_is_not_signed_by_sendgrid_is_refused_and_nothing_is_stored(called: Called, how: str) -> None:
    right = signed(called.data_dir / EVENTS_KEY, NOW, UNSUBSCRIBED)
    sent = {name: value for name, value in (right | WRONG_HEADERS[how]).items() if value is not None}
    with called.changing_nothing():
        answer = called.post(PATH, UNSUBSCRIBED, **{name.replace("-", "_"): value for name, value in sent.items()})
    assert problem(answer, 400)["errors"][0]["field"] in {SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP}


def test_a_body_changed_in_one_byte_is_refused(called: Called) -> None:
    right = signed(called.data_dir / EVENTS_KEY, NOW, UNSUBSCRIBED)
    named = {name.replace("-", "_"): value for name, value in right.items()}
    with called.changing_nothing():
        for raw in (UNSUBSCRIBED[:-1], UNSUBSCRIBED + b" ", UNSUBSCRIBED.replace(b"ann", b"bob"), b"[]", b""):
            problem(called.post(PATH, raw, **named), 400, SENDGRID_SIGNATURE)


def test_part_of_the_body_cannot_pass_for_the_time(called: Called) -> None:
    raw = b"77" + UNSUBSCRIBED
    right = signed(called.data_dir / EVENTS_KEY, NOW, raw)
    with called.changing_nothing():
        answer = called.post(
            PATH,
            UNSUBSCRIBED[1:],
            X_Twilio_Email_Event_Webhook_Signature=right[SENDGRID_SIGNATURE],
            X_Twilio_Email_Event_Webhook_Timestamp=f"{NOW}77[",
        )
    problem(answer, 400, SENDGRID_TIMESTAMP)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{}",
        b"null",
        b"1",
        b'"unsubscribe"',
        b"[1]",
        b"[null]",
        b"[[]]",
        UNSUBSCRIBED[:-1],
        UNSUBSCRIBED[:-1] + b",7]",
        UNSUBSCRIBED + b"[]",
        UNSUBSCRIBED.decode().encode("utf-16"),
        b'[{"event":"unsubscribe","email":"\xff@people.example"}]',
        b'[{"event":"unsubscribe","email":"\\ud800@people.example"}]',
        b"[" * 100_000,
        b"event=unsubscribe&email=ann@people.example",
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_signed_garbage_is_refused_whole(called: Called, raw: bytes) -> None:
    with called.changing_nothing():
        problem(send(called, raw), 400)


def test_more_than_a_megabyte_is_too_much(called: Called) -> None:
    with called.changing_nothing():
        problem(send(called, body(*[{"event": "open", "email": ANN}] * 40_000)), 413)
    assert send(called, body(*[{"event": "open", "useragent": "x" * 700}] * 1_000)).json == {"events": 1_000}


def test_events_about_nobody_we_know_store_nothing(called: Called) -> None:
    known = [{"event": one, "email": f"{CANARY}@people.example"} for one in ("delivered", "bounce", "open", "dropped")]
    named = [one | {"pledge": pledge} for one in known for pledge in ("r.0123.m1", "b.0123.5", "work-id", 7, None)]
    with called.changing_nothing():
        assert send(called, body(*known, *named)).json == {"events": 24}


def test_a_browser_is_told_so_too(called: Called) -> None:
    answer = called.post(PATH, UNSUBSCRIBED, Accept=PAGE)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Called:
    return Called(tmp_path_factory.mktemp("house"))


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda one: json.dumps(one).encode())
)
@settings(
    max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
def test_whatever_is_signed_is_answered(open_house: Called, raw: bytes) -> None:
    assert send(open_house, raw).status_code in {200, 400}


@given(st.binary(max_size=100), st.text(max_size=80), st.text(max_size=25))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_whatever_is_said_to_be_signed_is_refused(raw: bytes, signature: str, timestamp: str) -> None:
    with pytest.raises(BadInput):
        verify_sendgrid([MADE_BY_OTHERS["key"]], raw, {SENDGRID_SIGNATURE: signature, SENDGRID_TIMESTAMP: timestamp})


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "-----BEGIN PUBLIC KEY-----",
        base64.b64encode(b"0" * 91).decode(),
        # Ed25519, and P-384
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
    ],
)
def test_a_key_of_another_kind_is_a_wrong_setting(key: str) -> None:
    right = {SENDGRID_SIGNATURE: MADE_BY_OTHERS["signature"], SENDGRID_TIMESTAMP: MADE_BY_OTHERS["timestamp"]}
    with pytest.raises(Misconfigured):
        verify_sendgrid([key], EXAMPLE, right)


def test_an_opt_out_survives_in_one_record(called: Called) -> None:
    send(called, UNSUBSCRIBED)
    assert called.count(Suppression.collection) == 1
