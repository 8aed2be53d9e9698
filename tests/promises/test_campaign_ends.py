"""§8: a campaign ends whatever happened to its calls, its counts hold on the way, and what a person saw is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from functions.work import HANDLERS
from shared import ledger, notice_call, work
from shared.batches import MOST_LISTED
from shared.failures import InDoubt, NeverRetry, TryAgain, Unacceptable
from shared.ports import Recipients
from shared.promises import announcing, campaigns, evidence, operators, people
from shared.records import ALL_BATCHES, Batch, LedgerEntry, Work
from shared.store import Create, Delete
from shared.strands import Place, batch_id
from tests.infra.troubled_twins import ForwardingStore
from tests.promises.test_announcing import (
    CAMPAIGN,
    FIRST,
    accounts,
    batch,
    bounced,
    hear,
    kinds,
    published,
    shown,
    slowly,
    told,
)
from tests.promises.world import RememberingPostman, World


class BusyStore(ForwardingStore):
    """Cannot list batches so many times."""

    times = 0

    def query(self, query: Any, *equals: Any, **more: Any) -> Any:
        if query is ALL_BATCHES and self.times:
            self.times -= 1
            raise TryAgain("store_busy")
        return super().query(query, *equals, **more)


@contextmanager
def while_the_first_call_lasts(world: World, happens: Callable[[], object]) -> Iterator[None]:
    """Let things happen while the first call is on its way."""
    post_all, waiting = world.postman.post_all, [happens]

    def slow(*given: Any) -> str:
        if waiting:
            waiting.pop()()
        return post_all(*given)

    world.postman.post_all = slow  # type: ignore[method-assign]
    yield
    world.postman.post_all = post_all  # type: ignore[method-assign]


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy", [0, 1, 2, 3, 5])
def test_a_campaign_ends_however_long_a_call_lasts_and_however_often_the_database_is_busy(
    world: World, busy: int
) -> None:
    slowly(world, notices_per_call=2)
    accounts(world, 3)
    store = BusyStore(world.services.store)
    world.services.__dict__["store"] = store

    def five_minutes() -> None:
        store.times = busy
        for _ in range(5):
            world.run_due()
            world.clock.at += timedelta(minutes=1)

    published(world)
    with while_the_first_call_lasts(world, five_minutes):
        world.advance("P1D")
    assert (shown(world)["state"], sum(told(world).values())) == ("done", 3)
    assert world.services.store.query(work.DUE_WORK, at_most=world.clock.at + timedelta(days=99)) == []


def test_a_campaign_whose_batch_nobody_answers_for_is_shown_to_a_person_and_settled_with_its_end(world: World) -> None:
    accounts(world, 2)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.run_due()
    item = f"w-{FIRST}"
    lost = world.services.store.get(Work, item)
    assert lost is not None
    world.services.store.commit([Delete(Work, item), announcing.end_of(CAMPAIGN, "v2", world.clock.at)])
    world.advance("PT12H")
    assert kinds(world) == []
    world.advance("P2D")
    assert kinds(world) == ["work_failed"]
    world.services.commit([Create(item, lost.record)])
    world.advance("PT7H")
    assert (shown(world)["state"], kinds(world)) == ("done", [])


# --- what a person saw -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paused_for", ["PT1H", "PT7H", "P9D"])
def test_what_was_shown_before_a_pause_is_settled_once_it_went_well(world: World, paused_for: str) -> None:
    accounts(world, 2)
    world.postman.answers = [NeverRetry("sendgrid_401")]
    published(world)
    world.run_due()
    assert kinds(world) == ["work_failed"]
    campaigns.pause(world.services, CAMPAIGN, "ola")
    world.advance(paused_for)
    campaigns.resume(world.services, CAMPAIGN, "ola")
    world.advance("PT7H")
    assert (shown(world)["state"], kinds(world)) == ("done", [])


def test_what_was_shown_before_a_pause_stands_as_long_as_it_holds(world: World) -> None:
    accounts(world, 2)
    world.postman.answers = [NeverRetry("sendgrid_401")] * 3
    published(world)
    world.run_due()
    campaigns.pause(world.services, CAMPAIGN, "ola")
    world.advance("PT7H")
    campaigns.resume(world.services, CAMPAIGN, "ola")
    world.run_due()
    assert kinds(world) == ["work_failed"]
    world.advance("P1D")
    assert (shown(world)["state"], kinds(world)) == ("done", [])


@pytest.mark.parametrize("moved", ["PT0S", "PT1H", "PT6H"], ids=["at once", "between", "as it is tried again"])
def test_a_bounce_of_a_first_attempt_says_nothing_about_the_address_of_the_second(world: World, moved: str) -> None:
    accounts(world, 1)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.run_due()
    world.advance(moved)
    world.account("u0", "new@mail.test")
    world.advance("PT7H")
    bounced(world, 0)
    found = people.by_user(world.services, "u0")
    assert found is not None
    assert found.stored.record.unreachable_at is None


def test_a_bounce_of_a_second_attempt_counts_where_the_address_is_the_same(world: World) -> None:
    accounts(world, 1)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.advance("P1D")
    bounced(world, 0)
    found = people.by_user(world.services, "u0")
    assert found is not None
    assert found.stored.record.unreachable_at == world.clock.at


# --- its evidence ----------------------------------------------------------------------------------------------------


def many_batches(world: World, count: int) -> None:
    """Stop before the end, and put batches there as if they had been sent."""
    published(world)
    while not world.services.store.query(ALL_BATCHES, at_least=FIRST, at_most=FIRST):
        due = work.due(world.services)[0]
        work.run(world.services, due.id, HANDLERS)
    now, made = world.clock.at, []
    for n in range(1, count):
        id = batch_id("v2", Place(0, n, ""))
        entry, _ = ledger.append(world.services.vault, None, id, now, "batch.sent", {"campaign": CAMPAIGN})
        made += [Create(id, Batch(campaign=CAMPAIGN, n_recipients=0, state="sent")), entry]
    for at in range(0, len(made), 500):
        world.services.store.commit(made[at : at + 500])
    world.run_due()


def last_entry(world: World) -> dict[str, Any]:
    facts: dict[str, Any] = operators.evidence(world.services, CAMPAIGN)["entries"][-1]["facts"]
    return facts


@pytest.mark.parametrize(("count", "listed"), [(MOST_LISTED, True), (MOST_LISTED + 1, False)])
def test_the_last_entry_of_a_campaign_of_very_many_batches_holds_one_hash_of_their_heads(
    world: World, count: int, listed: bool
) -> None:
    many_batches(world, count)
    facts = last_entry(world)
    assert shown(world)["state"] == "done"
    assert ("batches" in facts, "batches_sha256" in facts) == (listed, not listed)
    if listed:
        assert len(facts["batches"]) == count
    assert evidence.check(world.services)["intact"] is True
    world.services.store.commit([Delete(LedgerEntry, ledger.entry_id(batch_id("v2", Place(0, 7, "")), 1))])
    found = evidence.check(world.services)
    assert found["intact"] is False
    assert found["first_break"] == (batch_id("v2", Place(0, 7, "")) if listed else CAMPAIGN)


# --- its counts on the way -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "in_doubt"), [(TryAgain("sendgrid_429", 600), 0), (InDoubt("sendgrid_timeout"), 2)]
)
def test_who_was_taken_counts_as_sent_before_the_rest_of_the_batch_is(
    world: World, trouble: Exception, in_doubt: int
) -> None:
    speaking(world, {"p0": "", "p1": "", "p2": "de", "p3": "de"})
    world.postman.answers = [None, trouble]
    published(world)
    world.run_due()
    assert shown(world) == {"recipients": 4, "sent": 2, "failed": 0, "in_doubt": in_doubt, "state": "sending"}
    assert len(told(world)) == 2
    accepted = int.from_bytes(batch(world).record.accepted, "little")
    hear(world, *((n, "delivered") for n in range(4) if accepted >> n & 1))
    found = campaigns.shown(world.services, CAMPAIGN)
    assert (found["delivered"], found["sent"]) == (2, 2)
    world.advance("P1D")
    assert shown(world) == {"recipients": 4, "sent": 4, "failed": 0, "in_doubt": 0, "state": "done"}


# --- a language that is refused --------------------------------------------------------------------------------------


class RefusingPostman(RememberingPostman):
    """Knows languages, and has the mail service refuse some of them whole."""

    refused: frozenset[str] = frozenset()

    def language(self, template: str, locale: str) -> str:
        return "" if locale == "en" else locale

    def post_all(self, template: str, language: str, words: Mapping[str, Any], recipients: Recipients) -> str:
        if language in self.refused:
            self.called(recipients)
            self._trouble()
            raise Unacceptable("sendgrid_400")
        return super().post_all(template, language, words, recipients)

    def _trouble(self) -> None:
        for trouble in self.answers[:1]:
            self.answers = self.answers[1:]
            if trouble:
                raise trouble


def speaking(world: World, locales: Mapping[str, str]) -> RefusingPostman:
    """Make accounts with these languages; the first language of all is the one of the smallest id."""
    world.postman = postman = RefusingPostman()
    world.services.__dict__["postman"] = postman
    for name, locale in locales.items():
        world.account(name, f"{name}@mail.test", locale=locale or "en")
    return postman


def crowd_of_two_languages(world: World, germans: int) -> RefusingPostman:
    """Make one call's worth of people, of whom the first is told in a language that is not refused."""
    names = [f"p{n}" for n in range(germans + 1)]
    postman = speaking(world, dict.fromkeys(names, "de"))
    found = {one.ref: name for name in names if (one := people.by_user(world.services, name))}
    first = found[min(found)]
    world.account(first, f"{first}@mail.test", locale="en")
    postman.refused = frozenset({"de"})
    return postman


def test_a_language_that_is_refused_whole_is_found_out_in_portions_and_each_gets_further(world: World) -> None:
    postman = crowd_of_two_languages(world, 100)
    most: list[int] = []
    published(world)
    for _ in range(40):
        before = len(postman.calls)
        due = work.due(world.services)
        if not due:
            break
        for one in due:
            work.run(world.services, one.id, HANDLERS)
        most.append(len(postman.calls) - before)
    assert max(most) <= notice_call.MOST_POSTS
    assert sum(call >= notice_call.MOST_POSTS for call in most) >= 2
    found = shown(world)
    assert (found["failed"], found["in_doubt"], found["state"]) == (100, 0, "done")
    assert set(told(world).values()) == {1}
    assert "notices_refused" in kinds(world)


@pytest.mark.parametrize("trouble", [TryAgain("sendgrid_429"), InDoubt("sendgrid_timeout")])
def test_who_was_refused_before_a_call_broke_off_is_not_asked_for_again(world: World, trouble: Exception) -> None:
    postman = crowd_of_two_languages(world, 8)
    # the others; then eight, four, two and one of eight; then the trouble
    postman.answers = [None, None, None, None, None, trouble]
    published(world)
    world.run_due()
    alone = [call[0].to for call in postman.calls if len(call) == 1 and call[0].to.startswith("p")]
    assert shown(world)["failed"] == 1
    world.advance("P1D")
    asked = Counter(call[0].to for call in postman.calls if len(call) == 1)
    assert asked[alone[0]] == 1
    assert shown(world)["failed"] == 8
    assert shown(world)["state"] == "done"


def test_nobody_counts_as_refused_when_a_call_breaks_off_before_anybody_was_taken(world: World) -> None:
    accounts(world, 30)
    world.postman.unacceptable = {f"p{n}@mail.test" for n in range(30)}
    world.postman.answers = [None] * 7 + [TryAgain("sendgrid_429")]
    published(world)
    world.run_due()
    assert any(len(call) == 1 for call in world.postman.calls)
    assert shown(world)["failed"] == 0
    world.postman.unacceptable = set()
    world.advance("P1D")
    assert shown(world) == {"recipients": 30, "sent": 30, "failed": 0, "in_doubt": 0, "state": "done"}
