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
    Promise(
        "§4",
        "Deletion within 14 days of verification",
        ("erasure", "erasing", "people", "subjects"),
        ("work", "subjects"),
    ),
    Promise("§4", "Nobody's deadline passes unseen", ("deadlines", "alerts"), ("deadlines", "sweep")),
    Promise("§4", "What is kept has a ground and an end", ("retention",), ("retention",)),
    Promise(
        "§5.1",
        "Ask by form; proof by mailbox; follow it; read what was done",
        ("requests", "verification", "mails", "statement"),
        ("requests",),
    ),
    Promise("§5.1", "A person answers where software cannot", ("operators",), ("operator",)),
    Promise("§7", "Evidence that anybody can check", ("statement",), ("site",)),
    Promise(
        "§7", "Evidence is closed under a signature, daily", ("checkpoints", "evidence"), ("checkpoints", "operator")
    ),
    Promise("§8", "A version, once published, never changes", ("policy",), ("policy",)),
    Promise("§8", "A new version is announced, once", ("campaigns",), ("operator", "work", "policy_published")),
    Promise("§9", "Who works for us, listed", ("register",), ("policy", "operator")),
    Promise("§9", "Whoever got your data is told, and you may ask who was", ("recipients",), ("work", "requests")),
)
