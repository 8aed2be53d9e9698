"""§4: within 14 days. A watchdog apart from the worker: it reads only the clocks, and a stuck worker cannot silence it."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from functools import partial

from shared import attention, work
from shared.apart import Apart
from shared.case import Case
from shared.catalogue import catalogue, fingerprint
from shared.failures import Missing
from shared.outcomes import UNSETTLED
from shared.ports import Services
from shared.promises.policy import IN_FORCE, read
from shared.records import ATTENTION_OF_KIND, WATCHED_REQUESTS, Attention, InForce, Request, Work
from shared.store import Conflict, Delete, Stored, every
from shared.times import rfc3339

UNPUBLISHED = "policy_unpublished"
"""Purposes, recipients or the company are configured otherwise than the version published last says."""
UNWATCHED = "request_unwatched"
"""A request nears its date and cannot be read: nothing but this says so."""
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

    And have a person see that what is configured is not what was published. A request that cannot be read silences no
    other clock; its failure is raised at the end.
    """
    now, apart = services.clock.now(), Apart(services, UNWATCHED)
    near = every(services.store, WATCHED_REQUESTS, True, at_most=now + WARNINGS[0][1])
    due = [one.id for one in near if due_warnings(one.record.watch_by - now, one.record.warned)]
    warned = sum(apart.take(partial(_warn, services, one, now), one, Request.collection) for one in due)
    # after the clocks: a company file that cannot be read must silence none of them
    _settle_late_work(services)
    _watch_policy(services)
    apart.end()
    return {"warned": warned}


def _settle_late_work(services: Services) -> None:
    """Take work off the list that ended, or was asked for anew, and whose worker died before it said so."""
    for shown in every(services.store, ATTENTION_OF_KIND, work.LATE):
        item = services.store.get(
            Work, shown.id.removeprefix(attention.attention_id(work.LATE, shown.record.ref) + ":")
        )
        if item is None or item.record.failing_since is None:
            _forget(services, shown)


def _forget(services: Services, shown: Stored[Attention]) -> None:
    # as it was read: what fails anew this moment stays
    with contextlib.suppress(Conflict):
        services.commit([Delete(Attention, shown.id, shown.version)])


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
    try:
        case = Case.read(services, request_id)
    except Missing:
        # removed this very moment: nothing is left to warn of
        return 0
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
