"""§6, §8: what the mail service's events come to, whatever their order and however often they come."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.settings import SAMPLES
from shared import batches, ledger, references
from shared.case import Case
from shared.mail_events import Event, Heard
from shared.promises import deliveries, objections
from shared.records import ALL_ATTENTION, ALL_EVIDENCE, ALL_REQUESTS, Batch, Mailing
from shared.store import Create
from tests.infra.troubled_twins import ForwardingStore
from tests.promises.world import World

ANN = "ann@mail.test"
GROUP = 4711
WAYS = ("processed", "deferred", "dropped", "delivered", "bounce", "open", "click")


def hear(world: World, *events: Mapping[str, Any]) -> dict[str, int]:
    return deliveries.take(world.services, msgspec.convert(list(events), list[Event]))


def asked(world: World) -> str:
    """Have somebody ask for deletion, and the mail that asks to confirm it sent; return the request's id."""
    request_id = world.ask(ANN)
    world.run_due()
    return request_id


def about(request_id: str, event: str, mail: str = "m1", **more: Any) -> dict[str, Any]:
    return {"event": event, "email": ANN, "pledge": references.of_mail(request_id, mail), **more}


def mailing(world: World, request_id: str) -> Mailing:
    return Case.read(world.services, request_id).record.mails["m1"]


def evidence(world: World, request_id: str) -> list[str]:
    return [one.record.kind for one in ledger.stream_of(world.services.store, request_id)]


def problems(world: World) -> dict[str, str | None]:
    return {one.record.kind: one.record.problem for one in world.services.store.query(ALL_ATTENTION)}


def stops(world: World, email: str = ANN) -> set[str]:
    return set(objections.stopped(world.services, email))


# --- mails of requests -----------------------------------------------------------------------------------------------

SAYS = {
    "processed": ({"event": "processed"}, "sent", None),
    "deferred": ({"event": "deferred", "response": "451 later", "attempt": "5"}, "deferred", None),
    "delivered": ({"event": "delivered", "response": "250 OK", "category": "cat facts"}, "delivered", None),
    "bounced": ({"event": "bounce", "type": "bounce", "reason": f"500 {ANN} unknown"}, "bounced", "bounced"),
    "bounced, no type": ({"event": "bounce"}, "bounced", "bounced"),
    "blocked": ({"event": "bounce", "type": "blocked"}, "blocked", "blocked"),
    "dropped": ({"event": "dropped", "reason": "Bounced Address"}, "dropped", "dropped"),
    "opened": ({"event": "open"}, "sent", None),
    "clicked": ({"event": "click", "url": "https://pledge.test"}, "sent", None),
    "one of next year": ({"event": "delivered_to_the_moon"}, "sent", None),
    "no name": ({}, "sent", None),
    "a name that is none": ({"event": ["delivered"]}, "sent", None),
}


@pytest.mark.parametrize("name", SAYS)
def test_an_event_says_how_far_a_mail_got(world: World, name: str) -> None:
    event, status, problem = SAYS[name]
    request_id = asked(world)
    hear(world, about(request_id, "") | event if event else {"pledge": references.of_mail(request_id, "m1")})
    found = mailing(world, request_id)
    assert (found.status, found.problem) == (status, problem)
    assert problems(world) == ({"mail_bounced": f"request_confirm:{status}"} if problem else {})
    assert ("mail.delivered" in evidence(world, request_id)) == (status == "delivered")
    assert ("mail.undelivered" in evidence(world, request_id)) == (problem is not None)


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        (["processed", "deferred", "delivered"], "delivered"),
        (["processed", "deferred", "bounce"], "bounced"),
        (["processed", "delivered", "bounce"], "bounced"),
        (["processed", "dropped"], "dropped"),
        (["deferred", "blocked", "delivered"], "delivered"),
    ],
)
def test_a_mail_ends_in_the_same_state_in_whatever_order_its_events_come(
    world: World, events: list[str], ends: str
) -> None:
    def said(request_id: str, one: str) -> dict[str, Any]:
        return about(request_id, "bounce", type="blocked") if one == "blocked" else about(request_id, one)

    for at_once, order in itertools.product((True, False), itertools.permutations(events)):
        request_id = asked(world)
        each = [said(request_id, one) for one in order]
        for some in [each] if at_once else [[one] for one in each]:
            hear(world, *some, *some)
        assert mailing(world, request_id).status == ends, order
        world.clock.at += timedelta(hours=2)


def test_what_was_heard_changes_nothing_when_it_is_heard_again(world: World) -> None:
    request_id = asked(world)
    events = [about(request_id, "delivered"), {"event": "unsubscribe", "email": ANN}]
    hear(world, *events)
    before = everything(world)
    for _ in range(3):
        hear(world, *events, *events, about(request_id, "processed"), about(request_id, "deferred"))
    assert everything(world) == before


def everything(world: World) -> dict[str, Any]:
    entries = [one.id for one in world.services.store.query(ALL_EVIDENCE, limit=500)]
    requests = [one.version for one in world.services.store.query(ALL_REQUESTS)]
    return {"entries": entries, "requests": requests, "stops": stops(world)}


def test_a_mail_that_is_delivered_after_all_leaves_the_list_of_what_a_person_must_look_at(world: World) -> None:
    request_id = asked(world)
    hear(world, about(request_id, "bounce", type="blocked"))
    assert "mail_bounced" in problems(world)
    hear(world, about(request_id, "delivered"))
    assert problems(world) == {}


def test_the_operator_sees_how_far_each_mail_got(world: World) -> None:
    from shared.promises import operators

    request_id = asked(world)
    hear(world, about(request_id, "bounce", type="bounce"))
    assert operators.shown(world.services, request_id)["mails"]["m1"]["status"] == "bounced"


def test_no_word_of_the_receiving_server_is_kept(world: World) -> None:
    request_id = asked(world)
    hear(world, about(request_id, "bounce", reason=f"550 <{ANN}> is gone", response=ANN))
    entries = world.services.store.query(ALL_EVIDENCE, limit=500)
    assert ANN not in repr([entries, problems(world), mailing(world, request_id)])


@pytest.mark.parametrize(
    "reference",
    ["r.0123.m1", "b.0123.7", "r..m1", "r.0123", "x.0123.m1", "r.0123.m1.m2", "", "0" * 40, None, 7, ["r.0123.m1"], {}],
)
def test_an_event_about_what_we_do_not_know_changes_nothing(world: World, reference: object) -> None:
    request_id = asked(world)
    before = everything(world), mailing(world, request_id)
    hear(world, *({"event": one, "email": ANN, "pledge": reference} for one in WAYS))
    hear(world, about(request_id, "delivered", "m7"))
    assert (everything(world), mailing(world, request_id)) == before


def test_an_event_that_is_quicker_than_our_own_commit_does_not_have_the_mail_sent_twice(world: World) -> None:
    postman, request_id = world.postman, world.ask(ANN)
    post = postman.post

    def told_at_once(*said: Any) -> str:
        sent = post(*said)
        hear(world, about(request_id, "delivered"))
        return sent

    postman.post = told_at_once  # type: ignore[method-assign]
    assert world.run_due() == ["done"]
    postman.post = post  # type: ignore[method-assign]
    found = mailing(world, request_id)
    assert (found.status, found.evidence, found.attempts) == ("delivered", "message-1", 1)
    assert [kind for kind in evidence(world, request_id) if kind.startswith("mail.")] == [
        "mail.delivered",
        "mail.accepted",
    ]
    world.advance("P8D")
    assert [len(world.mailed(one)) for one in ("request_confirm", "request_reminder")] == [1, 1]


def test_an_event_about_a_mail_whose_sending_broke_off_spares_the_second_sending(world: World) -> None:
    request_id = world.ask(ANN)
    hear(world, about(request_id, "delivered"))
    world.run_due()
    assert (world.mailed("request_confirm"), mailing(world, request_id).status) == ([], "delivered")


# --- people who opt out ----------------------------------------------------------------------------------------------


@pytest.fixture
def grouped(tmp_path: Path) -> World:
    """Return a world where one marketing purpose has an unsubscribe group at SendGrid, and a service mail another."""
    company = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    groups = {"marketing_email": GROUP, "service_mail": 1}
    for purpose in company["purposes"]:
        if purpose["name"] in groups:
            purpose["sendgrid_group"] = groups[purpose["name"]]
    (tmp_path / "grouped.yaml").write_text(yaml.safe_dump(company))
    return World(tmp_path / "data", COMPANY=str(tmp_path / "grouped.yaml"))


@pytest.mark.parametrize(
    ("event", "stopped", "seen"),
    [
        ({"event": "unsubscribe"}, {"marketing"}, []),
        ({"event": "spamreport"}, {"marketing"}, []),
        ({"event": "group_unsubscribe", "asm_group_id": GROUP}, {"marketing_email"}, []),
        ({"event": "group_unsubscribe", "asm_group_id": 1}, set(), []),
        ({"event": "group_unsubscribe", "asm_group_id": 99}, {"marketing"}, ["unknown_unsubscribe_group"]),
        ({"event": "group_unsubscribe"}, {"marketing"}, []),
        ({"event": "group_unsubscribe", "asm_group_id": True}, {"marketing"}, []),
        ({"event": "group_resubscribe", "asm_group_id": GROUP}, set(), []),
        ({"event": "unsubscribe", "email": "no address"}, set(), ["unreadable_unsubscribe"]),
        ({"event": "unsubscribe", "email": None}, set(), ["unreadable_unsubscribe"]),
        ({"event": "open"}, set(), []),
        ({"event": "bounce"}, set(), []),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, set(), []),
    ],
)
def test_an_opt_out_stops_what_was_meant_whoever_it_was(
    grouped: World, event: dict[str, Any], stopped: set[str], seen: list[str]
) -> None:
    hear(grouped, {"email": "Somebody+news@Mail.Test"} | event)
    assert stops(grouped, "somebody@mail.test") == stopped
    assert list(problems(grouped)) == seen


def test_leaving_two_groups_and_all_of_it_in_one_webhook_is_stopped_once(grouped: World) -> None:
    events = [
        {"event": "group_unsubscribe", "email": ANN, "asm_group_id": GROUP},
        {"event": "unsubscribe", "email": "ANN@mail.test"},
        {"event": "spamreport", "email": "ann+x@mail.test"},
    ]
    assert hear(grouped, *events)["stops"] == 1
    assert stops(grouped) == {"marketing"}


def test_coming_back_to_a_group_lifts_nothing(grouped: World) -> None:
    hear(grouped, {"event": "group_unsubscribe", "email": ANN, "asm_group_id": GROUP})
    hear(grouped, {"event": "group_resubscribe", "email": ANN, "asm_group_id": GROUP})
    assert stops(grouped) == {"marketing_email"}


def test_an_opt_out_is_evidence_without_the_address(world: World) -> None:
    hear(world, {"event": "unsubscribe", "email": ANN})
    entries = [one.record for one in world.services.store.query(ALL_EVIDENCE, limit=500)]
    (entry,) = [one for one in entries if one.facts.get("via") == "sendgrid"]
    assert entry.kind == "objection"
    assert ANN not in repr(entry)


# --- campaigns -------------------------------------------------------------------------------------------------------


def batch(world: World, batch_id: str = "b1", n: int = 1000) -> None:
    world.services.commit([Create(batch_id, Batch(campaign="c1", n_recipients=n))])


def marked(world: World, batch_id: str = "b1") -> dict[str, int]:
    stored = world.services.store.get(Batch, batch_id)
    assert stored is not None
    counts = batches.counted(stored.record)
    return {name: counts[name] for name in ("delivered", "bounced", "dropped", "spam")}


def of(n: int, event: str, batch_id: str = "b1", **more: Any) -> dict[str, Any]:
    return {"event": event, "email": f"p{n}@mail.test", "pledge": f"{references.BATCH}.{batch_id}.{n}", **more}


def test_a_batch_counts_each_recipient_once_under_duplicates_and_disorder(world: World) -> None:
    batch(world)
    events = [of(n, "processed") for n in range(1000)] + [of(n, "delivered") for n in range(900)]
    events += [of(n, "bounce") for n in range(890, 950)] + [of(n, "dropped") for n in range(950, 980)]
    events += [of(n, "bounce", type="blocked") for n in range(975, 990)] + [of(n, "deferred") for n in range(1000)]
    for some in (events[2000:], events[:2000], list(reversed(events)), events[1000:1500]):
        hear(world, *some)
    assert marked(world) == {"delivered": 890, "bounced": 60, "dropped": 40, "spam": 0}


def test_a_spam_report_counts_beside_the_delivery_and_stops_the_mails(world: World) -> None:
    batch(world)
    hear(world, of(7, "spamreport"), of(7, "delivered"))
    assert marked(world) == {"delivered": 1, "bounced": 0, "dropped": 0, "spam": 1}
    assert stops(world, "p7@mail.test") == {"marketing"}


def test_a_mail_that_the_mail_service_took_or_still_tries_is_accepted(world: World) -> None:
    batch(world)
    hear(world, of(0, "processed"), of(1, "deferred"), of(2, "delivered"))
    stored = world.services.store.get(Batch, "b1")
    assert stored is not None
    assert batches.bits(stored.record.accepted) == 0b011
    assert batches.heard(stored.record) == 0b111


def test_a_number_beyond_the_batch_is_nobody(world: World) -> None:
    batch(world, n=10)
    hear(world, of(9, "delivered"), of(10, "delivered"), of(999, "delivered"), of(1000, "delivered"))
    assert marked(world)["delivered"] == 1


def test_a_bitmap_of_a_thousand_fits_into_128_bytes() -> None:
    full = Batch(campaign="c1", n_recipients=1000)
    for n in range(1000):
        full = batches.marked(full, {"delivered": 1 << n})
    assert batches.counted(full)["delivered"] == 1000
    assert len(full.delivered) <= 128


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["delivered", "bounced", "dropped", "spam"]))))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_marking_again_and_in_another_order_is_the_same(marks: list[tuple[int, str]]) -> None:
    one = two = Batch(campaign="c1", n_recipients=20)
    for n, state in marks:
        one = batches.marked(one, {state: 1 << n})
    for n, state in [*reversed(marks), *marks]:
        two = batches.marked(two, {state: 1 << n})
    assert one == two
    assert sum(batches.counted(one)[state] for state in ("delivered", "bounced", "dropped")) <= 20


# --- one commit ------------------------------------------------------------------------------------------------------


class Counting(ForwardingStore):
    commits, reads = 0, 0

    def get(self, kind: Any, id: str) -> Any:
        self.reads += 1
        return super().get(kind, id)

    def commit(self, changes: Any) -> list[str]:
        self.commits += 1
        assert len(changes) <= 500
        return super().commit(changes)


@pytest.fixture
def counting(world: World) -> Counting:
    counting = Counting(world.services.store)
    world.services.__dict__["store"] = counting
    return counting


def test_five_hundred_deliveries_are_one_read_and_one_commit(world: World, counting: Counting) -> None:
    batch(world)
    counting.commits = counting.reads = 0
    hear(world, *(of(n, "delivered") for n in range(500)))
    assert (counting.commits, counting.reads) == (1, 1)
    hear(world, *(of(n, "delivered") for n in range(500)))
    assert (counting.commits, counting.reads) == (1, 2)


def test_a_webhook_too_large_for_one_commit_is_done_in_pieces(world: World, counting: Counting) -> None:
    people = [f"p{n}@mail.test" for n in range(250)]
    batch(world)
    hear(world, *({"event": "unsubscribe", "email": one} for one in people), of(1, "delivered"))
    assert all(stops(world, one) == {"marketing"} for one in people)
    assert marked(world)["delivered"] == 1
    assert counting.commits > 2


def test_what_moved_meanwhile_is_read_again(world: World) -> None:
    batch(world)

    class Meddling(ForwardingStore):
        once = True

        def get(self, kind: Any, id: str) -> Any:
            found = super().get(kind, id)
            if kind is Batch and self.once:
                self.once = False
                hear(world, of(1, "delivered"))
            return found

    world.services.__dict__["store"] = Meddling(world.services.store)
    hear(world, of(2, "delivered"))
    assert marked(world)["delivered"] == 2


# --- anything at all -------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*WAYS, "unsubscribe", "spamreport", "group_unsubscribe", "group_resubscribe"])
pledges = st.sampled_from(["b.b1.3", "r.r1.m1", "b.b1.9999", "b.__b1__.1"])
events = st.fixed_dictionaries(
    {},
    optional={
        "event": names | json_values,
        "email": st.emails() | json_values,
        "type": st.just("blocked") | json_values,
        "asm_group_id": st.integers() | json_values,
        "pledge": pledges | json_values,
        "category": json_values,
        "timestamp": json_values,
    },
)


@given(st.lists(events, max_size=8))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_whatever_an_event_holds_it_is_heard(sent: list[dict[str, Any]]) -> None:
    heard = Heard(msgspec.json.decode(json.dumps(sent), type=list[Event]))
    assert len(heard.stops) + heard.unreadable <= len(sent)
    assert set(heard.mails) <= {"r1"}
    assert set(heard.batches) <= {"b1"}


@given(st.sets(st.integers(0, 999)))
def test_numbers_of_recipients_and_their_bits_are_the_same_thing(numbers: set[int]) -> None:
    bits = batches.bits_of(list(numbers))
    assert {n for n in range(1000) if bits >> n & 1} == numbers
    assert bits < 1 << 1000
