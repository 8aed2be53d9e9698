"""The promises: a table of what a policy says, and where it is kept. README shows it; the parity test holds all to it."""

from __future__ import annotations

from typing import NamedTuple


class Promise(NamedTuple):
    """One promise: its § in the policy, our words for it, the modules that keep it and the functions that serve it."""

    section: str
    words: str
    modules: tuple[str, ...]
    functions: tuple[str, ...]


PROMISES: tuple[Promise, ...] = (
    Promise("§1", "We ask first, and say what for", ("notice",), ("policy",)),
    Promise(
        "§2", "Consent is recorded, and taken back as easily", ("consents", "confirmations", "receipts"), ("consents",)
    ),
    Promise("§3.2", "Data is used for what was said, and nothing else", ("processing",), ("processing",)),
    Promise(
        "§4",
        "Deletion within 14 days of verification",
        ("erasure", "erasing", "people", "subjects"),
        ("work", "subjects"),
    ),
    Promise(
        "§4",
        "An account or a subscription that ends is erased by itself, with two warnings",
        ("endings", "stripe_events", "breaker"),
        ("stripe_events", "subjects", "work"),
    ),
    Promise(
        "§4",
        "What came from Facebook or Instagram goes when the app is taken away there",
        ("meta_callbacks",),
        ("meta_callbacks", "work"),
    ),
    Promise("§4", "Nobody's deadline passes unseen", ("deadlines", "alerts"), ("deadlines", "sweep")),
    Promise("§4", "What is kept has a ground and an end", ("retention",), ("retention",)),
    Promise(
        "§5.1",
        "Ask by form; proof by mailbox; follow it; read what was done",
        ("requests", "verification", "mails", "statement"),
        ("requests",),
    ),
    Promise(
        "§5.1",
        "What is wrong is put right, also at whoever got it; or kept and not used",
        ("rectifying", "restricting"),
        ("requests", "work", "operator"),
    ),
    Promise(
        "§5.1",
        "A copy of everything, for you and to take elsewhere, with what is missing named",
        ("exporting", "gathering", "fetching"),
        ("requests", "work"),
    ),
    Promise(
        "§5.1", "Or ask by mail, in ordinary words", ("inbound", "mailbox"), ("sendgrid_inbound", "work", "operator")
    ),
    Promise("§5.1", "A person answers where software cannot", ("operators",), ("operator",)),
    Promise(
        "§5.2",
        "A no to marketing stops it at once, and whoever sends for us is told",
        ("objections", "silencing"),
        ("requests", "work", "operator"),
    ),
    Promise(
        "§6",
        "One press unsubscribes; nothing starts without the mailbox",
        ("unsubscribing", "preferences"),
        ("unsubscribe",),
    ),
    Promise(
        "§6",
        "Who unsubscribes at the mail service is heard; each mail's way is known",
        ("deliveries",),
        ("sendgrid_events",),
    ),
    Promise("§6", "What people said before we came counts from the first day", ("importing",), ()),
    Promise("§7", "Evidence that anybody can check", ("statement",), ("site",)),
    Promise(
        "§7", "Evidence is closed under a signature, daily", ("checkpoints", "evidence"), ("checkpoints", "operator")
    ),
    Promise("§8", "A version, once published, never changes", ("policy",), ("policy",)),
    Promise("§8", "What was announced for a day begins on that day", ("in_effect",), ("policy", "processing")),
    Promise(
        "§8",
        "What a version contradicts or leaves out is seen before it is published",
        ("findings", "announced", "publishing"),
        ("operator",),
    ),
    Promise(
        "§8",
        "Everybody with an account is told of a new version by mail, once",
        ("campaigns", "announcing"),
        ("operator", "work", "policy_published"),
    ),
    Promise("§9", "Who works for us, listed", ("register",), ("policy", "operator")),
    Promise(
        "§9",
        "Whoever got your data is told, and you may ask who was",
        ("recipients", "notifying"),
        ("work", "requests"),
    ),
)
