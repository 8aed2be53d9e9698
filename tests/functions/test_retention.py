"""`retention`: what is kept has an end, and is gone when it has come."""

from __future__ import annotations

import pytest

from tests.functions.called import Called
from tests.functions.edge_contract import InternalContract

EMAIL = "ada@people.example"
DEVICE = "device-0001"


class TestRetention(InternalContract):
    edge = "retention"


def expired(called: Called) -> dict[str, int]:
    answer = called.platform("retention")
    assert answer.status_code == 200, answer.text
    return {name: count for name, count in answer.json.items() if count}


def everything(called: Called) -> None:
    """Leave something of every kind that ends by itself."""
    said = called.consent({"device_id": DEVICE, "email": EMAIL}, {"ads": True, "marketing_email": True})
    assert called.post("/consents", said, Idempotency_Key="k1").status_code == 201
    assert called.post("/consents", called.consent({"email": EMAIL}, {"ads": True})).status_code == 201
    called.sign_up("u1", "bob@people.example")
    called.ask("bob@people.example")


def test_nothing_is_removed_before_its_time(called: Called) -> None:
    everything(called)
    with called.changing_nothing():
        assert expired(called) == {}


@pytest.mark.parametrize(
    ("days", "removed"),
    [
        (0.2, {"throttles": 3}),
        (2.1, {"throttles": 3, "idempotency": 1}),
        (7.1, {"throttles": 3, "idempotency": 1, "pendings": 2}),
    ],
    ids=["hours", "two days", "a week"],
)
def test_each_kind_is_removed_when_its_end_has_come_and_once(
    called: Called, days: float, removed: dict[str, int]
) -> None:
    everything(called)
    called.later(days=days)
    assert expired(called) == removed
    with called.changing_nothing():
        assert expired(called) == {}


def test_a_consent_that_never_came_to_belong_to_anybody_leaves_no_evidence(called: Called) -> None:
    answer = called.post("/consents", called.consent({"email": EMAIL}, {"ads": True})).json
    assert called.get(answer["receipt_url"]).status_code == 200
    called.later(days=8)
    expired(called)
    assert called.get(answer["receipt_url"]).status_code == 404
    assert called.operator("POST", "/evidence/verify").json == {"entries": 5, "intact": True}, (
        "the policy's, its campaign's three and its batch's"
    )


def test_a_device_is_forgotten_with_its_evidence_when_the_companys_period_is_over(called: Called) -> None:
    said = called.consent({"device_id": DEVICE}, {"ads": True})
    receipts = [called.post("/consents", said).json["receipt_url"] for _ in range(2)]
    called.later(days=365 * 3 - 2)
    expired(called)
    assert [called.get(url).status_code for url in receipts] == [200, 200]
    called.later(days=4)
    expired(called)
    assert [called.get(url).status_code for url in receipts] == [404, 404]
    assert (called.count("subjects"), called.count("aliases")) == (0, 0)
    assert called.get(f"/consents/current?device_id={DEVICE}").json["reasons"] == ["never_asked"]


def test_a_request_goes_with_its_whole_stream_when_the_companys_period_is_over(called: Called) -> None:
    answer = called.confirmed(EMAIL)
    called.post(called.mailed_link(EMAIL, "/cancel?t="))
    called.run_due()
    called.later(days=365 * 3 - 2)
    expired(called)
    assert called.get(answer["status_url"]).status_code == 200
    called.later(days=4)
    assert expired(called)["requests"] == 1
    assert called.get(answer["status_url"]).status_code == 404
    assert called.operator("GET", f"/evidence/{answer['request_id']}").status_code == 404
    assert called.operator("POST", "/evidence/verify").json == {"entries": 1, "intact": True}, "the policy's"


def test_what_was_removed_stands_in_no_file(called: Called) -> None:
    receipts = [
        called.post("/consents", called.consent({"email": f"p{number}@people.example"}, {"ads": True})).json[
            "receipt_id"
        ]
        for number in range(9)
    ]
    called.later(days=8)
    expired(called)
    raw = b"".join(path.read_bytes() for path in called.data_dir.glob("pledge.db*"))
    assert [one for one in receipts if one.encode() in raw] == []
