"""§8: accounts that share a mailbox: it is told of a new version, once as a rule, and never not at all."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from functions.work import HANDLERS
from shared import identity, work
from shared.failures import InDoubt
from shared.promises import announcing, campaigns, people
from shared.promises.policy import Draft, publish
from shared.records import DUE_WORK, Alias, Subject, Work
from shared.store import Delete, Stored, Update
from tests.promises.test_announcing import CAMPAIGN, accounts, bounced, published, shown, slowly, told
from tests.promises.world import World

ANN = "ann@mail.test"


def ref(world: World, user: str) -> str:
    found = people.by_user(world.services, user)
    assert found is not None
    return found.ref


def pair(world: World, *, elder_first: bool) -> tuple[str, str, str]:
    """Make an elder and a younger account of one mailbox whose ids sort as wanted; return both users and the mailbox."""
    for n in count():
        elder, younger, email = f"elder{n}", f"younger{n}", f"m{n}@mail.test"
        world.account(elder, email)
        world.clock.at += timedelta(seconds=1)
        world.account(younger, email)
        if (ref(world, elder) < ref(world, younger)) is elder_first:
            return elder, younger, email
    raise AssertionError


def run_until_read(world: World, user: str) -> None:
    """Run what is due until the batch with this account was made."""
    last = ref(world, user)
    while due := ahead(world)[:1]:
        for one in due:
            world.clock.at = max(world.clock.at, one.record.due_at)
            if one.record.kind == announcing.SEND and one.record.args["after"] >= last:
                return
            work.run(world.services, one.id, HANDLERS)


def leaves(world: World, user: str) -> None:
    world.account(user, "elsewhere@mail.test")


def is_erased(world: World, user: str) -> None:
    """Leave what an erasure leaves of an account: nothing, and no link of its mailbox."""
    found = people.by_user(world.services, user)
    assert found is not None
    alias = world.services.store.get(Alias, identity.alias(world.services.vault, "email", found.known.addresses[-1]))
    assert alias is not None
    links = [one for one in alias.record.links if one.ref != found.ref]
    world.services.store.commit([Delete(Subject, found.ref), Update(alias, Alias(links=links))])


def bounces(world: World, user: str) -> None:
    stored = world.services.store.get(Subject, ref(world, user))
    assert stored is not None
    world.services.store.commit([Update(stored, msgspec.structs.replace(stored.record, unreachable_at=world.clock.at))])


# --- before the version is announced ---------------------------------------------------------------------------------


def test_an_account_that_confirms_a_mailbox_which_bounced_for_an_elder_one_is_told(world: World) -> None:
    world.account("u1", ANN)
    published(world)
    world.run_due()
    bounced(world, 0)
    world.advance("P1D")
    world.account("u2", ANN)
    world.postman.posted.clear()
    publish(world.services, Draft(text="# Three\n\nWords.", version="v3"), "ola")
    world.run_due()
    assert told(world) == Counter([ANN])


def test_of_those_that_come_after_one_who_cannot_be_reached_one_is_told(world: World) -> None:
    slowly(world, notices_per_call=1)
    for n in range(4):
        world.account(f"u{n}", ANN)
        world.clock.at += timedelta(seconds=1)
    bounces(world, "u0")
    published(world)
    world.run_due()
    assert told(world) == Counter([ANN])
    assert shown(world)["state"] == "done"


# --- while it is announced -------------------------------------------------------------------------------------------


def test_an_account_that_moves_to_the_mailbox_of_a_newcomer_is_told(world: World) -> None:
    world.account("old", "old@mail.test")
    world.advance("P1D")
    published(world)
    while not any(one.record.kind == announcing.SEND for one in work.due(world.services)):
        work.run(world.services, work.due(world.services)[0].id, HANDLERS)
    for user in ("new", "old"):
        world.clock.at += timedelta(seconds=5)
        world.account(user, ANN)
    world.run_due()
    assert told(world) == Counter([ANN])


@pytest.mark.parametrize("lost", [leaves, is_erased, bounces])
@pytest.mark.parametrize("crowd", [0, 130], ids=["one strand", "sixteen strands"])
def test_an_account_that_was_left_to_an_elder_one_is_told_where_that_one_is_not(
    world: World, lost: Any, crowd: int
) -> None:
    slowly(world, notices_per_call=1)
    accounts(world, crowd)
    elder, younger, email = pair(world, elder_first=False)
    published(world)
    world.clock.at += timedelta(seconds=1)
    run_until_read(world, younger)
    lost(world, elder)
    world.advance("PT1H")
    assert told(world)[email] == 1
    assert shown(world)["state"] == "done"
    assert max(told(world).values()) == 1


def test_an_account_is_not_left_to_one_that_could_be_reached_only_after_its_turn(world: World) -> None:
    slowly(world, notices_per_call=1)
    elder, younger, email = pair(world, elder_first=True)
    bounces(world, elder)
    published(world)
    world.clock.at += timedelta(seconds=1)
    run_until_read(world, elder)
    world.account(elder, email)
    assert ref(world, elder) < ref(world, younger)
    world.run_due()
    assert told(world)[email] == 1


def test_an_account_is_told_where_the_other_of_its_call_was_lost_before_the_second_attempt(world: World) -> None:
    elder, _, email = pair(world, elder_first=True)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    published(world)
    world.run_due()
    is_erased(world, elder)
    world.advance("P1D")
    assert told(world)[email] == 1
    assert shown(world)["state"] == "done"


def test_a_mailbox_whose_first_account_was_told_and_then_left_is_told_again(world: World) -> None:
    slowly(world, notices_per_call=1)
    elder, _, email = pair(world, elder_first=True)
    published(world)
    world.clock.at += timedelta(seconds=1)
    run_until_read(world, elder)
    leaves(world, elder)
    world.run_due()
    assert told(world)[email] == 2, "rather twice than never"


def test_accounts_that_meet_in_a_mailbox_while_a_campaign_runs_are_each_told(world: World) -> None:
    slowly(world, notices_per_call=1)
    accounts(world, 3)
    published(world)
    while not any(one.record.kind == announcing.SEND for one in work.due(world.services)):
        work.run(world.services, work.due(world.services)[0].id, HANDLERS)
    for n in range(3):
        world.clock.at += timedelta(seconds=1)
        world.account(f"u{n}", ANN)
    world.run_due()
    assert told(world) == Counter({ANN: 3}), "any of them may have been told elsewhere first"


# --- the second look -------------------------------------------------------------------------------------------------


def ahead(world: World) -> list[Stored[Work]]:
    return world.services.store.query(DUE_WORK, at_most=world.clock.at + timedelta(days=1))


def left_to_each_other(world: World) -> str:
    """Have a younger account be left to an elder one that then leaves; stop before the second look."""
    slowly(world, notices_per_call=1)
    elder, younger, email = pair(world, elder_first=False)
    published(world)
    world.clock.at += timedelta(seconds=1)
    run_until_read(world, younger)
    leaves(world, elder)
    while not any(one.record.args.get("strand") == "1" for one in ahead(world)):
        for one in ahead(world)[:1]:
            world.clock.at = max(world.clock.at, one.record.due_at)
            work.run(world.services, one.id, HANDLERS)
    assert told(world)[email] == 0
    return email


def test_a_pause_stops_the_second_look_and_resuming_goes_on_with_it(world: World) -> None:
    email = left_to_each_other(world)
    campaigns.pause(world.services, CAMPAIGN, "ola")
    world.advance("P1D")
    assert told(world)[email] == 0
    campaigns.resume(world.services, CAMPAIGN, "ola")
    world.run_due()
    assert told(world)[email] == 1
    assert shown(world)["state"] == "done"


def test_a_second_look_that_was_cut_off_is_tried_again_and_ends_the_campaign(world: World) -> None:
    email = left_to_each_other(world)
    world.postman.answers = [InDoubt("sendgrid_timeout")]
    world.run_due()
    assert shown(world)["in_doubt"] == 1
    world.advance("P1D")
    assert told(world)[email] == 1
    assert shown(world)["state"] == "done"


def test_a_campaign_that_is_asked_for_its_end_again_does_not_begin_its_second_look_again(world: World) -> None:
    email = left_to_each_other(world)
    before = len(work.due(world.services))
    for _ in range(3):
        world.services.commit([announcing.end_of(CAMPAIGN, "v2", world.clock.at)])
        end = next(one for one in work.due(world.services) if one.record.kind == announcing.END)
        assert work.run(world.services, end.id, HANDLERS) == "done"
    assert len(work.due(world.services)) == before
    world.run_due()
    assert told(world)[email] == 1


def test_the_companys_limit_holds_for_the_second_look_too(world: World) -> None:
    slowly(world, notices_per_hour=1)
    email = left_to_each_other(world)
    for _ in range(10):
        before = sum(told(world).values())
        world.advance("PT59M")
        assert sum(told(world).values()) - before <= 1
    assert told(world)[email] == 1
    assert shown(world)["state"] == "done"


@pytest.mark.parametrize("returns", [None, 0, 1])
def test_accounts_that_came_in_the_same_second_are_told_once(world: World, returns: int | None) -> None:
    slowly(world, notices_per_call=1)
    pairs = [(f"a{n}", f"b{n}", f"pair{n}@mail.test") for n in range(12)]
    for *users, email in pairs:
        for user in users:
            world.account(user, email)
    if returns is not None:
        world.advance("P1D")
        for *users, email in pairs:
            world.account(users[returns], email)
    published(world)
    world.run_due()
    assert told(world) == Counter(email for *_, email in pairs)
