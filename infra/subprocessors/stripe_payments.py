"""Stripe's payments: kept where law says so, on record with ground and date, and redacted once the date has come.

They cannot be deleted there, and not even be redacted before they are 90 days old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from infra.subprocessors.stripe_customers import Writer
from infra.subprocessors.stripe_transport import VENDORS_WORD, Json, StripeTransport
from shared.company import Ground
from shared.failures import NeverRetry, TryAgain
from shared.records import Retained
from shared.store import Create, Store
from shared.times import plus
from shared.vault import Vault
from shared.website_erasure import standing_at

NAME = "stripe"
JOBS = ("privacy", "redaction_jobs")
MOST_IN_JOB = 10
REDACTED_FROM = timedelta(days=90)
TAKES_AT_MOST = timedelta(days=90)
"""Stripe says that a job takes up to 30 days; what is older by far is not the one we look for."""
RUNNING_SECONDS = 3600
PERSONAL = {
    "charges": ("billing_details", "receipt_email", "shipping", "description"),
    "invoices": ("customer_name", "customer_email", "customer_phone", "customer_address", "customer_shipping"),
}


class Payments(NamedTuple):
    """How many a customer made, and when the newest one."""

    charges: int
    invoices: int
    newest: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """Why payments are kept, and until when."""

    ground: str
    until: datetime


def payments_of(transport: StripeTransport, customer: str) -> Payments | None:
    """Count the payments of a customer, deleted or not; None when there never was one."""
    charges, invoices = (list(transport.every(kind, customer=customer)) for kind in PERSONAL)
    made = [int(one["created"]) for one in (*charges, *invoices)]
    return Payments(len(charges), len(invoices), datetime.fromtimestamp(max(made), UTC)) if made else None


# --- kept ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Records:
    """What one request keeps of payments, on record."""

    store: Store
    vault: Vault
    ground: Ground
    request_id: str
    now: datetime

    def put(self, paid: Mapping[str, Payments]) -> list[Kept]:
        """Record what is kept of each customer. Raises Conflict when another run was faster."""
        new: list[Create] = []
        kept = [self._keep(customer, payments, new) for customer, payments in paid.items()]
        if new:
            self.store.commit(new)
        return kept

    def _keep(self, customer: str, payments: Payments, new: list[Create]) -> Kept:
        standing = standing_at(self.store, self.vault, customer)
        record_id = f"{self.vault.keyed('retained', customer)}:{self.request_id}"
        mine = next((one.record for one in standing if one.id == record_id), None)
        if mine:
            return Kept(mine.ground, mine.until)
        kept = self._terms(payments, [one.record for one in standing if one.record.until > self.now])
        record = Retained(
            request=self.request_id,
            subprocessor=NAME,
            ground=kept.ground,
            categories=self.ground.categories,
            until=kept.until,
            sealed=self.vault.seal(f"retained/{record_id}", {"places": [customer]}),
        )
        new.append(Create(record_id, record))
        return kept

    def _terms(self, payments: Payments, standing: Sequence[Retained]) -> Kept:
        # what is on record keeps its date: asking twice must not make anything stay longer
        longest = max(standing, key=lambda record: record.until, default=None)
        until = longest.until if longest else plus(self.now, f"P{self.ground.years}Y")
        ground = longest.ground if longest else self.ground.ground
        return Kept(ground, max(until, payments.newest + REDACTED_FROM))


# --- redacted --------------------------------------------------------------------------------------------------------


def redact(writer: Writer, customers: Sequence[str]) -> str:
    """Take one job for up to ten customers a step further; return its id once it has succeeded.

    Stripe itself is asked which job is ours, so that nothing is lost with an answer. Raises TryAgain while it runs,
    NeverRetry with Stripe's own word for what a person must settle first.
    """
    job = _job_of(writer, customers) or _new_job(writer, customers)
    if job["status"] == "ready":
        job = writer.post(*JOBS, job["id"], "run", preview=True) or job
    if job["status"] == "failed":
        _explain(writer, job)
    if job["status"] != "succeeded":
        raise TryAgain("stripe_redaction_running", RUNNING_SECONDS)
    return str(job["id"])


def still_named(transport: StripeTransport, customer: str) -> bool:
    """Tell whether any payment of a customer still shows something in the place of who paid."""
    return any(
        not _is_blank(payment.get(field))
        for kind, fields in PERSONAL.items()
        for payment in transport.every(kind, customer=customer)
        for field in fields
    )


def _job_of(writer: Writer, customers: Sequence[str]) -> Json | None:
    oldest = (writer.now - TAKES_AT_MOST).timestamp()
    for job in writer.transport.every(*JOBS, preview=True, expand=["data.objects"]):
        if job["created"] < oldest:
            return None
        inside = (job.get("objects") or {}).get("customers") or []
        if {*customers} <= {*inside} and not job["status"].startswith("cancel"):
            return job
    return None


def _new_job(writer: Writer, customers: Sequence[str]) -> Json:
    # `fix` ends what never became a payment, which would stand in the way
    params = {"objects": {"customers": list(customers)}, "validation_behavior": "fix"}
    made = writer.post(*JOBS, params=params, preview=True)
    # an answer given again under its key is as old as the first
    job = writer.transport.get(*JOBS, made["id"], preview=True) if made else None
    if job is None:
        raise TryAgain("stripe_redaction_lost", RUNNING_SECONDS)
    return job


def _explain(writer: Writer, job: Json) -> None:
    """Raise why a job failed, after asking Stripe to look at it again by the next attempt."""
    errors = writer.transport.every(*JOBS, job["id"], "validation_errors", preview=True)
    words = sorted({word for one in errors if VENDORS_WORD.fullmatch(word := str(one.get("code")))})
    writer.post(*JOBS, job["id"], "validate", preview=True)
    if words == ["locked_by_other_job"]:
        raise TryAgain("stripe_redaction_running", RUNNING_SECONDS)
    raise NeverRetry(f"stripe_redaction_{words[0] if words else 'failed'}")


def _is_blank(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_blank, value.values()))
    return not value or "redacted" in str(value).lower()
