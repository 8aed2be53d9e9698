"""What stands behind the question mark: a slip of the pen is refused by its name, and never passed over."""

from __future__ import annotations

import pytest

from tests.functions.called import Called, problem

DRAFT = {"version": "v2", "title": "T", "text": "# Policy\n\nText.", "material": True, "summary": "S."}
SLIPS = {
    "/policies?dry-run=1": "dry-run",
    "/policies?DRY_RUN=1": "DRY_RUN",
    "/policies?dry_run=1&dry_run=0": "dry_run",
    "/policies?dry_run=1&dryrun=1": "dryrun",
    "/breaker/reset?dry_run=1": "dry_run",
}
OPERATORS = {
    "/requests?overdue=maybe": "overdue",
    "/requests?overdue=": "overdue",
    "/requests?state=unverified": "state",
    "/requests?status=unverified&status=verified": "status",
    "/attention?overdue=1": "overdue",
}
ANYBODYS = {
    "/policy/notice?purpose=ads": "purpose",
    "/policy/notice?purposes=analytics&purposes=ads": "purposes",
    "/consents/current?device_id=device-0001&purpose=ads": "purpose",
}


@pytest.mark.parametrize("path", SLIPS)
def test_a_misspelt_dry_run_publishes_nothing(called: Called, path: str) -> None:
    before = called.rows()
    problem(called.operator("POST", path, DRAFT), 400, SLIPS[path])
    assert called.rows() == before


@pytest.mark.parametrize("path", OPERATORS)
def test_an_operators_question_is_answered_as_it_was_asked_or_refused(called: Called, path: str) -> None:
    problem(called.operator("GET", path), 400, OPERATORS[path])


@pytest.mark.parametrize("path", ANYBODYS)
def test_a_pages_question_is_answered_as_it_was_asked_or_refused(called: Called, path: str) -> None:
    problem(called.get(path), 400, ANYBODYS[path])


@pytest.mark.parametrize(
    "path", ["/policy?utm_source=mail", "/policy/v1?fbclid=x", "/requests/new?right=erasure&gclid=x"]
)
def test_what_others_put_behind_a_link_keeps_nobody_from_a_page(called: Called, path: str) -> None:
    assert called.page(path).status_code == 200
