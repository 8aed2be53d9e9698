"""§5.1: what is wrong about a person is put right, in our records first and then at everybody who got it (GDPR Art. 16, 19).

Names, languages, countries and addresses we correct by ourselves; anything else a person does. A new address counts only once
its mailbox confirmed it, and only whoever proves the present one may change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from shared import identity, work
from shared.annex import OURS
from shared.case import NEW, Case
from shared.failures import BadInput, Stale
from shared.ports import Corrections, Services
from shared.promises import erasure, notifying, objections, people
from shared.promises.people import Address, Found
from shared.records import Key, Link
from shared.store import Change, Update
from shared.vault import token_hash

FIELDS = Corrections.__struct_fields__
BEGIN = "rectification.begin"
CORRECT = "rectification.correct"
CONFIRM_WITHIN = timedelta(days=7)
MOST_FIELDS = 20
LONGEST = {"name": 200, "country": 60}
LONGEST_OTHER = 1000


# --- what is asked ---------------------------------------------------------------------------------------------------


def checked(corrections: Mapping[str, str] | None, details: str | None) -> dict[str, str]:
    """Return the corrections as they are kept. What no field of ours takes needs `details`, for a person to read.

    Raises BadInput, named `corrections.X`.
    """
    given = {name: value.strip() for name, value in (corrections or {}).items()}
    if len(given) > MOST_FIELDS or any(not name.isprintable() or len(name) > LONGEST["country"] for name in given):
        raise BadInput(f"at most {MOST_FIELDS} fields, by short names", "corrections")
    if not given and not details:
        raise BadInput(f"what is right: one or more of {', '.join(FIELDS)}; or say it in details", "corrections")
    return {name: _checked(name, value, details) for name, value in given.items()}


def _checked(name: str, value: str, details: str | None) -> str:
    field = f"corrections.{name}"
    if name == "email":
        return identity.address(value, field)
    if not value or not value.isprintable() or len(value) > LONGEST.get(name, LONGEST_OTHER):
        raise BadInput(f"1 to {LONGEST.get(name, LONGEST_OTHER)} printable characters", field)
    if name == "locale" and not identity.LOCALE.fullmatch(value):
        raise BadInput("a language tag such as en or de-AT is needed", field)
    if name not in FIELDS and not details:
        raise BadInput(f"not a field we correct by ourselves ({', '.join(FIELDS)}); say it in details", field)
    return value


# --- from proof to correction ----------------------------------------------------------------------------------------


def start(case: Case, found: list[Found]) -> None:
    """Begin as soon as everybody concerned hears of it. `found`: the subjects that are meant."""
    case.work(BEGIN)


def withdraw(case: Case) -> None:
    """Take it back, as long as nothing was corrected."""
    case.set(status="withdrawn")
    case.note("withdrawn")
    for label in case.envelope.addresses:
        case.mail("request_cancelled", label)
    erasure.close(case)


def begin(services: Services, claim: work.Claim) -> None:
    """Ask the new mailbox first, if there is one; else correct at once (work `rectification.begin`)."""
    case = Case.read(services, claim.work.ref)
    if case.record.status != "verified":
        services.commit([claim.done()])
        return
    if "email" in case.envelope.corrections and _may_change_address(case):
        until = case.now + CONFIRM_WITHIN
        case.key("address", use="address", label=NEW, until=until)
        case.mail("address_confirm", NEW)
        case.note("address.asked", until=until)
        case.work(CORRECT, until)
    else:
        _correct(case)
    case.also(claim.done())
    case.commit()


def _may_change_address(case: Case) -> bool:
    """Whoever proves an address that an account has left must not take the account over by it."""
    proven = case.envelope.addresses.get("a1")
    now = {one.known.addresses[-1] for one in _found(case) if one.known.addresses}
    return now <= {proven} if proven else len(now) <= 1


def _found(case: Case) -> list[Found]:
    return [one for ref in case.record.subjects if (one := people.by_ref(case.services, ref))]


def confirm_address(case: Case, token: str, key: Key) -> None:
    """Take it that the new mailbox confirmed. Raises Stale: used, expired, or overtaken."""
    refuse_address(case, key)
    case.set(keys=case.record.keys | {token_hash(token): msgspec.structs.replace(key, used_at=case.now)})
    case.envelope.tokens.pop("address", None)
    case.note("address.confirmed")
    case.work(CORRECT)


def refuse_address(case: Case, key: Key) -> None:
    """Refuse a token that was used, or came when there is nothing left to confirm."""
    if key.used_at is not None:
        raise Stale("this address is confirmed already", "t")
    if case.record.status != "verified" or (key.expires_at is not None and case.now >= key.expires_at):
        raise Stale("this link has expired; the correction can be asked for again at any time", "t")


def correct(services: Services, claim: work.Claim) -> None:
    """Correct, with the new address if its mailbox confirmed in time (work `rectification.correct`)."""
    case = Case.read(services, claim.work.ref)
    if case.record.status == "verified":
        _correct(case)
        case.also(claim.done())
        case.commit()
    else:
        services.commit([claim.done()])


def _correct(case: Case) -> None:
    """Correct our own records in the commit that plans who is told. Evidence names the fields, never what stands in them."""
    found, proven = _found(case), case.envelope.addresses.get("a1")
    if case.record.subjects and not found:
        _overtaken(case)
        return
    wanted = {name: value for name, value in case.envelope.corrections.items() if name in FIELDS}
    if not (_address_is_confirmed(case) and _may_change_address(case)):
        wanted.pop("email", None)
    case.set(corrected=sorted(wanted))
    case.envelope.known = [*(one.known for one in found)]
    own, shared = people.own_and_shared(case.services, found, proven)
    case.envelope.known += people.proven_alone(found, own, case.envelope.user_id, proven)
    # read once: that nobody else has the new address and the link to it must come from the same moment
    new = people.address(case.services, wanted["email"]) if "email" in wanted else None
    if new:
        own, shared = _replaced(case, found, new, own, shared)
    case.envelope.own_addresses, case.envelope.shared_addresses = own, shared
    case.also(*_changes(case, found, wanted, new))
    case.note("corrected", fields=sorted(wanted), subjects=len(found))
    if wanted:
        notifying.ask(case, case.services.connected)
    elif notifying.is_left_to_a_person(case):
        # nothing yet that we could tell anybody
        notifying.ask(case, [OURS])
    else:
        # the new address was all that was asked, and its mailbox never confirmed
        notifying.end(case, "unconfirmed")


def _address_is_confirmed(case: Case) -> bool:
    return any(key.opens == "address" and key.used_at for key in case.record.keys.values())


def _overtaken(case: Case) -> None:
    """Give way to an erasure: nobody is told of somebody they were told to forget, and no mail follows its last."""
    case.set(status="withdrawn")
    case.note("rectification.overtaken")
    erasure.close(case)


# --- our own records -------------------------------------------------------------------------------------------------


def _replaced(
    case: Case, found: list[Found], new: Address, own: list[str], shared: list[str]
) -> tuple[list[str], list[str]]:
    """Return which addresses the new one stands in for, and which of them, or of itself, others use too.

    Only the present address of these accounts is replaced; recipients would take any other for replaced as well.
    """
    left = _present(case, found)
    taken = [new.email] if new.is_anothers(case.record.subjects) else []
    return [one for one in own if one in left], [*(one for one in shared if one in left), *taken]


def _present(case: Case, found: list[Found]) -> set[str]:
    """Return the address that is to be replaced: these accounts have one, or the one that was proved, or none."""
    proven = case.envelope.addresses.get("a1")
    return {one.known.addresses[-1] for one in found if one.known.addresses} or ({proven} if proven else set())


def _changes(case: Case, found: list[Found], wanted: dict[str, str], new: Address | None) -> list[Change]:
    changes: list[Change] = [_subject(case, one, wanted, new) for one in found]
    if new:
        left = _present(case, found) - {new.email}
        if found:
            changes += [_linked(case, found, new, changed=bool(left)), *(_unlinked(case, found, one) for one in left)]
        for one in left:
            # a no to mail was said by the person, and not by their old mailbox; read after the link to it, so that one
            # that is said meanwhile is seen here or sees that they left
            changes += objections.carried(case.services, one, new.email)
    return changes


def _subject(case: Case, one: Found, wanted: dict[str, str], new: Address | None) -> Change:
    place = f"subjects/{one.ref}"
    fields: dict[str, object] = {name: value for name, value in wanted.items() if name != "email"}
    if new:
        addresses = [*(each for each in one.known.addresses if each != new.email), new.email]
        shared = len(case.record.subjects) > 1 or new.is_anothers(case.record.subjects)
        fields |= {"addresses": addresses, "unconfirmed": None, "shared": shared}
    sealed = case.services.vault.seal(place, msgspec.structs.replace(one.known, **fields))
    # whether the old mailbox could be reached says nothing of the new one
    unreachable_at = None if new else one.stored.record.unreachable_at
    return Update(one.stored, msgspec.structs.replace(one.stored.record, sealed=sealed, unreachable_at=unreachable_at))


def _linked(case: Case, found: list[Found], new: Address, *, changed: bool) -> Change:
    refs = {one.ref for one in found}
    others = [link for link in new.links if link.ref not in refs]
    at = case.now if changed else None
    fresh = [
        Link(ref=one.ref, kind=one.stored.record.kind, source="mailbox", confirmed_at=case.now, changed_at=at)
        for one in found
    ]
    return new.linked([*others, *fresh])


def _unlinked(case: Case, found: list[Found], email: str) -> Change:
    left, refs = people.address(case.services, email), {one.ref for one in found}
    return left.linked(
        [msgspec.structs.replace(link, replaced_at=case.now) if link.ref in refs else link for link in left.links]
    )
