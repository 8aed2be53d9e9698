"""A person has their data corrected, and kept unused, from the outside: what each vendor holds afterwards is read there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.house import RUNTIMES, House, cloud_of

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("rights") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def known_everywhere(house: House, user: str) -> str:
    """Make somebody known to Stripe, SendGrid and Meta; return Stripe's id."""
    email = f"{user}@mail.test"
    customer = next(one for one in house.put("stripe", email=email, name="Ann Old") if one.startswith("cus_"))
    house.put("sendgrid", email=email, name="Ann Old")
    house.put("meta", email=email)
    house.sign_up(user, email, name="Ann Old", stripe_customer_ids=[customer])
    return customer


def ask(house: House, email: str, right: str, **more: Any) -> tuple[str, str]:
    """Ask and confirm; return the request's address and its private key."""
    answer = house.post("/requests", {"email": email, "right": right, **more})
    assert answer.status == 202, answer.text
    path, _, key = house.confirm(email, answer.json["request_id"])["status_url"].partition("?key=")
    return path.removeprefix(house.base), key


def shown(house: House, asked: tuple[str, str]) -> Any:
    answer = house.get(f"{asked[0]}?key={asked[1]}")
    assert answer.status == 200, answer.text
    return answer.json


def contact(house: House, email: str) -> Any:
    return next((one for one in house.found("sendgrid", email=email) if one["kind"] == "contact"), None)


def may(house: House, user: str, purpose: str = "analytics") -> Any:
    return house.server("/processing", {"subject": {"user_id": user}, "purpose": purpose}).json


def opted_out(house: House, email: str) -> bool:
    entries = [one for one in house.found("sendgrid", email=email) if one["kind"] not in {"contact", "mails"}]
    return any("global" in str(one) for one in entries)


def test_a_name_is_put_right_in_our_records_and_at_everybody_who_has_it(house: House) -> None:
    customer = known_everywhere(house, "name")
    asked = ask(house, "name@mail.test", "rectification", corrections={"name": "Ann Right"})
    house.advance("PT1H")
    view = shown(house, asked)
    assert (view["status"], view["corrected"]) == ("completed", ["name"]), view
    assert house.found("stripe", id=customer)[0]["name"] == "Ann Right"
    held = contact(house, "name@mail.test")
    assert (held["first_name"], held["last_name"]) == ("Ann", "Right")
    told = {one["subprocessor"] for one in view["told"] if one["what"] == "rectification"}
    assert told == {one["subprocessor"] for one in view["steps"]} - {"google_cloud_platform"}
    assert "Ann Right" not in house.get(f"{asked[0]}/statement?key={asked[1]}").text
    (mail,) = house.mails("name@mail.test", "What became of your request")
    assert "Stripe: Corrected, and checked" in " ".join(mail["text"].split())


def test_an_address_moves_once_the_new_mailbox_confirmed(house: House) -> None:
    customer = known_everywhere(house, "move")
    old, new = "move@mail.test", "moved@new.test"
    asked = ask(house, old, "rectification", corrections={"email": new})
    house.advance("PT1H")
    assert shown(house, asked)["status"] == "verified"
    assert house.found("stripe", id=customer)[0]["email"] == old
    link = house.link(new, "/confirm?t=")
    assert "moved@" not in house.page(link).text, "masked"
    assert contact(house, new) is None, "opening the page does nothing"
    answer = house.post(link)
    assert set(answer.json) == {"request_id", "status"}
    house.advance("PT1H")
    view = shown(house, asked)
    assert (view["status"], view["corrected"]) == ("completed", ["email"]), view
    assert house.found("stripe", id=customer)[0]["email"] == new
    assert (contact(house, old), contact(house, new)["first_name"]) == (None, "Ann")
    assert house.found("meta", email=old) == []
    assert house.found("meta", email=new) == [], "nobody is put into an audience by a correction"


def test_a_restriction_is_in_force_at_once_everywhere_and_lifted_after_it_was_announced(house: House) -> None:
    customer = known_everywhere(house, "still")
    email = "still@mail.test"
    asked = ask(house, email, "restriction")
    assert "restriction" in may(house, "still")["reasons"]
    house.advance("PT1H")
    view = shown(house, asked)
    assert view["status"] == "completed", view
    assert opted_out(house, email)
    assert house.found("stripe", id=customer)[0]["metadata"]["processing_restricted"] == "yes"
    assert house.found("meta", email=email) == []
    page = house.page(f"{asked[0]}?key={asked[1]}").text
    assert "Lift the stop" in page
    path = f"/operator{asked[0]}/deny"
    assert house.operator("POST", path, {"reason": "the data was checked and is right"}).status == 200
    house.advance("P1D")
    assert "restriction" in may(house, "still")["reasons"], "announced, and not lifted yet"
    assert len(house.mails(email, "use your data again")) == 1
    house.advance("P3D")
    assert "restriction" not in may(house, "still")["reasons"]
    assert not opted_out(house, email)
    assert "processing_restricted" not in (house.found("stripe", id=customer)[0].get("metadata") or {})
    assert {one["what"] for one in shown(house, asked)["told"]} == {"restriction", "restriction_lifted"}


def test_the_person_lifts_it_and_an_opt_out_of_their_own_stays(house: House) -> None:
    known_everywhere(house, "chose")
    email = "chose@mail.test"
    house.put("sendgrid", email=email, unsubscribed=True)
    asked = ask(house, email, "restriction")
    house.advance("PT1H")
    assert house.post(f"{asked[0]}/cancel?key={asked[1]}").status == 200
    house.advance("PT1H")
    assert shown(house, asked)["status"] == "withdrawn"
    assert "restriction" not in may(house, "chose")["reasons"]
    assert opted_out(house, email), "that one was theirs"


@pytest.mark.parametrize(("vendor", "names"), [("stripe", ["stripe"]), ("sendgrid", ["sendgrid"])])
def test_a_vendor_that_is_down_is_told_when_it_is_back(house: House, vendor: str, names: list[str]) -> None:
    user = f"down-{vendor}"
    known_everywhere(house, user)
    body = {"email": f"{user}@mail.test", "right": "rectification", "corrections": {"name": "Ann Right"}}
    link = house.link(body["email"], f"{house.post('/requests', body).json['request_id']}/confirm?t=")
    assert house.post(f"/sandbox/{vendor}/faults", {"kind": "500", "for": "PT3H"}).status == 201
    path, _, key = house.post(link).json["status_url"].partition("?key=")
    asked = (path.removeprefix(house.base), key)
    house.advance("PT1H")
    waits = {one["subprocessor"] for one in shown(house, asked)["steps"] if one["outcome"] == "pending"}
    assert waits == set(names)
    house.advance("P1D")
    assert shown(house, asked)["status"] == "completed"


def test_what_the_website_holds_is_for_its_own_people_and_seen_by_a_person(house: House) -> None:
    known_everywhere(house, "held")
    house.hold("held", {"users/held": {"name": "Ann Old"}})
    asked = ask(house, "held@mail.test", "rectification", corrections={"name": "Ann Right"})
    house.advance("PT1H")
    assert shown(house, asked)["status"] == "in_progress"
    listed = house.operator("GET", "/operator/attention").json["items"]
    assert "website_correction" in [one.get("problem") for one in listed]
    path = f"/operator{asked[0]}/steps/google_cloud_platform/resolve"
    assert house.operator("POST", path, {"reason": "corrected in the shop", "evidence": "ticket 7"}).status == 200
    house.settle()
    assert shown(house, asked)["status"] == "completed"


def test_a_person_asks_by_the_page_and_reads_what_is_wrong_with_a_correction(house: House) -> None:
    assert 'name="corrections.name"' in house.page("/requests/new").text
    known_everywhere(house, "page")
    fields = {"email": "page@mail.test", "right": "rectification", "corrections.locale": "not a language"}
    refused = house.form("/requests", fields)
    assert (refused.status, 'id="corrections.locale-problem"' in refused.text) == (400, True), refused.text
    assert "not a language" in refused.text, "what was typed is kept"
    assert house.form("/requests", fields | {"corrections.locale": "de-AT", "corrections.name": ""}).status == 202


def test_an_unnamed_correction_is_refused_by_its_field(house: House) -> None:
    for corrections, field in (({}, "corrections"), ({"shoe_size": "44"}, "corrections.shoe_size")):
        body = {"email": "bad@mail.test", "right": "rectification", "corrections": corrections}
        answer = house.post("/requests", body)
        assert (answer.status, answer.json["errors"][0]["field"]) == (400, field)
