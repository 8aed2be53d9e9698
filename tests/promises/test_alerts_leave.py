"""Nothing stands for ever on the list of what a person must look at: each kind that the code puts there has a way off it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import attention, work
from shared.annex import OURS
from shared.failures import NeverRetry, Stale
from shared.own_records import MAIL_KINDS
from shared.promises import alerts, deadlines, erasure, retention
from shared.records import ALL_ATTENTION, Mailing, Request, Retained, Work
from shared.store import Conflict, Create, Delete, Update
from tests.promises.world import World, fails

ROOT = Path(__file__).parents[2]
ASKED = {"raised", "settled", "incident"}
OF_A_VARIABLE: dict[tuple[str, str], set[str]] = {
    # what an expression may come to that names no constant
    ("shared.apart", "self._kind"): {deadlines.UNWATCHED, retention.NOT_REMOVED},
    ("shared.work", "kind"): set(work.SHOWN),
    ("shared.promises.campaigns", "kind"): set(work.FAILED),
    ("shared.promises.erasing", "kind"): set(erasure.SETTLED_BY_ERASURE),
    ("shared.promises.erasure", "kind"): set(erasure.SETTLED_BY_ITS_END),
    ("shared.promises.mailbox", "kind"): set(MAIL_KINDS),
    ("shared.promises.notifying", "kind"): {"deadline_near", "accounts_not_chosen"},
    ("shared.promises.stripe_events", "kind"): {erasure.EMAIL_CHANGED},
}
ENDED_OTHERWISE = {*MAIL_KINDS, deadlines.UNWATCHED, retention.NOT_REMOVED}
"""By deleting the item itself: a mail that was dealt with, a record that a job could read again."""


def calls() -> Iterator[tuple[str, str, ast.expr]]:
    """Yield every call that puts something on the list or takes it off: `(module, which, the kind)`."""
    for path in (one for folder in ("shared", "infra", "functions") for one in (ROOT / folder).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="attention"), attr=attr), args=[first, *_]):
                    if attr in ASKED:
                        yield module, attr, first


def kinds(which: str) -> set[str]:
    found: set[str] = set()
    for module, attr, expression in calls():
        if attr == which:
            found |= kinds_of(module, expression)
    return found


def kinds_of(module: str, expression: ast.expr) -> set[str]:
    words = ast.unparse(expression).lstrip("*")
    if (module, words) in OF_A_VARIABLE:
        return OF_A_VARIABLE[module, words]
    value = eval(words, vars(importlib.import_module(module)))  # noqa: S307 - our own constants
    return {value if isinstance(value, str) else value[0]}


def test_every_kind_that_is_raised_is_settled_or_can_be_seen() -> None:
    raised = kinds("raised") | {"incident"}
    ends = kinds("settled") | ENDED_OTHERWISE
    assert len(raised) > 30
    assert raised - ends - alerts.NEWS == set()
    assert (alerts.NEWS | alerts.OVER.keys()) - raised == set(), "of kinds that nobody raises"


def test_the_guide_for_whoever_answers_names_every_kind_and_no_other() -> None:
    rows = (ROOT / "docs" / "operate.md").read_text().partition("## What the list says")[2].partition("\n## ")[0]
    named = [line.split("`")[1] for line in rows.splitlines() if line.startswith("| `")]
    assert sorted(named) == sorted(kinds("raised") | {"incident"})


@pytest.mark.parametrize("kind", sorted(alerts.NEWS))
def test_news_leaves_when_somebody_has_seen_it(world: World, kind: str) -> None:
    world.services.commit(attention.raised(kind, "a", world.clock.at))
    (item,) = world.services.store.query(ALL_ATTENTION)
    alerts.seen(world.services, item.id, "looked at it", "ola")
    assert world.services.store.query(ALL_ATTENTION) == []


# --- what says that something still is -------------------------------------------------------------------------------

Put = Callable[[World], tuple[str, str]]
"""Makes it so that something still is: `(ref, about)`; the same world then makes it over."""


def of_work(world: World) -> tuple[str, str]:
    world.services.store.commit(
        [Create("w1", Work(kind="x.y", ref="a", due_at=world.clock.at, created_at=world.clock.at))]
    )
    return "a", "w1"


def work_over(world: World) -> None:
    world.services.store.commit([Delete(Work, "w1")])


def erased(world: World) -> str:
    world.account("u1", "ann@mail.test")
    world.stripe.answer = fails(NeverRetry("stripe_403"))
    request_id = str(world.confirm("ann@mail.test")["request_id"])
    world.advance("P2D")
    return request_id


def changed(world: World, request_id: str, **fields: Any) -> None:
    stored = world.services.store.get(Request, request_id)
    assert stored is not None
    world.services.store.commit([Update(stored, msgspec.structs.replace(stored.record, **fields))])


def only_request(world: World) -> str:
    return next(one.record.ref for one in world.services.store.query(ALL_ATTENTION) if len(one.record.ref) > 1)


def of_step(world: World) -> tuple[str, str]:
    return erased(world), "stripe"


def step_over(world: World) -> None:
    request_id = only_request(world)
    stored = world.services.store.get(Request, request_id)
    assert stored is not None
    steps = stored.record.steps | {"stripe": msgspec.structs.replace(stored.record.steps[OURS])}
    changed(world, request_id, steps=steps)


def of_mail(world: World) -> tuple[str, str]:
    request_id = erased(world)
    changed(world, request_id, mails={"m1": Mailing(template="request_closing", to="a1", at=world.clock.at)})
    return request_id, "m1"


def mail_over(world: World) -> None:
    failed = Mailing(template="request_closing", to="a1", at=world.clock.at, status="failed")
    changed(world, only_request(world), mails={"m1": failed})


def of_kept(world: World) -> tuple[str, str]:
    record = Retained(request="r", subprocessor="stripe", ground="tax", categories=[], until=world.clock.at, sealed=b"")
    world.services.store.commit([Create("k1", record)])
    return "r1", "k1"


def kept_over(world: World) -> None:
    world.services.store.commit([Delete(Retained, "k1")])


@pytest.mark.parametrize(
    ("kind", "still", "over"),
    [
        *((kind, of_work, work_over) for kind in work.SHOWN),
        ("step_failed", of_step, step_over),
        ("step_late", of_step, step_over),
        ("mail_failed", of_mail, mail_over),
        ("purge_failed", of_kept, kept_over),
    ],
)
def test_what_ended_in_another_way_can_be_taken_off_and_not_before(
    world: World, kind: str, still: Put, over: Callable[[World], None]
) -> None:
    ref, about = still(world)
    world.services.commit(attention.raised(kind, ref, world.clock.at, about=about))
    item = attention.attention_id(kind, ref, about)
    with pytest.raises(Stale):
        alerts.seen(world.services, item, "looked at it", "ola")
    over(world)
    assert alerts.seen(world.services, item, "looked at it", "ola")["seen"] is True


def test_work_that_failed_and_then_met_a_conflict_leaves_nothing_that_cannot_be_taken_off(world: World) -> None:
    runs = iter([NeverRetry("sendgrid_403"), Conflict(), None, None])

    def handler(services: Any, claim: work.Claim) -> None:
        if (error := next(runs)) is not None:
            raise error
        services.commit([claim.done()])

    item = work.item("x.y", "ref", world.clock.at)
    world.services.store.commit([item])
    for _ in range(3):
        work.run(world.services, item.id, {"x.y": handler})
        world.clock.at += work.LONGEST_BACKOFF * 1.2
    for left in world.services.store.query(ALL_ATTENTION):
        alerts.seen(world.services, left.id, "it was done in the end", "ola")
    assert world.services.store.query(ALL_ATTENTION) == []
