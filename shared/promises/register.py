"""§9: who works for the company and what for, as one annex: the public list and the register of processing (Art. 30).

Both are derived from the annex, the company's purposes and its contracts. What nobody wrote down is named as missing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.annex import Subprocessor
from shared.company import Company, Purpose
from shared.ports import Services

MEASURES = (
    "personal data sealed with AES-256-GCM, keys wrapped by a key management service",
    "evidence chained, signed and closed daily",
    "each function with an account and secrets of its own",
    "no personal data in logs, queues, addresses or vendors' metadata",
)


def annex(services: Services) -> list[dict[str, Any]]:
    """Return the annex, each entry with its contract as the company states it, and whether it is connected."""
    company, connected = services.company, set(services.connected)
    return [
        msgspec.to_builtins(one)
        | {"contract": _contract(company, one.name), "connected": one.name in connected}
        | {"not_used": company.not_used.get(one.name)}
        for one in services.annex
    ]


def _contract(company: Company, name: str) -> dict[str, Any] | None:
    stated = company.contracts.get(name)
    found: dict[str, Any] | None = msgspec.to_builtins(stated) if stated else None
    return found


def register(services: Services) -> dict[str, Any]:
    """Return the register of processing activities: an entry for each purpose, and what is missing from it."""
    company = services.company
    return {
        "controller": {"name": company.name, "address": company.address, "contact": company.contact},
        "activities": [_activity(services, purpose) for purpose in company.purposes],
        "recipients": annex(services),
        "mailboxes": [_mailbox(company)],
        "measures": list(MEASURES),
        "missing": [*_without_contract(services), *_without_purpose(services)],
    }


def _mailbox(company: Company) -> dict[str, Any]:
    """Return where ordinary mail to the contact address lies: a store of ours that only people reach (TRUTH §12)."""
    return {
        "holds": f"mail to {company.contact} that is no request, with whatever people write in it",
        "goes_to": company.contact_mail_goes_to,
        "kept_for": company.contact_mail_kept_for,
        "erased": "by hand, as part of an erasure, which waits for it",
    }


def _activity(services: Services, purpose: Purpose) -> dict[str, Any]:
    return {
        "purpose": purpose.name,
        "title": purpose.title,
        "why": purpose.why,
        "legal_basis": purpose.legal_basis,
        "subjects": "people with an account, and visitors who were asked",
        "data": purpose.fields,
        "recipients": purpose.recipients,
        "transfers": {one.name: _transfer(services.company, one) for one in _recipients(services, purpose)},
        "kept_for": purpose.kept_for,
        "kept_in_words": purpose.kept_in_words,
    }


def _recipients(services: Services, purpose: Purpose) -> list[Subprocessor]:
    return [one for one in services.annex if one.name in purpose.recipients]


def _transfer(company: Company, recipient: Subprocessor) -> dict[str, Any]:
    contract = company.contracts.get(recipient.name)
    return {"location": recipient.location, "ground": contract.transfer if contract else None}


def _without_contract(services: Services) -> list[str]:
    company = services.company
    return [
        f"contracts.{one.name}"
        for one in services.annex
        if one.name not in company.contracts and one.name not in company.not_used
    ]


def _without_purpose(services: Services) -> list[str]:
    company = services.company
    named = {name for purpose in company.purposes for name in purpose.recipients}
    return [
        f"purposes: none names {one.name}"
        for one in services.annex
        if one.name not in named and one.name not in company.not_used
    ]
