from __future__ import annotations

from typing import ClassVar

import pytest

from infra.subprocessors.google_tag_manager import GoogleTagManagerConnector
from shared.failures import NeverRetry
from shared.identity import Identifiers
from shared.ports import Person
from tests.contracts.connector_rules import NOW, ConnectorRules
from tests.contracts.running_sandbox import RunningSandbox

ADA = Person(
    request_id="r1",
    known=[Identifiers(user_id="canary-17", addresses=["ada@example.com"], ga_client_ids=["123.456"])],
    addresses=["ada@example.com"],
)


class TestGoogleTagManagerConnector(ConnectorRules):
    personal = ("canary-17", "ada@example.com", "123.456")
    never_held: ClassVar[set[str]] = {"no_store"}

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> GoogleTagManagerConnector:
        return GoogleTagManagerConnector()

    def known(self, sandbox: RunningSandbox) -> Person:
        return ADA

    def unknown(self) -> Person:
        return Person(request_id="r2", addresses=["nobody@example.net"])


def test_nothing_per_person_is_kept_there_and_the_request_logs_are_named() -> None:
    (part,) = GoogleTagManagerConnector().erase(ADA, NOW)
    assert part.outcome == "no_store"
    assert "request logs with network addresses" in part.evidence["reason"]
    assert GoogleTagManagerConnector().export(ADA) == {}


def test_a_ping_needs_no_way_in() -> None:
    GoogleTagManagerConnector().ping()


def test_nothing_is_ever_retained_so_there_is_nothing_to_purge() -> None:
    with pytest.raises(NeverRetry, match="nothing_retained"):
        GoogleTagManagerConnector().purge([], NOW)
