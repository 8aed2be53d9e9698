"""The list of mails. Each has a folder here with its subject, its text and its HTML twin; a test keeps them together.

To add one: a folder with `subject.txt`, `text.txt` and `mail.html`, and its name below. A translation stands beside
them, all three or none: `subject.de.txt`, `text.de.txt`, `mail.de.html`.
"""

from __future__ import annotations

MAILS: tuple[str, ...] = (
    "request_confirm",
    "request_reminder",
    "request_unconfirmed",
    "request_verified",
    "request_notice",
    "request_cancelled",
    "request_denied",
    "request_extended",
    "request_paused",
    "request_closing",
    "request_done",
    "request_restriction_ends",
    "address_confirm",
    "ending_first",
    "ending_again",
    "ending_stopped",
    "inbound_ask_back",
    "export_ready",
    "objection_stopped",
    "policy_changed",
    "consent_confirm",
    "operator_alert",
)
