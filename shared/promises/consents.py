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
from shared.failures import BadInput, Missing, Stale, TryAgain
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import notice
from shared.promises.policy import Published
from shared.records import (
    Alias,
    Decision,
    Head,
    Idempotency,
    LedgerEntry,
    Link,
    Pending,
    Subject,
    Suppression,
)
from shared.store import Change, Create, Delete, Put, Stored, Update, persist
from shared.times import plus, rfc3339
from shared.vault import canonical, new_id, new_token, token_hash, unb64url

Method = Literal["banner", "form", "settings", "email", "import"]
CONFIRM_WITHIN = timedelta(days=7)
ANSWERED_AGAIN_FOR = timedelta(days=30)
ANSWERS_KEPT = timedelta(days=2)
MAIL = "consent.mail"


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
    return [change for email in known.addresses for change in _stops(services, taken, email)]


def _stops(services: Services, taken: Capture, email: str) -> list[Change]:
    """Saying no needs no proof and acts on the address at once, whoever else asks for it to be written to."""
    return [
        Put(
            identity.suppression(services.vault, email, name),
            Suppression(reason="withdrawn", since=taken.at),
        )
        for name in taken.email_purposes
        if not taken.decisions[name]
    ]


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


# --- the mailbox answers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """A pending consent as its mailbox sees it. `masked` is None once it is confirmed."""

    stored: Stored[Pending]
    masked: str | None
    purposes: list[Purpose]


def waiting(services: Services, published: Published, token: str) -> Waiting:
    """Return what a mailed token confirms. Raises BadInput (unknown), Stale (expired)."""
    stored = services.store.get(Pending, token_hash(token))
    if stored is None or not stored.record.purposes:
        raise BadInput("this link was not made here, or expired", "t")
    if stored.record.confirmed_at is None and services.clock.now() > stored.record.expires_at:
        raise Stale("this link has expired; decide again on the website", "t")
    known = {purpose.name: purpose for purpose in published.purposes()}
    sealed = stored.record.sealed
    masked = identity.masked(_opened(services, stored)["email"]) if sealed else None
    return Waiting(stored, masked, [known[name] for name in stored.record.purposes if name in known])


def _opened(services: Services, stored: Stored[Pending]) -> dict[str, str]:
    opened: dict[str, str] = services.vault.unseal(f"pendings/{stored.id}", stored.record.sealed or b"")
    return opened


def confirm(services: Services, published: Published, token: str) -> dict[str, Any]:
    """Record that the mailbox confirmed. Confirming again answers the same and changes nothing."""

    def attempt(_look: bool) -> dict[str, Any]:
        found = waiting(services, published, token)
        record = found.stored.record
        if record.confirmed_at is None:
            services.commit(_confirmation(services, found))
        return {
            "confirmed": record.purposes,
            "recorded_at": rfc3339(record.confirmed_at or services.clock.now()),
            "receipt_id": record.receipt,
            "receipt_url": f"{services.base_url}/consents/receipts/{record.receipt}",
        }

    return persist(attempt)


def _confirmation(services: Services, found: Waiting) -> list[Change]:
    now, record = services.clock.now(), found.stored.record
    email = _opened(services, found.stored)["email"]
    granted = {
        purpose.name: Decision(
            granted=True, at=now, policy=record.policy, receipt=record.receipt, until=plus(now, purpose.ask_again_after)
        )
        for purpose in found.purposes
    }
    ref, changes = _mailbox(services, email, granted, now)
    # where a device decided too, the mailbox's word is a stream of its own: erasing one leaves the other's evidence
    stream, before = (f"{record.receipt}m", None) if record.device else (record.receipt, record.head)
    facts = {"purposes": list(granted)}
    entry, head = ledger.append(services.vault, before, stream, now, "consent.confirmed", facts, subject=ref)
    after = msgspec.structs.replace(
        record, confirmed_at=now, sealed=None, head=head, expires_at=now + ANSWERED_AGAIN_FOR
    )
    lifted: list[Change] = [_lift(services, email, name) for name in granted]
    return [*changes, entry, Update(found.stored, after), *lifted, *_device_knows(services, record, granted)]


def _lift(services: Services, email: str, purpose: str) -> Change:
    # a confirmed opt-in lifts the suppression for that purpose (TRUTH §4)
    return Delete(Suppression, identity.suppression(services.vault, email, purpose))


def _mailbox(services: Services, email: str, granted: dict[str, Decision], now: datetime) -> tuple[str, list[Change]]:
    alias_id = identity.alias(services.vault, "email", email)
    alias = services.store.get(Alias, alias_id)
    links = alias.record.links if alias else []
    own = next((link for link in links if link.kind == "mailbox"), None)
    stored = services.store.get(Subject, own.ref) if own else None
    if own and stored:
        relinked = [msgspec.structs.replace(one, confirmed_at=now) if one is own else one for one in links]
        merged = msgspec.structs.replace(stored.record, decisions=stored.record.decisions | granted)
        return own.ref, [Update(stored, merged), _relinked(alias, alias_id, relinked)]
    ref = new_id()
    subject = Subject(
        kind="mailbox",
        created_at=now,
        sealed=services.vault.seal(f"subjects/{ref}", Identifiers(addresses=[email])),
        decisions=granted,
        asked=list(granted),
    )
    link = Link(ref=ref, kind="mailbox", source="mailbox", confirmed_at=now)
    kept = [one for one in links if one is not own]
    return ref, [Create(ref, subject), _relinked(alias, alias_id, [*kept, link])]


def _relinked(alias: Stored[Alias] | None, alias_id: str, links: list[Link]) -> Change:
    return Update(alias, Alias(links=links)) if alias else Create(alias_id, Alias(links=links))


def _device_knows(services: Services, record: Pending, granted: dict[str, Decision]) -> list[Change]:
    device = services.store.get(Subject, record.device) if record.device else None
    if device is None:
        return []
    # only where the device's latest word is still the one that was confirmed
    known = {
        name: decision
        for name, decision in granted.items()
        if (latest := device.record.decisions.get(name)) and latest.receipt == record.receipt
    }
    return [Update(device, msgspec.structs.replace(device.record, decisions=device.record.decisions | known))]


def send_confirmation(services: Services, claim: work.Claim) -> None:
    """Mail the link that asks the mailbox (work `consent.mail`)."""
    stored = services.store.get(Pending, claim.work.ref)
    if stored is not None and stored.record.sealed is not None:
        opened = _opened(services, stored)
        words = {
            "purposes": [
                {"title": purpose.title, "why": purpose.why}
                for name in stored.record.purposes
                if (purpose := services.company.purpose(name))
            ],
            "link": f"{services.base_url}/consents/confirm?t={opened['token']}",
            "expires_at": stored.record.expires_at,
        }
        services.postman.post("consent_confirm", opened["email"], opened["locale"], words, claim.id)
    services.commit([claim.done()])


# --- reading ---------------------------------------------------------------------------------------------------------


def current(
    services: Services, published: Published, device: str, names: Sequence[str] | None, *, gpc: bool
) -> dict[str, Any]:
    """Return `{decisions, needs_prompt, reasons}` for a device.

    Reasons: never_asked, expired, policy_changed, and gpc (Sec-GPC: 1 denies what nobody explicitly granted here).
    """
    alias = services.store.get(Alias, identity.alias(services.vault, "device", identity.device_id(device)))
    stored = services.store.get(Subject, alias.record.links[0].ref) if alias else None
    asked = {purpose.name: purpose for purpose in published.purposes() if purpose.legal_basis == "consent"}
    for name in names or []:
        if name not in asked:
            raise BadInput(f"{name} is not a consent purpose of this policy", "purposes")
    looked_at = names or (stored.record.asked if stored else []) or list(asked)
    decisions = stored.record.decisions if stored else {}
    now = services.clock.now()
    reasons = sorted({_reason(published, name, decisions.get(name), now, gpc=gpc) for name in looked_at} - {""})
    return {
        "decisions": {name: _granted(decisions.get(name), now) for name in looked_at},
        "needs_prompt": bool(set(reasons) - {"gpc", "pending"}),
        "reasons": reasons,
    }


def _granted(decision: Decision | None, now: datetime) -> bool:
    return decision is not None and decision.granted and (decision.until is None or now < decision.until)


def _reason(published: Published, name: str, decision: Decision | None, now: datetime, *, gpc: bool) -> str:
    if decision is None:
        return "gpc" if gpc else "never_asked"
    if decision.until is not None and now >= decision.until:
        return "expired"
    if published.changed_since(decision.policy, name):
        return "policy_changed"
    return "pending" if decision.pending else ""


def receipt(services: Services, receipt_id: str) -> dict[str, Any]:
    """Return a receipt with its signature, to whoever holds its id. Raises Missing."""
    streams = (receipt_id, f"{receipt_id}m") if receipt_id.isalnum() else ()
    entries = [stored.record for stream in streams for stored in ledger.stream_of(services.store, stream)]
    if not entries or entries[0].kind != "consent":
        raise Missing("there is no such receipt")
    return {"receipt": _claims(entries[0]), "jws": entries[0].facts["jws"], "events": _events(entries)}


def _claims(entry: LedgerEntry) -> dict[str, Any]:
    claims: dict[str, Any] = msgspec.json.decode(unb64url(entry.facts["jws"].split(".")[1]))
    return claims


def _events(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    return [
        {"event": entry.kind, "at": rfc3339(entry.at), "purposes": entry.facts["purposes"]}
        for entry in entries
        if entry.kind != "consent"
    ]
