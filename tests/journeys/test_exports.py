"""A person is exported whole: from every subprocessor, with the gaps named, and before their data is deleted."""

from __future__ import annotations

import io
import json
import secrets
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.house import RUNTIMES, Answer, House, cloud_of

pytestmark = pytest.mark.journey
ANN, BOB = "ann.canary@mail.test", "bob.other@mail.test"
SOON_SECONDS = 20


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("exports") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def known_everywhere(house: House, user: str, email: str) -> str:
    """Make somebody known to every vendor, and to the website; return the Stripe customer."""
    customer = next(one for one in house.put("stripe", email=email) if one.startswith("cus_"))
    house.put("google", client_ids=[f"{user}.1"])
    house.put("meta", email=email)
    house.put("sendgrid", email=email)
    house.sign_up(user, email, name=f"Name of {user}", stripe_customer_ids=[customer], ga_client_ids=[f"{user}.1"])
    order = {"user_id": user, "amount": 5, "date": "2026-01-01", "invoice_no": "=1+1", "note": f"order of {user}"}
    documents = {f"users/{user}": {"note": f"document of {user}"}, f"orders/of-{user}": order}
    house.hold(user, documents, {f"users/{user}/letter.txt": f"file of {user}"})
    return customer


def soon(true: Callable[[], Any]) -> Any:
    until = time.monotonic() + SOON_SECONDS
    while not (found := true()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)
    return found


def asked(house: House, email: str, right: str = "access") -> dict[str, str]:
    """Ask, confirm, wait for the link; return the request's address and the link."""
    answer = house.post("/requests", {"email": email, "right": right})
    assert answer.status == 202, answer.text
    confirmed = house.confirm(email, answer.json["request_id"])
    # the mail comes by itself: nobody moves the clock
    soon(lambda: [one for one in house.mails(email, "ready") if answer.json["request_id"] in one["text"]])
    link = house.link(email, f"/requests/{answer.json['request_id']}/export?key=")
    return {"id": answer.json["request_id"], "status_url": confirmed["status_url"], "link": link}


def members(answer: Answer) -> dict[str, bytes]:
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip"), answer.text
    with zipfile.ZipFile(io.BytesIO(answer.raw)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_everything_about_her_is_in_it_and_nothing_about_anybody_else(house: House) -> None:
    customer = known_everywhere(house, "ann", ANN)
    known_everywhere(house, "bob", BOB)
    request = asked(house, ANN)
    found = members(house.get(request["link"]))
    data = json.loads(found["data.json"])["data"]
    assert data["stripe"]["customers"][0]["id"] == customer
    assert data["stripe"].keys() >= {"customers", "subscriptions", "invoices", "charges"}
    assert data["sendgrid"]["contacts"][0]["email"] == ANN
    assert data["google_cloud_platform"]["documents"]["users/ann"] == {"note": "document of ann"}
    assert data["google_cloud_platform"]["identifiers"][0]["name"] == "Name of ann"
    assert [content for name, content in found.items() if name.startswith("files/")] == [b"file of ann"]
    assert not any(b"bob" in content.lower() for content in found.values())
    assert b"'=1+1" in found["csv/google_cloud_platform-documents.csv"]
    assert b"document of ann" in found["index.html"]
    manifest = json.loads(found["manifest.json"])
    assert {gap["subprocessor"] for gap in manifest["gaps"]} >= {"google_analytics", "facebook", "instagram"}
    assert {one["name"] for one in manifest["members"]} == found.keys() - {"manifest.json"}
    shown = house.get(request["status_url"]).json
    assert shown["status"] == "completed"
    assert {one["subprocessor"]: one["outcome"] for one in shown["steps"]} == {
        "google_analytics": "nothing_found",
        "google_tag_manager": "no_store",
        "google_cloud_platform": "verified",
        "stripe": "verified",
        "sendgrid": "verified",
        "facebook": "nothing_found",
        "instagram": "nothing_found",
    }
    assert house.get(request["link"]).status == 409
    assert house.found("stripe", email=ANN), "an export takes nothing away"


def test_a_vendor_that_refuses_is_named_and_the_others_are_in_it(house: House) -> None:
    known_everywhere(house, "carl", "carl@mail.test")
    large = secrets.token_hex(2_500_000)
    house.hold("carl", {}, {"users/carl/large.txt": large})
    assert house.post("/sandbox/stripe/faults", {"kind": "400", "for": "PT1H"}).status == 201
    request = asked(house, "carl@mail.test")
    found = members(house.get(request["link"]))
    stripe = [one for one in json.loads(found["manifest.json"])["gaps"] if one["subprocessor"] == "stripe"]
    assert len(stripe) == 1
    assert large.encode() in found.values()
    assert "sendgrid" in json.loads(found["data.json"])["data"]
    listed = house.operator("GET", "/operator/attention").json["items"]
    assert any((one["request_id"], one.get("subprocessor")) == (request["id"], "stripe") for one in listed)
    house.call("DELETE", "/sandbox/stripe/faults")
    path = f"/operator/requests/{request['id']}/steps/stripe/retry"
    assert house.operator("POST", path, {"reason": "the vendor is well again"}).status == 200
    house.settle()
    fresh = house.link("carl@mail.test", f"/requests/{request['id']}/export?key=")
    assert json.loads(members(house.get(fresh))["data.json"])["data"]["stripe"]["customers"]
    assert house.get(request["status_url"]).json["status"] == "completed"


def test_an_erasure_waits_for_the_copy_and_afterwards_there_is_nothing_to_export(house: House) -> None:
    email = "dora.canary@mail.test"
    known_everywhere(house, "dora", email)
    copy = asked(house, email, "portability")
    erasure = house.confirm(email, house.ask(email))
    house.advance("P2D")
    assert house.get(erasure["status_url"]).json["status"] == "verified"
    assert "invoices" not in json.loads(members(house.get(copy["link"]))["data.json"])["data"]["stripe"]
    house.advance("P3D")
    assert house.get(copy["link"]).status == 409
    assert house.post(copy["status_url"].replace("?key=", "/export?key=")).status == 409
    house.advance("P9D")
    shown = house.get(erasure["status_url"]).json
    assert (shown["status"], shown["promise"]["met"]) == ("partly_retained", True)
    after = members(house.get(asked(house, email)["link"]))
    data = json.loads(after["data.json"])["data"]
    assert data["google_cloud_platform"].keys() <= {"requests", "stops"}
    assert not any(b"document of dora" in content or b"file of dora" in content for content in after.values())


def test_evidence_holds_after_all_of_it(house: House) -> None:
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True
