"""Failures are seen by a person: one mail to the operators for what came up within ten minutes. Ids and codes only."""

from __future__ import annotations

import msgspec

from shared.ports import Services
from shared.records import ALL_ATTENTION
from shared.work import Claim

MOST_ITEMS = 100


def send(services: Services, claim: Claim) -> None:
    """Mail the operators what is on the attention list (work `operator.alert`)."""
    items = [msgspec.to_builtins(one.record) for one in services.store.query(ALL_ATTENTION, limit=MOST_ITEMS)]
    if items:
        listed = [{"subprocessor": None, "problem": None, **item} for item in items]
        words = {"items": listed, "console_url": f"{services.base_url}/operator/attention"}
        services.postman.post("operator_alert", services.company.alerts_to, "en", words, claim.id)
    services.commit([claim.done()])
