"""§5.1: once it is proved who asks: whom the proof leads to, which accounts are meant, who is told, and off it goes.

Each right runs its own course from there. Every confirmed address of the accounts hears of it, with a link to cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from shared import attention, identity
from shared.case import Case
from shared.promises import erasure, exporting, people, rectifying, restricting
from shared.promises.people import Found
from shared.records import Account, Right
from shared.times import PROMISED


def not_begun(case: Case) -> bool:
    """Tell whether it was verified, and its first step was not taken."""
    return case.record.status == "verified" and case.record.begun_at is None


class Course(NamedTuple):
    """What one right does: `start` once the subjects are known, `withdraw` when it is cancelled.

    `promised`: the 14 days of the policy run from verification. `may_withdraw`: whether it still can be cancelled.
    """

    start: Callable[[Case, list[Found]], None]
    withdraw: Callable[[Case], None]
    promised: bool = False
    may_withdraw: Callable[[Case], bool] = not_begun


COURSES: Mapping[Right, Course] = {
    "erasure": Course(erasure.start, erasure.withdraw, promised=True),
    "restriction": Course(restricting.start, restricting.withdraw, may_withdraw=restricting.may_withdraw),
    "rectification": Course(rectifying.start, rectifying.withdraw),
    "access": Course(exporting.start, exporting.withdraw),
    "portability": Course(exporting.start, exporting.withdraw),
}


def verify(case: Case, found: Sequence[Found], proof: str) -> None:
    """Start the promised clock; go on at once where one account is found, and have the person choose among several."""
    accounts = [one for one in found if one.is_account]
    case.set(
        status="verified",
        verified_at=case.now,
        accounts=[Account(n=n, ref=one.ref) for n, one in enumerate(accounts, 1)],
    )
    if COURSES[case.record.right].promised:
        by = case.now + PROMISED
        case.set(promise_by=by, watch_by=min(by, case.record.statutory_by))
        case.note("verified", proof=proof, promise_by=by, accounts=len(accounts))
    else:
        case.note("verified", proof=proof, accounts=len(accounts))
    if case.record.second_needed_from is not None:
        case.also(attention.settled(erasure.SECOND_NEEDED, case.id))
    case.envelope.masked = {str(n): identity.masked_account(one.known) for n, one in enumerate(accounts, 1)}
    case.key("view", use="view")
    if len(accounts) > 1:
        case.key("cancel", use="cancel:a1", label="a1")
        case.mail("request_verified", "a1")
        return
    _start(case, list(found))


def choose(case: Case, numbers: Sequence[int]) -> None:
    """Go on with the accounts the person chose; the mailbox itself only when no account keeps using it."""
    chosen = [msgspec.structs.replace(account, chosen=account.n in numbers) for account in case.record.accounts]
    case.set(accounts=chosen)
    case.note("accounts.chosen", accounts=sorted(numbers))
    refs = [account.ref for account in chosen if account.chosen]
    found = [one for ref in refs if (one := people.by_ref(case.services, ref))]
    if all(account.chosen for account in chosen):
        mailbox = people.by_address(case.services, case.envelope.addresses["a1"])
        found += [one for one in mailbox if not one.is_account]
    _start(case, found)


def may_withdraw(case: Case) -> bool:
    """Tell whether the request can still be cancelled. An objection has no course: it acted when it was made."""
    course = COURSES.get(case.record.right)
    return course is not None and course.may_withdraw(case)


def withdraw(case: Case) -> None:
    """Cancel, as the right's own course has it."""
    COURSES[case.record.right].withdraw(case)


def _start(case: Case, found: list[Found]) -> None:
    case.set(
        accounts=[
            msgspec.structs.replace(one, chosen=one.chosen or len(case.record.accounts) == 1)
            for one in case.record.accounts
        ],
        subjects=[one.ref for one in found],
        chosen_at=case.now,
    )
    COURSES[case.record.right].start(case, found)
    _tell(case, found)


def _tell(case: Case, found: list[Found]) -> None:
    """Mail the private link to whoever proved the mailbox, and a notice with its own cancel link to every other one.

    A signed-in person has proved no mailbox: the link goes to the addresses the account has now.
    """
    proven = case.envelope.addresses.get("a1")
    known = dict.fromkeys(people.notice_addresses(case.services, found, case.services.clock))
    for n, email in enumerate((one for one in known if one != proven), 2):
        case.envelope.addresses[f"a{n}"] = email
    for label, email in case.envelope.addresses.items():
        if f"cancel:{label}" in case.envelope.tokens:
            continue
        case.key("cancel", use=f"cancel:{label}", label=label)
        opens = label == "a1" or (not proven and people.still_current(case.services, found, email))
        case.mail("request_verified" if opens else "request_notice", label)
