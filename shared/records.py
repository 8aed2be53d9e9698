"""Everything that is stored, and every query that is made of it.

Personal data stands only inside fields named `sealed`; the rest are keyed references, states and times. A field
`expires_at` says when the retention job removes the record.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Literal

import msgspec

from shared.store import Query, Record, View

Outcome = Literal[
    "failed",
    "held",
    "pending",
    "retained",
    "scheduled_by_vendor",
    "accepted",
    "verified",
    "nothing_found",
    "no_store",
]

Right = Literal["access", "rectification", "erasure", "restriction", "portability", "objection"]

Status = Literal[
    "unverified",
    "verified",
    "in_progress",
    "completed",
    "awaiting_vendors",
    "partly_retained",
    "denied",
    "withdrawn",
    "unconfirmed",
]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a record."""


class Head(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The end of an evidence chain."""

    seq: int
    mac: str


# --- who is who (TRUTH §1) -------------------------------------------------------------------------------------------


class Decision(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What was decided about one purpose, and under which version it was asked."""

    granted: bool
    at: datetime
    policy: str
    receipt: str
    pending: bool = False
    until: datetime | None = None


class Subject(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One account, mailbox or device. `sealed` opens to `identity.Identifiers`.

    `ending`: the last request that began by itself because the account or its subscription ended. `unreachable_at`:
    when a notice to its present address came back, because there is no such mailbox.
    """

    collection: ClassVar[str] = "subjects"
    kind: Literal["account", "mailbox", "device"]
    created_at: datetime
    sealed: bytes
    decisions: dict[str, Decision] = {}
    asked: list[str] = []
    restricted_by: list[str] = []
    copies: list[str] = []
    ending: str | None = None
    closed_by: Literal["person", "staff", "merge"] | None = None
    unreachable_at: datetime | None = None
    expires_at: datetime | None = None


class Addressee(View, frozen=True, kw_only=True, omit_defaults=True):
    """What of a `Subject` it takes to tell everybody: to decode all of it would cost half as much again."""

    collection: ClassVar[str] = "subjects"
    created_at: datetime
    sealed: bytes
    unreachable_at: datetime | None = None


class Link(Value, frozen=True, kw_only=True, omit_defaults=True):
    """That an identifier belongs to a subject: who said so, and when it was confirmed.

    `since`: when it was first confirmed, where it was confirmed again.
    """

    ref: str
    kind: Literal["account", "mailbox", "device"]
    source: Literal["server", "mailbox", "browser"]
    confirmed_at: datetime | None = None
    since: datetime | None = None
    replaced_at: datetime | None = None
    changed_at: datetime | None = None


class Alias(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A keyed hash of an identifier, and the subjects it is linked to."""

    collection: ClassVar[str] = "aliases"
    links: list[Link]


# --- consent (§1, §2) ------------------------------------------------------------------------------------------------


class Pending(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A consent that waits for the mailbox: of an unauthenticated page, or to what that mailbox said no to.

    Its id is the token's hash. `device`: the device or account that decided it too; `account`: the account beside a device.
    `sealed`: address, token and language, until it is confirmed.
    """

    collection: ClassVar[str] = "pendings"
    address: str
    purposes: list[str]
    receipt: str
    policy: str
    device: str | None
    created_at: datetime
    expires_at: datetime
    head: Head
    account: str | None = None
    sealed: bytes | None = None
    confirmed_at: datetime | None = None


class Idempotency(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The answer a call got, so that its repeat gets the same one. `asked`: digest of the body."""

    collection: ClassVar[str] = "idempotency"
    asked: str
    answer: dict[str, Any]
    expires_at: datetime


class Throttle(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One of the few places an address has in one hour. Its id is a keyed hash, the hour and a number."""

    collection: ClassVar[str] = "throttles"
    expires_at: datetime


class Quota(Record, frozen=True, kw_only=True, omit_defaults=True):
    """When a vendor was called lately, in Unix seconds, oldest first; see `shared.quota`. Its id names what is limited."""

    collection: ClassVar[str] = "quotas"
    taken: list[int]
    expires_at: datetime


class Submission(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That a vendor took an instruction about one identifier for a request, and when by its own clock.

    Its id is a keyed hash of both. It spares a vendor's quota when a step is tried again, and ends soon after.
    """

    collection: ClassVar[str] = "submissions"
    at: datetime
    expires_at: datetime


class Suppression(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That an address is not to be written to for a purpose, or for `marketing`, all of it. Own key; see TRUTH §4.

    `requests`: those it lasts as long as; none where it stands by itself. `except_for`: what of all marketing the address
    said yes to again. `spellings`: keyed codes of the ways to write the address that vendors were told of.
    """

    collection: ClassVar[str] = "suppressions"
    reason: Literal["objection", "withdrawn", "erasure", "restriction"]
    since: datetime
    requests: list[str] = []
    except_for: list[str] = []
    spellings: list[str] = []


class Told(Value, frozen=True, kw_only=True, omit_defaults=True):
    """That a recipient was told something about a person's data (GDPR Art. 19), and what it said."""

    subprocessor: str
    what: Literal["restriction", "restriction_lifted", "rectification", "objection"]
    at: datetime
    outcome: Outcome


class Telling(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That vendors must still be told what somebody wants no marketing for, or wants again; it ends when all were.

    `sealed`: the addresses. `request`: the objection that ends with it. Its evidence is a stream of the same id.
    """

    collection: ClassVar[str] = "tellings"
    since: datetime
    sealed: bytes
    head: Head
    told: list[Told] = []
    request: str | None = None


class VendorRestriction(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That we, and not the person, put an address on a vendor's opt-out list, and for which requests.

    Its id: a keyed hash of the address, and the vendor.
    """

    collection: ClassVar[str] = "vendor_restrictions"
    since: datetime
    requests: list[str]


# --- the policy (§8) -------------------------------------------------------------------------------------------------


class Coming(Value, frozen=True, kw_only=True):
    """That a change of a purpose was still to come when a version was published: its day, and the place of the change before it."""

    at: datetime
    before: int


class Policy(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A published version: canonical text, its SHA-256, and the purposes and annex as they stood. Never edited.

    `history`: all versions up to this one. `changed_at`: for a purpose, the place in it of the last material change.
    `to_come`: of these changes, its own and those of earlier versions, the ones whose day was still to come, newest first.
    """

    collection: ClassVar[str] = "policies"
    hash: str
    text: str
    title: str
    summary: str
    material: bool
    changes: list[str] | None
    published_at: datetime
    effective_at: datetime
    published_by: str
    catalogue: dict[str, Any]
    catalogue_hash: str
    history: list[str]
    changed_at: dict[str, int]
    to_come: dict[str, list[Coming]] = {}


class Findings(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What was found in a version when it was published, as `shared.promises.findings` lists it. Its id: the version."""

    collection: ClassVar[str] = "findings"
    at: datetime
    found: list[dict[str, Any]]


class InForce(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Which version notices carry. One record, id `policy`."""

    collection: ClassVar[str] = "pointers"
    version: str
    head: Head
    history: list[str]


class Campaign(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The announcing of one version to every account holder; its id follows from the version.

    `announced_at`: when the version was published; who signed up since was shown it and is not written to.
    `announced`: it is open, and nobody was written to yet. `strands`: into how many ranges of subjects' ids it is
    divided, each sent batch by batch. `accounts_about`: how many accounts there were then, estimated. `waiting`: batches that a pause has stopped, as `strands.Place`.
    """

    collection: ClassVar[str] = "campaigns"
    version: str
    state: Literal["announced", "sending", "paused", "done"]
    announced_at: datetime
    head: Head
    strands: int = 0
    accounts_about: int = 0
    waiting: list[str] = []
    ended_at: datetime | None = None
    expires_at: datetime | None = None


class Batch(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A campaign's mails that were handed over in one call, and how each got on: bit n is the n-th of them, from 0.

    One bitmap for each state, so that an event that comes again, or late, counts once; see `shared.promises.deliveries`.
    `sending`: the vendor may have it; `waiting`: it has not; `sent`: it answered. `began_at`: when it was tried first,
    where it was tried again `at` another time. `refs`: the subjects, 20 bytes each; `left`: those in its range who were
    left to another account of their mailbox.
    `refused`: bits of those it did not take; `gone`: of those who were not there any more, or could not be reached, when
    it was tried again; `last`: nobody comes after it in its strand.
    """

    collection: ClassVar[str] = "batches"
    campaign: str
    n_recipients: int
    state: Literal["sending", "waiting", "sent"] = "sent"
    at: datetime | None = None
    began_at: datetime | None = None
    refs: bytes = b""
    left: bytes = b""
    attempts: int = 0
    last: bool = False
    refused: bytes = b""
    gone: bytes = b""
    accepted: bytes = b""
    delivered: bytes = b""
    bounced: bytes = b""
    dropped: bytes = b""
    spam: bytes = b""
    expires_at: datetime | None = None


# --- requests (§4, §5) -----------------------------------------------------------------------------------------------


class Key(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What a token opens. `label` is the address a cancel link was mailed to."""

    opens: Literal["waiting", "confirm", "view", "cancel", "keep", "address", "export"]
    expires_at: datetime | None = None
    used_at: datetime | None = None
    label: str | None = None


class Export(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The file that a person's data was put into, and until when it can be fetched. Its bytes: `shared.pieces`."""

    id: str
    pieces: int
    n_bytes: int
    sha256: str
    ready_at: datetime
    until: datetime
    fetched_at: datetime | None = None


class Account(Value, frozen=True, kw_only=True, omit_defaults=True):
    """An account the proven address leads to; numbered for the person, who chooses."""

    n: int
    ref: str
    chosen: bool = False


class Step(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one subprocessor's part."""

    outcome: Outcome = "pending"
    at: datetime
    attempts: int = 0
    until: datetime | None = None
    ground: str | None = None
    physically_gone_by: datetime | None = None
    evidence: dict[str, Any] | None = None
    problem: str | None = None


MailStatus = Literal["queued", "sent", "deferred", "failed", "dropped", "blocked", "delivered", "bounced"]
"""`dropped`: by us or by the mail service, unsent; `blocked`: turned away once; `bounced`: there is no such mailbox."""


class Mailing(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A mail of a request: to which labelled address, and how far it got."""

    template: str
    to: str
    status: MailStatus = "queued"
    at: datetime
    attempts: int = 0
    evidence: str | None = None
    problem: str | None = None


class Request(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A person's request. `sealed` opens to `envelope.Envelope` and is gone once nothing needs it.

    `only`: it is about what came from there, and never about a whole account. `entered_by_operator`: it came by phone,
    post or in person, and `channel` is the operator's own word for that.

    `ends_at`: when a standing restriction is lifted. `corrected`: names of the fields that were corrected.
    """

    collection: ClassVar[str] = "requests"
    right: Right
    channel: str
    locale: str
    status: Status
    open: bool
    received_at: datetime
    statutory_by: datetime
    watch_by: datetime
    head: Head
    lookup: str | None = None
    keys: dict[str, Key] = {}
    verified_at: datetime | None = None
    promise_by: datetime | None = None
    chosen_at: datetime | None = None
    begins_at: datetime | None = None
    begun_at: datetime | None = None
    ours_done_at: datetime | None = None
    closing_at: datetime | None = None
    closed_at: datetime | None = None
    paused_at: datetime | None = None
    extended_at: datetime | None = None
    second_needed_from: str | None = None
    entered_by_operator: bool = False
    accounts: list[Account] = []
    subjects: list[str] = []
    suppressed: list[str] = []
    steps: dict[str, Step] = {}
    mails: dict[str, Mailing] = {}
    told: list[Told] = []
    ends_at: datetime | None = None
    corrected: list[str] = []
    warned: list[str] = []
    objected: bool = False
    only: Literal["meta"] | None = None
    opted_out: bool = False
    scope: str | None = None
    export: Export | None = None
    sealed: bytes | None = None
    expires_at: datetime | None = None


class Piece(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of the file of an export; see `shared.pieces`. Its id: the export's and a number. `sealed`: its bytes."""

    collection: ClassVar[str] = "pieces"
    expires_at: datetime
    sealed: bytes


class Retained(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What law makes us keep of an erased person, until when. `sealed`: where it stands."""

    collection: ClassVar[str] = "retained"
    request: str
    subprocessor: str
    ground: str
    categories: list[str]
    until: datetime
    sealed: bytes


class Tombstone(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That a subject was erased, kept until the longest restorable copy is gone. `sealed`: its identifiers."""

    collection: ClassVar[str] = "tombstones"
    erased_at: datetime
    expires_at: datetime
    sealed: bytes


# --- the machinery ---------------------------------------------------------------------------------------------------


class Work(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A timer or side effect, committed with the state that asked for it.

    `due_at` doubles as the lease: whoever takes an item moves it ahead, and a crash lets it fall due again.
    `failing_since`, `failures`: since when, and how often, no run came to an end of its own.
    """

    collection: ClassVar[str] = "work"
    kind: str
    ref: str
    due_at: datetime
    created_at: datetime
    args: dict[str, str] = {}
    attempts: int = 0
    problem: str | None = None
    failing_since: datetime | None = None
    failures: int = 0


class Attention(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Something a person must look at. Its id names the thing, so that saying it twice changes nothing."""

    collection: ClassVar[str] = "attention"
    kind: str
    since: datetime
    ref: str
    subprocessor: str | None = None
    problem: str | None = None


class Incident(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A failure the law wants registered, with its 72-hour clock (GDPR Art. 33)."""

    collection: ClassVar[str] = "incidents"
    kind: str
    ref: str
    at: datetime
    report_by: datetime


class LedgerEntry(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One link of an evidence chain; see `shared.ledger`."""

    collection: ClassVar[str] = "ledger"
    stream: str
    seq: int
    at: datetime
    kind: str
    facts: dict[str, Any]
    previous: str
    subject: str | None = None
    sealed: bytes | None = None
    key: str = ""
    mac: str = ""


class Checkpoint(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The last signed checkpoint of the ledger, as its archive has it. One record, id `last`.

    It closes what is stamped after `after` (None: from the beginning) and up to `until`. `fold`: see
    `shared.stretches`; `hash`: SHA-256 of its JWS; `previous`: the hash of the one before, `""` for the first.
    """

    collection: ClassVar[str] = "checkpoints"
    number: int
    until: datetime
    entries: int
    fold: str
    hash: str
    after: datetime | None = None
    previous: str = ""


class InboundMail(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A mail to the contact address that waits: to be forwarded, for us to ask back, or for a person.

    `sealed` opens to `inbound.Kept`. `address`: the alias of who wrote it, by which their erasure finds it.
    """

    collection: ClassVar[str] = "inbound_mails"
    waits: Literal["forward", "ask", "person"]
    received_at: datetime
    expires_at: datetime
    sealed: bytes
    address: str = ""


class HandedMail(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That a mail was handed on to the people who answer, whose mailbox keeps it until `expires_at`.

    `address`: the alias of who wrote it, by which their erasure learns that something lies there.
    """

    collection: ClassVar[str] = "handed_mails"
    received_at: datetime
    expires_at: datetime
    address: str


class WebhookEvent(Record, frozen=True, kw_only=True, omit_defaults=True):
    """That a vendor's event was taken, so that its repeat changes nothing. Its id: the vendor, and the vendor's own id."""

    collection: ClassVar[str] = "webhook_events"
    expires_at: datetime


class Breaker(Record, frozen=True, kw_only=True, omit_defaults=True):
    """When erasures that nobody asked for began lately, oldest first, and since when they are stopped. One record."""

    collection: ClassVar[str] = "breakers"
    begun: list[datetime]
    head: Head
    tripped_at: datetime | None = None


class Import(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One file, or one vendor's lists, being taken in; see `shared.promises.importing`. Its id: a keyed hash of which.

    `line`: up to which it was taken, in the same commits. `n_told`: commits that had vendors told of stops.
    `done_at`: when it was last taken to its end.
    """

    collection: ClassVar[str] = "imports"
    kind: Literal["customers", "consents", "unsubscribes", "suppressions"]
    source: Literal["file", "sendgrid", "stripe"]
    state: Literal["running", "done"]
    by: str
    started_at: datetime
    head: Head
    line: int = 0
    counts: dict[str, int] = {}
    n_told: int = 0
    done_at: datetime | None = None


class RefusedRow(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Why one row was not taken, without anything that stood in it."""

    line: int
    field: str
    rule: str


class RefusedRows(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The rows of one commit of an import that were not taken. Its id: the import's and the first of the lines."""

    collection: ClassVar[str] = "refused_rows"
    rows: list[RefusedRow]


class WebsiteDocument(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A document of the demo website's own database. Its id is its path; the data is the website's, not ours."""

    collection: ClassVar[str] = "website_documents"
    parent: str
    data: dict[str, Any]


RECORDS: tuple[type[Record], ...] = (
    Subject,
    Alias,
    Pending,
    Idempotency,
    Throttle,
    Quota,
    Submission,
    Suppression,
    Telling,
    VendorRestriction,
    Policy,
    Findings,
    InForce,
    Campaign,
    Batch,
    Request,
    Piece,
    Retained,
    Tombstone,
    Work,
    Attention,
    Incident,
    LedgerEntry,
    Checkpoint,
    InboundMail,
    HandedMail,
    WebhookEvent,
    Breaker,
    Import,
    RefusedRows,
    WebsiteDocument,
)

DUE_WORK = Query(Work, by="due_at")
WATCHED_REQUESTS = Query(Request, equals=("open",), by="watch_by")
ALL_REQUESTS = Query(Request)
REQUESTS_OF_ADDRESS = Query(Request, equals=("lookup",))
REQUESTS_BY_STATUS = Query(Request, equals=("status",))
VERIFIED_REQUESTS = Query(Request, by="verified_at")
EVIDENCE_OF_SUBJECT = Query(LedgerEntry, equals=("subject",))
ALL_EVIDENCE = Query(LedgerEntry)
EVIDENCE_BY_TIME = Query(LedgerEntry, by="at")
ALL_ATTENTION = Query(Attention)
ATTENTION_OF_KIND = Query(Attention, equals=("kind",))
ALL_CAMPAIGNS = Query(Campaign)
ALL_BATCHES = Query(Batch)
"""Ids begin with their campaign's, so that all of one campaign are found."""
ACCOUNTS = Query(Addressee, equals=("kind",))
SUPPRESSIONS_OF_ADDRESS = Query(Suppression)
"""Ids begin with the keyed hash of the address, so that one round trip finds all of them."""
PENDINGS_OF_ADDRESS = Query(Pending, equals=("address",))
MAILS_OF_ADDRESS = Query(InboundMail, equals=("address",))
HANDED_MAILS_OF_ADDRESS = Query(HandedMail, equals=("address",))
WEBSITE_BELOW = Query(WebsiteDocument)
WEBSITE_COLLECTION = Query(WebsiteDocument, equals=("parent",))
RETAINED_OF_REQUEST = Query(Retained, equals=("request",), by="until")
RETAINED_OF_STEP = Query(Retained, equals=("request", "subprocessor"), by="until")
RETAINED_BY_PLACE = Query(Retained)
"""Ids begin with the keyed hash of the place, so that any request's records of it are found."""
PIECES_OF_WORK = Query(Piece)
"""Ids begin with the work item's that wrote them, so that the next attempt finds what a crash left."""
TOMBSTONES_BY_TIME = Query(Tombstone, by="erased_at")
ALL_IMPORTS = Query(Import)
REFUSED_ROWS = Query(RefusedRows)
"""Ids begin with their import's."""
ENDING = (
    Pending,
    Idempotency,
    Throttle,
    Quota,
    Submission,
    Tombstone,
    Subject,
    Request,
    Piece,
    WebhookEvent,
    InboundMail,
    HandedMail,
    # a campaign before its batches: its last entry of evidence names theirs
    Campaign,
    Batch,
)
EXPIRED = tuple(Query(kind, by="expires_at") for kind in ENDING)
QUERIES: tuple[Query[Any], ...] = (
    DUE_WORK,
    WATCHED_REQUESTS,
    ALL_REQUESTS,
    REQUESTS_BY_STATUS,
    REQUESTS_OF_ADDRESS,
    VERIFIED_REQUESTS,
    EVIDENCE_OF_SUBJECT,
    ALL_EVIDENCE,
    EVIDENCE_BY_TIME,
    ALL_ATTENTION,
    ATTENTION_OF_KIND,
    ALL_CAMPAIGNS,
    ALL_BATCHES,
    ACCOUNTS,
    SUPPRESSIONS_OF_ADDRESS,
    PENDINGS_OF_ADDRESS,
    MAILS_OF_ADDRESS,
    HANDED_MAILS_OF_ADDRESS,
    WEBSITE_BELOW,
    WEBSITE_COLLECTION,
    RETAINED_OF_REQUEST,
    RETAINED_OF_STEP,
    RETAINED_BY_PLACE,
    PIECES_OF_WORK,
    TOMBSTONES_BY_TIME,
    ALL_IMPORTS,
    REFUSED_ROWS,
    *EXPIRED,
)
_DECLARED = frozenset(QUERIES)


@lru_cache
def queried(kind: type[Record]) -> tuple[str, ...]:
    """Return the fields of a record that any query names: a store keeps them beside the record."""
    asked = (query for query in QUERIES if query.kind.collection == kind.collection)
    return tuple(sorted({field for query in asked for field in (*query.equals, query.by)} - {"id"}))


def has_index(query: Query[Any]) -> bool:
    """Tell whether a query is declared here. A whole collection by id needs no index and may be read undeclared."""
    return query in _DECLARED or (not query.equals and query.by == "id")
