"""Failures are seen by a person: one mail to the operators for what came up within ten minutes. Ids and codes only."""

from __future__ import annotations

from typing import Any

import msgspec

from shared import ledger
from shared.failures import BadInput, Missing, Stale
from shared.ports import Services
from shared.records import ALL_ATTENTION, Attention
from shared.store import Conflict, Delete
from shared.vault import new_id
from shared.work import Claim

MOST_ITEMS = 100
LONGEST_REASON = 2000
NEWS = frozenset({
    "ending_stopped", "ending_untold", "evidence_landed_late", "mail_bounced", "notices_bounced", "notices_refused",
    "stripe_customer_shared", "unknown_unsubscribe_group", "unreadable_unsubscribe",
})  # fmt: skip
"""What says that something happened. All else says what still is, and leaves the list when that is over."""


def send(services: Services, claim: Claim) -> None:
    """Mail the operators what is on the attention list (work `operator.alert`)."""
    items = [msgspec.to_builtins(one.record) for one in services.store.query(ALL_ATTENTION, limit=MOST_ITEMS)]
    if items:
        listed = [{"subprocessor": None, "problem": None, **item} for item in items]
        words = {"items": listed, "console_url": f"{services.base_url}/operator/attention"}
        services.postman.post("operator_alert", services.company.alerts_to, "en", words, claim.id)
    services.commit([claim.done()])


def seen(services: Services, item_id: str, reason: str, by: str) -> dict[str, Any]:
    """Take news off the list, with evidence of who saw it and what they say. Raises BadInput, Missing, Stale."""
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise BadInput(f"1 to {LONGEST_REASON} characters", "reason")
    stored = services.store.get(Attention, item_id)
    if stored is None:
        raise Missing("there is no such thing on the list")
    if stored.record.kind not in NEWS:
        raise Stale(f"{stored.record.kind} leaves the list by itself, once it is over")
    stream = new_id()
    private = services.vault.seal(f"ledger/{ledger.entry_id(stream, 1)}", reason)
    facts = {"item": item_id, "by": by}
    entry, _ = ledger.append(services.vault, None, stream, services.clock.now(), "attention.seen", facts, private)
    try:
        services.commit([Delete(Attention, stored.id, stored.version), entry])
    except Conflict:
        raise Stale("it came up again this moment") from None
    return {"id": item_id, "seen": True}
