"""`site`: the public keys, the description, and where to go."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.functions.called import OPERATOR_TOKEN, WEBSITE_KEYS, Called, problem
from tests.functions.edge_contract import METHODS, PagesContract, ReadsContract
from tests.infra.html_reader import Page

CONTRACT = {
    "/requests/{request_id}/export": {"get", "post"},
    "/operator/campaigns/{campaign_id}/pause": {"post"},
    "/operator/campaigns/{campaign_id}/resume": {"post"},
    "/policy": {"get"},
    "/policy/notice": {"get"},
    "/policy/subprocessors": {"get"},
    "/policy/changes": {"get"},
    "/policy/{version}": {"get"},
    "/policy/{a}...{b}": {"get"},
    "/consents": {"post"},
    "/consents/current": {"get"},
    "/consents/confirm": {"get", "post"},
    "/consents/receipts/{receipt_id}": {"get"},
    "/requests": {"post"},
    "/requests/new": {"get"},
    "/requests/{request_id}": {"get"},
    "/requests/{request_id}/confirm": {"get", "post"},
    "/requests/{request_id}/accounts": {"post"},
    "/requests/{request_id}/cancel": {"get", "post"},
    "/requests/{request_id}/keep": {"get", "post"},
    "/requests/{request_id}/statement": {"get"},
    "/subjects": {"post"},
    "/subjects/{user_id}/closed": {"post"},
    "/processing": {"post"},
    "/unsubscribe": {"get", "post"},
    "/unsubscribe/preferences": {"get", "post"},
    "/unsubscribe/links": {"post"},
    "/meta-callbacks/deletion": {"post"},
    "/meta-callbacks/deletion/{code}": {"get"},
    "/meta-callbacks/deauthorize": {"post"},
    "/sendgrid-events": {"post"},
    "/sendgrid-inbound": {"post"},
    "/operator/requests": {"get", "post"},
    "/operator/requests/{request_id}": {"get"},
    "/operator/requests/{request_id}/verify": {"post"},
    "/operator/requests/{request_id}/deny": {"post"},
    "/operator/requests/{request_id}/extend": {"post"},
    "/operator/requests/{request_id}/pause": {"post"},
    "/operator/requests/{request_id}/steps/{subprocessor}/retry": {"post"},
    "/operator/requests/{request_id}/steps/{subprocessor}/resolve": {"post"},
    "/operator/policies": {"post"},
    "/operator/policies/new": {"get", "post"},
    "/operator/policies/{version}/findings": {"get"},
    "/operator/campaigns/{campaign_id}": {"get"},
    "/operator/campaigns/{campaign_id}/page": {"get", "post"},
    "/operator/breaker/reset": {"post"},
    "/operator/attention": {"get"},
    "/operator/attention/{item_id}/seen": {"post"},
    "/operator/mails/{mail_id}": {"get"},
    "/operator/mails/{mail_id}/settle": {"post"},
    "/operator/register": {"get"},
    "/operator/evidence/{stream}": {"get"},
    "/operator/evidence/verify": {"post"},
    "/.well-known/jwks.json": {"get"},
    "/.well-known/gpc.json": {"get"},
    "/openapi.json": {"get"},
    "/": {"get"},
}
OPERATIONS = [(path, method) for path, methods in CONTRACT.items() for method in sorted(methods)]


class TestSiteReads(ReadsContract):
    edge = "site"
    reads = ("/", "/.well-known/jwks.json", "/.well-known/gpc.json", "/openapi.json")


class TestSitePages(PagesContract):
    edge = "site"
    reads = ("/", "/.well-known/jwks.json", "/.well-known/gpc.json", "/openapi.json")
    pages = ("/",)


def test_the_published_keys_are_public_ones(called: Called) -> None:
    keys = called.get("/.well-known/jwks.json").json["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")


def test_global_privacy_control_is_said_to_be_honoured(called: Called) -> None:
    told = called.get("/.well-known/gpc.json").json
    assert told["gpc"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["lastUpdate"])


def test_the_front_page_leads_to_pages_that_exist(called: Called) -> None:
    front = called.get("/").json
    for name, address in front.items():
        assert called.get(address.replace("/requests/new", "/requests/new?x=1")).status_code == 200, name
    links = [address for tag, address in Page(called.page("/").text).links() if tag == "a"]
    assert {front[name] for name in ("policy", "subprocessors", "request")} <= set(links)


def description(called: Called) -> dict[str, Any]:
    found: dict[str, Any] = called.get("/openapi.json").json
    return found


def test_the_description_names_every_call_of_the_contract_and_no_other(called: Called) -> None:
    described = description(called)
    assert described["openapi"].startswith("3.1")
    assert {path: set(operations) for path, operations in described["paths"].items()} == CONTRACT
    ids = [one["operationId"] for operations in described["paths"].values() for one in operations.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_in_the_description_leads_somewhere(called: Called) -> None:
    described = description(called)
    references = set(re.findall(r'"\$ref":\s*"#/([^"]+)"', called.get("/openapi.json").text))
    assert references
    for reference in references:
        found: Any = described
        for part in reference.split("/"):
            found = found[part]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_what_is_described_is_answered_and_every_placeholder_is_declared(
    called: Called, path: str, method: str
) -> None:
    operation = description(called)["paths"][path][method]
    declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
    assert declared == set(re.findall(r"{(\w+)}", path))
    others = sorted(set(METHODS) - {"HEAD"} - {one.upper() for one in CONTRACT[path]})
    filled = re.sub(r"{\w+}", "v1", path)
    bearer = OPERATOR_TOKEN if path.startswith("/operator") else WEBSITE_KEYS[0]
    bearers = {"Authorization": f"Bearer {bearer}"}
    assert called.call(method.upper(), filled, **bearers).status_code not in {401, 405, 500, 501}
    for other in others:
        # 404: the address of one call may be the name of a thing in another
        assert called.call(other, filled, **bearers).status_code in {404, 405}, other


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_the_description_says_who_may_call(called: Called, path: str, method: str) -> None:
    security = description(called)["paths"][path][method].get("security", [])
    without = called.call(method.upper(), re.sub(r"{\w+}", "v1", path))
    assert bool(security) == (without.status_code == 401)


@pytest.mark.parametrize(
    "path", ["/none", "/.well-known", "/.well-known/security.txt", "/openapi.json/more", "/site/none"]
)
def test_what_is_not_there_is_a_problem(called: Called, path: str) -> None:
    problem(called.call("GET", path, at="site"), 404)
