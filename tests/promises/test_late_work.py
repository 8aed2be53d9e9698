"""What fails and fails is seen by a person, whatever became of that which asked for it; what waits is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared import attention, quota, work
from shared.failures import NeverRetry, NotYet, TryAgain
from shared.ports import Services
from shared.promises import deadlines, operators
from shared.promises.operators import Act
from shared.quota import Limit
from shared.records import ALL_ATTENTION, Quota, Work
from shared.store import Conflict, Create, Put, Query
from shared.work import Claim
from tests.promises.world import NOON, World, fails, says

Run = Callable[[Services, Claim], work.Ran | None]
ITEM = Create("w1", Work(kind="some.work", ref="r1", due_at=NOON, created_at=NOON))


def raises(failure: Exception) -> Run:
    def run(_services: Services, _claim: Claim) -> work.Ran:
        raise failure

    return run


def waits(services: Services, claim: Claim) -> work.Ran:
    services.commit([claim.again(services.clock.now() + timedelta(hours=1), "notice_first")])
    return "postponed"


def ends(services: Services, claim: Claim) -> None:
    services.commit([claim.done()])


def has_no_place(services: Services, _claim: Claim) -> None:
    now = services.clock.now()
    services.store.commit([Put("vendor", Quota(taken=[int(now.timestamp())], expires_at=now))])
    quota.take(services.store, "vendor", [Limit(1, 3600)], now)


def in_turn(*runs: Run) -> Run:
    """Do one after another, and the last for ever."""
    left = list(runs)

    def run(services: Services, claim: Claim) -> work.Ran | None:
        now = left.pop(0) if len(left) > 1 else left[0]
        return now(services, claim)

    return run


DOWN, BUSY = raises(TryAgain("vendor_503")), raises(Conflict())
ASKS_FOR_HOURS = raises(TryAgain("vendor_429", 6 * 3600))


def shown(world: World) -> list[tuple[str, str | None]]:
    things = [one.record for one in world.services.store.query(ALL_ATTENTION)]
    return [(one.kind, one.problem) for one in things]


def goes_on(world: World, run: Run, hours: float) -> None:
    """Have the item run whenever it is due, for so many hours."""
    until = world.clock.at + timedelta(hours=hours)
    while item := world.services.store.get(Work, ITEM.id):
        if item.record.due_at > until:
            break
        world.clock.at = max(world.clock.at, item.record.due_at)
        work.run(world.services, item.id, {item.record.kind: run})
    world.clock.at = until


@pytest.fixture
def waiting(world: World) -> World:
    world.services.store.commit([ITEM])
    return world


@pytest.mark.parametrize(
    ("run", "hours", "seen"),
    [
        (DOWN, 18, []),
        (DOWN, 36, [("work_late", "some.work:vendor_503")]),
        (DOWN, 24 * 400, [("work_late", "some.work:vendor_503")]),
        (BUSY, 36, [("work_late", "some.work:conflict")]),
        (in_turn(*[DOWN, BUSY] * 30), 48, [("work_late", "some.work:conflict")]),
        (ASKS_FOR_HOURS, 36, []),
        (ASKS_FOR_HOURS, 72, [("work_late", "some.work:vendor_429")]),
        (waits, 24 * 60, []),
        (raises(NotYet("vendor_quota", 3600)), 24 * 60, []),
        (has_no_place, 24 * 60, []),
        (in_turn(*[DOWN] * 11, waits, *[DOWN] * 11, waits), 24 * 6, []),
        (raises(NeverRetry("vendor_403")), 24 * 3, [("work_failed", "some.work:vendor_403")]),
    ],
    ids=[
        "not in its first hours", "once it failed for a day", "once, however long", "nor does contention hide it",
        "whichever of them", "a few failures are few, however far apart", "and many are many",
        "what waits for something else", "what waits for a limit of ours", "what has no place in a quota",
        "what comes to its end in between", "what a person must mend is shown as that",
    ],
)  # fmt: skip
def test_work_that_fails_for_a_day_is_shown_to_a_person_and_work_that_waits_is_not(
    waiting: World, run: Run, hours: float, seen: list[tuple[str, str]]
) -> None:
    goes_on(waiting, run, hours)
    assert shown(waiting) == seen


def test_it_is_the_time_since_its_first_failure_that_counts_and_not_its_age(world: World) -> None:
    old = Work(kind="some.work", ref="r1", due_at=NOON - timedelta(days=30), created_at=NOON - timedelta(days=90))
    world.services.store.commit([Create(ITEM.id, old)])
    goes_on(world, DOWN, 20)
    assert shown(world) == []


def test_after_days_in_which_nothing_ran_one_more_failure_is_no_news(waiting: World) -> None:
    goes_on(waiting, DOWN, 0)
    waiting.clock.at += timedelta(days=3)
    goes_on(waiting, DOWN, 0)
    assert shown(waiting) == []


def test_it_is_said_once_and_alerts_once(waiting: World) -> None:
    goes_on(waiting, DOWN, 48)
    (first,) = waiting.services.store.query(ALL_ATTENTION)
    goes_on(waiting, DOWN, 24 * 30)
    assert waiting.services.store.query(ALL_ATTENTION) == [first]
    alerts = [one for one in waiting.services.store.query(Query(Work)) if one.record.kind == attention.ALERT]
    assert len(alerts) == 1


def test_an_alert_that_cannot_be_sent_asks_for_no_alert(world: World) -> None:
    world.services.store.commit([Create(ITEM.id, Work(kind=attention.ALERT, ref="r", due_at=NOON, created_at=NOON))])
    goes_on(world, DOWN, 24 * 5)
    assert shown(world) == []


@pytest.mark.parametrize(
    "mended",
    [ends, in_turn(BUSY, ends), in_turn(waits, ends), waits],
    ids=["done", "done after a conflict", "done after a wait", "it waits, and fails no more"],
)
@pytest.mark.parametrize("fault", [DOWN, BUSY])
def test_it_leaves_the_list_when_a_run_comes_to_its_end(waiting: World, fault: Run, mended: Run) -> None:
    goes_on(waiting, fault, 48)
    assert [kind for kind, _ in shown(waiting)] == ["work_late"]
    goes_on(waiting, mended, 13)
    assert shown(waiting) == []


@pytest.mark.parametrize("between", [BUSY, waits, DOWN, raises(NotYet("vendor_quota"))])
@pytest.mark.parametrize("fault", [raises(NeverRetry("vendor_403")), raises(KeyError("x"))])
def test_what_a_person_had_to_mend_leaves_the_list_whatever_happened_before_it_was_done(
    waiting: World, fault: Run, between: Run
) -> None:
    goes_on(waiting, in_turn(fault, between, ends), 24)
    assert waiting.services.store.get(Work, ITEM.id) is None
    assert shown(waiting) == []


def test_what_ended_while_its_worker_died_leaves_the_list_with_the_next_watch(waiting: World) -> None:
    goes_on(waiting, DOWN, 48)
    deadlines.watch(waiting.services)
    assert [kind for kind, _ in shown(waiting)] == ["work_late"], "it still fails"
    stored = waiting.services.store.get(Work, ITEM.id)
    assert stored is not None
    waiting.services.store.commit([Claim(stored.id, stored.version, stored.record).done()])
    deadlines.watch(waiting.services)
    assert shown(waiting) == []


def test_more_seconds_than_time_has_are_the_longest_wait() -> None:
    assert work.backoff(1, 10**15) == work.LONGEST_BACKOFF


# --- what nobody else would look at ----------------------------------------------------------------------------------


def test_a_recipient_that_never_hears_of_the_end_of_a_restriction_is_seen(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.ask("ann@mail.test", "restriction")
    world.confirm("ann@mail.test", request_id)
    world.advance("PT1H")
    world.stripe.restricts = fails(TryAgain("stripe_unreachable"))
    operators.act(world.services, request_id, operators.deny(Act(reason="it was lifted"), "ola"))
    # told first, it is lifted three days later
    world.advance("P5D")
    assert shown(world) == [("work_late", "recipients.tell:stripe_unreachable")]
    (item,) = operators.attention_list(world.services)["items"]
    assert item["request_id"] == request_id
    world.stripe.restricts = says("accepted")
    world.advance("P1D")
    assert shown(world) == []


def test_a_mail_to_somebody_whose_request_is_closed_is_seen(world: World) -> None:
    request_id = world.ask("ann@mail.test", "restriction")
    world.account("u1", "ann@mail.test")
    world.confirm("ann@mail.test", request_id)
    world.postman.trouble = TryAgain("sendgrid_timeout")
    operators.act(world.services, request_id, operators.deny(Act(reason="it was lifted"), "ola"))
    world.advance("P2D")
    assert ("work_late", "request.mail:sendgrid_timeout") in shown(world)
    world.postman.trouble = None
    world.advance("P1D")
    assert shown(world) == []


def test_a_consent_mail_that_never_goes_is_seen(world: World) -> None:
    world.postman.trouble = TryAgain("sendgrid_timeout")
    world.decide({"marketing_email": True}, email="zoe@mail.test")
    world.advance("P2D")
    assert shown(world) == [("work_late", "consent.mail:sendgrid_timeout")]


def test_nothing_on_the_list_says_who_it_is_about(world: World) -> None:
    world.postman.trouble = TryAgain("sendgrid_timeout")
    world.decide({"marketing_email": True}, email="zoe@mail.test")
    world.advance("P2D")
    (late,) = world.services.store.query(ALL_ATTENTION)
    assert "zoe" not in repr(late)
