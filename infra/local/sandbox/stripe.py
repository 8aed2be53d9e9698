"""The sandbox's Stripe: who may call, how it fails, and its people. Customers, payments and redaction stand beside it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime

from werkzeug.wrappers import Request, Response

from infra.local.sandbox import stripe_customers as customers
from infra.local.sandbox import stripe_payments as payments
from infra.local.sandbox import stripe_redaction as redaction
from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.stripe_wire import answer, error, refused
from infra.local.sandbox.vendor import Route
from shared.failures import BadInput

FORM = "application/x-www-form-urlencoded"
AFTER_SECONDS = 2
PUT_FIELDS = {"id", "email", "user_id", "name", "subscription", "disputed"}
OWNED = ("subscription", "payment_method", "charge", "invoice")


class Stripe:
    """Stripe's v1 API, as strict as the real one where the product meets it."""

    name = "stripe"
    routes: Sequence[Route] = (*customers.ROUTES, *payments.ROUTES, *redaction.ROUTES)

    def admit(self, request: Request, key: str | None) -> None:
        """Answer 401 without the right key, 400 to a body that is no form."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not given:
            refused(401, "You did not provide an API key.")
        if key and not hmac.compare_digest(given.encode(), key.encode()):
            refused(401, "Invalid API Key provided")
        if request.get_data(parse_form_data=False) and request.mimetype != FORM:
            refused(400, f"Invalid request (check that your POST content type is {FORM}).")

    def failure(self, status: int) -> Response:
        """Answer as Stripe does; a 429 says when to come back."""
        if status == 404:
            return answer(error("Unrecognized request URL."), 404)
        if status != 429:
            return answer(
                error("An error occurred", kind="api_error" if status >= 500 else "invalid_request_error"), status
            )
        response = answer(error("Request rate limit exceeded", "rate_limit"), status)
        response.headers["Retry-After"] = str(AFTER_SECONDS)
        response.headers["Stripe-Rate-Limited-Reason"] = "endpoint-rate"
        return response

    def put_person(self, shelf: Shelf, now: datetime, fields: Body) -> list[str]:
        """Create a customer with a card, a subscription, and one invoice paid; with `id`, change one there is."""
        for unknown in sorted(fields.keys() - PUT_FIELDS):
            raise BadInput("unknown field", unknown)
        email, status = fields.get("email"), fields.get("subscription", "active")
        if status not in {"active", "canceled"}:
            raise BadInput("active or canceled is needed", "subscription")
        if email is not None and not (isinstance(email, str) and customers.EMAIL.fullmatch(email)):
            raise BadInput("an e-mail address is needed", "email")
        if fields.get("id"):
            return _changed(shelf, now, fields)
        metadata = {"user_id": str(fields["user_id"])} if fields.get("user_id") else {}
        name = str(fields["name"]) if fields.get("name") else None
        customer = customers.keep(shelf, now, {"email": email, "name": name, "metadata": metadata})
        customers.card(shelf, now, customer)
        payments.pay(shelf, now, customer)
        return [customer["id"], customers.subscribe(shelf, now, customer["id"], status)["id"]]

    def pass_time(self, shelf: Shelf, now: datetime) -> None:
        """Do what redaction jobs did by now."""
        redaction.settle(shelf, now)

    def find_person(self, shelf: Shelf, email: str | None, id: str | None) -> list[Body]:
        """Return what is held on an address, or on a customer: payments keep their own copies of the address."""
        if id:
            customer = shelf.get("customer", id)
            owned = [{"kind": kind, **one} for kind in OWNED for one in shelf.find(kind, id)]
            return [*([{"kind": "customer", **customer}] if customer else []), *owned]
        wanted = (email or "").lower()
        held = [{"kind": "customer", **one} for one in shelf.find("customer", wanted)]
        return held + [{"kind": kind, **one} for kind in OWNED for one in shelf.find(kind) if wanted in _addresses(one)]


def _changed(shelf: Shelf, now: datetime, fields: Body) -> list[str]:
    """End the subscriptions of a customer, or begin another; have what was paid disputed."""
    customer = shelf.get("customer", str(fields["id"]))
    if customer is None or customer.get("deleted"):
        raise BadInput("there is no such customer", "id")
    for field in sorted(fields.keys() - {"id", "subscription", "disputed"}):
        raise BadInput("is not changed here", field)
    ids = [customer["id"]]
    if fields.get("disputed"):
        payments.dispute(shelf, now, customer["id"])
    if fields.get("subscription") == "canceled":
        customers.end_all(shelf, now, customer["id"])
    elif "subscription" in fields:
        ids.append(customers.subscribe(shelf, now, customer["id"], "active")["id"])
    return ids


def _addresses(thing: Body) -> set[str]:
    found = {(thing.get("billing_details") or {}).get("email"), thing.get("receipt_email"), thing.get("customer_email")}
    return {email.lower() for email in found if email}
