from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from shared.failures import TryAgain
from shared.promises import deadlines, operators
from shared.promises.deadlines import due_warnings
from shared.promises.operators import Entered
from shared.promises.policy import Draft, publish
from shared.records import Incident
from tests.promises.world import World, fails


@pytest.mark.parametrize(
    ("hours_left", "given", "due"),
    [
        (97, [], []),
        (96, [], ["4_days_left"]),
        (47, ["4_days_left"], ["2_days_left"]),
        (23, ["4_days_left", "2_days_left"], ["1_day_left"]),
        (0, [], ["4_days_left", "2_days_left", "1_day_left", "breached"]),
        (-1, ["4_days_left", "2_days_left", "1_day_left", "breached"], []),
    ],
)
def test_each_warning_is_given_once_in_its_time(hours_left: int, given: list[str], due: list[str]) -> None:
    assert due_warnings(timedelta(hours=hours_left), given) == due


def stuck(world: World) -> str:
    world.account("u1", "ann@mail.test")
    world.stripe.answer = fails(TryAgain("timeout"))
    return str(world.confirm("ann@mail.test")["request_id"])


def kinds(world: World) -> set[str]:
    return {one["kind"] for one in operators.attention_list(world.services)["items"]}


def test_a_stuck_request_is_in_attention_before_it_is_late_and_an_incident_when_it_is(world: World) -> None:
    request_id = stuck(world)
    world.advance("P9D")
    assert deadlines.watch(world.services) == {"warned": 0}
    world.advance("P2D")
    assert deadlines.watch(world.services) == {"warned": 1}
    assert kinds(world) == {"deadline_near"}
    world.advance("P1DT1H")
    deadlines.watch(world.services)
    assert kinds(world) == {"deadline_near", "step_late"}
    world.advance("P2D")
    deadlines.watch(world.services)
    incident = world.services.store.get(Incident, f"{request_id}:deadline_breached")
    assert incident is not None
    assert incident.record.report_by - incident.record.at == timedelta(hours=72)
    assert deadlines.watch(world.services) == {"warned": 0}


def test_accounts_nobody_chose_come_to_attention_four_days_before_the_date(world: World) -> None:
    world.account("u1", "family@mail.test")
    world.account("u2", "family@mail.test")
    world.confirm("family@mail.test")
    world.advance("P10DT1H")
    deadlines.watch(world.services)
    assert "accounts_not_chosen" in kinds(world)


def test_a_finished_request_is_watched_no_more(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.confirm("ann@mail.test")
    world.advance("P20D")
    assert deadlines.watch(world.services) == {"warned": 0}


def test_an_operators_word_that_waits_past_the_month_for_the_second_is_a_breach(tmp_path: Path) -> None:
    world = World(tmp_path, OPERATORS="ola,per")
    seen = Entered(channel="post", received_at=world.clock.at, right="access", email="ann@mail.test", proof="passport")
    request_id = operators.enter(world.services, seen, "ola")["request_id"]
    world.advance("P32D")
    deadlines.watch(world.services)
    assert world.services.store.get(Incident, f"{request_id}:deadline_breached") is not None


# --- what is configured and what was published ------------------------------------------------------------------------


def without_ads(world: World) -> None:
    left = [one for one in world.services.company.purposes if one.name != "ads"]
    world.services.__dict__["company"] = msgspec.structs.replace(world.services.company, purposes=left)


def test_what_was_configured_and_not_published_is_seen_until_it_is(world: World) -> None:
    deadlines.watch(world.services)
    assert kinds(world) == set()
    without_ads(world)
    for _ in range(2):
        world.advance("PT1H")
        deadlines.watch(world.services)
        assert kinds(world) == {"policy_unpublished"}
    publish(world.services, Draft(text="# Without advertisements", version="v2"), "ola")
    deadlines.watch(world.services)
    assert kinds(world) == set()


def test_it_is_said_once_and_not_every_hour(world: World) -> None:
    without_ads(world)
    deadlines.watch(world.services)
    (first,) = operators.attention_list(world.services)["items"]
    world.advance("PT5H")
    deadlines.watch(world.services)
    assert operators.attention_list(world.services)["items"] == [first]
