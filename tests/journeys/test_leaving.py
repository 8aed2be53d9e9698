"""Leaving, from the outside: one click in a mail program, the preference page in a browser, and the app taken away at Facebook."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page as Tab

from tests.functions.signed_requests import signed_request
from tests.infra.browser import axe_source, browser
from tests.journeys.house import RUNTIMES, House, cloud_of
from tests.journeys.test_demo import FIND, WCAG

pytestmark = pytest.mark.journey
APPS = ("facebook-app-secret-of-the-journey", "instagram-app-secret-of-the-journey")
FORM = "application/x-www-form-urlencoded"
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("leaving")
    running = House(folder / "data", cloud_of(request), META_APP_SECRETS=",".join(APPS)).start()
    yield running
    running.stop()


def link_for(house: House, email: str, name: str = "marketing_email") -> str:
    """Return the link a marketing sender outside this product puts into its mail."""
    answer = house.server("/unsubscribe/links", {"emails": [email], "list": name})
    assert answer.status == 200, answer.text
    return str(answer.json["links"][email])


def stopped(house: House, link: str) -> bool:
    return bool(house.get(link).json["stopped"])


def test_one_click_ends_a_list_and_service_mail_goes_on(house: House) -> None:
    email = "clicks@people.example"
    link = link_for(house, email)
    assert not stopped(house, link)
    for body, kind in ((b"List-Unsubscribe=One-Click", FORM), (MULTIPART, "multipart/form-data; boundary=x")):
        answer = house.call("POST", link, body, Content_Type=kind)
        assert (answer.status, answer.json) == (200, {"list": "marketing_email", "stopped": True})
        assert answer.headers["Set-Cookie"] is None
    assert stopped(house, link)
    house.ask(email)
    assert house.link(email, "/confirm?t="), "service mail is never stopped"


def test_a_scanner_reads_every_link_and_stops_nothing(house: House) -> None:
    link = link_for(house, "scanned@people.example")
    for _ in range(3):
        assert house.page(link).status == 200
    assert not stopped(house, link)


def test_a_link_cut_in_two_leads_to_another_way_out(house: House) -> None:
    link = link_for(house, "cut@people.example")
    answer = house.page(link[: len(link) // 2])
    assert answer.status == 400
    assert "/requests/new?right=objection" in answer.text


def test_a_yes_is_asked_of_the_mailbox_and_ends_the_no(house: House) -> None:
    email = "back@people.example"
    link = link_for(house, email)
    house.call("POST", link)
    preferences = link.replace("/unsubscribe?", "/unsubscribe/preferences?")
    assert house.post(preferences, {"start": ["marketing_email"]}).json["pending"] == ["marketing_email"]
    assert stopped(house, link)
    assert house.post(house.link(email, "/consents/confirm?t=")).status == 200
    assert not stopped(house, link)


@pytest.fixture
def tab() -> Iterator[Tab]:
    """Return a tab of a browser whose pages run no script."""
    with browser() as running:
        context = running.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
        yield context.new_page()
        context.close()


def test_in_a_browser_without_script_everything_can_be_switched_off(house: House, tab: Tab) -> None:
    email = "browser@people.example"
    house.ask(email)
    tab.goto(house.link(email, "/unsubscribe/preferences?t="))
    tab.get_by_role("button", name="Stop: News and offers by e-mail").click()
    assert "Recorded as a no: News and offers by e-mail" in tab.inner_text("main")
    tab.get_by_role("button", name="Stop all marketing").click()
    assert tab.get_by_role("button", name="Stop").count() == 0
    assert tab.get_by_role("button", name="Ask this mailbox").count() == 2
    assert stopped(house, link_for(house, email, "marketing"))


def test_the_pages_of_a_link_fit_a_phone_and_axe_finds_nothing(house: House) -> None:
    link = link_for(house, "axe@people.example")
    with browser() as running:
        tab = running.new_context(viewport={"width": 390, "height": 800}, bypass_csp=True).new_page()
        for path in (link, link.replace("/unsubscribe?", "/unsubscribe/preferences?"), link[:-5]):
            tab.goto(path)
            tab.evaluate(axe_source())
            assert tab.evaluate(FIND, WCAG) == [], path
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def callback(house: House, path: str, user_id: str, secret: str) -> dict[str, str]:
    body = urlencode({"signed_request": signed_request(user_id, secret)}).encode()
    answer = house.call("POST", f"/meta-callbacks/{path}", body, Content_Type=FORM)
    assert answer.status == 200, answer.text
    found: dict[str, str] = answer.json
    return found


def test_whoever_takes_the_app_away_can_follow_what_goes_and_keeps_the_account(house: House) -> None:
    email = "meta@people.example"
    house.sign_up("meta-1", email, meta_user_ids=["1001"])
    house.put("meta", email=email)
    assert house.found("meta", email=email)
    answer = callback(house, "deletion", "1001", APPS[0])
    assert answer["confirmation_code"].isalnum()
    house.settle()
    shown = house.get(answer["url"]).json
    assert {one["subprocessor"]: one["outcome"] for one in shown["steps"]} == {
        "google_cloud_platform": "verified",
        "facebook": "accepted",
        "instagram": "accepted",
    }
    assert house.found("meta", email=email) == []
    assert callback(house, "deletion", "1001", APPS[1]) == answer
    house.advance("P2D")
    page = house.page(answer["url"])
    assert "completed" in house.get(answer["url"]).text
    assert not [one for one in (email, "meta-1", "1001") if one in page.text]
    request_id = house.ask(email)
    assert house.confirm(email, request_id)["status"] == "verified", "the account is there, and its owner is asked"


def test_a_deletion_about_nobody_comes_fifty_times_at_once_and_is_one_that_found_nothing(house: House) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: callback(house, "deletion", "9999", APPS[1]), range(50)))
    assert len({answer["confirmation_code"] for answer in answers}) == 1
    shown = house.get(answers[0]["url"]).json
    assert shown["status"] == "completed"
    assert {one["outcome"] for one in shown["steps"]} == {"nothing_found"}


def test_a_deauthorization_removes_the_link_and_nothing_else(house: House) -> None:
    house.sign_up("meta-2", "deauthorized@people.example", meta_user_ids=["1002"])
    assert callback(house, "deauthorize", "1002", APPS[0]) == {}
    assert callback(house, "deauthorize", "9998", APPS[0]) == {}
    found = house.get(callback(house, "deletion", "1002", APPS[0])["url"]).json
    assert {one["outcome"] for one in found["steps"]} == {"nothing_found"}


def test_the_evidence_of_all_of_it_holds(house: House) -> None:
    answer = house.operator("POST", "/operator/evidence/verify")
    assert answer.json["intact"] is True
