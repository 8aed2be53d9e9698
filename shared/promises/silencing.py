"""§5.2: whoever sends or advertises for us is told of a no within seconds, until they have taken it; and of a yes again.

What is told is what stands at that moment, so that stops and lifts may come in any order. The address waits, sealed, until
everybody was told, and then it is dropped. Evidence of all of it is a stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from shared import attention, ledger, suppressions, work
from shared.case import Case
from shared.failures import NeverRetry, TryAgain
from shared.outcomes import worst
from shared.ports import Part, Services, Silencer, Stops
from shared.promises import erasure
from shared.records import Telling, Told
from shared.store import Change, Create, Delete, Stored, Update, persist
from shared.vault import new_id

TELL = "objection.tell"
TOLD = ("sendgrid", "facebook", "instagram")
"""Who sends or advertises for us, and can be told."""
NOT_TOLD = "not_told"
SEEN_AFTER = timedelta(days=1)
GIVEN_UP_AFTER = timedelta(days=30)
Kind = Literal["objection", "withdrawn", "erasure", "resumed"]


def ask(
    services: Services, emails: Sequence[str], kind: Kind, facts: dict[str, Any], request: str | None = None
) -> list[Change]:
    """Return the changes that have vendors told what stands for these addresses, with the evidence of why."""
    now, id = services.clock.now(), new_id()
    entry, head = ledger.append(services.vault, None, id, now, kind, facts)
    sealed = services.vault.seal(f"tellings/{id}", list(emails))
    return [Create(id, Telling(since=now, sealed=sealed, head=head, request=request)), entry, work.item(TELL, id, now)]


def tell(services: Services, claim: work.Claim) -> work.Ran:
    """Tell every vendor that was not told yet, and record its answer (work `objection.tell`).

    One that fails does not keep the others from being told: its failure is raised when all were tried.
    """
    id, failures = claim.work.ref, list[TryAgain | NeverRetry]()
    for name in services.connected:
        if name in TOLD:
            _try(lambda name=name: _tell(services, id, name), failures)  # type: ignore[misc]
    stored = services.store.get(Telling, id)
    if stored is None:
        services.commit([claim.done()])
        return "done"
    if failures and services.clock.now() < stored.record.since + GIVEN_UP_AFTER:
        _show(services, stored, failures[0])
        raise failures[0]
    return persist(lambda _look: _end(services, claim, id, given_up=bool(failures)))


def _try(act: Callable[[], None], failures: list[TryAgain | NeverRetry]) -> None:
    try:
        act()
    except (TryAgain, NeverRetry) as failure:
        failures.append(failure)


def _show(services: Services, stored: Stored[Telling], failure: TryAgain | NeverRetry) -> None:
    now = services.clock.now()
    if isinstance(failure, NeverRetry) or now >= stored.record.since + SEEN_AFTER:
        services.commit(attention.raised(NOT_TOLD, stored.id, now, failure.code))


def _end(services: Services, claim: work.Claim, id: str, *, given_up: bool) -> work.Ran:
    stored = services.store.get(Telling, id)
    ends: list[Change] = [Delete(Telling, id), claim.done()]
    if not given_up:
        ends.append(attention.settled(NOT_TOLD, id))
        if stored is not None and stored.record.request is not None:
            ends += _completed(services, stored.record.request, stored.record.told)
    services.commit(ends)
    return "done"


def _completed(services: Services, request_id: str, told: Sequence[Told]) -> list[Change]:
    case = Case.read(services, request_id)
    if not case.record.open:
        return []
    case.set(status="completed", told=[*case.record.told, *told])
    case.note("status", status="completed", told=[one.subprocessor for one in told])
    erasure.close(case)
    return case.changes()


def _tell(services: Services, id: str, name: str) -> None:
    stored = services.store.get(Telling, id)
    if stored is None or any(one.subprocessor == name for one in stored.record.told):
        return
    emails: list[str] = services.vault.unseal(f"tellings/{id}", stored.record.sealed)
    connector = services.connectors[name]
    if not isinstance(connector, Silencer):
        raise NeverRetry("cannot_be_told")
    parts = [part for email in emails for part in _silence(services, connector, name, email)]
    _record(services, stored, name, parts)


def _silence(services: Services, connector: Silencer, name: str, email: str) -> Sequence[Part]:
    wanted = stops_for(services, name, email)
    parts = connector.silence(wanted, services.clock.now())
    if stops_for(services, name, email) != wanted:
        # somebody said no, or yes, meanwhile: what was told last must be what stands
        raise TryAgain("changed_meanwhile")
    return parts


def _record(services: Services, stored: Stored[Telling], name: str, parts: Sequence[Part]) -> None:
    now, telling = services.clock.now(), stored.record
    outcome = worst(part.outcome for part in parts) if parts else "nothing_found"
    facts = {"subprocessor": name, "outcome": outcome, "parts": msgspec.to_builtins(parts)}
    entry, head = ledger.append(services.vault, telling.head, stored.id, now, "recipient.told", facts)
    told = Told(subprocessor=name, what="objection", at=now, outcome=outcome)  # type: ignore[arg-type]
    changes: list[Change] = [
        Update(stored, msgspec.structs.replace(telling, head=head, told=[*telling.told, told])),
        entry,
    ]
    if outcome == "failed":
        changes += attention.raised(NOT_TOLD, stored.id, now, "failed", name)
    services.commit(changes)


def stops_for(services: Services, name: str, email: str) -> Stops:
    """Return what one vendor must know of an address now: which marketing it serves is stopped, and which goes on."""
    records = suppressions.of(services, email)
    served = [one for one in services.company.purposes if one.is_marketing and name in one.recipients]
    stopped = [one for one in served if one.name in records or suppressions.from_all(records, one.name)]
    everything = suppressions.MARKETING in records and len(stopped) == len(served)
    return Stops(
        address=email, stopped=stopped, going_on=[one for one in served if one not in stopped], everything=everything
    )
