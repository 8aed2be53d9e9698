"""Mail to the contact address, from the outside: it is understood, answered, handed on, and forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functions.inbound_mails import fields, form, headers
from tests.journeys.house import RUNTIMES, Answer, House, cloud_of

pytestmark = pytest.mark.journey
DESK = "privacy-desk@sample-rooms.example"


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("inbound") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def post(house: House, body: bytes) -> Answer:
    """Post a body as SendGrid does."""
    return house.call("POST", "/sendgrid-inbound", body, **headers(house.data_dir, body))


def write(house: House, sender: str, text: str | bytes, files: Any = None, **said: Any) -> str:
    """Write a mail; return what became of it."""
    envelope = f'{{"from":"{sender}"}}'
    posted = post(house, form(fields(text=text, envelope=envelope, **({"from": f"A Person <{sender}>"} | said)), files))
    assert posted.status == 200, posted.text
    became: str = posted.json["became"]
    return became


def attention(house: House) -> dict[str, str]:
    items = house.operator("GET", "/operator/attention").json["items"]
    return {one["request_id"]: one["kind"] for one in items if one["kind"].startswith("mail_")}


def test_a_mail_in_ordinary_words_ends_in_an_erasure(house: House) -> None:
    house.sign_up("ann", "ann@mail.test")
    house.hold("ann", {"users/ann": {"name": "Ann"}})
    assert write(house, "ann@mail.test", "Hi there,\n\nplease delete my account.\n\nAnn") == "request"
    answer = house.post(house.link("ann@mail.test", "/confirm?t=")).json
    house.advance("P14D")
    view = house.get(answer["status_url"].removeprefix(house.base)).json
    assert (view["right"], view["promise"]["met"]) == ("erasure", True)
    assert house.held("ann")["documents"] == {}


def test_a_german_mail_for_a_copy_opens_a_request_that_changes_nothing_before_it_is_confirmed(house: House) -> None:
    house.sign_up("gerd", "gerd@mail.test")
    house.hold("gerd", {"users/gerd": {"name": "Gerd"}})
    text = "Hiermit verlange ich Auskunft nach Art. 15 DSGVO.".encode("iso-8859-1")
    assert write(house, "gerd@mail.test", text, charsets='{"text":"iso-8859-1"}') == "request"
    house.advance("P3D")
    assert house.held("gerd")["documents"] != {}


def test_a_no_to_marketing_stops_it_at_once_or_by_a_link(house: House) -> None:
    house.put("sendgrid", email="bo@mail.test", name="Bo")
    assert write(house, "bo@mail.test", "STOP", dkim="{@mail.test : pass}") == "stopped"
    house.settle()
    assert "global" in str(house.found("sendgrid", email="bo@mail.test"))
    assert write(house, "cy@mail.test", "Bitte keine Werbung mehr.", dkim="{@evil.test : pass}") == "asked_back"
    link = house.link("cy@mail.test", "/unsubscribe?t=")
    assert house.post(link).status == 200


def test_another_mail_is_handed_on_with_its_file_and_forgotten(house: House) -> None:
    words = "Where is my sofa, order 4711-inbound?"
    assert write(house, "di@mail.test", words, {"attachment1": ("sofa.jpg", "image/jpeg", b"\xff\xd8")}) == "forwarded"
    house.settle()
    (mail,) = [one for one in house.mails(DESK) if words in one["text"]]
    assert (mail["headers"]["Reply-To"], mail["headers"]["X-Attachments"]) == ("di@mail.test", "sofa.jpg")


def test_an_unclear_mail_comes_to_the_operator_who_settles_it(house: House) -> None:
    before = attention(house)
    assert write(house, "ed@mail.test", "My mother's account should be deleted.") == "for_a_person"
    ((mail_id, kind),) = attention(house).items() - before.items()
    assert kind == "mail_about_somebody_else"
    assert house.operator("GET", f"/operator/mails/{mail_id}").json["email"] == "ed@mail.test"
    assert house.operator("POST", f"/operator/mails/{mail_id}/settle", {"reason": "asked for a proxy"}).status == 200
    assert house.operator("GET", f"/operator/mails/{mail_id}").status == 404
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True


def test_a_mail_comes_once_and_a_forged_one_never(house: House) -> None:
    body = form(fields(text="Please delete my account.", **{"from": "fay@mail.test"}))
    assert [post(house, body).json["became"] for _ in range(3)] == ["request", "duplicate", "duplicate"]
    forged = headers(house.data_dir, body)
    assert house.call("POST", "/sendgrid-inbound", body.replace(b"fay@", b"gus@"), **forged).status == 400
    house.settle()
    assert house.mails("gus@mail.test") == []


def test_what_somebody_wrote_is_gone_with_them_and_stands_nowhere_in_the_open(house: House, tmp_path: Path) -> None:
    email = "hal.canary@mail.test"
    house.sign_up("hal", email)
    assert write(house, email, "Do not delete the canary-inbound data, please.") == "for_a_person"
    assert "canary-inbound" not in str(house.traces(["canary-inbound"], tmp_path / "before"))
    (mail_id,) = [one for one, kind in attention(house).items() if kind == "mail_unclear"]
    house.confirm(email, house.ask(email))
    house.advance("P3D")
    assert house.operator("GET", f"/operator/mails/{mail_id}").status == 404
    assert mail_id not in attention(house)
    assert house.traces(["canary-inbound"], tmp_path / "after") == []
    assert not re.search("canary|mail.test", house.log.read_text())
