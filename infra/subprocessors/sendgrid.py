"""SendGrid: contacts, suppression lists and the erase job.

SendGrid keeps data by address only. Its erase job reports nothing back, so what it did is never called verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from http.client import OK
from typing import Any

from infra.subprocessors import sendgrid_corrections, sendgrid_silence
from infra.subprocessors.sendgrid_contacts import Contacts, is_own, shown
from infra.subprocessors.sendgrid_lists import SuppressionLists
from infra.subprocessors.sendgrid_transport import SendgridTransport
from shared import quota
from shared.failures import NeverRetry
from shared.ports import Ability, Corrections, Part, Person, Stops
from shared.quota import Limit
from shared.store import Store
from shared.vault import Vault

__all__ = ["SendgridConnector", "SendgridTransport"]

Json = dict[str, Any]
CHECKED = date(2026, 11, 22)
ERASE_SCOPE = "recipients.erasejob.create"
ERASE_JOBS = "sendgrid_erase"
LIMITS = (Limit(calls=100, seconds=60),)
"""What SendGrid documents for its erase job, for the whole account."""
KEPT = "opt-out entry, because the person objected"
CHOSEN = "opt-out entry, because the person chose it"
SHARED = "the address is still used by another account; SendGrid keeps data by address only"
FOREIGN = "the address stands as a second one in somebody else's contact, which only a person may change"
INVALID = "an address that SendGrid does not take for one, so it holds no contact or mail by it"
MAILS = "mails sent, and what became of them: SendGrid's API does not offer them on our plan"
SENT = "mails sent already stay as they were sent"
NO_READ_BACK = "contacts and lists are read back; what the erase job did cannot be asked"


class SendgridConnector:
    """The `Connector` port on SendGrid. `store` remembers which restrictions are ours, under a keyed hash."""

    name = "sendgrid"

    def __init__(self, transport: SendgridTransport, store: Store, vault: Vault) -> None:
        self._call = transport.call
        self._store = store
        self._region = transport.region
        self._contacts = Contacts(transport.call)
        self._lists = SuppressionLists(transport.call, store, vault)

    def ping(self) -> None:
        """Check that the key is valid and may erase (not so for old accounts). Raises TryAgain, NeverRetry."""
        if ERASE_SCOPE not in self._call("get", "scopes").field(OK, "scopes"):
            raise NeverRetry("sendgrid_erase_scope_missing")

    def describe(self) -> Sequence[Ability]:
        """Return what SendGrid can do: all of it, with these limits, and in which of its regions."""
        limits = {"export": MAILS, "erase": NO_READ_BACK, "rectify": SENT, "restrict": "by its global opt-out list"}
        return [
            Ability(what=what, how="api", checked=CHECKED, reason=f"{limit} (region: {self._region})")  # type: ignore[arg-type]
            for what, limit in limits.items()
        ]

    # --- erasure and export ------------------------------------------------------------------------------------------

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Clear lists and contacts, read them back, then send the erase job. Opt-outs stay: they are objections.

        The opt-out is made sure of first: run again after a crash, this must still know that the person objected.
        """
        if not person.addresses:
            return _beside_shared(person, [])
        # before anything is done: what was removed by then would be counted by nobody
        quota.take(self._store, ERASE_JOBS, LIMITS, now)
        return _beside_shared(person, self._erase(person))

    def export(self, person: Person) -> Json:
        """Return contacts and list entries; `gaps` says what SendGrid does not offer."""
        found, _ = self._contacts.search(person.addresses)
        own = [contact for contact in found.values() if is_own(contact, person.addresses)]
        names = self._contacts.list_names() if any(contact.get("list_ids") for contact in own) else {}
        gaps = [
            *([MAILS] if person.addresses else []),
            *([FOREIGN] if len(own) < len(found) else []),
            *([SHARED] if person.shared_addresses else []),
        ]
        held = {
            "contacts": [shown(contact, names) for contact in own],
            "list_entries": [entry for address in person.addresses for entry in self._lists.entries(address)],
            "gaps": gaps,
        }
        return {name: value for name, value in held.items() if value}

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Refuse: nothing is ever retained at SendGrid."""
        raise NeverRetry("nothing_retained")

    def _erase(self, person: Person) -> list[Part]:
        removed: Counter[str] = Counter()
        found, invalid = self._contacts.search(person.addresses)
        opted_out = [
            self._clear_lists(address, person.objected, address not in invalid, removed) for address in person.addresses
        ]
        own = [contact for contact in found.values() if is_own(contact, person.addresses)]
        jobs = self._contacts.remove(own)
        removed.update({"contacts": len(own)} if own else {})
        erased, refused = self._contacts.erase([one for one in person.addresses if one not in invalid])
        evidence = self._evidence(job_ids=[*jobs, *erased], addresses=len(person.addresses), removed=dict(removed))
        if count := len({*invalid, *refused}):
            evidence |= {"invalid_addresses": count, "invalid": INVALID}
        if any(opted_out):
            evidence |= {"kept": KEPT} | ({} if person.objected else {"objection_found": True})
        parts = [
            Part(outcome="accepted" if erased or removed else "nothing_found", name="account data", evidence=evidence)
        ]
        foreign = Part(outcome="failed", name="contact", evidence={"reason": FOREIGN})
        return parts + ([foreign] if len(found) > len(own) else [])

    def _clear_lists(self, address: str, objected: bool, valid: bool, removed: Counter[str]) -> bool:
        """Take the address off the lists that are no opt-out; return whether the person opted out."""
        found = self._lists.others(address)
        opted_out = objected or self._lists.opted_out(address, found)
        if opted_out and valid and not self._lists.everywhere(address):
            self._lists.opt_out(address)
        # before the report as spam goes, and with it the knowledge that this is an opt-out
        self._lists.release(address, keep=opted_out)
        for name in found:
            self._lists.take_off(name, address)
        removed.update(found)
        return opted_out

    def _evidence(self, **facts: Any) -> Json:
        return {name: value for name, value in facts.items() if value or name == "removed"} | {"region": self._region}

    # --- rectification -----------------------------------------------------------------------------------------------

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Correct the person's contacts. A new address means a new contact, and every other address is left behind.

        Opt-outs go along first, then comes the new contact, then the old ones go: whatever call is the last one, nobody
        is written to who said no, and nothing is lost.
        """
        if corrections.email and corrections.email in person.shared_addresses:
            return [Part(outcome="failed", name="account data", evidence={"reason": SHARED})]
        if not person.addresses:
            return _beside_shared(person, [])
        new = corrections.email
        old = [one for one in person.addresses if new and one.lower() != new.lower()]
        carried = sum(self._lists.carry(address, new, now) for address in old) if new else 0
        own = self._contacts.own([*person.addresses, *([new] if new else [])])
        told = self._evidence(contacts=len(own), opt_outs_carried=carried, mails=SENT)
        if own and new:
            told |= sendgrid_corrections.move(self._contacts, own, new, sendgrid_corrections.corrected(corrections))
        elif own:
            sendgrid_corrections.correct(self._contacts, own, sendgrid_corrections.corrected(corrections))
        outcome = "verified" if own or carried else "nothing_found"
        return _beside_shared(person, [Part(outcome=outcome, name="account data", evidence=told)])  # type: ignore[arg-type]

    # --- restriction -------------------------------------------------------------------------------------------------

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Have nothing but service mail sent, by the global opt-out list; lifting takes away only what we put there."""
        if not person.addresses:
            return _beside_shared(person, [])
        part = self._lift(person) if lifted else self._restrict(person, now)
        return _beside_shared(person, [part])

    def silence(self, stops: Stops, now: datetime) -> Sequence[Part]:
        """Put the address on the lists of what it does not want, and take it off those of ours that it wants again.

        The global list keeps out all mail but service mail, so it is for a no to everything, or to the only mail there is.
        """
        return sendgrid_silence.silence(self._lists, stops, now, self._region)

    def _restrict(self, person: Person, now: datetime) -> Part:
        before = sum(self._lists.restrict(address, [person.request_id], now) for address in person.addresses)
        evidence = self._evidence(restricted=len(person.addresses) - before, opted_out_before=before)
        return Part(outcome="verified", name="account data", evidence=evidence)

    def _lift(self, person: Person) -> Part:
        if person.objected:
            # what we put there has become what the person wants
            for address in person.addresses:
                self._lists.release(address, keep=True)
        ours = sum(self._lists.lift(address, person.request_id) for address in person.addresses)
        others = sum(self._lists.restricted(address) for address in person.addresses)
        still = sum(self._lists.everywhere(address) for address in person.addresses) - others
        kept = CHOSEN if still else None
        evidence = self._evidence(lifted=ours, restricted_by_others=others, opted_out_still=still, kept=kept)
        return Part(outcome="verified" if ours else "nothing_found", name="account data", evidence=evidence)


def _beside_shared(person: Person, parts: list[Part]) -> list[Part]:
    shared = Part(outcome="no_store", name="shared address", evidence={"reason": SHARED})
    return [*parts, *([shared] if person.shared_addresses else [])] or [
        Part(outcome="nothing_found", name="account data")
    ]
