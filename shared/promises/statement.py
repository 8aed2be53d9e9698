"""What a person may read of their request: the status by their private key, and the signed statement of what was done.

Nothing here is stronger than the recorded outcomes, and nothing in it is personal data but the request itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shared import words
from shared.annex import MAILER
from shared.case import Case
from shared.outcomes import UNSETTLED, promise_met, status_of
from shared.records import Export, Request, Status, Step
from shared.times import rfc3339, statutory_month

TITLE_NOT_CONNECTED = "not connected: we sent it nothing"


def view(case: Case) -> dict[str, Any]:
    """Return a request as API.md shapes it."""
    record = case.record
    shape: dict[str, Any] = {
        "request_id": case.id,
        "right": record.right,
        "status": status_of(record, case.now),
        "received_at": rfc3339(record.received_at),
        "statutory_by": rfc3339(record.statutory_by),
        "steps": [_step(name, step) for name, step in record.steps.items()],
    }
    if record.verified_at:
        shape["verified_at"] = rfc3339(record.verified_at)
    if record.verified_at and record.promise_by:
        shape["promise"] = _promise(record, case.now)
    if record.begins_at and record.begun_at is None and record.status == "verified":
        shape["begins_at"] = rfc3339(record.begins_at)
    for name in ("paused_at", "extended_at"):
        if (at := getattr(record, name)) is not None:
            shape[name.removesuffix("_at")] = rfc3339(at)
    if record.ends_at is not None:
        shape["ends_at"] = rfc3339(record.ends_at)
    if record.right == "rectification" and record.steps:
        # of somebody we hold no record of, recipients alone are told
        shape["corrected"] = record.corrected if record.subjects else []
    if record.export is not None:
        shape["export"] = _export(record.export)
    shape["told"] = [
        {"subprocessor": one.subprocessor, "what": one.what, "at": rfc3339(one.at), "outcome": one.outcome}
        for one in record.told
    ]
    return shape


def view_unproven(case: Case) -> dict[str, Any]:
    """Return what whoever filed a request may see before the mailbox confirmed: that it waits, or waits no more."""
    record = case.record
    return {
        "request_id": case.id,
        "right": record.right,
        "status": _status_unproven(record),
        "received_at": rfc3339(record.received_at),
        "statutory_by": rfc3339(statutory_month(record.received_at)),
        "steps": [],
    }


def _export(export: Export) -> dict[str, Any]:
    shape = {"ready_at": rfc3339(export.ready_at), "until": rfc3339(export.until), "bytes": export.n_bytes}
    return shape | ({"fetched_at": rfc3339(export.fetched_at)} if export.fetched_at else {})


def missing(case: Case) -> list[str]:
    """Say, line by line, what an export lacks, and why."""
    lines = []
    for name, step in case.record.steps.items():
        unread = ["could not be read yet; we are on it"] if step.outcome == "failed" else []
        reasons = words.reasons(step.evidence) or unread
        told = [] if step.outcome == "no_store" else reasons
        lines += [f"{words.recipient(name)}: {reason}" for reason in told]
    return lines


def _status_unproven(record: Request) -> Status:
    # an objection acts without proof, and its status says nothing of whether anybody is known
    if record.right == "objection":
        return record.status
    return "unverified" if record.open else "unconfirmed"


def _promise(record: Request, now: datetime) -> dict[str, Any]:
    promise: dict[str, Any] = {"by": rfc3339(record.promise_by)} if record.promise_by else {}
    if record.ours_done_at:
        promise["ours_done_at"] = rfc3339(record.ours_done_at)
    met = promise_met(record, now)
    if met is not None:
        promise["met"] = met
    promise["outstanding"] = [
        {"subprocessor": name} | ({"until": rfc3339(until)} if until else {})
        for name, step in record.steps.items()
        if (until := held_until(step, now)) is not None or step.outcome in UNSETTLED
    ]
    return promise


def held_until(step: Step, now: datetime) -> datetime | None:
    """Return until when something is still held after a settled step; None when nothing is known to be."""
    untils = [one for one in (step.until, step.physically_gone_by) if one is not None and one > now]
    return max(untils, default=None)


def _step(name: str, step: Step) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "subprocessor": name,
        "outcome": step.outcome,
        "at": rfc3339(step.at),
        "attempts": step.attempts,
    }
    for field in ("until", "physically_gone_by"):
        if (at := getattr(step, field)) is not None:
            shape[field] = rfc3339(at)
    for field in ("ground", "evidence"):
        if (value := getattr(step, field)) is not None:
            shape[field] = value
    return shape


def not_connected(case: Case) -> list[dict[str, str]]:
    """Return the subprocessors of the annex that get no step, each with why."""
    # of what was planned then, not of what is connected today
    connected = set(case.record.steps) or set(case.services.connected)
    not_used = case.services.company.not_used
    return [
        {
            "name": one.name,
            "title": one.title,
            "why": f"not used: {not_used[one.name]}" if one.name in not_used else TITLE_NOT_CONNECTED,
        }
        for one in case.services.annex
        if one.name not in connected
    ]


def statement(case: Case) -> dict[str, Any]:
    """Return the statement of what was done, line by line, with its signature."""
    shape = view(case)
    shape["lines"] = [
        line | {"title": words.recipient(line["subprocessor"]), "words": words.outcome(line, case.record.right)}
        for line in shape.pop("steps")
    ]
    shape |= {
        "issued_at": rfc3339(case.now),
        "controller": case.services.company.name,
        "survives": survives(case),
        "not_connected": not_connected(case),
        "standing": words.STANDING,
    }
    return {"statement": shape, "jws": case.services.vault.sign(shape | {"iss": case.services.base_url})}


def survives(case: Case) -> list[dict[str, Any]]:
    """Name everything that outlives an erasure (TRUTH §4), so that nobody finds it by surprise."""
    record = case.record
    items: list[dict[str, Any]] = [
        {
            "what": "this request: its dates and outcomes, and a keyed code of the address or account that asked",
            "why": "to prove what was done (GDPR Art. 5(2), 17(3)(e))",
            "until": rfc3339(record.expires_at) if record.expires_at else None,
        },
    ]
    if record.right != "erasure":
        return items
    if record.begun_at and record.subjects:
        items.append(
            {
                "what": "a sealed mark that the account was erased, until the longest restorable copy is gone",
                "why": "so that restoring a backup does not bring it back",
                "until": None,
            }
        )
    if record.objected:
        items.append(
            {
                "what": "a keyed code of the address, and SendGrid's own opt-out entry",
                "why": "because of the objection to marketing (GDPR Art. 21(3)), until that address opts in again",
                "until": None,
            }
        )
    if record.opted_out:
        items.append(
            {
                "what": "a keyed code of the address",
                "why": "because of a no to mail that was said here, until that address opts in again",
                "until": None,
            }
        )
    items += [_retained(name, part) for name, step in record.steps.items() for part in _parts(step)]
    return items


def _parts(step: Step) -> list[dict[str, Any]]:
    return [part for part in (step.evidence or {}).values() if part.get("outcome") == "retained"]


def _retained(name: str, part: dict[str, Any]) -> dict[str, Any]:
    return {"what": f"records kept at {words.recipient(name)}", "why": part.get("ground"), "until": part.get("until")}


def lines_for_mail(case: Case) -> dict[str, list[str]]:
    """Sort the steps into done, open and kept for the closing mail."""
    sorted_lines: dict[str, list[str]] = {"done": [], "open": [], "kept": []}
    for name, step in case.record.steps.items():
        kind = "open" if step.outcome in UNSETTLED else "kept" if step.outcome == "retained" else "done"
        sorted_lines[kind].append(f"{words.recipient(name)}: {_said(case, name, step)}")
    return sorted_lines


def answers(case: Case) -> dict[str, list[str]]:
    """Sort what the recipients of a restriction or a correction said: who did it, and who could not, with each reason."""
    sorted_lines: dict[str, list[str]] = {"done": [], "not_done": []}
    for name, step in case.record.steps.items():
        said = words.outcome(_step(name, step), case.record.right)
        kind = "done" if step.outcome in {"verified", "accepted", "scheduled_by_vendor"} else "not_done"
        reasons = "".join(f" ({one})" for one in words.reasons(step.evidence))
        sorted_lines[kind].append(f"{words.recipient(name)}: {said}{reasons if kind == 'not_done' else ''}")
    return sorted_lines


def _said(case: Case, name: str, step: Step) -> str:
    if name == MAILER and step.outcome == "pending":
        return "will be told to delete within a day, after this mail"
    said = words.outcome(_step(name, step), case.record.right)
    if step.physically_gone_by and step.physically_gone_by > case.now:
        said += f" (its last backup copy is gone by {words.date(step.physically_gone_by)})"
    return said
