"""Pages: kind, exact, escaped, and loading nothing from anywhere."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import Any, get_args

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from infra.http.pages import FOLDER, html
from shared.records import Outcome, Status
from shared.words import STANDING
from tests.infra.hostile import ALIVE, MARK, hostile
from tests.infra.html_reader import Page
from tests.infra.page_samples import COMPANY, FULL, PAGES, VIEW

NOT_PAGES = {"base", "parts", "signature"}
PUBLIC = {"request_new", "policy", "policy_diff", "subprocessors"}
TOO_MUCH = re.compile(
    r"(everything|all) (\w+ ){0,4}(was|were|is|has been|have been|are) (deleted|erased|gone)", re.IGNORECASE
)
every_page = pytest.mark.parametrize(
    ("page", "words"), [(p, w) for p, _, w in PAGES], ids=[f"{p}-{k}" for p, k, _ in PAGES]
)


def rendered(page: str, words: dict[str, Any]) -> str:
    return html(page, **{"company": COMPANY, **words}).get_data(as_text=True)


def test_every_page_has_samples() -> None:
    assert {file.stem for file in FOLDER.glob("*.html")} - NOT_PAGES == set(FULL)


@every_page
def test_a_page_has_one_title_a_language_and_a_way_past_the_frame(page: str, words: dict[str, Any]) -> None:
    read = Page(rendered(page, words))
    assert len(read.named("h1")) == 1
    assert read.named("html")[0].attributes["lang"] == "en"
    assert ("a", "#main") in read.links()
    assert COMPANY.contact in read.text


@every_page
def test_a_page_escapes_every_word(page: str, words: dict[str, Any]) -> None:
    body = rendered(page, hostile({"company": COMPANY, **words}))
    assert ALIVE not in body
    assert not Page(body).named("i")
    assert MARK in Page(body).text


@every_page
def test_a_page_allows_its_own_style_and_nothing_else(page: str, words: dict[str, Any]) -> None:
    answer = html(page, **{"company": COMPANY, **words})
    style = re.search("<style>(.*)</style>", answer.get_data(as_text=True), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "text/html; charset=utf-8"


@every_page
def test_a_page_runs_and_loads_nothing(page: str, words: dict[str, Any]) -> None:
    read = Page(rendered(page, words))
    assert not read.named("script", "img", "iframe", "object", "embed", "video", "audio", "base")
    # an alternate is named, not loaded
    loaded = [link for link in read.named("link") if link.attributes["rel"] != "alternate"]
    assert [link.attributes["href"] for link in loaded] == ["data:,"]
    for _, attributes in read.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", (FOLDER / "style.css").read_text())


@every_page
def test_every_field_of_a_form_has_a_label(page: str, words: dict[str, Any]) -> None:
    read = Page(rendered(page, words))
    labels = {label.attributes["for"] for label in read.named("label")}
    fields = read.named("input", "textarea", "select")
    assert {field.attributes["id"] for field in fields} == labels
    assert all(form.attributes["method"] == "post" for form in read.named("form"))


@every_page
def test_only_public_pages_may_be_found_by_search_engines(page: str, words: dict[str, Any]) -> None:
    metas = Page(rendered(page, words)).named("meta")
    assert ({"name": "robots", "content": "noindex"} not in [meta.attributes for meta in metas]) == (page in PUBLIC)


@every_page
def test_no_page_says_that_everything_was_deleted(page: str, words: dict[str, Any]) -> None:
    assert not TOO_MUCH.search(Page(rendered(page, words)).text)


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_status_page_of_any_status_and_outcome_claims_no_more_than_is_known(status: str, outcome: str) -> None:
    view = {**VIEW, "status": status, "steps": [{**VIEW["steps"][0], "outcome": outcome}]}
    text = Page(rendered("request", {**FULL["request"], "view": view})).text
    assert not TOO_MUCH.search(text)
    assert STANDING in text


@pytest.mark.parametrize("page", [page for page, words in FULL.items() if words])
def test_a_page_that_lacks_a_word_is_an_error_and_never_a_blank(page: str) -> None:
    with pytest.raises(UndefinedError):
        rendered(page, {})


def test_a_status_page_shows_both_dates_and_every_step_in_words() -> None:
    text = Page(rendered("request", FULL["request"])).text
    assert "6 December 2026, 15:00 UTC" in text
    assert "22 December 2026, 14:40 UTC" in text
    assert "Kept because the law says so: invoices, Companies Act 2006 s. 388, until 24 November 2032" in text
    assert "Reason: it loads other tags and keeps only short-lived request logs" in text
    assert "our own records and the website's data" in text


def test_the_private_buttons_are_there_only_while_they_can_work() -> None:
    buttons = ("accounts_action", "cancel_action", "statement_url", "export_action")
    without = FULL["request"] | dict.fromkeys(buttons)
    assert Page(rendered("request", FULL["request"])).named("form")
    assert not Page(rendered("request", without)).named("form")
    assert not Page(rendered("request_confirm", {**FULL["request_confirm"], "used": True})).named("form")
    assert not Page(rendered("consent_confirm", {**FULL["consent_confirm"], "used": True})).named("form")


def test_a_form_comes_back_with_what_was_typed_and_says_what_is_wrong_with_it() -> None:
    read = Page(rendered("request_new", FULL["request_new"]))
    email = next(field for field in read.named("input") if field.attributes["name"] == "email")
    assert email.attributes["value"] == "mara@"
    assert email.attributes["aria-invalid"] == "true"
    assert ("a", "#email") in read.links()
    assert [f.attributes["value"] for f in read.named("input") if "checked" in f.attributes] == ["erasure"]


def test_a_problem_keeps_its_status_on_the_answer() -> None:
    assert html("problem", 404, company=COMPANY, title="Not found", rule="no", field=None).status_code == 404


def test_a_policy_is_shown_below_its_title_and_never_twice() -> None:
    words = {**FULL["policy"], "body_html": Markup("<h1>Privacy policy</h1>\n<h1>Part & rest</h1>")}
    body = rendered("policy", words)
    assert "<h2>Part & rest</h2>" in body
    assert "<h2>Privacy policy</h2>" not in body


def test_a_policy_that_is_no_markup_is_escaped() -> None:
    assert "&lt;h1&gt;x" in rendered("policy", {**FULL["policy"], "body_html": "<h1>x</h1>"})


def test_a_public_page_may_be_kept_by_caches_that_tell_pages_from_json() -> None:
    answer = html("policy", company=COMPANY, cache="public, max-age=60", **FULL["policy"])
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Vary"] == "Accept"
