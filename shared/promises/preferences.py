"""§6: one page shows a mailbox every purpose, with a switch where there is one, and with the reason where there is none.

The link to it proves that the mailbox got a mail once, and no more: a mail may have been passed on. So it stops at once, and a
yes waits for the mailbox to confirm it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from shared import identity, suppressions
from shared.company import LegalBasis, Purpose
from shared.failures import BadInput
from shared.ports import Services
from shared.promises import consents, notice, unsubscribing
from shared.promises.consents import Decided, Who
from shared.promises.policy import Published
from shared.promises.unsubscribing import Link, says_no
from shared.records import Suppression
from shared.suppressions import MARKETING

Can = Literal["switch", "object", "website", "nothing"]
CAN: Mapping[LegalBasis, Can] = {
    "consent": "website",
    "legitimate_interests": "object",
    "public_task": "object",
    "contract": "nothing",
    "legal_obligation": "nothing",
    "vital_interests": "nothing",
}
"""What a person can do about a purpose that is no direct marketing (Art. 7(3), 21(1))."""


class Changed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to stop, and what to ask the mailbox about; names of purposes, or `marketing` for all direct marketing."""

    stop: list[str] = []
    start: list[str] = []


def shown(services: Services, said: Link) -> dict[str, Any]:
    """Return every purpose with what can be done about it, for one address.

    Whoever holds a link learns what that address said no to, and nothing else: not even whether we know it.
    """
    standing = suppressions.chosen(services, said.email)
    return {
        "masked": identity.masked(said.email),
        "all_stopped": says_no(MARKETING, standing),
        "purposes": [_shown(purpose, standing) for purpose in services.company.purposes],
    }


def _shown(purpose: Purpose, standing: Mapping[str, Suppression]) -> dict[str, Any]:
    one: dict[str, Any] = {
        "name": purpose.name,
        "title": purpose.title,
        "why": purpose.why,
        "legal_basis": purpose.legal_basis,
        "retention": purpose.kept_in_words,
        "recipients": purpose.recipients,
        "can": "switch" if purpose.is_marketing else CAN[purpose.legal_basis],
    }
    if purpose.is_marketing:
        one["stopped"] = says_no(purpose.name, standing)
        one["can_start"] = _can_start(purpose)
    return one


def change(services: Services, current: Callable[[], Published], said: Link, wanted: Changed) -> list[str]:
    """Stop and start what a person chose; return what waits for the mailbox to confirm it.

    `current` is asked for the policy only where something starts. Raises BadInput by field, TooMany when the mailbox was
    asked too often.
    """
    if not wanted.stop and not wanted.start:
        raise BadInput("name something to stop or to start", "stop")
    startable = [one.name for one in services.company.purposes if _can_start(one)]
    unsubscribing.checked(services.company, wanted.stop, "stop")
    if not set(wanted.start) <= set(startable):
        raise BadInput(unsubscribing.one_of(startable), "start")
    if wanted.stop:
        unsubscribing.stop(services, said.email, list(dict.fromkeys(wanted.stop)), "preferences")
    return _ask_mailbox(services, current(), said.email, list(dict.fromkeys(wanted.start))) if wanted.start else []


def _ask_mailbox(services: Services, published: Published, email: str, names: list[str]) -> list[str]:
    shown = notice.notice(services.vault, published, names, "en")["notice"]
    yes = dict.fromkeys(names, True)
    decided = Decided(subject=Who(email=email), notice=shown, decisions=yes, method="settings")
    pending: list[str] = consents.capture(services, published, decided, server=False, key=None)["pending"]
    return pending


def _can_start(purpose: Purpose) -> bool:
    return purpose.is_marketing and purpose.legal_basis == "consent"
