"""Meta is told of a no: out of every customer list; a yes again puts nobody back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.subprocessors.facebook import FacebookConnector, MetaTransport
from infra.subprocessors.instagram import InstagramConnector
from shared.ports import Silencer, Stops
from tests.contracts.connector_contract import NOW
from tests.contracts.running_sandbox import RunningSandbox

ADA, BOB, KEY, ACCOUNT = "ada@example.com", "bob@example.com", "meta-key", "1000001"
both = pytest.mark.parametrize("kind", [FacebookConnector, InstagramConnector])


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"meta": KEY})
    sandbox.put("meta", email=ADA)
    sandbox.put("meta", email=BOB)
    yield sandbox
    sandbox.close()


@both
def test_whoever_objects_is_taken_out_of_every_list_and_nobody_else(
    sandbox: RunningSandbox, kind: type[FacebookConnector | InstagramConnector]
) -> None:
    connector = kind(MetaTransport(KEY, sandbox.url("meta")), ACCOUNT)
    assert isinstance(connector, Silencer)
    for _ in range(2):
        (part,) = connector.silence(Stops(address=ADA, everything=True), NOW)
        assert (part.outcome, part.evidence["audiences"]) == ("accepted", 3)
    assert sandbox.found("meta", email=ADA) == []
    assert len(sandbox.found("meta", email=BOB)) == 3


@both
def test_a_yes_again_puts_nobody_back_and_asks_meta_nothing(
    sandbox: RunningSandbox, kind: type[FacebookConnector | InstagramConnector]
) -> None:
    sandbox.fail("meta", "500")
    connector = kind(MetaTransport(KEY, sandbox.url("meta")), ACCOUNT)
    (part,) = connector.silence(Stops(address=ADA), NOW)
    assert part.outcome == "no_store"
