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
EXPORT = {
    "ready_at": "2026-11-22T15:10:00Z",
    "until": "2026-12-06T15:10:00Z",
    "bytes": 48213,
    "fetched_at": "2026-11-23T08:00:00Z",
}
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
    "export": EXPORT,
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
PREFERENCES: list[dict[str, Any]] = [
    {
        "name": f"purpose_{n}",
        "title": title,
        "why": f"To show how {title} looks",
        "legal_basis": basis,
        "retention": "as long as it takes",
        "recipients": ["sendgrid", "stripe"][:n],
        "can": can,
        **switch,
    }
    for n, (title, basis, can, switch) in enumerate(
        [
            ("News by e-mail", "consent", "switch", {"stopped": True, "can_start": True}),
            ("Advertisements that fit you", "consent", "switch", {"stopped": False, "can_start": True}),
            ("Letters by post", "legitimate_interests", "switch", {"stopped": True, "can_start": False}),
            ("Catalogues", "legitimate_interests", "switch", {"stopped": False, "can_start": False}),
            ("Counting visits", "consent", "website", {}),
            ("Guarding against fraud", "legitimate_interests", "object", {}),
            ("Your orders", "contract", "nothing", {}),
            ("Invoices", "legal_obligation", "nothing", {}),
            ("Emergencies", "vital_interests", "nothing", {}),
        ]
    )
]
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
STAYED = {
    "op": "equal", "head_html": "Orders are kept for ", "folded_html": "All of this stays as it is.", "n_words": 7, "tail_html": " and then ",
}  # fmt: skip
CHANGES: list[dict[str, Any]] = [
    STAYED,
    {"op": "replace", "old_html": "seven", "new_html": "six"},
    {**STAYED, "head_html": " years.\n\n", "folded_html": "", "n_words": 0, "tail_html": ""},
    {"op": "insert", "old_html": "", "new_html": "You can ask for a copy at any time."},
    {"op": "delete", "old_html": "We keep logs.", "new_html": ""},
]
FOUND: list[dict[str, Any]] = [
    {
        "id": "superlative-0123", "kind": "unprovable", "rule": "superlative", "why": "No configuration can prove it.", "source": "GDPR Art. 5(2)",
        "section": "7. Care", "sentence": "Your data is 100% safe with us.", "advisory": False,
    },
    {
        "id": "missing-dpo", "kind": "missing", "rule": "protection_officer", "why": "No officer is named.", "source": "GDPR Art. 13(1)(b)",
        "section": None, "sentence": None, "advisory": True,
    },
]  # fmt: skip
REHEARSED: dict[str, Any] = {
    "version": "2027-01-01", "follows": "2026-11-01", "effective_at": "2027-01-01T00:00:00Z", "material": True, "changes": ["marketing_email"],
    "recipients": 1204, "cost": {"mails": 1204, "money": "0.97 EUR"}, "hash": "9f2b" * 16, "findings": FOUND, "changes_shown": CHANGES,
    "declared": ["New recipient: Parcel Post."], "unchanged": True, "difference_from": "2026-06-01",
    "since_last": {"changes_shown": CHANGES, "declared": ["No longer a recipient: Parcel Post."]},
}  # fmt: skip
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

COMING: dict[str, Any] = {
    "version": "2027-01-01",
    "effective_at": "2027-01-01T00:00:00Z",
    "summary": "Orders are kept for six years instead of seven.",
    "state": "coming",
    "by": None,
    "difference_from": "2026-11-01",
}

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
    "objection_received": {
        "request_id": "rq_7c1f9d2e4b",
        "status_url": STATUS_URL,
        "received_at": "2026-11-22T14:40:00Z",
        "statutory_by": "2026-12-22T14:40:00Z",
        "title": "News and offers by e-mail",
        "decided": True,
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
        "export_action": f"{BASE}/requests/rq_7c1f9d/export?key=abc",
        "copy_url": f"{BASE}/requests/new",
    },
    "request_cancel": {
        "masked": "m…@h….example",
        "action": f"{BASE}/requests/rq_7c1f9d/cancel?t=abc",
        "possible": True,
        "stands": False,
    },
    "request_cancelled": {"right": "restriction", "ends_at": "2026-12-06T15:00:00Z"},
    "address_confirm": {
        "masked": "m…@h….example",
        "action": f"{BASE}/requests/rq_7c1f9d/confirm?t=abc",
        "used": False,
        "confirmed": False,
    },
    "request_export": {"right": "access", "export": EXPORT, "action": f"{BASE}/requests/rq_7c1f9d/export?key=abc"},
    "request_export_mailed": {},
    "account_keep": {
        "masked": "m…@h….example",
        "action": f"{BASE}/requests/rq_7c1f9d/keep?t=abc",
        "possible": True,
        "stays": False,
        "begins_at": "2026-11-30T15:00:00Z",
    },
    "account_kept": {},
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
        "coming": [COMING],
        "shown": {"version": "2026-11-01", "effective_at": "2026-11-01T00:00:00Z", "state": "in_effect", "by": COMING},
        "versions": [
            {"version": "2026-11-01", "effective_at": "2026-11-01T00:00:00Z", "state": "in_effect", "by": COMING},
            {"version": "2026-10", "effective_at": "2026-12-01T00:00:00Z", "state": "overtaken", "by": COMING},
            {"version": "2025-05-01", "effective_at": "2025-05-01T00:00:00Z", "state": "replaced", "by": COMING},
            COMING,
        ],
    },
    "policy_diff": {
        "a": "2025-05-01",
        "b": "2026-11-01",
        "declared": ["New recipient: Parcel Post.", "Your account: changed is how long it is kept."],
        "changes": CHANGES,
    },
    "campaign": {
        "campaign_id": "campaign-2027-01-01",
        "problem": None,
        "shown": {
            "state": "sending",
            "version": "2027-01-01",
            "announced_at": "2026-12-01T09:30:00Z",
            "accounts_about": 104_000,
            "recipients": 61_000,
            "sent": 58_000,
            "delivered": 55_214,
            "bounced": 611,
            "failed": 3,
            "in_doubt": 2_000,
            "waiting": 1_000,
        },
    },
    "publish": {
        "values": {
            "version": "2027-01-01",
            "title": "Privacy policy",
            "text": "# Privacy policy",
            "seen": "9f2b",
            "changes": ["marketing_email"],
        },
        "purposes": [{"name": "marketing_email", "title": "News by e-mail"}],
        "problem": {"rule": "this version exists, and a version never changes", "field": "version"},
        "rehearsed": REHEARSED,
        "campaign_id": None,
    },
    "subprocessors": {"entries": ENTRIES},
    "unsubscribe": {
        "masked": "m…@h….example",
        "titles": ["News by e-mail"],
        "stopped": False,
        "action": f"{BASE}/unsubscribe?t=abc",
        "preferences_url": f"{BASE}/unsubscribe/preferences?t=abc",
    },
    "unsubscribe_done": {
        "masked": "m…@h….example",
        "titles": ["News by e-mail", "Advertisements"],
        "preferences_url": f"{BASE}/unsubscribe/preferences?t=abc",
    },
    "unsubscribe_unknown": {"objection_url": f"{BASE}/requests/new?right=objection"},
    "preferences": {
        "masked": "m…@h….example",
        "all_stopped": False,
        "purposes": PREFERENCES,
        "stopped_now": ["News by e-mail"],
        "pending": ["Advertisements that fit you"],
        "action": f"{BASE}/unsubscribe/preferences?t=abc",
        "objection_url": f"{BASE}/requests/new?right=objection",
    },
    "meta_deletion": {
        "view": {**VIEW, "steps": STEPS[2:]},
        "erasure_url": f"{BASE}/requests/new?right=erasure",
    },
    "site": {"pages": {"policy": "/policy", "subprocessors": "/policy/subprocessors", "request": "/requests/new"}},
}
MINIMAL: dict[str, dict[str, Any]] = {
    "problem": {"title": "Not found", "rule": "there is nothing at this address", "field": None, "status": 404},
    "request_new": {"action": "/requests", "rights": RIGHTS, "values": {}, "problem": None},
    "request_confirm": {**FULL["request_confirm"], "masked": "", "right": "access", "cooling_off_words": None},
    "objection_received": {**FULL["objection_received"], "title": None},
    "request_confirmed": {"view": WAITING, "status_url": STATUS_URL, "accounts": [], "accounts_action": None},
    "request": {
        "view": WAITING,
        "not_connected": [],
        "accounts": [],
        "accounts_action": None,
        "cancel_action": None,
        "statement_url": None,
        "export_action": None,
        "copy_url": None,
    },
    "request_cancel": {"masked": "m…@h….example", "action": "/cancel", "possible": False, "stands": False},
    "request_cancelled": {"right": "erasure", "ends_at": None},
    "address_confirm": {"masked": "", "action": "", "used": True, "confirmed": False},
    "account_keep": {"masked": "", "action": "/keep", "possible": False, "stays": True, "begins_at": None},
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
    "policy": {
        **FULL["policy"],
        "coming": [],
        "shown": {"version": "2026-11-01", "state": "overtaken", "by": COMING},
        "versions": [],
    },
    "policy_diff": {"a": "1", "b": "2", "changes": [], "declared": []},
    "campaign": {
        "campaign_id": "campaign-v1",
        "problem": {"rule": "an operator's token is needed", "field": "token"},
        "shown": None,
    },
    "publish": {"values": {}, "purposes": [], "problem": None, "rehearsed": None, "campaign_id": None},
    "unsubscribe": {**FULL["unsubscribe"], "titles": [], "stopped": True},
    "unsubscribe_done": {**FULL["unsubscribe_done"], "titles": []},
    "preferences": {**FULL["preferences"], "all_stopped": True, "purposes": [], "stopped_now": [], "pending": []},
    "meta_deletion": {"view": WAITING, "erasure_url": "/requests/new"},
    "subprocessors": {"entries": []},
}
PAGES = [(page, "full", words) for page, words in FULL.items()]
PAGES += [(page, "minimal", words) for page, words in MINIMAL.items()]
