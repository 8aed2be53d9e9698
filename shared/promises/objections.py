"""§5.2, §6: whoever says no to marketing is not marketed to, at once; nobody needs to prove who they are to stop it.

Stop broadly: a stop is kept for the address, however it is written, under a key of its own, whoever it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from shared import identity, ledger
from shared.ports import Services
from shared.records import Suppression
from shared.store import Change, Put
from shared.vault import new_id

MARKETING = "marketing"
Reason = Literal["objection", "withdrawn", "erasure"]


def stop(services: Services, email: str, purposes: Sequence[str], reason: Reason, via: str) -> list[Change]:
    """Return what stops these purposes for an address, with its evidence; nothing where all of it is stopped already.

    `purposes`: names, or `marketing` for all direct marketing. `via`: one word for the way it came.
    """
    standing = stopped(services, email)
    fresh = [one for one in purposes if one not in standing]
    if not fresh:
        return []
    now = services.clock.now()
    ids = [identity.suppression(services.vault, email, purpose) for purpose in fresh]
    facts = {"purposes": fresh, "via": via, "suppressions": ids}
    entry, _ = ledger.append(services.vault, None, new_id(), now, reason, facts)
    return [*(Put(one, Suppression(reason=reason, since=now)) for one in ids), entry]


def stopped(services: Services, email: str) -> dict[str, Suppression]:
    """Return what is stopped for an address: a purpose's name or `marketing`, and its record."""
    names = [MARKETING, *(one.name for one in services.company.purposes if one.is_marketing)]
    found = {name: services.store.get(Suppression, identity.suppression(services.vault, email, name)) for name in names}
    return {name: one.record for name, one in found.items() if one is not None}
