"""`meta-callbacks`: as Meta posts to it, and as whoever holds a confirmation code reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from tests.functions.called import BASE, FORM, PAGE, Called, problem
from tests.functions.edge_contract import ActsContract, PagesContract, ReadsContract
from tests.functions.signed_requests import signed_request
from tests.infra.html_reader import Page

SECRETS = ("facebook-app-secret-of-the-test", "instagram-app-secret-of-the-test")
EMAIL = "ada@people.example"
BOTH = pytest.mark.parametrize("path", ["/meta-callbacks/deletion", "/meta-callbacks/deauthorize"])


@pytest.fixture
def called(called: Called) -> Called:
    """Return the functions with our apps' secrets, and an account that came from Facebook."""
    called.container.__dict__["meta_app_secrets"] = SECRETS
    called.sign_up("u1", EMAIL, meta_user_ids=["1001"])
    return called


def posted(called: Called, path: str, sent: Any, **headers: str) -> TestResponse:
    return called.post(path, urlencode({"signed_request": sent}), Content_Type=FORM, **headers)


class TestMetaCallbacksReads(ReadsContract, PagesContract):
    edge = "meta-callbacks"
    reads = ("/deletion/{code}",)
    pages = reads
    browser = False

    @classmethod
    def given(cls, called: Called) -> Mapping[str, str]:
        called.container.__dict__["meta_app_secrets"] = SECRETS
        answer = posted(called, "/meta-callbacks/deletion", signed_request("1001", SECRETS[0]))
        return {"code": answer.json["confirmation_code"]}


class TestMetaCallbacksActs(ActsContract):
    edge = "meta-callbacks"
    acts = ("/deletion", "/deauthorize")
    browser = False


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("user_id", ["1001", "9999"])
def test_a_deletion_is_answered_with_a_page_and_a_code(called: Called, secret: str, user_id: str) -> None:
    answer = posted(called, "/meta-callbacks/deletion", signed_request(user_id, secret))
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert set(answer.json) == {"url", "confirmation_code"}
    code = answer.json["confirmation_code"]
    assert code.isalnum()
    assert answer.json["url"] == f"{BASE}/meta-callbacks/deletion/{code}"
    page = called.page(answer.json["url"])
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert code in Page(page.text).text
    assert not [one for one in (EMAIL, "u1", user_id) if one in page.text]


def test_a_deletion_about_nobody_ends_in_nothing_found(called: Called) -> None:
    answer = posted(called, "/meta-callbacks/deletion", signed_request("9999", SECRETS[0]))
    shown = called.get(answer.json["url"]).json
    assert shown["status"] == "completed"
    assert {one["outcome"] for one in shown["steps"]} == {"nothing_found"}


def test_a_deletion_about_somebody_goes_on_by_itself_and_the_account_stays(called: Called) -> None:
    called.with_mail()
    answer = posted(called, "/meta-callbacks/deletion", signed_request("1001", SECRETS[0]))
    called.run_due()
    steps = {one["subprocessor"]: one["outcome"] for one in called.get(answer.json["url"]).json["steps"]}
    assert steps == {"google_cloud_platform": "verified", "facebook": "accepted", "instagram": "accepted"}
    assert called.count("subjects") == 1
    seen = called.operator("GET", f"/requests/{answer.json['confirmation_code']}").json
    assert (seen["right"], seen["status"], seen["channel"]) == ("erasure", "awaiting_vendors", "meta_callback")


def test_deauthorizing_is_answered_the_same_for_everybody(called: Called) -> None:
    known = posted(called, "/meta-callbacks/deauthorize", signed_request("1001", SECRETS[1]))
    unknown = posted(called, "/meta-callbacks/deauthorize", signed_request("9999", SECRETS[1]))
    assert (known.status_code, known.data) == (unknown.status_code, unknown.data) == (200, b"{}")
    again = posted(called, "/meta-callbacks/deletion", signed_request("1001", SECRETS[1]))
    steps = called.get(again.json["url"]).json["steps"]
    assert {one["outcome"] for one in steps} == {"nothing_found"}, "the link was removed"


@pytest.mark.parametrize("user_id", ["1001", "9999"])
def test_fifty_at_once_are_one_request(called: Called, user_id: str) -> None:
    sent = signed_request(user_id, SECRETS[0])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: posted(called, "/meta-callbacks/deletion", sent), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert called.count("requests") == 1


def test_fifty_deauthorizations_at_once_are_one(called: Called) -> None:
    sent = signed_request("1001", SECRETS[0])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: posted(called, "/meta-callbacks/deauthorize", sent), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert "meta.deauthorized" in repr(called.rows()["ledger"])
    assert repr(called.rows()["ledger"]).count("meta.deauthorized") == 1


def bad() -> dict[str, tuple[bytes, str | None]]:
    right = signed_request("1001", SECRETS[0])
    whole = urlencode({"signed_request": right}).encode()
    return {
        "nothing": (b"", FORM),
        "nothing at all": (b"", None),
        "an empty field": (b"signed_request=", FORM),
        "another field": (b"signed=" + right.encode(), FORM),
        "unsigned": (b"user_id=1001", FORM),
        "twice": (whole + b"&" + whole, FORM),
        "forged": (whole[:-4] + b"AAAA", FORM),
        "truncated": (whole[: len(whole) // 2], FORM),
        "signed by somebody else": (urlencode({"signed_request": signed_request("1001", "x" * 32)}).encode(), FORM),
        "an algorithm of its own": (
            urlencode({"signed_request": signed_request("1001", SECRETS[0], algorithm="none")}).encode(),
            FORM,
        ),
        "from tomorrow": (
            urlencode(
                {"signed_request": signed_request("1001", SECRETS[0], issued_at=int(time.time()) + 86_400)}
            ).encode(),
            FORM,
        ),
        "no UTF-8": (b"signed_request=%ff\xff" + right.encode(), FORM),
        "UTF-16": (whole.decode().encode("utf-16"), FORM),
        "another type": (whole, "text/plain"),
        "no type": (whole, None),
        "JSON that is none": (whole, "application/json"),
        "JSON of another kind": (b'{"signed_request": 1}', "application/json"),
        "very many fields": (b"&".join(b"a%d=1" % n for n in range(500)), FORM),
    }


@BOTH
@pytest.mark.parametrize("how", bad())
def test_what_meta_did_not_sign_is_refused_and_leaves_nothing(called: Called, path: str, how: str) -> None:
    body, kind = bad()[how]
    with called.changing_nothing():
        answer = called.post(path, body, **({"Content_Type": kind} if kind else {}))
        problem(answer, 400)
    assert "1001" not in answer.text


@BOTH
def test_ten_megabytes_are_too_much(called: Called, path: str) -> None:
    with called.changing_nothing():
        problem(called.post(path, b"signed_request=" + b"x" * 10 * 1024 * 1024, Content_Type=FORM), 413)


@BOTH
def test_it_does_not_matter_what_meta_accepts_or_adds(called: Called, path: str) -> None:
    body = urlencode({"signed_request": signed_request("1001", SECRETS[0], expires=0, more={"a": 1}), "more": "1"})
    answer = called.post(path, body, Content_Type=FORM, Accept=PAGE)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")


@pytest.mark.parametrize("code", ["none", "0" * 40, "..", "%00", "%ff", "*", "x" * 5000, "<b>"])
def test_a_code_that_is_nobodys_shows_nothing(called: Called, code: str) -> None:
    with called.changing_nothing():
        problem(called.get(f"/meta-callbacks/deletion/{code}"), 404)
        page = called.page(f"/meta-callbacks/deletion/{code}")
    assert (page.status_code, page.mimetype) == (404, "text/html")


def test_the_code_opens_no_other_page_of_the_request(called: Called) -> None:
    code = posted(called, "/meta-callbacks/deletion", signed_request("1001", SECRETS[0])).json["confirmation_code"]
    for path in (f"/requests/{code}", f"/requests/{code}?key={code}", f"/requests/{code}/statement?key={code}"):
        problem(called.get(path), 404)
    with called.changing_nothing():
        problem(called.post(f"/requests/{code}/cancel?key={code}"), 404)
