"""Keys and secrets on Google Cloud, by the command line against emulators: made, rotated, checked, never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import msgspec
import pytest
import yaml
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from infra.cli import main
from infra.gcp.keyring import KEYSET, Keyring
from infra.gcp.secret_checks import SHAPES
from infra.gcp.secrets import Secrets
from infra.settings import Settings
from shared.failures import Misconfigured, TryAgain
from shared.vault import Keyset, Vault
from tests.emulators.kms import KmsEmulator
from tests.emulators.secrets import SecretsEmulator

PROJECT = "demo"
KEY = f"projects/{PROJECT}/locations/europe-west1/keyRings/pledge/cryptoKeys/keyset"
MAP = yaml.safe_load((Path(__file__).parents[2] / "terraform" / "functions.yaml").read_text())
NAMED = {name for entry in MAP.values() for name in entry["secrets"]}
GOOD = {
    "SENDGRID_API_KEY": "SG.0123456789abcdefghijkl.0123456789abcdefghijklmnopqrstuvwxyz0123456",
    "STRIPE_API_KEY": "sk_test_0123456789abcdefghijklmn",
    "META_ACCESS_TOKEN": "EAAB0123456789abcdefghijklmnopqrstuvwxyz",
    "STRIPE_WEBHOOK_SECRETS": "whsec_0123456789abcdefghijklmnopqrstuv,whsec_abcdefghijklmnopqrstuv0123456789",
    "META_APP_SECRETS": "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210",
    "WEBSITE_KEYS": "website-key-of-24-letters,another-key-of-24-letters",
}
Code = grpc.StatusCode
Pledge = Callable[..., tuple[int, str]]


class Cloud:
    """The project's Secret Manager and KMS, and the command line of somebody who works on it."""

    def __init__(self, environment: pytest.MonkeyPatch, folder: Path) -> None:
        self.secrets, self.kms = SecretsEmulator().start(), KmsEmulator().start()
        self.kms.create_key(KEY)
        self.secrets.create(PROJECT, *NAMED)
        self.environment = {
            "RUNTIME": "gcp",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "KEYSET_KEY": KEY,
            "SECRETS_EMULATOR_HOST": self.secrets.host,
            "KMS_EMULATOR_HOST": self.kms.host,
            "DATA_DIR": str(folder),
        }
        for name, value in self.environment.items():
            environment.setenv(name, value)
        transport = SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(self.secrets.host))
        self.client = SecretManagerServiceClient(transport=transport)

    @property
    def ours(self) -> Secrets:
        return Secrets(PROJECT, self.secrets.host)

    def keyset(self, number: int) -> Keyset:
        return Keyring.of(Settings(self.environment)).unwrapped(number).keyset

    def fill(self, **values: str) -> None:
        for name, value in (GOOD | values).items():
            self.ours.add(name, value)

    def version(self, name: str, number: int) -> str:
        return f"projects/{PROJECT}/secrets/{name}/versions/{number}"

    def stop(self) -> None:
        self.secrets.stop()
        self.kms.stop()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    running = Cloud(monkeypatch, tmp_path)
    yield running
    running.stop()


@pytest.fixture
def pledge(capsys: pytest.CaptureFixture[str]) -> Pledge:
    """Return the command line: its exit code, and all it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def row(said: str, name: str) -> list[str]:
    line = next(line for line in said.splitlines() if line.startswith(f"{name} "))
    return line.split(None, 3)


# --- the keyset --------------------------------------------------------------------------------------------------------


def test_a_new_keyset_is_wrapped_and_its_version_named(cloud: Cloud, pledge: Pledge) -> None:
    code, said = pledge("new-keyset")
    assert (code, said) == (0, "KEYSET version 1 added: pin it (secret_versions) and deploy.\n")
    assert Vault(cloud.keyset(1)).jwks()["keys"]
    assert '"index"' not in cloud.ours.read(KEYSET, 1)


def test_a_second_keyset_is_refused_whatever_became_of_the_first(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    cloud.client.destroy_secret_version(name=cloud.version(KEYSET, 1))
    code, said = pledge("new-keyset")
    assert code == 1
    assert "rotate-keys" in said
    assert len(cloud.ours.versions(KEYSET)) == 1
    assert pledge("new-keyset", "--orphan-what-exists")[0] == 0
    assert len(cloud.ours.versions(KEYSET)) == 2


def test_a_rotation_adds_one_version_that_reads_and_one_that_writes_with_the_new_keys(
    cloud: Cloud, pledge: Pledge
) -> None:
    pledge("new-keyset")
    code, said = pledge("rotate-keys")
    assert code == 0
    assert "Pin 2 and deploy" in said
    assert "Pin 3 and deploy" in said
    first, second, third = (Vault(cloud.keyset(number)) for number in (1, 2, 3))
    # the first step writes as before, so that a function not yet deployed reads it
    assert first.unseal("a/1", second.seal("a/1", "one")) == "one"
    assert first.mac_holds(second.mac(b"a")[0], b"a", second.mac(b"a")[1])
    # at the second step, functions still at the first read what is written with the new keys
    assert second.unseal("a/1", third.seal("a/1", "two")) == "two"
    assert second.mac_holds(third.mac(b"a")[0], b"a", third.mac(b"a")[1])
    assert third.seal("a/1", "")[:4] != first.seal("a/1", "")[:4]
    assert third.mac(b"a")[0] != first.mac(b"a")[0]
    assert third.sign({}) != first.sign({}) == second.sign({})
    # and everything written before reads for good
    assert third.unseal("a/1", first.seal("a/1", "old")) == "old"
    assert third.keyed("alias", "a") == first.keyed("alias", "a")
    assert {version.state for version in cloud.ours.versions(KEYSET)} == {"ENABLED"}


def test_rotations_add_up_and_the_first_keys_still_open(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    for _ in range(3):
        assert pledge("rotate-keys")[0] == 0
    newest = cloud.keyset(7)
    assert len(newest.seal) == len(newest.mac) == len(newest.sign) == 4
    assert Vault(newest).unseal("a/1", Vault(cloud.keyset(1)).seal("a/1", 1)) == 1


def test_a_rotation_begins_from_the_newest_version_that_can_be_read(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    pledge("rotate-keys")
    cloud.client.disable_secret_version(name=cloud.version(KEYSET, 3))
    cloud.client.destroy_secret_version(name=cloud.version(KEYSET, 2))
    assert pledge("rotate-keys")[0] == 0
    assert len(cloud.keyset(5).seal) == 2


def test_a_rotation_that_would_leave_anybodys_keys_behind_is_refused(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    keyring = Keyring.of(Settings(cloud.environment))
    at_once = [keyring.newest().rotated(), keyring.newest().rotated()]
    for keyset in at_once:
        keyring.add(keyset)
    for command in ("rotate-keys", "check-secrets"):
        code, said = pledge(command)
        assert code == 1
        assert "version 3 lacks keys of version 2" in said
    cloud.client.disable_secret_version(name=cloud.version(KEYSET, 3))
    assert pledge("rotate-keys")[0] == 0


def test_rewrapping_keeps_the_keys_and_uses_the_kms_keys_present_version(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    cloud.fill()
    cloud.kms.rotate_key(KEY)
    assert "rotate-keys --rewrap" in row(pledge("check-secrets")[1], KEYSET)[3]
    code, said = pledge("rotate-keys", "--rewrap")
    assert code == 0
    assert "KEYSET version 2 added" in said
    assert msgspec.json.encode(cloud.keyset(2)) == msgspec.json.encode(cloud.keyset(1))
    assert row(pledge("check-secrets")[1], KEYSET)[3] == "good"


def test_rotating_before_there_is_a_keyset_says_what_makes_one(cloud: Cloud, pledge: Pledge) -> None:
    code, said = pledge("rotate-keys")
    assert code == 1
    assert "new-keyset" in said


def test_a_version_that_does_not_read_back_is_not_to_be_pinned(cloud: Cloud, pledge: Pledge) -> None:
    cloud.secrets.damage_answers = True
    code, said = pledge("new-keyset")
    assert code == 1
    assert "secrets_answer_damaged" in said


# --- the website's keys ------------------------------------------------------------------------------------------------


def test_the_websites_new_key_and_the_last_one_are_valid_at_once(cloud: Cloud, pledge: Pledge) -> None:
    keys = []
    for number in (1, 2, 3):
        code, said = pledge("rotate-website-key")
        assert code == 0
        keys.append(said.splitlines()[-1])
        assert cloud.ours.read("WEBSITE_KEYS", number) == ",".join(reversed(keys[-2:]))
    assert len(set(keys)) == 3
    assert min(map(len, keys)) >= 24


# --- what is checked ---------------------------------------------------------------------------------------------------


def test_every_secret_of_the_map_has_a_shape_or_is_the_keyset() -> None:
    assert set(SHAPES) | {KEYSET} == NAMED
    assert set(GOOD) == set(SHAPES)


def test_good_secrets_are_good_and_none_of_them_is_shown(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    cloud.fill()
    code, said = pledge("check-secrets", "--pinned", "KEYSET=1")
    assert code == 0, said
    assert row(said, KEYSET) == [KEYSET, "1", "1", "good"]
    assert all(row(said, name) == [name, "1", "-", "good"] for name in SHAPES)
    secrets = [cloud.ours.read(name, 1) for name in NAMED]
    assert not [one for text in secrets for one in text.split(",") if one.strip() in said]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WEBSITE_KEYS", "short", "fewer than 24"),
        ("WEBSITE_KEYS", f"{GOOD['WEBSITE_KEYS']},", "fewer than 24"),
        ("WEBSITE_KEYS", "one-key-of-24-characters,one-key-of-24-characters", "the same key twice"),
        ("WEBSITE_KEYS", f"{GOOD['WEBSITE_KEYS']}\n", "white space"),
        ("SENDGRID_API_KEY", "SG.short", "not the form"),
        ("STRIPE_API_KEY", "pk_live_0123456789abcdefghijklmn", "not the form"),
        ("META_ACCESS_TOKEN", "short", "fewer than 24"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_0123456789abcdefghijklmnopqrstuv,", "not the form"),
        ("STRIPE_WEBHOOK_SECRETS", "sk_live_0123456789abcdefghijklmn", "not the form"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_0123456789abcdefghij,whsec_0123456789abcdefghij", "the same secret twice"),
        ("META_APP_SECRETS", "0123456789abcdef0123456789abcdef,", "fewer than 24"),
        ("SENDGRID_API_KEY", "sk_live_0123456789abcdefghijklmnopqrstuvwxyz", "not the form"),
        ("SENDGRID_API_KEY", "SG.0123456789abcdefghijkl.0123456789abcdefghijklmno\u00e9qrstuvwxyz", "printable ASCII"),
        ("SENDGRID_API_KEY", f"{GOOD['SENDGRID_API_KEY']}\x00", "printable ASCII"),
    ],
)
def test_a_secret_of_the_wrong_form_is_found_and_not_shown(
    cloud: Cloud, pledge: Pledge, name: str, value: str, says: str
) -> None:
    pledge("new-keyset")
    cloud.fill(**{name: value})
    code, said = pledge("check-secrets")
    assert code == 1
    assert says in row(said, name)[3]
    assert value.strip() not in said
    assert said.count("WRONG") == 1


def test_what_is_missing_disabled_or_not_text_is_found(cloud: Cloud, pledge: Pledge) -> None:
    cloud.ours.add("WEBSITE_KEYS", GOOD["WEBSITE_KEYS"])
    cloud.client.disable_secret_version(name=cloud.version("WEBSITE_KEYS", 1))
    cloud.ours.add(KEYSET, "bm90IGEga2V5c2V0")
    cloud.client.add_secret_version(parent="projects/demo/secrets/SENDGRID_API_KEY", payload={"data": b"\xff\xfe"})
    code, said = pledge("check-secrets")
    assert code == 1
    assert "no version that can be read" in row(said, "WEBSITE_KEYS")[3]
    assert "not wrapped by KEYSET_KEY" in row(said, KEYSET)[3]
    assert "not UTF-8" in row(said, "SENDGRID_API_KEY")[3]
    code, said = pledge("check-secrets", "--pinned", "SENDGRID_API_KEY=4")
    assert code == 1
    assert row(said, "SENDGRID_API_KEY")[1:3] == ["1", "4"]
    assert "no such secret or version" in row(said, "SENDGRID_API_KEY")[3]


def test_the_pinned_version_is_the_one_looked_at(cloud: Cloud, pledge: Pledge) -> None:
    pledge("new-keyset")
    cloud.fill(WEBSITE_KEYS="short")
    cloud.ours.add("WEBSITE_KEYS", GOOD["WEBSITE_KEYS"])
    assert pledge("check-secrets")[0] == 0
    code, said = pledge("check-secrets", "--pinned", "WEBSITE_KEYS=1")
    assert code == 1
    assert row(said, "WEBSITE_KEYS")[:3] == ["WEBSITE_KEYS", "2", "1"]
    cloud.client.disable_secret_version(name=cloud.version("WEBSITE_KEYS", 1))
    assert "disabled or destroyed" in row(pledge("check-secrets", "--pinned", "WEBSITE_KEYS=1")[1], "WEBSITE_KEYS")[3]
    assert "no such secret or version" in pledge("check-secrets", "--pinned", "WEBSITE_KEYS=9")[1]


def test_a_pin_of_no_secret_is_refused(cloud: Cloud, pledge: Pledge) -> None:
    code, said = pledge("check-secrets", "--pinned", "WEBSITE_KEY=1")
    assert code == 1
    assert "WEBSITE_KEY" in said


def test_a_secret_that_terraform_did_not_make_is_found(
    cloud: Cloud, pledge: Pledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
    code, said = pledge("check-secrets")
    assert code == 1
    assert said.count("no such secret") == len(NAMED)


# --- troubles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["new-keyset", "rotate-keys", "rotate-website-key", "check-secrets"])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (Code.PERMISSION_DENIED, "may not read it"),
        (Code.UNAVAILABLE, "secrets_unavailable"),
        (Code.DEADLINE_EXCEEDED, "secrets_deadline_exceeded"),
    ],
)
def test_a_trouble_of_secret_manager_ends_the_command_in_one_line(
    cloud: Cloud, pledge: Pledge, command: str, code: grpc.StatusCode, says: str
) -> None:
    cloud.secrets.fail(code)
    status, said = pledge(command)
    assert status == 1
    assert says in said
    assert "status text" not in said


@pytest.mark.parametrize("command", ["new-keyset", "rotate-keys", "check-secrets"])
def test_a_trouble_of_kms_adds_no_version(cloud: Cloud, pledge: Pledge, command: str) -> None:
    if command != "new-keyset":
        pledge("new-keyset")
    before = cloud.ours.versions(KEYSET)
    cloud.kms.fail(Code.PERMISSION_DENIED)
    status, said = pledge(command)
    assert status == 1
    assert "may not use the key" in said
    assert cloud.ours.versions(KEYSET) == before


def test_secret_manager_is_waited_for_a_few_seconds_only(cloud: Cloud) -> None:
    cloud.ours.versions(KEYSET)
    assert cloud.secrets.patience is not None
    assert 1 < cloud.secrets.patience < 11


def test_many_versions_are_read_page_by_page(cloud: Cloud) -> None:
    for n in range(101):
        cloud.ours.add("WEBSITE_KEYS", str(n))
    assert [version.number for version in cloud.ours.versions("WEBSITE_KEYS")] == list(range(101, 0, -1))
    assert cloud.secrets.called.count("ListSecretVersions") == 2


@pytest.mark.parametrize("command", ["new-keyset", "rotate-website-key", "check-secrets"])
def test_elsewhere_than_on_google_cloud_there_is_nothing_to_make_or_check(
    cloud: Cloud, pledge: Pledge, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME", "local")
    code, said = pledge(command)
    assert code == 1
    assert "RUNTIME" in said
    assert cloud.secrets.called == []


def test_on_this_machine_rotating_keeps_the_file_it_always_kept(
    cloud: Cloud, pledge: Pledge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from infra.local.keyset_file import keyset

    monkeypatch.setenv("RUNTIME", "local")
    before = keyset(tmp_path / "keyset.json")
    assert pledge("rotate-keys")[0] == 0
    assert Vault(keyset(tmp_path / "keyset.json")).unseal("a/1", Vault(before).seal("a/1", 1)) == 1
    assert len(keyset(tmp_path / "keyset.json").seal) == 2
    assert pledge("rotate-keys", "--rewrap")[0] == 1


@pytest.mark.parametrize("name", ["SECRETS_EMULATOR_HOST", "KMS_EMULATOR_HOST"])
def test_a_plaintext_channel_is_opened_to_loopback_only(
    cloud: Cloud, pledge: Pledge, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "10.0.0.1:443")
    code, said = pledge("new-keyset")
    assert code == 1
    assert f"{name}: only a loopback address is allowed" in said


def test_a_bit_flipped_on_the_way_is_worth_another_try(cloud: Cloud) -> None:
    cloud.fill()
    cloud.secrets.damage_answers = True
    with pytest.raises(TryAgain, match="secrets_answer_damaged"):
        cloud.ours.read("WEBSITE_KEYS", 1)


def test_without_credentials_it_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(Misconfigured, match="gcloud auth"):
        Secrets(PROJECT)


def test_more_than_a_secret_takes_is_refused(cloud: Cloud) -> None:
    with pytest.raises(Misconfigured, match="INVALID_ARGUMENT"):
        cloud.ours.add(KEYSET, "a" * (64 * 1024 + 1))
