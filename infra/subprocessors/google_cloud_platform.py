"""Google Cloud Platform: our own records, the website's declared data and its sign-in account.

Everything here is deleted and read back.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from infra.subprocessors.google_cloud_platform_parts import BY_HAND, CORRECTED, LastCopies, mailbox, parts, rectified
from shared import own_export, own_records, website_erasure
from shared.annex import OURS
from shared.failures import BadInput, Misconfigured, NeverRetry, TryAgain
from shared.identity import Identifiers
from shared.ports import Ability, Corrections, Part, Person
from shared.records import LedgerEntry, Subject
from shared.store import Store, Stored, Update, persist
from shared.vault import Vault
from shared.website import WebsiteStore, holdings, read_files, readable
from shared.website_accounts import SECRETS, NoAccounts, WebsiteAccounts
from shared.website_data import WebsiteData, split_location
from shared.website_erasure import WebsiteErasure

CHECKED = date(2026, 11, 22)
ASKED = "the website asks us before each use of the data, and is told no"
TOO_MUCH = "files_left_out names files that were too much for one export; write to us, and we hand them over"
IN_MAILBOX = (
    "mails you wrote to us that the people who answer have in their mailbox; write to us, and we hand them over"
)
UNSHOWN = "what the password is checked by: whoever gets hold of it could find the password"


class GoogleCloudPlatformConnector:
    """The `Connector` for what stands on our own platform. What law keeps is on record as `Retained`, by us."""

    name = OURS

    def __init__(
        self,
        store: Store,
        vault: Vault,
        website: WebsiteStore,
        declared: WebsiteData,
        accounts: WebsiteAccounts | None = None,
    ) -> None:
        if declared.identity and accounts is None:
            raise Misconfigured("WEBSITE_DATA: identity: the website's sign-in accounts are out of reach")
        self._store = store
        self._vault = vault
        self._website = website
        self._declared = declared
        self._accounts: WebsiteAccounts = accounts if accounts and declared.identity else NoAccounts()

    def describe(self) -> Sequence[Ability]:
        reasons = {"export": "", "erase": "", "restrict": ASKED}
        able = [Ability(what=what, how="api", checked=CHECKED, reason=said) for what, said in reasons.items()]  # type: ignore[arg-type]
        return [*able, Ability(what="rectify", how="person", checked=CHECKED, reason=f"{CORRECTED}; {BY_HAND}")]

    def ping(self) -> None:
        """Read something that is not there from each store that an erasure would go through."""
        self._store.get(Subject, "ping")
        if self._declared.firestore:
            self._website.below("ping/ping")
        for bucket in {split_location(location)[0] for location in self._declared.storage}:
            self._website.list_files(bucket, "ping/")
        self._accounts.ping()

    # --- erasure and export ------------------------------------------------------------------------------------------

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        erasure = WebsiteErasure(self._store, self._vault, self._website, self._declared, person, now)
        with _paths_refused():
            held = erasure.held()
            keeps = persist(lambda _: erasure.put_on_record(held))
            sign_ins = self._sign_ins(person)
            # ours before the website's: the tombstone remembers how much was found there
            pendings = own_records.erase_pendings(self._store, self._vault, person.addresses)
            mails = own_records.erase_mails(self._store, self._vault, person.addresses)
            beside = {"sign_ins": len(sign_ins), "pendings": len(pendings), "mails": len(mails)}
            counted = website_erasure.counts(held, keeps) | {name: count for name, count in beside.items() if count}
            found = self._erase_own(person, counted, now)
            # nobody who cannot sign in any more writes anew what is removed next
            for user_id in sign_ins:
                self._accounts.delete(user_id)
            erasure.remove(held, keeps)
            erasure.read_back(keeps)
            if self._sign_ins(person) or self._remain(person, [*pendings, *mails]):
                raise TryAgain("still_there")
        lying = own_records.handed_mails(self._store, self._vault, person.addresses)
        return [*parts(found, erasure.retained(), self._last_copies(now)), *mailbox(len(lying))]

    def _remain(self, person: Person, beside: Sequence[Stored[Any]]) -> bool:
        return own_records.remain(self._store, self._vault, person.refs, person.known, beside)

    def _sign_ins(self, person: Person) -> dict[str, dict[str, Any]]:
        """Return the website's sign-in accounts of the person, by user id."""
        found = {user_id: self._accounts.read(user_id) for user_id in person.user_ids()}
        return {user_id: account for user_id, account in found.items() if account is not None}

    def _erase_own(self, person: Person, found: dict[str, int], now: datetime) -> Counter[str]:
        gone_by = self._gone_by(now)
        total = Counter(found if not person.refs else {})
        for number, ref in enumerate(person.refs):
            beside = {} if number else found
            mark = own_records.Mark(erased_at=now, gone_by=gone_by, found=beside)
            total += Counter(own_records.erase(self._store, self._vault, ref, person.known, mark))
        return total

    def _gone_by(self, now: datetime) -> datetime:
        """Return when no copy is left from which anything of ours or of the website's could be restored."""
        return max(self._store.physically_gone(now), now + timedelta(days=self._declared.horizon()))

    def _last_copies(self, now: datetime) -> LastCopies:
        ours, horizons = self._store.physically_gone(now), self._declared.horizon_days
        return LastCopies(
            ours=ours,
            # on the embedded runtime the website's documents stand in our own store
            documents=max(ours, now + timedelta(days=horizons.firestore)),
            files=now + timedelta(days=horizons.storage),
            sign_ins=max(ours, now + self._accounts.horizon) if self._declared.identity else None,
        )

    def export(self, person: Person) -> dict[str, Any]:
        with _paths_refused():
            held = holdings(self._website, self._declared, person.known, person.addresses)
            files, left_out = read_files(self._website, held.files)
            sign_ins = list(self._sign_ins(person).values())
        accounts = [_account(stored) for stored in self._subjects(person)]
        held_parts = {
            "accounts": accounts,
            "identifiers": [msgspec.to_builtins(known) for known in person.known] if accounts else [],
            "consents": [_consent(entry) for ref in person.refs for entry in own_records.evidence_of(self._store, ref)],
            "documents": held.documents,
            "files": {place: readable(content) for place, content in files.items()},
            "files_left_out": left_out,
            "sign_ins": [{name: value for name, value in one.items() if name not in SECRETS} for one in sign_ins],
            **own_export.shown(self._store, self._vault, person),
            "gaps": [
                *([UNSHOWN] if any(name in one for one in sign_ins for name in SECRETS) else []),
                *([TOO_MUCH] if left_out else []),
                *([IN_MAILBOX] if own_records.handed_mails(self._store, self._vault, person.addresses) else []),
            ],
        }
        return {name: part for name, part in held_parts.items() if part}

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        with _paths_refused():
            purged = website_erasure.purge(self._store, self._vault, self._website, places)
        return Part(
            outcome="verified",
            name="kept by law until now",
            physically_gone_by=self._last_copies(now).documents,
            evidence={"documents": purged},
        )

    # --- rectification and restriction -------------------------------------------------------------------------------

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Read back that our records say what was corrected; what the website holds is for its own people."""
        opened = [self._opened(stored) for stored in self._subjects(person)]
        with _paths_refused():
            held = holdings(self._website, self._declared, person.known, person.addresses)
            anything = bool(held.documents or held.files or self._sign_ins(person))
        return rectified(opened, corrections, anything)

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Have this request restrict our use of the data, as it does from when it was verified, or no longer."""
        subjects = self._subjects(person)
        for stored in subjects:
            persist(lambda _, ref=stored.id: self._restrict(ref, person.request_id, lifted))  # type: ignore[misc]
        still = sum(bool(stored.record.restricted_by) for stored in self._subjects(person))
        evidence = {"subjects": len(subjects), "restricted": still, "reason": ASKED}
        return [Part(outcome="verified" if subjects else "nothing_found", name="our records", evidence=evidence)]

    def _restrict(self, ref: str, request_id: str, lifted: bool) -> None:
        stored = self._store.get(Subject, ref)
        if stored is None or (request_id in stored.record.restricted_by) != lifted:
            return
        others = [one for one in stored.record.restricted_by if one != request_id]
        wanted = others if lifted else [*others, request_id]
        self._store.commit([Update(stored, msgspec.structs.replace(stored.record, restricted_by=wanted))])

    def _subjects(self, person: Person) -> list[Stored[Subject]]:
        return [stored for ref in person.refs if (stored := self._store.get(Subject, ref))]

    def _opened(self, stored: Stored[Subject]) -> Identifiers:
        return msgspec.convert(self._vault.unseal(f"subjects/{stored.id}", stored.record.sealed), Identifiers)


def _account(stored: Stored[Subject]) -> dict[str, Any]:
    open_fields = {name: value for name, value in msgspec.to_builtins(stored.record).items() if name != "sealed"}
    return {"reference": stored.id} | open_fields


def _consent(stored: Stored[LedgerEntry]) -> dict[str, Any]:
    entry = stored.record
    return {"receipt": entry.stream, "at": msgspec.to_builtins(entry.at), "kind": entry.kind, "facts": entry.facts}


@contextlib.contextmanager
def _paths_refused() -> Iterator[None]:
    """An identifier that cannot stand in a path will not be able to tomorrow either: a person must look."""
    try:
        yield
    except BadInput:
        raise NeverRetry("identifier_cannot_stand_in_a_path") from None
