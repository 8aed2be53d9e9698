"""Consents from before: a yes counts with its evidence alone, a no always, and neither against a later decision made here.

Evidence is the version of the policy, which must be published here for the guard to compare, how it was given and where. It
stands, with who brought it in, in a signed receipt. A yes of an address alone needs that the mailbox was confirmed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from shared import identity, ledger, suppressions
from shared.company import Purpose
from shared.failures import BadInput, Stale
from shared.identity import Identifiers
from shared.imports.erased import Erased
from shared.imports.rows import Row, Taken, checked, moment, needed, truth
from shared.imports.stops import reached, stopping
from shared.ports import Services
from shared.promises import people, policy
from shared.records import Alias, Decision, InForce, Link, Policy, Subject
from shared.store import Change, Create, Stored, Update
from shared.times import plus, rfc3339
from shared.vault import new_id

NEEDED = ("purpose", "granted", "at")
EVIDENCE = ("policy_version", "method", "source")
COLUMNS = ("user_id", "email", "purpose", "granted", "at", *EVIDENCE, "text_sha256", "confirmed_at")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,79}")
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Said:
    """A checked row. `evidence`: what was given of it, by column."""

    user_id: str | None
    email: str | None
    purpose: Purpose
    granted: bool
    at: datetime
    evidence: dict[str, str] = field(default_factory=dict)
    confirmed_at: datetime | None = None

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
        pointer = services.store.get(InForce, policy.IN_FORCE)
        self._versions = pointer.record.history if pointer else []

    def read(self, row: Row) -> Said:
        """Check a row: whose it is, what it is about, when, and the evidence of a yes."""
        row = checked(row)
        cells = row.cells
        if ("user_id" in cells) == ("email" in cells):
            raise BadInput("either a user id or an address is needed", "user_id")
        needed(row, "granted")
        granted = truth(row, "granted")
        at = moment(row, "at", self._now)
        if at is None:
            raise BadInput("must not be empty", "at")
        return Said(
            user_id=identity.user_id(cells["user_id"]) if "user_id" in cells else None,
            email=identity.address(cells["email"]) if "email" in cells else None,
            purpose=self._purpose(row),
            granted=granted,
            at=at,
            evidence=self._evidence(row) if granted else {},
            confirmed_at=moment(row, "confirmed_at", self._now),
        )

    def _purpose(self, row: Row) -> Purpose:
        purpose = self._services.company.purpose(needed(row, "purpose"))
        if purpose is None or purpose.legal_basis != "consent":
            asked = [one.name for one in self._services.company.purposes if one.legal_basis == "consent"]
            raise BadInput(f"one of {', '.join(asked)}: only these are asked for", "purpose")
        return purpose

    def _evidence(self, row: Row) -> dict[str, str]:
        for name in EVIDENCE:
            if name not in row.cells:
                raise BadInput("no evidence, so it is not taken as a consent", name)
            if not WORD.fullmatch(row.cells[name]):
                raise BadInput("1 to 80 letters, digits, blanks and . _ / -", name)
        if row.cells["policy_version"] not in self._versions:
            raise BadInput("a version that is published here; the guard must be able to compare", "policy_version")
        if "text_sha256" in row.cells and not HASH.fullmatch(row.cells["text_sha256"]):
            raise BadInput("64 hexadecimal digits, small letters", "text_sha256")
        return {name: row.cells[name] for name in (*EVIDENCE, "text_sha256") if name in row.cells}

    def read_on(self) -> None:
        """Learn of whoever was erased meanwhile."""
        self._erased.read_on()

    def decide(self, services: Services, said: Said) -> Taken:
        """Record the decision with its receipt, a no also for every address it is about."""
        whose = _account(services, said.user_id) if said.user_id else _mailbox(services, said.email or "")
        standing = whose.before.record.decisions.get(said.purpose.name) if whose.before else None
        if standing and standing.at == said.at and standing.granted == said.granted:
            return Taken("unchanged")
        if standing and (standing.at > said.at or (standing.at == said.at and said.granted)):
            raise Stale("a decision made here is later", "at")
        return self._given(services, said, whose) if said.granted else self._refused(services, said, whose)

    def _given(self, services: Services, said: Said, whose: Whose) -> Taken:
        self._refuse_erased(said)
        _refuse_denied(services, said, whose)
        if plus(said.at, said.purpose.ask_again_after) <= self._now:
            raise Stale(f"asked again after {said.purpose.ask_again_after}, which is over", "at")
        receipt = new_id()
        ref, changes = _decided(services, said, whose, {said.purpose.name: self._decision(said, receipt)})
        return Taken("said_yes", [*changes, self._receipt(services, said, receipt, ref)])

    def _refuse_erased(self, said: Said) -> None:
        """Refuse a yes from before an erasure, and one of an address that nobody proved to own since. Raises Stale."""
        gone = self._erased.gone("user", said.user_id) if said.user_id else self._erased.gone("email", said.email or "")
        if gone is None:
            return
        confirmed = said.confirmed_at is not None and said.confirmed_at > gone.at
        is_back = said.user_id is not None or confirmed or self._erased.is_back(said.email or "", gone)
        if said.at <= gone.at or not is_back:
            raise Stale(gone.rule, said.field)

    def _refused(self, services: Services, said: Said, whose: Whose) -> Taken:
        receipt, before, mailed = new_id(), whose.before, said.purpose.is_marketing or said.user_id is None
        emails = whose.addresses if said.user_id else reached(services, said.email or "", said.at)
        stopped = stopping(services, emails if mailed else [], [said.purpose.name], said.at)
        changes = [*stopped.changes]
        if before is not None:
            decided = {said.purpose.name: self._decision(said, receipt)}
            changes += [_with(one, decided) for one in [before, *_outdone(services, said, whose)]]
            changes.append(self._receipt(services, said, receipt, before.id))
        return Taken("said_no" if changes else "unchanged", changes, stopped.stops)

    def _decision(self, said: Said, receipt: str) -> Decision:
        version = said.evidence.get("policy_version", "")
        until = plus(said.at, said.purpose.ask_again_after)
        return Decision(granted=said.granted, at=said.at, policy=version, receipt=receipt, until=until)

    def _receipt(self, services: Services, said: Said, receipt: str, ref: str) -> Change:
        """Return the receipt: what evidence there was, and that it was imported, never that we saw it given."""
        version = said.evidence.get("policy_version")
        published = services.store.get(Policy, version) if version else None
        claims = {
            "iss": services.base_url,
            "schema_version": "ISO/IEC TS 27560:2023",
            "record_id": receipt,
            "privacy_notice": {"version": version, "sha256": published.record.hash} if published else {},
            "collection_method": "import",
            "event_time": rfc3339(said.at),
            "purposes": {said.purpose.name: "given" if said.granted else "refused"},
            "imported": {
                "at": rfc3339(self._now),
                "by": self._by,
                "import": self._import_id,
                "evidence": said.evidence,
                **({"mailbox_confirmed_at": rfc3339(said.confirmed_at)} if said.confirmed_at else {}),
            },
        }
        facts = {"jws": services.vault.sign(claims)}
        return ledger.append(services.vault, None, receipt, self._now, "consent", facts, subject=ref)[0]


def _account(services: Services, user_id: str) -> Whose:
    found = people.by_user(services, user_id)
    if found is None:
        raise Stale("no such account here; import the customers first", "user_id")
    return Whose(found.known.addresses, found.stored)


def _mailbox(services: Services, email: str) -> Whose:
    alias = services.store.get(Alias, identity.alias(services.vault, "email", email))
    links, now = alias.record.links if alias else [], services.clock.now()
    mailbox = next((one for one in links if one.kind == "mailbox"), None)
    before = services.store.get(Subject, mailbox.ref) if mailbox else None
    lately = [one for one in links if one.kind == "account" and identity.lately_current(one, now)]
    accounts = [one for link in lately if (one := services.store.get(Subject, link.ref))]
    return Whose([email], before, alias, accounts)


def _refuse_denied(services: Services, said: Said, whose: Whose) -> None:
    """Refuse a yes that something speaks against, the word of an account whose mailbox it would be too. Raises Stale."""
    if any(_is_stopped(services, email, said.purpose) for email in whose.addresses):
        raise Stale("the address is suppressed, and only a new yes here lifts that", "email")
    asked = [one.record for one in [whose.before, *whose.accounts] if one]
    if any(one.restricted_by for one in asked):
        raise Stale("restricted while a request runs", said.field)
    decided = [one.decisions.get(said.purpose.name) for one in asked]
    if any(one and not one.granted and not one.pending and one.at >= said.at for one in decided):
        raise Stale("an account that has this address said no later", "at")


def _outdone(services: Services, said: Said, whose: Whose) -> list[Stored[Subject]]:
    """Return the mailboxes of an account whose yes is no later than its no; to mail all its addresses are stopped anyway."""
    if said.user_id is None or said.purpose.is_marketing:
        return []
    found = [one for email in whose.addresses if (one := _mailbox(services, email).before)]
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
    links = [one for one in alias.record.links if one.kind != "mailbox"] if alias else []
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
