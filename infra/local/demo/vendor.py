"""SendGrid's faults: the sandbox fails on demand, and the demo says how it fails now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from infra.local.demo.product import Product, Refusal
from shared.words import date

PATH = "/sandbox/sendgrid/faults"


class Fault(NamedTuple):
    """A button: its words, and what it asks of the sandbox (nothing: all works again)."""

    words: str
    asked: Mapping[str, str]


FAULTS: Mapping[str, Fault] = {
    "off": Fault("Off for 3 days", {"kind": "500", "for": "P3D"}),
    "500": Fault("Answer 500 to every call", {"kind": "500"}),
    "400": Fault("Refuse every call (400)", {"kind": "400"}),
    "clear": Fault("Works again", {}),
}


def set_fault(product: Product, name: str) -> None:
    """Let SendGrid fail in this way, or work again. Raises Refusal."""
    fault = FAULTS.get(name)
    if fault is None:
        raise Refusal(400, "That request cannot be accepted", "choose one of the buttons", "fault")
    product.anyone("DELETE" if not fault.asked else "POST", PATH, dict(fault.asked) or None)


def state(product: Product) -> str:
    """Say how SendGrid is doing."""
    faults: list[dict[str, Any]] = product.anyone("GET", PATH)["faults"]
    if not faults:
        return "works"
    until = f" until {date(faults[0]['until'])}" if faults[0].get("until") else ""
    return f"fails ({faults[0]['kind']}){until}"
