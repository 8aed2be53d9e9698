"""`requests`: the file of an export, by its own link and by nothing else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

import pytest
from werkzeug.test import TestResponse

from tests.functions.called import Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract
from tests.infra.html_reader import Page

EMAIL = "ada@people.example"


def ready(called: Called, email: str = EMAIL, right: str = "access") -> dict[str, str]:
    """Have somebody ask and confirm; return the request's id, its own key and the link's."""
    answer = called.confirmed(email, right)
    link = called.mailed_link(email, f"/requests/{answer['request_id']}/export?key=")
    return {"id": answer["request_id"], "key": answer["key"], "export_key": link.partition("?key=")[2], "link": link}


def members(answer: TestResponse) -> dict[str, bytes]:
    assert (answer.status_code, answer.mimetype) == (200, "application/zip"), answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestExportPages(PagesContract):
    edge = "requests"
    pages = ("/{id}/export?key={export_key}", "/{id}?key={key}")
    acts = ("/{id}/export?key={export_key}",)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return ready(called)


class TestExportActs(ActsContract):
    edge = "requests"
    pages = ("/{id}/export?key={export_key}",)
    acts = ("/{id}/export?key={export_key}",)

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return ready(called)


@pytest.fixture
def link(called: Called) -> dict[str, str]:
    called.sign_up("u1", EMAIL, name="Ada Lovelace")
    called.sign_up("u2", "bob@people.example", name="Bob")
    return ready(called)


def test_a_program_gets_the_file_by_its_link_once(called: Called, link: dict[str, str]) -> None:
    answer = called.get(link["link"])
    found = members(answer)
    assert {"data.json", "index.html", "manifest.json"} < set(found)
    assert json.loads(found["data.json"])["data"]["google_cloud_platform"]["identifiers"][0]["name"] == "Ada Lovelace"
    assert not any(b"Bob" in content for content in found.values())
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    with called.changing_nothing():
        problem(called.get(link["link"]), 409, "key")
        problem(called.post(link["link"]), 409, "key")
        assert called.page(link["link"]).status_code == 409


def test_a_browser_gets_a_page_and_the_file_by_its_button(called: Called, link: dict[str, str]) -> None:
    with called.changing_nothing():
        page = called.page(link["link"])
    (form,) = Page(page.text).named("form")
    answer = called.form(form.attributes["action"], {})
    assert "manifest.json" in members(answer)
    assert called.form(form.attributes["action"], {}).status_code == 409


def test_asking_for_the_head_alone_spends_nothing(called: Called, link: dict[str, str]) -> None:
    with called.changing_nothing():
        answer = called.call("HEAD", link["link"])
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "application/zip", b"")
    assert "manifest.json" in members(called.get(link["link"]))


def test_the_requests_page_mails_a_new_link(called: Called, link: dict[str, str]) -> None:
    members(called.get(link["link"]))
    page = Page(called.page(f"/requests/{link['id']}?key={link['key']}").text)
    action = next(form.attributes["action"] for form in page.named("form") if "/export?" in form.attributes["action"])
    answer = called.form(action, {})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    fresh = called.mailed_link(EMAIL, "/export?key=")
    assert fresh != link["link"]
    assert "manifest.json" in members(called.get(fresh))
    shown = called.get(f"/requests/{link['id']}?key={link['key']}").json
    assert (shown["status"], "fetched_at" in shown["export"]) == ("completed", True)


def test_a_program_may_ask_for_a_new_link_too(called: Called, link: dict[str, str]) -> None:
    answer = called.post(f"/requests/{link['id']}/export?key={link['key']}")
    assert (answer.status_code, answer.json) == (200, {"request_id": link["id"], "status": "completed"})
    problem(called.get(link["link"]), 404)


def test_before_the_file_is_ready_nothing_opens_it(called: Called) -> None:
    asked = called.ask(EMAIL, "access")
    key = called.post(called.confirm_link(EMAIL, asked["request_id"])).json["status_url"].partition("?key=")[2]
    with called.changing_nothing():
        problem(called.get(f"/requests/{asked['request_id']}/export?key={key}"), 404)
        problem(called.post(f"/requests/{asked['request_id']}/export?key={key}"), 409)


def test_a_link_whose_time_is_over_says_so(called: Called, link: dict[str, str]) -> None:
    called.later(days=14, seconds=5)
    problem(called.get(link["link"]), 409, "key")
    called.run_due()
    problem(called.get(link["link"]), 409, "key")
    problem(called.post(f"/requests/{link['id']}/export?key={link['key']}"), 409)
    assert called.count("pieces") == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_other_link_opens_it(called: Called, link: dict[str, str], method: str) -> None:
    other = ready(called, "bob@people.example", "portability")
    for wrong in ("", "?key=", f"?key={other['export_key']}", f"?key={other['key']}", f"?t={link['export_key']}"):
        with called.changing_nothing():
            problem(called.call(method, f"/requests/{link['id']}/export{wrong}"), 404)
    with called.changing_nothing():
        problem(called.get(f"/requests/{link['id']}/export?key={link['key']}"), 404)


def test_an_erasures_page_offers_a_copy_first(called: Called) -> None:
    answer = called.confirmed(EMAIL)
    page = called.page(f"/requests/{answer['request_id']}?key={answer['key']}")
    assert any(one.attributes.get("href", "").endswith("/requests/new") for one in Page(page.text).named("a"))
    assert "/requests/new" in called.mails(EMAIL)[-1]["text"]
