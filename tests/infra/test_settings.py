"""Settings: what is generated, what is refused at start, and that no test or local run can reach a vendor."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.container import Container
from infra.settings import EMULATORS, SAMPLES, Settings
from shared.annex import NAMES
from shared.failures import Misconfigured


def settings(folder: Path, **environment: str) -> Settings:
    return Settings({"DATA_DIR": str(folder), **environment})


@pytest.mark.parametrize(
    "base",
    [
        "https://api.sendgrid.com",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://evil.example#127.0.0.1",
        "",
    ],
)
def test_a_vendor_that_is_not_on_this_machine_is_refused_locally(tmp_path: Path, base: str) -> None:
    with pytest.raises(Misconfigured, match="loopback"):
        settings(tmp_path, SENDGRID_API_BASE=base).vendor_base("SENDGRID_API_BASE")


@pytest.mark.parametrize("base", ["http://127.0.0.1:9/sendgrid", "http://localhost:9", "http://[::1]:9"])
def test_a_vendor_on_this_machine_is_the_sandbox(tmp_path: Path, base: str) -> None:
    assert settings(tmp_path, SENDGRID_API_BASE=base).vendor_base("SENDGRID_API_BASE") == base


def test_a_secret_is_generated_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = settings(tmp_path).secret("OPERATOR_TOKEN", "operator-token")
    assert settings(tmp_path).secret("OPERATOR_TOKEN", "operator-token") == first
    assert stat.S_IMODE((tmp_path / "operator-token").stat().st_mode) == 0o600
    assert settings(tmp_path, OPERATOR_TOKEN="given").secret("OPERATOR_TOKEN", "operator-token") == "given"


def test_a_file_that_is_named_and_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="COMPANY"):
        settings(tmp_path, COMPANY=str(tmp_path / "none.yaml")).yaml("COMPANY")


def test_each_operator_has_a_token_of_their_own(tmp_path: Path) -> None:
    container = Container(settings(tmp_path, OPERATORS="ola,per", OPERATOR_TOKEN="one"))
    tokens = dict(container.operator_tokens)
    assert tokens["ola"] == "one"
    assert tokens["per"] not in {"", "one"}


def test_every_subprocessor_of_the_annex_is_connected_but_those_the_company_does_not_use(tmp_path: Path) -> None:
    company = tmp_path / "company.yaml"
    unused = "not_used: {facebook: no contract}"
    company.write_text((SAMPLES / "company.yaml").read_text().replace("not_used: {}", unused))
    container = Container(settings(tmp_path, RUNTIME="gcp", COMPANY=str(company)))
    assert set(container.connected) == set(NAMES) - {"facebook"}
    assert "facebook" not in container.connectors
    assert list(container.idle) == []


def test_one_vendors_wrong_setting_does_not_stop_the_others(tmp_path: Path) -> None:
    container = Container(
        settings(tmp_path, STRIPE_API_BASE="https://api.stripe.com", META_API_BASE="http://127.0.0.1:9")
    )
    assert container.connectors["facebook"].name == "facebook"
    with pytest.raises(Misconfigured, match="STRIPE_API_BASE"):
        _ = container.connectors["stripe"]


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ("store", "GOOGLE_CLOUD_PROJECT"),
        ("queue", "WORK_QUEUE"),
        ("company", "COMPANY"),
        ("vault", "KEYSET"),
        ("website_keys", "WEBSITE_KEYS"),
        ("operator_tokens", "OPERATOR_TOKEN"),
        ("operator_identities", "OIDC_AUDIENCE"),
        ("caller_tokens", "OIDC_AUDIENCE"),
        ("sendgrid", "SENDGRID_API_KEY"),
    ],
)
def test_in_the_cloud_nothing_falls_back_to_this_machines_files(tmp_path: Path, asked: str, missing: str) -> None:
    container = Container(settings(tmp_path / "never", RUNTIME="gcp"))
    with pytest.raises(Misconfigured, match=missing):
        getattr(container, asked)
    assert not (tmp_path / "never").exists()


HOSTS = [name for name in EMULATORS if name != "FIRESTORE_EMULATOR_HOST"]


@pytest.mark.parametrize("name", EMULATORS)
@pytest.mark.parametrize("host", ["firestore.googleapis.com:443", "10.0.0.1:8080", "8080", "example.org"])
def test_an_emulator_anywhere_else_than_on_this_machine_is_refused(tmp_path: Path, name: str, host: str) -> None:
    with pytest.raises(Misconfigured, match="loopback"):
        settings(tmp_path, **{name: host}).emulator(name)


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("runtime", ["local", "gcp"])
def test_beside_one_emulator_everything_is_one(tmp_path: Path, name: str, runtime: str) -> None:
    with pytest.raises(Misconfigured, match="nothing real is reached"):
        settings(tmp_path, RUNTIME=runtime, FIRESTORE_EMULATOR_HOST="127.0.0.1:9").google(name)


def test_beside_an_emulator_no_vendor_is_reached_either(tmp_path: Path) -> None:
    beside = settings(
        tmp_path, RUNTIME="gcp", FIRESTORE_EMULATOR_HOST="127.0.0.1:9", SENDGRID_API_BASE="https://x.example"
    )
    with pytest.raises(Misconfigured, match="loopback"):
        beside.vendor_base("SENDGRID_API_BASE")


def test_in_the_cloud_the_real_services_are_meant(tmp_path: Path) -> None:
    cloud = settings(tmp_path, RUNTIME="gcp")
    assert [cloud.google(name) for name in EMULATORS] == [None] * len(EMULATORS)
    assert cloud.on_google
    assert not cloud.sheltered
