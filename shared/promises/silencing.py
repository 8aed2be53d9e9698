"""§5.2: whoever sends or advertises for us is told of a no within seconds, until they have taken it; and of a yes again.

What is told is what stands at that moment, so that stops and lifts may come in any order. The address waits, sealed, until
everybody was told, and then it is dropped. Evidence of all of it is a stream of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from shared import answers, attention, ledger, suppressions, work
from shared.answers import Failure
from shared.case import Case
from shared.failures import NeverRetry, Stale, TryAgain
from shared.outcomes import UNSETTLED, worst
from shared.ports import Part, Services, Silencer, Stops
from shared.promises import erasure
from shared.records import Attention, Request, Telling, Told
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

    One that fails keeps nobody from being told. It is told again until it has taken it, and comes to a person by its name;
    after a month the address is kept no longer.
    """
    id = claim.work.ref
    tried = {name: answers.asked(name, lambda name=name: _tell(services, id, name)) for name in _told_here(services)}  # type: ignore[misc]
    failures = {name: one for name, one in tried.items() if isinstance(one, TryAgain | NeverRetry)}
    stored = services.store.get(Telling, id)
    if stored is None:
        services.commit([claim.done()])
        return "done"
    if failures and services.clock.now() < stored.record.since + GIVEN_UP_AFTER:
        _show(services, stored, failures)
        # all refusals are shown: what only is down need not wait as long as they
        raise answers.failures(failures.values())[-1]
    return persist(lambda _look: _end(services, claim, id, failures))


def _told_here(services: Services) -> list[str]:
    return [name for name in services.connected if name in TOLD]


def _show(services: Services, stored: Stored[Telling], failures: Mapping[str, Failure]) -> None:
    now = services.clock.now()
    for name, failure in failures.items():
        is_listed = services.store.get(Attention, attention.attention_id(NOT_TOLD, stored.id, name)) is not None
        if not is_listed and (isinstance(failure, NeverRetry) or now >= stored.record.since + SEEN_AFTER):
            services.commit(attention.raised(NOT_TOLD, stored.id, now, failure.code, subprocessor=name))


def _end(services: Services, claim: work.Claim, id: str, failures: Mapping[str, Failure]) -> work.Ran:
    stored = services.store.get(Telling, id)
    ends: list[Change] = [Delete(Telling, id, stored.version if stored else None), claim.done()]
    if stored is not None:
        ends += _given_up(services, stored, failures) if failures else _all_told(services, stored)
    services.commit(ends)
    return "done"


def _all_told(services: Services, stored: Stored[Telling]) -> list[Change]:
    # the first of these stood there before each had its name
    off = [attention.settled(NOT_TOLD, stored.id, name) for name in ("", *TOLD)]
    request = stored.record.request
    return [*off, *(_completed(services, request, stored.record.told) if request else [])]


def _given_up(services: Services, stored: Stored[Telling], failures: Mapping[str, Failure]) -> list[Change]:
    """Leave to a person whoever was not told, under the request where there is one. It is not done before they say so."""
    now, request = services.clock.now(), stored.record.request
    entry, _ = ledger.append(
        services.vault, stored.record.head, stored.id, now, "recipients.given_up", {"subprocessors": list(failures)}
    )
    changes: list[Change] = [entry]
    for name, failure in failures.items():
        changes.append(attention.settled(NOT_TOLD, stored.id, name))
        changes += attention.raised(NOT_TOLD, request or stored.id, now, failure.code, subprocessor=name)
    if request is not None:
        case = Case.read(services, request)
        case.set(told=[*case.record.told, *stored.record.told])
        case.note(
            "recipients.given_up", subprocessors=list(failures), told=[one.subprocessor for one in stored.record.told]
        )
        changes += case.changes()
    return changes


def _completed(services: Services, request_id: str, told: Sequence[Told], **facts: str) -> list[Change]:
    case = Case.read(services, request_id)
    if not case.record.open:
        return []
    case.set(status="completed", told=[*case.record.told, *told])
    case.note("status", status="completed", told=[one.subprocessor for one in told], **facts)
    erasure.close(case)
    return case.changes()


# --- by a person -----------------------------------------------------------------------------------------------------


def told_by_hand(services: Services, item: Attention, by: str) -> list[Change]:
    """Return what follows when a person has seen to a recipient that could not be told: its word counts as `accepted`.

    Raises Stale where it cannot be known whom that item is about.
    """
    stored, now = services.store.get(Telling, item.ref), services.clock.now()
    if item.subprocessor is None:
        if stored is not None:
            raise Stale("they are still being told; it leaves the list by itself, once it is over")
        return []
    said = Told(subprocessor=item.subprocessor, what="objection", at=now, outcome="accepted")
    if stored is not None:
        return [*_noted(services, stored, said, by=by), work.item(TELL, item.ref, now)]
    return _request_told_by_hand(services, item, said, by)


def _request_told_by_hand(services: Services, item: Attention, said: Told, by: str) -> list[Change]:
    request = services.store.get(Request, item.ref)
    if request is None or request.record.right != "objection" or not request.record.open:
        return []
    others = (attention.attention_id(NOT_TOLD, item.ref, name) for name in TOLD if name != item.subprocessor)
    if not any(services.store.get(Attention, one) for one in others):
        return _completed(services, item.ref, [said], by=by)
    case = Case.read(services, item.ref)
    case.set(told=[*case.record.told, said])
    case.note("recipient.told", subprocessor=said.subprocessor, outcome=said.outcome, by=by)
    return case.changes()


# --- one vendor ------------------------------------------------------------------------------------------------------


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
    now = services.clock.now()
    outcome = worst(part.outcome for part in parts) if parts else "nothing_found"
    if outcome in UNSETTLED:
        _not_told(services, stored, name, outcome, parts)
        raise NeverRetry(outcome) if outcome == "failed" else TryAgain(outcome)
    told = Told(subprocessor=name, what="objection", at=now, outcome=outcome)  # type: ignore[arg-type]
    off = attention.settled(NOT_TOLD, stored.id, name)
    services.commit([*_noted(services, stored, told, parts=msgspec.to_builtins(parts)), off])


def _noted(services: Services, stored: Stored[Telling], told: Told, **more: Any) -> list[Change]:
    telling, facts = stored.record, {"subprocessor": told.subprocessor, "outcome": told.outcome, **more}
    entry, head = ledger.append(services.vault, telling.head, stored.id, told.at, "recipient.told", facts)
    return [Update(stored, msgspec.structs.replace(telling, head=head, told=[*telling.told, told])), entry]


def _not_told(services: Services, stored: Stored[Telling], name: str, outcome: str, parts: Sequence[Part]) -> None:
    """Keep what it said as evidence, once: it is told again every few hours."""
    facts = {"subprocessor": name, "outcome": outcome, "parts": msgspec.to_builtins(parts)}
    kind, entries = "recipient.not_told", ledger.stream_of(services.store, stored.id)
    if any(one.record.kind == kind and one.record.facts == facts for one in entries):
        return
    entry, head = ledger.append(services.vault, stored.record.head, stored.id, services.clock.now(), kind, facts)
    services.commit([Update(stored, msgspec.structs.replace(stored.record, head=head)), entry])


def stops_for(services: Services, name: str, email: str) -> Stops:
    """Return what one vendor must know of an address now: which marketing it serves is stopped, and which goes on."""
    records = suppressions.of(services, email)
    served = [one for one in services.company.purposes if one.is_marketing and name in one.recipients]
    stopped = [one for one in served if one.name in records or suppressions.from_all(records, one.name)]
    everything = suppressions.MARKETING in records and len(stopped) == len(served)
    return Stops(
        address=email, stopped=stopped, going_on=[one for one in served if one not in stopped], everything=everything
    )
