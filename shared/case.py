"""A request being worked on: what changes, its evidence and the work it asks for, gathered into one commit.

`Envelope` is the request's sealed part: the addresses, tokens still to be mailed, and identifiers still needed for vendors.
It outlives the person's own records for a few days and is dropped when nothing needs it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from shared import ledger, work
from shared.failures import Missing
from shared.identity import Identifiers
from shared.outcomes import UNSETTLED
from shared.ports import Person, Services
from shared.records import Head, Key, Mailing, Request
from shared.store import Change, Create, Stored, Update
from shared.times import rfc3339
from shared.vault import new_token, token_hash

MAIL = "request.mail"
NEW = "new"
"""The label of an address that a correction names."""
LIFTED: Literal["restriction_lifted"] = "restriction_lifted"


class Envelope(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What `Request.sealed` opens to. Addresses have labels (`a1` is the one that asked); tokens are named by use."""

    addresses: dict[str, str] = {}
    tokens: dict[str, str] = {}
    details: str | None = None
    corrections: dict[str, str] = {}
    user_id: str | None = None
    masked: dict[str, str] = {}
    known: list[Identifiers] = []
    own_addresses: list[str] = []
    shared_addresses: list[str] = []
    reason: str | None = None


class Case:
    """One request, and the changes that will be committed together. Commit once, then read again."""

    def __init__(self, services: Services, id: str, record: Request, stored: Stored[Request] | None) -> None:
        self.services = services
        self.id = id
        self.record = record
        self.now = services.clock.now()
        self._stored = stored
        self._changes: list[Change] = []
        self.envelope = self._opened()
        self._keep_envelope = stored is None or record.sealed is not None

    @classmethod
    def read(cls, services: Services, id: str) -> Case:
        """Open a stored request. Raises Missing."""
        stored = services.store.get(Request, id)
        if stored is None:
            raise Missing("there is no such request, or this key does not open it")
        return cls(services, id, stored.record, stored)

    def _opened(self) -> Envelope:
        if self.record.sealed is None:
            return Envelope()
        return msgspec.convert(self.services.vault.unseal(f"requests/{self.id}", self.record.sealed), Envelope)

    @property
    def has_envelope(self) -> bool:
        """Tell whether addresses and identifiers are still here."""
        return self._keep_envelope

    def set(self, **fields: Any) -> None:
        """Change fields of the record."""
        self.record = msgspec.structs.replace(self.record, **fields)

    def note(self, kind: str, private: str | None = None, **facts: Any) -> None:
        """Add evidence. `private`: words a person wrote; they are sealed."""
        stated = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in facts.items()}
        seq = self.record.head.seq + 1
        sealed = None
        if private is not None:
            sealed = self.services.vault.seal(f"ledger/{ledger.entry_id(self.id, seq)}", private)
        head = self.record.head if self.record.head.seq else None
        entry, head = ledger.append(self.services.vault, head, self.id, self.now, kind, stated, sealed)
        self._changes.append(entry)
        self.set(head=head)

    def key(
        self, opens: str, *, use: str | None = None, label: str | None = None, until: datetime | None = None
    ) -> str:
        """Mint a token; its hash is stored, and with `use` the token itself waits, sealed, to be mailed."""
        token = new_token()
        self.set(keys=self.record.keys | {token_hash(token): Key(opens=opens, label=label, expires_at=until)})  # type: ignore[arg-type]
        if use is not None:
            self.envelope.tokens[use] = token
        return token

    def mail(self, template: str, label: str) -> None:
        """Ask for a mail to one of the envelope's addresses."""
        mail_id = f"m{len(self.record.mails) + 1}"
        self.set(mails=self.record.mails | {mail_id: Mailing(template=template, to=label, at=self.now)})
        self.work(MAIL, mail=mail_id)

    def mailing(self, mail_id: str, **fields: Any) -> None:
        """Change how far a mail got."""
        mails = dict(self.record.mails)
        mails[mail_id] = msgspec.structs.replace(mails[mail_id], at=self.now, **fields)
        self.set(mails=mails)

    def work(self, kind: str, due_at: datetime | None = None, **args: str) -> None:
        """Ask for work on this request."""
        self._changes.append(work.item(kind, self.id, self.now, due_at, **args))

    def also(self, *changes: Change) -> None:
        """Commit these too."""
        self._changes += changes

    def mailbox(self, label: str) -> str:
        """Return the address behind a mail's label. `new` is the one a correction names: it is nobody's until confirmed."""
        return self.envelope.corrections["email"] if label == NEW else self.envelope.addresses[label]

    def let_go(self) -> None:
        """Drop the envelope once the request has ended and nothing waits for it: no mail, no step, no recipient."""
        waiting = any(mailing.status == "queued" for mailing in self.record.mails.values())
        unsettled = any(one.outcome in UNSETTLED for one in self.record.steps.values())
        if self.record.closed_at is None or waiting or unsettled or self._unlifted() or not self.has_envelope:
            return
        if self.record.export is not None:
            # as long as the file is here, its link may have to be mailed again
            return
        self.drop_envelope()
        self.note("envelope.dropped")

    def _unlifted(self) -> bool:
        """Tell whether a recipient was told of a restriction that ended here, and not yet that it did."""
        if self.record.begun_at is not None or self.record.status not in {"withdrawn", "denied"}:
            return False
        told = {
            what: {one.subprocessor for one in self.record.told if one.what == what} for what in ("restriction", LIFTED)
        }
        return bool(told["restriction"] - told[LIFTED])

    def drop_envelope(self) -> None:
        """Forget addresses, tokens and identifiers: nothing needs them any more."""
        self._keep_envelope = False
        self.envelope = Envelope()

    def person(self) -> Person:
        """Return whom connectors act for."""
        return Person(
            request_id=self.id,
            refs=list(self.record.subjects),
            known=self.envelope.known,
            addresses=self.envelope.own_addresses,
            shared_addresses=self.envelope.shared_addresses,
            objected=self.record.objected,
        )

    def changes(self) -> list[Change]:
        """Return everything to commit, the request itself first."""
        place = f"requests/{self.id}"
        sealed = self.services.vault.seal(place, self.envelope) if self._keep_envelope else None
        self.set(sealed=sealed)
        own: Change = Update(self._stored, self.record) if self._stored else Create(self.id, self.record)
        return [own, *self._changes]

    def commit(self) -> None:
        """Commit all of it. Raises Conflict when the request has moved meanwhile."""
        self.services.commit(self.changes())


NO_HEAD = Head(seq=0, mac="")
