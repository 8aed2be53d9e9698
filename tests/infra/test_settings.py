"""Settings: what is generated, what is refused at start, and that no test or local run can reach a vendor."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.container import Container
from infra.settings import SAMPLES, Settings
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


def test_google_cloud_refuses_to_start_with_a_subprocessor_that_is_neither_connected_nor_unused(tmp_path: Path) -> None:
    with pytest.raises(
        Misconfigured, match="neither connected nor in not_used: google_analytics, google_tag_manager, stripe"
    ):
        Container(settings(tmp_path, RUNTIME="gcp", COMPANY=str(SAMPLES / "company.yaml")))


def test_google_cloud_never_runs_on_this_machines_files(tmp_path: Path) -> None:
    idle = "google_analytics", "google_tag_manager", "stripe", "facebook", "instagram"
    company = tmp_path / "company.yaml"
    unused = ", ".join(f"{name}: no contract" for name in idle)
    company.write_text((SAMPLES / "company.yaml").read_text().replace("not_used: {}", f"not_used: {{{unused}}}"))
    with pytest.raises(Misconfigured, match="no adapters yet"):
        Container(settings(tmp_path, RUNTIME="gcp", COMPANY=str(company)))
