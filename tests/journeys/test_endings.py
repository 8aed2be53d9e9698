"""What ends by itself, from the outside: a subscription ends, two mails, kept or erased; too many wait for a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from infra.settings import SAMPLES
from tests.journeys.house import RUNTIMES, House, cloud_of

MOST = 3
FIRST, AGAIN, STOPPED = "What happens to your data", "will soon be deleted", "is not deleted by itself"
pytestmark = pytest.mark.journey


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("endings")
    company = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    (folder / "company.yaml").write_text(yaml.safe_dump(company | {"breaker": {"most": MOST, "within": "P2D"}}))
    built = House(folder / "data", cloud_of(request), COMPANY=str(folder / "company.yaml")).start()
    yield built
    built.stop()


def email(user: str) -> str:
    return f"{user}@people.test"


def subscribe(house: House, user: str) -> str:
    """Sign somebody up with a customer and a subscription; return the customer."""
    customer, _subscription = house.put("stripe", email=email(user), user_id=user)
    house.sign_up(user, email(user), stripe_customer_ids=[customer])
    house.hold(user, {f"users/{user}": {"name": user}})
    return customer


def end(house: House, customer: str) -> None:
    house.put("stripe", id=customer, subscription="canceled")
    house.settle()


def subjects(house: House, user: str) -> list[str]:
    """Return the subjects of what was mailed about an ending; a new policy is announced by mail too."""
    found = [mail["subject"] for mail in house.mails(email(user))]
    return [one for one in found if any(part in one for part in (FIRST, AGAIN, STOPPED))]


def is_erased(house: House, user: str) -> bool:
    return bool(house.held(user) == {"documents": {}, "files": {}})


def requests_of(house: House, channel: str) -> list[dict[str, Any]]:
    listed = house.operator("GET", "/operator/requests").json["requests"]
    shown = [house.operator("GET", f"/operator/requests/{one['request_id']}").json for one in listed]
    return [one for one in shown if one["channel"] == channel]


def test_a_subscription_ends_and_the_account_is_kept_came_back_or_is_erased(house: House) -> None:
    # every webhook comes three times and in any order, our own deletions' echoes among them
    assert house.post("/sandbox/stripe/webhooks", {"copies": 3, "shuffled": True}).status == 201
    customers = {user: subscribe(house, user) for user in ("keeps", "back", "goes", "stays")}
    for user in ("keeps", "back", "goes"):
        end(house, customers[user])
        assert [FIRST in subject for subject in subjects(house, user)] == [True], user
    began = datetime.fromisoformat(house.advance("P7DT1H")["now"]) - timedelta(days=7, hours=1)
    for user in ("keeps", "back", "goes"):
        assert [AGAIN in subject for subject in subjects(house, user)] == [False, True], user
    link = house.link(email("keeps"), "/keep?t=")
    assert "Keep my account" in house.page(link).text
    assert house.get(link).json["can_keep"] is True, "looking changes nothing"
    assert house.form(link, {}).status == 200
    assert house.post(link).json["status"] == "withdrawn"
    house.put("stripe", id=customers["back"], subscription="active")
    house.advance("P7D")

    assert [is_erased(house, user) for user in ("keeps", "back", "goes", "stays")] == [False, False, True, False]
    for user in ("keeps", "back"):
        assert [subject for subject in subjects(house, user) if STOPPED in subject], user
    assert house.found("stripe", id=customers["goes"])[0].get("deleted") is True
    assert house.found("sendgrid", email=email("goes")) == []
    found = requests_of(house, "subscription_ended")
    assert sorted(one["status"] for one in found) == ["partly_retained", "withdrawn", "withdrawn"]
    gone = next(one for one in found if one["status"] == "partly_retained")
    assert gone["promise"]["met"] is True
    assert datetime.fromisoformat(gone["promise"]["ours_done_at"]) <= began + timedelta(days=14)
    assert house.post("/sandbox/stripe/webhooks", {}).status == 201


def test_too_many_closed_accounts_wait_for_a_person_and_nobodys_own_request_does(house: House) -> None:
    users = [f"closed{n}" for n in range(MOST + 2)]
    for user in users:
        subscribe(house, user)
        answer = house.server(f"/subjects/{user}/closed", {"by": "person"})
        assert house.server(f"/subjects/{user}/closed", {"by": "person"}).json == answer.json
    subscribe(house, "asks")
    house.advance("P9D")
    assert sum(is_erased(house, user) for user in users) == MOST
    kinds = {one["kind"] for one in house.operator("GET", "/operator/attention").json["items"]}
    assert {"breaker_tripped", "incident"} <= kinds
    house.confirm(email("asks"), house.ask(email("asks")))
    house.advance("P2D")
    assert is_erased(house, "asks")
    assert sum(is_erased(house, user) for user in users) == MOST
    assert house.operator("POST", "/operator/breaker/reset", {"reason": "seen, and right"}).status == 200
    assert house.operator("POST", "/operator/breaker/reset", {"reason": "again"}).status == 409
    house.advance("P3D")
    assert all(is_erased(house, user) for user in users)
    assert all(one["promise"]["met"] for one in requests_of(house, "account_closed"))
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True
