"""The sandbox's Stripe: charges and invoices, which keep their own copies of who paid."""

from __future__ import annotations

from datetime import datetime

from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.stripe_wire import PAGED, asked, listed, missing, new, one_of, text
from infra.local.sandbox.vendor import Call, Route

REDACTED = "[redacted]"
AMOUNT = 1900
COPIED = {
    "charge": ("billing_details", "receipt_email", "description"),
    "invoice": ("customer_name", "customer_email", "customer_phone", "customer_address"),
}
"""What a payment keeps of a person, by kind."""


def charges(call: Call) -> Response:
    """List charges, also of a deleted customer."""
    params = asked(call, PAGED | {"customer": text})
    return listed(call, _of(call, "charge", params), params)


def invoices(call: Call) -> Response:
    """List invoices, also of a deleted customer."""
    params = asked(call, PAGED | {"customer": text, "status": one_of("draft", "open", "paid", "uncollectible", "void")})
    found = _of(call, "invoice", params)
    return listed(call, [one for one in found if params.get("status") in {None, one["status"]}], params)


def disputes(call: Call) -> Response:
    """List the disputes of a charge."""
    params = asked(call, PAGED | {"charge": text})
    return listed(call, call.shelf.find("dispute", params.get("charge")), params)


ROUTES: tuple[Route, ...] = (
    ("GET", "/v1/charges", charges),
    ("GET", "/v1/invoices", invoices),
    ("GET", "/v1/disputes", disputes),
)


def pay(shelf: Shelf, now: datetime, customer: Body) -> None:
    """Let a customer pay one invoice by card."""
    fixed = {"customer": customer["id"], "created": int(now.timestamp()), "currency": "eur", "livemode": False}
    charge = fixed | {
        "id": new("ch"),
        "object": "charge",
        "amount": AMOUNT,
        "status": "succeeded",
        "paid": True,
        "disputed": False,
        "description": None,
        "receipt_email": customer["email"],
        "billing_details": {name: customer[name] for name in ("name", "email", "phone", "address")},
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "last4": "4242", "fingerprint": new("fp")},
        },
    }
    invoice = fixed | {
        "id": new("in"),
        "object": "invoice",
        "number": new("PLEDGE").upper(),
        "status": "paid",
        "total": AMOUNT,
        "amount_paid": AMOUNT,
        "lines": {"object": "list", "data": [{"description": "One month", "amount": AMOUNT}], "has_more": False},
        **{f"customer_{name}": customer[name] for name in ("name", "email", "phone", "address")},
    }
    for thing in (charge, invoice):
        _put(shelf, thing)


def dispute(shelf: Shelf, now: datetime, customer: str) -> None:
    """Have a customer dispute every charge."""
    for charge in shelf.find("charge", customer):
        fixed = {"object": "dispute", "status": "needs_response", "created": int(now.timestamp())}
        shelf.put("dispute", id := new("dp"), {"id": id, "charge": charge["id"]} | fixed, about=charge["id"])
        _put(shelf, charge | {"disputed": True})


def redact(shelf: Shelf, customer: str) -> None:
    """Put a placeholder in place of everything personal in a customer's payments."""
    for kind, names in COPIED.items():
        for thing in shelf.find(kind, customer):
            _put(
                shelf, thing | {name: _redacted(thing[name]) for name in names} | {"redaction": {"status": "redacted"}}
            )


def _redacted(value: object) -> object:
    if isinstance(value, dict):
        return {name: _redacted(one) for name, one in value.items()}
    return REDACTED if value else value


def _of(call: Call, kind: str, params: Body) -> list[Body]:
    owner = params.get("customer")
    if owner and call.shelf.get("customer", owner) is None:
        missing("customer", owner, "customer", 400)
    return call.shelf.find(kind, owner)


def _put(shelf: Shelf, thing: Body) -> None:
    shelf.put(thing["object"], thing["id"], thing, about=thing["customer"])
