"""§5.2, §6: whoever says no to marketing is not marketed to, at once; nobody needs to prove who they are to stop it.

Stop broadly: a stop is kept for the address, however it is written, under a key of its own, whoever it belongs to. It outlives
an erasure, and ends when that address says yes again and confirms it: for what it said yes to, and nothing else. Said at an
address that somebody has left it moves along to the one they have now. An objection to what is no marketing stops that at
once as well, until a person has decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from shared import attention, identity, suppressions, work
from shared.case import Case
from shared.company import Company
from shared.failures import BadInput, Stale
from shared.identity import Identifiers
from shared.ports import Services
from shared.promises import erasure, people, silencing
from shared.promises.people import Found
from shared.records import Decision, Suppression
from shared.store import Change, Create, Delete, Put, Stored, Update, persist
from shared.unit_of_work import UnitOfWork, within
from shared.vault import b64url, unb64url

MARKETING = suppressions.MARKETING
Reason = Literal["objection", "withdrawn", "erasure"]
OBJECTION = "objection"
MAIL = "objection_stopped"
FOLLOW = "objection.follow"
MOST_SPELLINGS = 100


def stop(services: Services, email: str, purposes: Sequence[str], reason: Reason, via: str) -> list[Change]:
    """Return what stops these purposes for an address, its evidence, and the work that tells vendors; `[]` if all stand.

    `purposes`: names, or `marketing` for all direct marketing. `via`: one word for the way it came. Of two who say the
    same at the same moment one meets a Conflict, and finds it stopped when it decides again.
    """
    reach = people.reached(services, email)
    # two of them may be one address to whoever stops broadly: each sees what those before it stop
    unit = UnitOfWork(services.store)
    for one in reach.emails:
        unit.add(_stopping(within(services, unit), one, purposes, reason, via))
    return [*unit.changes(), *reach.bound] if unit.changes() else []


def _stopping(services: Services, email: str, purposes: Sequence[str], reason: Reason, via: str) -> list[Change]:
    standing, code = suppressions.stored(services, email), _spelling(services, email)
    fresh = [one for one in purposes if not _stands(standing.get(one), code)]
    if not fresh:
        return []
    said = Suppression(reason=reason, since=services.clock.now())
    stops = {_id(services, email, one): _stop(said, standing.get(one), code) for one in fresh}
    facts = {"purposes": fresh, "via": via, "suppressions": list(stops)}
    found = {one.id: one for one in standing.values()}
    changes = [Update(found[id], one) if id in found else Create(id, one) for id, one in stops.items()]
    return [*changes, *silencing.ask(services, [email], reason, facts)]


def _id(services: Services, email: str, name: str) -> str:
    return identity.suppression(services.vault, email, name)


def _spelling(services: Services, email: str) -> str:
    # a no counts however the address is written, but vendors know it by its letters: each spelling is told to them
    return services.vault.keyed("suppression", f"exact:{email}")


def _stands(standing: Stored[Suppression] | None, spelling: str) -> bool:
    return standing is not None and not standing.record.except_for and spelling in standing.record.spellings


def _stop(said: Suppression, standing: Stored[Suppression] | None, spelling: str) -> Suppression:
    """Return what stands from now on: the earlier no where it stands undiminished, and this spelling with it."""
    earlier = standing.record if standing else said
    spellings = list(dict.fromkeys([*earlier.spellings, spelling]))[-MOST_SPELLINGS:]
    return msgspec.structs.replace(said if earlier.except_for else earlier, spellings=spellings, requests=[])


def stopped(services: Services, email: str) -> dict[str, Suppression]:
    """Return what was said no to for an address: a purpose's name or `marketing`, and its record. One round trip."""
    return suppressions.chosen(services, email)


def carried(services: Services, old: str, new: str) -> list[Change]:
    """Return what has a person's new address say no to what their old one said no to; `[]` where that was nothing."""
    said, standing = suppressions.chosen(services, old), suppressions.chosen(services, new)
    fresh = {name: one for name, one in said.items() if name not in standing}
    if not fresh:
        return []
    # never in place of a no that the new address says at this very moment
    stops = [Create(_id(services, new, name), one) for name, one in fresh.items()]
    facts = {"purposes": list(fresh), "via": "address_changed", "suppressions": [one.id for one in stops]}
    return [*stops, *silencing.ask(services, [new], "objection", facts)]


def resumed(services: Services, email: str, purposes: Iterable[str]) -> list[Change]:
    """Return what ends the stops of these purposes, now that the address confirmed a yes to them (TRUTH §4).

    An objection to all marketing stands for the rest. What a running request stops stays as it is.
    """
    stored = suppressions.stored(services, email)
    standing = {name: one for name, one in stored.items() if one.record.reason in suppressions.CHOSEN}
    names = [name for name in purposes if name in standing]
    changes: list[Change] = [Delete(Suppression, standing[name].id, standing[name].version) for name in names]
    everything = standing.get(MARKETING)
    if everything and (more := _excepted(services.company, everything.record, purposes)):
        wider = msgspec.structs.replace(everything.record, except_for=[*everything.record.except_for, *more])
        changes.append(Update(everything, wider))
        names = list(dict.fromkeys([*names, *more]))
    return [*changes, *silencing.ask(services, [email], "resumed", {"purposes": names})] if changes else []


def _excepted(company: Company, record: Suppression, purposes: Iterable[str]) -> list[str]:
    marketing = {one.name for one in company.purposes if one.is_marketing}
    return [name for name in purposes if name in marketing and name not in record.except_for]


# --- a request ---------------------------------------------------------------------------------------------------------


def checked(company: Company, scope: str | None) -> str:
    """Return what is objected to: `marketing`, or one of the company's purposes. Raises BadInput."""
    names = [MARKETING, *(one.name for one in company.purposes)]
    if (scope or MARKETING) not in names:
        raise BadInput(f"one of {', '.join(names)}", "scope")
    return scope or MARKETING


def is_marketing(company: Company, scope: str) -> bool:
    """Tell whether it is direct marketing, to which an objection needs no reason and no decision (Art. 21(2), 21(3))."""
    purpose = company.purpose(scope)
    return scope == MARKETING or (purpose is not None and purpose.is_marketing)


def _until_decided(case: Case, emails: Sequence[str], scope: str) -> dict[str, Change]:
    """Return, by id, what stops it until a person has decided: beside other requests, and never in place of a no that stands."""
    changes: dict[str, Change] = {}
    for email in emails:
        key, standing = identity.suppression(case.services.vault, email, scope), _chosen(case.services, email, scope)
        if standing is None:
            changes[key] = Create(key, Suppression(reason="objection", since=case.now, requests=[case.id]))
        elif standing.record.requests:
            together = [*standing.record.requests, case.id]
            changes[key] = Update(standing, msgspec.structs.replace(standing.record, requests=together))
    return changes


def _chosen(services: Services, email: str, scope: str) -> Stored[Suppression] | None:
    standing = suppressions.stored(services, email).get(scope)
    return standing if standing is not None and standing.record.reason in suppressions.CHOSEN else None


def take(case: Case, emails: Sequence[str], scope: str | None, *, mailed: bool = True) -> None:
    """Stop it in the commit that opens the request; nobody is looked up, so it is the same for everybody.

    Marketing ends by itself, once vendors were told. What is no marketing waits, stopped, for a person to decide.
    Raises BadInput for a scope that is none.
    """
    services, scope = case.services, checked(case.services.company, scope)
    marketing = is_marketing(services.company, scope)
    case.set(status="in_progress", scope=scope)
    if mailed and "a1" in case.envelope.addresses:
        case.mail(MAIL, "a1")
    keys = [identity.suppression(services.vault, one, scope) for one in emails]
    case.note(OBJECTION, purposes=[scope], via=case.record.channel, suppressions=keys)
    if marketing:
        case.also(_to_follow(case, emails, scope))
        # needs no look at what was said before, and so shows nothing of it
        said = Suppression(reason="objection", since=case.now)
        case.also(*(Put(_id(services, one, scope), _stop(said, None, _spelling(services, one))) for one in emails))
        case.also(*silencing.ask(services, emails, "objection", {"request": case.id}, request=case.id))
    else:
        stops = _until_decided(case, emails, scope)
        case.set(suppressed=list(stops))
        case.also(*stops.values(), *attention.raised(OBJECTION, case.id, case.now, scope))


def _to_follow(case: Case, emails: Sequence[str], scope: str) -> Change:
    sealed = case.services.vault.seal(f"{FOLLOW}/{case.id}", [[*emails], scope])
    return work.item(FOLLOW, case.id, case.now, said=b64url(sealed))


def follow(services: Services, claim: work.Claim) -> None:
    """Stop it at the present address of whoever has left this one (work `objection.follow`).

    Not in the commit that takes it, which looks nobody up.
    """
    emails, scope = services.vault.unseal(f"{FOLLOW}/{claim.work.ref}", unb64url(claim.work.args["said"]))

    def attempt(_look: bool) -> None:
        unit = UnitOfWork(services.store)
        for reach in (people.reached(services, one) for one in emails):
            # nothing to stop yet for an account that leaves at this moment: it then takes the no along
            unit.add(reach.bound)
            for one in reach.emails[1:]:
                unit.add(_stopping(within(services, unit), one, [scope], "objection", "address_left"))
        services.commit([*unit.changes(), claim.done()])

    persist(attempt)


def take_from(case: Case, account: Found | None, scope: str | None) -> None:
    """Stop it for whoever is signed in: for each of the account's addresses, and for the account itself."""
    known = account.known if account else Identifiers()
    if known.addresses:
        case.envelope.addresses["a1"] = known.addresses[-1]
    take(case, list(dict.fromkeys([*known.addresses, *known.mailboxes])), scope)
    if account is not None:
        _refuse(case, account)


def _refuse(case: Case, found: Found) -> None:
    """Have the account itself say no as well: it may have no address, or change it."""
    company, scope = case.services.company, case.record.scope
    names = [one.name for one in company.purposes if one.name == scope or (scope == MARKETING and one.is_marketing)]
    refused = {name: Decision(granted=False, at=case.now, policy="", receipt=case.id) for name in names}
    decided = msgspec.structs.replace(found.stored.record, decisions=found.stored.record.decisions | refused)
    case.also(Update(found.stored, decided))


def uphold(case: Case, by: str, reason: str) -> None:
    """Have a person decide that it stands. Raises Stale when nothing is to be decided."""
    _undecided(case)
    kept = [one for key in case.record.suppressed if (one := case.services.store.get(Suppression, key))]
    lasting = [msgspec.structs.replace(one.record, requests=[]) for one in kept]
    case.also(*(Update(one, record) for one, record in zip(kept, lasting, strict=True)))
    case.set(status="completed", suppressed=[])
    case.note("upheld", private=reason, by=by)
    case.also(attention.settled(OBJECTION, case.id))
    erasure.close(case)


def refuse_denial(case: Case) -> None:
    """Refuse to deny what nobody may deny: an objection to direct marketing. Raises Stale."""
    if case.record.right == "objection":
        if is_marketing(case.services.company, case.record.scope or MARKETING):
            raise Stale("an objection to direct marketing is never denied (GDPR Art. 21(3))")
        case.also(attention.settled(OBJECTION, case.id), *_unrefused(case))


def _unrefused(case: Case) -> list[Change]:
    """Return what takes this objection out of the account of whoever was signed in."""
    user_id = case.envelope.user_id
    account = people.by_user(case.services, user_id) if user_id else None
    if account is None:
        return []
    record = account.stored.record
    left = {name: one for name, one in record.decisions.items() if one.receipt != case.id}
    return [Update(account.stored, msgspec.structs.replace(record, decisions=left))]


def _undecided(case: Case) -> None:
    if not case.record.open or is_marketing(case.services.company, case.record.scope or MARKETING):
        raise Stale("there is nothing to decide: it is stopped")


def words(case: Case) -> dict[str, Any]:
    """Return what the mail says was stopped: a title, or None for all marketing; and whether a person still decides."""
    company, scope = case.services.company, case.record.scope or MARKETING
    purpose = company.purpose(scope)
    return {"title": purpose.title if purpose else None, "decided": is_marketing(company, scope)}
