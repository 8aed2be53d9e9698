"""Every fault of every vendor: the erasure waits, tells a person where it must, and ends right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.journeys.house import RUNTIMES, House, cloud_of

pytestmark = pytest.mark.journey
VENDORS = {
    "stripe": ("stripe",),
    "google": ("google_analytics",),
    "meta": ("facebook", "instagram"),
    "sendgrid": ("sendgrid",),
}
FAULTS = ("timeout", "429", "500", "400", "half", "slow")
SETTLED = {"accepted", "scheduled_by_vendor", "retained", "verified", "nothing_found", "no_store"}


class Person(NamedTuple):
    """Somebody whom every vendor knows."""

    email: str
    client: str
    customer: str


@pytest.fixture(scope="module", params=RUNTIMES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = House(tmp_path_factory.mktemp("faults") / "data", cloud_of(request)).start()
    yield running
    running.stop()


def known_everywhere(house: House, user: str) -> Person:
    email = f"{user}@mail.test"
    customer = next(one for one in house.put("stripe", email=email) if one.startswith("cus_"))
    (client,) = house.put("google", client_ids=[f"{user}.1"])
    house.put("meta", email=email)
    house.put("sendgrid", email=email)
    house.sign_up(user, email, stripe_customer_ids=[customer], ga_client_ids=[client])
    return Person(email, client, customer)


def steps(house: House, request_id: str) -> dict[str, Any]:
    shown = house.operator("GET", f"/operator/requests/{request_id}").json
    return {step["subprocessor"]: step for step in shown["steps"]}


@pytest.mark.parametrize("kind", FAULTS)
def test_every_vendor_may_fail_and_the_erasure_ends_right(house: House, kind: str) -> None:
    people = {vendor: known_everywhere(house, f"{vendor}-{kind}") for vendor in VENDORS}
    asked = {vendor: house.confirm(person.email, house.ask(person.email)) for vendor, person in people.items()}
    house.advance("PT23H")
    for vendor in VENDORS:
        # what makes a caller wait in real time is not kept up for a day
        lasts = {"times": 2} if kind in {"timeout", "slow"} else {"for": "PT30H"}
        assert house.post(f"/sandbox/{vendor}/faults", {"kind": kind} | lasts).status == 201
    house.advance("PT6H")
    in_the_middle = steps(house, asked["stripe"]["request_id"])
    assert in_the_middle["google_cloud_platform"]["outcome"] in {"verified", "nothing_found"}, "ours go first, whatever"
    house.advance("P2D")
    for answer in asked.values():
        retry_what_failed(house, answer["request_id"], expected=kind == "400")
    house.advance("P12D")
    for vendor, answer in asked.items():
        check_ended_right(house, people[vendor], answer)


def retry_what_failed(house: House, request_id: str, *, expected: bool) -> None:
    """A refusal needs a person, who sees it on the list and tries again once the vendor is well."""
    failed = [name for name, step in steps(house, request_id).items() if step["outcome"] == "failed"]
    assert bool(failed) == expected, failed
    listed = house.operator("GET", "/operator/attention").json["items"]
    for name in failed:
        assert any((one["request_id"], one.get("subprocessor")) == (request_id, name) for one in listed), (name, listed)
        path = f"/operator/requests/{request_id}/steps/{name}/retry"
        assert house.operator("POST", path, {"reason": "the vendor is well again"}).status == 200


def check_ended_right(house: House, person: Person, answer: dict[str, Any]) -> None:
    shown = house.get(answer["status_url"]).json
    assert shown["status"] == "partly_retained", shown
    assert shown["promise"]["met"] is True, shown
    assert {step["outcome"] for step in shown["steps"]} <= SETTLED
    assert house.found("meta", email=person.email) == []
    assert house.found("sendgrid", email=person.email) == []
    left = {one["kind"] for one in house.found("stripe", email=person.email)}
    assert left <= {"charge", "invoice"}, left
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True
