"""Signatures of vendors' webhooks, checked over the raw body before anything reads it."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from shared.failures import BadInput, Misconfigured

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

SENDGRID_SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
SENDGRID_TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
LONGEST_TIMESTAMP = 20


def verify_sendgrid(public_keys: Sequence[str], raw: bytes, headers: Headers | Mapping[str, str]) -> None:
    """Check SendGrid's ECDSA P-256 signature of timestamp and body against any of the keys (base64 SPKI). Raises BadInput.

    Source: Twilio's documents of the signed event webhook.
    """
    # No window around the timestamp: SendGrid repeats a webhook for 24 hours and does not document whether it signs it
    # anew, so that a window could lose what was late. A replay is harmless instead: what an event does is done once.
    timestamp = headers.get(SENDGRID_TIMESTAMP, "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= LONGEST_TIMESTAMP):
        raise BadInput("the time of the signature is needed, in Unix seconds", SENDGRID_TIMESTAMP)
    try:
        signature = base64.b64decode(headers.get(SENDGRID_SIGNATURE, ""), validate=True)
    except ValueError:
        raise BadInput("base64 is needed", SENDGRID_SIGNATURE) from None
    signed = timestamp.encode() + raw
    if not any(_holds(sendgrid_key(key), signature, signed) for key in public_keys):
        raise BadInput("the signature does not hold", SENDGRID_SIGNATURE)


@functools.cache
def sendgrid_key(public_key: str) -> EllipticCurvePublicKey:
    """Read a key as SendGrid shows it: base64 of its SPKI, without PEM lines. Raises Misconfigured."""
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
    except ValueError:
        raise Misconfigured("a public key of SendGrid: base64 of a P-256 key is needed") from None
    if not (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
        raise Misconfigured("a public key of SendGrid: the curve P-256 is needed")
    return key


def _holds(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
