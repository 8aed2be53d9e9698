"""What Facebook's connector and Instagram's have in common: one ad account, whose audiences serve both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from infra.subprocessors.meta_audiences import MetaAudiences, Removal, normalised
from infra.subprocessors.meta_transport import MetaTransport
from shared.failures import NeverRetry
from shared.ports import Ability, Corrections, Part, Person, Stops

CHECKED = date(2026, 11, 22)
TAKES_EFFECT = timedelta(hours=24)
"""Meta: a change of an audience usually takes up to so long."""
PART = "custom audiences"
SHARED = "the address is still used by another account; Meta matches by address only"
UNREAD = "which custom audiences a person is in: Meta tells nobody who is in an audience"
TOO_SMALL = "Meta refuses to take people out of an audience this small; a person must delete it or replace its list"
NOT_TAKEN = "Meta says that it could not read these entries, so they may still be in the audience; a person must look"
NOT_OURS = (
    "no list of ours is there; nobody can look into an audience that Meta makes or others share, nor take anybody out"
)
NOT_CORRECTED = "only the hashed e-mail address is used to match, and no earlier one is left to take out"
NOT_PUT_BACK = "nobody is put back into an audience; only a later upload, with consent, does that"
NOTHING_ADDED = "the earlier address is taken out; the new one is not put in, which would need consent"


class MetaConnector:
    """The `Connector` port on Meta's custom audiences. Subclasses say their name, and what is out of reach there."""

    name: str
    out_of_reach: ClassVar[str]

    def __init__(self, transport: MetaTransport, ad_account: str) -> None:
        self._audiences = MetaAudiences(transport, ad_account)

    def ping(self) -> None:
        self._audiences.check()

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Take every address out of every customer list. Told, not read back: `accepted` for Meta's 24 hours."""
        return self._removed(person, person.addresses, now, {"out_of_reach": self.out_of_reach})

    def export(self, person: Person) -> dict[str, Any]:
        """Return what is missing: Meta offers no reading of one person, so it is not called."""
        known = person.addresses or person.shared_addresses
        return {"gaps": [UNREAD, self.out_of_reach]} if known else {}

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Take the addresses out that are no longer right. The new one is not put in: that would need consent."""
        right = normalised(corrections.email or "")
        earlier = [address for address in person.addresses if right and normalised(address) != right]
        if not earlier and not person.shared_addresses:
            return [Part(outcome="nothing_found", name=PART, evidence={"reason": NOT_CORRECTED})]
        return self._removed(person, earlier, now, {"note": NOTHING_ADDED})

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Take every address out, so that our lists match nobody by it. Lifting puts nobody back."""
        if lifted:
            return [Part(outcome="no_store", name=PART, evidence={"reason": NOT_PUT_BACK})]
        return self._removed(person, person.addresses, now, {"out_of_reach": self.out_of_reach})

    def silence(self, stops: Stops, now: datetime) -> Sequence[Part]:
        """Take the address out of every customer list, whichever purpose was stopped: a list does not say which it serves."""
        if not stops.everything and not stops.stopped:
            return [Part(outcome="no_store", name=PART, evidence={"reason": NOT_PUT_BACK})]
        return _parts(self._audiences.remove([stops.address]), 1, now, {})

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Refuse: nothing is ever retained at Meta on our behalf."""
        raise NeverRetry("nothing_retained")

    def describe(self) -> Sequence[Ability]:
        return [
            Ability(what="export", how="none", checked=CHECKED, reason=UNREAD),
            Ability(what="erase", how="api", checked=CHECKED, reason=self.out_of_reach),
            Ability(what="rectify", how="api", checked=CHECKED, reason=NOTHING_ADDED),
            Ability(what="restrict", how="api", checked=CHECKED, reason=NOT_PUT_BACK),
        ]

    def _removed(self, person: Person, addresses: Sequence[str], now: datetime, said: dict[str, str]) -> list[Part]:
        parts = _parts(self._audiences.remove(addresses), len(addresses), now, said) if addresses else []
        if person.shared_addresses:
            parts.append(Part(outcome="no_store", name="shared address", evidence={"reason": SHARED}))
        return parts or [Part(outcome="nothing_found", name=PART)]


def _parts(removal: Removal, addresses: int, now: datetime, said: dict[str, str]) -> list[Part]:
    failed = [
        Part(outcome="failed", name=name, evidence={counted: count, "reason": reason})
        for name, counted, count, reason in (
            ("small audiences", "audiences", removal.too_small, TOO_SMALL),
            ("entries not taken", "entries", removal.invalid, NOT_TAKEN),
        )
        if count
    ]
    took_some = removal.audiences and (not removal.invalid or removal.received > removal.invalid)
    return [*([_part(removal, addresses, now, said)] if took_some else []), *failed] or [_nothing(removal, said)]


def _part(removal: Removal, addresses: int, now: datetime, said: dict[str, str]) -> Part:
    evidence = {"addresses": addresses, "received": removal.received, **_counted(removal), **said}
    return Part(outcome="accepted", name=PART, until=now + TAKES_EFFECT, evidence=evidence)


def _nothing(removal: Removal, said: dict[str, str]) -> Part:
    if removal.made_by_meta or removal.shared_by_others:
        return Part(outcome="no_store", name=PART, evidence={**_counted(removal), "reason": NOT_OURS, **said})
    return Part(outcome="nothing_found", name=PART, evidence={**_counted(removal), **said})


def _counted(removal: Removal) -> dict[str, int]:
    counts = {name: getattr(removal, name) for name in ("invalid", "made_by_meta", "shared_by_others")}
    return {"audiences": removal.audiences} | {name: count for name, count in counts.items() if count}
