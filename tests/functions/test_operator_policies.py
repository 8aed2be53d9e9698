"""`operator`: publishing a version of the policy, and how far its announcing is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from infra.cli import main
from infra.in_force import SEEN_BY_ALL_AFTER
from tests.functions.called import OPERATOR_TOKEN, SETTINGS, WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract, ReadsContract
from tests.infra.html_reader import Page

BEARER = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
NEW = {
    "version": "v2",
    "title": "Our policy",
    "text": "# Our policy\n\nOther words.",
    "effective_at": "2030-01-01T00:00:00Z",
}
NOBODY_YET = {"recipients": 0, "sent": 0, "delivered": 0, "bounced": 0, "failed": 0, "in_doubt": 0, "waiting": 0}


class TestOperatorCampaigns(ReadsContract):
    edge = "operator"
    reads = ("/campaigns/{id}", "/policies/v1/findings")
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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/policies"),
        ("POST", "/policies?dry_run=1"),
        ("GET", "/policies/v1/findings"),
        ("GET", "/campaigns/campaign-v1"),
    ],
)
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
    assert (NOBODY_YET | {"state": "pending"}).items() <= campaign(called).items()
    kept = called.get("/policy/v2").json
    assert (kept["title"], kept["summary"], kept["changes"]) == ("Our policy", "Other words", ["ads"])
    entry = called.operator("GET", "/evidence/policy").json["entries"][-1]
    assert (entry["facts"]["version"], entry["facts"]["by"]) == ("v2", "operator")
    stale = {"subject": {"device_id": "device-0001"}, "notice": before, "decisions": {"ads": True}, "method": "banner"}
    assert called.post("/consents", stale).status_code == 409
    called.announce()
    assert (NOBODY_YET | {"state": "done"}).items() <= campaign(called).items()


def campaign(called: Called, id: str = "campaign-v2") -> dict[str, Any]:
    answer = called.operator("GET", f"/campaigns/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_version_is_published_once(called: Called) -> None:
    with called.changing_nothing():
        problem(called.operator("POST", "/policies", NEW | {"version": "v1"}), 409, "version")


# --- the dry run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry", ["1", "true"])
def test_a_dry_run_tells_recipients_cost_difference_and_findings_and_changes_nothing(called: Called, dry: str) -> None:
    called.sign_up("u1", "ann@mail.example")
    with called.changing_nothing():
        answer = called.operator("POST", f"/policies?dry_run={dry}", NEW)
    assert answer.status_code == 200, answer.text
    told = answer.json
    assert {"recipients", "cost", "diff", "findings", "version", "hash", "material", "changes", "effective_at"} <= set(
        told
    )
    assert (told["recipients"], told["cost"]) == (1, {"mails": 1})
    assert "".join(piece.get("new", "") for piece in told["diff"]) == NEW["text"] + "\n"
    for finding in told["findings"]:
        assert {"id", "kind", "rule", "why", "source"} <= set(finding)
        assert finding["kind"] in {"contradiction", "missing", "unprovable"}


@pytest.mark.parametrize("dry", ["0", "false"])
def test_a_run_that_is_said_not_to_be_dry_publishes(called: Called, dry: str) -> None:
    answer = called.operator("POST", f"/policies?dry_run={dry}", NEW)
    assert (answer.status_code, answer.json) == (202, {"campaign_id": "campaign-v2"})


@pytest.mark.parametrize("dry", ["", "yes", "ture", "1,0", "01", "TRUE"])
def test_a_slip_of_the_pen_never_publishes(called: Called, dry: str) -> None:
    with called.changing_nothing():
        problem(called.operator("POST", f"/policies?dry_run={dry}", NEW), 400, "dry_run")


def test_a_dry_run_of_the_text_in_force_says_that_nothing_changed(called: Called) -> None:
    same = NEW | {"text": called.get("/policy").json["text"]}
    assert called.operator("POST", "/policies?dry_run=1", same).json["unchanged"] is True
    assert called.operator("POST", "/policies?dry_run=1", NEW).json["unchanged"] is False
    assert "for nothing" in Page(posted(called, text=same["text"]).text).text


def test_the_findings_of_a_version_are_kept_with_the_evidence_of_who_published_it(called: Called) -> None:
    text = "# Ours\n\nYour data is 100% safe with us.\n"
    told = called.operator("POST", "/policies?dry_run=1", NEW | {"text": text}).json
    called.operator("POST", "/policies", NEW | {"text": text})
    kept = called.operator("GET", "/policies/v2/findings").json
    assert (kept["version"], kept["published_by"], kept["findings"]) == ("v2", "operator", told["findings"])
    assert "Your data is 100% safe with us." in {one.get("sentence") for one in kept["findings"]}
    facts = called.operator("GET", "/evidence/policy").json["entries"][-1]["facts"]
    assert (facts["by"], facts["findings"]["sha256"]) == ("operator", kept["sha256"])


@pytest.mark.parametrize("version", ["v9", "campaign-v1", "a..b", "%00", "v1%2f", "new"])
def test_findings_of_no_version_are_missing(called: Called, version: str) -> None:
    problem(called.operator("GET", f"/policies/{version}/findings"), 404)


# --- the page ----------------------------------------------------------------------------------------------------------

FORM = {"version": "v2", "text": "# Ours\r\n\r\nYour data is 100% safe with us.\r\n", "effective_on": "2030-01-01"}


class TestOperatorPublishPage(PagesContract):
    edge = "operator"
    pages = ("/policies/new",)
    acts = pages
    browser = False


def posted(called: Called, token: str = OPERATOR_TOKEN, **more: Any) -> TestResponse:
    return called.form("/operator/policies/new", FORM | {"token": token} | more)


def test_the_page_shows_first_and_publishes_only_what_was_looked_at(called: Called) -> None:
    with called.changing_nothing():
        looked = posted(called)
        assert looked.status_code == 200
        assert posted(called, seen="a guess").status_code == 200
    read = Page(looked.text)
    assert "Nothing is published yet." in read.text
    assert "Your data is 100% safe with us." in read.text
    seen = next(one.attributes["value"] for one in read.named("button") if one.attributes.get("name") == "seen")
    with called.changing_nothing():
        assert posted(called, seen=seen, summary="other words").status_code == 200, "that was not looked at"
        assert posted(called, seen=seen, minor="true").status_code == 200
    done = posted(called, seen=seen)
    assert done.status_code == 202
    assert ("a", "/operator/campaigns/campaign-v2/page") in Page(done.text).links()
    kept = called.get("/policy/v2").json
    assert (kept["text"], kept["effective_at"]) == (
        "# Ours\n\nYour data is 100% safe with us.\n",
        "2030-01-01T00:00:00Z",
    )
    assert called.operator("GET", "/evidence/policy").json["entries"][-1]["facts"]["by"] == "operator"


def test_the_page_holds_a_version_against_what_people_live_under_and_shows_what_came_since_the_last(
    called: Called,
) -> None:
    called.later(days=1)
    called.publish("v2", "# Ours\n\nAnnounced.\n", effective_at=called.now() + timedelta(days=30))
    read = Page(
        posted(called, version="v3", effective_on="", minor="true", text="# Ours\n\nAnnounced, put right.\n").text
    )
    assert "Held against version v1, which people live under" in read.text
    assert "What differs from version v2, which was published last" in read.text
    assert "What version v2 announced as a material change" in read.text
    later = Page(posted(called, version="v3", text="# Ours\n\nLater.\n").text)
    assert "Held against version v2" in later.text
    assert "which was published last" not in later.text


@pytest.mark.parametrize("token", ["a guess", WEBSITE_KEYS[0], " ", f"Bearer {OPERATOR_TOKEN}"])
def test_nobody_publishes_by_the_page_without_an_operators_token(called: Called, token: str) -> None:
    with called.changing_nothing():
        answer = posted(called, token)
    # an empty field is as good as none
    assert answer.status_code in {400, 401}
    assert "Findings" not in Page(answer.text).text


def test_a_bearer_does_not_stand_in_for_the_token_of_the_form(called: Called) -> None:
    """Else a page of somebody else could post it for whoever is signed in."""
    body = {name: value for name, value in FORM.items() if name != "token"}
    with called.changing_nothing():
        answer = called.call("POST", "/operator/policies/new", body, Authorization=f"Bearer {OPERATOR_TOKEN}")
        assert answer.status_code in {400, 401}


def test_the_token_is_never_shown_again(called: Called) -> None:
    for answer in (posted(called), posted(called, effective_on="soon"), posted(called, version="v1")):
        assert OPERATOR_TOKEN not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"version": "v1"}, "version"),
        ({"version": "a/b"}, "version"),
        ({"text": " \r\n"}, "text"),
        ({"effective_on": "2030-02-30"}, "effective_on"),
        ({"effective_on": "tomorrow"}, "effective_on"),
        ({"effective_on": "9999-12-31"}, "effective_on"),
        ({"version": ""}, "version"),
        ({"version": " "}, "version"),
        ({"text": ""}, "text"),
        ({"title": "a" * 201}, "title"),
    ],
)
def test_what_cannot_be_published_comes_back_with_what_was_typed(
    called: Called, wrong: dict[str, Any], field: str
) -> None:
    with called.changing_nothing():
        answer = posted(called, **wrong)
    assert answer.status_code in {400, 409}
    read = Page(answer.text)
    assert ("a", f"#{field}") in read.links()
    assert "Your data is 100% safe" in read.text or "text" in wrong
    problem(
        called.form("/operator/policies/new", FORM | {"token": OPERATOR_TOKEN} | wrong, accept="*/*"),
        answer.status_code,
        field,
    )


class TestOperatorCampaignPage(PagesContract):
    edge = "operator"
    pages = ("/campaigns/campaign-v1/page",)
    acts = pages
    browser = False


def pressed(called: Called, act: str = "look", token: str = OPERATOR_TOKEN, id: str = "campaign-v2") -> TestResponse:
    return called.form(f"/operator/campaigns/{id}/page", {"token": token, "act": act})


def buttons(answer: TestResponse) -> list[str]:
    return [one.attributes["value"] for one in Page(answer.text).named("button")]


def test_the_page_of_a_campaign_shows_how_far_it_is_stops_it_and_goes_on(called: Called) -> None:
    assert called.operator("POST", "/policies", {"version": "v2", "text": "# Ours\n\nChanged.\n"}).status_code == 202
    with called.changing_nothing():
        looked = pressed(called)
    assert (looked.status_code, buttons(looked)) == (200, ["look", "pause"])
    assert "telling begins within five minutes" in Page(looked.text).text
    stopped = pressed(called, "pause")
    assert (stopped.status_code, buttons(stopped)) == (200, ["look", "resume"])
    assert called.operator("GET", "/campaigns/campaign-v2").json["state"] == "paused"
    kinds = [one["kind"] for one in called.operator("GET", "/evidence/campaign-v2").json["entries"]]
    assert kinds[-1] == "campaign.paused"
    assert buttons(pressed(called, "resume")) == ["look", "pause"]
    assert called.operator("GET", "/campaigns/campaign-v2").json["state"] == "announced"
    called.announce()
    done = pressed(called)
    assert buttons(done) == ["look"]
    assert "Everybody was told, or could not be" in Page(done.text).text


@pytest.mark.parametrize("token", ["a guess", WEBSITE_KEYS[0], " ", f"Bearer {OPERATOR_TOKEN}"])
@pytest.mark.parametrize("act", ["look", "pause", "resume"])
def test_without_an_operators_token_the_page_of_a_campaign_does_and_says_nothing(
    called: Called, act: str, token: str
) -> None:
    called.publish("v2", "# Ours\n\nChanged.\n")
    with called.changing_nothing():
        answers = [pressed(called, act, token, id) for id in ("campaign-v2", "campaign-v77")]
    assert {one.status_code for one in answers} <= {400, 401}
    assert len({one.text.replace("campaign-v77", "campaign-v2") for one in answers}) == 1, (
        "not even whether there is one"
    )
    assert OPERATOR_TOKEN not in answers[0].text


@pytest.mark.parametrize("id", ["campaign-v9", "v2", "campaign-a..b", "campaign-"])
def test_the_page_of_no_campaign_says_so(called: Called, id: str) -> None:
    answer = pressed(called, id=id)
    assert answer.status_code == 404
    assert "That was not done" in Page(answer.text).text


def test_what_nobody_can_press_is_refused_by_its_field(called: Called) -> None:
    problem(
        called.form("/operator/campaigns/campaign-v1/page", {"token": OPERATOR_TOKEN, "act": "erase"}, accept="*/*"),
        400,
        "act",
    )


def test_the_page_names_the_purposes_asked_for_again_by_their_titles(called: Called) -> None:
    read = Page(posted(called, changes="analytics").text).text
    assert "asked again for Counting how the site is used" in read


def test_a_long_text_of_any_letters_can_be_posted(called: Called) -> None:
    long = "# Ours\n\n" + "ä" * 199_000
    assert posted(called, text=long).status_code == 200
    assert posted(called, text=long * 3).status_code in {400, 413}


# --- what cannot be published ------------------------------------------------------------------------------------------


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
    assert campaign(called)["state"] == "done"
    assert main(["publish", str(policy), "--version", "v2", "--title", "a\tb"]) == 1
    assert capsys.readouterr().err.startswith("pledge: title: ")


@pytest.fixture
def pledge(called: Called, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command line over the same store; return what it said."""
    for name, value in (SETTINGS | {"DATA_DIR": str(called.data_dir)}).items():
        monkeypatch.setenv(name, value)
    called.data_dir.joinpath("policy.md").write_text("# Ours\n\nYour data is 100% safe with us. We use Mailchimp.\n")

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["publish", str(called.data_dir / "policy.md"), *arguments]) == code
        said = capsys.readouterr()
        return said.out or said.err

    return run


def test_the_command_line_shows_a_dry_run_and_changes_nothing(called: Called, pledge: Callable[..., str]) -> None:
    called.sign_up("u1", "ann@mail.example")
    with called.changing_nothing():
        said = pledge("--version", "v2", "--dry-run")
    assert "Recipients: 1 accounts" in said
    assert "not confirmed or bounced; accounts that share a mailbox" in said
    assert "--effective-at" in said, "a material change is not to take effect now"
    assert said.index("Contradicted") < said.index("Not provable") < said.index("Missing")
    assert "“We use Mailchimp.”" in said
    assert "{+" in said
    assert "[-" in said
    assert max(map(len, said.splitlines())) <= 130


def test_the_command_line_answers_json_to_programs(called: Called, pledge: Callable[..., str]) -> None:
    with called.changing_nothing():
        told = json.loads(pledge("--version", "v2", "--dry-run", "--json"))
    assert {one["kind"] for one in told["findings"]} == {"contradiction", "unprovable", "missing"}
    assert json.loads(pledge("--version", "v2", "--json"))["campaign_id"] == "campaign-v2"
    assert "for nothing" in pledge("--version", "v3", "--dry-run"), "nothing has changed since"
    assert "version: " in pledge("--version", "v2", "--dry-run", code=1)
    assert "--effective-at" in pledge("--version", "v3", "--effective-at", "2030-01-01T00:00:00", code=1)
