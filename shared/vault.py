"""Keys at work: sealing, keyed hashes, MACs and signatures over one keyset value.

Sealing is AES-256-GCM with the record's place as associated data, so that a sealed value moved elsewhere does not open.
Keyed hashes are HMAC-SHA-256 under keys derived per use (HKDF), so that a hash for one use says nothing for another.
Receipts and statements are JWS (RFC 7515) with Ed25519 (RFC 8037), checkable by anybody from the published key.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.failures import NeverRetry

NONCE_BYTES = 12
URL_SAFE = bytes.maketrans(b"+/", b"-_")
KEY_ID_BYTES = 4
HEAD_BYTES = KEY_ID_BYTES + NONCE_BYTES
T = TypeVar("T")
_to_texts = msgspec.json.Decoder(list[str]).decode


class Keyset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Key ids to 32 secret bytes each; the last of each map is the one that writes, all of them read.

    `index` is one key for good: changing it would orphan every alias.
    """

    index: bytes
    seal: dict[str, bytes]
    mac: dict[str, bytes]
    sign: dict[str, bytes]

    @classmethod
    def generate(cls) -> Keyset:
        """Make a fresh one."""
        return cls(index=secrets.token_bytes(32), **{use: _fresh() for use in ("seal", "mac", "sign")})

    def rotated(self) -> Keyset:
        """Return a keyset that writes with new keys and still reads everything written before."""
        return msgspec.structs.replace(
            self, seal=self.seal | _fresh(), mac=self.mac | _fresh(), sign=self.sign | _fresh()
        )


def _fresh() -> dict[str, bytes]:
    return {secrets.token_hex(KEY_ID_BYTES): secrets.token_bytes(32)}


def b64url(data: bytes) -> str:
    """Encode as RFC 7515 does: URL-safe, no padding."""
    return binascii.b2a_base64(data, newline=False).translate(URL_SAFE, b"=").decode()


def b64url_all(many: Sequence[bytes]) -> list[str]:
    """Encode many as `b64url` does, by way of one JSON array: it costs half of one by one."""
    return _to_texts(msgspec.json.encode(many).translate(URL_SAFE, b"="))


def unb64url(text: str) -> bytes:
    """Decode what `b64url` wrote. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value: Any) -> bytes:
    """Encode as JSON with sorted keys and no spaces: the same value is always the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def new_token() -> str:
    """Make a 256-bit token for a link or a key."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """Make a random, unordered record id (160 bits, hexadecimal)."""
    return secrets.token_hex(20)


def token_hash(token: str) -> str:
    """Return what is stored in place of a token. Plain SHA-256 is enough for 256 random bits."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Vault:
    """A keyset at work."""

    def __init__(self, keyset: Keyset) -> None:
        self._index = keyset.index
        self._macs = keyset.mac
        self._mac_id = next(reversed(keyset.mac))
        self._seals = {bytes.fromhex(key_id): AESGCM(key) for key_id, key in keyset.seal.items()}
        self._seal_id = next(reversed(self._seals))
        self._signers = {key_id: Ed25519PrivateKey.from_private_bytes(key) for key_id, key in keyset.sign.items()}
        self._sign_id = next(reversed(keyset.sign))
        self._jws_head = b64url(canonical({"alg": "EdDSA", "kid": self._sign_id}))

    def seal(self, place: str, value: Any) -> bytes:
        """Seal a JSON-able value to the place where it stands (`collection/id`)."""
        return self.seal_all(place, [value])[0]

    def seal_all(self, place: str, values: Sequence[Any]) -> list[bytes]:
        """Seal values to one place, each by itself, in their order."""
        key_id, encrypt, where = self._seal_id, self._seals[self._seal_id].encrypt, place.encode()
        # all at once: asking the system for randomness costs more than sealing
        nonces, to_json = secrets.token_bytes(NONCE_BYTES * len(values)), msgspec.json.Encoder().encode
        pieces = (nonces[at : at + NONCE_BYTES] for at in range(0, len(nonces), NONCE_BYTES))
        return [
            b"".join((key_id, nonce, encrypt(nonce, to_json(value), where)))
            for nonce, value in zip(pieces, values, strict=True)
        ]

    def unseal(self, place: str, sealed: bytes) -> Any:
        """Open what was sealed to this place. Raises NeverRetry when it was moved, altered or its key is gone."""
        return msgspec.json.decode(self._plain([place], [sealed])[0])

    def unsealed(self, place: str, sealed: bytes, kind: type[T]) -> T:
        """Open what was sealed to this place as a value of a type. Raises as `unseal` does."""
        return msgspec.json.decode(self._plain([place], [sealed])[0], type=kind)

    def unsealed_all(self, places: Sequence[str], sealed: Sequence[bytes], kind: type[T]) -> list[T]:
        """Open many values of a type, each at its own place, in their order. Raises as `unseal` does."""
        return list(map(msgspec.json.Decoder(kind).decode, self._plain(places, sealed)))

    def _plain(self, places: Sequence[str], sealed: Sequence[bytes]) -> list[bytes]:
        ciphers = self._seals
        try:
            return [
                ciphers[one[:KEY_ID_BYTES]].decrypt(one[KEY_ID_BYTES:HEAD_BYTES], one[HEAD_BYTES:], place.encode())
                for place, one in zip(places, sealed, strict=True)
            ]
        except (KeyError, InvalidTag) as error:
            raise NeverRetry("sealed_value_does_not_open") from error

    def keyed(self, use: str, value: str) -> str:
        """Return the keyed hash of an identifier for one use: 192 bits, hexadecimal. Still personal data.

        Hexadecimal, because it names records: base64url can begin and end with `__`, which Firestore keeps for itself.
        """
        digest = hmac.digest(_derived(self._index, use), value.encode("utf-8", "surrogatepass"), "sha256")
        return digest[:24].hex()

    def mac(self, data: bytes) -> tuple[str, str]:
        """Return the id of the writing key and the MAC."""
        return self._mac_id, hmac.digest(self._macs[self._mac_id], data, "sha256").hex()

    def mac_holds(self, key_id: str, data: bytes, mac: str) -> bool:
        """Check a MAC made by any key of the set."""
        key = self._macs.get(key_id)
        return key is not None and hmac.compare_digest(hmac.digest(key, data, "sha256").hex(), mac)

    def sign(self, claims: Any) -> str:
        """Sign as a compact JWS, EdDSA."""
        signed = f"{self._jws_head}.{b64url(canonical(claims))}"
        return f"{signed}.{b64url(self._signers[self._sign_id].sign(signed.encode()))}"

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys (RFC 7517, RFC 8037)."""
        return {"keys": [_jwk(key_id, key) for key_id, key in self._signers.items()]}


def _jwk(key_id: str, key: Ed25519PrivateKey) -> dict[str, str]:
    x = b64url(key.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key_id, "x": x}


@functools.lru_cache(maxsize=256)
def _derived(root: bytes, use: str) -> bytes:
    # HKDF-Expand (RFC 5869) with one block; the root is uniformly random, so no extract step is needed.
    return hmac.digest(root, b"pledge:" + use.encode() + b"\x01", "sha256")
