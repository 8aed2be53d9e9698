from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from stripe import StripeClient, StripeError

from infra.local.file_clock import FileClock
from tests.contracts.running_sandbox import RunningSandbox

ADA = "ada@example.com"
KEY = "sk_test_1"
FORM = "application/x-www-form-urlencoded"
PREVIEW = {"Stripe-Version": "2026-09-30.preview"}
JOBS = "privacy/redaction_jobs"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"stripe": KEY})
    yield sandbox
    sandbox.close()


def api(sandbox: RunningSandbox, method: str, path: str, fields: Any = None, **headers: str) -> tuple[int, Any]:
    data = None if fields is None else urlencode(fields).encode()
    given = {"Authorization": f"Bearer {KEY}", "Content-Type": FORM} | headers
    return sandbox.ask(method, f"/stripe/v1/{path}", data, **given)


def customer(sandbox: RunningSandbox, **fields: str) -> str:
    id: str = api(sandbox, "POST", "customers", fields or {"email": ADA})[1]["id"]
    return id


def job(sandbox: RunningSandbox, *customers: str) -> tuple[int, Any]:
    fields = [("objects[customers][]", id) for id in customers]
    return api(sandbox, "POST", JOBS, fields, **PREVIEW)


# --- who may call, and what is refused ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer sk_test_2"}, 401),
        ({"Authorization": "Basic c2s6"}, 401),
    ],
)
def test_nobody_calls_without_the_right_key(sandbox: RunningSandbox, headers: dict[str, str], status: int) -> None:
    answered, body = api(sandbox, "GET", "customers", **headers)
    assert answered == status
    assert status == 200 or body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "fields", "status", "code", "param"),
    [
        ("POST", "customers", {"colour": "red"}, 400, "parameter_unknown", "colour"),
        ("POST", "customers", {"address[planet]": "Mars"}, 400, "parameter_unknown", "address[planet]"),
        ("POST", "customers", {"address": "Rome"}, 400, "parameter_invalid", "address"),
        ("POST", "customers", {"name[first]": "Ada"}, 400, "parameter_invalid", "name"),
        ("POST", "customers", {"metadata": "x"}, 400, "parameter_invalid", "metadata"),
        ("POST", "customers", {"preferred_locales": "en"}, 400, "parameter_invalid", "preferred_locales"),
        ("POST", "customers", {"email": "nobody"}, 400, "email_invalid", "email"),
        ("POST", "customers", {"address[country]": "Italy"}, 400, "country_code_invalid", "address[country]"),
        ("POST", "customers", [("name", "a"), ("name[b]", "c")], 400, "parameter_invalid", "name"),
        ("GET", "customers?limit=101", None, 400, "parameter_invalid_integer", "limit"),
        ("GET", "customers?limit=many", None, 400, "parameter_invalid", "limit"),
        ("GET", "customers?starting_after=cus_none", None, 400, "resource_missing", "starting_after"),
        ("GET", "customers?user_id=u1", None, 400, "parameter_unknown", "user_id"),
        ("GET", "customers/cus_none", None, 404, "resource_missing", "id"),
        ("GET", "customers/cus_none/payment_methods", None, 404, "resource_missing", "id"),
        ("DELETE", "customers/cus_none", None, 404, "resource_missing", "id"),
        ("GET", "charges?customer=cus_none", None, 400, "resource_missing", "customer"),
        ("GET", "invoices?status=lost", None, 400, "parameter_invalid", "status"),
        ("GET", "subscriptions?status=dead", None, 400, "parameter_invalid", "status"),
        ("DELETE", "subscriptions/sub_none?prorate=perhaps", None, 400, "parameter_invalid", "prorate"),
        ("DELETE", "subscriptions/sub_none", None, 404, "resource_missing", "id"),
        ("POST", "payment_methods/pm_none/detach", {}, 404, "resource_missing", "payment_method"),
        ("GET", "nothing", None, 404, None, None),
        ("GET", JOBS, None, 404, None, None),
    ],
)
def test_what_the_real_api_refuses_is_refused(
    sandbox: RunningSandbox, method: str, path: str, fields: Any, status: int, code: str | None, param: str | None
) -> None:
    answered, body = api(sandbox, method, path, fields)
    assert (answered, body["error"].get("code"), body["error"].get("param")) == (status, code, param)
    assert body["error"]["message"]


def test_a_body_that_is_no_form_is_refused(sandbox: RunningSandbox) -> None:
    assert api(sandbox, "POST", "customers", {"name": "Ada"}, **{"Content-Type": "application/json"})[0] == 400


# --- customers and what they have ---


def test_a_customer_is_created_changed_unset_and_deleted(sandbox: RunningSandbox) -> None:
    id = customer(sandbox, email=ADA, name="Ada", **{"metadata[a]": "1", "metadata[b]": "2", "address[city]": "Rome"})
    _, changed = api(sandbox, "POST", f"customers/{id}", {"name": "", "address": "", "metadata[a]": ""})
    assert (changed["name"], changed["address"], changed["metadata"], changed["email"]) == (None, None, {"b": "2"}, ADA)
    assert api(sandbox, "POST", f"customers/{id}", {"metadata": ""})[1]["metadata"] == {}
    gone = {"id": id, "object": "customer", "deleted": True}
    assert api(sandbox, "DELETE", f"customers/{id}") == (200, gone)
    assert api(sandbox, "GET", f"customers/{id}") == (200, gone)
    assert api(sandbox, "POST", f"customers/{id}", {"name": "Eve"})[0] == 404
    assert api(sandbox, "DELETE", f"customers/{id}")[0] == 404
    assert api(sandbox, "GET", "customers")[1]["data"] == []


def test_customers_are_listed_newest_first_page_by_page(sandbox: RunningSandbox) -> None:
    ids = [customer(sandbox, email=ADA) for _ in range(3)]
    customer(sandbox, email="Ada@example.com")
    pages = []
    for after in ("", f"&starting_after={ids[1]}"):
        _, page = api(sandbox, "GET", f"customers?email={ADA}&limit=2{after}")
        pages.append(([one["id"] for one in page["data"]], page["has_more"]))
    assert pages == [([ids[2], ids[1]], True), ([ids[0]], False)]


def test_a_subscription_is_cancelled_once_and_then_listed_only_on_asking(sandbox: RunningSandbox) -> None:
    id, subscription = sandbox.put("stripe", email=ADA)
    assert api(sandbox, "DELETE", f"subscriptions/{subscription}?invoice_now=false")[1]["status"] == "canceled"
    assert api(sandbox, "DELETE", f"subscriptions/{subscription}")[0] == 404
    found = [api(sandbox, "GET", f"subscriptions?customer={id}{more}")[1]["data"] for more in ("", "&status=all")]
    assert [len(one) for one in found] == [0, 1]


def test_deleting_a_customer_ends_its_subscription_and_takes_its_card(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA)
    api(sandbox, "DELETE", f"customers/{id}")
    held = sandbox.found("stripe", id=id)
    assert [one["kind"] for one in held] == ["customer", "subscription", "charge", "invoice"]
    assert held[1]["status"] == "canceled"
    assert {one["kind"] for one in sandbox.found("stripe", email=ADA)} == {"charge", "invoice"}


def test_a_detached_card_is_nobodys_but_keeps_its_payer(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA, name="Ada")
    (card,) = api(sandbox, "GET", f"customers/{id}/payment_methods")[1]["data"]
    fields = {"billing_details[name]": "Eve"}
    assert api(sandbox, "POST", f"payment_methods/{card['id']}", fields)[1]["billing_details"]["name"] == "Eve"
    _, detached = api(sandbox, "POST", f"payment_methods/{card['id']}/detach", {})
    assert (detached["customer"], detached["billing_details"]["email"]) == (None, ADA)
    assert api(sandbox, "POST", f"payment_methods/{card['id']}/detach", {})[0] == 400
    assert api(sandbox, "GET", f"customers/{id}/payment_methods")[1]["data"] == []


# --- idempotency ---


def test_a_repeat_under_its_key_gets_the_first_answer_and_does_nothing(sandbox: RunningSandbox) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = api(sandbox, "POST", "customers", {"name": "Ada"}, **headers)
    assert api(sandbox, "POST", "customers", {"name": "Ada"}, **headers) == first
    assert len(api(sandbox, "GET", "customers")[1]["data"]) == 1
    status, body = api(sandbox, "POST", "customers", {"name": "Eve"}, **headers)
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    FileClock(sandbox.folder / "clock").set_ahead(86_401)
    assert api(sandbox, "POST", "customers", {"name": "Eve"}, **headers)[1]["name"] == "Eve"


def test_what_was_refused_is_not_remembered_under_its_key(sandbox: RunningSandbox) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert api(sandbox, "POST", "customers", {"email": "nobody"}, **headers)[0] == 400
    assert api(sandbox, "POST", "customers", {"email": ADA}, **headers)[0] == 200
    assert api(sandbox, "POST", "customers", {"email": ADA}, **{"Idempotency-Key": "k" * 256})[0] == 400


# --- redaction ---


def test_a_job_validates_waits_runs_and_puts_placeholders_everywhere(sandbox: RunningSandbox) -> None:
    id, _ = sandbox.put("stripe", email=ADA, name="Ada", subscription="canceled")
    clock = FileClock(sandbox.folder / "clock")
    clock.set_ahead(91 * 86_400)
    _, made = job(sandbox, id)
    assert (made["status"], made["objects"]) == ("validating", {"customers": [id]})
    assert api(sandbox, "POST", f"{JOBS}/{made['id']}/run", {}, **PREVIEW)[1]["error"]["code"] == "invalid_state"
    clock.set_ahead(91 * 86_400 + 61)
    assert api(sandbox, "GET", f"{JOBS}/{made['id']}", **PREVIEW)[1]["status"] == "ready"
    assert api(sandbox, "POST", f"{JOBS}/{made['id']}/run", {}, **PREVIEW)[1]["status"] == "redacting"
    assert len(sandbox.found("stripe", email=ADA)) == 4
    clock.set_ahead(91 * 86_400 + 61 + 3600)
    assert {one["kind"] for one in sandbox.found("stripe", email=ADA)} == {"customer", "payment_method"}
    payments = [one for one in sandbox.found("stripe", id=id) if one["kind"] in {"charge", "invoice"}]
    assert [one.get("receipt_email", one.get("customer_email")) for one in payments] == ["[redacted]"] * 2
    assert [one["status"] for one in api(sandbox, "GET", JOBS, **PREVIEW)[1]["data"]] == ["succeeded"]


def test_young_payments_and_running_subscriptions_stand_in_the_way(sandbox: RunningSandbox) -> None:
    clock = FileClock(sandbox.folder / "clock")
    young, _ = sandbox.put("stripe", email=ADA, subscription="canceled")
    _, made = job(sandbox, young)
    clock.set_ahead(61)
    assert api(sandbox, "GET", f"{JOBS}/{made['id']}", **PREVIEW)[1]["status"] == "failed"
    (why,) = api(sandbox, "GET", f"{JOBS}/{made['id']}/validation_errors", **PREVIEW)[1]["data"]
    assert (why["code"], why["erroring_object"]["id"]) == ("invalid_state", young)
    clock.set_ahead(91 * 86_400)
    assert api(sandbox, "POST", f"{JOBS}/{made['id']}/validate", {}, **PREVIEW)[1]["status"] == "validating"
    clock.set_ahead(91 * 86_400 + 61)
    assert api(sandbox, "GET", f"{JOBS}/{made['id']}", **PREVIEW)[1]["status"] == "ready"


def test_a_job_takes_up_to_ten_known_customers_and_locks_them(sandbox: RunningSandbox) -> None:
    ids = [customer(sandbox) for _ in range(11)]
    assert job(sandbox, *ids)[1]["error"]["code"] == "too_many_objects"
    assert job(sandbox)[0] == 400
    assert job(sandbox, "cus_none")[1]["error"]["code"] == "resource_missing"
    job(sandbox, *ids[:10])
    _, second = job(sandbox, ids[0])
    FileClock(sandbox.folder / "clock").set_ahead(61)
    (why,) = api(sandbox, "GET", f"{JOBS}/{second['id']}/validation_errors", **PREVIEW)[1]["data"]
    assert why["code"] == "locked_by_other_job"


# --- steering ---


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"colour": "red"}, "colour"), ({"email": "nobody"}, "email"), ({"subscription": "gone"}, "subscription")],
)
def test_a_wrong_steering_call_names_the_field(sandbox: RunningSandbox, fields: dict[str, str], field: str) -> None:
    status, problem = sandbox.ask("PUT", "/sandbox/stripe/people", fields)
    assert (status, [error["field"] for error in problem["errors"]]) == (400, [field])


def test_a_person_is_put_with_a_paid_invoice_and_found_by_address_or_id(sandbox: RunningSandbox) -> None:
    id, subscription = sandbox.put("stripe", email="Ada@example.com", user_id="u1")
    assert id.startswith("cus_")
    held = {one["kind"]: one for one in sandbox.found("stripe", id=id)}
    assert held.keys() == {"customer", "subscription", "payment_method", "charge", "invoice"}
    assert (held["subscription"]["id"], held["subscription"]["status"]) == (subscription, "active")
    assert (held["invoice"]["status"], held["customer"]["metadata"]) == ("paid", {"user_id": "u1"})
    found = {one["kind"] for one in sandbox.found("stripe", email=ADA)}
    assert found == {"customer", "payment_method", "charge", "invoice"}
    assert sandbox.found("stripe", email="nobody@example.com") == sandbox.found("stripe", id="cus_none") == []


@pytest.mark.parametrize(("kind", "sort"), [("500", "api_error"), ("429", "invalid_request_error")])
def test_a_fault_has_stripes_shape(sandbox: RunningSandbox, kind: str, sort: str) -> None:
    sandbox.fail("stripe", kind)
    status, body = api(sandbox, "GET", "customers")
    assert (status, body["error"]["type"]) == (int(kind), sort)


# --- the vendor's own client ---


def test_the_vendors_own_client_reads_what_the_sandbox_says(sandbox: RunningSandbox) -> None:
    client = StripeClient(KEY, base_addresses={"api": sandbox.url("stripe")}, max_network_retries=0)
    made = client.v1.customers.create({"email": ADA, "address": {"city": "Rome"}, "preferred_locales": ["it"]})
    assert client.v1.customers.retrieve(made.id).address.city == "Rome"
    for _ in range(3):
        client.v1.customers.create({"email": ADA})
    assert len(list(client.v1.customers.list({"email": ADA, "limit": 2}).auto_paging_iter())) == 4
    assert client.v1.customers.update(made.id, {"name": "Ada", "metadata": {"a": "1"}}).metadata["a"] == "1"
    assert client.v1.customers.delete(made.id).deleted is True
    assert client.v1.customers.retrieve(made.id).deleted is True
    with pytest.raises(StripeError) as caught:
        client.v1.customers.retrieve("cus_none")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
