"""Who may call an internal function on Google Cloud: really signed tokens against the real functions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from infra.http.oidc import GOOGLES_CERTIFICATES, CallerTokens, Certificates, caller_tokens, certificates_url
from infra.local.functions import function_map
from infra.settings import Settings
from shared.failures import Misconfigured, TryAgain
from tests.emulators.issuer import Issuer, Key, segment
from tests.functions.called import INTERNAL_SECRET, OPERATOR_TOKEN, WEBSITE_KEYS, Called, problem
from tests.infra.on_google import CALLER, audience, oidc_settings, on_google

INTERNAL = [name for name, entry in function_map().items() if not {"http", "topic"} & set(entry["trigger"])]
STRANGER = "invoker@stranger.iam.gserviceaccount.com"
OURS = audience("sweep")
BODIES = {"work": {"id": "none"}}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def called(tmp_path: Path) -> Iterator[Called]:
    functions = Called(tmp_path)
    yield functions
    functions.close()


@pytest.fixture
def platform(called: Called, issuer: Issuer) -> Called:
    """Return the functions on Google Cloud's parts; no queue, no database of theirs is there."""
    container = on_google(called, **oidc_settings(issuer))
    called.containers = dict.fromkeys(called.containers, container)
    return called


def call(platform: Called, authorization: str | None, function: str = "sweep", **headers: str) -> TestResponse:
    sent = {} if authorization is None else {"Authorization": authorization}
    return platform.post("/", BODIES.get(function), at=function, **sent, **headers)


def signed(issuer: Issuer, **claims: object) -> str:
    return f"Bearer {issuer.token(OURS, CALLER, **claims)}"


def now() -> int:
    return int(time.time())


# --- what opens ------------------------------------------------------------------------------------------------------

GOOD: dict[str, Callable[[Issuer], str]] = {
    "a token for it": lambda issuer: f"Bearer {issuer.token(OURS, CALLER)}",
    "its audience with a slash": lambda issuer: f"Bearer {issuer.token(f'{OURS}/', CALLER)}",
    "bearer in lower case": lambda issuer: f"bearer {issuer.token(OURS, CALLER)}",
    "the other caller": lambda issuer: f"Bearer {issuer.token(OURS, 'another@demo.iam.gserviceaccount.com')}",
    "the short issuer": lambda issuer: signed(issuer, iss="accounts.google.com"),
    "expired a moment ago": lambda issuer: signed(issuer, exp=now() - 3),
    "valid in a moment": lambda issuer: signed(issuer, iat=now() + 3),
}


@pytest.mark.parametrize("good", GOOD)
def test_a_token_of_the_platform_opens(platform: Called, issuer: Issuer, good: str) -> None:
    answer = call(platform, GOOD[good](issuer))
    assert (answer.status_code, answer.json) == (200, {"announced": 0})


def test_a_function_with_two_addresses_opens_at_both_and_at_no_third(called: Called, issuer: Issuer) -> None:
    other = "https://{function}-abcdefghij-ew.a.run.app"
    both = {**oidc_settings(issuer), "OIDC_AUDIENCE": f"{audience('{function}')},{other}"}
    called.containers = dict.fromkeys(called.containers, on_google(called, **both))
    for address in (OURS, other.replace("{function}", "sweep")):
        assert call(called, f"Bearer {issuer.token(address, CALLER)}").status_code == 200
    problem(call(called, f"Bearer {issuer.token(other.replace('{function}', 'work'), CALLER)}"), 401)


@pytest.mark.parametrize("function", INTERNAL)
def test_every_internal_function_wants_a_token_for_itself(platform: Called, issuer: Issuer, function: str) -> None:
    for other in set(INTERNAL) - {function}:
        problem(call(platform, f"Bearer {issuer.token(audience(other), CALLER)}", function), 401)
    answer = call(platform, f"Bearer {issuer.token(audience(function), CALLER)}", function)
    assert answer.status_code == 200, answer.text


# --- what does not ---------------------------------------------------------------------------------------------------


def hs256(issuer: Issuer) -> str:
    """Sign with the public certificate as if it were a shared secret."""
    head = {"alg": "HS256", "kid": issuer.key.id, "typ": "JWT"}
    unsigned = f"{segment(head)}.{segment(issuer.claims(OURS, CALLER))}"
    mac = hmac.new(issuer.key.certificate.encode(), unsigned.encode(), hashlib.sha256).digest()
    return f"Bearer {unsigned}.{segment_of(mac)}"


def segment_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def tampered(issuer: Issuer) -> str:
    """Put our audience into a token that was signed for another."""
    head, _, signature = issuer.token(audience("work"), CALLER).split(".")
    return f"Bearer {head}.{segment(issuer.claims(OURS, CALLER))}.{signature}"


def cut(issuer: Issuer, instead: str) -> str:
    """Put something else in the signature's place."""
    return f"{signed(issuer).rpartition('.')[0]}.{instead}"


BAD: dict[str, Callable[[Issuer], str | None]] = {
    "expired": lambda issuer: signed(issuer, iat=now() - 3700, exp=now() - 60),
    "not valid yet": lambda issuer: signed(issuer, iat=now() + 60),
    "no expiry": lambda issuer: signed(issuer, exp=None),
    "an expiry that is no number": lambda issuer: signed(issuer, exp="tomorrow"),
    "another function's": lambda issuer: signed(issuer, aud=audience("work")),
    "another project's": lambda issuer: signed(issuer, aud=OURS.replace("123456", "654321")),
    "no audience": lambda issuer: signed(issuer, aud=None),
    "several audiences": lambda issuer: signed(issuer, aud=[OURS, "https://other.example"]),
    "the setting itself as audience": lambda issuer: signed(issuer, aud=audience("{function}")),
    "a longer audience": lambda issuer: signed(issuer, aud=f"{OURS}/x"),
    "another issuer": lambda issuer: signed(issuer, iss="https://accounts.google.com.evil.example"),
    "an issuer like Google's": lambda issuer: signed(issuer, iss="https://securetoken.google.com/demo"),
    "no issuer": lambda issuer: signed(issuer, iss=None),
    "issuers in a list": lambda issuer: signed(issuer, iss=["https://accounts.google.com"]),
    "unsigned": lambda issuer: f"Bearer {segment({'alg': 'none'})}.{segment(issuer.claims(OURS, CALLER))}.",
    "unsigned, but named": lambda issuer: f"Bearer {issuer.key.sign(issuer.claims(OURS, CALLER), alg='none')}",
    "the certificate as a secret": hs256,
    "another's key by our name": lambda issuer: f"Bearer {Key().sign(issuer.claims(OURS, CALLER), kid=issuer.key.id)}",
    "another's key": lambda issuer: f"Bearer {Key().sign(issuer.claims(OURS, CALLER))}",
    "another's key without a name": lambda issuer: f"Bearer {Key().sign(issuer.claims(OURS, CALLER), kid=None)}",
    "a key's name that is none": lambda issuer: f"Bearer {issuer.key.sign(issuer.claims(OURS, CALLER), kid=['x'])}",
    "tampered with": tampered,
    "its signature removed": lambda issuer: cut(issuer, "SIGNATURE_REMOVED_BY_GOOGLE"),
    "no signature": lambda issuer: cut(issuer, ""),
    "claims that are none": lambda issuer: (
        f"Bearer {segment({'alg': 'RS256'})}.{segment_of(b'[1]')}.{segment_of(b'x')}"
    ),
    "deep claims": lambda issuer: f"Bearer {segment_of(b'[' * 20_000)}.{segment_of(b'{}')}.{segment_of(b'x')}",
    "garbage": lambda issuer: "Bearer garbage",
    "three parts of garbage": lambda issuer: "Bearer a.b.c",
    "garbage that is no ASCII": lambda issuer: "Bearer \xe4.\xf6.\xfc",
    "an empty bearer": lambda issuer: "Bearer ",
    "nothing": lambda issuer: None,
    "the token alone": lambda issuer: issuer.token(OURS, CALLER),
    "basic": lambda issuer: f"Basic {segment_of(b'user:password')}",
    "a token as basic": lambda issuer: f"Basic {issuer.token(OURS, CALLER)}",
    "the website's key": lambda issuer: f"Bearer {WEBSITE_KEYS[0]}",
    "an operator's token": lambda issuer: f"Bearer {OPERATOR_TOKEN}",
    "the local secret": lambda issuer: f"Bearer {INTERNAL_SECRET}",
}
STRANGERS: dict[str, Callable[[Issuer], str]] = {
    "a stranger's account": lambda issuer: f"Bearer {issuer.token(OURS, STRANGER)}",
    "a caller in capitals": lambda issuer: f"Bearer {issuer.token(OURS, CALLER.upper())}",
    "a caller and more": lambda issuer: f"Bearer {issuer.token(OURS, f'{CALLER}.evil.example')}",
    "a part of a caller": lambda issuer: f"Bearer {issuer.token(OURS, CALLER[2:])}",
    "all callers": lambda issuer: f"Bearer {issuer.token(OURS, f'another@demo.iam.gserviceaccount.com, {CALLER}')}",
    "an address that is not verified": lambda issuer: signed(issuer, email_verified=False),
    "an address of which nothing is said": lambda issuer: signed(issuer, email_verified=None),
    "an address verified in words": lambda issuer: signed(issuer, email_verified="true"),
    "no address": lambda issuer: signed(issuer, email=None),
    "addresses in a list": lambda issuer: signed(issuer, email=[CALLER]),
}


@pytest.mark.parametrize("bad", BAD)
def test_anything_else_is_401_and_does_nothing(platform: Called, issuer: Issuer, bad: str) -> None:
    with platform.changing_nothing():
        problem(call(platform, BAD[bad](issuer)), 401)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_right_token_of_somebody_else_is_403_and_does_nothing(
    platform: Called, issuer: Issuer, stranger: str
) -> None:
    with platform.changing_nothing():
        problem(call(platform, STRANGERS[stranger](issuer)), 403)


def test_the_local_secret_opens_nothing_on_google(platform: Called, issuer: Issuer) -> None:
    problem(call(platform, None, X_Pledge_Internal=INTERNAL_SECRET), 401)
    problem(call(platform, STRANGERS["a stranger's account"](issuer), X_Pledge_Internal=INTERNAL_SECRET), 403)


def test_a_token_opens_nothing_where_the_secret_counts(called: Called, issuer: Issuer) -> None:
    problem(call(called, signed(issuer)), 401)


def test_a_refusal_is_logged_by_its_kind_and_nothing_of_a_token_ever(
    platform: Called, issuer: Issuer, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens = [make(issuer) for make in (*BAD.values(), *STRANGERS.values())]
    for token in tokens:
        call(platform, token)
    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    assert [(line["event"], line["function"]) for line in lines] == [("caller_refused", "sweep")] * len(tokens)
    assert [line["code"] for line in lines] == ["Unauthenticated"] * len(BAD) + ["Forbidden"] * len(STRANGERS)
    assert not [part for token in tokens for part in parts(token) if part in out + err]
    assert not [word for word in (CALLER, STRANGER, OURS) if word in out + err]


def test_a_refusal_does_not_repeat_what_was_sent(platform: Called, issuer: Issuer) -> None:
    for make in (*BAD.values(), *STRANGERS.values()):
        token = make(issuer)
        answer = call(platform, token).text
        assert not [part for part in (*parts(token), CALLER, STRANGER, OURS) if part in answer]


def parts(authorization: str | None) -> list[str]:
    """Return the parts of a token that are long enough to be found again."""
    return [part for part in re.split(r"[ .]", authorization or "") if len(part) > 10]


# --- the issuer's keys -----------------------------------------------------------------------------------------------


class Moments:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    """Return an issuer that a test may turn on, off and around."""
    with Issuer() as running:
        yield running


@pytest.fixture
def moments(platform: Called, own_issuer: Issuer) -> Moments:
    """Return the clock of the certificates' age."""
    moments = Moments()
    certificates = Certificates(own_issuer.certs_url, moments)
    platform.containers["sweep"].__dict__["caller_tokens"] = CallerTokens(
        [audience("{function}")], [CALLER], certificates
    )
    return moments


def status(platform: Called, issuer: Issuer, key: Key | None = None) -> int:
    token = (key or issuer.key).sign(issuer.claims(OURS, CALLER))
    return call(platform, f"Bearer {token}").status_code


def test_certificates_are_fetched_once_an_hour(platform: Called, own_issuer: Issuer, moments: Moments) -> None:
    for moments.now in (0, 1, 3599):
        assert status(platform, own_issuer) == 200
    assert own_issuer.fetched == 1
    moments.now = 3601
    assert status(platform, own_issuer) == 200
    assert own_issuer.fetched == 2


def test_a_new_key_is_known_within_a_minute_and_the_old_one_stays(
    platform: Called, own_issuer: Issuer, moments: Moments
) -> None:
    old = own_issuer.key
    assert status(platform, own_issuer) == 200
    own_issuer.rotate()
    assert status(platform, own_issuer) == 401, "nobody asks twice in a minute"
    moments.now = 61
    assert status(platform, own_issuer) == 200
    assert status(platform, own_issuer, old) == 200
    assert own_issuer.fetched == 2


def test_a_withdrawn_key_opens_nothing_after_an_hour(platform: Called, own_issuer: Issuer, moments: Moments) -> None:
    old = own_issuer.key
    assert status(platform, own_issuer) == 200
    own_issuer.rotate(withdraw=True)
    moments.now = 3601
    assert status(platform, own_issuer, old) == 401
    assert status(platform, own_issuer) == 200


def test_strangers_keys_make_nobody_ask_more_than_once_a_minute(
    platform: Called, own_issuer: Issuer, moments: Moments
) -> None:
    stranger = Key()
    for moments.now in range(0, 300, 10):
        assert status(platform, own_issuer, stranger) == 401
    assert own_issuer.fetched == 5


def test_an_issuer_that_does_not_answer_is_503_and_then_works(
    platform: Called, own_issuer: Issuer, moments: Moments, capsys: pytest.CaptureFixture[str]
) -> None:
    own_issuer.stop()
    with platform.changing_nothing():
        problem(call(platform, f"Bearer {own_issuer.token(OURS, CALLER)}"), 503)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["code"]) == ("unavailable", "certificates_unavailable")
    own_issuer.start()
    assert status(platform, own_issuer) == 200
    own_issuer.stop()
    moments.now = 3599
    assert status(platform, own_issuer) == 200, "what is kept is enough"
    moments.now = 3601
    assert status(platform, own_issuer) == 503


@pytest.mark.parametrize(
    "published", [{}, [], {"keys": [{"kid": "x"}]}, {"x": None}], ids=["none", "a list", "JWKS", "no text"]
)
def test_certificates_of_another_shape_are_none(published: Any) -> None:
    class Strange(Issuer):
        def certificates(self) -> Any:
            return published

    with Strange() as strange, pytest.raises(TryAgain, match="certificates_unusable"):
        Certificates(strange.certs_url).knowing("x")


def test_an_address_without_certificates_is_unusable(own_issuer: Issuer) -> None:
    with pytest.raises(TryAgain, match="certificates_unusable"):
        Certificates(own_issuer.certs_url.replace("/certs", "/nothing")).knowing("x")


def test_many_at_once_fetch_once(platform: Called, own_issuer: Issuer, moments: Moments) -> None:
    certificates = Certificates(own_issuer.certs_url, moments)
    together = threading.Barrier(8)

    def ask(_: int) -> object:
        together.wait()
        return certificates.knowing(own_issuer.key.id)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert found == [own_issuer.certificates()] * 8
    assert own_issuer.fetched == 1


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", ["OIDC_AUDIENCE", "OIDC_CALLERS", "OIDC_CERTS_URL"])
def test_nothing_opens_while_a_setting_is_absent(
    called: Called, issuer: Issuer, absent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    called.containers["sweep"] = on_google(called, **(oidc_settings(issuer) | {absent: ""}))
    with called.changing_nothing():
        problem(call(called, signed(issuer)), 500)
        problem(call(called, None), 500)
    line = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (line["event"], line["code"]) == ("crashed", "Misconfigured")


def test_callers_of_nothing_but_commas_are_absent(issuer: Issuer) -> None:
    with pytest.raises(Misconfigured, match="OIDC_CALLERS"):
        caller_tokens(Settings(oidc_settings(issuer) | {"OIDC_CALLERS": " , ,"}))


def test_in_the_cloud_only_googles_certificates_count() -> None:
    assert certificates_url(Settings({"RUNTIME": "gcp"})) == GOOGLES_CERTIFICATES
    assert (
        certificates_url(Settings({"RUNTIME": "gcp", "OIDC_CERTS_URL": GOOGLES_CERTIFICATES})) == GOOGLES_CERTIFICATES
    )
    for other in ("http://127.0.0.1:8080/certs", "https://certs.example/", f"{GOOGLES_CERTIFICATES}.evil.example"):
        with pytest.raises(Misconfigured, match="OIDC_CERTS_URL"):
            certificates_url(Settings({"RUNTIME": "gcp", "OIDC_CERTS_URL": other}))


@pytest.mark.parametrize("beside", [{"RUNTIME": "local"}, {"RUNTIME": "gcp", "TASKS_EMULATOR_HOST": "127.0.0.1:1"}])
def test_on_this_machine_only_its_own_certificates_count(beside: dict[str, str]) -> None:
    assert certificates_url(Settings(beside | {"OIDC_CERTS_URL": "http://127.0.0.1:1/certs"}))
    for other in ("", "http://certs.example/", GOOGLES_CERTIFICATES):
        with pytest.raises(Misconfigured, match="OIDC_CERTS_URL"):
            certificates_url(Settings(beside | {"OIDC_CERTS_URL": other}))
