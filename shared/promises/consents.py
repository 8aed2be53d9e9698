"""§2: consent is recorded with its evidence, and only as described; withdrawing is the same call.

Evidence of a decision: the version and its hash, the signed notice, what was decided for each purpose, how, in which
language, when. Each is a stream of its own whose first entry is the signed receipt (ISO/IEC TS 27560 terms). E-mail consent from
a page anybody can fill in is pending until the mailbox confirms it. A yes of somebody signed in stands at once; where their mailbox
said no, it is asked, since its word alone lifts that. Saying no needs no proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from shared import identity, ledger, suppressions, throttle, work
from shared.company import SIGNALS, Purpose
from shared.failures import BadInput, Stale, TooMany, TryAgain
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import notice, objections, people
from shared.promises.confirmations import CONFIRM_WITHIN, MAIL
from shared.promises.people import Found
from shared.promises.policy import Published
from shared.records import (
    Alias,
    Decision,
    Head,
    Idempotency,
    Link,
    Pending,
    Subject,
)
from shared.store import Change, Create, Stored, Update, persist
from shared.times import plus, rfc3339
from shared.unit_of_work import UnitOfWork, within
from shared.vault import canonical, new_id, new_token, token_hash

Method = Literal["banner", "form", "settings", "email", "import"]
ANSWERS_KEPT = timedelta(days=2)


class Who(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose decision it is. `user_id` only from the website's server."""

    device_id: str | None = None
    email: str | None = None
    user_id: str | None = None
    ga_client_id: str | None = None


class Decided(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was decided, on which notice, and how."""

    subject: Who
    notice: str
    decisions: dict[str, bool]
    method: Method
    locale: str | None = None


@dataclass(frozen=True)
class Capture:
    """A checked decision, and everything its records are made of.

    `mailbox`: the one whose word is asked for, and `asked_back`: for which purposes. Those, and what is signed and answered
    of them, follow from what stands at that moment; all else is the same when it is tried again.
    """

    who: Who
    email: str | None
    decisions: Mapping[str, bool]
    asked: Mapping[str, Purpose]
    method: Method
    at: datetime
    published: Published
    shown: str
    locale: str
    receipt: str
    repeat: tuple[str, str] | None
    mailbox: str | None = None
    asked_back: Sequence[str] = ()
    jws: str = ""
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def pending(self) -> Sequence[str]:
        """Return what counts for nothing until a mailbox confirms it: nothing of what the website's server vouches for."""
        return () if self.who.user_id else self.asked_back

    def stands(self) -> dict[str, Decision]:
        """Return the decisions as they stand for a subject."""
        return {
            name: Decision(
                granted=granted and name not in self.pending,
                at=self.at,
                policy=self.published.version,
                receipt=self.receipt,
                pending=name in self.pending,
                until=plus(self.at, self.asked[name].ask_again_after),
            )
            for name, granted in self.decisions.items()
        }


def capture(
    services: Services, published: Published, said: Decided, *, server: bool, key: str | None
) -> dict[str, Any]:
    """Record decisions with their evidence in one commit; return the contract's answer.

    A new device costs no read. Raises BadInput (forged notice, unknown purpose, malformed identifier), Stale (an older
    notice, an address that is not this user's, a key used for something else), TooMany.
    """
    repeat = _repeat_of(services, said, key, server=server)
    try:
        return _record(services, _checked(services, published, said, repeat, server=server))
    except Stale:
        # policy or address may have changed since the first call: its repeat still gets the same answer
        if earlier := _repeated(services, repeat):
            return earlier
        raise


def _record(services: Services, checked: Capture) -> dict[str, Any]:
    def attempt(look: bool) -> dict[str, Any]:
        if look and (earlier := _repeated(services, checked.repeat)):
            return earlier
        account = _account(services, checked)
        taken = _signed(services, _waiting(services, checked, account))
        services.commit(_changes(services, taken, account, look=look))
        return taken.answer

    return persist(attempt)


def _checked(
    services: Services, published: Published, said: Decided, repeat: tuple[str, str] | None, *, server: bool
) -> Capture:
    who = _identified(said.subject, server=server)
    email = identity.address(said.subject.email, "subject.email") if said.subject.email is not None else None
    locale = identity.locale(said.locale)
    shown = notice.opened(services.vault, said.notice, published)
    return Capture(
        who=who,
        email=email,
        decisions=said.decisions,
        asked=_asked(published, shown.purposes, said.decisions),
        method=said.method,
        at=services.clock.now(),
        published=published,
        shown=shown.shown,
        locale=locale,
        receipt=new_id(),
        repeat=repeat,
    )


def _identified(who: Who, *, server: bool) -> Who:
    if who.user_id is not None:
        if not server:
            raise BadInput("only the website's server may name a user", "subject.user_id")
        identity.user_id(who.user_id, "subject.user_id")
    if who.device_id is not None:
        identity.device_id(who.device_id, "subject.device_id")
    if who.ga_client_id is not None and not 1 <= len(who.ga_client_id) <= 128:
        raise BadInput("1 to 128 characters", "subject.ga_client_id")
    if not (who.device_id or who.user_id or who.email):
        raise BadInput("one of device_id, email or user_id is needed", "subject")
    return who


def _asked(published: Published, shown: Sequence[str], decisions: Mapping[str, bool]) -> dict[str, Purpose]:
    purposes = {purpose.name: purpose for purpose in published.purposes()}
    if not decisions:
        raise BadInput("at least one decision is needed", "decisions")
    for name in decisions:
        if name not in shown:
            raise BadInput("this purpose does not stand in the notice", f"decisions.{name}")
        if purposes[name].legal_basis != "consent":
            raise BadInput(f"this purpose rests on {purposes[name].legal_basis}; it is not asked", f"decisions.{name}")
    return {name: purposes[name] for name in decisions}


# --- what waits for a mailbox ----------------------------------------------------------------------------------------


def _waiting(services: Services, taken: Capture, account: Found | None) -> Capture:
    """Return the same with what a mailbox is asked. Of a signed-in user: only what that mailbox said no to."""
    yes = [name for name, granted in taken.decisions.items() if granted]
    if taken.who.user_id is None:
        waits = [name for name in yes if _waits(taken.asked[name], taken.who)]
        return replace(taken, mailbox=taken.email, asked_back=waits) if waits else taken
    for email in account.known.mailboxes if account and yes else []:
        if stopped := _stopped(services, taken, email, yes):
            return replace(taken, mailbox=email, asked_back=stopped)
    return taken


def _waits(purpose: Purpose, who: Who) -> bool:
    # without a device there is nobody yet whom the decision could stand for but the mailbox
    return purpose.channel == "email" or who.device_id is None


def _stopped(services: Services, taken: Capture, email: str, names: Sequence[str]) -> list[str]:
    """Return which of these purposes the address said no to: that stands until the mailbox itself says yes again."""
    stops = suppressions.chosen(services, email)
    from_all = [name for name in names if taken.asked[name].is_marketing and suppressions.from_all(stops, name)]
    return [name for name in names if name in stops or name in from_all]


# --- evidence and answer ---------------------------------------------------------------------------------------------


def _signed(services: Services, taken: Capture) -> Capture:
    return replace(taken, jws=services.vault.sign(_receipt(services, taken)), answer=_answer(services, taken))


def _receipt(services: Services, taken: Capture) -> dict[str, Any]:
    policy = taken.published.policy
    return {
        "iss": services.base_url,
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": taken.receipt,
        "privacy_notice": {"version": taken.published.version, "sha256": policy.hash, "shown_sha256": taken.shown},
        "catalogue_sha256": policy.catalogue_hash,
        "language": taken.locale,
        "collection_method": taken.method,
        "event_time": rfc3339(taken.at),
        "event_type": "explicit",
        "purposes": {
            name: "pending" if name in taken.pending else "given" if yes else "refused"
            for name, yes in taken.decisions.items()
        },
    }


def _answer(services: Services, taken: Capture) -> dict[str, Any]:
    granted = {name for name, yes in taken.decisions.items() if yes and name not in taken.pending}
    return {
        "receipt_id": taken.receipt,
        "receipt_url": f"{services.base_url}/consents/receipts/{taken.receipt}",
        "recorded_at": rfc3339(taken.at),
        "policy_version": taken.published.version,
        "policy_hash": taken.published.policy.hash,
        "decisions": dict(taken.decisions),
        "pending": list(taken.pending),
        "consent_mode": consent_mode(taken.asked.values(), granted),
    }


def consent_mode(purposes: Any, granted: set[str]) -> dict[str, str]:
    """Return Google's Consent Mode v2 signals: denied unless a granted purpose carries the signal."""
    carried = {signal for purpose in purposes if purpose.name in granted for signal in purpose.signals}
    return {signal: "granted" if signal in carried or signal == "security_storage" else "denied" for signal in SIGNALS}


def _repeat_of(services: Services, said: Decided, key: str | None, *, server: bool) -> tuple[str, str] | None:
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise BadInput("1 to 255 characters", "Idempotency-Key")
    who = said.subject
    caller = f"{'server' if server else 'browser'}|{who.device_id}|{who.user_id}|{who.email}"
    # keyed, both: a plain digest of a body with an address in it could be guessed
    asked = services.vault.keyed("idempotency-body", canonical(said).decode())
    return services.vault.keyed("idempotency", f"consents|{caller}|{key}"), asked


def _repeated(services: Services, repeat: tuple[str, str] | None) -> dict[str, Any] | None:
    if repeat is None:
        return None
    key, asked = repeat
    earlier = services.store.get(Idempotency, key)
    if earlier is None:
        return None
    if earlier.record.asked != asked:
        raise Stale("this key was used for another decision", "Idempotency-Key")
    return earlier.record.answer


# --- records ---------------------------------------------------------------------------------------------------------


def _changes(services: Services, taken: Capture, account: Found | None, *, look: bool) -> list[Change]:
    changes: list[Change] = []
    refs: list[str] = []
    if taken.who.device_id:
        refs.append(_decided_by_device(services, taken, taken.who.device_id, changes, look=look))
    if taken.who.user_id:
        refs.append(_decided_by_account(services, taken, taken.who.user_id, account, changes))
    elif taken.email:
        # a no is never one too many: whoever used up an address's places must not silence its owner
        changes += _stops(services, taken, taken.email)
    changes += _left_to_mailbox(services, taken, refs, look=look)
    changes.append(_evidence(services, taken, refs[-1] if refs else None)[0])
    if taken.repeat:
        key, asked = taken.repeat
        kept = Idempotency(asked=asked, answer=taken.answer, expires_at=taken.at + ANSWERS_KEPT)
        changes.append(Create(key, kept))
    return changes


def _evidence(services: Services, taken: Capture, ref: str | None) -> tuple[Create, Head]:
    facts = {"jws": taken.jws}
    return ledger.append(services.vault, None, taken.receipt, taken.at, "consent", facts, subject=ref)


def _account(services: Services, taken: Capture) -> Found | None:
    """Return the user's account; None for one who was never linked. Raises Stale, TryAgain."""
    user = taken.who.user_id
    alias = services.store.get(Alias, identity.alias(services.vault, "user", user)) if user else None
    found = people.by_ref(services, alias.record.links[0].ref) if alias else None
    if alias and found is None:
        raise TryAgain("subject_is_being_erased")
    if user and taken.email and taken.email not in (found.known.addresses[-1:] if found else []):
        raise Stale("this is not a confirmed address of this user", "subject.email")
    return found


def _decided_by_device(services: Services, taken: Capture, device: str, changes: list[Change], *, look: bool) -> str:
    """Add the changes for a device; return its ref."""
    alias_id = identity.alias(services.vault, "device", device)
    found = services.store.get(Alias, alias_id) if look else None
    if found is None:
        return _first_met(services, taken, "device", device, alias_id, changes)
    ref = found.record.links[0].ref
    subject = services.store.get(Subject, ref)
    if subject is None:
        raise TryAgain("subject_is_being_erased")
    changes.append(Update(subject, _with_decisions(services, taken, subject)))
    return ref


def _decided_by_account(
    services: Services, taken: Capture, user: str, account: Found | None, changes: list[Change]
) -> str:
    """Add the changes for an account; return its ref."""
    if account is None:
        return _first_met(services, taken, "user", user, identity.alias(services.vault, "user", user), changes)
    changes += _withdrawals(services, taken, account)
    changes.append(Update(account.stored, _with_decisions(services, taken, account.stored)))
    return account.ref


def _first_met(services: Services, taken: Capture, kind: str, value: str, alias_id: str, changes: list[Change]) -> str:
    ref = new_id()
    known = Identifiers(user_id=value) if kind == "user" else Identifiers(device_id=value)
    if kind == "device" and taken.who.ga_client_id:
        known.ga_client_ids = [taken.who.ga_client_id]
    device = kind == "device"
    subject = Subject(
        kind="device" if device else "account",
        created_at=taken.at,
        sealed=services.vault.seal(f"subjects/{ref}", known),
        decisions=taken.stands(),
        asked=list(taken.decisions),
        expires_at=plus(taken.at, services.company.evidence_kept_for) if device else None,
    )
    link = Link(
        ref=ref,
        kind=subject.kind,
        source="browser" if device else "server",
        confirmed_at=None if device else taken.at,
    )
    changes += [Create(ref, subject), Create(alias_id, Alias(links=[link]))]
    return ref


def _with_decisions(services: Services, taken: Capture, stored: Stored[Subject]) -> Subject:
    subject = stored.record
    changed: dict[str, Any] = {"decisions": subject.decisions | taken.stands(), "asked": list(taken.decisions)}
    if subject.kind == "device":
        changed["expires_at"] = plus(taken.at, services.company.evidence_kept_for)
        if taken.who.ga_client_id:
            changed["sealed"] = _with_client(services, stored, taken.who.ga_client_id)
    return msgspec.structs.replace(subject, **changed)


def _with_client(services: Services, stored: Stored[Subject], client: str) -> bytes:
    place = f"subjects/{stored.id}"
    known = msgspec.convert(services.vault.unseal(place, stored.record.sealed), Identifiers)
    if client in known.ga_client_ids:
        return stored.record.sealed
    known.ga_client_ids.append(client)
    return services.vault.seal(place, known)


def _withdrawals(services: Services, taken: Capture, account: Found) -> list[Change]:
    """Stop broadly: at every address the account has or had, and at the one that nobody confirmed yet."""
    # two of them may be one address to whoever stops broadly: each sees what those before it stop
    unit = UnitOfWork(services.store)
    for email in dict.fromkeys([*account.known.addresses, *account.known.mailboxes]):
        unit.add(_stops(within(services, unit), taken, email))
    return unit.changes()


def _stops(services: Services, taken: Capture, email: str) -> list[Change]:
    """Saying no needs no proof and acts on the address at once, whoever else asks for it to be written to."""
    refused = [name for name, yes in taken.decisions.items() if not yes and taken.asked[name].channel == "email"]
    return objections.stop(services, email, refused, "withdrawn", "consent") if refused else []


def _left_to_mailbox(services: Services, taken: Capture, refs: Sequence[str], *, look: bool) -> list[Change]:
    """Ask the mailbox about a yes; a plain no that belongs to nobody only gets an end for its receipt."""
    email = taken.mailbox or taken.email
    if email is None or not (taken.asked_back or not refs):
        return []
    token = new_token()
    pending_id = token_hash(token)
    created = Create(pending_id, _pending(services, taken, email, refs, pending_id, token))
    if not taken.asked_back:
        return [created]
    try:
        place = throttle.place(services, email, taken.at, "subject.email", look=look)
    except TooMany:
        if taken.who.user_id is None:
            raise
        # what a server records is never refused for mails that others had sent there: the no stands on
        return []
    return [place, created, work.item(MAIL, pending_id, taken.at)]


def _pending(
    services: Services, taken: Capture, email: str, refs: Sequence[str], pending_id: str, token: str
) -> Pending:
    # a plain no that belongs to nobody has nothing to confirm; this only gives its receipt an end
    kept = taken.at + CONFIRM_WITHIN if taken.asked_back else plus(taken.at, services.company.evidence_kept_for)
    place = f"pendings/{pending_id}"
    opened = {"email": email, "token": token, "locale": taken.locale}
    return Pending(
        address=identity.alias(services.vault, "email", email),
        purposes=list(taken.asked_back),
        receipt=taken.receipt,
        policy=taken.published.version,
        device=refs[0] if refs else None,
        account=refs[1] if refs[1:] else None,
        created_at=taken.at,
        expires_at=kept,
        head=_evidence(services, taken, refs[-1] if refs else None)[1],
        sealed=services.vault.seal(place, opened) if taken.asked_back else None,
    )
