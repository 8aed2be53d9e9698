"""§5.2, §9: one recipient's failure, of whatever kind, keeps nobody else from being told, and a person sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Part
from shared.records import ALL_ATTENTION
from tests.promises.test_objections import stop
from tests.promises.world import ScriptedConnector, World

ANN = "ann@mail.test"
NAMES = ("facebook", "stripe", "sendgrid")


def restricted(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN, world.ask(ANN, "restriction"))


def corrected(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN, world.ask(ANN, "rectification", corrections={"name": "Ann Lee"}))


def erased(world: World) -> None:
    world.account("u1", ANN)
    world.confirm(ANN)


def objected(world: World) -> None:
    stop(world, "marketing")


def told(connector: ScriptedConnector) -> int:
    return len(connector.told) + len(connector.corrected) + len(connector.silenced)


def answer(connector: ScriptedConnector, what: Callable[..., Any]) -> None:
    connector.restricts = connector.rectifies = connector.silences = what


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.fixture
def three(world: World) -> World:
    """Return a world with a third recipient, who is told first."""
    world.services.__dict__["connected"] = ("google_cloud_platform", *NAMES)
    world.services.__dict__["connectors"]["facebook"] = ScriptedConnector(
        "facebook", lambda _person, _now: [Part(name="data", outcome="accepted")]
    )
    return world


def recipient(world: World, name: str) -> ScriptedConnector:
    found: ScriptedConnector = world.services.connectors[name]
    return found


def problems(world: World) -> str:
    return " ".join(
        f"{one.record.subprocessor}={one.record.problem}" for one in world.services.store.query(ALL_ATTENTION)
    )


ASKED = [restricted, corrected, erased, objected]


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (TryAgain("facebook_503"), None),
        (NeverRetry("facebook_403"), "facebook_403"),
        (KeyError("suppressed"), "facebook_defect_KeyError"),
        (Misconfigured("META_ACCESS_TOKEN is needed"), "facebook_defect_Misconfigured"),
    ],
)
def test_who_fails_first_keeps_nobody_from_being_told_and_is_seen(
    three: World, ask: Callable[[World], None], error: Exception, seen: str | None
) -> None:
    answer(recipient(three, "facebook"), raises(error))
    ask(three)
    three.run_due()
    assert told(recipient(three, "sendgrid")) == 1
    assert seen is None or seen in problems(three)


@pytest.mark.parametrize("ask", ASKED)
def test_one_whose_connector_cannot_even_be_made_keeps_nobody_from_being_told(
    three: World, ask: Callable[[World], None]
) -> None:
    class Unmade(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name == "facebook":
                raise Misconfigured("META_AD_ACCOUNT is needed")
            return dict.__getitem__(self, name)

    three.services.__dict__["connectors"] = Unmade(three.services.connectors)
    ask(three)
    three.run_due()
    assert told(dict.__getitem__(three.services.connectors, "sendgrid")) == 1
    assert "facebook_defect_Misconfigured" in problems(three)


@pytest.mark.parametrize("ask", ASKED)
def test_a_refusal_does_not_hide_behind_an_outage_and_both_are_told_once_they_can_be(
    three: World, ask: Callable[[World], None]
) -> None:
    answer(recipient(three, "facebook"), raises(TryAgain("facebook_503")))
    answer(recipient(three, "sendgrid"), raises(NeverRetry("sendgrid_403")))
    ask(three)
    three.run_due()
    assert "sendgrid_403" in problems(three)
    before = told(recipient(three, "facebook"))
    answer(recipient(three, "facebook"), lambda *_: [Part(name="data", outcome="accepted")])
    three.advance("PT7H")
    assert told(recipient(three, "facebook")) > before
