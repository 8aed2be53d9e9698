"""§5.1: a mail that asks for nothing we do by ourselves is kept, sealed, until somebody has it.

What is not about rights is handed on to those who answer it, as it was written; what is unclear waits for a person, who reads
it and says what was done; a no to marketing that anybody may have written is asked back. Then it is forgotten; of what
was handed on a keyed code remembers, for as long as that mailbox keeps it, that an erasure must reach it too (TRUTH §12).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import msgspec

from shared import attention, identity, ledger, work
from shared.failures import BadInput, Missing
from shared.mail_reading.received import Attachment, Mail
from shared.own_records import MAIL_KINDS
from shared.ports import Forwarded, Services
from shared.promises import unsubscribing
from shared.promises.objections import MARKETING
from shared.records import Attention, HandedMail, InboundMail
from shared.store import Change, Create, Delete, Stored, persist
from shared.times import plus, rfc3339
from shared.vault import new_id
from shared.work import Claim

FORWARD, ASK = "mailbox.forward", "mailbox.ask"
KEPT_FOR = timedelta(days=90)
LONGEST_REASON = 4000
KIND_OF_DOUBT = {
    "somebody_else": "mail_about_somebody_else",
    "complaint": "mail_complaint",
    "objection": "mail_objection",
    "withdrawal": "mail_withdrawal",
    "throttled": "mail_throttled",
}


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `InboundMail.sealed` opens to. `address`: of its sender, checked; `aligned`: its domain stands for the mail."""

    sender: str
    subject: str
    text: str
    html: str
    address: str = ""
    aligned: bool = False
    language: str = "en"
    doubt: str = ""
    attachments: list[Attachment] = []
    left_out: list[str] = []


# --- keeping ---------------------------------------------------------------------------------------------------------


def of(mail: Mail, address: str, language: str, *, aligned: bool) -> Kept:
    """Return what is kept of a mail. `address`: of its sender, checked, `""` where there is none."""
    return Kept(
        sender=mail.sender,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        address=address,
        aligned=aligned,
        language=language,
        attachments=mail.attachments,
        left_out=mail.left_out,
    )


def for_a_person(services: Services, kept: Kept, doubt: str) -> list[Change]:
    """Return what keeps it and puts it on the list. Its files are not kept: nobody proved whose they are."""
    names = [*(one.name for one in kept.attachments), *kept.left_out]
    kept = msgspec.structs.replace(kept, doubt=doubt, attachments=[], left_out=names)
    mail_id, change = _kept(services, kept, "person")
    kind = KIND_OF_DOUBT.get(doubt, "mail_unclear")
    return [change, *attention.raised(kind, mail_id, services.clock.now(), doubt)]


def to_be_forwarded(services: Services, kept: Kept) -> list[Change]:
    """Return what keeps it until it was handed on, and what remembers for longer that the people who answer have it."""
    mail_id, change = _kept(services, kept, "forward")
    # at once, and not when it was sent: an erasure at that very moment must know of it
    return [change, *_remembered(services, kept, mail_id), work.item(FORWARD, mail_id, services.clock.now())]


def _remembered(services: Services, kept: Kept, mail_id: str) -> list[Change]:
    if not kept.address:
        return []
    now = services.clock.now()
    until = plus(now, services.company.contact_mail_kept_for)
    address = identity.alias(services.vault, "email", kept.address)
    return [Create(mail_id, HandedMail(received_at=now, expires_at=until, address=address))]


def to_be_asked_back(services: Services, address: str, language: str) -> list[Change]:
    """Return what keeps an address until it was asked whether it wrote the no to marketing."""
    kept = Kept(sender="", subject="", text="", html="", address=address, language=language)
    mail_id, change = _kept(services, kept, "ask")
    return [change, work.item(ASK, mail_id, services.clock.now())]


def _kept(services: Services, kept: Kept, waits: Literal["forward", "ask", "person"]) -> tuple[str, Change]:
    mail_id, now = new_id(), services.clock.now()
    record = InboundMail(
        waits=waits,
        received_at=now,
        expires_at=now + KEPT_FOR,
        sealed=services.vault.seal(f"inbound_mails/{mail_id}", kept),
        address=identity.alias(services.vault, "email", kept.address) if kept.address else "",
    )
    return mail_id, Create(mail_id, record)


def _opened(services: Services, stored: Stored[InboundMail]) -> Kept:
    return msgspec.convert(services.vault.unseal(f"inbound_mails/{stored.id}", stored.record.sealed), Kept)


# --- work ------------------------------------------------------------------------------------------------------------


def forward(services: Services, claim: Claim) -> None:
    """Hand a mail on to those who answer it, then forget it (work `mailbox.forward`)."""
    stored = services.store.get(InboundMail, claim.work.ref)
    if stored is not None:
        kept = _opened(services, stored)
        services.postman.forward(_handed_on(kept), services.company.contact_mail_goes_to, claim.id)
    services.commit([Delete(InboundMail, claim.work.ref), claim.done()])


def _handed_on(kept: Kept) -> Forwarded:
    """Return it as it was written; only what had to be left out is told, above it."""
    missing = f"[Not passed on, too large or not readable: {', '.join(kept.left_out)}]" if kept.left_out else ""
    text = "\n\n".join(part for part in (missing, kept.text if kept.text.strip() else "") if part)
    return Forwarded(
        subject=kept.subject or "(no subject)",
        text=text or "(no text)",
        html=f"<p>{_escaped(missing)}</p>\n{kept.html}" if missing and kept.html else kept.html,
        answers_to=kept.address,
        attachments=kept.attachments,
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ask_back(services: Services, claim: Claim) -> None:
    """Send a link that stops marketing to the address a mail claims to come from (work `mailbox.ask`)."""
    stored = services.store.get(InboundMail, claim.work.ref)
    if stored is not None:
        kept = _opened(services, stored)
        link = unsubscribing.link(services, kept.address, MARKETING)
        words = {"link": link, "received_at": stored.record.received_at}
        services.postman.post("inbound_ask_back", kept.address, kept.language, words, claim.id)
    services.commit([Delete(InboundMail, claim.work.ref), claim.done()])


# --- a person --------------------------------------------------------------------------------------------------------


def shown(services: Services, mail_id: str) -> dict[str, Any]:
    """Return a mail that waits for a person. Raises Missing."""
    stored = services.store.get(InboundMail, mail_id)
    if stored is None:
        raise Missing("there is no such mail; it was dealt with, or its time is over")
    kept = _opened(services, stored)
    return {
        "mail_id": mail_id,
        "received_at": rfc3339(stored.record.received_at),
        "expires_at": rfc3339(stored.record.expires_at),
        "doubt": kept.doubt,
        "from": kept.sender,
        "email": kept.address or None,
        "domain_stands_for_it": kept.aligned,
        "language": kept.language,
        "subject": kept.subject,
        "text": kept.text,
        "left_out": kept.left_out,
    }


def settle(services: Services, mail_id: str, reason: str, by: str) -> dict[str, Any]:
    """Forget a mail that a person has dealt with, with evidence of who did. Again, it is missing. Raises Missing."""
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise BadInput(f"1 to {LONGEST_REASON} characters", "reason")

    def attempt(_look: bool) -> dict[str, Any]:
        gone = _waiting(services, mail_id)
        if not gone:
            raise Missing("there is no such mail; it was dealt with")
        services.commit([*gone, _settled(services, mail_id, reason, by)])
        return {"mail_id": mail_id, "settled": True}

    return persist(attempt)


def _waiting(services: Services, mail_id: str) -> list[Change]:
    """Return what removes a mail that waits for a person, and what points at it: of two who settle it one comes too late."""
    stored = services.store.get(InboundMail, mail_id)
    waits = stored is not None and stored.record.waits == "person"
    names = [attention.attention_id(kind, mail_id) for kind in MAIL_KINDS]
    listed = [one for name in names if (one := services.store.get(Attention, name))]
    pointers: list[Change] = [Delete(Attention, one.id, one.version) for one in listed]
    return [Delete(InboundMail, stored.id, stored.version), *pointers] if stored and waits else pointers


def _settled(services: Services, mail_id: str, reason: str, by: str) -> Change:
    stream = new_id()
    private = services.vault.seal(f"ledger/{ledger.entry_id(stream, 1)}", reason)
    facts = {"mail": mail_id, "by": by}
    return ledger.append(services.vault, None, stream, services.clock.now(), "mail.settled", facts, private)[0]
