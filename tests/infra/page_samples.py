"""Words for every page: as many as it can be given, and as few as it must be."""

from __future__ import annotations

from typing import Any

import msgspec
from markupsafe import Markup

from shared.annex import ANNEX
from shared.company import Authority, Company, Purpose, Senders
from shared.words import STANDING

COMPANY = Company(
    name="Harbour Prints Ltd",
    address="4 Quay Row, Leith EH6 0AA",
    country="GB",
    contact="privacy@harbour.example",
    contact_mail_goes_to=["team@harbour.example"],
    alerts_to="oncall@harbour.example",
    senders=Senders(service="care@harbour.example", marketing="news@harbour.example"),
    authority=Authority(name="the Information Commissioner", url="https://authority.example/complain"),
    courts="the courts of Scotland",
    purposes=[
        Purpose(
            name="marketing_email",
            title="News by e-mail",
            why="To tell you about new prints, at most once a month",
            legal_basis="consent",
            fields=["e-mail address"],
            kept_for="P2Y",
            kept_in_words="until you withdraw",
            recipients=["sendgrid"],
        )
    ],
)
BASE = "https://pledge.example"
STATUS_URL = f"{BASE}/requests/rq_7c1f9d/?key=Jx2mP0qA9"
JWS = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0." + "c3RhdGVtZW50" * 24 + ".c2lnbmF0dXJl"
STEPS: list[dict[str, Any]] = [
    {
        "subprocessor": "google_analytics",
        "outcome": "scheduled_by_vendor",
        "at": "2026-11-24T09:12:00Z",
        "until": "2027-01-23T09:12:00Z",
        "evidence": {"deletion_requested_at": "2026-11-24T09:12:00Z"},
    },
    {
        "subprocessor": "google_tag_manager",
        "outcome": "no_store",
        "at": "2026-11-24T09:12:01Z",
        "evidence": {"reason": "it loads other tags and keeps only short-lived request logs"},
    },
    {
        "subprocessor": "google_cloud_platform",
        "outcome": "verified",
        "at": "2026-11-23T15:05:00Z",
        "physically_gone_by": "2026-11-30T15:05:00Z",
        "evidence": {"deleted": 14, "read_back": True},
    },
    {
        "subprocessor": "stripe",
        "outcome": "retained",
        "at": "2026-11-24T09:13:00Z",
        "ground": "invoices, Companies Act 2006 s. 388",
        "until": "2032-11-24T00:00:00Z",
        "evidence": {"parts": [{"customers": 1}, {"payments": 3}]},
    },
    {"subprocessor": "sendgrid", "outcome": "accepted", "at": "2026-11-25T15:00:00Z", "until": "2026-12-25T15:00:00Z"},
    {"subprocessor": "facebook", "outcome": "failed", "at": "2026-11-24T09:14:00Z", "attempts": 6},
    {"subprocessor": "instagram", "outcome": "pending", "at": "2026-11-24T09:14:00Z"},
]
VIEW: dict[str, Any] = {
    "request_id": "rq_7c1f9d2e4b",
    "right": "erasure",
    "status": "in_progress",
    "received_at": "2026-11-22T14:40:00Z",
    "verified_at": "2026-11-22T15:00:00Z",
    "promise": {
        "by": "2026-12-06T15:00:00Z",
        "ours_done_at": "2026-11-23T15:05:00Z",
        "met": False,
        "outstanding": [{"subprocessor": "google_analytics", "until": "2027-01-23T09:12:00Z"}],
    },
    "statutory_by": "2026-12-22T14:40:00Z",
    "paused": True,
    "extended": True,
    "steps": STEPS,
}
WAITING = {
    "request_id": "rq_7c1f9d2e4b",
    "right": "access",
    "status": "unverified",
    "received_at": "2026-11-22T14:40:00Z",
    "promise": {"outstanding": []},
    "statutory_by": "2026-12-22T14:40:00Z",
    "steps": [],
}
ACCOUNTS = [
    {"n": 1, "masked": "u-…41 · M. H.", "chosen": True},
    {"n": 2, "masked": "u-…97 · J. H.", "chosen": False},
]
RIGHTS = [
    ("access", "A copy of the data you hold about me"),
    ("rectification", "Correct my data"),
    ("erasure", "Delete my data"),
    ("restriction", "Stop using my data while a question is open"),
    ("portability", "My data in a form I can take elsewhere"),
    ("objection", "Stop using my data for marketing"),
]
NOT_CONNECTED = [
    {"name": "facebook", "title": "Facebook"},
    {"name": "instagram", "title": "Instagram", "why": "not used: we place no advertisements there"},
]
STATEMENT = {
    "request_id": "rq_7c1f9d2e4b",
    "right": "erasure",
    "status": "partly_retained",
    "received_at": "2026-11-22T14:40:00Z",
    "verified_at": "2026-11-22T15:00:00Z",
    "promise": {**VIEW["promise"], "met": True},
    "lines": [
        {**step, "title": step["subprocessor"].replace("_", " ").title(), "words": "What became of it, in words"}
        for step in STEPS[:5]
    ],
    "survives": [
        {"what": "Proof of this request", "why": "to show that the law was kept", "until": "2029-12-31T00:00:00Z"},
        {"what": "A mark that stops mails", "why": "you objected", "until": None},
    ],
    "not_connected": NOT_CONNECTED,
    "standing": STANDING,
}
PURPOSES = [{"title": "News by e-mail", "why": "To tell you about new prints, at most once a month"}]
RECEIPT = {
    "schema": "ISO/IEC TS 27560",
    "receipt_id": "rc_91ab44",
    "policy": {"version": "2026-11-01", "hash": "9f2b" * 16},
    "purposes": [{"name": "marketing_email", "granted": True}, {"name": "ads", "granted": False}],
    "language": "en",
}
BODY = Markup(
    "<h1>Privacy policy</h1><p>We keep what we promise.</p><h2>1. What we take</h2>"
    "<p>Your name and address, and what you order.</p><ul><li>To send your order</li><li>To answer you</li></ul>"
    "<table><thead><tr><th>Data</th><th>Kept for</th></tr></thead>"
    "<tbody><tr><td>Orders</td><td>6 years</td></tr></tbody></table>"
)
ENTRIES: list[dict[str, Any]] = [
    {
        **msgspec.to_builtins(entry),
        "connected": entry.name not in {"facebook", "instagram"},
        "not_used": None,
        "contract": {"signed": "2026-01-12", "reviewed": "2026-01-12", "transfer": "standard clauses", "contact": "x"},
    }
    for entry in ANNEX
]
ENTRIES[-1]["not_used"] = "we place no advertisements there"

FULL: dict[str, dict[str, Any]] = {
    "problem": {
        "title": "That request cannot be accepted",
        "rule": "an e-mail address is needed",
        "field": "email",
        "status": 400,
    },
    "request_new": {
        "action": f"{BASE}/requests",
        "rights": RIGHTS,
        "values": {"email": "mara@", "right": "erasure", "details": "My old account too, please."},
        "problem": {"rule": "an e-mail address is needed", "field": "email"},
    },
    "request_received": {
        "request_id": "rq_7c1f9d2e4b",
        "status_url": STATUS_URL,
        "received_at": "2026-11-22T14:40:00Z",
        "statutory_by": "2026-12-22T14:40:00Z",
    },
    "request_confirm": {
        "masked": "m…@h….example",
        "right": "erasure",
        "action": f"{BASE}/requests/rq_7c1f9d/confirm?t=abc",
        "promise_days": 14,
        "cooling_off_words": "24 hours",
        "used": False,
    },
    "request_confirmed": {
        "view": {
            **WAITING,
            "right": "erasure",
            "status": "verified",
            "begins_at": "2026-11-23T15:00:00Z",
            "promise": {"by": "2026-12-06T15:00:00Z"},
        },
        "status_url": STATUS_URL,
        "accounts": ACCOUNTS,
        "accounts_action": f"{BASE}/requests/rq_7c1f9d/accounts?key=abc",
    },
    "request": {
        "view": VIEW,
        "not_connected": NOT_CONNECTED,
        "accounts": ACCOUNTS,
        "accounts_action": f"{BASE}/requests/rq_7c1f9d/accounts?key=abc",
        "cancel_action": f"{BASE}/requests/rq_7c1f9d/cancel?key=abc",
        "statement_url": f"{BASE}/requests/rq_7c1f9d/statement?key=abc",
    },
    "request_cancel": {
        "masked": "m…@h….example",
        "action": f"{BASE}/requests/rq_7c1f9d/cancel?t=abc",
        "possible": True,
    },
    "request_cancelled": {},
    "statement": {"statement": STATEMENT, "jws": JWS},
    "consent_confirm": {
        "masked": "m…@h….example",
        "purposes": PURPOSES,
        "action": f"{BASE}/consents/confirm?t=abc",
        "used": False,
    },
    "consent_confirmed": {"purposes": PURPOSES},
    "receipt": {
        "receipt": RECEIPT,
        "decisions": [
            {"title": "News by e-mail", "granted": True, "pending": True},
            {"title": "Counting visits", "granted": True, "pending": False},
            {"title": "Advertisements", "granted": False, "pending": False},
        ],
        "jws": JWS,
    },
    "policy": {
        "title": "Privacy policy",
        "version": "2026-11-01",
        "hash": "9f2b" * 16,
        "effective_at": "2026-11-01T00:00:00Z",
        "published_at": "2026-10-15T08:00:00Z",
        "body_html": BODY,
        "upcoming": {
            "version": "2027-01-01",
            "effective_at": "2027-01-01T00:00:00Z",
            "summary": "Orders are kept for six years instead of seven.",
        },
        "versions": [
            {"version": "2026-11-01", "effective_at": "2026-11-01T00:00:00Z"},
            {"version": "2025-05-01", "effective_at": "2025-05-01T00:00:00Z"},
        ],
    },
    "policy_diff": {
        "a": "2025-05-01",
        "b": "2026-11-01",
        "changes": [
            {"op": "equal", "old_html": "Orders are kept for ", "new_html": "Orders are kept for "},
            {"op": "replace", "old_html": "seven", "new_html": "six"},
            {"op": "equal", "old_html": " years.\n\n", "new_html": " years.\n\n"},
            {"op": "insert", "old_html": "", "new_html": "You can ask for a copy at any time."},
            {"op": "delete", "old_html": "We keep logs.", "new_html": ""},
        ],
    },
    "subprocessors": {"entries": ENTRIES},
    "site": {"pages": {"policy": "/policy", "subprocessors": "/policy/subprocessors", "request": "/requests/new"}},
}
MINIMAL: dict[str, dict[str, Any]] = {
    "problem": {"title": "Not found", "rule": "there is nothing at this address", "field": None, "status": 404},
    "request_new": {"action": "/requests", "rights": RIGHTS, "values": {}, "problem": None},
    "request_confirm": {**FULL["request_confirm"], "masked": "", "right": "access", "cooling_off_words": None},
    "request_confirmed": {"view": WAITING, "status_url": STATUS_URL, "accounts": [], "accounts_action": None},
    "request": {
        "view": WAITING,
        "not_connected": [],
        "accounts": [],
        "accounts_action": None,
        "cancel_action": None,
        "statement_url": None,
    },
    "request_cancel": {"masked": "m…@h….example", "action": "/cancel", "possible": False},
    "statement": {
        "statement": {
            **{key: STATEMENT[key] for key in ("request_id", "right", "status", "received_at", "standing")},
            "lines": [],
        },
        "jws": JWS,
    },
    "consent_confirm": {"masked": "", "purposes": [], "action": "/consents/confirm", "used": True},
    "consent_confirmed": {"purposes": []},
    "receipt": {"receipt": {}, "decisions": [], "jws": JWS},
    "policy": {**FULL["policy"], "upcoming": None, "versions": []},
    "policy_diff": {"a": "1", "b": "2", "changes": []},
    "subprocessors": {"entries": []},
}
PAGES = [(page, "full", words) for page, words in FULL.items()]
PAGES += [(page, "minimal", words) for page, words in MINIMAL.items()]
