"""§2: consent is recorded with its evidence, and only as described; withdrawing is the same call.

Evidence of a decision: the version and its hash, the signed notice, what was decided for each purpose, how, in which
language, when. Each is a stream of its own whose first entry is the signed receipt (ISO/IEC TS 27560 terms). E-mail consent from
a page anybody can fill in is pending until the mailbox confirms it; saying no needs no proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from shared import identity, ledger, throttle, work
from shared.company import SIGNALS, Purpose
from shared.failures import BadInput, Stale, TryAgain
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import notice, objections
from shared.promises.confirmations import CONFIRM_WITHIN, MAIL
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
    """A checked decision, and everything its records are made of. Built once, so that a retry writes the same."""

    who: Who
    email: str | None
    server: bool
    decisions: Mapping[str, bool]
    pending: Sequence[str]
    email_purposes: Sequence[str]
    at: datetime
    published: Published
    until: Mapping[str, datetime]
    locale: str
    receipt: str
    jws: str
    answer: dict[str, Any]
    repeat: tuple[str, str] | None

    def stands(self) -> dict[str, Decision]:
        """Return the decisions as they stand for a subject."""
        return {
            name: Decision(
                granted=granted and name not in self.pending,
                at=self.at,
                policy=self.published.version,
                receipt=self.receipt,
                pending=name in self.pending,
                until=self.until[name],
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
        return _capture(services, _checked(services, published, said, repeat, server=server))
    except Stale:
        # policy or address may have changed since the first call: its repeat still gets the same answer
        if earlier := _repeated(services, repeat):
            return earlier
        raise


def _capture(services: Services, taken: Capture) -> dict[str, Any]:
    def attempt(look: bool) -> dict[str, Any]:
        if look and (earlier := _repeated(services, taken.repeat)):
            return earlier
        services.commit(_changes(services, taken, look=look))
        return taken.answer

    return persist(attempt)


def _checked(
    services: Services, published: Published, said: Decided, repeat: tuple[str, str] | None, *, server: bool
) -> Capture:
    who = _identified(said.subject, server=server)
    email = identity.address(said.subject.email, "subject.email") if said.subject.email is not None else None
    locale = identity.locale(said.locale)
    shown = notice.opened(services.vault, said.notice, published)
    asked = _asked(published, shown.purposes, said.decisions)
    pending = [] if who.user_id else [name for name, yes in said.decisions.items() if yes and _waits(asked[name], who)]
    now, receipt = services.clock.now(), new_id()
    claims = _receipt(services, published, said, shown, locale, now, receipt, pending)
    return Capture(
        who=who,
        email=email,
        server=server,
        decisions=said.decisions,
        pending=pending,
        email_purposes=[name for name, purpose in asked.items() if purpose.channel == "email"],
        at=now,
        published=published,
        until={name: plus(now, purpose.ask_again_after) for name, purpose in asked.items()},
        locale=locale,
        receipt=receipt,
        jws=services.vault.sign(claims),
        answer=_answer(services, published, said.decisions, pending, asked, now, receipt),
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


def _waits(purpose: Purpose, who: Who) -> bool:
    # without a device there is nobody yet whom the decision could stand for but the mailbox
    return purpose.channel == "email" or who.device_id is None


def _receipt(
    services: Services,
    published: Published,
    said: Decided,
    shown: notice.Snapshot,
    locale: str,
    now: datetime,
    receipt: str,
    pending: Sequence[str],
) -> dict[str, Any]:
    return {
        "iss": services.base_url,
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": receipt,
        "privacy_notice": {"version": published.version, "sha256": published.policy.hash, "shown_sha256": shown.shown},
        "catalogue_sha256": published.policy.catalogue_hash,
        "language": locale,
        "collection_method": said.method,
        "event_time": rfc3339(now),
        "event_type": "explicit",
        "purposes": {
            name: "pending" if name in pending else "given" if yes else "refused"
            for name, yes in said.decisions.items()
        },
    }


def _answer(
    services: Services,
    published: Published,
    decisions: Mapping[str, bool],
    pending: Sequence[str],
    asked: Mapping[str, Purpose],
    now: datetime,
    receipt: str,
) -> dict[str, Any]:
    granted = {name for name, yes in decisions.items() if yes and name not in pending}
    return {
        "receipt_id": receipt,
        "receipt_url": f"{services.base_url}/consents/receipts/{receipt}",
        "recorded_at": rfc3339(now),
        "policy_version": published.version,
        "policy_hash": published.policy.hash,
        "decisions": dict(decisions),
        "pending": list(pending),
        "consent_mode": consent_mode(asked.values(), granted),
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


def _changes(services: Services, taken: Capture, *, look: bool) -> list[Change]:
    changes: list[Change] = []
    refs: list[str] = []
    if taken.who.device_id:
        refs += _decided_by(services, taken, "device", taken.who.device_id, changes, look=look)
    if taken.who.user_id:
        refs += _decided_by(services, taken, "user", taken.who.user_id, changes, look=True)
    elif taken.email:
        changes += _by_mail(services, taken, refs[0] if refs else None, look=look)
    changes.append(_evidence(services, taken, refs[-1] if refs else None)[0])
    if taken.repeat:
        key, asked = taken.repeat
        kept = Idempotency(asked=asked, answer=taken.answer, expires_at=taken.at + ANSWERS_KEPT)
        changes.append(Create(key, kept))
    return changes


def _evidence(services: Services, taken: Capture, ref: str | None) -> tuple[Create, Head]:
    facts = {"jws": taken.jws}
    return ledger.append(services.vault, None, taken.receipt, taken.at, "consent", facts, subject=ref)


def _decided_by(
    services: Services, taken: Capture, kind: str, value: str, changes: list[Change], *, look: bool
) -> list[str]:
    """Add the changes for a device or a user; return its ref."""
    alias_id = identity.alias(services.vault, kind, value)
    found = services.store.get(Alias, alias_id) if look else None
    if found is None:
        if taken.email and kind == "user":
            raise Stale("this is not a confirmed address of this user", "subject.email")
        ref = new_id()
        changes += _first_met(services, taken, kind, value, alias_id, ref)
        return [ref]
    ref = found.record.links[0].ref
    subject = services.store.get(Subject, ref)
    if subject is None:
        raise TryAgain("subject_is_being_erased")
    if kind == "user":
        changes += _user_withdrawals(services, taken, subject)
    changes.append(Update(subject, _with_decisions(services, taken, subject)))
    return [ref]


def _first_met(services: Services, taken: Capture, kind: str, value: str, alias_id: str, ref: str) -> list[Change]:
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
    return [Create(ref, subject), Create(alias_id, Alias(links=[link]))]


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


def _user_withdrawals(services: Services, taken: Capture, stored: Stored[Subject]) -> list[Change]:
    known = msgspec.convert(services.vault.unseal(f"subjects/{stored.id}", stored.record.sealed), Identifiers)
    if taken.email and taken.email not in known.addresses[-1:]:
        raise Stale("this is not a confirmed address of this user", "subject.email")
    # two of them may be one address to whoever stops broadly: each sees what those before it stop
    unit = UnitOfWork(services.store)
    for email in known.addresses:
        unit.add(_stops(within(services, unit), taken, email))
    return unit.changes()


def _stops(services: Services, taken: Capture, email: str) -> list[Change]:
    """Saying no needs no proof and acts on the address at once, whoever else asks for it to be written to."""
    refused = [name for name in taken.email_purposes if not taken.decisions[name]]
    return objections.stop(services, email, refused, "withdrawn", "consent") if refused else []


def _by_mail(services: Services, taken: Capture, device: str | None, *, look: bool) -> list[Change]:
    """Add what an address from a browser may do: stop mail at once, and ask the mailbox about a yes."""
    email = taken.email or ""
    # a no is never one too many: whoever used up an address's places must not silence its owner
    changes = _stops(services, taken, email)
    changes += [throttle.place(services, email, taken.at, "subject.email", look=look)] if taken.pending else []
    if taken.pending or device is None:
        token = new_token()
        pending_id = token_hash(token)
        changes.append(Create(pending_id, _pending(services, taken, email, device, pending_id, token)))
        changes += [work.item(MAIL, pending_id, taken.at)] if taken.pending else []
    return changes


def _pending(
    services: Services, taken: Capture, email: str, device: str | None, pending_id: str, token: str
) -> Pending:
    # a plain no that belongs to nobody has nothing to confirm; this only gives its receipt an end
    kept = taken.at + CONFIRM_WITHIN if taken.pending else plus(taken.at, services.company.evidence_kept_for)
    place = f"pendings/{pending_id}"
    opened = {"email": email, "token": token, "locale": taken.locale}
    return Pending(
        address=identity.alias(services.vault, "email", email),
        purposes=list(taken.pending),
        receipt=taken.receipt,
        policy=taken.published.version,
        device=device,
        created_at=taken.at,
        expires_at=kept,
        head=_evidence(services, taken, device)[1],
        sealed=services.vault.seal(place, opened) if taken.pending else None,
    )
