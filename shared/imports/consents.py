"""Consents from before: a yes counts with its evidence alone, a no always, and neither against a later decision.

The evidence (`shared.imports.evidence`) stands, with who brought it in, in a signed receipt. A yes of an address alone needs
that the mailbox was confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from shared import identity, ledger, suppressions
from shared.company import Purpose
from shared.failures import BadInput, Missing, Stale
from shared.identity import Identifiers
from shared.imports import evidence
from shared.imports.erased import Erased
from shared.imports.evidence import Evidence, Versions
from shared.imports.rows import EARLIEST, Faults, Reading, Row, Taken, checked, moment, needed, truth
from shared.imports.stops import Reach, reached, stopping
from shared.imports.unclear import Unclear, read_unclear
from shared.ports import Services
from shared.promises import people, receipts
from shared.records import Alias, Decision, Link, Subject
from shared.store import Change, Create, Stored, Update
from shared.times import plus, rfc3339
from shared.vault import new_id

NEEDED = ("purpose", "granted", "at")
NO_ACCOUNT = "no such account here; import the customers first"
COLUMNS = ("user_id", "email", "purpose", "granted", "at", *evidence.COLUMNS, "confirmed_at")


@dataclass(frozen=True)
class Said:
    """A checked row, and the line it stands on. `evidence`: of a yes; `is_dated`: the row says when."""

    line: int
    user_id: str | None
    email: str | None
    purpose: Purpose
    granted: bool
    at: datetime
    evidence: Evidence | None = None
    confirmed_at: datetime | None = None
    is_dated: bool = True

    @property
    def field(self) -> str:
        """Return the column that says whose it is."""
        return "user_id" if self.user_id else "email"


@dataclass(frozen=True)
class Whose:
    """Whose decision it is. `before`: the account or the mailbox as it is, None for a mailbox that decided nothing yet.

    `accounts`: for a mailbox those who have its address, or had it lately: the guard takes its yes for theirs.
    """

    addresses: Sequence[str]
    before: Stored[Subject] | None
    alias: Stored[Alias] | None = None
    accounts: Sequence[Stored[Subject]] = ()


class Consents:
    """Rows of a file of consents. `by`: who imports, and `import_id`: which import it is."""

    optimistic = False

    def __init__(self, services: Services, import_id: str, by: str) -> None:
        self._services = services
        self._now = services.clock.now()
        self._import_id, self._by = import_id, by
        self._erased = Erased(services)
        self._versions = Versions(services)

    def read(self, row: Row) -> Said | Unclear:
        """Check a row: whose it is, what it is about, when, and the evidence of a yes. What can be read of a no counts."""
        row, reading = checked(row), Reading()
        whose, granted = reading.of(_whose, row), reading.of(_granted, row)
        at, purpose = reading.of(self._at, row), reading.of(self._purpose, row)
        proof = reading.of(self._evidence, row, purpose, at) if granted else None
        confirmed_at = reading.of(self._confirmed_at, row, at) if granted else None
        if granted is False and reading.faults:
            return read_unclear(row, self._services.company, self._now)
        if reading.faults or whose is None or granted is None or at is None or purpose is None:
            raise Faults(reading.faults)
        return Said(row.line, *whose, purpose, granted, at, proof, confirmed_at)

    def _at(self, row: Row) -> datetime | None:
        needed(row, "at")
        return moment(row, "at", self._now)

    def _evidence(self, row: Row, purpose: Purpose | None, at: datetime | None) -> Evidence | None:
        if purpose and at:
            return self._versions.evidence(row, purpose.name, at)
        evidence.stated(row)
        return None

    def _confirmed_at(self, row: Row, at: datetime | None) -> datetime | None:
        confirmed_at = moment(row, "confirmed_at", self._now)
        if confirmed_at is not None and at is not None and confirmed_at < at:
            # that somebody had the mailbox in another year does not say that it was they who agreed
            raise BadInput(
                "before the yes in at: a mailbox can confirm only what was said; else leave it empty", "confirmed_at"
            )
        return confirmed_at

    def _purpose(self, row: Row) -> Purpose:
        purpose = self._services.company.purpose(needed(row, "purpose"))
        if purpose is None or purpose.legal_basis != "consent":
            asked = [one.name for one in self._services.company.purposes if one.legal_basis == "consent"]
            raise BadInput(f"one of {', '.join(asked)}: only these are asked for", "purpose")
        return purpose

    def read_on(self) -> None:
        """Learn of whoever was erased meanwhile."""
        self._erased.read_on()

    def decide(self, services: Services, said: Said | Unclear) -> Taken:
        """Record the decision with its receipt, a no also for every address it is about."""
        if isinstance(said, Unclear):
            return self._unclear(services, said)
        whose = _account(services, said.user_id) if said.user_id else _mailbox(services, said.email or "", said.at)
        standing = whose.before.record.decisions.get(said.purpose.name) if whose.before else None
        if standing and standing.at == said.at and standing.granted == said.granted:
            return Taken("unchanged")
        if standing and (standing.at > said.at or (standing.at == said.at and said.granted)):
            when = "later" if standing.at > said.at else "a no of the same moment"
            raise Stale(f"{self._origin(services, standing)} is {when}", "at")
        return self._given(services, said, whose) if said.granted else self._refused(services, said, whose)

    def _given(self, services: Services, said: Said, whose: Whose) -> Taken:
        self._refuse_erased(said)
        self._refuse_denied(services, said, whose)
        if plus(said.at, said.purpose.ask_again_after) <= self._now:
            raise Stale(f"asked again after {said.purpose.ask_again_after}, which is over", "at")
        receipt = new_id()
        ref, changes = _decided(services, said, whose, {said.purpose.name: self._decision(said, receipt)})
        # as they were looked at: a no of theirs, or a request, at this very moment makes it a conflict
        bound = [Update(one, one.record) for one in whose.accounts]
        return Taken("said_yes", [*bound, *changes, self._receipt(services, said, receipt, ref)])

    def _refuse_erased(self, said: Said) -> None:
        """Refuse a yes from before an erasure, and one of an address that nobody proved to own since. Raises Stale."""
        gone = self._erased.gone("user", said.user_id) if said.user_id else self._erased.gone("email", said.email or "")
        if gone is None:
            return
        confirmed = said.confirmed_at is not None and said.confirmed_at > gone.at
        is_back = said.user_id is not None or confirmed or self._erased.is_back(said.email or "", gone)
        if said.at <= gone.at or not is_back:
            raise Stale(gone.rule, said.field)

    def _refuse_denied(self, services: Services, said: Said, whose: Whose) -> None:
        """Refuse a yes that something speaks against, the word of an account whose mailbox it would be too. Raises Stale."""
        if any(_is_stopped(services, email, said.purpose) for email in whose.addresses):
            raise Stale("the address is suppressed, and only a new yes here lifts that", "email")
        asked = [one.record for one in [whose.before, *whose.accounts] if one]
        if any(one.restricted_by for one in asked):
            raise Stale("restricted while a request runs", said.field)
        decided = [one.decisions.get(said.purpose.name) for one in asked]
        later = [one for one in decided if one and not one.granted and not one.pending and one.at >= said.at]
        if later:
            raise Stale(f"an account that has this address said no later: {self._origin(services, later[0])}", "at")

    def _origin(self, services: Services, decision: Decision) -> str:
        """Say where a decision that stands was made, so that whoever imports finds it."""
        try:
            imported = receipts.receipt(services, decision.receipt)["receipt"].get("imported")
        except Missing:
            # its evidence is erased with the browser that gave it, and a file has none
            imported = None
        if imported is None:
            return "a decision made here"
        if imported["import"] != self._import_id:
            return "a decision of an earlier import"
        return f"line {imported['line']} of this file" if "line" in imported else "another row of this file"

    def _refused(self, services: Services, said: Said, whose: Whose) -> Taken:
        receipt, before, mailed = new_id(), whose.before, said.purpose.is_marketing or said.user_id is None
        reach = Reach([*whose.addresses], []) if said.user_id else reached(services, said.email or "", said.at)
        stopped = stopping(services, reach.emails if mailed else [], [said.purpose.name], said.at)
        changes = [*stopped.changes, *(reach.bound if stopped.changes else [])]
        if before is not None:
            decided = {said.purpose.name: self._decision(said, receipt)}
            changes += [_with(one, decided) for one in [before, *_outdone(services, said, whose)]]
            changes.append(self._receipt(services, said, receipt, before.id))
        return Taken("said_no" if changes else "unchanged", changes, stopped.stops)

    def _unclear(self, services: Services, said: Unclear) -> Taken:
        """Stop what can be stopped, and end each yes it may be about: only a later one that was given here stands."""
        account = people.by_user(services, said.user_id) if said.user_id else None
        if account is None and said.email is None:
            raise Stale(NO_ACCOUNT, "user_id")
        reach = reached(services, said.email, said.at) if said.email else Reach([], [])
        emails = list(dict.fromkeys([*(account.known.addresses if account else []), *reach.emails]))
        stopped = stopping(services, emails, said.names, said.at)
        changes = [*stopped.changes, *(reach.bound if stopped.changes else [])]
        # where nobody knows when, it may be the word of whoever had the address first, or has it now
        days = [said.at] if said.at else [EARLIEST, self._now]
        held = [_mailbox(services, email, day).before for email in emails for day in days]
        decided = {one.id: one for one in [account.stored if account else None, *held] if one}
        changes += [change for one in decided.values() for change in self._ended(services, said, one)]
        return Taken("said_no" if changes else "unchanged", changes, stopped.stops)

    def _ended(self, services: Services, said: Unclear, subject: Stored[Subject]) -> list[Change]:
        purpose = said.purpose
        standing = subject.record.decisions.get(purpose.name) if purpose else None
        if purpose is None or standing is None or not standing.granted or (said.at and standing.at > said.at):
            return []
        receipt, at = new_id(), said.at or self._now
        no = Said(said.line, said.user_id, said.email, purpose, granted=False, at=at, is_dated=said.at is not None)
        return [
            _with(subject, {purpose.name: self._decision(no, receipt)}),
            self._receipt(services, no, receipt, subject.id),
        ]

    def _decision(self, said: Said, receipt: str) -> Decision:
        version = said.evidence.version if said.evidence else ""
        until = plus(said.at, said.purpose.ask_again_after)
        return Decision(granted=said.granted, at=said.at, policy=version, receipt=receipt, until=until)

    def _receipt(self, services: Services, said: Said, receipt: str, ref: str) -> Change:
        """Return the receipt: what the file states, and that it was imported, never that we saw it given."""
        claims = {
            "iss": services.base_url,
            "schema_version": "ISO/IEC TS 27560:2023",
            "record_id": receipt,
            "privacy_notice": said.evidence.notice() if said.evidence else {},
            "collection_method": "import",
            **({"event_time": rfc3339(said.at)} if said.is_dated else {}),
            "purposes": {said.purpose.name: "given" if said.granted else "refused"},
            "imported": {
                "at": rfc3339(self._now),
                "by": self._by,
                "import": self._import_id,
                "line": said.line,
                "evidence": said.evidence.stated if said.evidence else {},
                **({"mailbox_confirmed_at": rfc3339(said.confirmed_at)} if said.confirmed_at else {}),
            },
        }
        facts = {"jws": services.vault.sign(claims)}
        return ledger.append(services.vault, None, receipt, self._now, "consent", facts, subject=ref)[0]


def _whose(row: Row) -> tuple[str | None, str | None]:
    """Return the user id or the address."""
    cells = row.cells
    if ("user_id" in cells) == ("email" in cells):
        raise BadInput("either a user id or an address is needed", "user_id")
    if "user_id" in cells:
        return identity.user_id(cells["user_id"]), None
    return None, identity.address(cells["email"])


def _granted(row: Row) -> bool:
    needed(row, "granted")
    return truth(row, "granted")


def _account(services: Services, user_id: str) -> Whose:
    found = people.by_user(services, user_id)
    if found is None:
        raise Stale(NO_ACCOUNT, "user_id")
    return Whose(found.known.addresses, found.stored)


def _mailbox(services: Services, email: str, at: datetime) -> Whose:
    """Return the mailbox whose word it was at that time: until it moved away with a correction, its former holder's."""
    alias = services.store.get(Alias, identity.alias(services.vault, "email", email))
    links, now = alias.record.links if alias else [], services.clock.now()
    mailbox = _holder([one for one in links if one.kind == "mailbox"], at)
    before = services.store.get(Subject, mailbox.ref) if mailbox else None
    lately = [one for one in links if one.kind == "account" and identity.lately_current(one, now)]
    accounts = [one for link in lately if (one := services.store.get(Subject, link.ref))]
    return Whose([email], before, alias, accounts)


def _holder(mailboxes: Sequence[Link], at: datetime) -> Link | None:
    left = {one.replaced_at: one for one in mailboxes if one.replaced_at and at <= one.replaced_at}
    if left:
        return left[min(left)]
    return next((one for one in mailboxes if one.replaced_at is None), None)


def _outdone(services: Services, said: Said, whose: Whose) -> list[Stored[Subject]]:
    """Return the mailboxes of an account whose yes is no later than its no; to mail all its addresses are stopped anyway."""
    if said.user_id is None or said.purpose.is_marketing:
        return []
    found = [one for email in whose.addresses if (one := _mailbox(services, email, said.at).before)]
    decided = [(one, one.record.decisions.get(said.purpose.name)) for one in found]
    return [one for one, decision in decided if decision and decision.granted and decision.at <= said.at]


def _is_stopped(services: Services, email: str, purpose: Purpose) -> bool:
    stops = suppressions.of(services, email)
    running = any(one.reason not in suppressions.CHOSEN for one in stops.values())
    everything = purpose.is_marketing and suppressions.from_all(stops, purpose.name)
    return purpose.name in stops or bool(everything) or running


def _decided(services: Services, said: Said, whose: Whose, decided: dict[str, Decision]) -> tuple[str, list[Change]]:
    """Return whose it is and what records it: an account, or the mailbox, which may be new."""
    before, alias = whose.before, whose.alias
    if before is not None:
        return before.id, [_with(before, decided, asked=list(dict.fromkeys([*before.record.asked, *decided])))]
    email = said.email or ""
    links = [one for one in alias.record.links if one.kind != "mailbox" or one.replaced_at] if alias else []
    ref, now = new_id(), services.clock.now()
    link = Link(ref=ref, kind="mailbox", source="server", confirmed_at=_confirmed_at(said, links))
    sealed = services.vault.seal(f"subjects/{ref}", Identifiers(addresses=[email]))
    subject = Subject(kind="mailbox", created_at=now, sealed=sealed, decisions=decided, asked=list(decided))
    linked = Alias(links=[*links, link])
    alias_id = identity.alias(services.vault, "email", email)
    return ref, [Create(ref, subject), Update(alias, linked) if alias else Create(alias_id, linked)]


def _with(stored: Stored[Subject], decided: dict[str, Decision], **more: Any) -> Change:
    decisions = stored.record.decisions | decided
    return Update(stored, msgspec.structs.replace(stored.record, decisions=decisions, **more))


def _confirmed_at(said: Said, links: Sequence[Link]) -> datetime:
    """Return when somebody proved to own the mailbox; without that a yes of an address is anybody's. Raises BadInput."""
    known = [one.confirmed_at for one in links if one.confirmed_at and one.replaced_at is None]
    found = said.confirmed_at or min(known, default=None)
    if found is None:
        raise BadInput("when the mailbox confirmed it is needed: nobody here has proved to own it", "confirmed_at")
    return found
