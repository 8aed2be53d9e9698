"""§2: a yes to mail from a page anybody can fill in waits for the mailbox (double opt-in), and so does lifting its no.

The mailed link opens a page; only posting it confirms. Confirming lifts the mailbox's suppression for those purposes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import identity, ledger, work
from shared.company import Purpose
from shared.failures import BadInput, Stale
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import objections
from shared.promises.policy import Published
from shared.records import (
    Alias,
    Decision,
    Link,
    Pending,
    Subject,
)
from shared.store import Change, Create, Stored, Update, persist
from shared.times import plus, rfc3339
from shared.vault import new_id, token_hash

CONFIRM_WITHIN = timedelta(days=7)
ANSWERED_AGAIN_FOR = timedelta(days=30)
MAIL = "consent.mail"


@dataclass(frozen=True)
class Waiting:
    """A pending consent as its mailbox sees it. `masked` is None once it is confirmed."""

    stored: Stored[Pending]
    masked: str | None
    purposes: list[Purpose]


def waiting(services: Services, published: Published, token: str) -> Waiting:
    """Return what a mailed token confirms. Raises BadInput (unknown), Stale (expired)."""
    stored = services.store.get(Pending, token_hash(token))
    if stored is None or not stored.record.purposes:
        raise BadInput("this link was not made here, or expired", "t")
    if stored.record.confirmed_at is None and services.clock.now() > stored.record.expires_at:
        raise Stale("this link has expired; decide again on the website", "t")
    known = {purpose.name: purpose for purpose in published.purposes()}
    sealed = stored.record.sealed
    masked = identity.masked(_opened(services, stored)["email"]) if sealed else None
    return Waiting(stored, masked, [known[name] for name in stored.record.purposes if name in known])


def _opened(services: Services, stored: Stored[Pending]) -> dict[str, str]:
    opened: dict[str, str] = services.vault.unseal(f"pendings/{stored.id}", stored.record.sealed or b"")
    return opened


def confirm(services: Services, published: Published, token: str) -> dict[str, Any]:
    """Record that the mailbox confirmed. Confirming again answers the same and changes nothing."""

    def attempt(_look: bool) -> dict[str, Any]:
        found = waiting(services, published, token)
        record = found.stored.record
        if record.confirmed_at is None:
            services.commit(_confirmation(services, found))
        return {
            "confirmed": record.purposes,
            "recorded_at": rfc3339(record.confirmed_at or services.clock.now()),
            "receipt_id": record.receipt,
            "receipt_url": f"{services.base_url}/consents/receipts/{record.receipt}",
        }

    return persist(attempt)


def _confirmation(services: Services, found: Waiting) -> list[Change]:
    now, record = services.clock.now(), found.stored.record
    email = _opened(services, found.stored)["email"]
    granted = {
        purpose.name: Decision(
            granted=True, at=now, policy=record.policy, receipt=record.receipt, until=plus(now, purpose.ask_again_after)
        )
        for purpose in found.purposes
    }
    ref, changes = _mailbox(services, email, granted, now)
    # where somebody decided it too, the mailbox's word is a stream of its own: erasing one leaves the other's evidence
    stream, before = (f"{record.receipt}m", None) if record.device else (record.receipt, record.head)
    facts = {"purposes": list(granted)}
    entry, head = ledger.append(services.vault, before, stream, now, "consent.confirmed", facts, subject=ref)
    after = msgspec.structs.replace(
        record, confirmed_at=now, sealed=None, head=head, expires_at=now + ANSWERED_AGAIN_FOR
    )
    lifted = objections.resumed(services, email, list(granted))
    return [*changes, entry, Update(found.stored, after), *lifted, *_others_know(services, record, granted)]


def _mailbox(services: Services, email: str, granted: dict[str, Decision], now: datetime) -> tuple[str, list[Change]]:
    alias_id = identity.alias(services.vault, "email", email)
    alias = services.store.get(Alias, alias_id)
    links = alias.record.links if alias else []
    # one that moved along to another address with a correction is its old holder's; this may be somebody else
    own = next((link for link in links if link.kind == "mailbox" and link.replaced_at is None), None)
    stored = services.store.get(Subject, own.ref) if own else None
    if own and stored:
        relinked = [msgspec.structs.replace(one, confirmed_at=now) if one is own else one for one in links]
        merged = msgspec.structs.replace(stored.record, decisions=stored.record.decisions | granted)
        return own.ref, [Update(stored, merged), _relinked(alias, alias_id, relinked)]
    ref = new_id()
    subject = Subject(
        kind="mailbox",
        created_at=now,
        sealed=services.vault.seal(f"subjects/{ref}", Identifiers(addresses=[email])),
        decisions=granted,
        asked=list(granted),
    )
    link = Link(ref=ref, kind="mailbox", source="mailbox", confirmed_at=now)
    kept = [one for one in links if one is not own]
    return ref, [Create(ref, subject), _relinked(alias, alias_id, [*kept, link])]


def _relinked(alias: Stored[Alias] | None, alias_id: str, links: list[Link]) -> Change:
    return Update(alias, Alias(links=links)) if alias else Create(alias_id, Alias(links=links))


def _others_know(services: Services, record: Pending, granted: dict[str, Decision]) -> list[Change]:
    """Tell the device or the account that decided it too."""
    refs = [ref for ref in (record.device, record.account) if ref]
    found = [one for ref in refs if (one := services.store.get(Subject, ref))]
    return [Update(one, _told(one.record, record.receipt, granted)) for one in found]


def _told(subject: Subject, receipt: str, granted: dict[str, Decision]) -> Subject:
    # only where its latest word is still the one that was confirmed
    known = {
        name: decision
        for name, decision in granted.items()
        if (latest := subject.decisions.get(name)) and latest.receipt == receipt
    }
    return msgspec.structs.replace(subject, decisions=subject.decisions | known)


def send_confirmation(services: Services, claim: work.Claim) -> None:
    """Mail the link that asks the mailbox (work `consent.mail`)."""
    stored = services.store.get(Pending, claim.work.ref)
    if stored is not None and stored.record.sealed is not None:
        opened = _opened(services, stored)
        words = {
            "purposes": [
                {"title": purpose.title, "why": purpose.why}
                for name in stored.record.purposes
                if (purpose := services.company.purpose(name))
            ],
            "link": f"{services.base_url}/consents/confirm?t={opened['token']}",
            "expires_at": stored.record.expires_at,
        }
        services.postman.post("consent_confirm", opened["email"], opened["locale"], words, claim.id)
    services.commit([claim.done()])
