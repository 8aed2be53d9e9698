"""Google Tag Manager: it brings other tags to a page and keeps nothing per person. So nobody is called, and why is said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, get_args, get_type_hints

from shared.failures import NeverRetry
from shared.ports import Ability, Corrections, Part, Person

CHECKED = date(2026, 11, 22)
REASON = (
    "Google Tag Manager keeps nothing per person: its API knows containers, tags and staff, no visitors. The servers that "
    "hand out its script keep ordinary request logs with network addresses for a short time, and offer no way into them"
)


class GoogleTagManagerConnector:
    """The `Connector` for a vendor that holds nobody."""

    name = "google_tag_manager"

    def ping(self) -> None:
        """Do nothing: there is nothing to be let into."""

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Say that nothing is kept, and where a network address may stand for a while all the same."""
        return _nothing()

    def export(self, person: Person) -> dict[str, Any]:
        """Return nothing: nothing is kept per person, so nothing is missing either."""
        return {}

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Say that nothing is kept."""
        return _nothing()

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Say that nothing is kept."""
        return _nothing()

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Refuse: nothing is ever retained there."""
        raise NeverRetry("nothing_retained")

    def describe(self) -> Sequence[Ability]:
        """Return that there is nothing to do any of it to."""
        rights = get_args(get_type_hints(Ability)["what"])
        return [Ability(what=right, how="absence", checked=CHECKED, reason=REASON) for right in rights]


def _nothing() -> list[Part]:
    return [Part(outcome="no_store", name="visitors", evidence={"reason": REASON})]
