"""Stripe's signature of a webhook, checked over the raw body before anything reads it.

By hand, since the vendor's library takes longer to load than the rest takes to answer, and takes what comes from the future.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from shared.failures import BadInput

SIGNATURE = "Stripe-Signature"
TOLERANCE_SECONDS = 300
LONGEST_HEADER = 4096
LONGEST_TIME = 12


def verify_stripe(secrets: Sequence[str], raw: bytes, header: str, now: float) -> None:
    """Check the header `t=…,v1=…` (HMAC-SHA256 of `t.body`) against any of the secrets. `now`: real time, Unix seconds.

    Raises BadInput. Source: docs.stripe.com/webhooks, "Verify webhook signatures manually".
    """
    time, given = _parts(header)
    if abs(now - int(time)) > TOLERANCE_SECONDS:
        raise BadInput("this was signed too long ago, or in the future", SIGNATURE)
    signed = time.encode() + b"." + raw
    right = [hmac.digest(secret.encode(), signed, "sha256").hex().encode() for secret in secrets if secret]
    if not any(hmac.compare_digest(one, each) for one in given for each in right):
        raise BadInput("the signature does not hold", SIGNATURE)


def _parts(header: str) -> tuple[str, list[bytes]]:
    pairs = [part.strip().partition("=") for part in header.split(",")] if len(header) <= LONGEST_HEADER else []
    times = [value for name, _, value in pairs if name == "t"]
    given = [value.encode() for name, _, value in pairs if name == "v1"]
    # one time alone: which of two was signed could be chosen by whoever sends them
    if (
        len(times) != 1
        or not given
        or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= LONGEST_TIME)
    ):
        raise BadInput("Stripe's signature is needed: t=…,v1=…", SIGNATURE)
    return times[0], given
