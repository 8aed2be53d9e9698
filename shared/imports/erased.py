"""Who was erased here, or is being erased: no old copy brings them back. Read on before each commit, while an import runs.

A tombstone says who it was. Where nobody was known when the erasure was asked for there is none, and the request itself
says by whom, as long as the same year's or last year's requests are looked through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

from shared import identity
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import people
from shared.records import TOMBSTONES_BY_TIME, VERIFIED_REQUESTS, Request, Tombstone
from shared.store import Stored, every

LATE = timedelta(hours=1)
"""What is written bears the time when its step began, which is over by then."""
YEARS = 2
ERASED = "erased here not long ago; this row is from before"
RUNS = "an erasure is under way here; nothing is taken in until it is over"


@dataclass(frozen=True)
class Gone:
    """That somebody was erased: what is from before `at` went with it. `rule`: what a row is told."""

    at: datetime
    rule: str = ERASED


class Erased:
    """Everybody erased lately, by keyed hashes of their identifiers: no address stays in memory."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._buried: dict[str, datetime] = {}
        self._lookups: set[str] = set()
        self._under_way: dict[str, list[str]] = {}
        self._opened: set[tuple[str, str]] = set()
        self._from: datetime | None = None

    def read_on(self) -> None:
        """Learn of whoever was erased, or asked for it, since the last time."""
        lately = self._services.clock.now() - LATE
        # in this order: whose erasure is over when the requests are read has a tombstone when those are
        self._read_requests()
        self._read_tombstones(lately)
        self._from = lately

    def gone(self, kind: str, value: str) -> Gone | None:
        """Return what is known of an erasure by a user id or an address; None where there was none."""
        buried = self._buried.get(identity.alias(self._services.vault, kind, value)) if self._buried else None
        asked = self._asked(value) if self._lookups else None
        found = [*([Gone(buried)] if buried else []), *([asked] if asked else [])]
        return max(found, key=lambda one: one.at, default=None)

    def runs(self, user_id: str) -> bool:
        """Tell whether an account was about to be erased when this was last read on: it may be gone by now."""
        alias = identity.alias(self._services.vault, "user", user_id) if self._under_way else ""
        return any(alias in aliases for aliases in self._under_way.values())

    def is_back(self, email: str, gone: Gone) -> bool:
        """Tell whether somebody proved the address to us since."""
        links = people.links_of(self._services, email)
        return any(one.confirmed_at is not None and one.confirmed_at > gone.at for one in links)

    def _read_tombstones(self, lately: datetime) -> None:
        opened: set[tuple[str, str]] = set()
        for stone in every(self._services.store, TOMBSTONES_BY_TIME, at_least=self._from):
            if (stone.id, stone.version) not in self._opened:
                self._bury(stone)
            if stone.record.erased_at >= lately:
                opened.add((stone.id, stone.version))
        self._opened = opened

    def _read_requests(self) -> None:
        first = datetime(self._services.clock.now().year - YEARS + 1, 1, 1, tzinfo=UTC)
        verified = every(self._services.store, VERIFIED_REQUESTS, at_least=self._from or first)
        earlier = [one for id in self._under_way if (one := self._services.store.get(Request, id))]
        self._under_way = {}
        for one in filter(lambda one: _erases(one.record), chain(earlier, verified)):
            if one.record.lookup:
                self._lookups.add(one.record.lookup)
            if one.record.ours_done_at is None:
                self._under_way[one.id] = self._users(one.record)

    def _users(self, request: Request) -> list[str]:
        found = people.by_refs(self._services, request.subjects)
        return [identity.alias(self._services.vault, "user", one.known.user_id) for one in found if one.known.user_id]

    def _bury(self, stone: Stored[Tombstone]) -> None:
        vault, at = self._services.vault, stone.record.erased_at
        known = vault.unsealed(f"tombstones/{stone.id}", stone.record.sealed, Identifiers)
        users = [identity.alias(vault, "user", known.user_id)] if known.user_id else []
        for alias in [*users, *(identity.alias(vault, "email", one) for one in known.addresses)]:
            self._buried[alias] = max(at, self._buried.get(alias, at))

    def _asked(self, value: str) -> Gone | None:
        now, vault = self._services.clock.now(), self._services.vault
        lookups = {vault.keyed(f"evidence:{now.year - n}", value) for n in range(YEARS)}
        if not lookups & self._lookups:
            return None
        # looked up anew: it may have been cancelled since, and only very few rows come this far
        found = [one.record for one in people.requests_of(self._services, [value], years=YEARS) if _erases(one.record)]
        over = [one.ours_done_at or one.closed_at for one in found]
        ended = [Gone(at) if at else Gone(now, RUNS) for at in over]
        return max(ended, key=lambda one: one.at, default=None)


def _erases(request: Request) -> bool:
    """Tell whether a request erases the whole person, or did."""
    cancelled = request.status in {"withdrawn", "denied"}
    return request.right == "erasure" and request.verified_at is not None and request.only is None and not cancelled
