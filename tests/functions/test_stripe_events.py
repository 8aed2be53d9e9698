"""`stripe-events`: Stripe's signed webhook, and whatever is sent in its name."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from infra.container import Container
from infra.http.stripe_signature import SIGNATURE, TOLERANCE_SECONDS, verify_stripe
from infra.local.sandbox.state import State
from infra.local.sandbox.stripe_events import tell
from infra.settings import Settings
from shared.failures import BadInput
from tests.functions.called import SETTINGS, Called, problem
from tests.functions.edge_contract import ActsContract
from tests.infra.troubled_twins import ForwardingStore
from tests.promises.endings import event

PATH = "/stripe-events"
ANN = "ann@people.example"
CANARY = "canary-7f3a"
OLD, NEW = "whsec_of_the_test_0123456789", "whsec_of_the_test_abcdefghij"
ENDED = event("customer.subscription.deleted", "cus_1")


class TestStripeEventsActs(ActsContract):
    edge = "stripe-events"
    acts = ("/",)
    browser = False


def signature(raw: bytes, secret: str = NEW, at: float | None = None) -> str:
    """Sign as Stripe's own library does: it is not ours that is tested against itself."""
    at_second = int(time.time() if at is None else at)
    signed = stripe.WebhookSignature.generate_signature_header(raw.decode("latin-1"), secret, at_second)
    if raw.isascii():
        return str(signed)
    import hmac

    # the library signs text; these bytes are none
    digest = hmac.digest(secret.encode(), f"{at_second}.".encode() + raw, "sha256").hex()
    return f"t={at_second},v1={digest}"


@pytest.fixture
def listening(called: Called) -> Called:
    """Know both secrets, and one account with a customer."""
    called.container.__dict__["stripe_webhook_secrets"] = (OLD, NEW)
    called.sign_up("u1", ANN, stripe_customer_ids=["cus_1"])
    return called


def send(called: Called, raw: bytes, header: str | None = None, **headers: str) -> TestResponse:
    header = signature(raw) if header is None else header
    return called.post(PATH, raw, Stripe_Signature=header, Content_Type="application/json; charset=utf-8", **headers)


# --- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_secret_is_right_while_one_is_changed_for_the_other(listening: Called, secret: str) -> None:
    answer = send(listening, ENDED, signature(ENDED, secret))
    assert (answer.status_code, answer.json) == (200, {"received": True})
    assert listening.count("webhook_events") == 1


def test_one_of_several_signatures_is_enough(listening: Called) -> None:
    _, _, right = signature(ENDED).partition(",")
    header = f"t={int(time.time())},v0=abc,v1=00,{right},v1=ff"
    assert send(listening, ENDED, header).status_code == 200


@pytest.mark.parametrize("off", [-TOLERANCE_SECONDS + 30, TOLERANCE_SECONDS - 30])
def test_clocks_may_differ_by_less_than_five_minutes(listening: Called, off: int) -> None:
    assert send(listening, ENDED, signature(ENDED, at=time.time() + off)).status_code == 200


def test_real_time_counts_and_not_the_clock_that_can_be_moved(listening: Called) -> None:
    listening.later(days=30)
    assert send(listening, ENDED).status_code == 200


def test_a_duplicate_is_answered_like_the_first_and_changes_nothing(listening: Called) -> None:
    first = send(listening, ENDED)
    with listening.changing_nothing():
        assert send(listening, ENDED).json == first.json


def test_fifty_copies_at_once_ask_for_one_look(listening: Called) -> None:
    work = listening.count("work")
    # taken once: two threads must not give the same app to two worlds
    header = signature(ENDED)
    client = listening.app("stripe-events")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: client.test_client().post("/", data=ENDED, headers={SIGNATURE: header}).status_code, range(50)
            )
        )
    assert answers == [200] * 50
    assert listening.count("work") == work + 1
    assert listening.count("webhook_events") == 1


@pytest.mark.parametrize("kind", ["customer.deleted", "customer.created", "invoice.paid", "something.new"])
def test_what_is_of_no_interest_is_taken_and_leaves_nothing(listening: Called, kind: str) -> None:
    with listening.changing_nothing():
        assert send(listening, event(kind)).status_code == 200


def test_an_event_about_nobody_is_counted_without_a_name(listening: Called, capfd: pytest.CaptureFixture[str]) -> None:
    raw = event("customer.subscription.deleted", f"cus_{CANARY.replace('-', '_')}", f"evt_{CANARY.replace('-', '_')}")
    with listening.changing_nothing():
        assert send(listening, raw).status_code == 200
    logged = capfd.readouterr().err
    assert '"event":"webhook_about_nobody"' in logged
    assert "canary" not in logged


def test_what_the_customer_is_called_is_stored_nowhere_in_the_open(listening: Called) -> None:
    send(listening, ENDED)
    assert "cus_1" not in repr(listening.rows())


def test_in_the_cloud_an_event_of_the_test_mode_counts_for_nothing(
    listening: Called, capfd: pytest.CaptureFixture[str]
) -> None:
    class InTheCloud(Settings):
        sheltered = False  # type: ignore[assignment]

    live = Container(InTheCloud(SETTINGS | {"DATA_DIR": str(listening.data_dir)}))
    live.__dict__["stripe_webhook_secrets"] = (NEW,)
    listening.containers["stripe-events"] = live
    test_mode = ENDED.replace(b'"livemode":true', b'"livemode":false')
    with listening.changing_nothing():
        assert send(listening, test_mode).status_code == 200
    assert "webhook_of_test_mode" in capfd.readouterr().err
    assert send(listening, ENDED).status_code == 200
    assert listening.count("webhook_events") == 1


def test_what_the_sandbox_sends_is_taken(called: Called) -> None:
    assert called.container.stripe_webhook_secrets, "generated, where the sandbox finds it"
    called.sign_up("u1", ANN, stripe_customer_ids=["cus_1"])
    state = State(called.data_dir / "sandbox.db")
    state.copies = lambda _: 1
    with state.transaction():
        gone = {"id": "sub_1", "object": "subscription", "customer": "cus_1"}
        tell(state.shelf("stripe"), called.now(), "customer.subscription.deleted", gone)
    waiting = state.waiting([])
    state.close()
    assert waiting is not None
    headers = {name.replace("-", "_"): value for name, value in waiting.told.headers.items()}
    assert called.post(waiting.told.path, waiting.told.body, **headers).status_code == 200
    assert called.count("webhook_events") == 1


# --- what is refused -------------------------------------------------------------------------------------------------

_DIGEST = signature(ENDED).partition("v1=")[2]
FORGED: dict[str, Callable[[], str]] = {
    "none": lambda: "",
    "words": lambda: "signed, honestly",
    "no time": lambda: f"v1={signature(ENDED).partition('v1=')[2]}",
    "no signature": lambda: f"t={int(time.time())}",
    "only another scheme": lambda: signature(ENDED).replace("v1=", "v0="),
    "an empty signature": lambda: f"t={int(time.time())},v1=",
    "half a signature": lambda: signature(ENDED)[:-32],
    "in capitals": lambda: signature(ENDED).replace("v1=", "V1="),
    "another secret's": lambda: signature(ENDED, "whsec_of_somebody_else_0123"),
    "an empty secret's": lambda: signature(ENDED, ""),
    "another body's": lambda: signature(ENDED + b" "),
    "too old": lambda: signature(ENDED, at=time.time() - TOLERANCE_SECONDS - 5),
    "an hour ahead": lambda: signature(ENDED, at=time.time() + 3600),
    "long ago, made fresh": lambda: f"t={int(time.time())},v1={signature(ENDED, at=1).partition('v1=')[2]}",
    "two times": lambda: f"t={int(time.time())},{signature(ENDED, at=1)}",
    "a time with a sign": lambda: signature(ENDED).replace("t=", "t=+"),
    "a time that is none": lambda: f"t=now,v1={_DIGEST}",
    "a time in other digits": lambda: f"t=\u0662\u0663,v1={_DIGEST}".encode().decode("latin-1"),
    "a time beyond all": lambda: f"t={'9' * 300},v1={_DIGEST}",
    "a very long one": lambda: signature(ENDED) + ",v1=00" * 2000,
    "not of this alphabet": lambda: f"t={int(time.time())},v1=\xe9\xff",
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_stripe_did_not_sign_just_now_is_refused_and_leaves_nothing(listening: Called, forged: str) -> None:
    with listening.changing_nothing():
        problem(send(listening, ENDED, FORGED[forged]()), 400, SIGNATURE)


def test_without_the_header_it_is_refused(listening: Called) -> None:
    with listening.changing_nothing():
        problem(listening.post(PATH, ENDED, Content_Type="application/json"), 400, SIGNATURE)


def test_the_signature_is_checked_before_anything_is_read(listening: Called) -> None:
    for raw in (b"{", b"\xff\xfe", b"[" * 100_000):
        with listening.changing_nothing():
            problem(send(listening, raw, "t=1,v1=0"), 400, SIGNATURE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        ENDED[:-1],
        ENDED[: len(ENDED) // 2],
        b"\xff\xfe\x00",
        ENDED.replace(b"cus_1", b"cus_\xff"),
        b"[]",
        b"[" * 100_000,
        ENDED.replace(b'"event"', b'"v2.core.event"'),
        ENDED.replace(b"cus_1", b"cus/1"),
        ENDED.replace(b"evt_1", b""),
        event("customer.subscription.deleted").replace(b'"data"', b'"date"'),
        CANARY.encode(),
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_what_is_signed_and_no_event_is_refused_and_leaves_nothing(
    listening: Called, raw: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with listening.changing_nothing():
        problem(send(listening, raw), 400)
    assert CANARY not in capfd.readouterr().err


def test_more_than_an_event_can_be_is_refused(listening: Called) -> None:
    raw = ENDED + b" " * (512 * 1024)
    with listening.changing_nothing():
        problem(send(listening, raw), 413)


def test_while_the_database_cannot_take_it_stripe_is_to_send_it_again(listening: Called) -> None:
    from shared.failures import TryAgain

    class Full(ForwardingStore):
        def commit(self, changes: Any) -> list[str]:
            raise TryAgain("database_full")

    kept = listening.container.store
    listening.container.__dict__["store"] = Full(kept)
    with listening.changing_nothing():
        problem(send(listening, ENDED), 503)
    listening.container.__dict__["store"] = kept
    assert send(listening, ENDED).status_code == 200


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200) | st.from_regex(r"t=\d{0,14}(,v[01]=[0-9a-f]{0,70}){0,4}"), st.binary(max_size=50))
def test_no_header_at_all_does_more_than_be_refused(header: str, raw: bytes) -> None:
    with pytest.raises(BadInput):
        verify_stripe((OLD, NEW, ""), raw, header, time.time())
