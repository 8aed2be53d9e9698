"""Whether every secret of the map is there, can be read and looks right, before it is deployed. Never shows any of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from infra.gcp.keyring import KEYSET, Keyring, secrets_of
from infra.gcp.secrets import Secrets
from infra.settings import Settings
from shared.failures import Misconfigured

STRIPE_KEY = re.compile(r"(sk|rk)_(live|test)_[A-Za-z0-9]{16,}")
STRIPE_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{16,}")
SHORTEST_KEY = 24
SENDGRID_KEY = re.compile(r"SG\.[\w-]{16,}\.[\w-]{16,}")


class Checked(NamedTuple):
    """What is known of one secret: its newest enabled version, the one deployed, what is wrong, what is worth knowing."""

    name: str
    newest: int | None = None
    pinned: int | None = None
    wrong: str = ""
    note: str = ""


def _sendgrid_key(text: str) -> str:
    return "" if SENDGRID_KEY.fullmatch(text) else "not the form of a SendGrid key"


def _keys(text: str) -> str:
    keys = [key.strip() for key in text.split(",")]
    if min(map(len, keys)) < SHORTEST_KEY:
        return f"a key has fewer than {SHORTEST_KEY} characters"
    return "" if len(keys) == len(set(keys)) else "the same key twice"


def _stripe_key(text: str) -> str:
    return "" if STRIPE_KEY.fullmatch(text) else "not the form of a secret or restricted Stripe key (sk_… or rk_…)"


def _stripe_webhook_secrets(text: str) -> str:
    secrets = [secret.strip() for secret in text.split(",")]
    if not all(STRIPE_WEBHOOK_SECRET.fullmatch(secret) for secret in secrets):
        return "not the form of Stripe's signing secrets (whsec_…)"
    return "" if len(secrets) == len(set(secrets)) else "the same secret twice"


def _token(text: str) -> str:
    return "" if len(text) >= SHORTEST_KEY else f"fewer than {SHORTEST_KEY} characters"


SHAPES: Mapping[str, Callable[[str], str]] = {
    "META_ACCESS_TOKEN": _token,
    "META_APP_SECRETS": _keys,
    "SENDGRID_API_KEY": _sendgrid_key,
    "STRIPE_API_KEY": _stripe_key,
    "STRIPE_WEBHOOK_SECRETS": _stripe_webhook_secrets,
    "WEBSITE_KEYS": _keys,
}
"""What each secret looks like; KEYSET is unwrapped instead."""


def flaw(name: str, text: str) -> str:
    """Say what is wrong with a secret's text, nothing when all is well."""
    if text != text.strip():
        # `echo key | gcloud secrets versions add` adds a line end that nobody sees
        return "begins or ends with white space"
    if not text.isascii() or not text.isprintable():
        return "holds more than printable ASCII"
    return SHAPES[name](text) if name in SHAPES else ""


def check(settings: Settings, names: Iterable[str], pinned: Mapping[str, int]) -> list[Checked]:
    """Look at these secrets: the version pinned, or the newest where none is. Raises TryAgain, Misconfigured."""
    secrets = secrets_of(settings)
    return [_checked(settings, secrets, name, pinned.get(name)) for name in sorted(names)]


def _checked(settings: Settings, secrets: Secrets, name: str, pinned: int | None) -> Checked:
    found = Checked(name, None, pinned)
    try:
        newest = secrets.newest(name)
        if newest is None:
            return found._replace(wrong="no version that can be read")
        found = found._replace(newest=newest.number)
        number = pinned or newest.number
        if name == KEYSET:
            return found._replace(note=_keyset_note(Keyring.of(settings), number))
        return found._replace(wrong=flaw(name, secrets.read(name, number)))
    except Misconfigured as mistake:
        return found._replace(wrong=str(mistake))


def _keyset_note(keyring: Keyring, number: int) -> str:
    keyring.newest()
    if keyring.unwrapped(number).by_primary:
        return ""
    return "wrapped by an older version of its KMS key: pledge rotate-keys --rewrap"


def table(rows: Iterable[Checked]) -> str:
    """Return them as lines in columns."""
    head = ("secret", "newest", "pinned", "")
    cells = [head, *((one.name, _number(one.newest), _number(one.pinned), _verdict(one)) for one in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _number(version: int | None) -> str:
    return "-" if version is None else str(version)


def _verdict(one: Checked) -> str:
    if one.wrong:
        return f"WRONG: {one.wrong}"
    return f"good; {one.note}" if one.note else "good"
