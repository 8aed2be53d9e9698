"""What ends by itself, at the edges: the link that keeps an account, and the operator who lets erasures go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.case import NO_HEAD
from shared.promises import breaker
from shared.records import Breaker
from shared.store import Create
from tests.functions.called import OPERATOR_TOKEN, PAGE, WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract, ReadsContract
from tests.infra.html_reader import Page

EMAIL = "ada@people.example"
KEEP = "/{id}/keep?t={t}"
RESET = "/breaker/reset"


def ending(called: Called) -> Mapping[str, str]:
    """Have a person close an account; return the request and the mailed token."""
    called.sign_up("u1", EMAIL)
    closed = called.server("/subjects/u1/closed", {"by": "person"}).json
    return {"id": closed["request_id"], "t": called.mailed_link(EMAIL, "/keep?t=").partition("?t=")[2]}


class TestKeepReads(ReadsContract):
    edge = "requests"
    reads = (KEEP,)
    acts = (KEEP,)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return ending(called)


class TestKeepPages(PagesContract):
    edge = "requests"
    pages = (KEEP,)
    acts = (KEEP,)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return ending(called)


class TestKeepActs(ActsContract):
    edge = "requests"
    reads = (KEEP,)
    acts = (KEEP,)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return ending(called)


def test_the_page_has_one_button_and_only_pressing_it_keeps_the_account(called: Called) -> None:
    link = f"/requests{KEEP}".format_map(ending(called))
    with called.changing_nothing():
        page = called.page(link)
        assert called.get(link).json["can_keep"] is True
    ((_, form),) = Page(page.text).named("form")
    assert form["method"] == "post"
    kept = called.form(str(form["action"]), {})
    assert (kept.status_code, "Your account stays" in kept.text) == (200, True)
    with called.changing_nothing():
        assert called.post(link).json["status"] == "withdrawn", "pressing it again answers the same"
        assert called.get(link).json["can_keep"] is False
        assert Page(called.page(link).text).named("form") == []


def test_once_it_has_begun_the_link_says_so(called: Called) -> None:
    link = f"/requests{KEEP}".format_map(ending(called))
    called.later(days=7, minutes=1)
    called.run_due()
    called.later(days=1, minutes=5)
    called.run_due()
    with called.changing_nothing():
        assert called.get(link).json["can_keep"] is False
        problem(called.post(link), 409, "t")
        assert called.form(link, {}).status_code == 409


@pytest.mark.parametrize("path", ["/cancel?t={t}", "/confirm?t={t}"])
def test_the_token_that_keeps_opens_nothing_else(called: Called, path: str) -> None:
    ids = ending(called)
    with called.changing_nothing():
        for answer in (called.get, called.post):
            problem(answer(f"/requests/{{id}}{path}".format_map(ids)), 400, "t")
        problem(called.get("/requests/{id}?key={t}".format_map(ids)), 404)


def tripped(called: Called) -> None:
    record = Breaker(begun=[], head=NO_HEAD, tripped_at=called.now())
    called.container.store.commit([Create(breaker.ONE, record)])


def test_an_operator_lets_erasures_go_on_once_and_with_a_reason(called: Called) -> None:
    tripped(called)
    answer = called.operator("POST", RESET, {"reason": "seen, and right"})
    assert (answer.status_code, answer.json["stopped"]) == (200, False)
    with called.changing_nothing():
        problem(called.operator("POST", RESET, {"reason": "seen, and right"}), 409)


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " \n"}, {"reason": 1}, {"reason": "r" * 4001}, None])
def test_without_a_reason_they_stay_stopped(called: Called, body: Any) -> None:
    tripped(called)
    with called.changing_nothing():
        assert called.operator("POST", RESET, body).status_code == 400


@pytest.mark.parametrize("bearer", ["", "guess", *WEBSITE_KEYS])
def test_nobody_but_an_operator_lets_them_go_on(called: Called, bearer: str) -> None:
    assert bearer != OPERATOR_TOKEN
    tripped(called)
    with called.changing_nothing():
        answer = called.post(f"/operator{RESET}", {"reason": "me"}, Authorization=f"Bearer {bearer}", Accept=PAGE)
        assert answer.status_code == 401
