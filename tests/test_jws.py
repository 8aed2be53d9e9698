"""What we signed, read from the published keys alone."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.jws import claims_of
from shared.vault import Keyset, Vault, b64url, canonical

CLAIMS = {"kind": "checkpoint", "number": 7}
KEYS = Keyset.generate()
VAULT = Vault(KEYS)


def signed_under(head: object, key_id: str) -> str:
    """Sign the claims with our key, whatever the header says."""
    covered = f"{b64url(canonical(head))}.{b64url(canonical(CLAIMS))}"
    key = Ed25519PrivateKey.from_private_bytes(KEYS.sign[key_id])
    return f"{covered}.{b64url(key.sign(covered.encode()))}"


def test_what_we_signed_is_read() -> None:
    assert claims_of(VAULT.sign(CLAIMS), VAULT.jwks()) == CLAIMS


def test_what_was_signed_before_a_rotation_is_read_and_what_another_signed_is_not() -> None:
    assert claims_of(VAULT.sign(CLAIMS), Vault(KEYS.rotated()).jwks()) == CLAIMS
    assert claims_of(VAULT.sign(CLAIMS), Vault(Keyset.generate()).jwks()) is None
    assert claims_of(VAULT.sign(CLAIMS), {"keys": []}) is None


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_of_another_signed_text_makes_it_unsigned(part: int) -> None:
    parts, others = VAULT.sign(CLAIMS).split("."), Vault(Keyset.generate()).sign({"kind": "other"}).split(".")
    parts[part] = others[part]
    assert claims_of(".".join(parts), VAULT.jwks()) is None


@pytest.mark.parametrize("algorithm", ["none", "HS256", "eddsa", "", None, 1])
def test_no_other_algorithm_is_taken(algorithm: object) -> None:
    (key_id,) = KEYS.sign
    assert claims_of(signed_under({"alg": "EdDSA", "kid": key_id}, key_id), VAULT.jwks()) == CLAIMS
    assert claims_of(signed_under({"alg": algorithm, "kid": key_id}, key_id), VAULT.jwks()) is None


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "e30.e30.", "\ufffd.\ufffd.\ufffd", "W10.W10.W10"])
def test_what_is_no_signed_text_is_none(text: str) -> None:
    assert claims_of(text, VAULT.jwks()) is None
