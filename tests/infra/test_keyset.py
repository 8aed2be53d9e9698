"""The keyset on Google Cloud: wrapped by KMS, unwrapped once, rotated, and every way it can fail."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import msgspec
import pytest

from infra.gcp.calls import Api
from infra.gcp.keyset import covers, keyset, kms, unwrap, wrap
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.vault import Keyset, Vault
from tests.emulators.kms import KmsEmulator

ROOT = Path(__file__).parents[2]
KEY = "projects/demo/locations/europe-west1/keyRings/pledge/cryptoKeys/keyset"
KEYS = Keyset.generate()
Code = grpc.StatusCode


@pytest.fixture
def emulator() -> Iterator[KmsEmulator]:
    with KmsEmulator() as running:
        running.create_key(KEY)
        yield running


@pytest.fixture
def api(emulator: KmsEmulator) -> Iterator[Api]:
    opened = kms(emulator.host)
    yield opened
    opened.close()


def wrapped_by_hand(emulator: KmsEmulator, plaintext: bytes, aad: bytes = b"pledge keyset") -> str:
    """Wrap anything, by Google's own client."""
    from google.cloud.kms_v1 import KeyManagementServiceClient
    from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

    transport = KeyManagementServiceGrpcTransport(channel=grpc.insecure_channel(emulator.host))
    asked = {"name": KEY, "plaintext": plaintext, "additional_authenticated_data": aad}
    answer = KeyManagementServiceClient(transport=transport).encrypt(request=asked)
    return base64.b64encode(answer.ciphertext).decode()


def test_what_was_wrapped_unwraps_in_one_call(emulator: KmsEmulator, api: Api) -> None:
    wrapped = wrap(KEYS, KEY, api)
    assert keyset(wrapped, KEY, api) == KEYS
    assert emulator.called == ["Encrypt", "Decrypt"]


def test_googles_own_client_reads_what_we_wrap_and_wraps_what_we_read(emulator: KmsEmulator, api: Api) -> None:
    assert keyset(wrapped_by_hand(emulator, msgspec.json.encode(KEYS)), KEY, api) == KEYS


def test_the_wrapped_keyset_shows_no_key(api: Api) -> None:
    raw = base64.b64decode(wrap(KEYS, KEY, api))
    for secret in (KEYS.index, *KEYS.seal.values(), base64.b64encode(KEYS.index)):
        assert secret not in raw


def test_a_rotated_keyset_opens_and_verifies_what_was_made_before(api: Api) -> None:
    before = Vault(keyset(wrap(KEYS, KEY, api), KEY, api))
    rotated = keyset(wrap(KEYS.rotated(), KEY, api), KEY, api)
    after = Vault(rotated)
    assert after.unseal("subjects/1", before.seal("subjects/1", {"name": "Ann"})) == {"name": "Ann"}
    assert after.mac_holds(*_interleaved(before.mac(b"entry"), b"entry"))
    assert {key["kid"] for key in before.jwks()["keys"]} < {key["kid"] for key in after.jwks()["keys"]}
    assert after.keyed("alias", "ann@example.org") == before.keyed("alias", "ann@example.org")
    assert after.seal("subjects/1", {})[:4] != before.seal("subjects/1", {})[:4]
    assert after.mac(b"entry")[0] != before.mac(b"entry")[0]
    with pytest.raises(NeverRetry):
        before.unseal("subjects/1", after.seal("subjects/1", {}))


def _interleaved(mac: tuple[str, str], data: bytes) -> tuple[str, bytes, str]:
    return mac[0], data, mac[1]


def test_after_the_kms_key_was_rotated_the_old_wrap_opens_and_a_new_one_is_by_the_primary(
    emulator: KmsEmulator, api: Api
) -> None:
    old = wrap(KEYS, KEY, api)
    emulator.rotate_key(KEY)
    assert unwrap(old, KEY, api) == (KEYS, False)
    assert unwrap(wrap(KEYS, KEY, api), KEY, api) == (KEYS, True)


@pytest.mark.parametrize(
    ("wrapped", "says"),
    [
        ("not base64!", "not base64"),
        ("bm90IHdyYXBwZWQ=\n", "not base64"),
        ("bm90IHdyYXBwZWQ=", "not wrapped by KEYSET_KEY"),
        (base64.b64encode(bytes(200)).decode(), "not wrapped by KEYSET_KEY"),
    ],
)
def test_what_no_kms_wrapped_is_a_wrong_setting(api: Api, wrapped: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        keyset(wrapped, KEY, api)


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        (b"[1]", "not a keyset"),
        (b"\xff", "not a keyset"),
        (b'{"index": 1}', "not a keyset"),
        (msgspec.json.encode(msgspec.structs.replace(KEYS, seal={})), "lacks keys"),
        (msgspec.json.encode(msgspec.structs.replace(KEYS, index=b"short")), "lacks keys"),
        (msgspec.json.encode(msgspec.structs.replace(KEYS, mac={"zz": bytes(32)})), "lacks keys"),
    ],
)
def test_what_was_wrapped_and_is_no_keyset_is_a_wrong_setting(
    emulator: KmsEmulator, api: Api, plain: bytes, says: str
) -> None:
    with pytest.raises(Misconfigured, match=says) as raised:
        keyset(wrapped_by_hand(emulator, plain), KEY, api)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_what_was_wrapped_for_something_else_does_not_open(emulator: KmsEmulator, api: Api) -> None:
    with pytest.raises(Misconfigured, match="not wrapped by"):
        keyset(wrapped_by_hand(emulator, msgspec.json.encode(KEYS), b"something else"), KEY, api)


def test_another_key_a_missing_one_and_no_keys_name_are_told_apart(emulator: KmsEmulator, api: Api) -> None:
    wrapped = wrap(KEYS, KEY, api)
    other = emulator.create_key(KEY.replace("/keyset", "/other"))
    for name, says in ((other, "not wrapped by"), (f"{KEY}2", "no such key"), ("keyset", "projects/P/locations")):
        with pytest.raises(Misconfigured, match=says):
            keyset(wrapped, name, api)


@pytest.mark.parametrize(
    ("code", "raised", "says"),
    [
        (Code.PERMISSION_DENIED, Misconfigured, "may not use the key"),
        (Code.UNAUTHENTICATED, Misconfigured, "no valid Google credentials"),
        (Code.FAILED_PRECONDITION, Misconfigured, "disabled or destroyed"),
        (Code.UNIMPLEMENTED, Misconfigured, "KMS answers UNIMPLEMENTED"),
        (Code.UNAVAILABLE, TryAgain, "kms_unavailable"),
        (Code.DEADLINE_EXCEEDED, TryAgain, "kms_deadline_exceeded"),
        (Code.RESOURCE_EXHAUSTED, TryAgain, "kms_resource_exhausted"),
    ],
)
def test_every_failure_has_its_type_and_tells_nothing_of_what_was_sent(
    emulator: KmsEmulator, api: Api, code: grpc.StatusCode, raised: type[Exception], says: str
) -> None:
    wrapped = wrap(KEYS, KEY, api)
    emulator.fail(code)
    for attempt in (lambda: keyset(wrapped, KEY, api), lambda: wrap(KEYS, KEY, api)):
        with pytest.raises(raised, match=says) as failed:
            attempt()
        assert "status text" not in str(failed.value)
        assert failed.value.__suppress_context__
    emulator.heal()
    assert keyset(wrapped, KEY, api) == KEYS


def test_a_silent_kms_is_waited_for_a_few_seconds_only(emulator: KmsEmulator, api: Api) -> None:
    wrap(KEYS, KEY, api)
    assert emulator.patience is not None
    assert 1 < emulator.patience < 6


def test_a_kms_that_is_down_is_worth_another_try(emulator: KmsEmulator, api: Api) -> None:
    wrapped = wrap(KEYS, KEY, api)
    emulator.stop()
    with pytest.raises(TryAgain, match="kms_unavailable"):
        keyset(wrapped, KEY, api)


def test_a_bit_flipped_on_the_way_is_found_both_ways(emulator: KmsEmulator, api: Api) -> None:
    wrapped = wrap(KEYS, KEY, api)
    emulator.damage_answers = True
    for attempt in (lambda: keyset(wrapped, KEY, api), lambda: wrap(KEYS, KEY, api)):
        with pytest.raises(TryAgain, match="kms_answer_damaged"):
            attempt()
    emulator.damage_answers, emulator.lose_checksums = False, True
    with pytest.raises(TryAgain, match="kms_answer_damaged"):
        wrap(KEYS, KEY, api)


def test_a_keyset_covers_what_it_grew_from_and_nothing_else() -> None:
    rotated = KEYS.rotated()
    assert covers(rotated, KEYS)
    assert covers(KEYS, KEYS)
    assert not covers(KEYS, rotated)
    assert not covers(KEYS.rotated(), rotated)
    assert not covers(Keyset.generate(), KEYS)
    assert not covers(msgspec.structs.replace(rotated, index=bytes(32)), KEYS)


def test_unwrapping_loads_no_client_of_googles(emulator: KmsEmulator, api: Api) -> None:
    probe = (
        "import sys; from infra.gcp.keyset import keyset, kms; keyset(*sys.argv[1:3], kms(sys.argv[3]));"
        "print([one for one in sys.modules if one.startswith('google.cloud.kms') and '.services' in one"
        " or one.startswith('google.api_core')])"
    )
    command = [sys.executable, "-c", probe, wrap(KEYS, KEY, api), KEY, emulator.host]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
