"""The sandbox's Stripe: the signed events it sends of what happened to customers and their subscriptions."""

from __future__ import annotations

import hmac
import time
from datetime import datetime
from pathlib import Path

import msgspec

from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.stripe_wire import new
from infra.settings import Settings

PATH = "/stripe-events"
VERSION = "2026-10-28.endive"


def tell(shelf: Shelf, now: datetime, kind: str, thing: Body, before: Body | None = None) -> None:
    """Have the product told. `before`: the values of the fields that changed, as they were."""
    secret = _secret(shelf.folder / "stripe-webhook-secret")
    if secret is None:
        return
    data: Body = {"object": thing} | ({"previous_attributes": before} if before is not None else {})
    event = {
        "id": new("evt"),
        "object": "event",
        "api_version": VERSION,
        "created": int(now.timestamp()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        "data": data,
    }
    body = msgspec.json.encode(event)
    shelf.tell(PATH, body, {"Content-Type": "application/json", "Stripe-Signature": _signature(secret, body)})


def _signature(secret: str, body: bytes) -> str:
    # real time, whatever the clock says: whoever checks it has no other
    at = int(time.time())
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + body, "sha256").hex()
    return f"t={at},v1={signed}"


def _secret(generated: Path) -> str | None:
    """Return the newest of the secrets that the product knows, or the one it generated; None before it did."""
    given = Settings().listed("STRIPE_WEBHOOK_SECRETS")
    if given:
        return given[-1]
    return generated.read_text().strip() if generated.exists() else None
