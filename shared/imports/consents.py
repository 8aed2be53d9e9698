"""Consents from before: a yes counts with its evidence alone, a no always, and neither against a later decision made here.

Evidence is the version of the policy, which must be published here for the guard to compare, how it was given and where. It
stands, with who brought it in, in a signed receipt. A yes of an address alone needs that the mailbox was confirmed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from shared import identity, ledger, suppressions
from shared.company import Purpose
from shared.failures import BadInput, Stale
from shared.identity import Identifiers
from shared.imports.rows import Row, Stop, Taken, checked, moment, needed, truth
from shared.imports.stops import stopping
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


class Consents:
    """Rows of a file of consents. `by`: who imports, and `import_id`: which import it is."""

    optimistic = False

    def __init__(self, services: Services, import_id: str, by: str) -> None:
        self._services = services
        self._now = services.clock.now()
        self._import_id, self._by = import_id, by
        pointer = services.store.get(InForce, policy.IN_FORCE)
        self._versions = pointer.record.history if pointer else []

    def read(self, row: Row) -> Said:
        """Check a row: whose it is, what it is about, when, and the evidence of a yes."""
        checked(row)
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

    def decide(self, services: Services, said: Said) -> Taken:
        """Record the decision with its receipt, a no also for every address it is about."""
        who = _account(services, said.user_id) if said.user_id else None
        addresses = who.known.addresses if who else [said.email or ""]
        before = who.stored if who else _mailbox(services, said.email or "")
        standing = before.record.decisions.get(said.purpose.name) if before else None
        if standing and standing.at == said.at and standing.granted == said.granted:
            return Taken("unchanged")
        if standing and (standing.at > said.at or (standing.at == said.at and said.granted)):
            raise Stale("a decision made here is later", "at")
        if said.granted:
            return self._given(services, said, addresses, before)
        return self._refused(services, said, addresses, before)

    def _given(self, services: Services, said: Said, addresses: Sequence[str], before: Stored[Subject] | None) -> Taken:
        if any(_is_stopped(services, email, said.purpose) for email in addresses):
            raise Stale("the address is suppressed, and only a new yes here lifts that", "email")
        if before is not None and before.record.restricted_by:
            raise Stale("restricted while a request runs", "user_id" if said.user_id else "email")
        if plus(said.at, said.purpose.ask_again_after) <= self._now:
            raise Stale(f"asked again after {said.purpose.ask_again_after}, which is over", "at")
        receipt = new_id()
        decided = {said.purpose.name: self._decision(said, receipt)}
        ref, changes = _decided(services, said, before, decided)
        return Taken("said_yes", [*changes, self._receipt(services, said, receipt, ref)])

    def _refused(
        self, services: Services, said: Said, addresses: Sequence[str], before: Stored[Subject] | None
    ) -> Taken:
        changes: list[Change] = []
        stops: list[Stop] = []
        receipt = new_id()
        mailed = said.purpose.is_marketing or said.user_id is None
        for email in addresses if mailed else []:
            more, told, _ = stopping(services, email, [said.purpose.name], said.at)
            changes += more
            stops += told
        if before is not None:
            decided = before.record.decisions | {said.purpose.name: self._decision(said, receipt)}
            changes.append(Update(before, msgspec.structs.replace(before.record, decisions=decided)))
            changes.append(self._receipt(services, said, receipt, before.id))
        return Taken("said_no" if changes else "unchanged", changes, stops)

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


def _account(services: Services, user_id: str) -> people.Found:
    found = people.by_user(services, user_id)
    if found is None:
        raise Stale("no such account here; import the customers first", "user_id")
    return found


def _mailbox(services: Services, email: str) -> Stored[Subject] | None:
    link = next((one for one in people.links_of(services, email) if one.kind == "mailbox"), None)
    return services.store.get(Subject, link.ref) if link else None


def _is_stopped(services: Services, email: str, purpose: Purpose) -> bool:
    stops = suppressions.of(services, email)
    running = any(one.reason not in suppressions.CHOSEN for one in stops.values())
    everything = purpose.is_marketing and suppressions.from_all(stops, purpose.name)
    return purpose.name in stops or bool(everything) or running


def _decided(
    services: Services, said: Said, before: Stored[Subject] | None, decided: dict[str, Decision]
) -> tuple[str, list[Change]]:
    """Return whose it is and what records it: an account, or the mailbox, which may be new."""
    if before is not None:
        record = before.record
        asked = list(dict.fromkeys([*record.asked, *decided]))
        after = msgspec.structs.replace(record, decisions=record.decisions | decided, asked=asked)
        return before.id, [Update(before, after)]
    email = said.email or ""
    alias_id = identity.alias(services.vault, "email", email)
    alias = services.store.get(Alias, alias_id)
    links = [one for one in alias.record.links if one.kind != "mailbox"] if alias else []
    ref, now = new_id(), services.clock.now()
    link = Link(ref=ref, kind="mailbox", source="server", confirmed_at=_confirmed_at(said, links))
    sealed = services.vault.seal(f"subjects/{ref}", Identifiers(addresses=[email]))
    subject = Subject(kind="mailbox", created_at=now, sealed=sealed, decisions=decided, asked=list(decided))
    linked = Alias(links=[*links, link])
    return ref, [Create(ref, subject), Update(alias, linked) if alias else Create(alias_id, linked)]


def _confirmed_at(said: Said, links: Sequence[Link]) -> datetime:
    """Return when somebody proved to own the mailbox; without that a yes of an address is anybody's. Raises BadInput."""
    known = [one.confirmed_at for one in links if one.confirmed_at and one.replaced_at is None]
    found = said.confirmed_at or min(known, default=None)
    if found is None:
        raise BadInput("when the mailbox confirmed it is needed: nobody here has proved to own it", "confirmed_at")
    return found
