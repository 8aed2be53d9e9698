from __future__ import annotations

from shared import attention
from tests.promises.world import World


def test_what_comes_up_within_ten_minutes_is_one_mail(world: World) -> None:
    for name in ("a", "b", "a"):
        world.services.commit(attention.raised("step_failed", name, world.clock.at, "stripe_401"))
    world.advance("PT20M")
    alerts = world.mailed("operator_alert")
    assert len(alerts) == 1
    assert [one["ref"] for one in alerts[0]["items"]] == ["a", "b"]


def test_what_was_settled_meanwhile_alerts_nobody(world: World) -> None:
    world.services.commit(attention.raised("step_failed", "a", world.clock.at))
    world.services.commit([attention.settled("step_failed", "a")])
    world.advance("PT20M")
    assert world.mailed("operator_alert") == []
