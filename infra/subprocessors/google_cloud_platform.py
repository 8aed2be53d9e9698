"""Google Cloud Platform: our own records and the website's declared data. Everything here is deleted and read back."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import own_records, website_erasure
from shared.annex import OURS
from shared.failures import BadInput, NeverRetry, TryAgain
from shared.ports import Part, Person
from shared.records import LedgerEntry, Retained, Subject
from shared.store import Store, Stored, persist
from shared.vault import Vault
from shared.website import WebsiteStore, holdings, readable
from shared.website_data import WebsiteData
from shared.website_erasure import WebsiteErasure

OWN = ("subjects", "links", "evidence")
WEBSITE = ("documents", "pared", "files")


class GoogleCloudPlatformConnector:
    """The `Connector` for what stands on our own platform. What law keeps is on record as `Retained`, by us."""

    name = OURS

    def __init__(self, store: Store, vault: Vault, website: WebsiteStore, declared: WebsiteData) -> None:
        self._store = store
        self._vault = vault
        self._website = website
        self._declared = declared

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        erasure = WebsiteErasure(self._store, self._vault, self._website, self._declared, person, now)
        with _paths_refused():
            held = erasure.held()
            keeps = persist(lambda _: erasure.put_on_record(held))
            # ours before the website's: the tombstone remembers how much was found there
            own_records.erase_pendings(self._store, self._vault, person.addresses)
            found = self._erase_own(person, website_erasure.counts(held, keeps), now)
            erasure.remove(held, keeps)
            erasure.read_back(keeps)
        if own_records.remain(self._store, self._vault, person.refs, person.known):
            raise TryAgain("still_there")
        return _parts(found, erasure.retained(), self._gone_by(now))

    def _erase_own(self, person: Person, found: dict[str, int], now: datetime) -> Counter[str]:
        gone_by = self._gone_by(now)
        total = Counter(found if not person.refs else {})
        for number, ref in enumerate(person.refs):
            beside = {} if number else found
            mark = own_records.Mark(erased_at=now, gone_by=gone_by, found=beside)
            total += Counter(own_records.erase(self._store, self._vault, ref, person.known, mark))
        return total

    def _gone_by(self, now: datetime) -> datetime:
        return max(self._store.physically_gone(now), now + timedelta(days=self._declared.horizon()))

    def export(self, person: Person) -> dict[str, Any]:
        with _paths_refused():
            held = holdings(self._website, self._declared, person.known, person.addresses)
            files = {f"gs://{bucket}/{path}": self._website.read_file(bucket, path) for bucket, path in held.files}
        accounts = [_account(stored) for ref in person.refs if (stored := self._store.get(Subject, ref))]
        parts = {
            "accounts": accounts,
            "identifiers": [msgspec.to_builtins(known) for known in person.known] if accounts else [],
            "consents": [_consent(entry) for ref in person.refs for entry in own_records.evidence_of(self._store, ref)],
            "documents": held.documents,
            "files": {place: readable(content) for place, content in files.items() if content is not None},
        }
        return {name: part for name, part in parts.items() if part}

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        with _paths_refused():
            purged = website_erasure.purge(self._store, self._vault, self._website, places)
        gone_by = self._gone_by(now)
        return Part(
            outcome="verified",
            name="kept by law until now",
            physically_gone_by=gone_by,
            evidence={"documents": purged},
        )


def _account(stored: Stored[Subject]) -> dict[str, Any]:
    open_fields = {name: value for name, value in msgspec.to_builtins(stored.record).items() if name != "sealed"}
    return {"reference": stored.id} | open_fields


def _consent(stored: Stored[LedgerEntry]) -> dict[str, Any]:
    entry = stored.record
    return {"receipt": entry.stream, "at": msgspec.to_builtins(entry.at), "kind": entry.kind, "facts": entry.facts}


def _parts(found: Mapping[str, int], kept: Sequence[Stored[Retained]], gone_by: datetime) -> list[Part]:
    deleted = [_deleted("our records", found, OWN, gone_by), _deleted("website data", found, WEBSITE, gone_by)]
    by_ground: dict[str, list[Retained]] = {}
    for stored in kept:
        by_ground.setdefault(stored.record.ground, []).append(stored.record)
    return deleted + [_retained(ground, records, gone_by) for ground, records in by_ground.items()]


def _deleted(name: str, found: Mapping[str, int], what: Sequence[str], gone_by: datetime) -> Part:
    evidence = {one: found.get(one, 0) for one in what}
    return Part(
        outcome="verified" if any(evidence.values()) else "nothing_found",
        name=name,
        physically_gone_by=gone_by,
        evidence=evidence,
    )


def _retained(ground: str, records: Sequence[Retained], gone_by: datetime) -> Part:
    return Part(
        outcome="retained",
        name=f"website data: {ground}",
        ground=ground,
        until=max(record.until for record in records),
        physically_gone_by=gone_by,
        evidence={"documents": len(records)},
    )


@contextlib.contextmanager
def _paths_refused() -> Iterator[None]:
    """An identifier that cannot stand in a path will not be able to tomorrow either: a person must look."""
    try:
        yield
    except BadInput:
        raise NeverRetry("identifier_cannot_stand_in_a_path") from None
