"""What we signed, read as anybody may read it: from the published keys alone (RFC 7515, RFC 7517, RFC 8037)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.vault import unb64url


def claims_of(jws: str, published: Mapping[str, Sequence[Mapping[str, str]]]) -> dict[str, Any] | None:
    """Return the claims of a compact JWS; None unless one of the published keys signed just this."""
    try:
        head, body, signature = jws.split(".")
        header = msgspec.json.decode(unb64url(head), type=dict[str, str])
        key = next(key for key in published["keys"] if key["kid"] == header["kid"] and header["alg"] == "EdDSA")
        Ed25519PublicKey.from_public_bytes(unb64url(key["x"])).verify(unb64url(signature), f"{head}.{body}".encode())
        return msgspec.json.decode(unb64url(body), type=dict[str, Any])
    except (ValueError, LookupError, StopIteration, InvalidSignature, msgspec.MsgspecError):
        return None
