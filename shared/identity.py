"""Who is who: identifiers, how they are compared, and which links may be followed (TRUTH §1, §2).

Stop broadly, act narrowly: identity compares the exact (trimmed, NFC, lower-cased) address, suppression compares it
without plus tags and Gmail dots.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from shared.failures import BadInput
from shared.records import Link
from shared.vault import Vault

RECENT = timedelta(days=90)
FRESH_CHANGE = timedelta(days=14)
DEVICE_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
DOTLESS_DOMAINS = frozenset({"gmail.com", "googlemail.com"})


class Identifiers(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What `Subject.sealed` opens to. `addresses`: every address the subject has or had, newest last.

    `shared`: when the newest was linked, another account had it too.
    """

    user_id: str | None = None
    device_id: str | None = None
    addresses: list[str] = []
    unconfirmed: str | None = None
    name: str | None = None
    locale: str | None = None
    country: str | None = None
    shared: bool = False
    stripe_customer_ids: list[str] = []
    ga_client_ids: list[str] = []
    meta_user_ids: list[str] = []

    @property
    def mailboxes(self) -> list[str]:
        """Return where mail to it may go: the address it has now, and the one that nobody confirmed yet."""
        return [*self.addresses[-1:], *([self.unconfirmed] if self.unconfirmed else [])]


def address(raw: str, field: str = "email") -> str:
    """Return the address as identity compares it. Refuses what is no address, by the name of its field."""
    # imported here: 35 ms that most cold starts need not pay
    from email_validator import EmailNotValidError, validate_email

    text = unicodedata.normalize("NFC", raw.strip())
    try:
        valid = validate_email(
            text, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError:
        # from None: the validator's own text repeats the address
        raise BadInput("an e-mail address is needed", field) from None
    # the form mail servers speak: what cannot be written to cannot be confirmed
    return (valid.ascii_email or valid.normalized).lower()


def broad(email: str) -> str:
    """Return the address as suppression compares it: without a plus tag, and for Gmail without dots."""
    local, _, domain = email.rpartition("@")
    local = local.split("+", 1)[0] or local
    if domain in DOTLESS_DOMAINS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def user_id(raw: str, field: str = "user_id") -> str:
    """Check a website's user id: 1 to 128 characters, no `/`, not `.` or `..`, nothing unprintable."""
    if not 1 <= len(raw) <= 128 or "/" in raw or raw in {".", ".."} or not raw.isprintable():
        raise BadInput("1 to 128 printable characters without '/', and not '.' or '..'", field)
    return raw


def device_id(raw: str, field: str = "device_id") -> str:
    """Check a browser's device id."""
    if not DEVICE_ID.fullmatch(raw):
        raise BadInput("8 to 128 characters of A-Z a-z 0-9 . _ -", field)
    return raw


def locale(raw: str | None) -> str:
    """Check a language tag (BCP 47, simply), `en` when there is none."""
    if raw is None:
        return "en"
    if not LOCALE.fullmatch(raw):
        raise BadInput("a language tag such as en or de-AT is needed", "locale")
    return raw


def alias(vault: Vault, kind: str, value: str) -> str:
    """Return the id under which an identifier's links are kept."""
    return vault.keyed("alias", f"{kind}:{value}")


def suppression(vault: Vault, email: str, purpose: str) -> str:
    """Return the id under which it is kept that an address is not to be written to for a purpose."""
    return f"{suppressions(vault, email)}{purpose}"


def suppressions(vault: Vault, email: str) -> str:
    """Return what the ids of all suppressions of an address begin with."""
    return f"{vault.keyed('suppression', broad(email))}:"


def masked(email: str) -> str:
    """Show enough of an address for its owner to know it, and no more."""
    local, _, domain = email.rpartition("@")
    name, dot, end = domain.rpartition(".")
    return f"{local[:1]}…@{name[:1]}…{dot}{end}"


def masked_account(known: Identifiers) -> str:
    """Show enough of an account for its owner to know it: the ends of its id, and initials."""
    account = known.user_id or ""
    ends = account if len(account) <= 2 else f"{account[:2]}…{account[-2:]}" if len(account) > 5 else f"{account[:1]}…"
    initials = " ".join(f"{word[0]}." for word in (known.name or "").split()[:3])
    return f"{ends} · {initials}" if initials else ends


def followed(links: Sequence[Link], now: datetime) -> list[Link]:
    """Return the links that proof of the identifier opens.

    Only confirmed ones that nobody has taken over, and of an address its account has left, only while that is recent:
    mailboxes are recycled. Links confirmed close together are a shared address, and the person chooses.
    """
    return [link for link in links if lately_current(link, now) and not taken_over(link, links)]


def taken_over(link: Link, links: Iterable[Link]) -> bool:
    """Tell whether an address has become somebody else's since this account confirmed it.

    An account that moved away loses it to any later confirmation, as a mailbox does whose yes moved along; an account that
    still names it loses it to another account's, unless its own was at most 90 days older.
    """
    left, since = link.replaced_at, link.confirmed_at
    if since is None or (link.kind != "account" and left is None):
        return False
    others = [other for other in links if other.ref != link.ref and (left or other.kind == "account")]
    later = [other.confirmed_at for other in others if other.confirmed_at]
    if left is not None:
        return any(at > since or at >= left for at in later)
    return any(at > since + RECENT for at in later)


def moved_away(link: Link, links: Iterable[Link]) -> bool:
    """Tell whether a no said at this address still speaks for whoever left it: nobody else proved to have it since."""
    if link.replaced_at is None:
        return False
    later = [other.confirmed_at for other in links if other.ref != link.ref and other.confirmed_at]
    return all(at <= link.replaced_at for at in later)


def lately_current(link: Link, now: datetime) -> bool:
    """Tell whether an address deserves a notice: it is current, or was within the last 90 days."""
    if link.confirmed_at is None:
        return False
    return link.replaced_at is None or link.replaced_at >= now - RECENT


def eldest(links: Iterable[Link]) -> str | None:
    """Return the subject that had an identifier confirmed first, however often since; None when nobody had.

    Of two in one second, as an import links hundreds, it is the one that stands before the other.
    """
    had = [
        (link.since or link.confirmed_at, n, link.ref) for n, link in enumerate(links) if link.confirmed_at is not None
    ]
    return min(had)[2] if had else None


def freshly_changed(links: Iterable[Link], now: datetime) -> bool:
    """Tell whether any of these addresses replaced an earlier confirmed one in the last 14 days."""
    return any(link.changed_at is not None and link.changed_at >= now - FRESH_CHANGE for link in links)
