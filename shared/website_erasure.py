"""§4: the website's declared data of a person: removed except what law keeps, and read back.

Two orders make a crash harmless. What law keeps is recorded before it is pared down, because afterwards the query that
found it finds it no more. What stands below a document goes before the document, because a query finds that alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.annex import OURS
from shared.failures import NeverRetry, TryAgain
from shared.ports import Person
from shared.records import RETAINED_BY_PLACE, RETAINED_OF_REQUEST, Retained
from shared.store import MOST_CHANGES, Create, Store, Stored, every
from shared.times import plus
from shared.vault import Vault
from shared.website import Data, Holdings, WebsiteStore, holdings, only
from shared.website_data import Retain, WebsiteData


@dataclass(frozen=True, slots=True)
class Terms:
    """Why a document is kept, until when, and which of its fields."""

    ground: str
    until: datetime
    categories: list[str]


@dataclass(frozen=True, slots=True)
class Keep:
    """A document law makes the website keep: how it will look, and the record that says so."""

    path: str
    data: Data
    record_id: str
    record: Retained


@dataclass(frozen=True, slots=True)
class WebsiteErasure:
    """One person's erasure from the website, at one moment."""

    store: Store
    vault: Vault
    website: WebsiteStore
    declared: WebsiteData
    person: Person
    now: datetime

    def held(self) -> Holdings:
        """Find what is declared, and what an earlier run of this request has pared down already."""
        held = holdings(self.website, self.declared, self.person.known, self.person.addresses)
        for stored in self.retained():
            for place in places_of(self.vault, stored):
                held.documents.update(self.website.below(place))
        return held

    def retained(self) -> list[Stored[Retained]]:
        """Return what is on record as kept for this request."""
        found = every(self.store, RETAINED_OF_REQUEST, self.person.request_id)
        return [one for one in found if one.record.subprocessor == OURS and one.record.until > self.now]

    def put_on_record(self, held: Holdings) -> dict[str, Keep]:
        """Record what law keeps, by path. Raises Conflict when another run was faster."""
        keeps: dict[str, Keep] = {}
        new: list[Create] = []
        for path, data in held.documents.items():
            standing = standing_at(self.store, self.vault, path)
            keep = self._keep(path, data, held.retain.get(path), standing)
            if keep:
                keeps[path] = keep
            if keep and all(one.id != keep.record_id for one in standing):
                new.append(Create(keep.record_id, keep.record))
        for start in range(0, len(new), MOST_CHANGES):
            self.store.commit(new[start : start + MOST_CHANGES])
        return keeps

    def _keep(self, path: str, data: Data, rule: Retain | None, standing: Sequence[Stored[Retained]]) -> Keep | None:
        terms = self._terms(rule, [one.record for one in standing if one.record.until > self.now])
        pared = only(data, terms.categories) if terms else {}
        if not terms or not pared:
            return None
        record_id = f"{_place_key(self.vault, path)}:{self.person.request_id}"
        record = Retained(
            request=self.person.request_id,
            subprocessor=OURS,
            ground=terms.ground,
            categories=terms.categories,
            until=terms.until,
            sealed=self.vault.seal(f"retained/{record_id}", {"places": [path]}),
        )
        return Keep(path, pared, record_id, record)

    def _terms(self, rule: Retain | None, standing: Sequence[Retained]) -> Terms | None:
        fields = [name for record in standing for name in record.categories] + (rule.fields if rule else [])
        categories = list(dict.fromkeys(fields))
        if standing:
            # what is on record keeps its date: asking twice must not make anything stay longer
            longest = max(standing, key=lambda record: record.until)
            return Terms(longest.ground, longest.until, categories)
        return Terms(rule.ground, plus(self.now, f"P{rule.years}Y"), categories) if rule else None

    def remove(self, held: Holdings, keeps: dict[str, Keep]) -> None:
        """Delete what was found and pare down what is kept."""
        self.website.delete(deepest_first(held.documents.keys() - keeps.keys()))
        for path in pared_paths(held, keeps):
            self.website.write(path, keeps[path].data)
        for bucket, path in held.files:
            self.website.delete_file(bucket, path)

    def read_back(self, keeps: dict[str, Keep]) -> None:
        """Look again for everything; raises TryAgain unless only what is kept is left, pared down."""
        left = self.held()
        unkept = [path for path, data in left.documents.items() if path not in keeps or keeps[path].data != data]
        if unkept or left.files:
            raise TryAgain("still_there")


def counts(held: Holdings, keeps: dict[str, Keep]) -> dict[str, int]:
    """Count what is about to change."""
    pared = pared_paths(held, keeps)
    return {"documents": len(held.documents.keys() - keeps.keys()), "pared": len(pared), "files": len(held.files)}


def pared_paths(held: Holdings, keeps: dict[str, Keep]) -> list[str]:
    """Return the kept documents that hold more than they may."""
    return [path for path, keep in keeps.items() if held.documents[path] != keep.data]


def deepest_first(paths: Iterable[str]) -> list[str]:
    """Order paths so that a document comes after everything below it."""
    return sorted(paths, key=lambda path: (-path.count("/"), path))


def standing_at(store: Store, vault: Vault, path: str) -> list[Stored[Retained]]:
    """Return the records, of whatever request, that say this document is kept."""
    key = _place_key(vault, path)
    return store.query(RETAINED_BY_PLACE, at_least=f"{key}:", at_most=f"{key}:~")


def _place_key(vault: Vault, path: str) -> str:
    return vault.keyed("retained", path)


def places_of(vault: Vault, stored: Stored[Retained]) -> list[str]:
    """Open where a retained record says its documents stand."""
    places: list[str] = vault.unseal(f"retained/{stored.id}", stored.record.sealed)["places"]
    return places


def purge(store: Store, vault: Vault, website: WebsiteStore, places: Sequence[str]) -> int:
    """Delete documents whose date has come; return how many there were.

    Raises NeverRetry when a document holds more than was kept: somebody uses it again, and a person must look.
    """
    paths = [path for place in places for path in _purgeable(store, vault, website, place)]
    website.delete(deepest_first(paths))
    if any(website.below(place) for place in places):
        raise TryAgain("still_there")
    return len(paths)


def _purgeable(store: Store, vault: Vault, website: WebsiteStore, place: str) -> Iterator[str]:
    kept = [name for one in standing_at(store, vault, place) for name in one.record.categories]
    for path, data in website.below(place):
        if kept and (path != place or data != only(data, kept)):
            raise NeverRetry("kept_document_in_use_again")
        yield path
