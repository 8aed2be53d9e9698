"""Bad input over real connections, to the running stack: large bodies, half calls, and a clock that is pushed about."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.journeys.house import Answer, House

CANARY = "canary-5c1d"
TEN_MEGABYTES = 10 * 1024 * 1024
TIMEOUT_SECONDS = 20


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house") / "data").start()
    yield house
    house.stop()


@pytest.fixture(autouse=True)
def it_goes_on_and_logs_nothing_that_was_sent(house: House) -> Iterator[None]:
    before = house.log.stat().st_size
    yield
    assert house.get("/healthz").status == 200
    log = house.log.read_bytes()[before:].decode()
    assert CANARY not in log
    assert "Traceback" not in log


def refused(answer: Answer, status: int, at_fault: str | None = None) -> None:
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(answer.json)
    if at_fault is not None:
        assert [error["field"] for error in answer.json["errors"]] == [at_fault]


def now(house: House) -> datetime:
    return datetime.fromisoformat(house.get("/clock").json["now"])


def raw(house: House, sent: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the other side ends it."""
    with socket.create_connection(("127.0.0.1", house.port), TIMEOUT_SECONDS) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


# --- large bodies ------------------------------------------------------------------------------------------------------

BODIES = {
    "consents": "/consents",
    "requests": "/requests",
    "a confirmation": "/requests/none/confirm?t=none",
    "subjects": "/subjects",
    "processing": "/processing",
    "an operator": "/operator/requests",
    "the clock": "/clock",
}


@pytest.mark.parametrize("path", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_ten_megabytes_are_refused_and_the_connection_may_be_used_again(house: House, path: str, chunked: bool) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=TIMEOUT_SECONDS)
    body = json.dumps({"email": CANARY + "x" * TEN_MEGABYTES}).encode()
    pieces: Any = (body[at : at + 65536] for at in range(0, len(body), 65536)) if chunked else body
    headers = {"Content-Type": "application/json", "Authorization": "Bearer website-key-1"}
    if path.startswith("/operator"):
        headers["Authorization"] = "Bearer operator-token-of-the-test"
    for _ in range(2):
        connection.request("POST", path, pieces, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        assert answer.status == 413, path
        assert json.loads(answer.read())["status"] == 413
        connection.request("GET", "/policy", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["version"]
        pieces = body if not chunked else (body[at : at + 65536] for at in range(0, len(body), 65536))
    connection.close()


HALF_CALLS = {
    "a length that is never reached": b"Content-Length: 100000\r\n\r\n{",
    "a length beyond everything": b"Content-Length: 99999999999999999999\r\n\r\n{",
    "a length below nothing": b"Content-Length: -5\r\n\r\n{}",
    "a length that is no number": b"Content-Length: many\r\n\r\n{}",
    "a length and chunks": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk that is never sent": b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n{",
    "no length": b"\r\n{}",
    "nothing": b"\r\n",
}


@pytest.mark.parametrize("how", HALF_CALLS)
@pytest.mark.parametrize(
    "call",
    [
        "POST /requests",
        "POST /consents",
        "POST /requests/none/confirm?t=none",
        "POST /consents/none",
        "PUT /policy",
        "GET /requests/none",
        "POST /clock",
        "POST /none",
    ],
)
def test_half_a_call_is_refused_or_dropped(house: House, call: str, how: str) -> None:
    head = f"{call} HTTP/1.1\r\nHost: {CANARY}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    received = raw(house, head.encode() + HALF_CALLS[how])
    assert not received or received.split(b" ")[1].startswith(b"4"), received[:200]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /requests/\xff\xfe HTTP/1.1",
        b"GET /requests/%00?key=%00 HTTP/1.1",
        b"GET //requests//new HTTP/1.1",
        b"GET /requests/../../../etc/passwd HTTP/1.1",
        b"GET http://evil.example/requests/none HTTP/1.1",
        b"GET /consents/current?device_id=" + CANARY.encode() * 2000 + b" HTTP/1.1",
        b"BREW /requests HTTP/1.1",
        b"nonsense",
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
def test_a_request_line_that_is_odd_is_answered(house: House, line: bytes) -> None:
    received = raw(house, line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = received.split(b" ")[1] if received.startswith(b"HTTP/") else b"400"
    assert status[:1] in {b"2", b"3", b"4"}, received[:200]
    assert b"root:" not in received
    assert b"Traceback" not in received


# --- the clock ---------------------------------------------------------------------------------------------------------

NO_MOVES = {
    "nothing": ({}, "advance"),
    "both": ({"advance": "P1D", "at": "2999-01-01T00:00:00Z"}, "advance"),
    "both null": ({"advance": None, "at": None}, "advance"),
    "words": ({"advance": CANARY}, "advance"),
    "an empty text": ({"advance": ""}, "advance"),
    "a number": ({"advance": 14}, "advance"),
    "a list": ({"advance": ["P1D"]}, "advance"),
    "a duration without parts": ({"advance": "P"}, "advance"),
    "a duration with words": ({"advance": "P1 day"}, "advance"),
    "back a day": ({"advance": "-P1D"}, "advance"),
    "back a second": ({"advance": "-PT1S"}, "advance"),
    "twenty-one years": ({"advance": "P21Y"}, "advance"),
    "half a year": ({"advance": "P0.5Y"}, "advance"),
    "half a month": ({"advance": "P0.5M"}, "advance"),
    "ten thousand years": ({"advance": "P9999Y"}, "advance"),
    "more years than there are": ({"advance": "P99999999Y"}, "advance"),
    "more days than there are": ({"advance": "P999999999999D"}, "advance"),
    "more seconds than there are": ({"advance": f"PT{'9' * 400}S"}, "advance"),
    "more months than there are": ({"advance": "P999999999999M"}, "advance"),
    "the past": ({"at": "2001-01-01T00:00:00Z"}, "at"),
    "the beginning of time": ({"at": "0001-01-01T00:00:00Z"}, "at"),
    "before the beginning of time": ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
    "the end of time": ({"at": "9999-12-31T23:59:59Z"}, "at"),
    "after the end of time": ({"at": "9999-12-31T23:59:59-12:00"}, "at"),
    "a time without a zone": ({"at": "2030-01-01T00:00:00"}, "at"),
    "no day": ({"at": "2030-02-30T00:00:00Z"}, "at"),
    "a count": ({"at": 1900000000}, "at"),
    "an unknown field": ({"advance": "P1D", "surprise": CANARY}, "surprise"),
}


@pytest.mark.parametrize("how", NO_MOVES)
def test_a_jump_that_is_none_is_refused_and_the_clock_stands(house: House, how: str) -> None:
    body, at_fault = NO_MOVES[how]
    before = now(house)
    refused(house.post("/clock", body), 400, at_fault)
    assert now(house) - before < timedelta(seconds=30)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"P1D"', b"\xff", b"[" * 60_000, b'{"advance":' + b"[" * 60_000], ids=repr
)
def test_a_jump_of_broken_json_is_refused(house: House, body: bytes) -> None:
    refused(house.post("/clock", body, Content_Type="application/json"), 400)


def test_the_clock_moves_ahead_and_not_back(house: House) -> None:
    before = now(house)
    moved = house.post("/clock", {"advance": "PT36H"})
    assert moved.status == 200
    assert timedelta(hours=36) <= now(house) - before <= timedelta(hours=36, seconds=30)
    at = (now(house) + timedelta(hours=3)).isoformat()
    assert house.post("/clock", {"at": at}).status == 200
    refused(house.post("/clock", {"at": (now(house) - timedelta(minutes=5)).isoformat()}), 400, "at")


def test_what_falls_due_in_a_jump_is_done_when_it_answers(house: House) -> None:
    asked = house.ask("ada@people.example")
    house.advance("P15D")
    subjects = [mail["subject"] for mail in house.mails("ada@people.example")]
    assert len(subjects) == 3, "the question and two reminders"
    house.advance("P14D")
    assert house.operator("GET", f"/operator/requests/{asked}").json["status"] == "unconfirmed"


# --- what only the local stack has -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"documents": {f"users/{CANARY}": 1}}, 400),
        ({"documents": []}, 400),
        ({"documents": {"../outside": {}}}, 400),
        ({"documents": {"users": {"a": 1}}}, 400),
        ({"files": {"a": 1}}, 400),
        ({"files": {"../../outside": CANARY}}, 400),
        ({"files": {"/etc/passwd": CANARY}}, 400),
        ({"files": {"": CANARY}}, 400),
        ({"surprise": CANARY}, 400),
        (b'{"documents": {"users/u1": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}}", 400),
    ],
    ids=lambda one: repr(one)[:50],
)
def test_website_data_that_is_none_is_refused(house: House, body: Any, status: int) -> None:
    answer = house.call("PUT", "/website/u1", body, Content_Type="application/json")
    refused(answer, status)
    assert CANARY not in house.get("/website/u1").text
    assert not list(house.data_dir.parent.glob("**/outside*"))


@pytest.mark.parametrize("path", ["/none", "/work", "/sweep", "/retention", "/deadlines", "/local/none", "/sandbox"])
def test_what_is_the_platforms_own_is_not_there_for_others(house: House, path: str) -> None:
    for method in ("GET", "POST"):
        answer = house.call(method, path, Authorization="Bearer operator-token-of-the-test")
        assert answer.status in {400, 401, 404, 405}, path


def test_robots_and_browsers_ask_for_what_is_not_there(house: House) -> None:
    for path in ("/favicon.ico", "/robots.txt", "/.well-known/security.txt"):
        assert house.page(path).status == 404
