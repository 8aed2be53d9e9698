from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request

import pytest

from infra.local.sandbox.meta import AD_ACCOUNT, Meta
from infra.local.sandbox.meta_audiences import FLAGGED
from tests.contracts.running_sandbox import DIRECT, RunningSandbox
from tests.infra.meta_sandbox import TOKEN, audiences_holding, put_audience

ADA = "ada@example.com"
ADA_HASH = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"
FORM = "application/x-www-form-urlencoded"
ACCOUNT = f"/v26.0/act_{AD_ACCOUNT}"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"meta": TOKEN})
    yield sandbox
    sandbox.close()


def api(
    sandbox: RunningSandbox, method: str, path: str, form: Any = None, token: str = TOKEN, kind: str = FORM
) -> tuple[int, Any]:
    data = None if form is None else urlencode(form).encode()
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        with DIRECT.open(Request(sandbox.url("meta") + path, data, headers, method=method), timeout=10) as response:
            return response.status, json.loads(response.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def payload(**changes: Any) -> dict[str, str]:
    asked = {"schema": "EMAIL_SHA256", "is_raw": False, "data": [ADA_HASH]} | changes
    return {"payload": json.dumps({name: value for name, value in asked.items() if value is not None})}


def code_of(answer: tuple[int, Any]) -> tuple[int, int, int | None]:
    status, body = answer
    return status, body["error"]["code"], body["error"].get("error_subcode")


def test_the_account_shows_what_is_asked_for(sandbox: RunningSandbox) -> None:
    assert api(sandbox, "GET", ACCOUNT) == (200, {"id": f"act_{AD_ACCOUNT}"})
    assert api(sandbox, "GET", f"{ACCOUNT}?fields=id,name")[1].keys() == {"id", "name"}
    assert api(sandbox, "GET", f"/act_{AD_ACCOUNT}")[0] == 200


def test_the_ad_account_of_the_settings_is_the_one_it_knows() -> None:
    assert [Meta(given).account for given in ("act_42", "42", None)] == ["42", "42", AD_ACCOUNT]


def test_audiences_come_page_by_page_with_the_fields_asked_for(sandbox: RunningSandbox) -> None:
    for number in range(5):
        put_audience(sandbox, number)
    seen, after = [], ""
    for _ in range(3):
        _, page = api(sandbox, "GET", f"{ACCOUNT}/customaudiences?fields=subtype&limit=2{after}")
        seen += page["data"]
        after = f"&after={page['paging']['cursors']['after']}"
    assert [one.keys() for one in seen] == [{"id", "subtype"}] * 5
    assert len({one["id"] for one in seen}) == 5
    assert "next" not in page["paging"]
    assert api(sandbox, "GET", f"{ACCOUNT}/customaudiences?{after[1:]}")[1] == {"data": [], "paging": {}}


def test_a_person_is_put_into_every_customer_list_and_taken_out_of_one(sandbox: RunningSandbox) -> None:
    ids = sandbox.put("meta", email="Ada@Example.com", user_id="u1", name="Ada")
    assert audiences_holding(sandbox, ADA) == {"20001", "20002", "20003"}
    assert [entry["id"] for entry in sandbox.found("meta", id=ids[0])] == ids[:1]
    status, body = api(sandbox, "DELETE", "/v26.0/20002/users", payload())
    assert (status, body["audience_id"], body["num_received"], body["num_invalid_entries"]) == (200, "20002", 1, 0)
    assert audiences_holding(sandbox, ADA) == {"20001", "20003"}
    assert api(sandbox, "DELETE", "/v26.0/20002/users", payload())[0] == 200


def test_a_bad_hash_is_counted_and_shown_and_takes_nobody_out(sandbox: RunningSandbox) -> None:
    sandbox.put("meta", email=ADA)
    bad = [ADA_HASH.upper(), ADA, ADA_HASH[:40]]
    _, body = api(sandbox, "DELETE", "/v26.0/20001/users", payload(data=bad))
    assert (body["num_received"], body["num_invalid_entries"], body["invalid_entry_samples"]) == (3, 3, bad)
    assert len(audiences_holding(sandbox, ADA)) == 3


def test_ten_thousand_entries_are_taken_and_one_more_is_not(sandbox: RunningSandbox) -> None:
    for most, status in ((10_000, 200), (10_001, 400)):
        assert api(sandbox, "DELETE", "/v26.0/20001/users", payload(data=[ADA_HASH] * most))[0] == status


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", f"{ACCOUNT}?fields=colour", None),
        ("GET", f"{ACCOUNT}?colour=red", None),
        ("GET", f"{ACCOUNT}?access_token={TOKEN}", None),
        ("GET", f"{ACCOUNT}/customaudiences?fields=colour", None),
        ("GET", f"{ACCOUNT}/customaudiences?limit=0", None),
        ("GET", f"{ACCOUNT}/customaudiences?limit=many", None),
        ("GET", f"{ACCOUNT}/customaudiences?after=x", None),
        ("DELETE", "/20001/users", {}),
        ("DELETE", "/20001/users", {"payload": "{"}),
        ("DELETE", "/20001/users", {"payload": "[]"}),
        ("DELETE", "/20001/users", payload() | {"colour": "red"}),
        ("DELETE", "/20001/users?payload=x", payload()),
        ("DELETE", "/20001/users", payload(colour="red")),
        ("DELETE", "/20001/users", payload(schema="EMAIL_MD5")),
        ("DELETE", "/20001/users", payload(schema=None)),
        ("DELETE", "/20001/users", payload(is_raw=True)),
        ("DELETE", "/20001/users", payload(is_raw="false")),
        ("DELETE", "/20001/users", payload(data=None)),
        ("DELETE", "/20001/users", payload(data=[])),
        ("DELETE", "/20001/users", payload(data=ADA_HASH)),
        ("DELETE", "/20001/users", payload(data=[[ADA_HASH]])),
        ("DELETE", "/20004/users", payload()),
    ],
)
def test_what_the_real_api_refuses_is_refused(sandbox: RunningSandbox, method: str, path: str, form: Any) -> None:
    sandbox.put("meta", email=ADA)
    assert code_of(api(sandbox, method, path, form)) == (400, 100, None)
    assert len(audiences_holding(sandbox, ADA)) == 3


def test_a_removal_that_is_no_form_is_refused(sandbox: RunningSandbox) -> None:
    assert code_of(api(sandbox, "DELETE", "/20001/users", payload(), kind="application/json")) == (400, 100, None)


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"operation_status": FLAGGED}, (400, 100, 1713230)),
        ({"refuses": "flagged"}, (400, 100, 1713230)),
        ({"refuses": "small"}, (400, 200, 1870047)),
        ({"refuses": "updating"}, (400, 2650, 1870145)),
        ({"account": "777"}, (400, 100, 33)),
    ],
)
def test_an_audience_that_takes_no_removals_says_why(
    sandbox: RunningSandbox, more: dict[str, Any], refusal: tuple[int, int, int]
) -> None:
    put_audience(sandbox, 1, **more)
    assert code_of(api(sandbox, "DELETE", "/30001/users", payload())) == refusal


@pytest.mark.parametrize("path", ["/v26.0/act_99", "/v26.0/act_99/customaudiences"])
def test_another_account_may_not_be_loaded(sandbox: RunningSandbox, path: str) -> None:
    assert code_of(api(sandbox, "GET", path)) == (400, 100, 33)
    assert code_of(api(sandbox, "DELETE", "/v26.0/99999/users", payload())) == (400, 100, 33)


@pytest.mark.parametrize(("token", "refusal"), [("", (400, 104, None)), ("EAAB.wrong", (401, 190, None))])
def test_nobody_is_let_in_without_the_token(
    sandbox: RunningSandbox, token: str, refusal: tuple[int, int, int | None]
) -> None:
    assert code_of(api(sandbox, "GET", ACCOUNT, token=token)) == refusal


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [("429", (429, 80003, None)), ("500", (500, 1, None)), ("half", (500, 1, None)), ("400", (400, 100, None))],
)
def test_a_fault_fails_as_meta_fails(sandbox: RunningSandbox, kind: str, refusal: tuple[int, int, int | None]) -> None:
    sandbox.fail("meta", kind, times=1)
    assert code_of(api(sandbox, "GET", ACCOUNT)) == refusal
    assert api(sandbox, "GET", ACCOUNT)[0] == 200


@pytest.mark.parametrize(
    ("fields", "field"), [({}, "email"), ({"email": "no"}, "email"), ({"email": ADA, "colour": 1}, "colour")]
)
def test_a_wrong_person_names_the_field(sandbox: RunningSandbox, fields: dict[str, Any], field: str) -> None:
    status, problem = sandbox.ask("PUT", "/sandbox/meta/people", fields)
    assert (status, [error["field"] for error in problem["errors"]]) == (400, [field])


def test_neither_an_address_nor_its_hash_is_left_in_the_folder(sandbox: RunningSandbox, tmp_path: Path) -> None:
    sandbox.put("meta", email=ADA)

    def folder_holds(text: str) -> bool:
        return any(text.encode() in path.read_bytes() for path in tmp_path.iterdir())

    assert (folder_holds(ADA), folder_holds(ADA_HASH)) == (False, True)
    for audience in ("20001", "20002", "20003"):
        api(sandbox, "DELETE", f"/v26.0/{audience}/users", payload())
    assert not folder_holds(ADA_HASH)
