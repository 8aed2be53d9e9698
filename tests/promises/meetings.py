"""Two acts that meet: somebody else's comes before each call of the store in turn, whole, and what is left is looked at.

What it comes to must be what one of the two orders comes to, one act after the other; evidence always holds.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from functions.work import HANDLERS
from infra.local.sqlite_store import SqliteStore
from shared import work
from shared.failures import Refused, TryAgain
from shared.identity import Identifiers
from shared.promises import evidence
from shared.records import (
    DUE_WORK,
    RECORDS,
    Alias,
    Attention,
    Batch,
    Campaign,
    Import,
    LedgerEntry,
    Pending,
    Piece,
    Request,
    Subject,
    Suppression,
    Work,
)
from shared.store import Query, Record, every
from shared.times import plus
from shared.work import LEASE
from tests.infra.troubled_twins import InterruptedStore
from tests.promises.world import World

Act = Callable[[], object]
Prepare = Callable[[World], Act]
"""Prepares a world for an act, and returns it."""


class Meeting(NamedTuple):
    """Two acts; the same one twice where there is no other. `before`: acts that were done by then.

    `holds`: what is enough, where it need not be that one order or the other came about. `within`: in so much time everything
    that follows has happened. `mails`: whether they must be the same too; who died after the mail service's yes sends again.
    """

    before: Sequence[Prepare]
    act: Prepare
    meanwhile: Prepare | None = None
    holds: Callable[[World], bool] | None = None
    within: str = "PT1H"
    mails: bool = True


class Scene:
    """A prepared world, set back as often as it is wanted."""

    def __init__(self, folder: Path, meeting: Meeting) -> None:
        self.world, self.meeting = World(folder / "world"), meeting
        for earlier in meeting.before:
            earlier(self.world)()
        both = [meeting.act, *([meeting.meanwhile] if meeting.meanwhile else [])]
        # work last: until it is due everything else happens
        ready = {one: one(self.world) for one in sorted(both, key=lambda one: isinstance(one, Running))}
        self.act, self.other = ready[both[0]], ready[both[-1]]
        self._folder, self._takes = folder, 0
        self.world.services.store.physically_gone(self.world.clock.at)
        self.orders: list[Counter[str]] = []
        self.before_call = 0
        self._at, self._posted = self.world.clock.at, list(self.world.postman.posted)

    def set_back(self) -> None:
        """Stand on a copy of the world as it was prepared."""
        self._takes += 1
        copy = self._folder / f"{self._takes}.db"
        shutil.copy(self._folder / "world" / "pledge.db", copy)
        self.world.stand_on(SqliteStore(copy, "OFF"))
        self.world.clock.at, self.world.postman.posted[:] = self._at, self._posted

    def is_an_order(self, came_to: Counter[str]) -> bool:
        """Tell whether one act after the other comes to this, what the other asks for done behind both or before one."""
        mine, its, due = self.act, self.other, lambda: everything_due(self.world)
        for acts in ((mine, its), (its, mine), (its, due, mine))[len(self.orders) :]:
            if came_to in self.orders:
                break
            self.orders.append(self._one_after_the_other(*acts))
        return came_to in self.orders

    def _one_after_the_other(self, *acts: Act) -> Counter[str]:
        self.set_back()
        for act in acts:
            _done(act)
        return self.seen()

    def interrupted(self) -> Iterator[int]:
        """Have the second act come before each call of the first in turn; yield which, when everything has happened."""
        went_on = True
        while went_on:
            self.before_call += 1
            self.set_back()
            store = self.world.services.store
            twin = InterruptedStore(store, self.before_call, lambda: _done(self.other))
            self.world.stand_on(twin)
            _done(self.act)
            self.world.stand_on(store)
            went_on = twin.left <= 0
            if went_on:
                yield self.before_call

    def seen(self) -> Counter[str]:
        """Let everything happen that is due soon; count what there is then."""
        everything_due(self.world, plus(self.world.clock.at, self.meeting.within))
        assert evidence.check(self.world.services)["intact"], f"evidence is broken, before call {self.before_call}"
        kinds = [one for kind in RECORDS for one in _counted(self.world, kind)]
        mails = [f"mail {one['template']} to {one['to']}" for one in self.world.postman.posted]
        return Counter(kinds + (mails if self.meeting.mails else []))


def _done(act: Act) -> None:
    """Do it as whoever calls does: again where it could not be taken now; a refusal is an answer."""
    with contextlib.suppress(Refused):
        try:
            act()
        except TryAgain:
            with contextlib.suppress(TryAgain):
                act()


def _counted(world: World, kind: type[Record]) -> Iterator[str]:
    for stored in every(world.services.store, Query(kind)):
        yield f"{kind.collection} {_brief(world, stored.id, stored.record)}"


def _brief(world: World, id: str, record: Record) -> str:
    """Say of a record what does not differ from one run to the next."""
    match record:
        case LedgerEntry(kind=kind) | Attention(kind=kind) | Work(kind=kind):
            return kind
        case Request():
            steps = sorted(f"{name}={one.outcome}" for name, one in record.steps.items())
            return f"{record.right} {record.status} of {len(record.subjects)} {steps} {record.corrected}"
        case Subject():
            known = world.services.vault.unsealed(f"subjects/{id}", record.sealed, Identifiers)
            decided = sorted(f"{name}={one.granted}{one.pending}" for name, one in record.decisions.items())
            return (
                f"{record.kind} {known} {decided} {len(record.restricted_by)} {bool(record.ending)} {record.closed_by}"
            )
        case Alias(links=links):
            return str(sorted(f"{one.kind} {one.source} {one.replaced_at is None}" for one in links))
        case Suppression():
            return f"{record.reason} {len(record.requests)} {sorted(record.except_for)}"
        case Pending():
            return f"{record.purposes} {record.confirmed_at is None}"
        case Campaign(state=state) | Batch(state=state):
            return state
        case Piece(sealed=sealed):
            # compressed: by a few bytes it is never the same
            return f"about {2 * (len(sealed) // 2000)} kB"
        case Import():
            return f"{record.state} {record.line} {record.counts}"
        case _:
            return ""


def difference(found: Counter[str], orders: Sequence[Counter[str]]) -> str:
    """Say in what it differs from each of the orders."""
    return "; or ".join(f"too much: {dict(found - one)}, missing: {dict(one - found)}" for one in orders)


# --- work ------------------------------------------------------------------------------------------------------------


def next_work(world: World, kind: str, **args: str) -> list[str]:
    """Let everything happen until work of this kind is due; return the ids of all that is."""
    for _ in range(500):
        (first,) = world.services.store.query(DUE_WORK, limit=1)
        world.clock.at = max(world.clock.at, first.record.due_at)
        due = work.due(world.services)
        if found := [one.id for one in due if one.record.kind == kind and args.items() <= one.record.args.items()]:
            return found
        work.run(world.services, due[0].id, HANDLERS)
    raise AssertionError(f"no work of kind {kind}")


def everything_due(world: World, until: datetime | None = None) -> None:
    """Move the clock from due item to due item, until there is nothing more to do by then.

    Of what is due at once the order is always the same: it must not decide what two acts come to.
    """
    until = until or world.clock.at
    while ahead := world.services.store.query(DUE_WORK, at_most=until, limit=1):
        world.clock.at = max(world.clock.at, ahead[0].record.due_at)
        first = min(work.due(world.services), key=lambda one: (one.record.kind, sorted(one.record.args.items())))
        work.run(world.services, first.id, HANDLERS)
    world.clock.at = max(until, world.clock.at)


class Running(NamedTuple):
    """Runs the next item of a kind, or another that is due with it. `late`: somebody may have held it for too long."""

    kind: str
    args: tuple[tuple[str, str], ...]
    number: int
    late: bool

    def __call__(self, world: World) -> Act:
        id = next_work(world, self.kind, **dict(self.args))[self.number]

        def act() -> None:
            world.clock.at += LEASE * 1.1 if self.late else timedelta()
            work.run(world.services, id, HANDLERS)

        return act


def running(kind: str, *, number: int = 0, late: bool = False, **args: str) -> Running:
    return Running(kind, tuple(args.items()), number, late)
