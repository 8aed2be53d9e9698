"""Whatever is sent, in whatever place: an answer of ours, never a failure, and never a stack trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from shared.times import rfc3339
from tests.functions.called import FORM, OPERATOR_TOKEN, PAGE, WEBSITE_KEYS, Called

anything_at_all = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
WEBSITE = {"Authorization": f"Bearer {WEBSITE_KEYS[0]}"}
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

texts = st.text(st.characters(exclude_categories=()), max_size=40)
plain_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
zones = st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
times = st.datetimes(max_value=datetime(2026, 1, 1), timezones=zones).map(lambda at: at.isoformat())  # noqa: DTZ001
ends_of_time = st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00Z"])
addresses = st.emails() | st.just("ada@people.example")
strange_addresses = st.builds("{}@{}".format, plain_texts, plain_texts | st.just("people.example"))
users = words | st.sampled_from(["u1", "u2"])
locales = st.sampled_from(["en", "de-AT"])


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies of these fields: whole, then with any of them left out, of any other kind, or with one more."""
    whole = st.fixed_dictionaries(fields)
    less = st.fixed_dictionaries({}, optional=fields)
    wrong = values | strange_addresses | ends_of_time | times
    spoilt = st.dictionaries(st.sampled_from(sorted(fields)), wrong, min_size=1, max_size=2)
    more = st.dictionaries(texts, values, max_size=1)
    return whole | less | st.builds(dict.__or__, whole, spoilt) | st.builds(dict.__or__, whole, more)


WHO = some_of(device_id=st.from_regex(r"[A-Za-z0-9._-]{8,20}", fullmatch=True), email=addresses, ga_client_id=words)
BODIES: dict[str, tuple[str, dict[str, str], st.SearchStrategy[Any]]] = {
    "consents": (
        "/consents",
        {},
        some_of(
            subject=WHO,
            notice=st.just("NOTICE"),
            decisions=st.dictionaries(
                st.sampled_from(["ads", "analytics", "marketing_email"]), st.booleans(), min_size=1
            ),
            method=st.sampled_from(["banner", "form"]),
            locale=locales,
        ),
    ),
    "requests": (
        "/requests",
        {},
        some_of(
            email=addresses,
            right=st.just("erasure"),
            scope=plain_texts,
            details=plain_texts,
            corrections=st.dictionaries(plain_texts, plain_texts, max_size=2),
            locale=locales,
        ),
    ),
    "requests of the server": (
        "/requests",
        WEBSITE,
        some_of(
            email=st.none(),
            right=st.just("erasure"),
            user_id=users,
            verified=st.just(True),
            auth_time=st.just("NOW") | times,
        ),
    ),
    "subjects": (
        "/subjects",
        WEBSITE,
        some_of(
            user_id=users,
            email=addresses,
            email_verified=st.booleans(),
            name=plain_texts,
            locale=locales,
            country=plain_texts,
            stripe_customer_ids=st.lists(words, max_size=3),
            ga_client_ids=st.lists(words, max_size=3),
        ),
    ),
    "processing": (
        "/processing",
        WEBSITE,
        some_of(
            subject=some_of(device_id=words, email=addresses, user_id=users),
            purpose=st.sampled_from(["ads", "marketing_email", "account"]) | words,
        ),
    ),
    "requests of an operator": (
        "/operator/requests",
        OPERATOR,
        some_of(
            channel=st.sampled_from(["phone", "post"]),
            received_at=st.just("NOW") | times,
            right=st.just("erasure"),
            email=addresses,
            proof=plain_texts,
            on_behalf_of=plain_texts,
        ),
    ),
}
PLACES = (
    "/{}",
    "/policy/{}",
    "/policy/{}...{}",
    "/policy/notice?purposes={}",
    "/policy/notice?locale={}",
    "/consents/{}",
    "/consents/current?device_id={}",
    "/consents/current?device_id=device-0001&purposes={}",
    "/consents/receipts/{}",
    "/consents/confirm?t={}",
    "/requests/{}",
    "/requests/{}?key={}",
    "/requests/{}/confirm?t={}",
    "/requests/{}/cancel?t={}",
    "/requests/{}/statement?key={}",
    "/operator/requests?status={}",
    "/operator/requests?cursor={}",
    "/operator/requests?overdue={}",
    "/operator/requests/{}",
    "/operator/evidence/{}",
    "/operator/policies/{}/findings",
    "/operator/{}",
    "/.well-known/{}",
)
HEADERS = (
    "Accept",
    "Accept-Language",
    "Authorization",
    "Content-Type",
    "Content-Length",
    "Cookie",
    "Forwarded",
    "Host",
    "Idempotency-Key",
    "Origin",
    "Range",
    "Sec-GPC",
    "Transfer-Encoding",
    "X-Device-Id",
    "X-Operator",
    "X-Pledge-Internal",
)


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    """Return functions to which anything is sent."""
    called = Called(tmp_path_factory.mktemp("house"))
    yield called
    called.close()


def stands(answer: TestResponse) -> None:
    """Check that an answer is one of ours."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.data:
        assert answer.mimetype in {"application/problem+json", "text/html"}
        assert "Traceback" not in answer.text
    if answer.mimetype == "application/problem+json" and answer.data:
        assert answer.json["status"] == answer.status_code


@pytest.mark.parametrize("name", BODIES)
def test_any_object_is_answered(open_house: Called, name: str) -> None:
    path, headers, bodies = BODIES[name]
    notice = open_house.notice("ads", "analytics", "marketing_email")

    @anything_at_all
    @given(bodies)
    def sent(body: dict[str, Any]) -> None:
        raw = json.dumps(body).replace("NOTICE", notice).replace("NOW", rfc3339(open_house.now()))
        stands(open_house.post(path, raw, Content_Type="application/json", **headers))

    sent()


@pytest.mark.parametrize("kind", ["application/json", FORM, "text/plain"])
@pytest.mark.parametrize("path", ["/consents", "/requests", "/requests/r/confirm?t=x", "/requests/r/accounts?key=x"])
def test_any_bytes_are_answered(open_house: Called, path: str, kind: str) -> None:
    @settings(anything_at_all, max_examples=40)
    @given(st.binary(max_size=200))
    def sent(body: bytes) -> None:
        for accept in ("*/*", PAGE):
            stands(open_house.post(path, body, Content_Type=kind, Accept=accept))

    sent()


def test_any_form_is_answered(open_house: Called) -> None:
    names = st.sampled_from(["email", "right", "details", "verified", "user_id", "auth_time", "corrections"])
    fields = st.dictionaries(names | plain_texts, st.lists(plain_texts | addresses, max_size=2), max_size=5)

    @anything_at_all
    @given(fields)
    def sent(given_fields: dict[str, list[str]]) -> None:
        stands(open_house.form("/requests", given_fields))

    sent()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("accept", ["*/*", PAGE], ids=["program", "browser"])
def test_any_text_in_any_place_is_answered_and_reading_it_changes_nothing(
    open_house: Called, place: str, accept: str
) -> None:
    anything = (plain_texts | st.binary(max_size=20)).map(lambda text: quote(text, safe=""))
    raw = st.text(st.sampled_from("./%:?&=+*~'\"<>()[]{}|\\^`#;,@!$ ab01"), max_size=12).map(
        lambda text: quote(text, safe="./:&=+*~'()[];,@!$")
    )
    headers = OPERATOR if place.startswith("/operator") else {}

    @settings(anything_at_all, max_examples=30)
    @given(anything | raw)
    def read(text: str) -> None:
        path = place.replace("{}", text)
        name = place.split("/")[1].partition("{")[0]
        stands(open_house.call("GET", path, at=name.replace(".well-known", "site") or "site", Accept=accept, **headers))

    with open_house.changing_nothing():
        read()


@pytest.mark.parametrize("header", HEADERS)
def test_any_header_is_answered(open_house: Called, header: str) -> None:
    said = open_house.consent({"device_id": "device-0001"}, {"ads": True})
    latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=60)

    @settings(anything_at_all, max_examples=40)
    @given(latin)
    def sent(value: str) -> None:
        given_header = {header.replace("-", "_"): value}
        for path in ("/policy", "/consents/current", "/requests/new"):
            stands(open_house.get(path, **given_header))
        stands(open_house.post("/consents", json.dumps(said), **({"Content_Type": "application/json"} | given_header)))
        stands(open_house.call("GET", "/operator/attention", **(OPERATOR | given_header)))

    sent()
