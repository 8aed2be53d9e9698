"""`operator`: publishing a version of the policy, and how far its announcing is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from infra.cli import main
from infra.in_force import SEEN_BY_ALL_AFTER
from tests.functions.called import OPERATOR_TOKEN, SETTINGS, WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract, ReadsContract

BEARER = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
NEW = {
    "version": "v2",
    "title": "Our policy",
    "text": "# Our policy\n\nOther words.",
    "effective_at": "2030-01-01T00:00:00Z",
}
NOBODY_YET = {"recipients": 0, "sent": 0, "delivered": 0, "bounced": 0, "failed": 0}


class TestOperatorCampaigns(ReadsContract):
    edge = "operator"
    reads = ("/campaigns/{id}",)
    browser = False
    headers = BEARER

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return {"id": "campaign-v1"}


class TestOperatorPolicies(ActsContract):
    edge = "operator"
    acts = ("/policies",)
    browser = False
    headers = BEARER


@pytest.mark.parametrize(("method", "path"), [("POST", "/policies"), ("GET", "/campaigns/campaign-v1")])
@pytest.mark.parametrize("sent", ["", "Bearer a guess", f"Bearer {WEBSITE_KEYS[0]}", f"Basic {OPERATOR_TOKEN}"])
def test_only_the_operator_may_call(called: Called, method: str, path: str, sent: str) -> None:
    with called.changing_nothing():
        problem(called.call(method, f"/operator{path}", NEW, Authorization=sent), 401, "Authorization")


def test_a_version_is_published_in_the_operators_name_and_its_campaign_follows(called: Called) -> None:
    before, began = called.notice("ads"), time.monotonic()
    answer = called.operator(
        "POST", "/policies", NEW | {"material": True, "summary": "Other words", "changes": ["ads"]}
    )
    assert (answer.status_code, answer.json) == (202, {"campaign_id": "campaign-v2"})
    assert time.monotonic() - began >= SEEN_BY_ALL_AFTER, "other instances may have read the old one just before"
    assert campaign(called) == NOBODY_YET | {"state": "pending"}
    kept = called.get("/policy/v2").json
    assert (kept["title"], kept["summary"], kept["changes"]) == ("Our policy", "Other words", ["ads"])
    entry = called.operator("GET", "/evidence/policy").json["entries"][-1]
    assert (entry["facts"]["version"], entry["facts"]["by"]) == ("v2", "operator")
    stale = {"subject": {"device_id": "device-0001"}, "notice": before, "decisions": {"ads": True}, "method": "banner"}
    assert called.post("/consents", stale).status_code == 409
    called.announce()
    assert campaign(called) == NOBODY_YET | {"state": "announced"}


def campaign(called: Called, id: str = "campaign-v2") -> dict[str, Any]:
    answer = called.operator("GET", f"/campaigns/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_version_is_published_once(called: Called) -> None:
    with called.changing_nothing():
        problem(called.operator("POST", "/policies", NEW | {"version": "v1"}), 409, "version")


@pytest.mark.parametrize("dry", ["1", "true", "yes", "0", ""])
def test_a_dry_run_is_not_there_yet_and_publishes_nothing_however_it_is_asked_for(called: Called, dry: str) -> None:
    with called.changing_nothing():
        problem(called.operator("POST", f"/policies?dry_run={dry}", NEW), 501, "dry_run")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"version": None}, "version"),
        ({"version": "notice"}, "version"),
        ({"version": "a/b"}, "version"),
        ({"version": "a..b"}, "version"),
        ({"text": " \n"}, "text"),
        ({"title": "Our\nBcc: everybody"}, "title"),
        ({"title": "a\u2028b"}, "title"),
        ({"changes": ["ads", "telepathy"]}, "changes"),
        ({"effective_at": "2030-01-01T00:00:00"}, "effective_at"),
        ({"effective_at": "0001-01-01T00:00:00+14:00"}, "effective_at"),
        ({"effective_at": "9999-12-31T23:59:59-12:00"}, "effective_at"),
        ({"summary": None}, "summary"),
        ({"summary": 1}, "summary"),
        ({"published_by": "somebody else"}, "published_by"),
    ],
)
def test_what_cannot_be_published_is_refused_by_its_field(called: Called, wrong: dict[str, Any], field: str) -> None:
    with called.changing_nothing():
        problem(called.operator("POST", "/policies", NEW | wrong), 400, field)


@pytest.mark.parametrize("missing", ["version", "text"])
def test_a_version_needs_a_name_and_a_text(called: Called, missing: str) -> None:
    with called.changing_nothing():
        body = {name: value for name, value in NEW.items() if name != missing}
        problem(called.operator("POST", "/policies", body), 400, missing)


@pytest.mark.parametrize("id", ["campaign-v9", "v1", "policy", "campaign-", "campaign-a..b", "CAMPAIGN-v1"])
def test_a_campaign_that_is_none_is_missing(called: Called, id: str) -> None:
    problem(called.operator("GET", f"/campaigns/{id}"), 404)


def test_the_command_line_says_which_campaign_follows(
    called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (SETTINGS | {"DATA_DIR": str(called.data_dir)}).items():
        monkeypatch.setenv(name, value)
    policy = called.data_dir / "policy.md"
    policy.write_text(NEW["text"])
    assert main(["publish", str(policy), "--version", "v2", "--by", "ola"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "campaign campaign-v2"
    called.announce()
    assert campaign(called)["state"] == "announced"
    assert main(["publish", str(policy), "--version", "v2", "--title", "a\tb"]) == 1
    assert capsys.readouterr().err.startswith("pledge: title: ")
