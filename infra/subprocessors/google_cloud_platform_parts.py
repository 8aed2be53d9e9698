"""Google Cloud Platform: what is told. Of an erasure, each part names the stores it stood in and when the last copy is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.identity import Identifiers
from shared.own_records import MAILBOX
from shared.ports import Corrections, Part
from shared.records import Outcome, Retained
from shared.store import Stored
from shared.times import rfc3339

OWN = ("subjects", "links", "evidence", "pendings", "mails")
"""`pendings`: consents that waited for a mailbox; `mails`: what was written to the contact address and still waits here."""
DOCUMENTS = ("documents", "pared")
WEBSITE = (*DOCUMENTS, "files")
SIGN_IN = ("sign_ins",)
CORRECTED = "our own records are corrected with the request, and read again here"
HANDED_ON = (
    "what you wrote to our contact address was handed on to the people who answer it; they delete it there by hand"
)
BY_HAND = "which of the website's fields hold a name or an address is not declared, so its own people correct them"


@dataclass(frozen=True, slots=True)
class LastCopies:
    """When the last copy in each store is gone: backups, point-in-time recovery and soft delete included."""

    ours: datetime
    documents: datetime
    files: datetime
    sign_ins: datetime | None = None


def parts(found: Mapping[str, int], kept: Sequence[Stored[Retained]], last: LastCopies) -> list[Part]:
    """Tell what was found, counted, and what law keeps, by ground. The sign-in account only where there is such a store."""
    stood = {
        **({"documents": last.documents} if _any(found, DOCUMENTS) else {}),
        **({"files": last.files} if found.get("files") else {}),
    }
    told = [
        _deleted("our records", found, OWN, {"records": last.ours} if _any(found, OWN) else {}),
        _deleted("website data", found, WEBSITE, stood),
    ]
    if last.sign_ins:
        told.append(
            _deleted("sign-in account", found, SIGN_IN, {"sign_ins": last.sign_ins} if found.get("sign_ins") else {})
        )
    by_ground: dict[str, list[Retained]] = {}
    for stored in kept:
        by_ground.setdefault(stored.record.ground, []).append(stored.record)
    return told + [_retained(ground, records, last.documents) for ground, records in by_ground.items()]


def mailbox(mails: int) -> list[Part]:
    """Tell that mails lie where only a person can delete them; nothing where none do."""
    evidence = {"mails": mails, "reason": HANDED_ON}
    return [Part(outcome="pending", name=MAILBOX, evidence=evidence)] if mails else []


def _any(found: Mapping[str, int], what: Iterable[str]) -> bool:
    return any(found.get(one) for one in what)


def _deleted(name: str, found: Mapping[str, int], what: Sequence[str], stood: Mapping[str, datetime]) -> Part:
    evidence: dict[str, Any] = {one: found.get(one, 0) for one in what}
    if stood and what is not OWN:
        evidence["last_copies"] = {store: rfc3339(at) for store, at in stood.items()}
    return Part(
        outcome="verified" if stood else "nothing_found",
        name=name,
        physically_gone_by=max(stood.values(), default=None),
        evidence=evidence,
    )


def _retained(ground: str, records: Sequence[Retained], gone_by: datetime) -> Part:
    return Part(
        outcome="retained",
        name=f"website data: {ground}",
        ground=ground,
        until=max(record.until for record in records),
        physically_gone_by=gone_by,
        evidence={"documents": len(records)},
    )


def rectified(opened: Sequence[Identifiers], corrections: Corrections, website_holds: bool) -> list[Part]:
    """Tell whether our records say what was corrected, and that the website's own people must correct theirs."""
    ours: Outcome = "nothing_found" if not opened else "failed"
    if opened and all(_says(known, corrections) for known in opened):
        ours = "verified"
    website: Outcome = "failed" if website_holds else "nothing_found"
    return [
        Part(outcome=ours, name="our records", evidence={"subjects": len(opened), "reason": CORRECTED}),
        Part(outcome=website, name="website data", evidence={"reason": BY_HAND}),
    ]


def _says(known: Identifiers, corrections: Corrections) -> bool:
    newest = known.addresses[-1] if known.addresses else None
    wanted = (corrections.name, corrections.locale, corrections.country, corrections.email)
    there = (known.name, known.locale, known.country, newest)
    return all(one is None or one == said for one, said in zip(wanted, there, strict=True))
