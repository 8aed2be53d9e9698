"""The keyset on Google Cloud: JSON, wrapped by one KMS key, base64 in a secret. An instance unwraps it once.

KMS answers with checksums (CRC32C) of what it got and what it sends. Both ways are verified, as its documents ask: a flipped
bit in a key would seal what nobody opens again.
"""

from __future__ import annotations

import base64
import re
from typing import Any, NamedTuple

import google_crc32c
import grpc
import msgspec

from infra.gcp.calls import Api, code_of, failure, messages
from shared.failures import Misconfigured, TryAgain
from shared.vault import Keyset

SERVICE = "google.cloud.kms.v1.KeyManagementService"
HOST = "cloudkms.googleapis.com"
BOUND_TO = b"pledge keyset"
"""Associated data: nothing else wrapped by the same key opens as a keyset."""
ANSWER_WITHIN_SECONDS = 5.0
KEY_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
REFUSALS = {
    "INVALID_ARGUMENT": "KEYSET: it was not wrapped by KEYSET_KEY, or is damaged",
    "FAILED_PRECONDITION": "KEYSET_KEY: the version of the key that this needs is disabled or destroyed",
    "NOT_FOUND": "KEYSET_KEY: there is no such key",
    "PERMISSION_DENIED": "KEYSET_KEY: this account may not use the key",
    "UNAUTHENTICATED": "KEYSET_KEY: no valid Google credentials",
}


class Unwrapped(NamedTuple):
    """A keyset, and whether the present primary version of its KMS key wrapped it."""

    keyset: Keyset
    by_primary: bool


def kms(emulator: str | None = None) -> Api:
    """Return Cloud KMS, or an emulator on loopback (`host:port`)."""
    return Api(SERVICE, HOST, emulator)


def keyset(wrapped: str, key_name: str, kms: Api) -> Keyset:
    """Unwrap what `wrap` wrote. Raises TryAgain, and Misconfigured with what to mend."""
    return unwrap(wrapped, key_name, kms).keyset


def unwrap(wrapped: str, key_name: str, kms: Api) -> Unwrapped:
    """Unwrap, and say whether the key's primary version did. Raises TryAgain, Misconfigured."""
    try:
        ciphertext = base64.b64decode(wrapped, validate=True)
    except ValueError:
        raise Misconfigured("KEYSET: not base64") from None
    answer = _ask(kms, "Decrypt", key_name, ciphertext=ciphertext, ciphertext_crc32c=google_crc32c.value(ciphertext))
    if answer.plaintext_crc32c.value != google_crc32c.value(answer.plaintext):
        raise TryAgain("kms_answer_damaged")
    return Unwrapped(_read(answer.plaintext), answer.used_primary)


def wrap(keyset: Keyset, key_name: str, kms: Api) -> str:
    """Wrap under the primary version of a KMS key; return base64. Raises TryAgain, Misconfigured."""
    plain = msgspec.json.encode(keyset)
    answer = _ask(kms, "Encrypt", key_name, plaintext=plain, plaintext_crc32c=google_crc32c.value(plain))
    arrived = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
    if not arrived or answer.ciphertext_crc32c.value != google_crc32c.value(answer.ciphertext):
        raise TryAgain("kms_answer_damaged")
    return base64.b64encode(answer.ciphertext).decode()


def _ask(kms: Api, method: str, key_name: str, **fields: Any) -> Any:
    if not KEY_NAME.fullmatch(key_name):
        raise Misconfigured("KEYSET_KEY: projects/P/locations/L/keyRings/R/cryptoKeys/K")
    service = messages("google.cloud.kms_v1", "service")
    request = getattr(service, f"{method}Request")(
        name=key_name,
        additional_authenticated_data=BOUND_TO,
        additional_authenticated_data_crc32c=google_crc32c.value(BOUND_TO),
        **fields,
    )
    call = kms.unary(method, type(request), getattr(service, f"{method}Response"))
    try:
        # the service finds the key's region by this header
        return call(request, timeout=ANSWER_WITHIN_SECONDS, metadata=[("x-goog-request-params", f"name={key_name}")])
    except grpc.RpcError as error:
        raise _failure(error) from None


def _failure(error: grpc.RpcError) -> Exception:
    failed = failure(error, "kms")
    if isinstance(failed, TryAgain):
        return failed
    return Misconfigured(REFUSALS.get(code_of(error), f"KEYSET_KEY: KMS answers {code_of(error)}"))


def _read(plain: bytes) -> Keyset:
    try:
        found = msgspec.json.decode(plain, type=Keyset)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # the cause would quote what was read
        raise Misconfigured("KEYSET: what was unwrapped is not a keyset") from None
    if not is_sound(found):
        raise Misconfigured("KEYSET: what was unwrapped lacks keys")
    return found


def is_sound(keyset: Keyset) -> bool:
    """Tell whether every use has a key, and every key its 32 bytes and its id."""
    uses = (keyset.seal, keyset.mac, keyset.sign)
    ids = [key_id for keys in uses for key_id in keys]
    keys = [keyset.index, *(key for one in uses for key in one.values())]
    return all(uses) and all(len(key) == 32 for key in keys) and all(re.fullmatch("[0-9a-f]{8}", one) for one in ids)


def covers(newer: Keyset, older: Keyset) -> bool:
    """Tell whether everything written under `older` reads under `newer`, and every keyed hash stays the same."""
    pairs = ((newer.seal, older.seal), (newer.mac, older.mac), (newer.sign, older.sign))
    return newer.index == older.index and all(more.items() >= fewer.items() for more, fewer in pairs)


def announced(rotated: Keyset, present: Keyset) -> Keyset:
    """Return a rotated keyset that still writes with the present keys: the new ones stand before them, and read."""

    def reordered(keys: dict[str, bytes], writing: dict[str, bytes]) -> dict[str, bytes]:
        return {key_id: keys[key_id] for key_id in sorted(keys, key=lambda one: one in writing)}

    return msgspec.structs.replace(
        rotated,
        seal=reordered(rotated.seal, present.seal),
        mac=reordered(rotated.mac, present.mac),
        sign=reordered(rotated.sign, present.sign),
    )
