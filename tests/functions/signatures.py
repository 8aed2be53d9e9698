"""Checks a compact JWS as anybody outside would: from the published keys alone (RFC 7515, RFC 8037)."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def claims_of(jws: str, published: dict[str, Any]) -> dict[str, Any]:
    """Return what was signed. Raises InvalidSignature, StopIteration (no such key)."""
    head, body, signature = jws.split(".")
    header = json.loads(_bytes(head))
    assert header["alg"] == "EdDSA"
    key = next(one for one in published["keys"] if one["kid"] == header["kid"])
    assert (key["kty"], key["crv"], key["alg"]) == ("OKP", "Ed25519", "EdDSA")
    Ed25519PublicKey.from_public_bytes(_bytes(key["x"])).verify(_bytes(signature), f"{head}.{body}".encode())
    claims: dict[str, Any] = json.loads(_bytes(body))
    return claims


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
