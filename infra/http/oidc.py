"""Who calls an internal function, or as an operator, on Google Cloud: an ID token that Google signed, for this function, for
an account we allow.

Cloud Run's own check of the caller stands before this one; here it is made again, so that a service opened by mistake
stays shut. It needs the token's signature, which Cloud Run passes on in `Authorization` and in no other header. Tokens
count real time: the product's clock may be ahead. Nothing of a token is ever logged.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from infra.settings import Settings
from shared.failures import Forbidden, Misconfigured, TryAgain, Unauthenticated

GOOGLES_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
ISSUERS = ("accounts.google.com", "https://accounts.google.com")
CLOCK_SKEW_SECONDS = 10
KEPT_SECONDS = 3600.0
ASKED_AGAIN_AFTER_SECONDS = 60.0
WAITED_SECONDS = 3.0
MOST_BYTES = 256 * 1024


class CallerTokens:
    """Checks bearer tokens. `audiences` may hold `{function}`, the function's name; `callers` are accounts' addresses.

    There may be several audiences: Cloud Run gives a service two addresses, and Eventarc calls by the other one.
    """

    def __init__(self, audiences: Collection[str], callers: Collection[str], certificates: Certificates) -> None:
        self._audiences = tuple(audiences)
        self._callers = tuple(callers)
        self._certificates = certificates

    def check(self, token: str, function: str) -> str:
        """Return the address of the account that calls this function.

        Raises Unauthenticated (no valid token for it), Forbidden (a stranger's), TryAgain (certificates unavailable).
        """
        claims = self._verified(token, [one.replace("{function}", function).rstrip("/") for one in self._audiences])
        if claims.get("iss") not in ISSUERS:
            raise _refusal()
        caller = claims.get("email")
        if claims.get("email_verified") is not True or caller not in self._callers:
            raise Forbidden("this account may not call this")
        return str(caller)

    def _verified(self, token: str, audiences: Sequence[str]) -> Mapping[str, Any]:
        # imported here: 60 ms that only internal functions need
        from google.auth import jwt
        from google.auth.exceptions import GoogleAuthError

        try:
            known = self._certificates.knowing(jwt.decode_header(token).get("kid"))  # type: ignore[no-untyped-call]
            ours = [*audiences, *(f"{one}/" for one in audiences)]
            claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
                token, known, audience=ours, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
            )
        except (GoogleAuthError, ValueError, TypeError, RecursionError):
            # its own words repeat the token
            raise _refusal() from None
        return claims


def _refusal() -> Unauthenticated:
    return Unauthenticated("send an ID token by Google for this function as a bearer", "Authorization")


class Certificates:
    """The issuer's certificates, by key id. `seconds`: a clock that only moves forward."""

    def __init__(self, url: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._seconds = seconds
        self._kept: Mapping[str, str] = {}
        self._fetched_at = self._asked_at = -math.inf
        self._fetching = threading.Lock()

    def knowing(self, key_id: object) -> Mapping[str, str]:
        """Return them: fetched anew after an hour, or for a key nobody has heard of, that at most once a minute.

        Raises TryAgain.
        """
        with self._fetching:
            now = self._seconds()
            old = now - self._fetched_at > KEPT_SECONDS
            unheard_of = key_id not in self._kept and now - self._asked_at > ASKED_AGAIN_AFTER_SECONDS
            if old or unheard_of:
                self._asked_at = now
                self._kept = _fetched(self._url)
                self._fetched_at = now
            return self._kept


def _fetched(url: str) -> Mapping[str, str]:
    # not by the library's own transport: `requests` costs 130 ms of a cold start
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.netloc, timeout=WAITED_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        found = json.loads(answer.read(MOST_BYTES)) if answer.status == 200 else None
    except (OSError, HTTPException, ValueError, RecursionError):
        raise TryAgain("certificates_unavailable") from None
    finally:
        connection.close()
    if not isinstance(found, dict) or not found or not all(isinstance(one, str) for one in found.values()):
        raise TryAgain("certificates_unusable")
    return found


def caller_tokens(settings: Settings, callers: str = "OIDC_CALLERS") -> CallerTokens:
    """Build the check from OIDC_AUDIENCE, the setting that names the accounts, and OIDC_CERTS_URL.

    Raises Misconfigured: nothing opens by default.
    """
    audiences, accounts = settings.listed("OIDC_AUDIENCE"), settings.listed(callers)
    for name, value in (("OIDC_AUDIENCE", audiences), (callers, accounts)):
        if not value:
            raise Misconfigured(f"{name} is not set")
    return CallerTokens(audiences, accounts, Certificates(certificates_url(settings)))


def certificates_url(settings: Settings) -> str:
    """Return where the certificates are: Google's in the cloud, loopback elsewhere, nothing else anywhere."""
    if settings.sheltered:
        return settings.vendor_base("OIDC_CERTS_URL") or ""
    if settings.text("OIDC_CERTS_URL") not in {None, GOOGLES_CERTIFICATES}:
        raise Misconfigured("OIDC_CERTS_URL: in the cloud only Google's own certificates count")
    return GOOGLES_CERTIFICATES
