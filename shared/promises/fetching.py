"""§5.1: the file of a copy is fetched by a link of its own, mailed to whoever proved who asks.

The link opens nothing else and works once; the request's own page, behind another key, mails a new one. The file lies sealed, for
two weeks at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from shared import pieces, work
from shared.case import Case
from shared.failures import Missing, Stale
from shared.ports import Services
from shared.promises import erasure
from shared.records import Export, Key
from shared.store import persist
from shared.vault import token_hash

END = "export.end"
READY_MAIL = "export_ready"
MOST_LINKS = 10
UNOPENED = "there is no such request, or this key does not open it"


def mailed_to(case: Case) -> list[str]:
    """Return the labels of the addresses that the link goes to."""
    # only where the private link went: a merely notified address opens nothing
    opened = {one.to for one in case.record.mails.values() if one.template == "request_verified"}
    return sorted(opened & case.envelope.addresses.keys())


def mail(case: Case, export: Export) -> None:
    """Mint a link for each address that may open the request; every earlier one ends."""
    case.set(keys={name: key for name, key in case.record.keys.items() if key.opens != "export" or key.used_at})
    for label in mailed_to(case):
        case.key("export", use=f"export:{label}", label=label, until=export.until)
        case.mail(READY_MAIL, label)


def handed_over(case: Case, template: str) -> None:
    """Our part is done when the mail service took the link."""
    if template == READY_MAIL and case.record.ours_done_at is None:
        case.set(ours_done_at=case.now)


def opened(services: Services, request_id: str, token: str | None) -> Case:
    """Open a request by the link to its file. Raises Missing; Stale when it was used, or the file is not there any more."""
    case = Case.read(services, request_id)
    key = case.record.keys.get(token_hash(token or ""))
    if key is None or key.opens != "export":
        raise Missing(UNOPENED)
    _refuse(case, key)
    return case


def _refuse(case: Case, key: Key) -> None:
    if key.used_at is not None:
        raise Stale("this link was used already; your request's own page mails you a new one", "key")
    if case.record.export is None or case.now >= case.record.export.until:
        raise Stale("the file is not here any more; you can ask again at any time, free of charge", "key")


def is_link(services: Services, request_id: str, token: str | None) -> bool:
    """Tell whether a token is, or was, the link to a file rather than a request's own key."""
    key = Case.read(services, request_id).record.keys.get(token_hash(token or ""))
    return key is not None and key.opens == "export"


def fetch(services: Services, request_id: str, token: str) -> Iterator[bytes]:
    """Yield the file. Its last piece is handed over once the use of the link is on record, so that a break spends nothing."""
    export = opened(services, request_id, token).record.export
    if export is None:
        raise Missing(UNOPENED)
    for number, piece in enumerate(pieces.read(services.store, services.vault, export), 1):
        if number == export.pieces:
            _spend(services, request_id, token, export)
        yield piece


def _spend(services: Services, request_id: str, token: str, export: Export) -> None:
    def attempt(_look: bool) -> None:
        case = opened(services, request_id, token)
        if case.record.export is None or case.record.export.id != export.id:
            raise Stale("a newer file has taken its place; its link is in your mailbox", "key")
        used = msgspec.structs.replace(case.record.keys[token_hash(token)], used_at=case.now)
        fetched = msgspec.structs.replace(case.record.export, fetched_at=case.now)
        case.set(keys=case.record.keys | {token_hash(token): used}, export=fetched)
        case.note("copy.fetched", label=used.label)
        case.commit()

    persist(attempt)


def renew(open_case: Callable[[], Case]) -> Case:
    """Mail a new link to the same file. Raises Stale when there is no file, or too many links were mailed."""

    def attempt(_look: bool) -> Case:
        case = open_case()
        export = case.record.export
        if export is None or case.now >= export.until or not case.has_envelope:
            raise Stale("there is no file to fetch, not yet or not any more")
        mailed = [one for one in case.record.mails.values() if one.template == READY_MAIL]
        if len(mailed) >= MOST_LINKS:
            raise Stale("so many links were mailed for this file that you need to ask for a new one")
        if all(one.status != "queued" for one in mailed):
            mail(case, export)
            case.note("copy.link_renewed")
            case.commit()
        return case

    return persist(attempt)


def end(services: Services, claim: work.Claim) -> None:
    """Remove a file whose time is over (work `export.end`)."""
    persist(lambda _: remove(services, claim.work.ref, claim.work.args["export"]))
    services.commit([claim.done()])


def remove(services: Services, request_id: str, export_id: str) -> None:
    """Remove a file, if it is still the one."""
    case = Case.read(services, request_id)
    export = case.record.export
    if export is None or export.id != export_id:
        return
    case.set(export=None)
    case.note("copy.removed")
    case.also(*pieces.removed(export))
    erasure.settle(case)
    case.commit()
