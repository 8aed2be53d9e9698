"""The key pairs with which the sandbox's SendGrid signs its webhooks: generated files, one for each kind of webhook.

The real SendGrid makes the pair itself and shows only the public half.
"""

from __future__ import annotations

import base64
import functools
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from infra.http.signatures import SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP

EVENTS_KEY = "sendgrid-webhook-key"


def public_key(path: Path) -> str:
    """Return the public half of the pair in a file. The pair is made the first time."""
    return shown(_pair(path))


def signed(path: Path, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook signed by the pair in a file."""
    return signed_by(_pair(path), timestamp, body)


def shown(pair: EllipticCurvePrivateKey) -> str:
    """Return a pair's public half as SendGrid shows it: base64 of its SPKI."""
    spki = pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(spki).decode()


def signed_by(pair: EllipticCurvePrivateKey, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed webhook."""
    signature = pair.sign(str(timestamp).encode() + body, ECDSA(SHA256()))
    return {SENDGRID_SIGNATURE: base64.b64encode(signature).decode(), SENDGRID_TIMESTAMP: str(timestamp)}


@functools.lru_cache(maxsize=64)
def _pair(path: Path) -> EllipticCurvePrivateKey:
    if not path.exists():
        _make(path)
    key = load_der_private_key(path.read_bytes(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(path.name)
    return key


def _make(path: Path) -> None:
    # written aside and linked: product and sandbox start at once and must end with the same pair
    made = generate_private_key(SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
