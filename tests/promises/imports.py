"""Rows from before, and taking them in as the command does."""

from __future__ import annotations

import os
from typing import Any

from infra.local.server import SAMPLE_POLICY
from shared.imports import consents, customers
from shared.imports.rows import Kind, Refusal, Row
from shared.imports.stops import Stops
from shared.promises import importing, processing
from shared.promises.importing import Asked, Run
from shared.promises.policy import canonical_text, text_hash
from shared.promises.processing import Whom
from tests.promises.world import World

ANN, BEA = "ann@mail.test", "bea@mail.test"
LONG_AGO = "2025-06-01T12:00:00Z"
SHOWN = text_hash(canonical_text(SAMPLE_POLICY.read_text()))
"""The text of v1, which is published here on the first day of a world, and was shown before."""
PROOF = {"policy_version": "v1", "method": "form", "source": "newsletter form", "text_sha256": SHOWN}


def rows(*cells: dict[str, str]) -> list[Row]:
    return [Row(line, one) for line, one in enumerate(cells, 2)]


def kind_of(world: World, what: str, id: str = "i1") -> Kind:
    kinds: dict[str, Any] = {
        "customers": lambda: customers.Customers(world.services),
        "consents": lambda: consents.Consents(world.services, id, "olga"),
        "unsubscribes": lambda: Stops(world.services.company, world.clock.now()),
    }
    made: Kind = kinds[what]()
    return made


def take(
    world: World, what: Any, *cells: dict[str, str], digest: str = "", none_exist: bool = True
) -> tuple[dict[str, int], list[Refusal]]:
    """Import rows as the command does; return the counts and what was refused."""
    given = rows(*cells)
    asked = Asked(what, "file", "olga", digest or os.urandom(8).hex(), none_exist)
    stored = importing.begin(world.services, asked)
    run = Run(world.services, stored, kind_of(world, what, stored.id))
    refused = [one for progress in run.take(given) for one in progress.refused]
    run.end()
    return run.record.counts, refused


def customer(user: str, **cells: str) -> dict[str, str]:
    return {"user_id": user, **cells}


def consent(purpose: str = "marketing_email", granted: str = "true", at: str = LONG_AGO, **who: str) -> dict[str, str]:
    return {"purpose": purpose, "granted": granted, "at": at, **PROOF, **who}


def allowed(world: World, purpose: str = "marketing_email", **whom: str) -> Any:
    return processing.decide(world.services, world.services.policies.current(), Whom(**whom), purpose)
