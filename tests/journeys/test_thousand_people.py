"""The main journey: the user's own policy, a thousand people, a hundred requests, an outage, a crash."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from shared.promises.policy import canonical_text
from tests.journeys.house import ROOT, RUNTIMES, House, cloud_of

PEOPLE = 1000
SAMPLE = ROOT / "infra" / "local" / "samples" / "policy.md"
POLICY = Path(os.environ.get("PLEDGE_POLICY_FILE") or SAMPLE)
NEVER_CONFIRMED = range(10)
CANCELLED = range(10, 20)
BEFORE_THE_OUTAGE = range(20, 40)
IN_THE_OUTAGE = range(40, 70)
IN_THE_CRASH = range(70, 100)
KNOWN_TO_VENDORS = 120
OUTCOMES = {
    "google_analytics": "scheduled_by_vendor",
    "google_tag_manager": "no_store",
    "google_cloud_platform": "retained",
    "stripe": "retained",
    "sendgrid": "accepted",
    "facebook": "accepted",
    "instagram": "accepted",
}
pytestmark = pytest.mark.journey


def email(i: int) -> str:
    """Every fifth pair of the upper half shares a mailbox."""
    if 500 <= i < 520:
        return f"family{i // 2}@shared.test"
    return f"person{i}.surname@mail{i % 7}.test"


def documents(i: int) -> dict[str, Any]:
    return {
        f"users/u{i}": {"name": f"Person {i}", "email": email(i), "canary": f"canary-{i:05d}-document"},
        f"users/u{i}/notes/first": {"text": f"canary-{i:05d}-note"},
        f"orders/o{i}": {
            "user_id": f"u{i}",
            "amount": i,
            "date": "2026-01-01",
            "invoice_no": f"n{i}",
            "ship_to": f"canary-{i:05d}-order",
        },
    }


def files(i: int) -> dict[str, str]:
    return {f"users/u{i}/letter.txt": f"canary-{i:05d}-file for {email(i)}"}


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    built = House(tmp_path_factory.mktemp("thousand") / "data", cloud_of(request)).start()
    yield built
    built.stop()


def sign_up_everybody(house: House) -> None:
    def one(i: int) -> None:
        known = put_into_every_vendor(house, i) if i < KNOWN_TO_VENDORS else {}
        house.sign_up(f"u{i}", email(i), name=f"Person {i}", **known)
        house.hold(f"u{i}", documents(i), files(i))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(PEOPLE)))


def put_into_every_vendor(house: House, i: int) -> dict[str, Any]:
    """Make somebody known to Stripe, Google, Meta and SendGrid; return the identifiers the website knows."""
    customers = [one for one in house.put("stripe", email=email(i)) if one.startswith("cus_")]
    clients = house.put("google", client_ids=[f"{i}.{1_700_000_000 + i}"])
    house.put("meta", email=email(i))
    house.put("sendgrid", email=email(i))
    return {"stripe_customer_ids": customers, "ga_client_ids": clients}


def publish(house: House) -> str:
    said = house.pledge("publish", str(POLICY), "--version", "published-1", "--summary", "The real one")
    return re.search(r"sha256 (\w+)", said)[1]


def confirm_all(house: House, asked: dict[int, str]) -> dict[int, Any]:
    house.settle()
    return {i: house.confirm(email(i), request_id) for i, request_id in asked.items()}


def ask_all(house: House, numbers: Any) -> dict[int, str]:
    return {i: house.ask(email(i)) for i in numbers}


def kill_in_the_middle(house: House) -> None:
    """Start a long jump and kill the process with -9 while steps are under way."""

    def jump() -> None:
        # the connection dies with the process: that is the test
        with contextlib.suppress(URLError, OSError):
            house.advance("P2D")

    jumping = threading.Thread(target=jump)
    jumping.start()
    until = time.monotonic() + 60
    while not house.operator("GET", "/operator/requests?status=in_progress").json["requests"]:
        assert time.monotonic() < until, "nothing was ever in the middle"
    house.kill()
    jumping.join()
    house.start()


def test_a_thousand_people_and_a_hundred_erasures_through_an_outage_and_a_crash(house: House, tmp_path: Path) -> None:
    published = publish(house)
    assert published == sha256(canonical_text(POLICY.read_text()).encode()).hexdigest()
    assert house.get("/policy").json["hash"] == published
    sign_up_everybody(house)
    # an address that changed hands: u600 moves away, u601 takes it over
    house.sign_up("u600", "moved.on@elsewhere.test")
    house.advance("P1D")
    house.sign_up("u601", email(600))

    views: dict[int, str] = {}
    never = ask_all(house, NEVER_CONFIRMED)
    cancelled = confirm_all(house, ask_all(house, CANCELLED))
    for i, answer in cancelled.items():
        assert house.post(answer["status_url"].replace("?key=", "/cancel?key=")).status == 200, i
    views |= {i: one["status_url"] for i, one in confirm_all(house, ask_all(house, BEFORE_THE_OUTAGE)).items()}

    outage = confirm_all(house, ask_all(house, IN_THE_OUTAGE))
    for vendor, kind in {"sendgrid": "500", "stripe": "429", "google": "500", "meta": "half"}.items():
        assert house.post(f"/sandbox/{vendor}/faults", {"kind": kind, "for": "P3D"}).status in {200, 201}
    views |= {i: one["status_url"] for i, one in outage.items()}
    house.advance("P3D")
    for vendor in ("sendgrid", "stripe", "google", "meta"):
        house.call("DELETE", f"/sandbox/{vendor}/faults")
    house.advance("PT6H")

    views |= {i: one["status_url"] for i, one in confirm_all(house, ask_all(house, IN_THE_CRASH)).items()}
    kill_in_the_middle(house)
    check_two_accounts_on_one_address(house)
    check_the_address_that_changed_hands(house)
    assert {house.operator("GET", f"/operator/requests/{one}").json["status"] for one in never.values()} == {
        "unverified"
    }
    house.advance("P14D")

    erased = sorted(views)
    for i in erased:
        check_erased(house, i, views[i])
    for i in [*NEVER_CONFIRMED, *CANCELLED, *range(100, 500), *range(520, 600), *range(602, PEOPLE)]:
        assert house.held(f"u{i}") == {"documents": documents(i), "files": files(i)}, i
    for i in range(100, KNOWN_TO_VENDORS):
        kinds = {one["kind"] for one in house.found("stripe", email=email(i))}
        assert "customer" in kinds, kinds
        assert house.found("meta", email=email(i)), i
        assert house.found("sendgrid", email=email(i)), i
    for i in cancelled:
        assert house.get(cancelled[i]["status_url"]).json["status"] == "withdrawn"
    assert {house.operator("GET", f"/operator/requests/{one}").json["status"] for one in never.values()} == {
        "unconfirmed"
    }

    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True
    check_nothing_is_left(house, erased, tmp_path)


def check_erased(house: House, i: int, status_url: str) -> None:
    shown = house.get(status_url).json
    # the order's invoice fields are kept by the sample's ground, and by nothing else
    assert shown["status"] == "partly_retained", (i, shown)
    assert shown["promise"]["met"] is True, (i, shown)
    assert datetime.fromisoformat(shown["promise"]["ours_done_at"]) <= datetime.fromisoformat(shown["promise"]["by"])
    outcomes = {step["subprocessor"]: step["outcome"] for step in shown["steps"]}
    assert outcomes == OUTCOMES, i
    assert house.held(f"u{i}") == {"documents": {}, "files": {}}, i
    assert house.found("sendgrid", email=email(i)) == []
    assert house.found("meta", email=email(i)) == []
    # Stripe may show what tax law keeps, and nothing that bills, pays or names the customer
    left = {one["kind"] for one in house.found("stripe", email=email(i))}
    assert left <= {"charge", "invoice"}, left


def check_two_accounts_on_one_address(house: House) -> None:
    asked = house.ask(email(500))
    answer = house.confirm(email(500), asked)
    assert len(answer["accounts"]) == 2
    house.advance("P2D")
    assert house.get(answer["status_url"]).json["status"] == "verified", (
        "nothing of an account goes before it is chosen"
    )
    chosen = house.post(answer["status_url"].replace("?key=", "/accounts?key="), {"accounts": [1]})
    assert chosen.status == 200, chosen.text
    house.advance("P3D")
    gone, kept = house.held("u500"), house.held("u501")
    if gone["documents"]:
        gone, kept = kept, gone
    assert gone == {"documents": {}, "files": {}}
    assert len(kept["documents"]) == 3
    assert house.get(answer["status_url"]).json["status"] == "partly_retained"


def check_the_address_that_changed_hands(house: House) -> None:
    answer = house.confirm(email(600), house.ask(email(600)))
    assert "accounts" not in answer, "the earlier holder's account is not opened by this address any more"
    house.advance("P8D")
    assert house.held("u601") == {"documents": {}, "files": {}}
    assert house.held("u600") == {"documents": documents(600), "files": files(600)}


def check_nothing_is_left(house: House, erased: list[int], folder: Path) -> None:
    house.stop()
    hidden = [email(i) for i in erased] + [f"canary-{i:05d}" for i in erased]
    stayed = f"canary-{800:05d}-document"
    # the search finds what is there: somebody who stayed
    found = house.traces([*hidden, stayed], folder)
    # the sandbox's own file is the vendors': Stripe keeps the address on its charges as long as tax law says
    ours = [(file, text) for file, text in found if not (file.startswith("sandbox.db") and "@" in text)]
    assert {text for _, text in ours} == {stayed}, ours[:5]
    log = house.log.read_text()
    assert not [one for one in hidden if one in log]
    house.start()
