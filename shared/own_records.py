"""§4: our own records of a person, erased in an order that no crash can spoil, and read back.

The subject goes last and in one commit with its tombstone: as long as anything of ours is left, there is something to
find it by. The tombstone also remembers what was found, so that a run after a crash tells the same story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared.attention import attention_id
from shared.identity import Identifiers, alias
from shared.ledger import stream_of
from shared.records import (
    EVIDENCE_OF_SUBJECT,
    HANDED_MAILS_OF_ADDRESS,
    MAILS_OF_ADDRESS,
    PENDINGS_OF_ADDRESS,
    Alias,
    Attention,
    HandedMail,
    InboundMail,
    LedgerEntry,
    Pending,
    Subject,
    Tombstone,
)
from shared.store import (
    MOST_CHANGES,
    Change,
    Create,
    Delete,
    Store,
    Stored,
    Update,
    every,
    persist,
)
from shared.vault import Vault

MAIL_KINDS = (
    "mail_unclear",
    "mail_about_somebody_else",
    "mail_complaint",
    "mail_objection",
    "mail_withdrawal",
    "mail_throttled",
)
"""What a mail to the contact address may have put on the list of what a person must look at."""
MAILBOX = "the mailbox of the people who answer"
"""The part of our own step that a person does by hand."""


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tombstone is given to remember: when, until when, and what was found beside our own records (counts)."""

    erased_at: datetime
    gone_by: datetime
    found: dict[str, int]


def aliases_of(vault: Vault, known: Iterable[Identifiers]) -> list[str]:
    """Return the ids of all aliases these identifiers can have, each once."""
    return list(dict.fromkeys(alias(vault, kind, value) for one in known for kind, value in _identifiers(one)))


def _identifiers(known: Identifiers) -> Iterator[tuple[str, str]]:
    for kind, value in (("user", known.user_id), ("device", known.device_id), ("email", known.unconfirmed)):
        if value:
            yield kind, value
    for address in known.addresses:
        yield "email", address
    for customer in known.stripe_customer_ids:
        yield "stripe", customer
    for user in known.meta_user_ids:
        yield "meta", user


def evidence_of(store: Store, ref: str) -> list[Stored[LedgerEntry]]:
    """Return the streams that speak of a subject, whole."""
    streams = dict.fromkeys(entry.record.stream for entry in every(store, EVIDENCE_OF_SUBJECT, ref))
    return [entry for stream in streams for entry in stream_of(store, stream)]


def erase(store: Store, vault: Vault, ref: str, known: Sequence[Identifiers], mark: Mark) -> dict[str, int]:
    """Erase one subject, its links and its consents; return what this run and earlier ones found.

    Other people's links to the same identifiers stay.
    """
    return persist(lambda _: _erase_as_read(store, vault, ref, known, mark))


def erase_pendings(store: Store, vault: Vault, addresses: Iterable[str]) -> list[Stored[Pending]]:
    """Delete what still waits for these mailboxes to confirm, with its evidence where that belongs to nobody else.

    Returns what was found.
    """
    found = _pendings(store, vault, addresses)
    for stored in found:
        persist(lambda _, pending=stored.id: _erase_pending(store, pending))  # type: ignore[misc]
    return found


def _erase_pending(store: Store, id: str) -> None:
    stored = store.get(Pending, id)
    if stored is None:
        return
    # once confirmed it is the evidence of the mailbox's yes, and ends with that
    is_anothers = stored.record.device is not None or stored.record.confirmed_at is not None
    evidence = [] if is_anothers else reversed(stream_of(store, stored.record.receipt))
    own = Delete(Pending, stored.id, stored.version)
    _commit(store, [Delete(LedgerEntry, entry.id) for entry in evidence], [own])


def erase_mails(store: Store, vault: Vault, addresses: Iterable[str]) -> list[Stored[InboundMail]]:
    """Delete what these mailboxes wrote to the contact address and nobody has dealt with, with what points at it.

    Returns what was found.
    """
    keys = [alias(vault, "email", address) for address in addresses]
    found = [stored for key in keys for stored in every(store, MAILS_OF_ADDRESS, key)]
    for stored in found:
        pointers = [Delete(Attention, attention_id(kind, stored.id)) for kind in MAIL_KINDS]
        store.commit([Delete(InboundMail, stored.id), *pointers])
    return found


def handed_mails(store: Store, vault: Vault, addresses: Iterable[str]) -> list[Stored[HandedMail]]:
    """Return what is known of mails of these addresses that lie in the mailbox of the people who answer."""
    keys = [alias(vault, "email", address) for address in addresses]
    return [stored for key in keys for stored in every(store, HANDED_MAILS_OF_ADDRESS, key)]


def _pendings(store: Store, vault: Vault, addresses: Iterable[str]) -> list[Stored[Pending]]:
    keys = [alias(vault, "email", address) for address in addresses]
    return [stored for key in keys for stored in every(store, PENDINGS_OF_ADDRESS, key)]


def _erase_as_read(store: Store, vault: Vault, ref: str, known: Sequence[Identifiers], mark: Mark) -> dict[str, int]:
    subject, earlier = store.get(Subject, ref), store.get(Tombstone, ref)
    opened = _subject_identifiers(vault, subject) if subject else None
    remembered = _remembered(vault, earlier) if earlier else {}
    everything = [*known, *([opened] if opened else []), msgspec.convert(remembered, Identifiers)]
    links = _unlinked(store, aliases_of(vault, everything), ref)
    # the end of a stream goes first: a crash between two commits must not leave an entry without its forerunner
    evidence = [Delete(LedgerEntry, entry.id) for entry in reversed(evidence_of(store, ref))]
    now = {"subjects": int(subject is not None), "links": len(links), "evidence": len(evidence)} | mark.found
    found = _most(remembered.get("found", {}), now)
    if not any(now.values()):
        return found
    named = msgspec.to_builtins(opened) if opened else remembered
    stone = _tombstone(vault, ref, mark, named | {"found": found})
    last: list[Change] = [Update(earlier, stone) if earlier else Create(ref, stone)]
    if subject:
        last.append(Delete(Subject, ref, subject.version))
    _commit(store, [*links, *evidence], last)
    return found


def _subject_identifiers(vault: Vault, subject: Stored[Subject]) -> Identifiers:
    return msgspec.convert(vault.unseal(f"subjects/{subject.id}", subject.record.sealed), Identifiers)


def _remembered(vault: Vault, stone: Stored[Tombstone]) -> dict[str, Any]:
    opened: dict[str, Any] = vault.unseal(f"tombstones/{stone.id}", stone.record.sealed)
    return opened


def _tombstone(vault: Vault, ref: str, mark: Mark, remembered: dict[str, Any]) -> Tombstone:
    sealed = vault.seal(f"tombstones/{ref}", remembered)
    return Tombstone(erased_at=mark.erased_at, expires_at=mark.gone_by, sealed=sealed)


def _most(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    # the most, not the sum: a run after a crash meets again what the one before had already counted
    return {name: max(before.get(name, 0), now.get(name, 0)) for name in before | now}


def _unlinked(store: Store, aliases: Iterable[str], ref: str) -> list[Change]:
    """Take this subject's link, and no other, out of each alias; an alias without links goes."""
    changes: list[Change] = []
    for stored in filter(None, (store.get(Alias, one) for one in aliases)):
        others = [link for link in stored.record.links if link.ref != ref]
        if len(others) < len(stored.record.links):
            kept = msgspec.structs.replace(stored.record, links=others)
            changes.append(Update(stored, kept) if others else Delete(Alias, stored.id, stored.version))
    return changes


def _commit(store: Store, changes: list[Change], last: list[Change]) -> None:
    while len(changes) + len(last) > MOST_CHANGES:
        store.commit(changes[:MOST_CHANGES])
        changes = changes[MOST_CHANGES:]
    store.commit([*changes, *last])


def remain(
    store: Store,
    vault: Vault,
    refs: Sequence[str],
    known: Sequence[Identifiers],
    beside: Iterable[Stored[Pending] | Stored[InboundMail]] = (),
) -> bool:
    """Read back: tell whether anything of ours still speaks of these subjects, or of what was deleted `beside` them.

    What came to their addresses since is new, and is nothing that was not deleted.
    """
    stones = filter(None, (store.get(Tombstone, ref) for ref in refs))
    buried = [msgspec.convert(_remembered(vault, stone), Identifiers) for stone in stones]
    aliases = filter(None, (store.get(Alias, one) for one in aliases_of(vault, [*known, *buried])))
    return (
        any(link.ref in refs for stored in aliases for link in stored.record.links)
        or any(store.get(Subject, ref) for ref in refs)
        or any(store.query(EVIDENCE_OF_SUBJECT, ref, limit=1) for ref in refs)
        or any(store.get(type(one.record), one.id) for one in beside)
    )
