"""Words for every mail: as many as it can be given, and as few as it must be."""

from __future__ import annotations

from typing import Any

from shared.words import STANDING
from tests.infra.page_samples import BASE, COMPANY, PURPOSES, STATUS_URL

ALWAYS: dict[str, Any] = {
    "company": COMPANY,
    "policy_url": f"{BASE}/policy",
    "preferences_url": f"{BASE}/unsubscribe/preferences?t={'Zk3vN8-q' * 16}",
    "contact": COMPANY.contact,
}
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
    "new_request_url": f"{BASE}/requests/new",
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
ENDING: dict[str, Any] = {
    "why": "subscription_ended",
    "received_at": "2026-11-22T15:00:00Z",
    "begins_at": "2026-11-30T15:00:00Z",
    "promise_by": "2026-12-06T15:00:00Z",
    "keep_link": f"{BASE}/requests/rq_7c1f9d/keep?t=Bq7mT4wXk2nV9sLd6rGyJ0fC3hPzA8eU",
    "new_request_url": f"{BASE}/requests/new",
}
POLICY_CHANGED: dict[str, Any] = {
    "title": "Privacy policy of Sample Rooms",
    "summary": "we use a new service to count visits; invoices are kept for six years instead of seven",
    "recipients_added": ["Parcel Post", "Kiln & Co"],
    "recipients_gone": ["Instagram"],
    "material": True,
    "effective_at": "2026-12-15T00:00:00Z",
    "published_at": "2026-11-22T15:00:00Z",
    "version_url": f"{BASE}/policy/2026-11-22",
    "difference_url": f"{BASE}/policy/2026-01-12...2026-11-22",
    "in_place_of": [{"version_url": f"{BASE}/policy/2026-11-01", "effective_at": "2027-01-01T00:00:00Z"}],
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
    "request_done": {
        "right": "rectification",
        "corrected": ["name", "e-mail address"],
        "done": ["Stripe: Corrected, and checked"],
        "not_done": ["Google Analytics: Holds nothing there that could be corrected (it is sent no name)"],
        "status_url": STATUS_URL,
        "standing": STANDING,
    },
    "request_restriction_ends": {
        "ends_at": "2026-12-06T15:00:00Z",
        "reason": "the accuracy was checked; the data is right",
    },
    "address_confirm": {"link": CONFIRM_LINK, "expires_at": "2026-11-29T14:40:00Z"},
    "export_ready": {
        "right": "access",
        "link": f"{BASE}/requests/rq_7c1f9d/export?key=Zr8nK1vTq5",
        "until": "2026-12-06T15:00:00Z",
        "missing": ["Facebook: which custom audiences a person is in"],
        "status_url": STATUS_URL,
    },
    "ending_first": ENDING,
    "ending_again": ENDING,
    "ending_stopped": {"reason": "kept", "new_request_url": f"{BASE}/requests/new"},
    "inbound_ask_back": {"link": f"{BASE}/unsubscribe?t=Vw3kJ8", "received_at": "2026-11-22T14:40:00Z"},
    "objection_stopped": {"title": "News and offers by e-mail", "decided": True},
    "policy_changed": POLICY_CHANGED,
    "consent_confirm": {
        "purposes": PURPOSES,
        "link": f"{BASE}/consents/confirm?t=Vw3kJ8",
        "expires_at": "2026-11-29T14:40:00Z",
    },
    "operator_alert": {"items": [STUCK, LATE], "older": 3, "console_url": f"{BASE}/operator/attention"},
}
MINIMAL: dict[str, dict[str, Any]] = {
    "export_ready": {**FULL["export_ready"], "right": "portability", "missing": []},
    "request_verified": {
        **VERIFIED,
        "right": "access",
        "cancel_link": None,
        "begins_at": None,
        "promise_by": None,
        "choose": False,
    },
    "policy_changed": {
        **POLICY_CHANGED,
        "summary": "",
        "recipients_added": [],
        "recipients_gone": [],
        "material": False,
        "difference_url": None,
        "in_place_of": [],
    },
    "request_notice": {**FULL["request_notice"], "begins_at": None},
    "request_cancelled": {"right": "objection"},
    "objection_stopped": {"title": "Keeping fraud away", "decided": False},
    "request_done": {
        "right": "restriction",
        "corrected": [],
        "done": [],
        "not_done": [],
        "status_url": STATUS_URL,
        "standing": STANDING,
    },
    "request_restriction_ends": {"ends_at": "2026-12-06T15:00:00Z", "reason": ""},
    "request_closing": {
        **CLOSING,
        "right": "objection",
        "done": [],
        "open": [],
        "kept": [],
        "survives": [],
        "not_connected": [],
    },
    "ending_first": {**ENDING, "why": "account_closed"},
    "ending_again": {**ENDING, "why": "account_closed"},
    "ending_stopped": {**FULL["ending_stopped"], "reason": "dispute"},
    "consent_confirm": {**FULL["consent_confirm"], "purposes": []},
    "operator_alert": {**FULL["operator_alert"], "items": [LATE], "older": 0},
}
SAMPLES = [(mail, "full", words) for mail, words in FULL.items()]
SAMPLES += [(mail, "minimal", words) for mail, words in MINIMAL.items()]
