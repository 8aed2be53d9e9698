"""What Stripe says of an account, asked anew: over the sandbox, by the vendor's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.subprocessors.stripe_subscriptions import StripeSubscriptions
from infra.subprocessors.stripe_transport import StripeTransport
from shared.failures import NeverRetry, TryAgain
from shared.identity import Identifiers
from tests.contracts.running_sandbox import RunningSandbox

ADA = "ada@example.com"
KEY = "sk_test_canary"
GOING = ["active", "trialing", "past_due", "unpaid", "paused", "incomplete"]
OVER = ["canceled", "incomplete_expired"]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path)
    yield running
    running.close()


def subscriptions(sandbox: RunningSandbox, *, live: bool = False) -> StripeSubscriptions:
    return StripeSubscriptions(StripeTransport(KEY, sandbox.url("stripe"), 5.0, 10_000), live=live)


def known(*customers: str) -> Identifiers:
    return Identifiers(user_id="u1", addresses=[ADA], stripe_customer_ids=list(customers))


def change(sandbox: RunningSandbox, kind: str, id: str, **fields: Any) -> None:
    shelf = sandbox.app.state.shelf("stripe")
    with sandbox.app.state.transaction():
        thing = shelf.get(kind, id)
        assert thing
        about = ADA if kind == "customer" else thing["customer"]
        shelf.put(kind, id, thing | fields, about=about)


@pytest.mark.parametrize("status", GOING + OVER)
def test_only_what_has_ended_for_good_has_ended(sandbox: RunningSandbox, status: str) -> None:
    customer, subscription = sandbox.put("stripe", email=ADA)
    change(sandbox, "subscription", subscription, status=status)
    found = subscriptions(sandbox).standing(known(customer))
    assert (found.going, found.ended_at is None) == ((1, True) if status in GOING else (0, False))


def test_the_last_end_of_all_customers_counts(sandbox: RunningSandbox) -> None:
    first, one = sandbox.put("stripe", email=ADA, subscription="canceled")
    second, other = sandbox.put("stripe", email=ADA, subscription="canceled")
    change(sandbox, "subscription", one, ended_at=1_700_000_000)
    change(sandbox, "subscription", other, ended_at=1_800_000_000)
    found = subscriptions(sandbox).standing(known(first, second))
    assert found.ended_at is not None
    assert (found.going, found.ended_at.timestamp()) == (0, 1_800_000_000)


def test_one_customer_that_pays_is_enough(sandbox: RunningSandbox) -> None:
    ended, _ = sandbox.put("stripe", email=ADA, subscription="canceled")
    pays, _ = sandbox.put("stripe", email=ADA)
    assert subscriptions(sandbox).standing(known(ended, pays)).going == 1


def test_customers_that_are_deleted_or_name_another_account_are_unclear(sandbox: RunningSandbox) -> None:
    gone, _ = sandbox.put("stripe", email=ADA)
    other, _ = sandbox.put("stripe", email=ADA, user_id="u2")
    headers = {"Authorization": f"Bearer {KEY}"}
    assert sandbox.ask("DELETE", f"/stripe/v1/customers/{gone}", None, **headers)[0] == 200
    assert subscriptions(sandbox).standing(known(gone, other)).unclear == 2


def test_a_customer_stripe_does_not_know_is_unclear_and_no_end(sandbox: RunningSandbox) -> None:
    found = subscriptions(sandbox).standing(known("cus_none"))
    assert (found.going, found.ended_at, found.unclear, found.addresses) == (0, None, 1, [])
    ended, _ = sandbox.put("stripe", email=ADA, subscription="canceled")
    assert subscriptions(sandbox).standing(known(ended, "cus_none")).unclear == 1
    assert subscriptions(sandbox).standing(known(ended)).unclear == 0


def test_a_dispute_counts_until_it_is_decided(sandbox: RunningSandbox) -> None:
    customer, _ = sandbox.put("stripe", email=ADA, subscription="canceled")
    assert subscriptions(sandbox).standing(known(customer)).disputes == 0
    assert sandbox.put("stripe", id=customer, disputed=True) == [customer]
    assert subscriptions(sandbox).standing(known(customer)).disputes == 1
    (dispute,) = [thing for kind, _, thing in sandbox.snapshot("stripe") if kind == "dispute"]
    shelf = sandbox.app.state.shelf("stripe")
    with sandbox.app.state.transaction():
        shelf.put("dispute", dispute["id"], dispute | {"status": "won"}, about=dispute["charge"])
    assert subscriptions(sandbox).standing(known(customer)).disputes == 0


def test_addresses_are_those_of_the_living_as_identity_compares_them(sandbox: RunningSandbox) -> None:
    customer, _ = sandbox.put("stripe", email="ADA@Example.com")
    assert subscriptions(sandbox).standing(known(customer)).addresses == [ADA]


def test_in_live_mode_an_answer_of_the_test_mode_is_refused(sandbox: RunningSandbox) -> None:
    customer, subscription = sandbox.put("stripe", email=ADA, subscription="canceled")
    with pytest.raises(NeverRetry, match="stripe_test_mode"):
        subscriptions(sandbox, live=True).standing(known(customer))
    change(sandbox, "customer", customer, livemode=True)
    change(sandbox, "subscription", subscription, livemode=True)
    assert subscriptions(sandbox, live=True).standing(known(customer)).ended_at is not None


@pytest.mark.parametrize(("kind", "failure"), [("500", TryAgain), ("429", TryAgain), ("400", NeverRetry)])
def test_what_stripe_cannot_say_is_not_guessed(sandbox: RunningSandbox, kind: str, failure: type[Exception]) -> None:
    customer, _ = sandbox.put("stripe", email=ADA)
    sandbox.fail("stripe", kind)
    with pytest.raises(failure):
        subscriptions(sandbox).standing(known(customer))


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"id": "cus_none"}, "id"), ({"email": ADA}, "email"), ({"subscription": "paused"}, "subscription")],
)
def test_the_sandbox_changes_only_a_customer_that_is_there_and_what_can_be_changed(
    sandbox: RunningSandbox, fields: dict[str, Any], field: str
) -> None:
    customer, _ = sandbox.put("stripe", email=ADA)
    status, body = sandbox.ask("PUT", "/sandbox/stripe/people", {"id": customer} | fields)
    assert (status, [error["field"] for error in body["errors"]]) == (400, [field])


def test_a_subscription_begun_again_goes_on_beside_the_one_that_ended(sandbox: RunningSandbox) -> None:
    customer, _ = sandbox.put("stripe", email=ADA, subscription="canceled")
    again = sandbox.put("stripe", id=customer, subscription="active")
    assert len(again) == 2
    found = subscriptions(sandbox).standing(known(customer))
    assert (found.going, found.ended_at is not None) == (1, True)
