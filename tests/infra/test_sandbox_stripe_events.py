"""The sandbox's Stripe tells what happened, signed as the vendor's own library checks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.contracts.running_sandbox import RunningSandbox

ADA = "ada@example.com"
SECRET = "whsec_of_the_sandbox_alone"
FORM = {"Authorization": "Bearer sk_test_canary", "Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    (tmp_path / "stripe-webhook-secret").write_text(SECRET)
    running = RunningSandbox(tmp_path)
    running.app.state.copies = lambda _: 1
    yield running
    running.close()


def told(sandbox: RunningSandbox) -> list[Any]:
    """Return the events that wait to be sent, oldest first, each checked by the vendor's own library."""
    events = []
    while (waiting := sandbox.app.state.waiting([])) is not None:
        assert waiting.told.path == "/stripe-events"
        signature = waiting.told.headers["Stripe-Signature"]
        events.append(stripe.Webhook.construct_event(waiting.told.body, signature, SECRET).to_dict())
        sandbox.app.state.sent(waiting.seq)
    return events


def api(sandbox: RunningSandbox, method: str, path: str, form: str = "") -> int:
    return sandbox.ask(method, f"/stripe/v1/{path}", form.encode() or None, **FORM)[0]


def test_whoever_is_put_there_is_told_of(sandbox: RunningSandbox) -> None:
    customer, subscription = sandbox.put("stripe", email=ADA)
    created, begun = told(sandbox)
    assert (created["type"], created["data"]["object"]["id"]) == ("customer.created", customer)
    assert (begun["type"], begun["data"]["object"]["id"]) == ("customer.subscription.created", subscription)
    assert begun["data"]["object"]["customer"] == customer
    assert created["id"] != begun["id"]
    assert (created["object"], created["livemode"]) == ("event", False)


def test_a_subscription_ends_once_however_it_is_ended(sandbox: RunningSandbox) -> None:
    customer, subscription = sandbox.put("stripe", email=ADA)
    told(sandbox)
    sandbox.put("stripe", id=customer, subscription="canceled")
    (ended,) = told(sandbox)
    assert (ended["type"], ended["data"]["object"]["id"]) == ("customer.subscription.deleted", subscription)
    assert ended["data"]["object"]["ended_at"] is not None
    sandbox.put("stripe", id=customer, subscription="canceled")
    assert told(sandbox) == []


def test_a_customer_that_is_deleted_ends_its_subscriptions_first(sandbox: RunningSandbox) -> None:
    customer, _ = sandbox.put("stripe", email=ADA)
    told(sandbox)
    assert api(sandbox, "DELETE", f"customers/{customer}") == 200
    assert [one["type"] for one in told(sandbox)] == ["customer.subscription.deleted", "customer.deleted"]
    assert api(sandbox, "DELETE", f"customers/{customer}") == 404
    assert told(sandbox) == [], "what was refused is not told"


def test_a_change_names_what_was_there_before_and_none_is_not_told(sandbox: RunningSandbox) -> None:
    customer, _ = sandbox.put("stripe", email=ADA)
    told(sandbox)
    assert api(sandbox, "POST", f"customers/{customer}", "email=new%40example.com") == 200
    (changed,) = told(sandbox)
    assert changed["type"] == "customer.updated"
    assert changed["data"]["previous_attributes"] == {"email": ADA}
    assert changed["data"]["object"]["email"] == "new@example.com"
    assert api(sandbox, "POST", f"customers/{customer}", "email=new%40example.com") == 200
    assert told(sandbox) == []


def test_without_a_secret_nothing_is_told(sandbox: RunningSandbox) -> None:
    (sandbox.folder / "stripe-webhook-secret").unlink()
    sandbox.put("stripe", email=ADA)
    assert told(sandbox) == []
