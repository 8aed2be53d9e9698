"""Google Analytics: what is held under the ids we know is submitted for deletion, one id a call.

Google deletes in runs of its own and offers no read-back, so a submission is scheduled and never called done. Source:
Admin API v1alpha `properties.submitUserDeletion`; timeline and quotas as Google documents them for user deletion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from infra.subprocessors.google_transport import GoogleTransport
from shared import quota
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Ability, Corrections, Part, Person
from shared.quota import Limit
from shared.records import Submission
from shared.store import Put, Store
from shared.times import PROMISED, Clock, plus, rfc3339, whole_second
from shared.vault import Vault

__all__ = ["GoogleAnalyticsConnector", "GoogleTransport"]

LIMITS = (Limit(calls=3, seconds=2), Limit(calls=500, seconds=86_400))
"""1.5 a second and 500 a day for one property. Google documents them for user deletion, and not whether this newer
method has its own: so we keep to them."""
OUT_OF_REPORTS = timedelta(hours=72)
BETWEEN_RUNS = "P2M"
CHECKED = date(2026, 11, 22)
REFUSED_ID = "google_400"
COOKIE = re.compile(r"GA[0-9]+\.[0-9-]+\.([0-9]+\.[0-9]+)")
"""The value of a `_ga` cookie: a version and a depth, and then the client id."""
EVENTS = "events under the ids we know"
NO_ID = "no client id or user id of this person is known to us, and Google Analytics finds people by these alone"
NOT_TOUCHED = "totals already counted, and copies exported elsewhere (BigQuery), are not touched by this"
NOT_GIVEN = "events in Google Analytics: its API gives nobody's alone; a person can look them up there in User Explorer"
NOTHING_TO_CORRECT = "Google Analytics is sent none of this: no name, no address, no chosen language or country"
NO_MARK = (
    "Google Analytics has no way to set one person's events aside; they stay in its reports until they are deleted. "
    "What we can do is collect no more, and the restriction does that"
)
NOT_RESTRICTED = "nothing was restricted there, so there is nothing to lift"


class GoogleAnalyticsConnector:
    """The `Connector` for one property. `property_id`: its number, as in `properties/123456789`."""

    name = "google_analytics"

    def __init__(self, transport: GoogleTransport, store: Store, vault: Vault, clock: Clock, property_id: str) -> None:
        if not re.fullmatch(r"[0-9]+", property_id):
            raise Misconfigured("GA_PROPERTY: the number of a property is needed")
        self._call = transport.call
        self._store = store
        self._vault = vault
        self._clock = clock
        self._property = f"v1alpha/properties/{property_id}"

    def ping(self) -> None:
        """Check that the property is there and we may read it. That we may delete shows only in deleting."""
        self._call("GET", self._property)

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        """Submit every id for deletion. What was taken before is not submitted again: each costs one of 500 a day."""
        known = _identifiers(person)
        if not known:
            return [Part(outcome="nothing_found", name=EVENTS, evidence={"reason": NO_ID})]
        times = self._submit_all(person.request_id, known)
        evidence = {
            "ids": len(known),
            "first_requested_at": rfc3339(min(times)),
            "last_requested_at": rfc3339(max(times)),
            "not_touched": NOT_TOUCHED,
        }
        return [Part(outcome="scheduled_by_vendor", name=EVENTS, until=_last_run(max(times)), evidence=evidence)]

    def export(self, person: Person) -> dict[str, Any]:
        """Return what cannot be given: no API gives one person's events."""
        return {"gaps": [NOT_GIVEN]} if _identifiers(person) else {}

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        """Say that there is nothing to correct."""
        return [Part(outcome="no_store", name="what was corrected", evidence={"reason": NOTHING_TO_CORRECT})]

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        """Say that no mark of restriction can be set there."""
        reason = NOT_RESTRICTED if lifted else NO_MARK
        return [Part(outcome="no_store", name="a mark of restriction", evidence={"reason": reason})]

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        """Refuse: nothing is ever retained at Google Analytics."""
        raise NeverRetry("nothing_retained")

    def describe(self) -> Sequence[Ability]:
        """Return what the API can do: it deletes, and nothing else."""
        return [
            Ability(what="export", how="person", checked=CHECKED, reason=NOT_GIVEN),
            Ability(what="erase", how="api", checked=CHECKED, reason=NOT_TOUCHED),
            Ability(what="rectify", how="absence", checked=CHECKED, reason=NOTHING_TO_CORRECT),
            Ability(what="restrict", how="none", checked=CHECKED, reason=NO_MARK),
        ]

    def _submit_all(self, request_id: str, known: Sequence[tuple[str, str]]) -> list[datetime]:
        refused: list[NeverRetry] = []
        times = []
        for kind, value in known:
            try:
                times.append(self._submitted(request_id, kind, value))
            except NeverRetry as failure:
                # an id that a browser made up must not keep the others from being deleted
                if failure.code != REFUSED_ID:
                    raise
                refused.append(failure)
        if refused:
            raise refused[0]
        return times

    def _submitted(self, request_id: str, kind: str, value: str) -> datetime:
        """Submit one id, unless that was done for this request; return when Google took it, by Google's clock."""
        key = self._vault.keyed("submission", f"{request_id}|{self._property}|{kind}|{value}")
        before = self._store.get(Submission, key)
        if before:
            return before.record.at
        now = self._clock.now()
        quota.take(self._store, self.name, LIMITS, now)
        at = _requested_at(self._call("POST", f"{self._property}:submitUserDeletion", {kind: value}))
        self._store.commit([Put(key, Submission(at=at, expires_at=now + PROMISED))])
        return at


def _identifiers(person: Person) -> list[tuple[str, str]]:
    """Return field and value of each call, once each.

    The website's user id too: a site may set it as Google's `user_id`, and where it does not, none is found by it. Never
    an address: we send Google none, and it would be sent in the clear.
    """
    clients = [("clientId", _client_id(one)) for known in person.known for one in known.ga_client_ids]
    return list(dict.fromkeys([*clients, *(("userId", one) for one in person.user_ids())]))


def _client_id(value: str) -> str:
    cookie = COOKIE.fullmatch(value)
    return cookie[1] if cookie else value


def _requested_at(answer: dict[str, Any]) -> datetime:
    try:
        return whole_second(msgspec.convert(answer.get("deletionRequestTime"), datetime))
    except (msgspec.ValidationError, ValueError):
        raise TryAgain("google_unreadable") from None


def _last_run(requested_at: datetime) -> datetime:
    """Return when Google's next deletion run has begun at the latest: out of reports first, then a run every two months."""
    return plus(requested_at + OUT_OF_REPORTS, BETWEEN_RUNS)
