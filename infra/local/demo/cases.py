"""The operator's view: each request with its steps and its evidence, and what a person must look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.local.demo.product import Product, Refusal, path_of

MOST_SHOWN = 8
MOST_PAGES = 20
OPEN = {"unverified", "verified", "in_progress"}
NEEDS = {
    "step_failed": "A step failed and is not tried again by itself",
    "step_late": "A step is not settled, and the promised date is near",
    "answered_late": "A vendor answered worse than what was settled meanwhile",
    "not_told": "Somebody could not be told of an objection",
    "mail_failed": "A mail could not be handed over",
    "work_failed": "Some work was refused",
    "defect": "A fault of ours stopped some work",
    "work_late": "Some work fails again and again",
    "ending_unheard": "Nobody could be told that their account ends",
    "request_unwatched": "A request near its date cannot be read",
    "expired_not_removed": "Something whose time is over could not be removed",
    "deadline_near": "The promised date is near",
    "unanswered": "A request waits for its answer",
    "accounts_not_chosen": "Nobody said yet which accounts are meant",
    "incident": "An incident is open; its 72 hours are running",
}


@dataclass(frozen=True)
class Case:
    """One request. `evidence`: the kinds of its entries and their times, oldest first."""

    view: dict[str, Any]
    evidence: list[dict[str, Any]]

    @property
    def whose(self) -> str:
        """Say whose account it is, masked; nothing once that is gone."""
        return ", ".join(one["masked"] for one in self.view.get("accounts", []) if one.get("masked"))

    def may_retry(self, step: dict[str, Any]) -> bool:
        """Tell whether trying again means anything: it was tried, and is not settled."""
        tried = bool(step["attempts"])
        return bool(step["outcome"] == "failed") or (step["outcome"] == "pending" and tried)


@dataclass(frozen=True)
class Cases:
    """The newest requests in full, and how many there are."""

    shown: list[Case]
    count: int
    open: int


@dataclass(frozen=True)
class Needed:
    """Something a person must look at. `about`: a request's id, or another record's; `subprocessor` and `problem` may be empty."""

    words: str
    about: str
    subprocessor: str
    problem: str
    since: str


def cases(product: Product) -> Cases:
    """Read the requests, newest first."""
    everything: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        page = product.operator("GET", f"/operator/requests{f'?cursor={cursor}' if cursor else ''}")
        everything += page["requests"]
        if not (cursor := page.get("cursor", "")):
            break
    everything.sort(key=lambda one: one["received_at"], reverse=True)
    shown = [_case(product, one["request_id"]) for one in everything[:MOST_SHOWN]]
    return Cases(shown, len(everything), sum(one["status"] in OPEN for one in everything))


def _case(product: Product, request_id: str) -> Case:
    view = product.operator("GET", path_of("operator", "requests", request_id))
    evidence = product.operator("GET", path_of("operator", "evidence", request_id))["entries"]
    return Case(view, evidence)


def attention(product: Product) -> list[Needed]:
    """Return what a person must look at, oldest first."""
    return [_needed(one) for one in product.operator("GET", "/operator/attention")["items"]]


def _needed(item: dict[str, Any]) -> Needed:
    # what does not apply is left out there
    words = NEEDS.get(item["kind"], item["kind"].replace("_", " "))
    about, subprocessor = str(item.get("request_id") or ""), str(item.get("subprocessor") or "")
    return Needed(words, about, subprocessor, str(item.get("problem") or ""), item["since"])


def retry(product: Product, request_id: str, subprocessor: str) -> None:
    """Try a step again, as the operator. Raises Refusal."""
    if not request_id or not subprocessor:
        raise Refusal(400, "That request cannot be accepted", "say which step of which request")
    path = path_of("operator", "requests", request_id, "steps", subprocessor, "retry")
    product.operator("POST", path, {"reason": "Tried again by hand, from the demo"})


def verify_evidence(product: Product) -> dict[str, Any]:
    """Have all evidence checked: `{entries, intact, first_break?}`. A break opens an incident."""
    found: dict[str, Any] = product.operator("POST", "/operator/evidence/verify")
    return found
