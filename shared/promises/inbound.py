"""§5.1, §6: whoever writes to the contact address is heard: asking for a right, saying no to marketing, or anything else.

A mail proves nobody: a right it asks for opens a request that waits for the mailbox to confirm it. Only a no to marketing
acts at once, when the sender's domain stands for the mail. What is unclear goes to a person, and the rest is handed on to
those who answer it. Nothing that came in is lost, and nothing is guessed.
"""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256
from typing import Literal, NamedTuple

from shared import identity, throttle
from shared.failures import BadInput, TooMany
from shared.mail_reading.reading import Reading, read
from shared.mail_reading.received import Mail, is_aligned, is_automatic, is_mailing
from shared.ports import Services
from shared.promises import mailbox, objections, requests, unsubscribing
from shared.promises.objections import MARKETING
from shared.records import WebhookEvent
from shared.store import Change, Create, persist
from shared.vault import canonical

Became = Literal["ignored", "duplicate", "request", "stopped", "asked_back", "for_a_person", "forwarded"]
REPEATED_FOR = timedelta(days=7)
"""SendGrid repeats a delivery for three days."""
FROM_OUR_HEADER = re.compile(r"\s*unsubscribe\s+([\w-]{1,100})\s*", re.IGNORECASE)
"""The subject that our own `List-Unsubscribe` has a mailbox write (RFC 2369)."""
STOPPING = frozenset({None, "several", "objection", "withdrawal"})
"""Doubts beside which a clear no to marketing acts all the same: stop broadly (TRUTH §1)."""


class _Heard(NamedTuple):
    """A mail with all that is known of it. `lists`: what of marketing it says no to."""

    mail: Mail
    address: str
    aligned: bool
    reading: Reading
    lists: list[str]


# --- taking it in ----------------------------------------------------------------------------------------------------


def take(services: Services, mail: Mail) -> Became:
    """Take a mail, once; return what became of it. Its repeat changes nothing. Raises TryAgain."""
    company = services.company
    ours = {_bare(one) for one in (company.senders.service, company.senders.marketing, company.contact)}
    if is_automatic(mail, ours):
        return "ignored"
    heard = _heard(services, mail)
    claim = f"sendgrid-inbound:{services.vault.keyed('inbound', _fingerprint(mail))}"

    def attempt(look: bool) -> Became:
        if look and services.store.get(WebhookEvent, claim) is not None:
            return "duplicate"
        changes, became = _decided(services, heard, look=look)
        taken = Create(claim, WebhookEvent(expires_at=services.clock.now() + REPEATED_FOR))
        services.commit([taken, *changes])
        return became

    return persist(attempt)


def _heard(services: Services, mail: Mail) -> _Heard:
    address = _sole_address(mail)
    aligned = bool(address) and is_aligned(mail, address)
    if lists := _listed(services, mail):
        return _Heard(mail, address, aligned, Reading(), lists)
    reading = Reading() if is_mailing(mail) else read(mail.subject, mail.text)
    says_no = reading.stops_marketing or reading.right == "objection" or reading.doubt == "withdrawal"
    return _Heard(mail, address, aligned, reading, [MARKETING] if says_no else [])


def _sole_address(mail: Mail) -> str:
    """Return who wrote it; `""` for nobody, several, or what is no address."""
    if len(mail.senders) != 1:
        return ""
    try:
        return identity.address(mail.senders[0])
    except BadInput:
        return ""


def _listed(services: Services, mail: Mail) -> list[str]:
    named = FROM_OUR_HEADER.fullmatch(mail.subject)
    return [one for one in unsubscribing.lists(services.company) if named and one == named[1].lower()]


def _fingerprint(mail: Mail) -> str:
    # with the text: a Message-ID is the sender's word, and nobody's mail may be kept out by another's
    return sha256(canonical([mail.message_id, mail.sender, mail.subject, mail.text, mail.html])).hexdigest()


def _bare(sender: str) -> str:
    return sender.rpartition("<")[2].strip("<> ").lower()


# --- deciding --------------------------------------------------------------------------------------------------------


def _decided(services: Services, heard: _Heard, *, look: bool) -> tuple[list[Change], Became]:
    reading, now = heard.reading, services.clock.now()
    doubt = _doubt(heard)
    kept = mailbox.of(heard.mail, heard.address, reading.language, aligned=heard.aligned)
    stops = _stops(services, heard) if heard.lists and heard.aligned and doubt in STOPPING else []
    if doubt:
        return [*stops, *mailbox.for_a_person(services, kept, doubt)], "for_a_person"
    asks_back = bool(heard.lists) and not heard.aligned
    answered = bool(reading.right) or asks_back
    try:
        places = [throttle.place(services, heard.address, now, look=look)] if answered else []
    except TooMany:
        return [*stops, *mailbox.for_a_person(services, kept, "throttled")], "for_a_person"
    asked = mailbox.to_be_asked_back(services, heard.address, reading.language) if asks_back else []
    if reading.right:
        return [*places, *stops, *asked, *_request(services, heard)], "request"
    if heard.lists:
        return [*places, *stops, *asked], "asked_back" if asks_back else "stopped"
    return mailbox.to_be_forwarded(services, kept), "forwarded"


def _doubt(heard: _Heard) -> str | None:
    """Say why a person must look at it, if one must."""
    reading = heard.reading
    if heard.mail.damaged:
        return "damaged"
    if reading.doubt:
        return reading.doubt
    if (reading.right or heard.lists) and not heard.address:
        return "no_sender"
    # it acts without proof once it is entered, and somebody must see which use of the data it means (Art. 21(1))
    return "objection" if reading.right == "objection" else None


def _stops(services: Services, heard: _Heard) -> list[Change]:
    agreed = {one.name for one in services.company.purposes if one.legal_basis == "consent"}
    reason: objections.Reason = "withdrawn" if set(heard.lists) <= agreed else "objection"
    return objections.stop(services, heard.address, heard.lists, reason, "mail")


def _request(services: Services, heard: _Heard) -> list[Change]:
    """Open a request that waits for the mailbox; the mail's words go with it, and end with it."""
    right, mail = heard.reading.right, heard.mail
    if right is None:
        return []
    case = requests.new_case(services, right, "mail", heard.reading.language, services.clock.now())
    said = f"{mail.subject}\n\n{mail.text}".strip()
    requests.take_address(case, heard.address, said[: requests.LONGEST_DETAILS])
    return case.changes()
