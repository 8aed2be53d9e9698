"""Each transport: a key that no header can carry is refused at the start, and no answer is so bad that it escapes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.subprocessors.google_transport import GoogleTransport
from infra.subprocessors.headers import seconds
from infra.subprocessors.meta_transport import MetaTransport
from infra.subprocessors.sendgrid_transport import SendgridTransport
from infra.subprocessors.stripe_transport import StripeTransport
from shared.failures import Misconfigured, NeverRetry, TryAgain

ANN = "ann@mail.test"
LATIN_1 = '{"errors": [{"message": "ungültig"}], "error": {"status": "ü", "code": "ü"}}'.encode("latin-1")
BAD = [
    LATIN_1,
    b'{"error": "\xed\xa0\x80"}',
    b"[" * 200_000,
    b'{"error": ' + b"9" * 6000 + b"}",
    b"<html>",
    b"\xff",
    b"",
]
BAD_IDS = ["Latin-1", "half a character", "too deep", "a number without end", "a page", "no text", "nothing"]
Call = Callable[[str, str], Any]


def sendgrid(key: str, base: str) -> Any:
    return SendgridTransport(key, base, 5).call("get", "suppression", "bounces", ANN)


def meta(key: str, base: str) -> Any:
    return MetaTransport(key, base, 5).get(dict, "act_1", query={"q": ANN})


def stripe(key: str, base: str) -> Any:
    return StripeTransport(key, base, 5).get("customers", "cus_1", email=ANN)


def google(key: str, base: str) -> Any:
    return GoogleTransport(base, lambda: key, 5).call("POST", "v1alpha/x", {"id": ANN})


TRANSPORTS: dict[str, Call] = {"sendgrid": sendgrid, "meta": meta, "stripe": stripe, "google": google}


@contextlib.contextmanager
def saying(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """Serve one answer to every call."""

    @Request.application
    def say(_: Request) -> Response:
        return Response(body, status, {name.replace("_", "-"): text for name, text in headers.items()})

    server = make_server("127.0.0.1", 0, say)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


# --- keys ------------------------------------------------------------------------------------------------------------

UNSENDABLE = [
    "SECRET\n",
    "SECRET\r\n",
    " SECRET",
    "SECRET KEY",
    "\tSECRET",
    "SECRET\x7f",
    "SECRETé",
    "SECRET\u200b",
    "",
]


@pytest.mark.parametrize("key", UNSENDABLE)
@pytest.mark.parametrize(
    ("transport", "setting"),
    [
        (SendgridTransport, "SENDGRID_API_KEY"),
        (MetaTransport, "META_ACCESS_TOKEN"),
        (StripeTransport, "STRIPE_API_KEY"),
    ],
)
def test_a_key_that_cannot_be_sent_is_refused_by_its_name_and_not_shown(
    transport: Callable[[str, str], Any], setting: str, key: str
) -> None:
    with pytest.raises(Misconfigured, match=f"^{setting}") as refused:
        transport(key, "http://127.0.0.1:1")
    assert "SECRET" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("token", UNSENDABLE)
def test_a_token_that_cannot_be_sent_is_for_a_person_and_not_shown(token: str) -> None:
    with pytest.raises(NeverRetry, match=r"^google_token_unusable$") as refused:
        google(token, "http://127.0.0.1:1")
    assert refused.value.__context__ is None


@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_key_of_any_printable_signs_is_sent_as_it_is(name: str) -> None:
    with saying(200, b'{"object": "x", "id": "y"}') as base:
        TRANSPORTS[name]("".join(map(chr, range(33, 127))), base)


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", BAD, ids=BAD_IDS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 503])
@pytest.mark.parametrize("name", TRANSPORTS)
def test_no_answer_is_so_bad_that_it_escapes(name: str, status: int, body: bytes) -> None:
    with saying(status, body) as base:
        if name == "sendgrid" and (status == 404 or (status == 200 and not body)):
            assert TRANSPORTS[name]("key", base).body is None
            return
        with pytest.raises((TryAgain, NeverRetry), match=f"^{name}_") as failure:
            TRANSPORTS[name]("key", base)
    # what was caught holds the address that was called, and so the person's
    assert failure.value.__context__ is None


@pytest.mark.parametrize("name", ["sendgrid", "google", "stripe"])
@pytest.mark.parametrize(
    ("said", "heard"),
    [("77", 77), ("0", 0), ("9" * 5000, None), ("9" * 20, None), ("²", None), ("-5", None), ("soon", None)],
)
def test_a_wish_that_is_no_time_is_none(name: str, said: str, heard: int | None) -> None:
    with saying(503, b'{"error": {"message": "busy"}}', Retry_After=said) as base, pytest.raises(TryAgain) as failure:
        TRANSPORTS[name]("key", base)
    assert failure.value.after_seconds == heard
    assert seconds(said) == heard


@pytest.mark.parametrize("date", ["", "soon", "Mon, 99 Jan 99999999 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
@pytest.mark.parametrize("reset", ["9" * 11, "9" * 5000, "4102444800"])
def test_a_moment_by_a_clock_that_is_out_of_order_still_is_a_rate_limit(reset: str, date: str) -> None:
    with saying(429, b"", X_RateLimit_Reset=reset, Date=date) as base, pytest.raises(TryAgain, match="sendgrid_429"):
        sendgrid("key", base)
