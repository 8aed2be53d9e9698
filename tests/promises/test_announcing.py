"""§8: everybody with an account is told of a new version by mail, once: stories of batches over real records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from functions.work import HANDLERS
from shared import batches, notice_call, strands, work
from shared.failures import InDoubt, Missing, NeverRetry, Stale, TryAgain
from shared.identity import Identifiers
from shared.promises import announcing, campaigns, evidence, operators, people, retention
from shared.promises.policy import Draft, publish
from shared.records import ACCOUNTS, ALL_BATCHES, ALL_EVIDENCE, Batch, LedgerEntry, Subject, Work
from shared.references import MOST_IN_A_BATCH
from shared.store import Create, Delete, Put, Stored, Update
from shared.strands import Place, batch_id
from tests.promises.world import NOON, World

CAMPAIGN = "campaign-v2"
FIRST = batch_id("v2", Place(0, 0, ""))
LATER = NOON + timedelta(days=1)


def published(world: World, **more: Any) -> None:
    publish(world.services, Draft(text="# Sample policy\n\nNew words.", version="v2", **more), "ola")


def slowly(world: World, **limits: int) -> None:
    world.services.__dict__["company"] = msgspec.structs.replace(world.services.company, **limits)


def accounts(world: World, count: int) -> None:
    for n in range(count):
        world.account(f"u{n}", f"p{n}@mail.test")


def told(world: World) -> Counter[str]:
    return Counter(mail["to"] for mail in world.mailed(notice_call.MAIL))


def shown(world: World) -> dict[str, Any]:
    found = campaigns.shown(world.services, CAMPAIGN)
    parts = ("sent", "failed", "in_doubt", "waiting")
    assert found["recipients"] <= sum(found[name] for name in parts), "nobody is in none of the numbers"
    return {name: found[name] for name in ("recipients", "sent", "failed", "in_doubt", "state")}


def batch(world: World, id: str = FIRST) -> Stored[Batch]:
    stored = world.services.store.get(Batch, id)
    assert stored is not None
    return stored


def hear(world: World, *events: tuple[int, str]) -> None:
    """Let the events of some of the first batch's mails arrive."""
    stored = batch(world)
    marked = stored.record
    for n, status in events:
        marked = batches.marked(marked, {status: 1 << n})
    world.services.store.commit([Update(stored, marked)])


def kinds(world: World) -> list[str]:
    return [item["kind"] for item in operators.attention_list(world.services)["items"]]


# --- everybody, once -------------------------------------------------------------------------------------------------


def test_every_account_is_told_once_and_the_report_says_so(world: World) -> None:
    accounts(world, 5)
    published(world)
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(5))
    assert shown(world) == {"recipients": 5, "sent": 5, "failed": 0, "in_doubt": 0, "state": "done"}
    assert evidence.check(world.services)["intact"] is True


def test_the_mail_names_the_title_the_day_and_each_ones_own_link(world: World) -> None:
    accounts(world, 2)
    published(world, summary="we count visits")
    world.run_due()
    first, second = world.mailed(notice_call.MAIL)
    assert (first["title"], first["summary"]) == ("Sample policy", "we count visits")
    assert first["difference_url"] == "https://pledge.test/policy/v1...v2"
    assert first["link"] != second["link"]


def test_the_mail_names_who_gets_data_from_now_on_and_who_does_not_any_more(world: World) -> None:
    accounts(world, 1)
    company = world.services.company
    world.services.__dict__["company"] = msgspec.structs.replace(
        company, not_used={"instagram": "no advertisements there"}
    )
    published(world)
    world.services.__dict__["company"] = company
    publish(world.services, Draft(text="# Again", version="v3"), "ola")
    world.run_due()
    mails = {one["version_url"][-2:]: one for one in world.mailed(notice_call.MAIL)}
    said = [(mails[version]["recipients_added"], mails[version]["recipients_gone"]) for version in ("v2", "v3")]
    assert said == [([], ["Instagram"]), (["Instagram"], [])]


def test_the_mail_compares_with_what_people_live_under_not_with_what_was_only_announced(world: World) -> None:
    accounts(world, 1)
    company, old = world.services.company, world.services.policies.current().policy.text
    world.clock.at = NOON + timedelta(days=1)
    without = msgspec.structs.replace(company, not_used={"instagram": "no advertisements there"})
    world.services.__dict__["company"] = without
    announced = Draft(text=f"{old}\nWe sell it.\n", version="v2", effective_at=NOON + timedelta(days=31))
    publish(world.services, announced, "ola")
    world.clock.at = NOON + timedelta(days=2)
    publish(world.services, Draft(text=f"{old}\nWe sell all of it.\n", version="v3", material=False), "ola")
    publish(world.services, Draft(text="c", version="v4", effective_at=NOON + timedelta(days=40)), "ola")
    world.run_due()
    mails = {one["version_url"][-2:]: one for one in world.mailed(notice_call.MAIL)}
    instead = {name: [each["version_url"][-2:] for each in one["in_place_of"]] for name, one in mails.items()}
    assert instead == {"v2": [], "v3": ["v2"], "v4": []}
    assert mails["v3"]["in_place_of"][0]["effective_at"] == NOON + timedelta(days=31)
    told = {name: (one["difference_url"].split("/")[-1], one["recipients_gone"]) for name, one in mails.items()}
    assert told == {"v2": ("v1...v2", ["Instagram"]), "v3": ("v1...v3", ["Instagram"]), "v4": ("v3...v4", [])}


def test_the_strands_of_many_meet_without_gap_or_overlap(world: World) -> None:
    slowly(world, notices_per_call=3)
    accounts(world, 400)
    published(world)
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(400))
    assert max(map(len, world.postman.calls)) <= 3
    assert shown(world)["state"] == "done"
    found = world.services.store.query(ALL_BATCHES, limit=500)
    assert sum(one.record.last for one in found if one.id.startswith(strands.prefix("v2"))) == 16


@pytest.mark.parametrize("people", [0, 99])
def test_a_sample_that_is_not_full_is_all_there_are(people: int) -> None:
    assert strands.estimated([f"{n:040x}" for n in range(people)]) == people


@pytest.mark.parametrize(
    ("people", "expected"),
    [(4_999, 1), (9_000, 1), (11_000, 2), (19_000, 2), (21_000, 4), (79_000, 8), (81_000, 16), (10**9, 16)],
)
def test_each_strand_is_worth_five_full_batches(people: int, expected: int) -> None:
    evenly = [f"{n * (16**40 // people):040x}" for n in range(1, strands.SAMPLE + 1)]
    about = strands.estimated(evenly)
    assert abs(about - people) <= people / 1000
    assert strands.suited(about, batch=1000) == expected


@pytest.mark.parametrize("count", strands.STRANDS)
def test_strands_cover_every_id(count: int) -> None:
    ends = [strands.ends(n, count) for n in range(count)]
    begins = [strands.before(n, count) for n in range(count)]
    assert begins == ["", *(f"{n * 16 // count:x}" for n in range(1, count))]
    assert ends[-1] == "f" * 40
    assert all(end < begin for end, begin in zip(ends, begins[1:], strict=False))


def test_a_second_delivery_of_the_same_work_tells_nobody_again(world: World) -> None:
    accounts(world, 3)
    published(world)
    world.run_due()
    now = world.clock.at
    args = Place(0, 0, "").args()
    for n in range(3):
        again = Work(kind=announcing.SEND, ref=CAMPAIGN, due_at=now, created_at=now, args=args)
        world.services.store.commit([Create(f"again-{n}", again)])
    start = Work(kind=announcing.START, ref=CAMPAIGN, due_at=now, created_at=now)
    world.services.store.commit([Create("start-again", start)])
    assert set(world.run_due()) == {"done"}
    assert set(told(world).values()) == {1}


def test_accounts_of_one_mailbox_are_told_once(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.advance("P1D")
    world.account("u2", "ann@mail.test")
    world.account("u1", "ann@mail.test")
    published(world)
    world.run_due()
    assert told(world) == Counter(["ann@mail.test"])


def test_accounts_of_one_mailbox_in_different_batches_are_told_once(world: World) -> None:
    slowly(world, notices_per_call=1)
    for n in range(4):
        world.account(f"u{n}", "ann@mail.test")
        world.advance("P1D")
    published(world)
    world.run_due()
    assert told(world) == Counter(["ann@mail.test"])


@pytest.mark.parametrize("meanwhile", ["the first signs in", "the second signs in"])
def test_accounts_of_one_mailbox_that_sign_in_while_a_campaign_runs_are_told_once(world: World, meanwhile: str) -> None:
    slowly(world, notices_per_call=1)
    for user in ("u0", "u1", "u0"):
        world.account(user, "ann@mail.test")
    users = {found.ref: user for user in ("u0", "u1") if (found := people.by_user(world.services, user))}
    first, second = (users[ref] for ref in sorted(users))

    def sign_in(user: str) -> None:
        world.clock.at += timedelta(seconds=1)
        world.account(user, "ann@mail.test")

    sign_in(second if meanwhile == "the first signs in" else first)
    published(world)
    while not work.due(world.services)[0].id.startswith("w-"):
        work.run(world.services, work.due(world.services)[0].id, HANDLERS)
    work.run(world.services, f"w-{batch_id('v2', Place(int(min(users)[0], 16), 0, ''))}", HANDLERS)
    sign_in(first if meanwhile == "the first signs in" else second)
    world.run_due()
    assert told(world) == Counter(["ann@mail.test"])


def test_an_account_that_comes_while_a_campaign_runs_keeps_no_other_of_its_mailbox_from_being_told(
    world: World,
) -> None:
    for n in range(4):
        world.account(f"u{n}", f"p{n}@mail.test")
    published(world)
    world.clock.at += timedelta(seconds=1)
    for n in range(4):
        world.account(f"new{n}", f"p{n}@mail.test")
        world.account(f"u{n}", f"p{n}@mail.test")
    world.clock.at -= timedelta(seconds=1)
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(4))


def test_the_other_account_is_told_once_the_first_has_left_the_mailbox(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.account("u2", "ann@mail.test")
    world.account("u1", "elsewhere@mail.test")
    published(world)
    world.run_due()
    assert told(world) == Counter(["ann@mail.test", "elsewhere@mail.test"])


def test_who_has_no_confirmed_mailbox_or_came_later_is_not_told(world: World) -> None:
    from shared.promises import subjects
    from shared.promises.subjects import Linked

    subjects.link(world.services, Linked(user_id="u1", email="maybe@mail.test", email_verified=False))
    subjects.link(world.services, Linked(user_id="u2"))
    published(world)
    world.clock.at += timedelta(seconds=1)
    world.account("u3", "late@mail.test")
    world.topic.loses = True
    world.run_due()
    assert told(world) == Counter()


def test_who_said_no_to_marketing_is_told_all_the_same(world: World) -> None:
    from shared.promises import objections

    world.account("u1", "ann@mail.test")
    changes = objections.stop(world.services, "ann@mail.test", ["marketing"], "objection", "form")
    world.services.commit(changes)
    published(world)
    world.run_due()
    assert told(world) == Counter(["ann@mail.test"])


def test_whoever_was_erased_is_not_told(world: World) -> None:
    accounts(world, 2)
    world.confirm("p0@mail.test")
    world.advance("P3D")
    published(world)
    world.run_due()
    assert told(world) == Counter(["p1@mail.test"])


# --- a call that goes wrong ------------------------------------------------------------------------------------------


def test_a_refusal_in_passing_is_tried_again_soon_and_nobody_is_told_twice(world: World) -> None:
    accounts(world, 3)
    world.postman.answers = [TryAgain("sendgrid_429", 30)]
    published(world)
    assert "postponed" in world.run_due()
    assert (batch(world).record.state, told(world)) == ("waiting", Counter())
    world.advance("PT5M")
    assert set(told(world).values()) == {1}
    assert shown(world) == {"recipients": 3, "sent": 3, "failed": 0, "in_doubt": 0, "state": "done"}


def test_a_call_that_was_cut_off_waits_for_its_events_before_anybody_is_written_to_again(world: World) -> None:
    accounts(world, 4)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.run_due()
    assert shown(world) == {"recipients": 4, "sent": 0, "failed": 0, "in_doubt": 4, "state": "sending"}
    hear(world, (0, "accepted"), (1, "delivered"), (2, "bounced"))
    world.advance("PT5H")
    assert len(world.postman.calls) == 1
    world.advance("PT2H")
    assert [len(call) for call in world.postman.calls] == [4, 1]
    assert world.postman.calls[1][0].reference == world.postman.calls[0][3].reference
    assert shown(world)["state"] == "done"


def test_a_call_that_all_events_speak_of_is_not_made_again(world: World) -> None:
    accounts(world, 2)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.run_due()
    hear(world, (0, "accepted"), (1, "accepted"))
    world.advance("PT7H")
    assert len(world.postman.calls) == 1
    assert shown(world) == {"recipients": 2, "sent": 2, "failed": 0, "in_doubt": 0, "state": "done"}


def test_a_crash_inside_the_call_is_a_call_in_doubt(world: World) -> None:
    accounts(world, 2)
    world.postman.answers = [KeyboardInterrupt()]  # type: ignore[list-item]
    published(world)
    with pytest.raises(KeyboardInterrupt):
        world.run_due()
    assert batch(world).record.state == "sending"
    world.advance("PT1H")
    assert len(world.postman.calls) == 1, "the lease ran out, and nobody is written to before the events had time"
    world.advance("PT6H")
    assert told(world) == Counter(["p0@mail.test", "p1@mail.test"])


def test_a_crash_before_the_batch_was_marked_starts_it_anew(world: World) -> None:
    accounts(world, 2)
    published(world)
    due = next(iter(work.due(world.services)))
    work.run(world.services, due.id, HANDLERS)
    (start,) = work.due(world.services)
    world.services.store.commit([Update(start, start.record)])
    world.run_due()
    assert set(told(world).values()) == {1}


def test_one_address_that_the_mail_service_refuses_does_not_keep_the_others_from_being_told(world: World) -> None:
    accounts(world, 9)
    world.postman.unacceptable = {"p3@mail.test", "p7@mail.test"}
    published(world)
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(9) if n not in {3, 7})
    assert shown(world) == {"recipients": 9, "sent": 7, "failed": 2, "in_doubt": 0, "state": "done"}
    assert "notices_refused" in kinds(world)


def test_a_key_that_was_revoked_goes_to_a_person_and_nobody_is_lost_or_told_twice(world: World) -> None:
    accounts(world, 3)
    world.postman.answers = [NeverRetry("sendgrid_401")]
    published(world)
    assert "failed" in world.run_due()
    assert "work_failed" in kinds(world)
    world.advance("PT7H")
    assert set(told(world).values()) == {1}
    assert shown(world)["state"] == "done"


def cut_short(world: World, trouble: Exception) -> None:
    """Have the whole refused for one address, then its first half taken but for that one, and the second half fail."""
    accounts(world, 4)
    first = world.services.store.query(ACCOUNTS, "account")[0]
    known = world.services.vault.unsealed(f"subjects/{first.id}", first.record.sealed, Identifiers)
    world.postman.unacceptable = set(known.addresses)
    world.postman.answers = [None, None, None, None, trouble]
    published(world)
    world.run_due()
    assert len(told(world)) == 1
    world.postman.unacceptable = set()


def test_whoever_was_taken_is_not_written_to_again_when_the_rest_was_refused_in_passing(world: World) -> None:
    cut_short(world, TryAgain("sendgrid_429"))
    world.advance("PT5M")
    assert set(told(world).values()) == {1}
    assert shown(world) == {"recipients": 4, "sent": 3, "failed": 1, "in_doubt": 0, "state": "done"}, "nobody waits"


def test_whoever_was_taken_is_not_written_to_again_when_the_rest_was_cut_off_and_no_event_came(world: World) -> None:
    cut_short(world, InDoubt("sendgrid_timeout"))
    world.advance("PT1H")
    assert len(told(world)) == 1
    world.advance("PT6H")
    assert set(told(world).values()) == {1}
    assert shown(world) == {"recipients": 4, "sent": 3, "failed": 1, "in_doubt": 0, "state": "done"}


def test_accounts_that_came_meanwhile_keep_nobody_of_a_batch_from_being_told(world: World) -> None:
    slowly(world, notices_per_call=MOST_IN_A_BATCH)
    accounts(world, 2)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.run_due()
    first, last = refs(world)
    newcomer = Subject(kind="account", created_at=world.clock.at, sealed=world.services.vault.seal("x", {}))
    between = [f"{int(first, 16) + 1 + n:040x}" for n in range(MOST_IN_A_BATCH)]
    for some in (between[at : at + 400] for at in range(0, len(between), 400)):
        world.services.store.commit([Create(ref, msgspec.structs.replace(newcomer, created_at=LATER)) for ref in some])
    assert between[-1] < last
    world.advance("PT7H")
    assert len(told(world)) == 2


def test_a_mail_that_is_refused_for_everybody_goes_to_a_person_and_is_nobodys_refusal(world: World) -> None:
    accounts(world, 30)
    world.postman.unacceptable = {f"p{n}@mail.test" for n in range(30)}
    published(world)
    world.run_due()
    assert len(world.postman.calls) < 50, "it is not asked for each of them"
    assert "work_failed" in kinds(world)
    assert shown(world) == {"recipients": 30, "sent": 0, "failed": 0, "in_doubt": 0, "state": "sending"}
    world.postman.unacceptable = set()
    world.advance("PT7H")
    assert shown(world) == {"recipients": 30, "sent": 30, "failed": 0, "in_doubt": 0, "state": "done"}
    assert set(told(world).values()) == {1}


def test_the_only_one_there_is_may_be_refused(world: World) -> None:
    accounts(world, 1)
    world.postman.unacceptable = {"p0@mail.test"}
    published(world)
    world.run_due()
    assert shown(world) == {"recipients": 1, "sent": 0, "failed": 1, "in_doubt": 0, "state": "done"}


def test_whoever_is_erased_before_a_second_attempt_is_not_counted_as_written_to(world: World) -> None:
    accounts(world, 2)
    world.postman.answers = [NeverRetry("sendgrid_401")] * 6
    world.confirm("p0@mail.test")
    world.advance("PT1H")
    published(world)
    world.advance("P3D")
    assert told(world) == Counter(["p1@mail.test"])
    assert shown(world) == {"recipients": 1, "sent": 1, "failed": 0, "in_doubt": 0, "state": "done"}


def test_a_batch_that_is_answered_after_the_last_one_still_ends_the_campaign(world: World) -> None:
    slowly(world, notices_per_call=2)
    accounts(world, 60)
    published(world)
    post_all, overtaken = world.postman.post_all, []

    def slow(*given: Any) -> str:
        if not overtaken and len(given[3]) > 1:
            # while this call is on its way, all that can be done is done
            overtaken.append(world.run_due())
        return post_all(*given)

    world.postman.post_all = slow  # type: ignore[method-assign]
    world.run_due()
    assert len(told(world)) == 60
    world.advance("PT1H")
    assert shown(world)["state"] == "done"


# --- who has no mailbox any more -------------------------------------------------------------------------------------


def bounced(world: World, *numbers: int) -> None:
    hear(world, *((n, "bounced") for n in numbers))
    now = world.clock.at
    world.services.store.commit([Put("bounced", Work(kind=announcing.BOUNCED, ref=FIRST, due_at=now, created_at=now))])
    world.run_due()


def refs(world: World) -> Sequence[str]:
    return batches.unpacked(batch(world).record.refs)


def test_a_bounced_notice_is_shown_to_a_person_and_its_account_is_not_written_to_again(world: World) -> None:
    accounts(world, 3)
    published(world)
    world.run_due()
    bounced(world, 1)
    unreachable = world.services.store.get(Subject, refs(world)[1])
    assert unreachable is not None
    assert unreachable.record.unreachable_at == world.clock.at
    assert "notices_bounced" in kinds(world)
    publish(world.services, Draft(text="# Three\n\nWords.", version="v3"), "ola")
    world.run_due()
    assert campaigns.shown(world.services, "campaign-v3")["recipients"] == 2


def test_a_new_confirmed_address_makes_an_account_reachable_again(world: World) -> None:
    accounts(world, 1)
    published(world)
    world.run_due()
    bounced(world, 0)
    world.account("u0", "new@mail.test")
    subject = world.services.store.get(Subject, refs(world)[0])
    assert subject is not None
    assert subject.record.unreachable_at is None


def test_a_late_bounce_of_an_old_address_says_nothing_about_the_new_one(world: World) -> None:
    accounts(world, 1)
    published(world)
    world.run_due()
    world.advance("PT1M")
    world.account("u0", "new@mail.test")
    bounced(world, 0)
    subject = world.services.store.get(Subject, refs(world)[0])
    assert subject is not None
    assert subject.record.unreachable_at is None


# --- pause, pace, evidence -------------------------------------------------------------------------------------------


def step(world: World) -> None:
    for one in work.due(world.services):
        work.run(world.services, one.id, HANDLERS)


def test_a_pause_stops_before_the_next_batch_and_resuming_tells_the_rest(world: World) -> None:
    slowly(world, notices_per_call=2)
    accounts(world, 60)
    published(world)
    for _ in range(3):
        step(world)
    assert campaigns.pause(world.services, CAMPAIGN, "ola")["state"] == "paused"
    world.run_due()
    first = told(world)
    assert 0 < len(first) < 60
    world.advance("P30D")
    assert told(world) == first
    assert campaigns.pause(world.services, CAMPAIGN, "ola")["state"] == "paused"
    assert campaigns.resume(world.services, CAMPAIGN, "ola")["state"] == "sending"
    assert campaigns.resume(world.services, CAMPAIGN, "ola")["state"] == "sending"
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(60))
    assert shown(world)["state"] == "done"
    assert evidence.check(world.services)["intact"] is True


def test_a_pause_before_anything_was_sent_is_kept_and_resumed_from_the_beginning(world: World) -> None:
    accounts(world, 2)
    published(world)
    (announce,) = work.due(world.services)
    work.run(world.services, announce.id, HANDLERS)
    campaigns.pause(world.services, CAMPAIGN, "ola")
    world.advance("P1D")
    assert told(world) == Counter()
    campaigns.resume(world.services, CAMPAIGN, "ola")
    world.run_due()
    assert set(told(world).values()) == {1}


def test_a_pause_in_an_outage_loses_nobody_however_many_batches_wait(world: World) -> None:
    slowly(world, notices_per_call=1)
    accounts(world, 520)
    world.postman.answers = [TryAgain("sendgrid_429")] * 520
    published(world)
    world.run_due()
    campaigns.pause(world.services, CAMPAIGN, "ola")
    world.advance("PT1H")
    assert told(world) == Counter()
    campaigns.resume(world.services, CAMPAIGN, "ola")
    world.run_due()
    assert shown(world) == {"recipients": 520, "sent": 520, "failed": 0, "in_doubt": 0, "state": "done"}
    assert set(told(world).values()) == {1}


def test_resuming_twice_before_anything_was_sent_changes_nothing(world: World) -> None:
    accounts(world, 2)
    published(world)
    (announce,) = work.due(world.services)
    work.run(world.services, announce.id, HANDLERS)
    campaigns.pause(world.services, CAMPAIGN, "ola")
    first = campaigns.resume(world.services, CAMPAIGN, "ola")
    assert campaigns.resume(world.services, CAMPAIGN, "ola") == first
    world.run_due()
    assert set(told(world).values()) == {1}


@pytest.mark.parametrize("act", [campaigns.pause, campaigns.resume])
def test_what_is_done_can_be_neither_paused_nor_resumed(world: World, act: Any) -> None:
    published(world)
    world.run_due()
    assert shown(world)["state"] == "done"
    with pytest.raises(Stale):
        act(world.services, CAMPAIGN, "ola")


def test_what_is_not_open_yet_cannot_be_resumed(world: World) -> None:
    published(world)
    with pytest.raises(Stale):
        campaigns.resume(world.services, CAMPAIGN, "ola")


def test_a_mistake_is_stopped_before_the_first_mail_even_before_the_campaign_is_open(world: World) -> None:
    accounts(world, 3)
    published(world)
    assert campaigns.pause(world.services, CAMPAIGN, "ola")["state"] == "paused"
    assert campaigns.pause(world.services, CAMPAIGN, "ola")["state"] == "paused"
    world.advance("P2D")
    assert told(world) == Counter()
    campaigns.resume(world.services, CAMPAIGN, "ola")
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(3))
    assert shown(world)["state"] == "done"
    kinds_of = [one["kind"] for one in operators.evidence(world.services, CAMPAIGN)["entries"]]
    assert kinds_of == [
        "campaign.announced", "campaign.paused", "campaign.resumed", "campaign.sending", "campaign.done",
    ]  # fmt: skip
    assert evidence.check(world.services)["intact"] is True


def test_it_is_shown_of_about_how_many_accounts_until_all_of_them_are_counted(world: World) -> None:
    accounts(world, 3)
    published(world)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    world.run_due()
    assert campaigns.shown(world.services, CAMPAIGN)["accounts_about"] == 3
    world.advance("PT7H")
    found = campaigns.shown(world.services, CAMPAIGN)
    assert (found["state"], found["recipients"], "accounts_about" in found) == ("done", 3, False)


def test_whoever_signs_up_after_the_publication_was_shown_that_version_and_is_not_told_of_it(world: World) -> None:
    accounts(world, 2)
    published(world)
    world.clock.at += timedelta(seconds=1)
    world.account("late", "late@mail.test")
    world.run_due()
    assert told(world) == Counter(f"p{n}@mail.test" for n in range(2))


def test_the_last_entry_says_who_was_refused_and_apart_from_that_what_was_heard(world: World) -> None:
    accounts(world, 4)
    world.postman.unacceptable = {"p1@mail.test"}
    published(world)
    world.run_due()
    facts = operators.evidence(world.services, CAMPAIGN)["entries"][-1]["facts"]
    assert {name: facts[name] for name in ("recipients", "sent", "refused", "delivered")} == {
        "recipients": 4, "sent": 3, "refused": 1, "delivered": 0,
    }  # fmt: skip


def per_hour(world: World, hours: int) -> list[int]:
    """Return how many were told in each of the next hours."""
    found = []
    # what falls on the hour belongs to the next one
    for duration in ["PT59M", *["PT1H"] * (hours - 1)]:
        before = len(told(world))
        world.advance(duration)
        found.append(len(told(world)) - before)
    return found


def test_the_companys_limit_holds_in_every_hour_the_first_included(world: World) -> None:
    slowly(world, notices_per_call=2, notices_per_hour=10)
    accounts(world, 100)
    published(world)
    assert max(per_hour(world, 24)) <= 10
    assert len(told(world)) == 100


def test_the_companys_limit_holds_after_a_pause_too(world: World) -> None:
    slowly(world, notices_per_call=2, notices_per_hour=10)
    accounts(world, 100)
    published(world)
    world.advance("PT2H")
    campaigns.pause(world.services, CAMPAIGN, "ola")
    world.advance("P2D")
    campaigns.resume(world.services, CAMPAIGN, "ola")
    assert max(per_hour(world, 24)) <= 10
    assert len(told(world)) == 100


def test_a_limit_below_one_calls_worth_makes_the_calls_smaller(world: World) -> None:
    slowly(world, notices_per_call=1000, notices_per_hour=3)
    accounts(world, 7)
    published(world)
    assert max(per_hour(world, 8)) <= 3
    assert len(told(world)) == 7


def test_each_batch_is_a_stream_and_the_last_entry_of_the_campaign_lists_their_heads(world: World) -> None:
    accounts(world, 3)
    published(world)
    world.run_due()
    (entry,) = operators.evidence(world.services, FIRST)["entries"]
    assert (entry["kind"], entry["facts"]["recipients"], entry["facts"]["campaign"]) == ("batch.sent", 3, CAMPAIGN)
    last = operators.evidence(world.services, CAMPAIGN)["entries"][-1]
    assert (last["kind"], last["facts"]["batches"]) == ("campaign.done", {FIRST: entry["mac"]})


def test_a_batch_whose_evidence_was_cut_is_found(world: World) -> None:
    accounts(world, 1)
    published(world)
    world.run_due()
    world.services.store.commit([Delete(LedgerEntry, f"{FIRST}:000001")])
    found = evidence.check(world.services)
    assert (found["intact"], found["first_break"]) == (False, FIRST)


def test_no_address_stands_outside_of_what_is_sealed(world: World) -> None:
    accounts(world, 2)
    published(world)
    world.run_due()
    assert b"mail.test" not in bytes(str(batch(world).record), "utf-8")
    assert not any("mail.test" in one.reference for call in world.postman.calls for one in call)


def test_a_campaign_goes_with_its_batches_and_their_streams_when_evidence_is_kept_no_longer(world: World) -> None:
    accounts(world, 3)
    published(world)
    world.run_due()
    world.advance("P2Y")
    retention.expire(world.services)
    assert shown(world)["sent"] == 3
    world.advance("P1Y1D")
    retention.expire(world.services)
    assert world.services.store.get(Batch, FIRST) is None
    with pytest.raises(Missing):
        campaigns.shown(world.services, CAMPAIGN)
    assert evidence.check(world.services)["intact"] is True
    assert not [one for one in world.services.store.query(ALL_EVIDENCE, limit=100) if one.record.stream != "policy"]
