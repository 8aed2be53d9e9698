"""A product with people in it, for tests of what erases them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.local.person_data import person_data, put_person_data
from infra.local.sqlite_store import SqliteStore
from infra.local.website import LocalWebsite
from infra.subprocessors.google_cloud_platform import GoogleCloudPlatformConnector
from shared import ledger
from shared.identity import Identifiers, alias
from shared.ports import Part, Person
from shared.records import ALL_EVIDENCE, RETAINED_OF_REQUEST, Alias, Decision, Link, Subject
from shared.store import Create, Store, Update
from shared.vault import Keyset, Vault
from shared.website import WebsiteStore
from shared.website_data import WebsiteData, website_data_from

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GROUND = "invoices, Companies Act"
DECLARED = website_data_from(
    {
        "firestore": [
            {"documents": "users/{user_id}"},
            {"documents": "mail/{email}"},
            {
                "query": "orders where user_id == {user_id}",
                "retain": {"ground": GROUND, "years": 6, "fields": ["amount", "buyer.vat"]},
            },
            {"query": "tickets where email == {email}"},
        ],
        "storage": ["gs://uploads/users/{user_id}/", "gs://letters/{email}/"],
        "horizon_days": {"firestore": 7, "storage": 0},
    }
)


@dataclass
class World:
    """A running product; nobody is in it at first."""

    folder: Path
    store: SqliteStore
    vault: Vault
    website: WebsiteStore
    refs: dict[str, str] = field(default_factory=dict)

    def connector(
        self, store: Store | None = None, website: WebsiteStore | None = None, declared: WebsiteData = DECLARED
    ) -> GoogleCloudPlatformConnector:
        return GoogleCloudPlatformConnector(store or self.store, self.vault, website or self.website, declared)

    def account(self, user: str, *addresses: str, consents: int = 2) -> Person:
        """Create an account with its links, consents and website data, and return the person it is."""
        known = Identifiers(user_id=user, device_id=f"device-{user}", addresses=list(addresses))
        ref = self.subject(known)
        for number in range(consents):
            self.consent(ref, f"receipt{len(self.refs)}x{number}")
        self.put(
            user,
            {
                f"users/{user}": {"name": f"Name of {user}"},
                f"users/{user}/notes/n1": {"text": f"Note of {user}"},
                f"orders/{user} 1": {"user_id": user, "amount": 5, "buyer": {"vat": "X1", "name": f"Buyer {user}"}},
                f"orders/{user} 1/items/i": {"what": f"Item of {user}"},
            },
            {f"users/{user}/photo.txt": f"Photo of {user}", f"users/{user}/more/b.txt": f"More of {user}"},
        )
        return Person(request_id=f"request{len(self.refs)}", refs=[ref], known=[known], addresses=list(addresses))

    def put(self, user: str, documents: dict[str, Any], files: dict[str, Any]) -> None:
        put_person_data(self.website, DECLARED, user, documents, files)

    def held(self, user: str) -> dict[str, dict[str, Any]]:
        """Return what the website holds of a user id."""
        return person_data(self.website, DECLARED, user)

    def subject(self, known: Identifiers) -> str:
        ref = f"ref{len(self.refs):037d}"
        self.refs[known.user_id or ref] = ref
        decisions = {"ads": Decision(granted=True, at=NOW, policy="1", receipt="r")}
        sealed = self.vault.seal(f"subjects/{ref}", known)
        self.store.commit([Create(ref, Subject(kind="account", created_at=NOW, sealed=sealed, decisions=decisions))])
        for kind, value in [("user", known.user_id), ("device", known.device_id)]:
            self.link(ref, kind, value or "")
        for address in known.addresses:
            self.link(ref, "email", address)
        return ref

    def link(self, ref: str, kind: str, value: str) -> None:
        alias_id, link = (
            alias(self.vault, kind, value),
            Link(ref=ref, kind="account", source="server", confirmed_at=NOW),
        )
        stored = self.store.get(Alias, alias_id)
        links = [*(stored.record.links if stored else []), link]
        self.store.commit([Update(stored, Alias(links=links)) if stored else Create(alias_id, Alias(links=links))])

    def links(self, kind: str, value: str) -> list[str]:
        stored = self.store.get(Alias, alias(self.vault, kind, value))
        return [link.ref for link in stored.record.links] if stored else []

    def consent(self, ref: str, stream: str) -> None:
        first, head = ledger.append(self.vault, None, stream, NOW, "consent", {"purposes": ["ads"]}, subject=ref)
        second, _ = ledger.append(self.vault, head, stream, NOW, "consent.confirmed", {"purposes": ["ads"]})
        self.store.commit([first, second])

    def snapshot(self, of: str) -> list[Any]:
        """Return everything of one account that must not change when others go."""
        ref = self.refs[of]
        evidence = [entry for entry in self.store.query(ALL_EVIDENCE, limit=9999) if entry.record.subject == ref]
        streams = [ledger.stream_of(self.store, entry.record.stream) for entry in evidence]
        links = (self.links("user", of), self.links("device", f"device-{of}"))
        return [self.store.get(Subject, ref), streams, links, self.held(of)]

    def raw(self) -> bytes:
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)

    def kept_places(self, person: Person) -> list[str]:
        """Open where the records of this request say that something is kept."""
        records = self.store.query(RETAINED_OF_REQUEST, person.request_id)
        opened = [self.vault.unseal(f"retained/{stored.id}", stored.record.sealed) for stored in records]
        return [place for one in opened for place in one["places"]]


Twin = Callable[[Store, Path], WebsiteStore]


def embedded(store: Store, folder: Path) -> WebsiteStore:
    """Return an empty website of the embedded runtime."""
    return LocalWebsite(store, folder / "website")


@contextlib.contextmanager
def populated(folder: Path, twin: Twin = embedded) -> Iterator[World]:
    store = SqliteStore(folder / "pledge.db")
    try:
        yield World(folder, store, Vault(Keyset.generate()), twin(store, folder))
    finally:
        store.close()


def outcomes(parts: Sequence[Part]) -> dict[str, str]:
    return {part.name: part.outcome for part in parts}


ALL_GONE = {"our records": "verified", "website data": "verified", f"website data: {GROUND}": "retained"}
