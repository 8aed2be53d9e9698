"""§6, §2: what people said before we came counts from the first day. Whoever said no is not written to, a yes needs its evidence.

An import goes on where it was killed: how far it came stands in the same commit as what it wrote. Taken again it changes
nothing. Every row that is not taken is on record by line, field and rule, without anything that stood in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import msgspec

from shared import ledger
from shared.company import Company
from shared.failures import Stale
from shared.imports.deciding import REFUSED, ROWS, Progress, Read, decide, read, together
from shared.imports.rows import Kind, Refusal, Row, Stop
from shared.ports import Services
from shared.promises import silencing
from shared.records import ALL_IMPORTS, REFUSED_ROWS, Import, RefusedRow, RefusedRows, Work
from shared.store import Change, Create, Stored, Update, every, persist
from shared.unit_of_work import UnitOfWork, within

TOLD_EVERY = timedelta(seconds=20)
"""So far apart, that telling of a hundred thousand keeps within what vendors take. We ourselves stop at once."""
What = Literal["customers", "consents", "unsubscribes", "suppressions"]
Source = Literal["file", "sendgrid", "stripe"]


@dataclass(frozen=True)
class Asked:
    """What is imported, from where, and who does it. `digest`: SHA-256 of a file; `""` for a vendor's lists.

    `none_exist`: whoever does it says that nobody ever unsubscribed anywhere.
    """

    what: What
    source: Source
    by: str
    digest: str = ""
    none_exist: bool = False


# --- a run -----------------------------------------------------------------------------------------------------------


def import_id(services: Services, asked: Asked) -> str:
    """Return the id of an import: the same file is the same one, whatever it is called. Keyed: a short file is guessed."""
    return services.vault.keyed("import", f"{asked.what}:{asked.source}:{asked.digest}")


def begin(services: Services, asked: Asked) -> Stored[Import]:
    """Open an import, or the one that was killed, or find the one that is done. Raises Stale before the no's are in.

    A vendor's lists are always read from their beginning, since they change meanwhile.
    """
    must_wait_for_suppressions(services, asked)

    def attempt(_look: bool) -> Stored[Import]:
        stored = services.store.get(Import, import_id(services, asked))
        if stored is not None and asked.digest:
            return stored
        return _opened(services, asked, stored)

    return persist(attempt)


def _opened(services: Services, asked: Asked, before: Stored[Import] | None) -> Stored[Import]:
    now, id = services.clock.now(), import_id(services, asked)
    facts: dict[str, Any] = {"kind": asked.what, "source": asked.source, "by": asked.by}
    facts |= {"no_suppressions_exist": True} if asked.none_exist else {}
    head = before.record.head if before else None
    place = f"ledger/{ledger.entry_id(id, head.seq + 1 if head else 1)}"
    sealed = services.vault.seal(place, {"sha256": asked.digest}) if asked.digest else None
    entry, head = ledger.append(services.vault, head, id, now, "import.started", facts, sealed)
    # what lets others begin stays while it is read anew, and only where it was true
    done_at = before.record.done_at if before and _brought_stops(before.record) else None
    record = Import(
        kind=asked.what, source=asked.source, state="running", by=asked.by, started_at=now, head=head, done_at=done_at
    )
    versions = services.commit([Update(before, record) if before else Create(id, record), entry])
    return Stored(id, versions[0], record)


def must_wait_for_suppressions(services: Services, asked: Asked) -> None:
    """Refuse what lets mail go out while nobody's no is in. Raises Stale."""
    if asked.none_exist or not _lets_mail_out(services.company, asked.what):
        return
    imports = every(services.store, ALL_IMPORTS)
    if not any(_brought_stops(one.record) for one in imports):
        raise Stale(
            "nothing may be sent before everybody's no is in: import unsubscribes or suppressions first, "
            "or say --no-suppressions-exist with --by"
        )


def _lets_mail_out(company: Company, what: What) -> bool:
    unasked = any(one.is_marketing and one.legal_basis != "consent" for one in company.purposes)
    return what == "consents" or (what == "customers" and unasked)


def _brought_stops(record: Import) -> bool:
    if record.kind not in {"unsubscribes", "suppressions"} or record.done_at is None:
        return False
    # one that runs again has kept its date because of what it brought before
    return record.state == "running" or record.counts.get(ROWS, 0) > record.counts.get(REFUSED, 0)


def refused_rows(services: Services, id: str) -> Iterator[RefusedRow]:
    """Yield every row of a file that was not taken, in its order, those before a kill included."""
    for stored in every(services.store, REFUSED_ROWS, at_least=f"{id}:", at_most=f"{id}:~"):
        yield from stored.record.rows


class Run:
    """One process taking rows in."""

    def __init__(self, services: Services, stored: Stored[Import], kind: Kind) -> None:
        self._services = services
        self._stored = stored
        self._kind = kind

    @property
    def record(self) -> Import:
        """Return the import as it was last written."""
        return self._stored.record

    def take(self, rows: Iterable[Row]) -> Iterator[Progress]:
        """Take the rows behind the last commit; yield after each. Raises Stale when another process does so too."""
        ahead = (one for one in read(self._kind, rows) if one.row.line > self.record.line)
        for some in together(ahead):
            left = some
            while left:
                done, refused = persist(partial(self._commit_some, left))
                left = left[done:]
                yield Progress(self.record.line, self.record.counts, refused)

    def end(self) -> None:
        """Record that everything was taken. Raises Stale when another process took it in meanwhile."""
        persist(self._end)

    def _end(self, look: bool) -> None:
        if look:
            self._must_be_alone()
        now, before = self._services.clock.now(), self.record
        entry, head = ledger.append(
            self._services.vault, before.head, self._stored.id, now, "import.done", {"counts": before.counts}
        )
        after = msgspec.structs.replace(before, state="done", done_at=now, head=head)
        self._write([entry], after)

    def _write(self, changes: Sequence[Change], after: Import) -> None:
        versions = self._services.commit([Update(self._stored, after), *changes])
        self._stored = Stored(self._stored.id, versions[0], after)

    def _commit_some(self, some: Sequence[Read], look: bool) -> tuple[int, Sequence[Refusal]]:
        if look:
            self._must_be_alone()
        unit = UnitOfWork(self._services.store, looking=look or not self._kind.optimistic)
        done = decide(within(self._services, unit), unit, self._kind, some)
        last = some[done.rows - 1].row.line
        told = self._told(done.stops)
        before = self.record
        counts = dict(Counter(before.counts) + Counter(done.counts))
        facts = {"up_to_line": last, "counts": done.counts}
        now = self._services.clock.now()
        entry, head = ledger.append(self._services.vault, before.head, self._stored.id, now, "import.batch", facts)
        n_told = before.n_told + bool(told)
        after = msgspec.structs.replace(before, line=last, counts=counts, head=head, n_told=n_told)
        self._write([*unit.changes(), *told, *self._kept(done.refused), entry], after)
        return done.rows, done.refused

    def _must_be_alone(self) -> None:
        now = self._services.store.get(Import, self._stored.id)
        if now is None or now.version != self._stored.version:
            raise Stale("another process is taking this in; wait for it, or end it and try again")

    def _kept(self, refused: Sequence[Refusal]) -> list[Change]:
        """Keep which rows of a file were refused; a vendor's rows are read anew each time."""
        if not refused or self.record.source != "file":
            return []
        rows = [RefusedRow(line=one.line, field=one.field, rule=one.rule) for one in refused]
        return [Create(f"{self._stored.id}:{refused[0].line:012d}", RefusedRows(rows=rows))]

    def _told(self, stops: Sequence[Stop]) -> list[Change]:
        """Have vendors told, with the evidence of the stops, some at a time."""
        due_at = max(self._services.clock.now(), self.record.started_at + self.record.n_told * TOLD_EVERY)
        changes: list[Change] = []
        for reason in sorted({one.reason for one in stops}):
            mine = [one for one in stops if one.reason == reason]
            facts = {
                "via": "import",
                "import": self._stored.id,
                "purposes": sorted({name for one in mine for name in one.names}),
                "suppressions": [id for one in mine for id in one.suppressions],
            }
            emails = list(dict.fromkeys(one.email for one in mine))
            changes += silencing.ask(self._services, emails, reason, facts)  # type: ignore[arg-type]
        return [_due(change, due_at) for change in changes]


def _due(change: Change, due_at: Any) -> Change:
    if isinstance(change, Create) and isinstance(change.record, Work):
        return Create(change.id, msgspec.structs.replace(change.record, due_at=due_at))
    return change
