"""§4: within 14 days. A watchdog apart from the worker: it reads only the clocks, and a stuck worker cannot silence it."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared import attention
from shared.case import Case
from shared.catalogue import catalogue, fingerprint
from shared.outcomes import UNSETTLED
from shared.ports import Services
from shared.promises.policy import IN_FORCE, read
from shared.records import WATCHED_REQUESTS, Attention, InForce
from shared.store import Conflict, every
from shared.times import rfc3339

UNPUBLISHED = "policy_unpublished"
"""Purposes, recipients or the company are configured otherwise than the version published last says."""
WARNINGS: tuple[tuple[str, timedelta], ...] = (
    ("4_days_left", timedelta(days=4)),
    ("2_days_left", timedelta(days=2)),
    ("1_day_left", timedelta(days=1)),
    ("breached", timedelta(0)),
)


def due_warnings(left: timedelta, given: list[str]) -> list[str]:
    """Return the warnings that are due with so much time left and were not given yet."""
    return [name for name, before in WARNINGS if left <= before and name not in given]


def watch(services: Services) -> dict[str, int]:
    """Warn of every open request that nears its date, once for each warning; raise an incident on a breach.

    And have a person see that what is configured is not what was published.
    """
    now = services.clock.now()
    near = every(services.store, WATCHED_REQUESTS, True, at_most=now + WARNINGS[0][1])
    due = [one.id for one in near if due_warnings(one.record.watch_by - now, one.record.warned)]
    warned = sum(_warn(services, request_id, now) for request_id in due)
    # after the clocks: a company file that cannot be read must silence none of them
    _watch_policy(services)
    return {"warned": warned}


def _watch_policy(services: Services) -> None:
    """Ask for a version that says what is true: who gets data, and for what, is announced to everybody (§8, §9)."""
    pointer = services.store.get(InForce, IN_FORCE)
    if pointer is None:
        return
    shown = services.store.get(Attention, attention.attention_id(UNPUBLISHED, IN_FORCE)) is not None
    published = read(services, pointer.record.version).policy.catalogue_hash
    is_behind = published != fingerprint(catalogue(services.company, services.annex))
    if is_behind and not shown:
        services.commit(attention.raised(UNPUBLISHED, IN_FORCE, services.clock.now(), pointer.record.version))
    elif shown and not is_behind:
        services.commit([attention.settled(UNPUBLISHED, IN_FORCE)])


def _warn(services: Services, request_id: str, now: datetime) -> int:
    case = Case.read(services, request_id)
    names = due_warnings(case.record.watch_by - now, case.record.warned)
    for name in names:
        case.note("deadline", warning=name, by=rfc3339(case.record.watch_by))
    case.set(warned=[*case.record.warned, *names])
    if case.record.status == "unverified" and case.record.second_needed_from is None:
        _unconfirmed_is_no_breach(case, names)
    else:
        _raise(case, names, now)
    try:
        case.commit()
    except Conflict:
        # it moved this very moment; the next run looks again
        return 0
    return len(names)


def _unconfirmed_is_no_breach(case: Case, names: list[str]) -> None:
    # a request nobody confirmed is answered three days before its month ends; only its lack of an answer is late
    if "2_days_left" in names or "breached" in names:
        case.also(*attention.raised("unanswered", case.id, case.now, names[-1]))


def _raise(case: Case, names: list[str], now: datetime) -> None:
    case.also(*attention.raised("deadline_near", case.id, now, names[-1]))
    if len(case.record.accounts) > 1 and case.record.chosen_at is None:
        case.also(*attention.raised("accounts_not_chosen", case.id, now))
    if "2_days_left" in names:
        for name, step in case.record.steps.items():
            if step.outcome in UNSETTLED:
                case.also(*attention.raised("step_late", case.id, now, step.problem, subprocessor=name))
    if "breached" in names:
        case.also(*attention.incident("deadline_breached", case.id, now))
