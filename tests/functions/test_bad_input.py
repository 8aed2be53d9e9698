"""What bad input gets: a problem that names the field and the rule, nothing half-written, nothing told, nothing logged."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from shared import attention
from shared.case import NO_HEAD
from shared.mail_reading.received import Mail
from shared.promises import breaker, inbound, unsubscribing
from shared.records import Breaker, InboundMail
from shared.store import Change, Create, Query, Record, Store, Stored
from shared.times import rfc3339
from tests.functions.called import BASE, FORM, OPERATOR_TOKEN, PAGE, WEBSITE_KEYS, Called, problem
from tests.infra.html_reader import Page

JSON = "application/json"
PLACEHOLDERS = ("{notice}", "{recently}")
CANARY = "canary-7f3a"
"""Part of everything sent here; found in no log and, once refused, in no table."""
DEVICE = f"{CANARY}.device"
EMAIL = f"{CANARY}@people.example"
SHARED = f"family-{CANARY}@people.example"
SECRETS_OF_OURS = (
    "Traceback",
    'File "',
    "msgspec",
    "sqlite",
    "werkzeug",
    "flask",
    "shared/",
    "infra/",
    "Error:",
    "Exception",
)


@pytest.fixture(autouse=True)
def nothing_sent_stands_in_a_log(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    out, err = capfd.readouterr()
    assert CANARY not in out + err
    for line in err.splitlines():
        assert {"severity", "event", "function"} <= set(json.loads(line)), "a line of ours, not a stack trace"


# --- the calls ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """One POST of a public edge: who calls it, a body it takes, and what its fields are."""

    path: str
    good: dict[str, Any] | None
    bearer: str | None = None
    takes_forms: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    """Name (dotted) to kind. A `?` is a field that may be left out or null."""
    writes: bool = True
    """Whether what it is asked changes anything."""


ACT = {"reason": f"{CANARY} in order"}
ACT_FIELDS = {
    "verify": {"reason": "text", "proof": "text?", "accounts": "numbers?"},
    "retry": {"reason": "text", "evidence": "text?"},
    "resolve": {"reason": "text", "evidence": "text?"},
}
ROUTES = {
    "consents": Route(
        "/consents",
        {
            "subject": {"device_id": DEVICE, "email": EMAIL},
            "notice": "{notice}",
            "decisions": {"ads": True},
            "method": "banner",
        },
        fields={
            "subject": "object",
            "subject.device_id": "text?",
            "subject.email": "text?",
            "subject.user_id": "text?",
            "subject.ga_client_id": "text?",
            "notice": "text",
            "decisions": "truths",
            "method": "choice",
            "locale": "text?",
        },
    ),
    "consents/confirm": Route("/consents/confirm?t={consent_t}", None, takes_forms=True),
    "requests": Route(
        "/requests",
        {"email": EMAIL, "right": "erasure", "details": CANARY},
        takes_forms=True,
        fields={
            "email": "text?",
            "right": "choice",
            "scope": "text?",
            "details": "text?",
            "corrections": "texts by name?",
            "locale": "text?",
            "user_id": "text?",
            "verified": "truth",
            "auth_time": "time?",
        },
    ),
    "requests/confirm": Route("/requests/{waiting}/confirm?t={confirm_t}", None, takes_forms=True),
    "requests/accounts": Route(
        "/requests/{chooses}/accounts?key={chooses_key}",
        {"accounts": [1]},
        takes_forms=True,
        fields={"accounts": "numbers"},
    ),
    "requests/cancel": Route("/requests/{verified}/cancel?t={cancel_t}", None, takes_forms=True),
    "subjects": Route(
        "/subjects",
        {"user_id": CANARY, "email": EMAIL, "email_verified": True, "name": CANARY},
        WEBSITE_KEYS[0],
        fields={
            "user_id": "text",
            "email": "text?",
            "email_verified": "truth",
            "name": "text?",
            "locale": "text?",
            "country": "text?",
            "stripe_customer_ids": "texts",
            "ga_client_ids": "texts",
            "meta_user_ids": "texts",
        },
    ),
    "subjects/closed": Route("/subjects/u5/closed", {"by": "staff"}, WEBSITE_KEYS[0], fields={"by": "choice"}),
    "requests/export": Route("/requests/{copied}/export?key={export_key}", None, takes_forms=True),
    "requests/keep": Route("/requests/{ending}/keep?t={keep_t}", None, takes_forms=True),
    "operator/mails": Route("/operator/mails/{mail}/settle", ACT, OPERATOR_TOKEN, fields={"reason": "text"}),
    "operator/seen": Route("/operator/attention/{news}/seen", ACT, OPERATOR_TOKEN, fields={"reason": "text"}),
    "operator/breaker": Route("/operator/breaker/reset", ACT, OPERATOR_TOKEN, fields={"reason": "text"}),
    "processing": Route(
        "/processing",
        {"subject": {"device_id": DEVICE, "email": EMAIL, "user_id": CANARY}, "purpose": "ads"},
        WEBSITE_KEYS[0],
        fields={
            "subject": "object",
            "subject.device_id": "text?",
            "subject.email": "text?",
            "subject.user_id": "text?",
            "purpose": "text",
        },
        writes=False,
    ),
    "unsubscribe/preferences": Route(
        "/unsubscribe/preferences?t={unsubscribe_t}",
        {"stop": ["marketing_email"]},
        takes_forms=True,
        fields={"stop": "texts", "start": "texts"},
    ),
    "operator/requests": Route(
        "/operator/requests",
        {
            "channel": "phone",
            "received_at": "{recently}",
            "right": "erasure",
            "email": EMAIL,
            "proof": CANARY,
        },
        OPERATOR_TOKEN,
        fields={
            "channel": "text",
            "received_at": "time",
            "right": "choice",
            "email": "text?",
            "user_id": "text?",
            "proof": "text?",
            "on_behalf_of": "text?",
            "details": "text?",
            "corrections": "texts by name?",
            "locale": "text?",
        },
    ),
    "operator/policies": Route(
        "/operator/policies",
        {"version": CANARY, "title": CANARY, "text": f"# {CANARY}", "effective_at": "{recently}"},
        OPERATOR_TOKEN,
        fields={
            "version": "text",
            "text": "text",
            "title": "text?",
            "material": "truth",
            "changes": "texts?",
            "effective_at": "time?",
        },
    ),
    "operator/policies/new": Route(
        "/operator/policies/new",
        {"token": OPERATOR_TOKEN, "version": CANARY, "text": f"# {CANARY}"},
        takes_forms=True,
        fields={
            "token": "text",
            "version": "text",
            "text": "text",
            "title": "text?",
            "effective_on": "text?",
            "minor": "truth",
        },
        writes=False,
    ),
    "operator/campaigns/page": Route(
        "/operator/campaigns/campaign-v1/page",
        {"token": OPERATOR_TOKEN, "act": "look"},
        takes_forms=True,
        fields={"token": "text", "act": "text?"},
        writes=False,
    ),
    **{
        f"operator/{what}": Route(
            f"/operator/requests/{{waiting}}/{what}",
            ACT,
            OPERATOR_TOKEN,
            fields=ACT_FIELDS.get(what, {"reason": "text"}),
        )
        for what in ("verify", "deny", "extend", "pause")
    },
    **{
        f"operator/{what}": Route(
            f"/operator/requests/{{failed}}/steps/sendgrid/{what}", ACT, OPERATOR_TOKEN, fields=ACT_FIELDS[what]
        )
        for what in ("retry", "resolve")
    },
}
WITH_BODY = {name: route for name, route in ROUTES.items() if route.good is not None}
WITHOUT_BODY = {name: route for name, route in ROUTES.items() if route.good is None}
every_route = pytest.mark.parametrize("name", ROUTES)
every_body = pytest.mark.parametrize("name", WITH_BODY)


@dataclass
class World:
    """The functions, and something at every address that a call could change."""

    called: Called
    ids: dict[str, str]

    def copied(self, folder: Path) -> World:
        """Return another one like it."""
        return World(self.called.copied(folder), self.ids)

    def good(self, name: str) -> dict[str, Any]:
        """Return a body that this call would take."""
        body: dict[str, Any] = json.loads(json.dumps(ROUTES[name].good or {}))
        return {name: self.ids[value[1:-1]] if value in PLACEHOLDERS else value for name, value in body.items()}

    def send(self, name: str, body: Any, kind: str | None = JSON, **headers: str) -> TestResponse:
        """Post to one of the routes as whoever may call it."""
        route = ROUTES[name]
        sent = {} if route.bearer is None else {"Authorization": f"Bearer {route.bearer}"}
        sent |= {} if kind is None else {"Content_Type": kind}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.called.post(route.path.format_map(self.ids), raw, **(sent | headers))

    @contextlib.contextmanager
    def refusing(self) -> Iterator[Callable[..., dict[str, Any]]]:
        """Check that an answer is a problem that gives nothing of ours away, and that nothing is stored."""

        def check(answer: TestResponse, status: int, at_fault: str | None = None) -> dict[str, Any]:
            found = problem(answer, status, at_fault)
            assert [text for text in SECRETS_OF_OURS if text in answer.text] == []
            return found

        with self.called.changing_nothing():
            yield check


def waiting_mail(called: Called) -> str:
    """Leave a mail that waits for a person; return its id."""
    inbound.take(called.container, Mail(senders=[EMAIL], text="Do not delete my account."))
    return called.container.store.query(Query(InboundMail))[0].id


def inhabited(called: Called) -> World:
    """Leave requests in every state, a consent that waits, and people."""
    called.sign_up("u1", SHARED)
    called.sign_up("u2", SHARED)
    called.sign_up("u3", EMAIL)
    called.sign_up("u4", "failing@people.example")
    called.sign_up("u5", "ending@people.example")
    called.post(
        "/consents", called.consent({"device_id": "device-of-world", "email": EMAIL}, {"marketing_email": True})
    )
    failing = called.confirmed("failing@people.example")
    called.later(hours=25)
    called.run_due()
    called.later(hours=25)
    called.sandbox.fail("sendgrid", "400")
    called.run_due()
    called.sandbox.heal("sendgrid")
    called.early_in_an_hour()
    waiting = called.ask("waiting@people.example")
    chooses = called.confirmed(SHARED)
    verified = called.confirmed(EMAIL)
    copied = called.confirmed("copied@people.example", "access")
    ending = called.server("/subjects/u5/closed", {"by": "person"}).json
    news = attention.raised("notices_bounced", "campaign-v1", called.now())
    tripped = Breaker(begun=[], head=NO_HEAD, tripped_at=called.now())
    called.container.store.commit([Create(breaker.ONE, tripped), *news])
    return World(
        called,
        {
            "notice": called.notice("ads"),
            "recently": rfc3339(called.now() - timedelta(days=1)),
            "consent_t": called.mailed_link(EMAIL, "/consents/confirm?t=").partition("?t=")[2],
            "waiting": waiting["request_id"],
            "waiting_key": waiting["status_url"].partition("?key=")[2],
            "confirm_t": called.mailed_link("waiting@people.example", "/confirm?t=").partition("?t=")[2],
            "chooses": chooses["request_id"],
            "chooses_key": chooses["key"],
            "verified": verified["request_id"],
            "verified_key": verified["key"],
            "cancel_t": called.mailed_link(EMAIL, "/cancel?t=").partition("?t=")[2],
            "copied": copied["request_id"],
            "copied_key": copied["key"],
            "export_key": called.mailed_link("copied@people.example", "/export?key=").partition("?key=")[2],
            "ending": ending["request_id"],
            "mail": waiting_mail(called),
            "news": "campaign-v1:notices_bounced",
            "keep_t": called.mailed_link("ending@people.example", "/keep?t=").partition("?t=")[2],
            "failed": failing["request_id"],
            "failed_key": failing["key"],
            "unsubscribe_t": unsubscribing.token(called.container, EMAIL, "marketing"),
        },
    )


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the world that all others are copies of."""
    world = inhabited(Called(tmp_path_factory.mktemp("pattern")))
    yield world
    world.called.close()


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    """Keep the world that tests share, as long as nothing changes it."""
    kept: list[World] = []
    yield kept
    for one in kept:
        one.called.close()


@pytest.fixture
def world(worlds: list[World], pattern: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world that refuses everything, and so can be shared; one that something wrote to is given up."""
    if not worlds:
        worlds.append(pattern.copied(tmp_path_factory.mktemp("shared") / "data"))
    before = worlds[0].called.writes()
    yield worlds[0]
    if worlds[0].called.writes() != before:
        worlds.pop().called.close()


@pytest.fixture
def fresh(pattern: World, tmp_path: Path) -> Iterator[World]:
    """Return a world of one's own, to change."""
    world = pattern.copied(tmp_path / "fresh")
    yield world
    world.called.close()


@pytest.mark.parametrize("name", ROUTES)
def test_what_is_spoilt_below_would_be_taken_whole(fresh: World, name: str) -> None:
    before = fresh.called.rows()
    body = fresh.good(name) if ROUTES[name].good is not None else b""
    answer = fresh.send(name, body)
    assert answer.status_code in {200, 201, 202}, answer.text
    assert (fresh.called.rows() != before) == ROUTES[name].writes


# --- bodies that are none ----------------------------------------------------------------------------------------------

BROKEN = {
    "an open brace": b"{",
    "a trailing comma": b'{"email": "%b",}' % EMAIL.encode(),
    "single quotes": b"{'email': '%b'}" % EMAIL.encode(),
    "two values": b"{} {}",
    "words": CANARY.encode(),
    "not a number": b'{"email": NaN}',
    "a list": b'["%b"]' % CANARY.encode(),
    "a text": b'"%b"' % CANARY.encode(),
    "a number": b"17",
    "a huge number": b"1" * 5000,
    "a truth": b"true",
    "a form": b"email=%b&right=erasure" % EMAIL.encode(),
    "zeros": bytes(64),
    "no UTF-8": b'{"email": "\xff\xfe%b"}' % CANARY.encode(),
    "no UTF-8 in a name": b'{"\xc3\x28": 1}',
    "UTF-16": json.dumps({"email": EMAIL}).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "an overlong code": b'{"email": "\xc0\x80"}',
    "half a surrogate": b'{"email": "\\ud800%b"}' % CANARY.encode(),
    "half a surrogate as a name": b'{"\\udfff": 1}',
    "a hundred thousand lists": b"[" * 60_000,
    "a hundred thousand objects": b'{"a":' * 12_000,
    "a deep unknown field": b'{"surprise": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
}
EMPTY = {"nothing": b"", "blanks": b" \n\t ", "null": b"null"}


@every_route
@pytest.mark.parametrize("how", BROKEN)
def test_a_body_that_is_no_json_object_is_refused(world: World, name: str, how: str) -> None:
    with world.refusing() as refused:
        refused(world.send(name, BROKEN[how]), 400)


@every_body
@pytest.mark.parametrize("how", EMPTY)
def test_an_empty_body_is_refused_where_one_is_needed(world: World, name: str, how: str) -> None:
    with world.refusing() as refused:
        refused(world.send(name, EMPTY[how]), 400)


@every_body
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/xml",
        "application/jsonp",
        "text/json",
        "multipart/form-data; boundary=x",
        FORM,
    ],
)
def test_a_body_of_another_content_type_is_refused(world: World, name: str, kind: str | None) -> None:
    if kind == FORM and ROUTES[name].takes_forms:
        kind = "application/x-www-form-urlencoded-not"
    with world.refusing() as refused:
        refused(world.send(name, world.good(name), kind), 400, "Content-Type")


@pytest.mark.parametrize("name", WITHOUT_BODY)
@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data; boundary=x"])
def test_a_body_of_another_content_type_is_refused_even_where_none_is_needed(
    world: World, name: str, kind: str | None
) -> None:
    with world.refusing() as refused:
        refused(world.send(name, CANARY.encode(), kind), 400, "Content-Type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json;version=1"])
def test_a_content_type_may_carry_parameters(fresh: World, kind: str) -> None:
    assert fresh.send("requests", fresh.good("requests"), kind).status_code == 202


# --- fields ------------------------------------------------------------------------------------------------------------

WRONG: dict[str, Sequence[Any]] = {
    "text": [1, 1.5, True, [], {}, [CANARY]],
    "choice": [1, True, [], {}, CANARY, "", "ERASURE", "erasure "],
    "truth": [1, 0, "true", "", [], {}],
    "time": [1, True, [], {}, CANARY, "", "2026-02-30T00:00:00Z", "2026-01-01"],
    "object": [1, CANARY, True, [], [CANARY]],
    "truths": [1, CANARY, [], [CANARY], {"ads": 1}, {"ads": None}, {"ads": "yes"}, {"ads": {}}],
    "texts": [CANARY, 1, {}, [1], [None], [[CANARY]], {"a": CANARY}],
    "numbers": [1, CANARY, {}, [CANARY], ["1"], [1.5], [True], [None], [[1]]],
    "texts by name": [1, CANARY, [], {"name": 1}, {"name": None}, {"name": [CANARY]}],
}


def wrong_values() -> Iterator[tuple[str, str, Any]]:
    for name, route in WITH_BODY.items():
        for at, kind in route.fields.items():
            values = list(WRONG[kind.removesuffix("?")]) + ([] if kind.endswith("?") else [None])
            yield from ((name, at, value) for value in values)


def with_value(body: dict[str, Any], at: str, value: Any) -> dict[str, Any]:
    """Return the body with one field, dotted, set."""
    first, _, rest = at.partition(".")
    return body | {first: with_value(dict(body.get(first, {})), rest, value) if rest else value}


def without(body: dict[str, Any], at: str) -> dict[str, Any]:
    """Return the body without one field."""
    return {name: value for name, value in body.items() if name != at}


def named(found: dict[str, Any]) -> str:
    """Return which field a problem names, without a place inside a list or an object."""
    (error,) = found["errors"]
    assert error["rule"]
    return str(error["field"]).partition("[")[0]


@pytest.mark.parametrize(("name", "at", "value"), list(wrong_values()), ids=lambda one: json.dumps(one)[:40])
def test_a_value_of_the_wrong_type_is_refused_by_its_field(world: World, name: str, at: str, value: Any) -> None:
    with world.refusing() as refused:
        assert named(refused(world.send(name, with_value(world.good(name), at, value)), 400)) == at


MISSING = [
    (name, at)
    for name, route in WITH_BODY.items()
    for at, kind in route.fields.items()
    if "." not in at and not kind.endswith("?") and kind not in {"truth", "texts"}
]


@pytest.mark.parametrize(("name", "at"), MISSING, ids=str)
def test_a_field_that_is_missing_is_named(world: World, name: str, at: str) -> None:
    with world.refusing() as refused:
        refused(world.send(name, without(world.good(name), at)), 400, at)


@every_body
@pytest.mark.parametrize("value", [CANARY, None, {}, [[[]]]], ids=str)
def test_a_field_that_is_unknown_is_named(world: World, name: str, value: Any) -> None:
    with world.refusing() as refused:
        refused(world.send(name, world.good(name) | {"surprise": value}), 400, "surprise")


@pytest.mark.parametrize("name", WITHOUT_BODY)
def test_a_field_that_is_unknown_is_named_even_where_no_body_is_needed(fresh: World, name: str) -> None:
    with fresh.refusing() as refused:
        refused(fresh.send(name, {"surprise": CANARY}), 400, "surprise")


def test_a_field_that_is_unknown_inside_another_is_named_with_its_place(world: World) -> None:
    body = with_value(world.good("consents"), "subject.surprise", CANARY)
    with world.refusing() as refused:
        refused(world.send("consents", body), 400, "subject.surprise")


def with_twice(body: dict[str, Any], at: str) -> str:
    """Return JSON of the body in which one field, dotted, stands twice."""
    first, _, rest = at.partition(".")
    fields = [
        (name, with_twice(value, rest) if rest and name == first else json.dumps(value)) for name, value in body.items()
    ]
    twice = fields if rest else [*fields, (first, json.dumps(body[first]))]
    return f"{{{', '.join(f'{json.dumps(name)}: {value}' for name, value in twice)}}}"


def sent_fields() -> Iterator[tuple[str, str]]:
    for name, route in WITH_BODY.items():
        for outer, value in (route.good or {}).items():
            yield name, outer
            yield from ((name, f"{outer}.{inner}") for inner in (value if isinstance(value, dict) else {}))


@pytest.mark.parametrize(("name", "at"), list(sent_fields()), ids=str)
def test_a_field_that_stands_twice_is_named(world: World, name: str, at: str) -> None:
    with world.refusing() as refused:
        refused(world.send(name, with_twice(world.good(name), at).encode()), 400, at)


@pytest.mark.parametrize(
    ("name", "old", "new", "field"),
    [
        ("consents", '"decisions": {', '"decisions": {"ads": false, "ads": false, ', "decisions.ads"),
        ("consents", '"decisions": {', '"decisions": {"\\u0061ds": false, "ads": false, ', "decisions.ads"),
        ("consents", '"subject": {', '"subject": {"device_id": "device-0009", ', "subject.device_id"),
    ],
)
def test_of_two_words_for_one_thing_none_is_taken(world: World, name: str, old: str, new: str, field: str) -> None:
    body = json.dumps(world.good(name))
    assert old in body
    with world.refusing() as refused:
        refused(world.send(name, body.replace(old, new, 1).encode()), 400, field)


def test_the_name_of_an_unknown_field_may_be_anything(world: World) -> None:
    names = ["`", "a`b", " - at ", "$", "$.email", "\n", "\u0000", "é😀", "", "<script>", "x" * 10_000]
    for surprise in names:
        with world.refusing() as refused:
            refused(world.send("requests", world.good("requests") | {surprise: 1}), 400)


@every_body
def test_a_text_with_half_a_surrogate_is_refused(world: World, name: str) -> None:
    texts = [at for at, kind in WITH_BODY[name].fields.items() if kind.startswith(("text", "choice", "time"))]
    for at in texts:
        raw = json.dumps(with_value(world.good(name), at, "HERE")).replace('"HERE"', f'"{CANARY}\\ud83d"')
        with world.refusing() as refused:
            refused(world.send(name, raw.encode()), 400)


FORMATTED = [
    ("consents", "subject.device_id"),
    ("consents", "subject.email"),
    ("consents", "notice"),
    ("consents", "method"),
    ("consents", "locale"),
    ("requests", "email"),
    ("requests", "right"),
    ("requests", "locale"),
    ("subjects", "user_id"),
    ("subjects", "email"),
    ("subjects", "locale"),
    ("processing", "subject.device_id"),
    ("processing", "subject.email"),
    ("processing", "subject.user_id"),
    ("operator/requests", "channel"),
    ("operator/requests", "received_at"),
    ("operator/requests", "right"),
    ("operator/requests", "email"),
    ("operator/requests", "locale"),
    ("operator/policies", "version"),
    ("operator/policies", "effective_at"),
    ("operator/policies/new", "version"),
    ("operator/policies/new", "effective_on"),
]
ANY_PRINTABLE = {
    field: {"markup", "a quote", "a template"} for field in (("subjects", "user_id"), ("processing", "subject.user_id"))
}
"""What a user id of the website may well look like."""
NO_FORMAT = {
    "a zero inside": f"{CANARY}\u0000more",
    "a line break": f"{CANARY}\r\nX-Header: 1",
    "very long": CANARY * 3000,
    "a bell": "\u0007",
    "right to left": f"\u202e{CANARY}",
    "markup": f"<script>{CANARY}</script>",
    "a quote": f"{CANARY}' OR 1=1 --",
    "a template": f"{{{{ {CANARY} }}}}",
}


@pytest.mark.parametrize(
    ("name", "at", "how"),
    [(*one, how) for one in FORMATTED for how in NO_FORMAT if how not in ANY_PRINTABLE.get(one, ())],
    ids=str,
)
def test_a_text_outside_its_format_is_refused_by_its_field(world: World, name: str, at: str, how: str) -> None:
    with world.refusing() as refused:
        refused(world.send(name, with_value(world.good(name), at, NO_FORMAT[how])), 400, at)


LIMITED = [
    ("consents", "subject.ga_client_id", 129),
    ("consents", "subject.device_id", 129),
    ("requests", "details", 4001),
    ("subjects", "user_id", 129),
    ("subjects", "name", 201),
    ("subjects", "country", 61),
    ("processing", "subject.device_id", 129),
    ("processing", "subject.user_id", 129),
    ("operator/requests", "channel", 41),
    ("operator/verify", "reason", 4001),
    ("operator/deny", "reason", 4001),
    ("operator/breaker", "reason", 4001),
    ("operator/mails", "reason", 4001),
    ("operator/policies", "version", 65),
    ("operator/policies", "title", 201),
    ("operator/policies", "summary", 4001),
    ("operator/policies", "text", 400_001),
]


@pytest.mark.parametrize(("name", "at", "length"), LIMITED, ids=str)
def test_a_text_that_is_too_long_is_refused_by_its_field(world: World, name: str, at: str, length: int) -> None:
    with world.refusing() as refused:
        refused(world.send(name, with_value(world.good(name), at, "x" * length)), 400, at)


@pytest.mark.parametrize("name", [name for name, route in WITH_BODY.items() if "right" in route.fields])
def test_an_unknown_right_is_refused_by_naming_those_there_are(world: World, name: str) -> None:
    with world.refusing() as refused:
        found = refused(world.send(name, world.good(name) | {"right": f"{CANARY}-right"}), 400, "right")
    assert "erasure" in found["errors"][0]["rule"], "the rule, not the library's words"


# --- addresses ---------------------------------------------------------------------------------------------------------

NO_ADDRESSES = [
    "",
    " ",
    "ada",
    "@",
    "ada@",
    "@people.example",
    "ada@@people.example",
    "ada@people@people.example",
    "ada@people",
    "ada@people..example",
    "ada@.people.example",
    "ada@people.example.",
    "ada@-people.example",
    "ada@people-.example",
    ".ada@people.example",
    "ada.@people.example",
    "a..da@people.example",
    "a da@people.example",
    "ada@peo ple.example",
    "ada@people.example,bob@people.example",
    "ada@people.example bob@people.example",
    "Ada <ada@people.example>",
    "<ada@people.example>",
    "mailto:ada@people.example",
    '"ada"@people.example',
    "ada@[127.0.0.1]",
    "ada@127.0.0.1",
    "ada@localhost",
    "ada@people.example\r\nBcc: eve@people.example",
    "ada\u0000@people.example",
    "ada\u202e@people.example",
    "ada@people.example\u200b",
    "\ufeffada@people.example",
    "ada@\uff50eople.ex\u2024ample",
    f"{'a' * 65}@people.example",
    f"ada@{'p' * 64}.example",
    f"ada@{'people.' * 60}example",
    f"ada@{'x' * 60_000}.example",
    "xn--ada@xn--.example",
    "ada@xn--a.example",
]
ADDRESSED = {
    "requests": "email",
    "subjects": "email",
    "consents": "subject.email",
    "processing": "subject.email",
    "operator/requests": "email",
}


@pytest.mark.parametrize("name", ADDRESSED)
@pytest.mark.parametrize("address", NO_ADDRESSES, ids=lambda one: ascii(one)[:40])
def test_what_is_no_address_is_refused_by_its_field(world: World, name: str, address: str) -> None:
    body = with_value(world.good(name), ADDRESSED[name], address)
    with world.refusing() as refused:
        found = refused(world.send(name, body), 400, ADDRESSED[name])
    assert len(address) < 5 or address not in json.dumps(found), "an answer does not repeat it"


@pytest.mark.parametrize("address", NO_ADDRESSES, ids=lambda one: ascii(one)[:40])
def test_what_is_no_address_is_refused_on_the_form_too(world: World, address: str) -> None:
    with world.called.changing_nothing():
        answer = world.called.form("/requests", {"email": address, "right": "erasure"})
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert len(Page(answer.text).named("form")) == 1


# --- size --------------------------------------------------------------------------------------------------------------

TEN_MEGABYTES = 10 * 1024 * 1024


@every_route
def test_ten_megabytes_are_too_much(world: World, name: str) -> None:
    whole = json.dumps({"email": CANARY + "x" * TEN_MEGABYTES}).encode()
    for body in (whole, b"x" * TEN_MEGABYTES, b"[" * TEN_MEGABYTES):
        with world.refusing() as refused:
            refused(world.send(name, body), 413)


@every_route
def test_ten_megabytes_are_too_much_whatever_they_are_called(world: World, name: str) -> None:
    for kind in (FORM, "text/plain", None):
        with world.refusing() as refused:
            refused(world.send(name, b"a=" + b"x" * TEN_MEGABYTES, kind), 413)


def test_ten_megabytes_from_nobody_known_are_not_read_either(world: World) -> None:
    for path in ("/subjects", "/operator/requests", "/operator/evidence/verify", "/none"):
        with world.refusing() as refused:
            answer = world.called.post(path, b"x" * TEN_MEGABYTES, at=path.split("/")[1].replace("none", "site"))
            refused(answer, answer.status_code)
            assert answer.status_code in {401, 404, 413}


class Endless(io.RawIOBase):
    """So many zeros, made as they are read."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._left)
        buffer[:size] = bytes(size)
        self._left -= size
        return size


UNREAD = {
    "a page": ("GET", "/requests/new", 20),
    "a notice": ("GET", "/policy/notice", 20),
    "a method that is not for it": ("PUT", "/policy", 20),
    "an address that is none": ("POST", "/consents/none", 20),
    "no bearer": ("POST", "/subjects", 20),
    "no operator": ("GET", "/operator/attention", 20),
    "far too much": ("POST", "/requests", 90),
}


@pytest.mark.parametrize("how", UNREAD)
def test_a_body_that_nobody_reads_is_not_kept_in_memory(world: World, how: str) -> None:
    method, path, megabytes = UNREAD[how]
    size = megabytes * 1024 * 1024
    sent = EnvironBuilder(path, method=method, content_type=JSON).get_environ()
    sent |= {"CONTENT_LENGTH": str(size), "wsgi.input": io.BufferedReader(Endless(size))}
    app = world.called.app(path.split("/")[1])
    tracemalloc.start()
    try:
        body, status, _ = run_wsgi_app(app, sent, buffered=True)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not status.startswith("5"), b"".join(body)
    assert most < 8 * 1024 * 1024, f"{most // 1024 // 1024} MB for a body of {megabytes} MB"


def test_a_person_reads_on_a_page_that_it_was_too_much(world: World) -> None:
    with world.called.changing_nothing():
        answer = world.called.form("/requests", {"email": EMAIL, "right": "erasure", "details": "x" * TEN_MEGABYTES})
    assert (answer.status_code, answer.mimetype) == (413, "text/html")


# --- forms -------------------------------------------------------------------------------------------------------------

BAD_FORMS = {
    "no UTF-8": (b"email=\xff\xfe", None),
    "an unknown field": (b"email=a%40b.example&right=erasure&surprise=1", "surprise"),
    "a missing field": (b"email=a%40b.example", "right"),
    "nothing": (b"", "right"),
    "an empty field": (b"email=a%40b.example&right=", "right"),
    "a field twice": (b"email=a%40b.example&email=c%40d.example&right=erasure", "email"),
    "an unknown right": (b"email=a%40b.example&right=everything", "right"),
    "very many fields": (b"&".join(b"a%d=1" % number for number in range(500)), None),
    "a server's word": (b"email=a%40b.example&right=erasure&verified=true", "verified"),
    "a user": (b"user_id=u1&right=erasure", "user_id"),
    "escapes that are none": (b"email=%zz%&right=%", "right"),
}


@pytest.mark.parametrize("how", BAD_FORMS)
def test_a_form_that_is_wrong_is_refused(world: World, how: str) -> None:
    body, at_fault = BAD_FORMS[how]
    with world.refusing() as refused:
        refused(world.send("requests", body, FORM), 400, at_fault)


@pytest.mark.parametrize("how", BAD_FORMS)
def test_a_form_that_is_wrong_is_answered_by_a_page_in_a_browser(world: World, how: str) -> None:
    body, _ = BAD_FORMS[how]
    with world.called.changing_nothing():
        answer = world.send("requests", body, FORM, Accept=PAGE)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("body", [b"accounts=a", b"accounts=", b"", b"accounts=1&accounts=x", b"n=1", b"accounts=1.5"])
def test_a_choice_that_is_none_is_refused(world: World, body: bytes) -> None:
    with world.refusing() as refused:
        refused(world.send("requests/accounts", body, FORM), 400)


# --- tokens and keys ---------------------------------------------------------------------------------------------------

NO_TOKENS = [
    "",
    "guess",
    "%00",
    "%ff%fe",
    "..%2f..",
    "%f0%9f%98%80",
    "%ed%a0%80",
    "x" * 5000,
    "' OR 1=1 --",
    "{t}",
    f"{CANARY}",
    "*",
]
WITH_TOKEN = {
    "a consent's confirmation": ("/consents/confirm", ("GET", "POST")),
    "a request's confirmation": ("/requests/{waiting}/confirm", ("GET", "POST")),
    "a cancellation": ("/requests/{verified}/cancel", ("GET", "POST")),
    "a link that keeps an account": ("/requests/{ending}/keep", ("GET", "POST")),
    "an unsubscribe link": ("/unsubscribe", ("GET", "POST")),
}
WITH_KEY = {
    "the status of one that waits": ("/requests/{waiting}", "GET"),
    "the status of one confirmed": ("/requests/{verified}", "GET"),
    "a statement": ("/requests/{verified}/statement", "GET"),
    "a choice": ("/requests/{chooses}/accounts", "POST"),
    "a file": ("/requests/{copied}/export", "GET"),
    "a file that is fetched": ("/requests/{copied}/export", "POST"),
    "a cancellation": ("/requests/{verified}/cancel", "POST"),
}


@pytest.mark.parametrize("where", WITH_TOKEN)
@pytest.mark.parametrize("token", NO_TOKENS, ids=lambda one: one[:20])
def test_a_token_that_was_not_made_here_is_refused(world: World, where: str, token: str) -> None:
    path, methods = WITH_TOKEN[where]
    for method in methods:
        for question in (f"?t={token}", "") if token == "" else (f"?t={token}",):
            with world.refusing() as refused:
                refused(world.called.call(method, path.format_map(world.ids) + question), 400, "t")
                page = world.called.call(method, path.format_map(world.ids) + question, Accept=PAGE)
            assert (page.status_code, page.mimetype) == (400, "text/html")


@pytest.mark.parametrize("where", WITH_KEY)
@pytest.mark.parametrize("key", NO_TOKENS, ids=lambda one: one[:20])
def test_a_key_that_was_not_made_here_opens_nothing(world: World, where: str, key: str) -> None:
    path, method = WITH_KEY[where]
    body = {"accounts": [1]} if where == "a choice" else None
    statuses = {400} if key == "" and where == "a cancellation" else {404}
    for question in (f"?key={key}", "") if key == "" else (f"?key={key}",):
        with world.refusing() as refused:
            answer = world.called.call(method, path.format_map(world.ids) + question, body)
            refused(answer, answer.status_code)
        assert answer.status_code in statuses


OPENS = {
    "/requests/{waiting}?key=": {"waiting_key"},
    "/requests/{chooses}?key=": {"chooses_key"},
    "/requests/{verified}?key=": {"verified_key"},
    "/requests/{waiting}/statement?key=": set(),
    "/requests/{verified}/statement?key=": {"verified_key"},
    "/requests/{waiting}/confirm?t=": {"confirm_t"},
    "/requests/{verified}/confirm?t=": set(),
    "/requests/{waiting}/cancel?t=": set(),
    "/requests/{chooses}/cancel?t=": set(),
    "/requests/{verified}/cancel?t=": {"cancel_t"},
    "/requests/{ending}/keep?t=": {"keep_t"},
    "/requests/{ending}/cancel?t=": set(),
    "/requests/{ending}?key=": set(),
    "/requests/{copied}?key=": {"copied_key"},
    "/requests/{verified}/export?key=": set(),
    "/consents/confirm?t=": {"consent_t"},
    "/unsubscribe?t=": {"unsubscribe_t"},
    "/unsubscribe/preferences?t=": {"unsubscribe_t"},
}
EVERY_SECRET = [
    "waiting_key",
    "chooses_key",
    "verified_key",
    "failed_key",
    "confirm_t",
    "cancel_t",
    "consent_t",
    "keep_t",
    "export_key",
    "copied_key",
    "unsubscribe_t",
    "notice",
]


@pytest.mark.parametrize("path", OPENS)
@pytest.mark.parametrize("secret", EVERY_SECRET)
def test_a_token_opens_what_it_was_made_for_and_nothing_else(world: World, path: str, secret: str) -> None:
    with world.called.changing_nothing():
        answer = world.called.get(path.format_map(world.ids) + world.ids[secret])
    if secret in OPENS[path]:
        assert answer.status_code == 200
    else:
        problem(answer, 400 if "?t=" in path else 404)


ACTED_ON = [
    "/requests/{verified}/confirm?t=",
    "/requests/{waiting}/cancel?t=",
    "/requests/{chooses}/cancel?t=",
    "/requests/{waiting}/cancel?key=",
    "/requests/{failed}/cancel?t=",
    "/requests/{ending}/keep?t=",
    "/requests/{waiting}/accounts?key=",
    "/requests/{verified}/accounts?key=",
    "/requests/{copied}/export?key=",
    "/requests/{verified}/export?key=",
]


@pytest.mark.parametrize("path", ACTED_ON)
@pytest.mark.parametrize("secret", ["confirm_t", "cancel_t", "consent_t", "failed_key", "waiting_key"])
def test_nobody_acts_with_the_token_of_another_request_or_of_another_act(world: World, path: str, secret: str) -> None:
    body = {"accounts": [1]} if "/accounts" in path else None
    with world.refusing() as refused:
        refused(world.called.post(path.format_map(world.ids) + world.ids[secret], body), 400 if "?t=" in path else 404)


QUESTIONS = {"?key={verified_key}": 404, "/confirm?t={verified_key}": 400, "/cancel?t={verified_key}": 400}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "request_id", ["none", "{consent_t}", "0" * 40, "..", "%00", "%ff", "*", "x" * 5000, "new%20", "{verified}%20"]
)
def test_an_id_that_is_nobodys_is_refused(world: World, request_id: str, question: str) -> None:
    with world.refusing() as refused:
        refused(world.called.get(f"/requests/{request_id}{question}".format_map(world.ids)), QUESTIONS[question])


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_id_that_is_nobodys_is_answered_like_one_that_is_somebody_elses(world: World, question: str) -> None:
    nobodys = world.called.get(f"/requests/{'0' * 40}{question}".format_map(world.ids))
    somebodys = world.called.get(f"/requests/{{failed}}{question}".format_map(world.ids))
    assert same(nobodys, somebodys), (nobodys.text, somebodys.text)


def same(one: TestResponse, other: TestResponse) -> bool:
    """Tell whether two answers cannot be told apart."""
    return (one.status_code, one.data, list(one.headers)) == (other.status_code, other.data, list(other.headers))


def test_a_token_that_expired_or_was_used_changes_nothing(fresh: World) -> None:
    ids, called = fresh.ids, fresh.called
    assert called.post(f"/requests/{ids['waiting']}/confirm?t={ids['confirm_t']}").status_code == 200
    with fresh.refusing() as refused:
        refused(called.post(f"/requests/{ids['waiting']}/confirm?t={ids['confirm_t']}"), 409, "t")
        refused(called.get(f"/requests/{ids['waiting']}?key={ids['waiting_key']}"), 404)
    called.later(days=8)
    with fresh.refusing() as refused:
        refused(called.post(f"/consents/confirm?t={ids['consent_t']}"), 409, "t")
    called.platform("retention")
    with fresh.refusing() as refused:
        refused(called.post(f"/consents/confirm?t={ids['consent_t']}"), 400, "t")


def test_a_confirmation_posted_many_times_at_once_counts_once(fresh: World) -> None:
    path = f"/requests/{fresh.ids['waiting']}/confirm?t={fresh.ids['confirm_t']}"
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: fresh.called.post(path), range(16)))
    assert statuses == [200] + [409] * 15
    stream = fresh.called.operator("GET", f"/evidence/{fresh.ids['waiting']}").json["entries"]
    assert [entry["kind"] for entry in stream].count("verified") == 1


def test_a_decision_posted_many_times_at_once_with_one_key_is_recorded_once(fresh: World) -> None:
    body = fresh.good("consents")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fresh.send("consents", body, Idempotency_Key="once"), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["receipt_id"] for answer in answers}) == 1


# --- who calls ---------------------------------------------------------------------------------------------------------

NO_BEARERS = {
    "none": None,
    "empty": "",
    "no token": "Bearer",
    "blanks": "Bearer    ",
    "a guess": f"Bearer {CANARY}",
    "part of a key": f"Bearer {WEBSITE_KEYS[0][:-1]}",
    "a key and more": f"Bearer {WEBSITE_KEYS[0]}x",
    "both keys": f"Bearer {', '.join(WEBSITE_KEYS)}",
    "another scheme": f"Basic {WEBSITE_KEYS[0]}",
    "no scheme": WEBSITE_KEYS[0],
    "the operator's": f"Bearer {OPERATOR_TOKEN}",
    "signs beyond ASCII": "Bearer \u00e9\u00ff",
    "very long": "Bearer " + "x" * 20_000,
}


@pytest.mark.parametrize("how", NO_BEARERS)
def test_only_the_websites_server_links_people(world: World, how: str) -> None:
    sent = {} if NO_BEARERS[how] is None else {"Authorization": str(NO_BEARERS[how])}
    with world.refusing() as refused:
        answer = world.called.post("/subjects", world.good("subjects"), **sent)
        refused(answer, 401, "Authorization")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("how", [how for how, sent in NO_BEARERS.items() if sent])
@pytest.mark.parametrize("name", ["consents", "requests"])
def test_a_bearer_that_is_sent_must_be_right_even_where_none_is_needed(world: World, name: str, how: str) -> None:
    with world.refusing() as refused:
        refused(world.send(name, world.good(name), Authorization=str(NO_BEARERS[how])), 401, "Authorization")


@pytest.mark.parametrize("key", WEBSITE_KEYS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_each_key_of_the_website_is_right(called: Called, key: str, scheme: str) -> None:
    answer = called.post("/subjects", {"user_id": "u1"}, Authorization=f"{scheme} {key}")
    assert answer.status_code == 201


def test_who_calls_is_asked_before_what_was_sent_is_looked_at(world: World) -> None:
    for name in ("subjects", "processing", "operator/requests", "operator/verify"):
        with world.refusing() as refused:
            refused(world.send(name, b"{", Authorization="Bearer guess"), 401, "Authorization")


def test_a_key_is_shown_in_no_answer(world: World) -> None:
    for path in ("/", "/openapi.json", "/operator/requests", "/subjects"):
        for headers in ({}, {"Authorization": f"Bearer {OPERATOR_TOKEN}"}, {"Authorization": f"Bearer {CANARY}"}):
            text = world.called.get(path, **headers).text
            assert not [secret for secret in (*WEBSITE_KEYS, OPERATOR_TOKEN, CANARY) if secret in text]


# --- floods ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hour(called: Called) -> Called:
    """Return the functions at the beginning of an hour."""
    called.early_in_an_hour()
    return called


def intake(called: Called, email: str = EMAIL) -> TestResponse:
    return called.post("/requests", {"email": email, "right": "erasure"})


def test_an_address_is_asked_ten_times_an_hour_and_no_more(hour: Called) -> None:
    assert [intake(hour).status_code for _ in range(10)] == [202] * 10
    for spelling in (EMAIL, EMAIL.upper(), f"  {EMAIL} "):
        with hour.changing_nothing():
            answer = intake(hour, spelling)
            problem(answer, 429, "email")
        assert int(answer.headers["Retry-After"]) > 0
    page = hour.form("/requests", {"email": EMAIL, "right": "erasure"})
    assert (page.status_code, page.mimetype) == (429, "text/html")


def test_a_flood_to_one_address_stops_nobody_else_and_ends_with_the_hour(hour: Called) -> None:
    for _ in range(11):
        last = intake(hour)
    assert last.status_code == 429
    assert intake(hour, "bob@people.example").status_code == 202
    assert hour.server("/requests", {"email": EMAIL, "right": "erasure"}).status_code == 202
    entered = {"channel": "phone", "received_at": rfc3339(hour.now()), "right": "erasure", "email": EMAIL}
    assert hour.operator("POST", "/requests", entered).status_code == 201
    hour.later(hours=1)
    assert [intake(hour).status_code for _ in range(11)] == [202] * 10 + [429]


def test_consents_by_mail_are_limited_the_same_and_a_no_never_is(hour: Called) -> None:
    asks = hour.consent({"device_id": DEVICE, "email": EMAIL}, {"marketing_email": True})
    stops = hour.consent({"device_id": DEVICE, "email": EMAIL}, {"marketing_email": False})
    assert [hour.post("/consents", asks).status_code for _ in range(10)] == [201] * 10
    with hour.changing_nothing():
        problem(hour.post("/consents", asks), 429, "subject.email")
    assert hour.post("/consents", stops).status_code == 201


def test_a_repeat_with_its_key_takes_no_second_place(hour: Called) -> None:
    asks = hour.consent({"device_id": DEVICE, "email": EMAIL}, {"marketing_email": True})
    for _ in range(15):
        assert hour.post("/consents", asks, Idempotency_Key="once").status_code == 201
    assert hour.count("throttles") == 1


def test_a_flood_all_at_once_is_counted_right(hour: Called) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: intake(hour), range(32)))
    assert statuses == [202] * 10 + [429] * 22
    assert hour.count("requests") == 10


def test_the_limit_keeps_no_address(hour: Called) -> None:
    intake(hour)
    assert CANARY not in repr(hour.rows()["throttles"])


# --- somebody unknown --------------------------------------------------------------------------------------------------


class Counted:
    """A store that remembers what was asked of it: which operations, of which kinds, in which order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[tuple[str, ...]] = []

    def get(self, kind: type[Record], id: str) -> Any:
        self.asked.append(("get", kind.collection))
        return self._store.get(kind, id)

    def query(self, query: Query[Any], *equals: Any, **more: Any) -> list[Stored[Any]]:
        self.asked.append(("query", query.kind.collection))
        return self._store.query(query, *equals, **more)

    def commit(self, changes: Sequence[Change]) -> list[str]:
        kinds = [(change.kind if hasattr(change, "kind") else type(change.record)).collection for change in changes]
        self.asked.append(("commit", *kinds))
        return self._store.commit(changes)

    def physically_gone(self, now: datetime) -> datetime:
        return self._store.physically_gone(now)

    def compact(self) -> None:
        self._store.compact()


def counted(called: Called, send: Callable[[], TestResponse]) -> tuple[TestResponse, list[tuple[str, ...]]]:
    """Call once and return what it cost."""
    whole = called.container.store
    called.container.policies.current()
    called.container.store = Counted(whole)
    try:
        return send(), called.container.store.asked
    finally:
        called.container.store = whole


@pytest.mark.parametrize(
    "body",
    [
        {"right": "erasure", "email": "{}"},
        {"right": "erasure", "email": "{}", "details": "Please"},
    ],
    ids=["bare", "with details"],
)
def test_asking_for_somebody_unknown_answers_and_costs_the_same(called: Called, body: dict[str, str]) -> None:
    called.sign_up("u1", EMAIL)
    called.sign_up("u2", EMAIL)
    found = []
    for email in (EMAIL, "nobody-we-know@people.example"):
        filled = {name: value.replace("{}", email) for name, value in body.items()}
        found.append(counted(called, lambda filled=filled: called.post("/requests", filled)))
    (known, cost), (unknown, cost_of_unknown) = found
    assert (known.status_code, known.json.keys()) == (unknown.status_code, unknown.json.keys())
    assert [name for name, _ in known.headers] == [name for name, _ in unknown.headers]
    assert len(known.data) == len(unknown.data)
    assert cost == cost_of_unknown
    assert [operation for operation, *_ in cost] == ["commit"], "it never looks anybody up"


def test_a_consent_by_an_unknown_address_answers_and_costs_the_same(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    said = called.consent({}, {"marketing_email": True, "ads": True})
    found = []
    for number, email in enumerate((EMAIL, "nobody-we-know@people.example")):
        body = said | {"subject": {"device_id": f"device-000{number}", "email": email}}
        found.append(counted(called, lambda body=body: called.post("/consents", body)))
    (known, cost), (unknown, cost_of_unknown) = found
    assert (known.status_code, known.json.keys()) == (unknown.status_code, unknown.json.keys())
    assert known.json["pending"] == unknown.json["pending"]
    assert len(known.data) == len(unknown.data)
    assert cost == cost_of_unknown


def test_confirming_for_somebody_unknown_answers_the_same(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    links = [called.confirm_link(email, called.ask(email)["request_id"]) for email in (EMAIL, "nobody@people.example")]
    shown = [called.get(link) for link in links]
    assert shown[0].json.keys() == shown[1].json.keys()
    posted = [called.post(link) for link in links]
    assert posted[0].json.keys() == posted[1].json.keys()
    assert len(posted[0].data) == len(posted[1].data)


def test_a_server_vouching_for_a_user_we_never_met_is_answered_the_same(called: Called) -> None:
    called.sign_up("u1", EMAIL)
    said = {"verified": True, "right": "erasure", "auth_time": called.now().isoformat()}
    known, unknown = (called.server("/requests", said | {"user_id": user}) for user in ("u1", "u9"))
    assert (known.status_code, known.json.keys()) == (unknown.status_code, unknown.json.keys())
    assert known.json["status"] == unknown.json["status"]


def test_a_device_we_never_met_is_answered_like_one_that_decided_nothing(called: Called) -> None:
    answer = called.get(f"/consents/current?device_id={DEVICE}")
    assert (answer.status_code, answer.json["needs_prompt"]) == (200, True)


@pytest.mark.parametrize(
    "device", ["", "short", "x" * 129, "with space", "a/b/c/d/e", "é" * 10, "%00" * 10, "%ff" * 10]
)
def test_what_is_no_device_is_refused(world: World, device: str) -> None:
    with world.refusing() as refused:
        refused(world.called.get(f"/consents/current?device_id={device}"), 400, "device_id")
        refused(world.called.get("/consents/current", X_Device_Id="no device"), 400, "device_id")


# --- the database cannot take it -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(called: Called) -> Iterator[None]:
    """Somebody else holds the database for writing, for longer than anybody waits."""
    for container in called.containers.values():
        container.store._writer.execute("PRAGMA busy_timeout=20")
    with contextlib.closing(sqlite3.connect(called.data_dir / "pledge.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def full(called: Called) -> Iterator[None]:
    """No file can grow: the write itself fails."""
    size = max(path.stat().st_size for path in called.data_dir.glob("pledge.db*"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


TROUBLES = {"locked": locked, "full": full}


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.writes])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_database_that_cannot_take_it_is_a_passing_problem_and_nothing_is_half_written(
    fresh: World, name: str, trouble: str
) -> None:
    body = fresh.good(name) if ROUTES[name].good is not None else b""
    with fresh.refusing() as refused, TROUBLES[trouble](fresh.called):
        answer = fresh.send(name, body)
        refused(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    again = fresh.send(name, body)
    assert again.status_code in {200, 201, 202}, "and once it has passed, the same call is taken"
    assert fresh.called.operator("POST", "/evidence/verify").json["intact"] is True


def test_a_locked_database_is_still_read(fresh: World) -> None:
    ids = fresh.ids
    with locked(fresh.called):
        for path in (
            "/policy",
            f"/requests/{ids['verified']}?key={ids['verified_key']}",
            "/consents/current?device_id=12345678",
        ):
            assert fresh.called.get(path).status_code == 200


def test_a_person_reads_on_a_page_that_it_cannot_be_done_now(fresh: World) -> None:
    with fresh.called.changing_nothing(), locked(fresh.called):
        answer = fresh.called.form("/requests", {"email": EMAIL, "right": "erasure"})
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert [text for text in SECRETS_OF_OURS if text in answer.text] == []


@pytest.mark.parametrize("function", ["work", "deadlines", "retention"])
def test_the_platforms_own_calls_are_answered_so_that_they_come_again(fresh: World, function: str) -> None:
    fresh.called.later(days=40)
    due = fresh.called.due_first()
    with fresh.refusing() as refused, locked(fresh.called):
        refused(fresh.called.platform(function, {"id": due} if function == "work" else None), 503)


# --- defects -------------------------------------------------------------------------------------------------------------


def test_a_defect_of_ours_shows_nothing_and_is_logged_by_kind_and_place(
    called: Called, capfd: pytest.CaptureFixture[str]
) -> None:
    called.ask(EMAIL)
    with sqlite3.connect(called.data_dir / "pledge.db") as database:
        database.execute("UPDATE requests SET body = json_set(body, '$.sealed', 'AAAA', '$.right', ?)", (CANARY,))
    request_id = called.rows()["requests"][0][0]
    for accept, media in (("*/*", "application/problem+json"), (PAGE, "text/html")):
        answer = called.get(f"/requests/{request_id}?key={CANARY}", Accept=accept)
        assert (answer.status_code, answer.mimetype) == (500, media)
        assert [text for text in (*SECRETS_OF_OURS, CANARY) if text in answer.text] == []
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["function"]) for line in lines] == [("crashed", "requests")] * 2
    assert all(line["frames"] and CANARY not in json.dumps(line) for line in lines)


def test_every_address_of_our_own_begins_with_ours(world: World) -> None:
    for name in ("requests", "consents"):
        answer = world.called.call("POST", ROUTES[name].path, b"{", Content_Type=JSON, Host="evil.example")
        assert "evil.example" not in answer.text
    assert (
        world.called.get("/", Host="evil.example", X_Forwarded_Host="evil.example").json["policy"] == f"{BASE}/policy"
    )
