"""A mail as it came in: who wrote it, whether a machine did, and whether its sender's domain stands for it."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

SECOND_LEVEL = 3
"""Letters: `co.uk` and `com.au` belong to nobody, so that nothing below them speaks for its neighbour."""
BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
SENT_BY_MACHINES = ("x-auto-response-suppress", "x-autoreply", "x-autorespond", "list-id", "x-loop")
MACHINES = frozenset({"mailer-daemon", "postmaster"})


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a mail. `media`: its type, as its sender said."""

    name: str
    media: str
    content: bytes


class Mail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mail, decoded. `text` is the HTML's where there is no other.

    `senders`: the addresses of From, as written. `headers`: names in small letters. `envelope_from`: None where it is
    not known, `""` for a bounce. `dkim`: domains whose signature holds. `left_out`: names of attachments that are not
    here. `damaged`: a part of it could not be read.
    """

    sender: str = ""
    senders: list[str] = []
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = {}
    envelope_from: str | None = None
    dkim: list[str] = []
    spf: bool = False
    message_id: str = ""
    attachments: list[Attachment] = []
    left_out: list[str] = []
    damaged: bool = False


def is_automatic(mail: Mail, ours: Collection[str]) -> bool:
    """Tell whether a machine wrote it (RFC 3834), or we did. `ours`: our own senders' addresses, in small letters.

    Nobody answers such a mail: two machines would go on for ever.
    """
    headers = mail.headers
    submitted = headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    return (
        submitted != "no"
        or headers.get("precedence", "").strip().lower() in BULK
        or any(name in headers for name in SENT_BY_MACHINES)
        or mail.envelope_from == ""
        or any(one.rpartition("@")[0].lower() in MACHINES or one.lower() in ours for one in mail.senders)
    )


def is_mailing(mail: Mail) -> bool:
    """Tell whether it went to many: such a mail speaks for whoever sells something, and not for a person."""
    return "list-unsubscribe" in mail.headers


def is_aligned(mail: Mail, address: str) -> bool:
    """Tell whether the domain of From stands for the mail: DKIM or SPF passes and is aligned (RFC 7489, relaxed)."""
    domain = address.rpartition("@")[2].lower()
    envelope = (mail.envelope_from or "").rpartition("@")[2].lower()
    passing = [*mail.dkim, *([envelope] if mail.spf else [])]
    return any(_same_organisation(domain, one.lower().rstrip(".")) for one in passing)


def _same_organisation(one: str, other: str) -> bool:
    """Compare without a list of public suffixes: the same domain, or one below the other. In doubt, no."""
    if one == other:
        return bool(one)
    upper, lower = sorted((one, other), key=len)
    return lower.endswith(f".{upper}") and _is_somebodys(upper)


def _is_somebodys(domain: str) -> bool:
    labels = domain.split(".")
    return all(labels) and (len(labels) > 2 or (len(labels) == 2 and len(labels[0]) > SECOND_LEVEL))
