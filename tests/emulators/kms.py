"""Cloud KMS on loopback: symmetric keys with versions, real AES-256-GCM, and checksums as the real one takes and gives them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import grpc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud import kms_v1

from tests.emulators.rpc import Method, RpcEmulator, refuse, routed

MOST_BYTES = 64 * 1024
NONCE_BYTES = 12
VERSION_BYTES = 4
DAMAGED = "Decryption failed: the ciphertext is invalid."
State = kms_v1.CryptoKeyVersion.CryptoKeyVersionState
Code = grpc.StatusCode
Context = grpc.ServicerContext


@dataclass
class KeyVersion:
    """One version's secret bytes and state."""

    aead: AESGCM = field(default_factory=lambda: AESGCM(AESGCM.generate_key(256)))
    state: State = State.ENABLED


@dataclass
class Key:
    """A key: its versions by number, and which of them writes."""

    versions: dict[int, KeyVersion] = field(default_factory=lambda: {1: KeyVersion()})
    primary: int = 1


class KmsEmulator(RpcEmulator):
    """The keys of all projects. `damage_answers` flips a bit after the checksums were made, as a bad wire does.

    `lose_checksums` answers as if the checksums sent had got lost on the way.
    """

    service = "google.cloud.kms.v1.KeyManagementService"

    def __init__(self) -> None:
        super().__init__()
        self.damage_answers = False
        self.lose_checksums = False
        self._keys: dict[str, Key] = {}

    def create_key(self, name: str) -> str:
        """Make a key `projects/P/locations/L/keyRings/R/cryptoKeys/K` with one enabled version, as Terraform does."""
        self._keys[name] = Key()
        return name

    def rotate_key(self, name: str) -> None:
        """Have a new version write from now on, as the key's rotation period does."""
        key = self._keys[name]
        key.primary = max(key.versions) + 1
        key.versions[key.primary] = KeyVersion()

    def methods(self) -> dict[str, Method]:
        """Return the methods this emulator knows."""
        return {
            "Encrypt": (kms_v1.EncryptRequest, kms_v1.EncryptResponse, self._encrypt),
            "Decrypt": (kms_v1.DecryptRequest, kms_v1.DecryptResponse, self._decrypt),
            "GetCryptoKey": (kms_v1.GetCryptoKeyRequest, kms_v1.CryptoKey, self._get),
            "CreateCryptoKeyVersion": (kms_v1.CreateCryptoKeyVersionRequest, kms_v1.CryptoKeyVersion, self._create),
            "UpdateCryptoKeyPrimaryVersion": (
                kms_v1.UpdateCryptoKeyPrimaryVersionRequest,
                kms_v1.CryptoKey,
                self._promote,
            ),
            "UpdateCryptoKeyVersion": (kms_v1.UpdateCryptoKeyVersionRequest, kms_v1.CryptoKeyVersion, self._update),
            "DestroyCryptoKeyVersion": (kms_v1.DestroyCryptoKeyVersionRequest, kms_v1.CryptoKeyVersion, self._destroy),
        }

    def _encrypt(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        key_name, _, _ = asked.name.partition("/cryptoKeyVersions/")
        _checked(context, asked, "plaintext")
        key = self._key(context, key_name)
        name = asked.name if asked.name != key_name else f"{key_name}/cryptoKeyVersions/{key.primary}"
        version = self._enabled(context, name)
        nonce = secrets.token_bytes(NONCE_BYTES)
        body = version.aead.encrypt(nonce, asked.plaintext, asked.additional_authenticated_data)
        ciphertext = _number(name).to_bytes(VERSION_BYTES, "big") + nonce + body
        return kms_v1.EncryptResponse(
            name=name,
            ciphertext=self._sent(ciphertext),
            ciphertext_crc32c=google_crc32c.value(ciphertext),
            verified_plaintext_crc32c="plaintext_crc32c" in asked and not self.lose_checksums,
            verified_additional_authenticated_data_crc32c=(
                "additional_authenticated_data_crc32c" in asked and not self.lose_checksums
            ),
        )

    def _decrypt(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        _checked(context, asked, "ciphertext")
        key = self._key(context, asked.name)
        number, rest = int.from_bytes(asked.ciphertext[:VERSION_BYTES], "big"), asked.ciphertext[VERSION_BYTES:]
        if number not in key.versions or len(rest) <= NONCE_BYTES:
            refuse(context, Code.INVALID_ARGUMENT, DAMAGED)
        version = self._enabled(context, f"{asked.name}/cryptoKeyVersions/{number}")
        try:
            aad = asked.additional_authenticated_data
            plaintext = version.aead.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], aad)
        except InvalidTag:
            refuse(context, Code.INVALID_ARGUMENT, DAMAGED)
        return kms_v1.DecryptResponse(
            plaintext=self._sent(plaintext),
            plaintext_crc32c=google_crc32c.value(plaintext),
            used_primary=number == key.primary,
        )

    def _sent(self, data: bytes) -> bytes:
        return bytes([data[0] ^ 1]) + data[1:] if self.damage_answers else data

    def _get(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        return self._shown(asked.name, self._key(context, asked.name))

    def _create(self, asked: Any, context: Context) -> Any:
        routed(context, asked.parent)
        key = self._key(context, asked.parent)
        number = max(key.versions) + 1
        key.versions[number] = KeyVersion()
        return self._shown_version(asked.parent, number)

    def _promote(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        self._enabled(context, f"{asked.name}/cryptoKeyVersions/{asked.crypto_key_version_id}")
        self._keys[asked.name].primary = int(asked.crypto_key_version_id)
        return self._shown(asked.name, self._keys[asked.name])

    def _update(self, asked: Any, context: Context) -> Any:
        wanted = asked.crypto_key_version
        routed(context, wanted.name)
        version = self._version(context, wanted.name)
        settable = {State.ENABLED, State.DISABLED}
        if list(asked.update_mask.paths) != ["state"] or not {version.state, wanted.state} <= settable:
            refuse(context, Code.FAILED_PRECONDITION, "only an enabled or disabled version changes, and only its state")
        version.state = State(wanted.state)
        return self._shown_version(wanted.name.partition("/cryptoKeyVersions/")[0], _number(wanted.name))

    def _destroy(self, asked: Any, context: Context) -> Any:
        routed(context, asked.name)
        version = self._version(context, asked.name)
        if version.state not in {State.ENABLED, State.DISABLED}:
            refuse(context, Code.FAILED_PRECONDITION, f"{asked.name} is {version.state.name}")
        # it is destroyed after `destroy_scheduled_duration`, and of no use from now on
        version.state = State.DESTROY_SCHEDULED
        return self._shown_version(asked.name.partition("/cryptoKeyVersions/")[0], _number(asked.name))

    def _key(self, context: Context, name: str) -> Key:
        if name not in self._keys:
            refuse(context, Code.NOT_FOUND, f"CryptoKey {name} not found.")
        return self._keys[name]

    def _version(self, context: Context, name: str) -> KeyVersion:
        found = self._key(context, name.partition("/cryptoKeyVersions/")[0]).versions.get(_number(name))
        if found is None:
            refuse(context, Code.NOT_FOUND, f"CryptoKeyVersion {name} not found.")
        return found

    def _enabled(self, context: Context, name: str) -> KeyVersion:
        version = self._version(context, name)
        if version.state != State.ENABLED:
            refuse(context, Code.FAILED_PRECONDITION, f"{name} is not enabled, current state is: {version.state.name}.")
        return version

    def _shown(self, name: str, key: Key) -> Any:
        purpose = kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
        return kms_v1.CryptoKey(name=name, purpose=purpose, primary=self._shown_version(name, key.primary))

    def _shown_version(self, name: str, number: int) -> Any:
        state = self._keys[name].versions[number].state
        return kms_v1.CryptoKeyVersion(name=f"{name}/cryptoKeyVersions/{number}", state=state)


def _number(name: str) -> int:
    tail = name.rpartition("/")[2]
    return int(tail) if tail.isdecimal() else 0


def _checked(context: Context, asked: Any, body: str) -> None:
    """Refuse what is too large, and what its checksum says is not what was sent."""
    for part in (body, "additional_authenticated_data"):
        data, checksum = getattr(asked, part), f"{part}_crc32c"
        # a ciphertext is a little longer than what it holds
        if len(data) > MOST_BYTES + (1024 if part == "ciphertext" else 0):
            refuse(context, Code.INVALID_ARGUMENT, f"{part} is larger than {MOST_BYTES} bytes")
        if checksum in asked and getattr(asked, checksum) != google_crc32c.value(data):
            refuse(context, Code.INVALID_ARGUMENT, f"The checksum in field {checksum} did not match the data.")
