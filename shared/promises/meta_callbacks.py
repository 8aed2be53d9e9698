"""§4, §5.1: whoever takes our app out of their Facebook or Instagram account has what came from there deleted, and can follow it.

Meta's signature proves its user id and nothing else, so nothing else is touched (TRUTH §6): the link to that id goes, and
Meta's audiences are told to forget the addresses of the account that had it. The account stays.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared import ledger, meta_links
from shared.annex import OURS
from shared.case import Case
from shared.failures import BadInput, Missing
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import erasure, people, requests
from shared.promises.people import Found
from shared.promises.statement import view
from shared.records import Idempotency, Request, Step
from shared.store import Change, Create, Stored, Update, persist
from shared.times import PROMISED
from shared.vault import new_id

FIELD = "signed_request"
ALGORITHM = "HMAC-SHA256"
CHANNEL = "meta_callback"
TOLD = ("facebook", "instagram")
CLOCKS_DIFFER_BY = timedelta(minutes=10)
ANSWERED_AGAIN_FOR = timedelta(days=90)
LONGEST_ID = 255
SHOWN = ("request_id", "right", "status", "received_at", "promise", "statutory_by")


class Signed(msgspec.Struct, frozen=True):
    """What Meta posts. Fields it may add one day are ignored."""

    signed_request: str


class Payload(msgspec.Struct, frozen=True):
    """What is signed. `user_id`: app-scoped. `issued_at`: Unix seconds."""

    algorithm: str
    user_id: str | int
    issued_at: int | None = None


# --- who it is about -------------------------------------------------------------------------------------------------


def opened(sent: str, secrets: Sequence[str], now: datetime) -> str:
    """Return the user id of a signed request: `base64url(HMAC of the encoded payload).base64url(JSON)`.

    `secrets`: of our apps, Instagram's own among them; any may have signed. `now`: real time. Raises BadInput.
    Source: Meta's documents of the data deletion request callback.
    """
    signature, _, encoded = sent.partition(".")
    signed, given = encoded.encode("utf-8", "replace"), _decoded(signature)
    # every secret is compared, whichever matches
    holds = [hmac.compare_digest(hmac.digest(secret.encode(), signed, "sha256"), given) for secret in secrets]
    if not any(holds):
        raise BadInput("the signature does not hold", FIELD)
    try:
        payload = msgspec.json.decode(_decoded(encoded), type=Payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadInput("what is signed is not what Meta's documents describe", FIELD) from None
    _check(payload, now)
    return str(payload.user_id)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("base64url.base64url is needed", FIELD) from None


def _check(payload: Payload, now: datetime) -> None:
    if payload.algorithm.upper() != ALGORITHM:
        raise BadInput(f"only {ALGORITHM} is taken", FIELD)
    if not (0 < len(str(payload.user_id)) <= LONGEST_ID and str(payload.user_id).isprintable()):
        raise BadInput("a user id is needed in it", FIELD)
    # It need not be fresh: Meta does not say for how long it repeats a callback, and a replay does nothing that the first
    # has not done. From the future it cannot be.
    if payload.issued_at is not None and not 0 < payload.issued_at <= (now + CLOCKS_DIFFER_BY).timestamp():
        raise BadInput("its time lies in the future, or is none", FIELD)


# --- the app was taken away ------------------------------------------------------------------------------------------


def deauthorize(services: Services, user_id: str) -> int:
    """Remove the link to this id; return how many accounts had it. Nothing else is touched, and again changes nothing."""

    def attempt(_look: bool) -> int:
        link = meta_links.linked(services, user_id)
        if changes := meta_links.unlinked(services, link):
            services.commit([*changes, *(_evidence(services, one) for one in link.accounts)])
        return len(link.accounts)

    return persist(attempt)


def _evidence(services: Services, one: Found) -> Change:
    now = services.clock.now()
    entry, _ = ledger.append(services.vault, None, new_id(), now, "meta.deauthorized", {}, subject=one.ref)
    return entry


# --- what came from there is to be deleted -----------------------------------------------------------------------------


def delete(services: Services, user_id: str) -> dict[str, str]:
    """Open a request and return Meta's answer, `{url, confirmation_code}`; repeats get the code of the first.

    The code is the request's own id: random, alphanumeric, and good for nothing but reading where it stands.
    """
    year = services.clock.now().year
    here, last_years = (_lookup(services, user_id, each) for each in (year, year - 1))

    def attempt(_look: bool) -> dict[str, str]:
        pointer = services.store.get(Idempotency, here)
        earlier = pointer or services.store.get(Idempotency, last_years)
        found = meta_links.linked(services, user_id).accounts
        if earlier and (not found or _is_open(services, earlier)):
            return earlier.record.answer
        case = _case(services, user_id, found)
        url = f"{services.base_url}/meta-callbacks/deletion/{case.id}"
        answer = {"url": url, "confirmation_code": case.id}
        kept = Idempotency(asked=CHANNEL, answer=answer, expires_at=case.now + ANSWERED_AGAIN_FOR)
        case.also(Update(pointer, kept) if pointer else Create(here, kept))
        case.commit()
        return answer

    return persist(attempt)


def _lookup(services: Services, user_id: str, year: int) -> str:
    """Return what a request is found again by: all that is kept of the id when it has ended (TRUTH §4 a)."""
    return services.vault.keyed(f"evidence:{year}", f"meta:{user_id}")


def _is_open(services: Services, pointer: Stored[Idempotency]) -> bool:
    earlier = services.store.get(Request, pointer.record.answer["confirmation_code"])
    return earlier is not None and earlier.record.open


def _case(services: Services, user_id: str, found: Sequence[Found]) -> Case:
    case = requests.new_case(services, "erasure", CHANNEL, "en", services.clock.now())
    by = case.now + PROMISED
    names = [name for name in services.connected if name in {OURS, *TOLD}]
    case.set(
        only="meta",
        status="in_progress",
        lookup=_lookup(services, user_id, case.now.year),
        verified_at=case.now,
        begun_at=case.now,
        promise_by=by,
        watch_by=min(by, case.record.statutory_by),
        steps={name: Step(at=case.now) for name in names},
    )
    case.note("verified", proof="signed by Meta", promise_by=by, accounts=len(found))
    case.note("begun", steps=names, subjects=len(found))
    if found:
        _ask(case, user_id, found)
    else:
        _nothing_found(case)
    return case


def _ask(case: Case, user_id: str, found: Sequence[Found]) -> None:
    # no subject and no user id of ours stands in it: whatever reads it cannot mistake it for the whole account
    case.envelope.known = [Identifiers(meta_user_ids=[user_id])]
    own, shared = people.own_and_shared(case.services, list(found), None)
    case.envelope.own_addresses, case.envelope.shared_addresses = own, shared
    case.work(erasure.STEP, subprocessor=OURS)


def _nothing_found(case: Case) -> None:
    said = {meta_links.LINK: {"outcome": "nothing_found", "reason": meta_links.UNKNOWN}}
    steps = {name: Step(at=case.now, outcome="nothing_found", evidence=said) for name in case.record.steps}
    case.set(steps=steps, ours_done_at=case.now)
    for name in steps:
        case.note("step.settled", subprocessor=name, outcome="nothing_found", parts=[])
    erasure.settle(case)


def status(services: Services, code: str) -> dict[str, Any]:
    """Return where such a request stands, for whoever holds its code: outcomes and dates, and nothing of the person.

    Raises Missing.
    """
    case = Case.read(services, code)
    if case.record.only != "meta":
        raise Missing("there is no such request")
    whole = view(case)
    steps = [
        {name: one[name] for name in ("subprocessor", "outcome", "at", "until") if name in one}
        for one in whole["steps"]
    ]
    return {name: whole[name] for name in SHOWN if name in whole} | {"steps": steps}
