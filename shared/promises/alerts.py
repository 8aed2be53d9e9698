"""Failures are seen by a person: one mail to the operators for what came up within ten minutes. Ids and codes only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from shared import attention, late_answers, ledger, work
from shared.failures import BadInput, Missing, Stale
from shared.outcomes import UNSETTLED
from shared.ports import Services
from shared.promises import erasure, silencing
from shared.records import ALL_ATTENTION, Attention, Request, Retained, Work
from shared.store import Conflict, Delete, Stored, every
from shared.vault import new_id
from shared.work import Claim

MOST_ITEMS = 100
LONGEST_REASON = 2000
NEWS = frozenset({
    *erasure.SETTLED_BY_ERASURE, "ending_stopped", "ending_untold", "evidence_landed_late", "incident", "mail_bounced",
    "notices_bounced", "notices_refused", late_answers.ANSWERED_LATE, "stripe_customer_shared", "topic_message",
    "unknown_unsubscribe_group", "unreadable_unsubscribe",
})  # fmt: skip
"""What says that something happened, or asks a person for a decision: evidence has it, and an incident its register.

All else says what still is, and leaves the list when that is over.
"""


def _work_is_gone(services: Services, item: Attention, about: str) -> bool:
    return bool(about) and services.store.get(Work, about) is None


def _mail_waits_no_more(services: Services, item: Attention, about: str) -> bool:
    stored = services.store.get(Request, item.ref)
    mailing = stored.record.mails.get(about) if stored else None
    return stored is None or (mailing is not None and mailing.status != "queued")


def _step_waits_no_more(services: Services, item: Attention, about: str) -> bool:
    stored = services.store.get(Request, item.ref)
    step = stored.record.steps.get(about) if stored else None
    return stored is None or (bool(about) and (step is None or step.outcome not in UNSETTLED))


def _kept_is_gone(services: Services, item: Attention, about: str) -> bool:
    return bool(about) and services.store.get(Retained, about) is None


def _is_a_persons(services: Services, item: Attention, about: str) -> bool:
    # whoever could not be told is told by hand: that is the only end of it where a vendor refuses for good
    return True


OVER: Mapping[str, Callable[[Services, Attention, str], bool]] = {
    **dict.fromkeys(work.SHOWN, _work_is_gone),
    "mail_failed": _mail_waits_no_more,
    "step_failed": _step_waits_no_more,
    "step_late": _step_waits_no_more,
    "purge_failed": _kept_is_gone,
    silencing.NOT_TOLD: _is_a_persons,
}
"""What leaves the list by itself, unless it ended in another way: then a person may take it off."""


def send(services: Services, claim: Claim) -> None:
    """Mail the operators what is on the attention list (work `operator.alert`)."""
    found = sorted(
        (one.record for one in every(services.store, ALL_ATTENTION)), key=lambda one: one.since, reverse=True
    )
    items = [msgspec.to_builtins(one) for one in found[:MOST_ITEMS]]
    if items:
        listed = [{"subprocessor": None, "problem": None, **item} for item in items]
        console_url = f"{services.base_url}/operator/attention"
        words = {"items": listed, "older": len(found) - len(items), "console_url": console_url}
        services.postman.post("operator_alert", services.company.alerts_to, "en", words, claim.id)
    services.commit([claim.done()])


def seen(services: Services, item_id: str, reason: str, by: str) -> dict[str, Any]:
    """Take off the list what a person has seen to, with evidence of who did and what they say. Raises BadInput, Missing, Stale."""
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise BadInput(f"1 to {LONGEST_REASON} characters", "reason")
    stored = services.store.get(Attention, item_id)
    if stored is None:
        raise Missing("there is no such thing on the list")
    if not _may_leave(services, stored):
        raise Stale(f"{stored.record.kind} leaves the list by itself, once it is over")
    stream = new_id()
    private = services.vault.seal(f"ledger/{ledger.entry_id(stream, 1)}", reason)
    facts = {"item": item_id, "by": by}
    entry, _ = ledger.append(services.vault, None, stream, services.clock.now(), "attention.seen", facts, private)
    follows = silencing.told_by_hand(services, stored.record, by) if stored.record.kind == silencing.NOT_TOLD else []
    try:
        services.commit([Delete(Attention, stored.id, stored.version), entry, *follows])
    except Conflict:
        raise Stale("it came up again this moment") from None
    return {"id": item_id, "seen": True}


def _may_leave(services: Services, stored: Stored[Attention]) -> bool:
    item = stored.record
    is_over = OVER.get(item.kind)
    about = stored.id.removeprefix(attention.attention_id(item.kind, item.ref)).removeprefix(":")
    return item.kind in NEWS or (is_over is not None and is_over(services, item, about))
