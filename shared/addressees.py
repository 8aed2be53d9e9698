"""§8: whom a batch of a campaign is for. Accounts of one mailbox are told once as a rule; twice rather than not at all.

An account whose mailbox an elder one has is left to that one, and looked at again when all others were told: by then that one
may have moved away, be gone, or have been out of reach when its turn came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from shared import batches, identity
from shared.notice_call import Chosen
from shared.ports import Services
from shared.promises import people
from shared.records import ACCOUNTS, Addressee, Batch, Campaign, Link
from shared.store import Stored, every


class Mailbox(msgspec.Struct, frozen=True, gc=False):
    """What of somebody's `identity.Identifiers` a mail needs. The rest is not even decoded: half of what opening costs."""

    addresses: list[str] = []
    locale: str | None = None
    shared: bool = False


class Read(NamedTuple):
    """Some accounts that were read: whom to write to, and who was left to another account of the mailbox."""

    chosen: list[Chosen]
    left: list[str]


def of_page(services: Services, page: Sequence[Stored[Addressee]], campaign: Campaign) -> Read:
    """Return who of these accounts is written to now."""
    found: dict[str, Chosen] = {}
    left: list[str] = []
    for one, known in _reachable(services, page, campaign):
        email = known.addresses[-1]
        if email in found or (known.shared and _is_an_elder_ones(services, one.id, email, campaign)):
            left.append(one.id)
        else:
            found[email] = _chosen(len(found), one, known)
    return Read(list(found.values()), left)


def still_unheard(services: Services, batch: Batch, campaign: Campaign, *, in_range: bool) -> list[Chosen]:
    """Return whom of a batch no event speaks of, as far as they are still there, by their first numbers.

    They were chosen once: that another account has their mailbox by now keeps nobody from being told. `in_range`: the
    batch is of one range of ids.
    """
    bits = batches.unheard(batch)
    unheard = {ref: n for n, ref in enumerate(batches.unpacked(batch.refs)) if bits >> n & 1}
    found: dict[str, Chosen] = {}
    for one, known in _reachable(services, _read(services, list(unheard), in_range=in_range), campaign):
        found.setdefault(known.addresses[-1], _chosen(unheard[one.id], one, known))
    return list(found.values())


def _read(services: Services, refs: Sequence[str], *, in_range: bool) -> Iterable[Stored[Addressee]]:
    if not in_range or not refs:
        return [one for ref in refs if (one := services.store.get(Addressee, ref))]
    wanted = set(refs)
    # all of the range: accounts that came since the batch was made stand in between
    between = every(services.store, ACCOUNTS, "account", at_least=refs[0], at_most=refs[-1])
    return (one for one in between if one.id in wanted)


def _reachable(
    services: Services, page: Iterable[Stored[Addressee]], campaign: Campaign
) -> Iterator[tuple[Stored[Addressee], Mailbox]]:
    """Yield the account holders of before with a confirmed mailbox that is there."""
    at = campaign.announced_at
    there = [one for one in page if one.record.created_at <= at and one.record.unreachable_at is None]
    places, sealed = [f"subjects/{one.id}" for one in there], [one.record.sealed for one in there]
    opened = services.vault.unsealed_all(places, sealed, Mailbox)
    return ((one, known) for one, known in zip(there, opened, strict=True) if known.addresses)


def _chosen(n: int, one: Stored[Addressee], known: Mailbox) -> Chosen:
    return Chosen(n, one.id, known.addresses[-1], known.locale or "en")


# --- accounts of one mailbox -----------------------------------------------------------------------------------------


def _is_an_elder_ones(services: Services, ref: str, email: str, campaign: Campaign) -> bool:
    """Tell whether an elder account of the mailbox gets the mail, as things stand."""
    links = _links_of_before(services, email, campaign)
    while (eldest := identity.eldest(links)) not in {None, ref}:
        stored = services.store.get(Addressee, str(eldest))
        one = [stored] if stored is not None else []
        if any(known.addresses[-1] == email for _, known in _reachable(services, one, campaign)):
            return True
        links = [link for link in links if link.ref != eldest]
    return False


def _links_of_before(services: Services, email: str, campaign: Campaign) -> list[Link]:
    """Return the accounts that have had a mailbox since before the version was announced, and all the time since.

    If one of them was told, it was told there; who moved there later may have been told elsewhere.
    """
    current = [one for one in people.links_of(services, email) if one.kind == "account" and one.replaced_at is None]
    had = [(one.since or one.confirmed_at, one) for one in current]
    return [one for since, one in had if since is not None and since <= campaign.announced_at]


def left_behind(services: Services, campaign: Campaign, after: str, most: int) -> tuple[list[str], list[Chosen]]:
    """Return the next of those who were left to another account, and whom of them to write to.

    Nobody of them is left to another once more: that one might be lost, too.
    """
    left = (
        ref for one in batches.of_version(services.store, campaign.version) for ref in batches.unpacked(one.record.left)
    )
    refs = list(islice((ref for ref in left if ref > after), most))
    found = list(_reachable(services, _read(services, refs, in_range=False), campaign))
    emails = {known.addresses[-1] for _, known in found}
    holders = {email: {link.ref for link in _links_of_before(services, email, campaign)} for email in emails}
    told = _told(services, campaign, set().union(*holders.values()))
    untold = [(one, known) for one, known in found if not holders[known.addresses[-1]] & told]
    return refs, [_chosen(n, one, known) for n, (one, known) in enumerate(untold)]


def _told(services: Services, campaign: Campaign, refs: set[str]) -> set[str]:
    """Return which of these subjects had a mail of this campaign taken for certain."""
    told: set[str] = set()
    for one in batches.of_version(services.store, campaign.version) if refs else ():
        if one.record.state == "sent":
            taken = batches.taken(one.record)
            told |= {ref for n, ref in enumerate(batches.unpacked(one.record.refs)) if ref in refs and taken >> n & 1}
    return told
