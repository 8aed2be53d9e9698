"""What the core needs from the world, as plain nouns. Each port has a twin that needs no cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from shared.annex import Subprocessor
from shared.company import Company, Purpose
from shared.identity import Identifiers
from shared.mail_reading.received import Attachment
from shared.records import Outcome
from shared.store import Change, Store
from shared.times import Clock
from shared.vault import Vault
from shared.website_data import WebsiteData


class Person(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Whom a connector acts for: the subjects chosen, and every confirmed identifier that is theirs alone.

    `addresses` leaves out those still used by an account that was not chosen; they stand in `shared_addresses`.
    `objected` is true when the person objected to marketing, so that a vendor's own opt-out entry must stay.
    """

    request_id: str
    refs: list[str] = []
    known: list[Identifiers] = []
    addresses: list[str] = []
    shared_addresses: list[str] = []
    objected: bool = False

    def user_ids(self) -> list[str]:
        """Return the website's ids of the chosen accounts."""
        return [known.user_id for known in self.known if known.user_id]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one part of a step, in the contract's outcomes and nothing stronger.

    `evidence` holds counts, vendor job ids, reasons: never personal data.
    """

    outcome: Outcome
    name: str
    until: datetime | None = None
    ground: str | None = None
    physically_gone_by: datetime | None = None
    evidence: dict[str, Any] = {}


class Corrections(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was corrected, as it is right now; None is left as it is. `email` is a confirmed address of the person."""

    name: str | None = None
    email: str | None = None
    locale: str | None = None
    country: str | None = None


class Ability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a vendor can do one thing for a person. A `reason` is needed where it cannot, and the day it was checked.

    `how`: `api` we do it by the vendor's API, `absence` there is nothing per person to do it to, `person` only by hand
    in the vendor's own pages, `none` the vendor offers no way.
    """

    what: Literal["export", "erase", "rectify", "restrict"]
    how: Literal["api", "absence", "person", "none"]
    checked: date
    reason: str = ""


class Connector(Protocol):
    """One subprocessor. Inherits `tests/contracts/connector_contract.py`.

    Every call may run twice. Raises TryAgain (a later attempt may succeed) or NeverRetry (a person must look); a vendor's
    own exceptions end here. Absent already is success.
    """

    name: str

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Delete what this vendor holds of the person, read back where it can, and say what is known."""
        ...

    def export(self, person: Person) -> dict[str, Any]:
        """Return what this vendor holds of the person, JSON-able; `{}` when nothing. `gaps` says what it cannot give.

        `unclear`: how many things there may be theirs or another's, for a person to find out (TRUTH §1).
        """
        ...

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Delete what was retained, once its date has come."""
        ...

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Bring what this vendor holds into line with what was corrected, and read it back where it can (Art. 16, 19)."""
        ...

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Have this vendor use the person's data for nothing but keeping it, or lift that again (Art. 18, 19)."""
        ...

    def describe(self) -> Sequence[Ability]:
        """Return what this vendor can do for each right, without calling it."""
        ...

    def ping(self) -> None:
        """Check that we are let in and may do what `erase` needs; changes nothing. Raises TryAgain, NeverRetry."""
        ...


class Stops(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one address wants of the direct marketing that one vendor serves: which purposes are stopped, and which go on.

    `everything`: it wants none at all, whatever may come.
    """

    address: str
    stopped: list[Purpose] = []
    going_on: list[Purpose] = []
    everything: bool = False


@runtime_checkable
class Silencer(Protocol):
    """A connector whose vendor sends or advertises for us, and can be told who wants none of it."""

    def silence(self, stops: Stops, now: datetime) -> Sequence[Part]:
        """Have the vendor do as this says, and undo only what we put there. May run twice. Raises TryAgain, NeverRetry."""
        ...


class Forwarded(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that is handed on. `answers_to`: the address of who wrote it, `""` where nobody can be answered."""

    subject: str
    text: str
    html: str
    answers_to: str
    attachments: list[Attachment]


class Recipients(NamedTuple):
    """Many who get the same mail, side by side: addresses, the references their events carry, their own preference pages.

    Not one object each: making a thousand of them costs as much as putting them into the call.
    """

    addresses: Sequence[str]
    references: Sequence[str]
    preferences_urls: Sequence[str]


class Postman(Protocol):
    """Sends a mail from the list of mails. Service mail only: never blocked by a suppression."""

    def post(self, template: str, to: str, locale: str, words: Mapping[str, Any], reference: str) -> str:
        """Compose and hand over one mail; return the vendor's message id.

        `reference` is an opaque token that the vendor echoes in its events. Raises TryAgain, NeverRetry. The vendor
        offers no idempotency, so a crash after its yes can send a mail twice, never not at all.
        """
        ...

    def language(self, template: str, locale: str) -> str:
        """Return the language in which this mail exists for a locale; `""` for English."""
        ...

    def post_all(self, template: str, language: str, words: Mapping[str, Any], recipients: Recipients) -> str:
        """Compose one mail and hand it over for up to 1,000 recipients in one call; return the vendor's message id.

        Raises InDoubt when the call was cut off, Unacceptable when nothing was taken because of what was sent, TryAgain
        and NeverRetry when nothing was taken for another reason.
        """
        ...

    def forward(self, mail: Forwarded, to: Sequence[str], reference: str) -> str:
        """Hand a mail on as it is; whoever answers it answers its writer. Returns and raises as `post` does."""
        ...


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What Stripe, asked just now, says of an account's own customers.

    `going`: subscriptions that have not ended. `ended_at`: when the last of those that have, did. `unclear`: customers
    that are deleted there, name another account or are unknown to Stripe. `disputes`: payments in dispute. `addresses`:
    the customers' own.
    """

    going: int = 0
    ended_at: datetime | None = None
    unclear: int = 0
    disputes: int = 0
    addresses: list[str] = []


class Subscriptions(Protocol):
    """Whether an account still has what it pays for. Reads alone."""

    def standing(self, known: Identifiers) -> Standing:
        """Ask Stripe anew. Raises TryAgain, NeverRetry."""
        ...


class WorkQueue(Protocol):
    """Says "now" to the worker. Losing a message is harmless: the sweep finds what is due."""

    def announce(self, work: Sequence[tuple[str, datetime]]) -> None:
        """Ask for these (id, due_at) to be run when due. Never raises: failures are counted and left to the sweep."""
        ...


class Topic(Protocol):
    """Tells other functions that something happened. Ids only; at least once, in any order."""

    def publish(self, message: Mapping[str, str]) -> str:
        """Hand over one message; return the id it was given. Raises TryAgain, NeverRetry."""
        ...


class Archive(Protocol):
    """Where evidence lies that nobody may change, not even we. Twins: `EvidenceFolder`, `EvidenceBucket`.

    Names are paths, ASCII. Every call raises TryAgain or NeverRetry; both pass `tests/contracts/archive_contract.py`.
    """

    def keep(self, name: str, content: bytes) -> bool:
        """Write it whole, once; False when something stands there already, which stays as it is."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return what stands there; None when nothing does."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin so, in order."""
        ...


class Services(Protocol):
    """Everything a use case may ask for; each is built when first asked for, so a function starts with only its own."""

    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def company(self) -> Company: ...
    @property
    def annex(self) -> Sequence[Subprocessor]: ...
    @property
    def connectors(self) -> Mapping[str, Connector]: ...
    @property
    def connected(self) -> Sequence[str]:
        """Machine names of the subprocessors that have a connector, in the annex's order."""
        ...

    @property
    def website_data(self) -> WebsiteData: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def postman(self) -> Postman: ...
    @property
    def queue(self) -> WorkQueue: ...
    @property
    def topic(self) -> Topic: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def base_url(self) -> str:
        """Where our own pages are, without a slash at the end."""
        ...

    @property
    def operators(self) -> Sequence[str]:
        """Names of the people who may act as operator."""
        ...

    def commit(self, changes: Sequence[Change]) -> list[str]:
        """Commit, then announce the work in it that is due before the next sweep."""
        ...
