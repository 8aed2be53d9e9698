"""§8: before a version is published, whoever publishes sees what changes, whom it will be mailed to, and what is found in it.

A dry run writes nothing and goes through the same preparation as the publication itself, so that the two cannot differ.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from shared.catalogue import Differing, differing
from shared.company import COST, Company
from shared.ports import Services
from shared.promises.findings import summary
from shared.promises.in_effect import replaced
from shared.promises.policy import Draft, Published, prepare
from shared.records import ACCOUNTS
from shared.store import every
from shared.text_difference import Piece, difference
from shared.times import rfc3339


def rehearse(services: Services, draft: Draft, by: str) -> dict[str, Any]:
    """Return what publishing this would do; changes nothing. Raises as `policy.publish` does.

    `recipients`: accounts there are, each of which gets one mail unless its address bounced or is not confirmed. `diff` and
    `catalogue`: against `difference_from`, what people live under when it takes effect; None when there is none. `since_last`:
    the same against `follows`, the version published last, where that is another. `unchanged`: it differs from neither.
    """
    now = services.clock.now()
    version, policy, found, _, earlier = prepare(services, draft, by, now)
    recipients = count_accounts(services)
    last, before = earlier[-1] if earlier else None, replaced(reversed(earlier), policy.effective_at)
    prepared = Published(version, policy)
    pieces, catalogue = compared(before, prepared) if before else (None, None)
    return {
        "version": version,
        "hash": policy.hash,
        "title": policy.title,
        "summary": policy.summary,
        "material": policy.material,
        "changes": policy.changes,
        "effective_at": rfc3339(policy.effective_at),
        "follows": last.version if last else None,
        "difference_from": before.version if before else None,
        "recipients": recipients,
        "cost": cost(services.company, recipients),
        "diff": pieces,
        "catalogue": catalogue,
        "since_last": _since(last, prepared) if last and last is not before else None,
        "unchanged": bool(earlier) and all(_is_same(one, prepared) for one in (last, before) if one),
        "findings": found,
        **{f"findings_{name}": value for name, value in summary(found).items() if name != "ids"},
    }


def _since(last: Published, prepared: Published) -> dict[str, Any]:
    pieces, catalogue = compared(last, prepared)
    return {"diff": pieces, "catalogue": catalogue}


def _is_same(a: Published, b: Published) -> bool:
    return a.policy.hash == b.policy.hash and not differing(a.policy.catalogue, b.policy.catalogue).is_any


def count_accounts(services: Services) -> int:
    """Count the accounts, page by page."""
    return sum(1 for _ in every(services.store, ACCOUNTS, "account"))


def cost(company: Company, n_mails: int) -> dict[str, Any]:
    """Return `{mails, money?}`; money, such as `1.60 EUR`, where the company states what a thousand mails cost."""
    stated = COST.fullmatch(company.mail_cost_per_thousand or "")
    if not stated:
        return {"mails": n_mails}
    amount = (Decimal(stated["amount"]) * n_mails / 1000).quantize(Decimal("0.01"))
    return {"mails": n_mails, "money": f"{amount} {stated['currency']}"}


def compared(a: Published, b: Published) -> tuple[list[Piece], Differing]:
    """Return what changed from one version to another: in the text, and in purposes and recipients."""
    return difference(a.policy.text, b.policy.text), differing(a.policy.catalogue, b.policy.catalogue)
