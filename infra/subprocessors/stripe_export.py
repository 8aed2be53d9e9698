"""What a person is shown of what Stripe holds: everything about them, and of a card no more than they need to know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.subprocessors.stripe_transport import Json

WHEN = ("id", "created", "status")
SHOWN: Mapping[str, tuple[str, ...]] = {
    "customers": (
        *("id", "created", "name", "email", "phone", "address", "shipping", "description", "metadata"),
        *("business_name", "individual_name", "preferred_locales", "balance", "currency"),
    ),
    "subscriptions": (*WHEN, "customer", "canceled_at", "ended_at", "description", "metadata"),
    "invoices": (
        *(*WHEN, "number", "customer", "currency", "total", "amount_paid", "description", "metadata", "lines"),
        *("customer_name", "customer_email", "customer_phone", "customer_address", "customer_shipping"),
    ),
    "charges": (
        *(*WHEN, "customer", "currency", "amount", "amount_refunded", "description", "metadata"),
        *("billing_details", "receipt_email", "shipping", "payment_method_details"),
    ),
    "payment_methods": ("id", "created", "type", "customer", "billing_details", "card"),
}
CARD = ("brand", "last4", "exp_month", "exp_year")


def shown(kind: str, things: Iterable[Json]) -> list[Json]:
    """Return things of a kind as their owner may see them."""
    return [_shown(thing, SHOWN[kind]) for thing in things]


def _shown(thing: Json, fields: Iterable[str]) -> Json:
    return {field: _value(field, thing[field]) for field in fields if thing.get(field)}


def _value(field: str, value: Any) -> Any:
    match field:
        case "card":
            return {name: value.get(name) for name in CARD}
        case "payment_method_details":
            # whatever else it is, a fingerprint or a token in it is none of the person's
            card = {"card": _value("card", value["card"])} if isinstance(value.get("card"), dict) else {}
            return {"type": value.get("type")} | card
        case "lines":
            return [{name: line.get(name) for name in ("description", "amount")} for line in value.get("data", [])]
    return value
