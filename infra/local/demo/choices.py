"""The consent choices of one demo person: asked by a real notice, recorded by the public call, read back live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from infra.local.demo.product import Product

YES, NO = "yes", "no"
ALL = {"agree": True, "refuse": False}
STANDING = {
    "pending": "waits until the mailbox confirms",
    "never_asked": "not asked yet",
    "expired": "to be asked again: the time is over",
    "policy_changed": "to be asked again: the policy changed",
}


class Choice(NamedTuple):
    """Where one purpose stands for somebody."""

    name: str
    title: str
    said: str


def device(user_id: str) -> str:
    """Return the device id of this person's browser: the demo gives each person their own."""
    return f"browser-{user_id}"


def notice(product: Product, *, asked: bool) -> dict[str, Any]:
    """Fetch the notice: for the purposes that need a yes, or for those that rest on something else."""
    everything: dict[str, Any] = product.anyone("GET", "/policy/notice")
    names = [one["name"] for one in everything["purposes"] if one["asked"] is asked]
    if not names:
        return everything | {"purposes": []}
    chosen: dict[str, Any] = product.anyone("GET", f"/policy/notice?purposes={quote(','.join(names))}")
    return chosen


def decided(form: Mapping[str, str], names: list[str]) -> dict[str, bool]:
    """Read the form: one button for all, or what was chosen. What was not chosen is not decided."""
    everything = ALL.get(form.get("answer", ""))
    if everything is not None:
        return dict.fromkeys(names, everything)
    return {name: form[name] == YES for name in names if form.get(name) in {YES, NO}}


def record(product: Product, user_id: str, email: str, form: Mapping[str, str]) -> bool:
    """Record the decisions as the browser does; tell whether some wait for the mailbox. Raises Refusal."""
    names = [one["name"] for one in notice(product, asked=True)["purposes"]]
    said = {
        "subject": {"device_id": device(user_id), "email": email},
        "notice": form.get("notice", ""),
        "decisions": decided(form, names),
        "method": "form",
        "locale": "en",
    }
    return bool(product.anyone("POST", "/consents", said)["pending"])


def standing(product: Product, user_id: str, purposes: list[dict[str, Any]]) -> list[Choice]:
    """Return where each purpose stands. Each is asked alone, so that a reason belongs to it."""
    return [Choice(one["name"], one["title"], _said(product, user_id, one["name"])) for one in purposes]


def _said(product: Product, user_id: str, name: str) -> str:
    path = f"/consents/current?device_id={device(user_id)}&purposes={quote(name)}"
    current = product.anyone("GET", path)
    reasons = [STANDING[reason] for reason in current["reasons"] if reason in STANDING]
    return reasons[0] if reasons else YES if current["decisions"][name] else NO
