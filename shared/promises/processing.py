"""§3.2: data is used for what was said and nothing else. Whoever sends or reads asks here first whether it may.

A consent purpose needs a yes that stands; a contract, a person we know; no purpose of marketing goes past an objection. While a
restriction or an erasure is under way only answering the person and what the law demands go on. Mail is decided by its
address: never by a device, since the mailbox may have been erased since the device heard its yes; by an account only where
it has a confirmed address; and never by an account that has left that address. All reasons that apply are named, in the
contract's order. Nothing is changed by asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import msgspec

from shared import identity, known, suppressions
from shared.company import Purpose
from shared.failures import BadInput
from shared.known import Known
from shared.ports import Services
from shared.promises import in_effect
from shared.promises.policy import Published
from shared.records import PENDINGS_OF_ADDRESS, Decision, Request, Subject
from shared.store import Stored
from shared.suppressions import CHOSEN

Reason = Literal[
    "no_consent",
    "pending",
    "objection",
    "restriction",
    "erasure",
    "suppressed",
    "gpc",
    "policy_changed",
    "unknown_purpose",
    "unknown_subject",
]
IN_ORDER: tuple[Reason, ...] = get_args(Reason)
ALWAYS = frozenset({"legal_obligation", "vital_interests"})


class Whom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data it is. Where several identifiers are given, all of them must allow it."""

    device_id: str | None = None
    email: str | None = None
    user_id: str | None = None


@dataclass(frozen=True)
class Ruling:
    """Whether data may be used, and every reason why not."""

    reasons: tuple[Reason, ...]

    @property
    def allowed(self) -> bool:
        """Tell whether nothing speaks against it."""
        return not self.reasons


def decide(services: Services, published: Published, whom: Whom, name: str, *, gpc: bool = False) -> Ruling:
    """Say whether we may process a person's data for a purpose. Raises BadInput by field.

    `published`: the version notices carry. `gpc`: their browser sends `Sec-GPC: 1`. A device costs two round trips.
    """
    question = Question(services, published, name, gpc)
    whom = _checked(whom)
    if question.purpose is None:
        return Ruling(("unknown_purpose",))
    found = {reason for one in _gathered(question, whom) for reason in question.reasons(one)}
    return Ruling(tuple(reason for reason in IN_ORDER if reason in found))


def goes_on(purpose: Purpose) -> bool:
    """Tell whether nothing a person says or asks stops it: service mail, which also answers them, and what the law demands."""
    return purpose.legal_basis in ALWAYS or (purpose.channel == "email" and not purpose.is_marketing)


def _checked(whom: Whom) -> Whom:
    if whom.device_id is None and whom.email is None and whom.user_id is None:
        raise BadInput("one of device_id, email or user_id is needed", "subject")
    return Whom(
        device_id=None if whom.device_id is None else identity.device_id(whom.device_id, "subject.device_id"),
        email=None if whom.email is None else identity.address(whom.email, "subject.email"),
        user_id=None if whom.user_id is None else identity.user_id(whom.user_id, "subject.user_id"),
    )


class Question:
    """One purpose, as the versions in effect have it, at one moment."""

    def __init__(self, services: Services, newest: Published, name: str, gpc: bool) -> None:
        self.services = services
        self.now = services.clock.now()
        self.gpc = gpc
        self._newest = newest
        self._name = name

    @cached_property
    def purpose(self) -> Purpose | None:
        """Return the purpose; None when no version in effect has it."""
        found = _purpose(self._newest, self._name)
        if self._newest.policy.effective_at <= self.now or (found and found.legal_basis == "consent"):
            # a yes to a new purpose was given to the notice that names it
            return found
        return _purpose(self._in_effect, self._name)

    @cached_property
    def _in_effect(self) -> Published:
        return in_effect.effective(self.services, self._newest, self.now)[0]

    def _outdated(self, decision: Decision) -> bool:
        """Tell whether the purpose was changed since, by a version that is in effect."""
        return in_effect.outdated(self._newest, lambda: self._in_effect, decision.policy, self._name, self.now)

    def reasons(self, of: Known) -> set[Reason]:
        """Return what speaks against it for one identifier; nothing where one of its subjects allows it."""
        purpose = self.purpose
        if purpose is None or goes_on(purpose):
            return set()
        stopped = self._stopped(of)
        each = [self._reasons_of(one, of.address) for one in of.subjects]
        if not each:
            return stopped | self._gpc(None) | self._unknown(of, {"unknown_subject"})
        against: set[Reason] = set() if set() in each else set().union(*each)
        return stopped | (self._unknown(of, against) if against == {"no_consent"} else against)

    def _stopped(self, of: Known) -> set[Reason]:
        purpose = self.purpose
        found = [
            one for stops in of.stops for name, one in stops.items() if name == self._name or one.reason not in CHOSEN
        ]
        if purpose and purpose.is_marketing:
            found += [one for stops in of.stops if (one := suppressions.from_all(stops, self._name))]
        return {"suppressed" if one.reason == "withdrawn" else one.reason for one in found}

    def _unknown(self, of: Known, otherwise: set[Reason]) -> set[Reason]:
        """Name a yes that still waits for its mailbox instead: nobody is known by it yet."""
        if of.address is None or self.purpose is None or self.purpose.legal_basis != "consent":
            return otherwise
        alias = identity.alias(self.services.vault, "email", of.address)
        waiting = self.services.store.query(PENDINGS_OF_ADDRESS, alias)
        unanswered = [one.record for one in waiting if one.record.confirmed_at is None]
        asked = any(self._name in one.purposes and self.now <= one.expires_at for one in unanswered)
        return {"pending"} if asked else otherwise

    def _reasons_of(self, stored: Stored[Subject], address: str | None) -> set[Reason]:
        decision = stored.record.decisions.get(self._name)
        undecided = self._undecided(stored.record, decision) or self._unaddressed(address)
        return self._restricted(stored.record) | undecided | self._gpc(decision)

    def _restricted(self, subject: Subject) -> set[Reason]:
        return {self._why(request_id) for request_id in subject.restricted_by}

    def _why(self, request_id: str) -> Reason:
        request = self.services.store.get(Request, request_id)
        return "erasure" if request and request.record.right == "erasure" else "restriction"

    def _undecided(self, subject: Subject, decision: Decision | None) -> set[Reason]:
        purpose = self.purpose
        if purpose is None or purpose.legal_basis != "consent":
            # asked of nobody; a no to it can only be an objection
            return {"objection"} if decision and not decision.granted else set()
        if decision and decision.pending:
            return {"pending"}
        if decision is None or not decision.granted or (decision.until is not None and self.now >= decision.until):
            return {"no_consent"}
        if purpose.channel == "email" and subject.kind == "device":
            return {"no_consent"}
        return {"policy_changed"} if self._outdated(decision) else set()

    def _unaddressed(self, address: str | None) -> set[Reason]:
        """Deny mail to an account that has confirmed no address: its yes waits for a mailbox to stand behind it."""
        purpose = self.purpose
        if purpose is None or purpose.channel != "email" or address is not None:
            return set()
        # what asks for no yes has none that could wait: there is nobody yet whom the mail would go to
        return {"pending"} if purpose.legal_basis == "consent" else {"unknown_subject"}

    def _gpc(self, decision: Decision | None) -> set[Reason]:
        """Deny what the signal speaks of, until an explicit yes on this site (TRUTH §10). Mail is not what it speaks of."""
        purpose = self.purpose
        if not self.gpc or purpose is None or purpose.channel == "email":
            return set()
        asked = purpose.legal_basis == "consent"
        return {"gpc"} if (asked and decision is None) or (purpose.is_marketing and not asked) else set()


def _purpose(published: Published, name: str) -> Purpose | None:
    return next((one for one in published.purposes() if one.name == name), None)


def _gathered(question: Question, whom: Whom) -> Iterator[Known]:
    purpose, services, now = question.purpose, question.services, question.now
    if purpose is None or goes_on(purpose):
        return
    by_mail = purpose.channel == "email"
    sent = by_mail or purpose.is_marketing
    if whom.device_id is not None and not (by_mail and (whom.email or whom.user_id)):
        yield known.by_device(services, whom.device_id)
    if whom.user_id is not None:
        yield known.by_user(services, whom.user_id, now, by_mail=by_mail, sent=sent)
    if whom.email is not None:
        yield known.by_address(services, whom.email, now, sent=sent)
