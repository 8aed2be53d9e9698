"""What a step at Stripe says of what it did: parts, gaps, and what Stripe can do at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from infra.subprocessors.stripe_customers import Looked
from infra.subprocessors.stripe_payments import Kept, Payments
from shared.ports import Ability, Part

BY_EMAIL = "they have an address of the person and nothing else that says whose they are"
STRANGE = "the website linked them to the person, and they name another account or are no ids of Stripe's"
UNKNOWN = (
    "the website linked them to the person, and Stripe knows no such customer, while it shows even deleted ones: "
    "they may stand in another account, or in test mode"
)
NOT_EMPTIED = "Stripe does not let the billing details of their kind be emptied"
EVENTS = "Stripe shows what changed in its event log for 30 days"
MARKED = "a mark on the customer: Stripe goes on collecting what a contract owes, and our own guard stops the rest"
COUNTRY = "Stripe takes a country as two letters only"
ERASES = (
    "payments stay as long as the company's ground says, at least 90 days, and are then redacted; customers linked by "
    "nothing but an address are left to a person, and Stripe tells capital from small letters in one"
)
RECTIFIES = "customers alone: an invoice once issued stays as it was"
CARDS = "card numbers: Stripe shows nobody more than the brand, the last four digits and the expiry"
OWN_RECORDS = "what Stripe keeps for its own duties, such as checks against fraud: it answers for that itself"
DELETED = "of deleted customers Stripe shows nothing but their payments, which it never deletes, and their ended subscriptions"
CHECKED = date(2026, 11, 22)
ABILITIES = (
    Ability(what="export", how="api", checked=CHECKED, reason=CARDS),
    Ability(what="erase", how="api", checked=CHECKED, reason=ERASES),
    Ability(what="rectify", how="api", checked=CHECKED, reason=RECTIFIES),
    Ability(what="restrict", how="api", checked=CHECKED, reason=MARKED),
)


def removed(looked: Looked, removed: Counter[str]) -> list[Part]:
    if not looked.own:
        return [Part(outcome="nothing_found", name="customer")]
    counts = {name: removed[name] for name in ("subscriptions", "payment_methods")}
    evidence = {"customers": len(looked.own), **counts, "kept": EVENTS}
    parts = [Part(outcome="verified", name="customer", evidence=evidence)]
    if removed["not_emptied"]:
        evidence = {"detached": removed["not_emptied"], "reason": NOT_EMPTIED}
        parts.append(Part(outcome="accepted", name="payment methods", evidence=evidence))
    return parts


def retained(paid: Mapping[str, Payments], kept: Sequence[Kept]) -> list[Part]:
    if not kept:
        return []
    charges, invoices = (sum(getattr(one, kind) for one in paid.values()) for kind in ("charges", "invoices"))
    evidence = {"customers": len(paid), "charges": charges, "invoices": invoices}
    ground = "; ".join(dict.fromkeys(one.ground for one in kept))
    until = max(one.until for one in kept)
    return [Part(outcome="retained", name="payments", ground=ground, until=until, evidence=evidence)]


def unclear(looked: Looked) -> list[Part]:
    """Return what a person must look at: nobody's data is touched on a guess."""
    unclear = (
        ("customer found by e-mail alone", looked.by_email, BY_EMAIL),
        ("customer linked by mistake", looked.strange, STRANGE),
        ("customer unknown to Stripe", looked.unknown, UNKNOWN),
    )
    return [
        Part(outcome="failed", name=name, evidence={"count": count, "reason": reason})
        for name, count, reason in unclear
        if count
    ]


def changed(looked: Looked, changed: int, reason: str = RECTIFIES, others: int = 0) -> Part:
    if not looked.living():
        return Part(outcome="nothing_found", name="customer")
    beside = {"restricted_by_others": others} if others else {}
    evidence = {"customers": len(looked.living()), "changed": changed, **beside, "reason": reason}
    return Part(outcome="verified", name="customer", evidence=evidence)


def gaps(looked: Looked) -> list[str]:
    return [
        *([CARDS, OWN_RECORDS] if looked.own else []),
        *([DELETED] if len(looked.living()) < len(looked.own) else []),
        *([f"{looked.by_email} customers found by e-mail alone: {BY_EMAIL}"] if looked.by_email else []),
        *([f"{looked.strange} customers linked by mistake: {STRANGE}"] if looked.strange else []),
        *([f"{looked.unknown} customers unknown to Stripe: {UNKNOWN}"] if looked.unknown else []),
    ]
