"""The demo site, as its visitors meet it: by forms over HTTP, and by clicking in a real browser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page as Tab

from tests.infra.browser import axe_source, browser
from tests.infra.html_reader import Page
from tests.journeys.house import RUNTIMES, Answer, House, cloud_of

pytestmark = pytest.mark.journey
FORM = "application/x-www-form-urlencoded"
FIND = "async tags => (await axe.run(document, tags)).violations.map(v => [v.id, ...v.nodes.map(n => n.html)])"
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
ACTS = ("people", "people/guest-00000000/choices", "people/guest-00000000/deletion", "clock", "sendgrid", "retry")


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("demo") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def press(house: House, path: str, fields: dict[str, Any], **headers: str) -> Answer:
    """Post a form as a browser does from our own page, or with the headers given."""
    sent = headers or {"Origin": house.base, "Sec_Fetch_Site": "same-origin"}
    return house.call("POST", path, urlencode(fields).encode(), Content_Type=FORM, Accept="text/html", **sent)


def follow(house: House, answer: Answer) -> str:
    """Follow the redirect that an act ends in; return the page."""
    assert answer.status == 303, answer.text
    page = house.page(answer.headers["Location"].partition("#")[0])
    assert page.status == 200, page.text
    return page.text


def sign_up(house: House, name: str, email: str) -> str:
    """Sign somebody up; return their user id."""
    answer = press(house, "/demo/people", {"name": name, "email": email})
    follow(house, answer)
    return str(re.findall(r"guest-[0-9a-f]{8}", answer.headers["Location"])[0])


def ask(house: House, user_id: str, email: str) -> str:
    """Ask for deletion and confirm it by the link that the outbox shows; return the request's id."""
    follow(house, press(house, f"/demo/people/{user_id}/deletion", {}))
    link = link_in_outbox(house, "/confirm?t=", email)
    assert house.form(link, {}).status == 200
    return link.split("/requests/")[1].split("/")[0]


def link_in_outbox(house: House, part: str, email: str) -> str:
    """Return the newest link with `part` that the outbox shows in a mail to this address."""
    shown = house.page("/outbox").text
    for letter in shown.split("<summary>")[1:]:
        links = [html.unescape(one) for one in re.findall(r'<a href="([^"]+)"', letter) if part in one]
        if links and email in html.unescape(letter):
            return links[0]
    raise AssertionError(f"no link with {part} in {shown}")


def move(house: House, duration: str) -> str:
    """Press a button of the clock; return the page it leads to."""
    return follow(house, press(house, "/demo/clock", {"advance": duration}))


def words(page: str) -> str:
    """Return what a page says, with single spaces."""
    return " ".join(Page(page).text.split())


def everything(house: House) -> Any:
    """Return what an act could have changed."""
    remembered = house.data_dir / "demo.json"
    ahead = house.data_dir / "clock"
    return (
        house.mails(),
        house.operator("GET", "/operator/requests").json,
        house.operator("POST", "/operator/evidence/verify").json,
        house.get("/sandbox/sendgrid/faults").json,
        remembered.read_text() if remembered.exists() else None,
        ahead.read_text() if ahead.exists() else None,
    )


def test_somebody_signs_up_decides_asks_for_deletion_and_reads_the_statement(house: House) -> None:
    email = "walk.surname@example.org"
    user_id = sign_up(house, "Wanda Walk", email)
    choices = house.page(f"/demo/people/{user_id}/choices").text
    for shown in ("Counting how the site is used", "pages seen, device type", "14 months", "Google Analytics"):
        assert shown in words(choices)
    notice = html.unescape(re.findall(r'name="notice" value="([^"]+)"', choices)[0])
    said = {"notice": notice, "analytics": "yes", "ads": "no", "marketing_email": "yes", "answer": "chosen"}
    front = follow(house, press(house, f"/demo/people/{user_id}/choices", said))
    assert "News and offers by e-mail waits until the mailbox confirms" in words(front)
    assert house.form(link_in_outbox(house, "/consents/confirm?t=", email), {}).status == 200
    assert "Counting how the site is used yes Advertisements that fit you no News and offers by e-mail yes" in words(
        house.page("/").text
    )

    ask(house, user_id, email)
    assert "Next: Confirmed. There is time to cancel" in words(house.page("/").text)
    front = words(move(house, "P1D"))
    assert "in_progress" in front
    assert "Somebody whose account is gone" in front
    assert "of 13 fields put in, 3 are there" in front
    assert "amount 89.00 GBP kept" in front
    private = link_in_outbox(house, "?key=", email)
    statement = house.page(private.replace("?key=", "/statement?key="))
    assert statement.status == 200
    assert "invoices, company law" in words(statement.text)

    front = words(move(house, "P3D"))
    assert "partly_retained" in front
    assert email not in front
    front = words(house.page("/?verify=1").text)
    assert "entries, every chain intact" in front


def test_a_vendor_that_refuses_comes_to_a_person_who_tries_again(house: House) -> None:
    user_id = sign_up(house, "Vera Vendor", "vera.surname@example.org")
    request_id = ask(house, user_id, "vera.surname@example.org")
    move(house, "P1D")
    assert "SendGrid fails (400)." in words(follow(house, press(house, "/demo/sendgrid", {"fault": "400"})))
    front = move(house, "P1D")
    assert "A step failed" in words(front)
    assert f'name="request_id" value="{request_id}"' in front
    assert "SendGrid works." in words(follow(house, press(house, "/demo/sendgrid", {"fault": "clear"})))
    again = {"request_id": request_id, "subprocessor": "sendgrid"}
    assert "A step failed" not in words(follow(house, press(house, "/demo/retry", again)))
    assert house.operator("GET", f"/operator/requests/{request_id}").json["status"] == "partly_retained"
    refused = press(house, "/demo/retry", again)
    assert refused.status == 409
    assert "This step is settled" in words(refused.text)


def test_an_erased_person_leaves_no_trace_in_anything_stored(house: House, tmp_path: Path) -> None:
    name, email = "Zenobia Xanthippe-Quill", "zenobia.quill@example.org"
    user_id = sign_up(house, name, email)
    assert house.traces([name, email], tmp_path / "before")
    ask(house, user_id, email)
    move(house, "P1M")
    house.page("/")
    assert house.traces([name, email, "zenobia"], tmp_path / "after") == []


def test_a_button_pressed_on_another_site_changes_nothing(house: House) -> None:
    before = everything(house)
    elsewhere = (
        {"Origin": "https://other.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://other.example"},
        {"Sec_Fetch_Site": "cross-site", "Origin": house.base},
        {"Origin": "null"},
        {"Origin": "http://rebound.example:1", "Host": "rebound.example:1", "Sec_Fetch_Site": "same-origin"},
        {"Accept_Language": "en"},
    )
    for headers in elsewhere:
        for path in ACTS:
            answer = press(house, f"/demo/{path}", {"name": "A", "email": "a@example.org", "advance": "P1D"}, **headers)
            assert answer.status == 403, (headers, path)
            assert "another site" in answer.text
    assert everything(house) == before


def test_getting_a_page_changes_nothing(house: House) -> None:
    user_id = sign_up(house, "Greta Get", "greta@example.org")
    before = everything(house)
    shown = ["/", "/demo", "/?verify=1", "/?did=moved", "/?did=x", "/outbox", f"/demo/people/{user_id}/choices"]
    assert [house.page(path).status for path in shown] == [200] * len(shown)
    for path in ACTS:
        query = "?name=A&email=a@example.org&advance=P1D&fault=500&answer=agree"
        assert house.page(f"/demo/{path}{query}".replace("guest-00000000", user_id)).status in {200, 405}
    assert house.page("/demo/nothing").status == 404
    assert house.call("DELETE", "/demo/people", Origin=house.base).status == 405
    assert everything(house) == before


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"name": "A", "email": ""}, "email: An e-mail address is needed."),
        ({"name": "A", "email": "not an address"}, "email: An e-mail address is needed."),
        ({"name": " ", "email": "a@example.org"}, "name: A name is needed."),
        ({"name": "x" * 201, "email": "a@example.org"}, "name: At most 200 characters."),
        ({}, "name: A name is needed."),
    ],
)
def test_what_is_wrong_is_said_in_place_and_what_was_typed_stays(
    house: House, fields: dict[str, str], shown: str
) -> None:
    before = everything(house)
    answer = press(house, "/demo/people", fields)
    assert answer.status == 400
    section = answer.text.partition('id="sign-up"')[2].partition("</section>")[0]
    assert shown in words(section)
    assert f'name="email" value="{fields.get("email", "")}"' in section
    assert everything(house) == before


def test_nonsense_is_answered_with_a_page(house: House) -> None:
    user_id = sign_up(house, "Nora Nonsense", "nora@example.org")
    for path, fields, status in (
        ("/demo/clock", {"advance": "-P1D"}, 400),
        ("/demo/clock", {}, 400),
        ("/demo/sendgrid", {"fault": "melt"}, 400),
        ("/demo/retry", {}, 400),
        ("/demo/retry", {"request_id": "../attention", "subprocessor": "?"}, 404),
        (f"/demo/people/{user_id}/choices", {"answer": "agree", "notice": "forged"}, 400),
        (f"/demo/people/{user_id}/choices", {}, 400),
        ("/demo/people/guest-00000000/deletion", {}, 409),
        ("/demo/people/guest-00000000/choices", {"answer": "agree"}, 404),
        ("/demo/people", {"name": "x" * 70_000, "email": "a@example.org"}, 413),
    ):
        answer = press(house, path, fields)
        assert (answer.status, answer.headers.get_content_type()) == (status, "text/html"), (path, fields)
    for path in ("/demo/mails/none", f"/demo/people/{quote('<b>')}/choices"):
        assert house.page(path).status == 404


def test_hostile_names_are_only_text(house: House) -> None:
    name, email = "<script>alert(1)</script>\"'><i onclick=x>&amp;", "o'brien+<b>@example.org"
    user_id = sign_up(house, name, "hostile@example.org")
    assert press(house, "/demo/people", {"name": "A", "email": email}).status == 400
    house.hold(user_id, {f"users/{user_id}": {"name": name, "email": name, name: name}})
    for path in ("/", "/outbox", f"/demo/people/{user_id}/choices"):
        page = house.page(path)
        tags = {element.tag for element in Page(page.text).elements}
        assert not {"script", "i"} & tags
        assert not any(name.startswith("on") for element in Page(page.text).elements for name in element.attributes)
    assert name in Page(house.page("/").text).text


def test_pages_fetch_nothing_from_elsewhere_and_run_nothing(house: House) -> None:
    user_id = sign_up(house, "Paula Page", "paula@example.org")
    follow(house, press(house, f"/demo/people/{user_id}/deletion", {}))
    for path in ("/", "/outbox", f"/demo/people/{user_id}/choices", "/demo/nothing"):
        page = house.page(path)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        loaded = [address for tag, address in Page(page.text).links() if tag not in {"a", "form"}]
        assert all(address.startswith(("/demo/mails/", "data:,")) for address in loaded)
    preview = re.findall(r'src="(/demo/mails/\w+)"', house.page("/outbox").text)[0]
    assert "sandbox" in house.page(preview).headers["Content-Security-Policy"]


def test_only_random_ids_are_remembered(house: House) -> None:
    sign_up(house, "Rita Remembered", "rita@example.org")
    assert re.fullmatch(r'\{"people": \[("guest-[0-9a-f]{8}"(, )?)+\]\}', (house.data_dir / "demo.json").read_text())
    kept = (house.data_dir / "demo.json").read_text()
    (house.data_dir / "demo.json").write_text('{"people": 7')
    assert house.page("/").status == 200
    (house.data_dir / "demo.json").write_text(kept)


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as running:
        # a phone: what fits there fits anywhere
        yield running.new_page(viewport={"width": 320, "height": 720}, color_scheme="dark")


def look_over(tab: Tab) -> None:
    """Nothing sticks out sideways, and axe finds nothing."""
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert tab.evaluate(FIND, WCAG) == []


def test_a_visitor_clicks_through_the_story_on_a_phone(house: House, tab: Tab) -> None:
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.add_init_script(axe_source())
    tab.goto(house.base)
    tab.get_by_label("Name").fill("Bella Browser")
    tab.get_by_label("E-mail address").fill("bella@example.org")
    tab.get_by_role("button", name="Sign up").click()
    look_over(tab)
    refuse, agree = (tab.get_by_role("button", name=name).bounding_box() for name in ("No to all", "Yes to all"))
    assert refuse is not None
    assert agree is not None
    assert (refuse["width"], refuse["height"]) == (agree["width"], agree["height"])
    tab.get_by_role("button", name="No to all").click()
    tab.get_by_role("button", name="Ask for deletion of the data of Bella Browser").click()
    look_over(tab)
    with tab.context.expect_page() as opened:
        tab.locator(".mails a[href*='/confirm?t=']").first.click()
    opened.value.get_by_role("button").first.click()
    opened.value.get_by_role("heading", name="confirmed").wait_for()
    opened.value.close()
    tab.get_by_role("link", name="Refresh").click()
    tab.get_by_role("button", name="+1 day").click()
    tab.get_by_role("button", name="Verify the evidence").click()
    tab.get_by_text("every chain intact").wait_for()
    tab.get_by_text("Somebody whose account is gone").first.wait_for()
    tab.locator(".mails > li > details > .preview > summary").first.click()
    tab.frame_locator("iframe").first.get_by_role("heading", name="What became of your request").wait_for()
    look_over(tab)
    tab.goto(f"{house.base}/outbox")
    look_over(tab)
    assert complaints == []
