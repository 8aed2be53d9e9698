"""Pages and mails in a real browser: they fit a phone, anybody can read them, and they fetch nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from infra.http.pages import html
from infra.mails.compose import compose
from tests.infra.browser import axe_source, browser
from tests.infra.mail_samples import ALWAYS, SAMPLES
from tests.infra.page_samples import BASE, COMPANY, FULL, PAGES

SIZES = {"small phone": 320, "phone": 390, "desktop": 1280}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FIND = "async tags => (await axe.run(document, tags)).violations.map(v => [v.id, ...v.nodes.map(n => n.html)])"
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
Show = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    opened = chromium.new_context()
    yield opened
    opened.close()


@pytest.fixture
def show(context: BrowserContext) -> Iterator[Show]:
    """Serve one body with its headers; anything else that is fetched, and any complaint, fails the test at its end."""
    fetched: list[str] = []
    complaints: list[str] = []

    def shown(body: str, headers: dict[str, str]) -> Page:
        def serve(route: Route) -> None:
            fetched.append(route.request.url)
            route.fulfill(body=body, headers=headers)

        page = context.new_page()
        page.route("**/*", serve)
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{BASE}/page")
        return page

    yield shown
    assert fetched == [f"{BASE}/page"]
    assert complaints == []


def show_page(show: Show, name: str, words: dict[str, Any]) -> Page:
    answer = html(name, **{"company": COMPANY, **words})
    return show(answer.get_data(as_text=True), dict(answer.headers))


def widest(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize(("name", "words"), [(p, w) for p, _, w in PAGES], ids=[f"{p}-{k}" for p, k, _ in PAGES])
def test_a_page_fits_its_screen_and_axe_finds_nothing(show: Show, name: str, words: dict[str, Any]) -> None:
    page = show_page(show, name, words)
    page.evaluate(axe_source())
    for width in SIZES.values():
        page.set_viewport_size({"width": width, "height": 800})
        assert widest(page) <= width
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(FIND, {}) == []


@pytest.mark.parametrize(("name", "words"), [(m, w) for m, _, w in SAMPLES], ids=[f"{m}-{k}" for m, k, _ in SAMPLES])
def test_a_mail_fits_its_screen_and_can_be_read(show: Show, name: str, words: dict[str, Any]) -> None:
    page = show(compose(name, "en", {**ALWAYS, **words}).html, {"Content-Type": "text/html; charset=utf-8"})
    page.evaluate(axe_source())
    for width in SIZES.values():
        page.set_viewport_size({"width": width, "height": 800})
        assert widest(page) <= width
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(FIND, WCAG) == []


def test_the_style_is_let_through_by_our_own_security_policy(show: Show) -> None:
    page = show_page(show, "request", FULL["request"])
    assert page.evaluate("getComputedStyle(document.querySelector('.top')).borderTopWidth") == "6px"


def test_the_first_tab_shows_a_way_past_the_frame(show: Show) -> None:
    page = show_page(show, "request", FULL["request"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0


def test_steps_keep_their_headings_for_a_screen_reader_on_a_phone(show: Show) -> None:
    page = show_page(show, "request", FULL["request"])
    page.set_viewport_size({"width": SIZES["phone"], "height": 800})
    assert page.get_by_role("row").count() == 1 + len(FULL["request"]["view"]["steps"])
    assert page.get_by_role("columnheader", name="Where it stands").count() == 1


def test_the_form_posts_what_a_person_typed_with_scripts_off(chromium: Browser) -> None:
    posted: list[str] = []

    def serve(route: Route) -> None:
        posted.append(route.request.post_data or "")
        answer = html("request_new", company=COMPANY, **{**FULL["request_new"], "values": {}, "problem": None})
        route.fulfill(body=answer.get_data(as_text=True), headers=dict(answer.headers))

    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.route("**/*", serve)
    page.goto(f"{BASE}/requests/new")
    page.get_by_label("Your e-mail address").fill("mara@harbour.example")
    page.get_by_label("Delete my data").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Send the request").click()
    context.close()
    assert parse_qs(posted[-1]) == {"email": ["mara@harbour.example"], "right": ["erasure"]}


def test_a_statement_prints_in_black_on_white_even_at_night(show: Show) -> None:
    page = show_page(show, "statement", FULL["statement"])
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.skip')).display") == "none"
