"""§2: what a device decided and whether to ask again; and receipts, signed, for whoever holds one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared import identity, ledger
from shared.failures import BadInput, Missing
from shared.ports import Services
from shared.promises.policy import Published
from shared.records import (
    Alias,
    Decision,
    LedgerEntry,
    Subject,
)
from shared.times import rfc3339
from shared.vault import unb64url


def current(
    services: Services, published: Published, device: str, names: Sequence[str] | None, *, gpc: bool
) -> dict[str, Any]:
    """Return `{decisions, needs_prompt, reasons}` for a device.

    Reasons: never_asked, expired, policy_changed, and gpc (Sec-GPC: 1 denies what nobody explicitly granted here).
    """
    alias = services.store.get(Alias, identity.alias(services.vault, "device", identity.device_id(device)))
    stored = services.store.get(Subject, alias.record.links[0].ref) if alias else None
    asked = {purpose.name: purpose for purpose in published.purposes() if purpose.legal_basis == "consent"}
    for name in names or []:
        if name not in asked:
            raise BadInput(f"{name} is not a consent purpose of this policy", "purposes")
    # what the policy has dropped since can be asked of nobody
    asked_last = [name for name in stored.record.asked if name in asked] if stored else []
    looked_at = names or asked_last or list(asked)
    decisions = stored.record.decisions if stored else {}
    now = services.clock.now()
    reasons = sorted({_reason(published, name, decisions.get(name), now, gpc=gpc) for name in looked_at} - {""})
    return {
        "decisions": {name: _granted(decisions.get(name), now) for name in looked_at},
        "needs_prompt": bool(set(reasons) - {"gpc", "pending"}),
        "reasons": reasons,
    }


def _granted(decision: Decision | None, now: datetime) -> bool:
    return decision is not None and decision.granted and (decision.until is None or now < decision.until)


def _reason(published: Published, name: str, decision: Decision | None, now: datetime, *, gpc: bool) -> str:
    if decision is None:
        return "gpc" if gpc else "never_asked"
    if decision.until is not None and now >= decision.until:
        return "expired"
    if published.changed_since(decision.policy, name):
        return "policy_changed"
    return "pending" if decision.pending else ""


def receipt(services: Services, receipt_id: str) -> dict[str, Any]:
    """Return a receipt with its signature, to whoever holds its id. Raises Missing."""
    streams = (receipt_id, f"{receipt_id}m") if receipt_id.isalnum() else ()
    entries = [stored.record for stream in streams for stored in ledger.stream_of(services.store, stream)]
    if not entries or entries[0].kind != "consent":
        raise Missing("there is no such receipt")
    return {"receipt": _claims(entries[0]), "jws": entries[0].facts["jws"], "events": _events(entries)}


def _claims(entry: LedgerEntry) -> dict[str, Any]:
    claims: dict[str, Any] = msgspec.json.decode(unb64url(entry.facts["jws"].split(".")[1]))
    return claims


def _events(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    return [
        {"event": entry.kind, "at": rfc3339(entry.at), "purposes": entry.facts["purposes"]}
        for entry in entries
        if entry.kind != "consent"
    ]
