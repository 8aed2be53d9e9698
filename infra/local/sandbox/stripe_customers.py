"""The sandbox's Stripe: customers, their subscriptions and their payment methods."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.stripe_events import tell
from infra.local.sandbox.stripe_wire import (
    ADDRESS,
    PAGED,
    Readers,
    answer,
    asked,
    listed,
    missing,
    new,
    once,
    one_of,
    pairs,
    refused,
    text,
    texts,
    truth,
)
from infra.local.sandbox.vendor import Call, Route

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
TEXTS = ("name", "email", "phone", "description", "business_name", "individual_name")
CUSTOMER: Readers = dict.fromkeys(TEXTS, text) | {
    "address": ADDRESS,
    "shipping": {"name": text, "phone": text, "address": ADDRESS},
    "metadata": pairs,
    "preferred_locales": texts,
}
BILLING: Readers = dict.fromkeys(("name", "email", "phone"), text) | {"address": ADDRESS}
STATUSES = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled")
ENDED = frozenset({"canceled", "incomplete_expired"})


def create(call: Call) -> Response:
    """Create a customer."""
    return answer(keep(call.shelf, call.now, _fields(call)))


def show(call: Call) -> Response:
    """Show a customer, a deleted one as deleted."""
    asked(call, {})
    return answer(_customer(call))


def customers(call: Call) -> Response:
    """List customers, newest first; an address must be written exactly as it is kept. Deleted ones are not listed."""
    params = asked(call, PAGED | {"email": text})
    email = params.get("email")
    found = call.shelf.find("customer", email.lower()) if email else call.shelf.find("customer")
    return listed(call, [one for one in found if not one.get("deleted") and email in {None, one["email"]}], params)


def update(call: Call) -> Response:
    """Change a customer; what is left out stays, an empty text unsets."""
    fields, customer = _fields(call), _customer(call, living=True)
    if fields.get("metadata"):
        merged = customer["metadata"] | fields["metadata"]
        fields["metadata"] = {name: value for name, value in merged.items() if value != ""}
    before = {name: customer.get(name) for name, value in fields.items() if customer.get(name) != value}
    after = _put(call.shelf, customer | fields)
    if before:
        tell(call.shelf, call.now, "customer.updated", after, before)
    return answer(after)


def delete(call: Call) -> Response:
    """Delete a customer for good: it stays retrievable as deleted, its subscriptions end, its cards are gone."""
    asked(call, {})
    customer = _customer(call, living=True)
    end_all(call.shelf, call.now, customer["id"])
    call.shelf.delete("payment_method", about=customer["id"])
    gone = _put(call.shelf, {"id": customer["id"], "object": "customer", "deleted": True})
    tell(call.shelf, call.now, "customer.deleted", customer)
    return answer(gone)


def subscriptions(call: Call) -> Response:
    """List a customer's subscriptions: those that go on, or with `all` every one."""
    params = asked(call, PAGED | {"customer": text, "status": one_of("all", "ended", *STATUSES)})
    wanted, owner = params.get("status"), params.get("customer")
    found = call.shelf.find("subscription", owner)
    going = {None: set(STATUSES) - ENDED, "all": set(STATUSES), "ended": ENDED}.get(wanted, {wanted})
    return listed(call, [one for one in found if one["status"] in going], params)


def cancel(call: Call) -> Response:
    """Cancel a subscription at once; one that has ended is not found."""
    asked(call, {"invoice_now": truth, "prorate": truth})
    subscription = call.shelf.get("subscription", call.path["id"])
    if subscription is None or subscription["status"] in ENDED:
        missing("subscription", call.path["id"])
    return answer(_end(call.shelf, call.now, subscription))


def payment_methods(call: Call) -> Response:
    """List what a living customer pays with."""
    params = asked(call, PAGED | {"type": text})
    return listed(call, call.shelf.find("payment_method", _customer(call, living=True)["id"]), params)


def update_payment_method(call: Call) -> Response:
    """Change the billing details of a payment method that belongs to a customer."""
    params = asked(call, {"billing_details": BILLING, "metadata": pairs})
    method = _attached(call)
    details = method["billing_details"] | (params.get("billing_details") or {})
    return answer(_put(call.shelf, method | {"billing_details": details}))


def detach(call: Call) -> Response:
    """Take a payment method from its customer, for good; it stays retrievable with its billing details."""
    asked(call, {})
    return answer(_put(call.shelf, _attached(call) | {"customer": None}))


ROUTES: tuple[Route, ...] = (
    ("POST", "/v1/customers", once(create)),
    ("GET", "/v1/customers", customers),
    ("GET", "/v1/customers/<id>", show),
    ("POST", "/v1/customers/<id>", once(update)),
    ("DELETE", "/v1/customers/<id>", delete),
    ("GET", "/v1/customers/<id>/payment_methods", payment_methods),
    ("POST", "/v1/payment_methods/<id>", once(update_payment_method)),
    ("POST", "/v1/payment_methods/<id>/detach", once(detach)),
    ("GET", "/v1/subscriptions", subscriptions),
    ("DELETE", "/v1/subscriptions/<id>", cancel),
)


def keep(shelf: Shelf, now: datetime, fields: Body) -> Body:
    """Create a customer; return it."""
    empty: Body = dict.fromkeys((*TEXTS, "address", "shipping"))
    fixed = {"object": "customer", "created": int(now.timestamp()), "livemode": False}
    made = _put(shelf, {"id": new("cus")} | fixed | empty | {"metadata": {}, "preferred_locales": []} | fields)
    tell(shelf, now, "customer.created", made)
    return made


def subscribe(shelf: Shelf, now: datetime, customer: str, status: str) -> Body:
    """Create a subscription, and end it at once where it is to have ended; return it."""
    empty: Body = {"canceled_at": None, "ended_at": None, "metadata": {}}
    fixed = {"object": "subscription", "created": int(now.timestamp()), "livemode": False} | empty
    going = "active" if status in ENDED else status
    made = _put(shelf, {"id": new("sub"), "customer": customer, "status": going} | fixed)
    tell(shelf, now, "customer.subscription.created", made)
    return _end(shelf, now, made) if status in ENDED else made


def end_all(shelf: Shelf, now: datetime, customer: str) -> None:
    """End every subscription of a customer that goes on."""
    for one in shelf.find("subscription", customer):
        if one["status"] not in ENDED:
            _end(shelf, now, one)


def _end(shelf: Shelf, now: datetime, subscription: Body) -> Body:
    at = int(now.timestamp())
    ended = _put(shelf, subscription | {"status": "canceled", "canceled_at": at, "ended_at": at})
    tell(shelf, now, "customer.subscription.deleted", ended)
    return ended


def card(shelf: Shelf, now: datetime, customer: Body) -> Body:
    """Give a customer a card, with the name and address the customer has; return it."""
    details = {name: customer[name] for name in ("name", "email", "phone", "address")}
    shown = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030, "fingerprint": new("fp")}
    fixed = {"object": "payment_method", "type": "card", "created": int(now.timestamp()), "metadata": {}}
    return _put(shelf, {"id": new("pm"), "customer": customer["id"], "billing_details": details, "card": shown} | fixed)


def _put(shelf: Shelf, body: Body) -> Body:
    owner = body.get("customer") if body["object"] != "customer" else (body.get("email") or "").lower()
    shelf.put(body["object"], body["id"], body, about=owner or "")
    return body


def _fields(call: Call) -> Body:
    fields = {name: value for name, value in asked(call, CUSTOMER).items() if name != "expand"}
    if fields.get("email") and not EMAIL.fullmatch(fields["email"]):
        refused(400, "Invalid email address", "email_invalid", "email")
    country: Any = (fields.get("address") or {}).get("country")
    if country and not re.fullmatch("[A-Z]{2}", country):
        refused(400, "Country must be a two-letter code", "country_code_invalid", "address[country]")
    return fields


def _customer(call: Call, *, living: bool = False) -> Body:
    customer = call.shelf.get("customer", call.path["id"])
    if customer is None or (living and customer.get("deleted")):
        missing("customer", call.path["id"])
    return customer


def _attached(call: Call) -> Body:
    method = call.shelf.get("payment_method", call.path["id"])
    if method is None:
        missing("PaymentMethod", call.path["id"], "payment_method")
    if method["customer"] is None:
        refused(400, "The payment method is not attached to a customer", None, "payment_method")
    return method
