"""Whoever the policy names works for us, and nobody else: policy, annex, connectors, company, map and register agree (§9)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infra.container import Container
from infra.gcp.secret_checks import SHAPES
from infra.local.server import SAMPLE_POLICY
from infra.settings import SAMPLES, Settings
from infra.subprocessors import CONNECTORS
from shared.annex import ANNEX, NAMES
from shared.company import company_from
from shared.ports import Ability
from shared.promises.register import register
from shared.website_data import WebsiteData

ROOT = Path(__file__).parents[1]
WORK: dict[str, Any] = yaml.safe_load((ROOT / "terraform" / "functions.yaml").read_text())["work"]
GIVEN: dict[str, Any] = yaml.safe_load((ROOT / "terraform" / "environment.yaml").read_text())
COMPANY = company_from(yaml.safe_load((SAMPLES / "company.yaml").read_text()))
POLICIES = [SAMPLE_POLICY, *([Path(os.environ["PLEDGE_POLICY_FILE"])] if os.environ.get("PLEDGE_POLICY_FILE") else [])]
TODAY = date(2026, 11, 22)
"""The day of the tests: what was checked at a vendor's longer than a year before it must be checked again."""
RIGHTS = {"export", "erase", "rectify", "restrict"}
OF_VENDORS = ("SENDGRID_", "STRIPE_", "META_", "GA_")
HEADING = re.compile(r"^#*\s*§?\s*9\.?\s+\S.*$", re.MULTILINE)
NEXT = re.compile(r"^#*\s*§?\s*10\.?\s+\S.*$", re.MULTILINE)
BULLET = re.compile(r"^\s*[•*-]\s+(.+?)\s*$", re.MULTILINE)


def subprocessors_of(text: str) -> list[str]:
    """Return whom § 9 of a policy lists: its bullets, or else the names of its first sentence."""
    heading = next(HEADING.finditer(text))
    section = NEXT.split(text[heading.end() :])[0]
    listed = BULLET.findall(section)
    sentence = " ".join(section.partition(".")[0].split())
    return listed or [one for one in re.split(r", (?:and )?| and ", sentence) if one]


def test_the_list_is_read_from_bullets_and_from_a_sentence_alike() -> None:
    assert subprocessors_of("## 9. Who\n\nA B, C and D. More.\n\n## 10. End\nE") == ["A B", "C", "D"]
    assert subprocessors_of("8. X\n\n9. Who\n\nThese, and no other:\n\n  • A B\n  • C") == ["A B", "C"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_the_policy_names_everybody_of_the_annex_and_nobody_else(path: Path) -> None:
    listed = subprocessors_of(path.read_text())
    assert sorted(listed) == sorted(one.title for one in ANNEX)


def test_everybody_of_the_annex_has_a_connector_and_no_connector_is_nobodys() -> None:
    assert set(CONNECTORS) == set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == len({one.title for one in ANNEX})


def test_the_companys_contracts_cover_everybody_of_the_annex() -> None:
    assert set(COMPANY.contracts) | set(COMPANY.not_used) == set(NAMES)


def test_every_purpose_names_recipients_of_the_annex_and_every_one_of_them_has_a_purpose() -> None:
    named = {name for purpose in COMPANY.purposes for name in purpose.recipients}
    assert named | set(COMPANY.not_used) == set(NAMES)


def test_the_register_has_a_row_for_everybody_and_for_every_purpose_and_misses_nothing() -> None:
    services: Any = SimpleNamespace(company=COMPANY, annex=ANNEX, connected=list(CONNECTORS))
    found = register(services)
    assert [one["name"] for one in found["recipients"]] == list(NAMES)
    assert [one["purpose"] for one in found["activities"]] == [one.name for one in COMPANY.purposes]
    assert all(set(one["transfers"]) == set(one["recipients"]) for one in found["activities"])
    assert found["missing"] == []


# --- what each connector needs and can -------------------------------------------------------------------------------


class Recording(Mapping[str, str]):
    """An environment that has whatever is asked for, and remembers what was."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        if name.endswith(("_BASE", "_EMULATOR_HOST")):
            raise KeyError(name)
        return {"RUNTIME": "gcp", "GA_PROPERTY": "1", "META_AD_ACCOUNT": "1", "META_API_VERSION": "v26.0"}.get(
            name, "x"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.asked)

    def __len__(self) -> int:
        return len(self.asked)


def built(name: str, environment: Recording) -> Any:
    """Build one connector as the cloud does, with nothing of ours but its own settings to ask for."""
    container = Container(Settings(environment))
    nothing: Any = SimpleNamespace()
    for port in ("store", "vault", "clock", "website"):
        container.__dict__[port] = nothing
    container.__dict__ |= {"company": COMPANY, "website_data": WebsiteData()}
    return CONNECTORS[name](container)


def needed(name: str) -> set[str]:
    environment = Recording()
    built(name, environment)
    return environment.asked


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_connector_asks_of_its_environment_stands_in_the_map(name: str) -> None:
    given = {*WORK["settings"], *WORK["secrets"], *GIVEN["every"]}
    emulators = {one for one in needed(name) if one.endswith("_EMULATOR_HOST")}
    assert needed(name) - emulators <= given


def test_the_map_gives_no_vendors_setting_that_no_connector_asks_for() -> None:
    given = {one for one in (*WORK["settings"], *WORK["secrets"]) if one.startswith(OF_VENDORS)}
    assert given == {one for name in NAMES for one in needed(name) if one.startswith(OF_VENDORS)}


def test_every_secret_of_the_map_has_a_form_that_is_checked_before_it_is_deployed() -> None:
    assert set(WORK["secrets"]) - {"KEYSET"} <= set(SHAPES)


@pytest.mark.parametrize("name", NAMES)
def test_each_connector_says_what_its_vendor_can_checked_within_a_year_and_why_not(name: str) -> None:
    said: list[Ability] = list(built(name, Recording()).describe())
    assert sorted(one.what for one in said) == sorted(RIGHTS)
    assert [one.what for one in said if one.how != "api" and len(one.reason) < 20] == []
    assert [one.what for one in said if not TODAY - timedelta(days=365) <= one.checked <= TODAY] == []
