"""`unsubscribe`: as mailbox providers, browsers and the website's server call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.promises import objections, unsubscribing
from tests.functions.called import BASE, FORM, PAGE, WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract, ReadsContract
from tests.functions.test_anything_at_all import anything_at_all
from tests.infra.html_reader import Page

EMAIL = "ada@people.example"
ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'


def token(called: Called, name: str = "marketing_email", email: str = EMAIL) -> str:
    return unsubscribing.token(called.container, email, name)


def stopped(called: Called, email: str = EMAIL) -> set[str]:
    return set(objections.stopped(called.container, email))


class TestUnsubscribePages(ReadsContract, PagesContract):
    edge = "unsubscribe"
    reads = ("/?t={t}", "/preferences?t={t}")
    pages = reads
    acts = ("/", "/preferences")
    browser = False

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        return {"t": token(called)}


class TestUnsubscribeActs(ActsContract):
    edge = "unsubscribe"
    reads = ("/", "/preferences")
    acts = ("/", "/preferences", "/links")
    browser = False
    headers = {"Authorization": f"Bearer {WEBSITE_KEYS[0]}"}


# --- one click (RFC 8058) --------------------------------------------------------------------------------------------

BODIES: dict[str, tuple[bytes, str | None]] = {
    "urlencoded": (ONE_CLICK, FORM),
    "urlencoded, with a charset": (ONE_CLICK, f"{FORM}; charset=UTF-8"),
    "multipart": (MULTIPART, "multipart/form-data; boundary=x"),
    "multipart, its boundary forgotten": (MULTIPART, "multipart/form-data"),
    "empty": (b"", None),
    "empty, called a form": (b"", FORM),
    "no type": (ONE_CLICK, None),
    "another type": (ONE_CLICK, "text/plain"),
    "another form": (b"a=b", FORM),
}


@pytest.mark.parametrize("how", BODIES)
def test_a_mailbox_providers_post_stops_the_list_however_its_body_is_made(called: Called, how: str) -> None:
    body, kind = BODIES[how]
    answer = called.post(f"/unsubscribe?t={token(called)}", body, **({"Content_Type": kind} if kind else {}))
    assert (answer.status_code, answer.json) == (200, {"list": "marketing_email", "stopped": True})
    assert stopped(called) == {"marketing_email"}


@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", PAGE, "text/html", "image/png"])
def test_whatever_is_accepted_the_answer_is_200_without_redirect_or_cookie(called: Called, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = called.post(f"/unsubscribe?t={token(called)}", ONE_CLICK, Content_Type=FORM, **headers)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert stopped(called) == {"marketing_email"}


def test_again_it_answers_the_same_and_changes_nothing(called: Called) -> None:
    path = f"/unsubscribe?t={token(called)}"
    first = called.post(path, ONE_CLICK, Content_Type=FORM)
    called.run_due()
    with called.changing_nothing():
        again = called.post(path, ONE_CLICK, Content_Type=FORM)
    assert (again.status_code, again.data) == (200, first.data)


def test_fifty_at_once_are_one_no(called: Called) -> None:
    path = f"/unsubscribe?t={token(called)}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: called.post(path, ONE_CLICK, Content_Type=FORM), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert stopped(called) == {"marketing_email"}
    assert called.count("suppressions") == 1


def test_a_scanner_that_only_reads_stops_nothing(called: Called) -> None:
    path = f"/unsubscribe?t={token(called)}"
    with called.changing_nothing():
        page = called.page(path)
        shown = called.get(path)
    assert shown.json == {"masked": "a…@p….example", "list": "marketing_email", "stopped": False}
    assert EMAIL not in page.text
    (form,) = Page(page.text).named("form")
    assert called.form(form.attributes["action"], {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert stopped(called) == {"marketing_email"}
    assert not Page(called.page(path).text).named("form"), "nothing is left to press"


def test_the_page_after_the_press_names_what_was_stopped_and_no_more_than_that(called: Called) -> None:
    answer = called.form(f"/unsubscribe?t={token(called, 'marketing')}", {"List-Unsubscribe": "One-Click"})
    page = Page(answer.text)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "News and offers by e-mail" in page.text
    assert "Advertisements that fit you" in page.text
    assert "may still arrive" in page.text
    assert stopped(called) == {"marketing"}


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: "", lambda t: t + "x", lambda t: t[::-1]])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("GET", "/preferences"), ("POST", "/preferences")]
)
def test_a_link_that_is_broken_leads_to_another_way_out(called: Called, method: str, path: str, spoil: Any) -> None:
    broken = f"/unsubscribe{path}?t={spoil(token(called))}"
    body = {"stop": ["marketing"]} if path and method == "POST" else None
    with called.changing_nothing():
        refused = problem(called.call(method, broken, body), 400, "t")
        page = called.call(method, broken, body, Accept=PAGE)
    other, contact = f"{BASE}/requests/new?right=objection", called.container.company.contact
    assert other in refused["detail"]
    assert contact in refused["detail"]
    assert (page.status_code, page.mimetype) == (400, "text/html")
    assert {("a", other), ("a", f"mailto:{contact}?subject=unsubscribe")} <= set(Page(page.text).links())


def test_ten_megabytes_are_too_much(called: Called) -> None:
    for path in (f"/unsubscribe?t={token(called)}", f"/unsubscribe/preferences?t={token(called)}"):
        with called.changing_nothing():
            problem(called.post(path, b"x" * 10 * 1024 * 1024, Content_Type=FORM), 413)


@anything_at_all
@given(sent=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
def test_no_text_at_all_is_a_link(pure: Called, sent: str) -> None:
    answer = pure.app("unsubscribe").test_client().post("/unsubscribe", query_string={"t": sent})
    assert answer.status_code == 400


@pytest.fixture(scope="module")
def pure(tmp_path_factory: pytest.TempPathFactory) -> Called:
    """Return the functions for tests that write nothing."""
    return Called(tmp_path_factory.mktemp("pure"))


# --- preferences -----------------------------------------------------------------------------------------------------


def test_a_browser_without_script_switches_one_off_and_then_everything(called: Called) -> None:
    path = f"/unsubscribe/preferences?t={token(called)}"
    buttons = [one.attributes.get("value") for one in Page(called.page(path).text).named("button")]
    assert buttons == ["marketing", "ads", "marketing_email"]
    one_off = called.form(path, {"stop": "ads"})
    assert one_off.status_code == 200
    assert stopped(called) == {"ads"}
    assert "Recorded as a no: Advertisements that fit you" in Page(one_off.text).text
    all_off = Page(called.form(path, {"stop": "marketing"}).text)
    assert stopped(called) >= {"marketing"}
    assert {one.attributes.get("name") for one in all_off.named("button")} == {"start"}


def test_a_yes_is_asked_of_the_mailbox_and_counts_only_then(called: Called) -> None:
    path = f"/unsubscribe/preferences?t={token(called)}"
    called.post(path, {"stop": ["marketing_email"]})
    answer = called.post(path, {"start": ["marketing_email"]})
    assert (answer.status_code, answer.json["pending"]) == (200, ["marketing_email"])
    assert stopped(called) == {"marketing_email"}
    assert called.post(called.mailed_link(EMAIL, "/consents/confirm?t=")).status_code == 200
    assert stopped(called) == set()


def test_a_link_that_went_around_cannot_be_used_to_flood_a_mailbox(called: Called) -> None:
    called.early_in_an_hour()
    path = f"/unsubscribe/preferences?t={token(called)}"
    statuses = [called.post(path, {"start": ["ads"]}).status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    assert called.post(path, {"stop": ["ads"]}).status_code == 200, "and a no is never one too many"


def test_saying_no_works_while_no_policy_is_published(called: Called) -> None:
    called.forget_policy()
    assert called.post(f"/unsubscribe/preferences?t={token(called)}", {"stop": ["ads"]}).status_code == 200
    assert stopped(called) == {"ads"}


def test_service_mail_carries_the_way_to_the_preferences_of_its_own_mailbox(called: Called) -> None:
    called.ask(EMAIL)
    link = called.mailed_link(EMAIL, "/unsubscribe/preferences?t=")
    assert called.post(link, {"stop": ["marketing"]}).status_code == 200
    assert stopped(called) == {"marketing"}
    (mail,) = called.mails(EMAIL)
    assert not [name for name in mail["headers"] if name.lower().startswith("list-unsubscribe")]


# --- links for other senders -----------------------------------------------------------------------------------------


def test_another_sender_gets_a_link_for_each_of_its_recipients(called: Called) -> None:
    with called.changing_nothing():
        answer = called.server("/unsubscribe/links", {"emails": [EMAIL, "Bob@People.example"], "list": "marketing"})
    assert answer.status_code == 200
    assert set(answer.json) == {"links"}
    assert set(answer.json["links"]) == {EMAIL, "Bob@People.example"}
    assert called.post(answer.json["links"]["Bob@People.example"], ONE_CLICK, Content_Type=FORM).status_code == 200
    assert (stopped(called, "bob@people.example"), stopped(called)) == ({"marketing"}, set())


def test_links_for_a_thousand_long_addresses_come_in_one_call(called: Called) -> None:
    emails = [f"{'a' * 50}.{n}@{'sub.' * 40}people.example" for n in range(1000)]
    assert len(called.server("/unsubscribe/links", {"emails": emails, "list": "ads"}).json["links"]) == 1000


LINKS = {"emails": [EMAIL], "list": "marketing"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"list": "marketing"}, "emails"),
        ({"emails": [EMAIL]}, "list"),
        (LINKS | {"emails": EMAIL}, "emails"),
        (LINKS | {"emails": []}, "emails"),
        (LINKS | {"emails": [EMAIL] * 1001}, "emails"),
        (LINKS | {"emails": [EMAIL, "no address"]}, "emails.1"),
        (LINKS | {"emails": [EMAIL, f"{EMAIL}\r\nBcc: x@y.example"]}, "emails.1"),
        (LINKS | {"list": "newsletter"}, "list"),
        (LINKS | {"list": "service_mail"}, "list"),
        (LINKS | {"list": None}, "list"),
        (LINKS | {"surprise": 1}, "surprise"),
    ],
)
def test_links_that_cannot_be_made_are_refused_by_field(called: Called, body: dict[str, Any], field: str) -> None:
    with called.changing_nothing():
        found = problem(called.server("/unsubscribe/links", body), 400, field)
    assert "no address" not in json.dumps(found)


def test_only_the_websites_server_gets_links(called: Called) -> None:
    for headers in ({}, {"Authorization": "Bearer guess"}):
        problem(called.post("/unsubscribe/links", LINKS, **headers), 401, "Authorization")
