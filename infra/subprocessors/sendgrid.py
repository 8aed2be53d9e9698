"""SendGrid: contacts, suppression lists and the erase job.

SendGrid keeps data by address only. Its erase job reports nothing back, so what it did is never called verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from http.client import ACCEPTED, NOT_FOUND, OK
from typing import Any

from infra.subprocessors.sendgrid_transport import SendgridTransport
from shared.failures import NeverRetry, TryAgain
from shared.ports import Part, Person

__all__ = ["SendgridConnector", "SendgridTransport"]

Json = dict[str, Any]
OTHER_LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails")
ERASE_SCOPE = "recipients.erasejob.create"
SETTLES_SECONDS = 60
KEPT = "opt-out entry, because the person objected"
SHARED = "the address is still used by another account; SendGrid keeps data by address only"
FOREIGN = "the address stands as a second one in somebody else's contact, which only a person may change"
MAILS = "mails sent, and what became of them: SendGrid's API does not offer them on our plan"


class SendgridConnector:
    """The `Connector` port on SendGrid."""

    name = "sendgrid"

    def __init__(self, transport: SendgridTransport) -> None:
        self._call = transport.call

    def ping(self) -> None:
        """Check that the key is valid and may erase (not so for old accounts). Raises TryAgain, NeverRetry."""
        if ERASE_SCOPE not in self._call("get", "scopes").field(OK, "scopes"):
            raise NeverRetry("sendgrid_erase_scope_missing")

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Clear lists and contacts, read them back, then send the erase job. Opt-outs stay: they are objections.

        The opt-out is made sure of first: run again after a crash, this must still know that the person objected.
        """
        shared = Part(outcome="no_store", name="shared address", evidence={"reason": SHARED})
        parts = [*(self._erase(person) if person.addresses else []), *([shared] if person.shared_addresses else [])]
        return parts or [Part(outcome="nothing_found", name="account data")]

    def export(self, person: Person) -> Json:
        """Return contacts and list entries; `gaps` says what SendGrid does not offer."""
        found = self._search(person.addresses)
        contacts = [_shown(contact) for contact in found.values() if _is_own(contact, person)]
        entries = [entry for address in person.addresses for entry in self._entries(address)]
        gaps = [
            *([MAILS] if person.addresses else []),
            *([FOREIGN] if len(contacts) < len(found) else []),
            *([SHARED] if person.shared_addresses else []),
        ]
        held = {"contacts": contacts, "list_entries": entries, "gaps": gaps}
        return {name: value for name, value in held.items() if value}

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Refuse: nothing is ever retained at SendGrid."""
        raise NeverRetry("nothing_retained")

    def _erase(self, person: Person) -> list[Part]:
        removed: Counter[str] = Counter()
        opted_out = [self._clear_lists(address, person.objected, removed) for address in person.addresses]
        found = self._search(person.addresses)
        own = [name for name, contact in found.items() if _is_own(contact, person)]
        jobs = self._remove_contacts(person, own, removed)
        job = self._call("post", "recipients", "erasejob", body={"email_addresses": person.addresses})
        jobs.append(job.field(ACCEPTED, "job_id"))
        evidence: Json = {"job_ids": jobs, "addresses": len(person.addresses), "removed": dict(removed)}
        if any(opted_out):
            evidence["kept"] = KEPT
            evidence |= {} if person.objected else {"objection_found": True}
        parts = [Part(outcome="accepted", name="account data", evidence=evidence)]
        foreign = Part(outcome="failed", name="contact", evidence={"reason": FOREIGN})
        return parts + ([foreign] if len(found) > len(own) else [])

    def _clear_lists(self, address: str, objected: bool, removed: Counter[str]) -> bool:
        """Take the address off the lists that are no opt-out; return whether the person opted out."""
        found = [name for name in OTHER_LISTS if self._listed(name, address)]
        everywhere = self._opted_out(address)
        opted_out = objected or everywhere or "spam_reports" in found or bool(self._groups_left(address))
        if opted_out and not everywhere:
            self._call("post", "asm", "suppressions", "global", body={"recipient_emails": [address]})
            _settled(self._opted_out(address))
        for name in found:
            self._call("delete", "suppression", name, address)
            _settled(not self._listed(name, address))
        removed.update(found)
        return opted_out

    def _remove_contacts(self, person: Person, ids: Sequence[str], removed: Counter[str]) -> list[str]:
        if not ids:
            return []
        answer = self._call("delete", "marketing", "contacts", query={"ids": ",".join(ids)})
        _settled(not any(_is_own(one, person) for one in self._search(person.addresses).values()))
        removed["contacts"] = len(ids)
        return [str(answer.field(ACCEPTED, "job_id"))]

    def _search(self, addresses: Sequence[str]) -> dict[str, Json]:
        """Return the contacts that have one of the addresses, by id."""
        if not addresses:
            return {}
        answer = self._call("post", "marketing", "contacts", "search", "emails", body={"emails": list(addresses)})
        found = {} if answer.status == NOT_FOUND else answer.field(OK, "result")
        return {one["contact"]["id"]: one["contact"] for one in found.values() if "contact" in one}

    def _listed(self, name: str, address: str) -> list[Json]:
        answer = self._call("get", "suppression", name, address)
        return [] if answer.status == NOT_FOUND else list(answer.body)

    def _opted_out(self, address: str) -> bool:
        answer = self._call("get", "asm", "suppressions", "global", address)
        answer.expect(OK)
        return bool(answer.body)

    def _groups_left(self, address: str) -> list[Json]:
        groups = self._call("get", "asm", "suppressions", address).field(OK, "suppressions")
        return [group for group in groups if group["suppressed"]]

    def _entries(self, address: str) -> list[Json]:
        entries = [{"list": name, **entry} for name in OTHER_LISTS for entry in self._listed(name, address)]
        entries += [{"list": "group", "email": address, "group": one["name"]} for one in self._groups_left(address)]
        return entries + ([{"list": "global", "email": address}] if self._opted_out(address) else [])


def _settled(true: bool) -> None:
    # SendGrid works through its jobs in its own time; the next attempt looks again
    if not true:
        raise TryAgain("sendgrid_not_settled", SETTLES_SECONDS)


def _is_own(contact: Json, person: Person) -> bool:
    # the search matches second addresses too: somebody else's contact must not go with it
    return str(contact.get("email", "")).lower() in {address.lower() for address in person.addresses}


def _shown(contact: Json) -> Json:
    return {name: value for name, value in contact.items() if value and not name.startswith("_")}
