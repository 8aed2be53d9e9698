"""Words for every mail: as many as it can be given, and as few as it must be."""

from __future__ import annotations

from typing import Any

from shared.words import STANDING
from tests.infra.page_samples import BASE, COMPANY, PURPOSES, STATUS_URL

ALWAYS: dict[str, Any] = {"company": COMPANY, "policy_url": f"{BASE}/policy", "contact": COMPANY.contact}
CONFIRM_LINK = f"{BASE}/requests/rq_7c1f9d/confirm?t=Vw3kJ8sQ2nLr6tYb0xZcF5hM1pDg9aEu"
CANCEL_LINK = f"{BASE}/requests/rq_7c1f9d/cancel?t=Bq7mT4wXk2nV9sLd6rGyJ0fC3hPzA8eU"
ASKED = {
    "right": "erasure",
    "link": CONFIRM_LINK,
    "expires_at": "2026-12-20T14:40:00Z",
    "received_at": "2026-11-22T14:40:00Z",
}
VERIFIED: dict[str, Any] = {
    "right": "erasure",
    "status_url": STATUS_URL,
    "cancel_link": CANCEL_LINK,
    "begins_at": "2026-11-23T15:00:00Z",
    "promise_by": "2026-12-06T15:00:00Z",
    "statutory_by": "2026-12-22T14:40:00Z",
    "choose": True,
}
CLOSING: dict[str, Any] = {
    "right": "erasure",
    "status_url": STATUS_URL,
    "done": ["Google Cloud Platform: deleted, and checked that it is gone", "Google Tag Manager: keeps nothing"],
    "open": ["Google Analytics: told to delete; it says that it will do so by 23 January 2027, 09:12 UTC"],
    "kept": ["Stripe: invoices, Companies Act 2006 s. 388, until 24 November 2032, 00:00 UTC"],
    "survives": ["Proof of this request, until 31 December 2029, so that it can be checked"],
    "not_connected": ["Facebook", "Instagram"],
    "standing": STANDING,
}
STUCK: dict[str, Any] = {
    "kind": "step.failed",
    "ref": "rq_7c1f9d2e4b",
    "subprocessor": "stripe",
    "problem": "locked_by_other_job",
    "since": "2026-11-24T09:13:00Z",
}
LATE = {**STUCK, "kind": "deadline.near", "subprocessor": None, "problem": None}

FULL: dict[str, dict[str, Any]] = {
    "request_confirm": ASKED,
    "request_reminder": ASKED,
    "request_unconfirmed": {
        "right": "access",
        "received_at": "2026-11-22T14:40:00Z",
        "new_request_url": f"{BASE}/requests/new",
    },
    "request_verified": VERIFIED,
    "request_notice": {"right": "erasure", "cancel_link": CANCEL_LINK, "begins_at": "2026-11-23T15:00:00Z"},
    "request_cancelled": {"right": "erasure"},
    "request_denied": {"right": "erasure", "reason": "the order named in your request is not yours"},
    "request_extended": {
        "right": "access",
        "reason": "we have to search paper records in two places",
        "statutory_by": "2027-02-22T14:40:00Z",
    },
    "request_paused": {"right": "access", "reason": "which of the two shops did you order from, and when?"},
    "request_closing": CLOSING,
    "consent_confirm": {
        "purposes": PURPOSES,
        "link": f"{BASE}/consents/confirm?t=Vw3kJ8",
        "expires_at": "2026-11-29T14:40:00Z",
    },
    "operator_alert": {"items": [STUCK, LATE], "console_url": f"{BASE}/operator/attention"},
}
MINIMAL: dict[str, dict[str, Any]] = {
    "request_verified": {
        **VERIFIED,
        "right": "access",
        "cancel_link": None,
        "begins_at": None,
        "promise_by": None,
        "choose": False,
    },
    "request_notice": {**FULL["request_notice"], "begins_at": None},
    "request_cancelled": {"right": "objection"},
    "request_closing": {
        **CLOSING,
        "right": "objection",
        "done": [],
        "open": [],
        "kept": [],
        "survives": [],
        "not_connected": [],
    },
    "consent_confirm": {**FULL["consent_confirm"], "purposes": []},
    "operator_alert": {**FULL["operator_alert"], "items": [LATE]},
}
SAMPLES = [(mail, "full", words) for mail, words in FULL.items()]
SAMPLES += [(mail, "minimal", words) for mail, words in MINIMAL.items()]
