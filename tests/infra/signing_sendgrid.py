"""A SendGrid of the tests' own, which signs its webhooks where there is no folder to share a key in."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from infra.local.sendgrid_keys import shown, signed_by

_PAIR = generate_private_key(SECP256R1())
PUBLIC_KEY = shown(_PAIR)


def signed(body: bytes, timestamp: int = 1_600_112_502) -> dict[str, str]:
    """Return the headers of a webhook with this body."""
    return signed_by(_PAIR, timestamp, body)
