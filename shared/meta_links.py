"""Which accounts are linked to a user id of Meta's, and taking that link away, read back. The accounts themselves stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from shared.case import Case
from shared.failures import TryAgain
from shared.identity import alias
from shared.ports import Part, Services
from shared.promises import people
from shared.promises.people import Found
from shared.records import Alias
from shared.store import Change, Delete, Stored, Update, persist

LINK = "link to Facebook or Instagram"
STAYS = "the account itself, and what the website keeps in it, stay: they are deleted on a request of the person's own"
UNKNOWN = "no account here is linked to this user of Facebook or Instagram"


@dataclass(frozen=True)
class Link:
    """What one reading found: the pointer, and the accounts behind it. Changes made of it hold only while that pointer stands."""

    user_id: str
    pointer: Stored[Alias] | None
    accounts: Sequence[Found]


def linked(services: Services, user_id: str) -> Link:
    """Return the accounts the website's server linked to an app-scoped user id."""
    pointer = services.store.get(Alias, alias(services.vault, "meta", user_id))
    links = pointer.record.links if pointer else []
    return Link(user_id, pointer, [one for link in links if (one := people.by_ref(services, link.ref))])


def unlinked(services: Services, link: Link) -> list[Change]:
    """Return the changes that take the id out of these accounts, and its pointer with it: whoever read an older one loses."""
    if link.pointer is None:
        return []
    accounts = [_without(services, one, link.user_id) for one in link.accounts]
    return [*accounts, Delete(Alias, link.pointer.id, link.pointer.version)]


def _without(services: Services, one: Found, user_id: str) -> Change:
    left = [each for each in one.known.meta_user_ids if each != user_id]
    sealed = services.vault.seal(f"subjects/{one.ref}", msgspec.structs.replace(one.known, meta_user_ids=left))
    return Update(one.stored, msgspec.structs.replace(one.stored.record, sealed=sealed))


def erase(case: Case) -> Sequence[Part]:
    """Do our own part of a deletion that Meta asked for. Again, it says the same. Raises TryAgain."""
    services = case.services
    (user_id,) = case.envelope.known[0].meta_user_ids

    def attempt(_look: bool) -> None:
        if changes := unlinked(services, linked(services, user_id)):
            services.commit(changes)

    persist(attempt)
    if linked(services, user_id).pointer:
        raise TryAgain("still_there")
    gone_by = services.store.physically_gone(case.now)
    evidence = {"read_back": True, "note": STAYS}
    return [Part(outcome="verified", name=LINK, physically_gone_by=gone_by, evidence=evidence)]
