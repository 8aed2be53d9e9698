"""§7: evidence that cannot be changed unseen. Once a day what came is checked and closed with a signed checkpoint.

A checkpoint says how many entries are stamped in its stretch of time and what they fold to, and names the one before it by
its hash. It lies in an archive of its own, on Google Cloud under a retention that can be locked, and holds no reference to
anybody. Anyone can check its signature; whoever holds the entries can check that none was added, altered or taken away
since. Streams that were purged since make a stretch smaller: what is left still holds link by link, what is gone can no
longer be told from what somebody deleted whole.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shared import attention, stretches
from shared.checkpoint_chain import FAILED, LAST, last_of, name_of, signed, where
from shared.failures import NeverRetry
from shared.ledger import Broken
from shared.ports import Services
from shared.records import Checkpoint, Incident
from shared.stretches import Fold

SETTLED_AFTER = timedelta(hours=1)
"""Longer than any function may run: what was stamped before has been committed by then, or never will be."""
AT_MOST_EVERY = timedelta(hours=20)


def run(services: Services) -> dict[str, Any]:
    """Check what came since the last checkpoint and sign the next; `{checkpoint, entries, intact}`.

    Called again within 20 hours it does nothing and answers the last one's number. Nothing is signed over a break: then
    `{entries, intact, first_break}`, an incident is open, and the next run begins where this one did.
    """
    until = services.clock.now() - SETTLED_AFTER
    known = services.store.get(Checkpoint, LAST)
    if known is not None and _too_soon(known.record, until):
        return {"checkpoint": known.record.number}
    fold = Fold()
    try:
        number = _close(services, until, fold)
    except Broken as broken:
        return answer(services, fold.entries, broken)
    except NeverRetry as failure:
        services.commit(attention.raised(*FAILED, services.clock.now(), failure.code))
        raise
    return {"checkpoint": number, **answer(services, fold.entries)}


def check_since_last(services: Services) -> dict[str, Any]:
    """Check what came since the last checkpoint, and that one's stretch again; `{entries, intact, first_break?}`."""
    fold = Fold()
    try:
        last = last_of(services)
        if last is not None:
            grew(last, _again(services, last))
        after = last.until if last else None
        stretches.check(services.store, services.vault, after, services.clock.now(), fold)
    except Broken as broken:
        return answer(services, fold.entries, broken)
    return answer(services, fold.entries)


def answer(services: Services, entries: int, broken: Broken | None = None) -> dict[str, Any]:
    """Say what was found, `{entries, intact, first_break?}`; a break opens an incident, once (TRUTH §14)."""
    if broken is None:
        return {"entries": entries, "intact": True}
    if services.store.get(Incident, f"{broken.where}:evidence_broken") is None:
        services.commit(attention.incident("evidence_broken", broken.where, services.clock.now()))
    return {"entries": entries, "intact": False, "first_break": broken.where}


def grew(closed: Checkpoint, now: Fold) -> bool:
    """Tell whether a stretch holds more than was closed. Raises Broken when it holds as many, and others."""
    if now.entries == closed.entries and now.hash != closed.fold:
        raise Broken(where(closed.number))
    return now.entries > closed.entries


def _too_soon(last: Checkpoint, until: datetime) -> bool:
    return until - last.until < AT_MOST_EVERY


def _close(services: Services, until: datetime, fold: Fold) -> int:
    last = last_of(services)
    if last is not None and _too_soon(last, until):
        return last.number
    after = _begin(services, last) if last else None
    stretches.check(services.store, services.vault, after, until, fold)
    following = Checkpoint(
        number=last.number + 1 if last else 1,
        after=after,
        until=until,
        entries=fold.entries,
        fold=fold.hash,
        previous=last.hash if last else "",
        hash="",
    )
    # where a twin of this run was quicker, theirs stays and is taken up
    services.archive.keep(name_of(following.number), signed(services.vault, following))
    last_of(services)
    return following.number


def _begin(services: Services, last: Checkpoint) -> datetime | None:
    """Return after which moment the next stretch begins: where the last ended, or began if something landed late in it."""
    again = _again(services, last)
    if not grew(last, again):
        return last.until
    more = f"{again.entries - last.entries}_entries"
    services.commit(attention.raised("evidence_landed_late", where(last.number), services.clock.now(), more))
    return last.after


def _again(services: Services, last: Checkpoint) -> Fold:
    return stretches.check(services.store, services.vault, last.after, last.until, Fold())
