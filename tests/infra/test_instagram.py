from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from infra.local.sandbox.meta import AD_ACCOUNT
from infra.subprocessors.facebook import FacebookConnector
from infra.subprocessors.instagram import InstagramConnector
from infra.subprocessors.meta_audiences import hashed
from shared.ports import Person
from tests.contracts.connector_contract import NOW, ConnectorContract
from tests.contracts.running_sandbox import RunningSandbox
from tests.infra.meta_sandbox import audiences_holding, transport

ADA = "ada.lovelace+canary@example.com"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    yield sandbox
    sandbox.close()


class TestInstagramConnector(ConnectorContract):
    vendor: ClassVar[str] = "meta"
    personal = (ADA, "ada.lovelace", "canary", "%40example.com", hashed(ADA))
    never_held: ClassVar[set[str]] = {"accepted"}

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> InstagramConnector:
        return InstagramConnector(transport(sandbox, timeout), f"act_{AD_ACCOUNT}")

    def known(self, sandbox: RunningSandbox) -> Person:
        sandbox.put("meta", email=ADA)
        return Person(request_id="r1", addresses=[ADA])

    def unknown(self) -> Person:
        return Person(request_id="r2", addresses=["nobody@example.net"])


def test_each_of_the_two_steps_stands_on_its_own_evidence_in_any_order(sandbox: RunningSandbox) -> None:
    sandbox.put("meta", email=ADA)
    person = Person(request_id="r", addresses=[ADA])
    told = [kind(transport(sandbox), AD_ACCOUNT).erase(person, NOW) for kind in (InstagramConnector, FacebookConnector)]
    assert [(part.outcome, part.evidence["received"]) for (part,) in told] == [("accepted", 3)] * 2
    assert audiences_holding(sandbox, ADA) == set()


def test_what_was_written_on_instagram_is_said_to_stay_with_its_author(sandbox: RunningSandbox) -> None:
    instagram = InstagramConnector(transport(sandbox), AD_ACCOUNT)
    erase = next(one for one in instagram.describe() if one.what == "erase")
    assert "comments" in erase.reason
    assert erase.reason in instagram.export(Person(request_id="r", addresses=[ADA]))["gaps"]
