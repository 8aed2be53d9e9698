"""§2: what a device decided and whether to ask again; and receipts, signed, for whoever holds one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from shared import identity, ledger
from shared.failures import BadInput, Missing
from shared.ports import Services
from shared.promises import in_effect
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

    Looks at what it was last asked for, and at whatever else it agreed to that was changed since. A yes counts as one until
    it runs out, or the version that changed its purpose takes effect: the guard denies from then on too. Reasons:
    never_asked, expired, policy_changed, and gpc (Sec-GPC: 1 denies what nobody explicitly granted here).
    """
    alias = services.store.get(Alias, identity.alias(services.vault, "device", identity.device_id(device)))
    stored = services.store.get(Subject, alias.record.links[0].ref) if alias else None
    asked = {purpose.name: purpose for purpose in published.purposes() if purpose.legal_basis == "consent"}
    for name in names or []:
        if name not in asked:
            raise BadInput(f"{name} is not a consent purpose of this policy", "purposes")
    # what the policy has dropped since can be asked of nobody
    looked_at = names or (_to_ask(published, stored.record, asked) if stored else []) or list(asked)
    decisions = stored.record.decisions if stored else {}
    now = services.clock.now()
    current_version = cache(lambda: in_effect.effective(services, published, now)[0])

    def granted(name: str) -> bool:
        one = decisions.get(name)
        if one is None or not _stands(one, now):
            return False
        return not in_effect.outdated(published, current_version, one.policy, name, now)

    reasons = sorted({_reason(published, name, decisions.get(name), now, gpc=gpc) for name in looked_at} - {""})
    return {
        "decisions": {name: granted(name) for name in looked_at},
        "needs_prompt": bool(set(reasons) - {"gpc", "pending"}),
        "reasons": reasons,
    }


def _to_ask(published: Published, subject: Subject, purposes: Collection[str]) -> list[str]:
    changed = [
        name for name, one in subject.decisions.items() if one.granted and published.changed_since(one.policy, name)
    ]
    return [name for name in dict.fromkeys([*subject.asked, *changed]) if name in purposes]


def _stands(decision: Decision, now: datetime) -> bool:
    return decision.granted and (decision.until is None or now < decision.until)


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
