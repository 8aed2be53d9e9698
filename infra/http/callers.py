"""Who calls: anyone, the website's server, an operator, or our own platform."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import flask

from infra.http import log
from shared.failures import BadInput, Refused, Unauthenticated

if TYPE_CHECKING:
    from infra.container import Container


class Caller(NamedTuple):
    """The caller's kind, and for an operator their name."""

    kind: str
    name: str = ""

    @property
    def is_website(self) -> bool:
        """Tell whether the website's own server calls."""
        return self.kind == "website"


ANYONE = Caller("anyone")


def caller_of(request: flask.Request, services: Container, who: str, function: str) -> Caller:
    """Return the caller, or refuse: a bearer that is sent must be right, and must be there where `who` needs it.

    `function`: the name of the one that is called, kebab-case. Raises Unauthenticated (401), Forbidden (403), TryAgain.
    """
    if who == "internal":
        return _platform(request, services, function)
    sent = request.headers.get("Authorization")
    if who == "operator":
        return operator_by(_bearer(sent), services, function)
    if who == "form" or (sent is None and who == "anyone"):
        return ANYONE
    if not _matches(_bearer(sent), services.website_keys):
        raise Unauthenticated("send one of the website's keys as a bearer", "Authorization")
    return Caller("website")


def operator_by(token: str, services: Container, function: str) -> Caller:
    """Return the operator a token belongs to: a bearer's, or one typed into a page. Raises as `caller_of`."""
    if services.settings.runtime == "gcp":
        return Caller("operator", services.operator_identities.check(token, function))
    # every token is compared, whichever matches
    found = [name for name, right in services.operator_tokens if _matches(token, [right])]
    if not found:
        raise Unauthenticated("send an operator's token as a bearer", "Authorization")
    return Caller("operator", found[0])


def operator_typed(token: str, services: Container, function: str) -> str:
    """Return the name of the operator whose token was typed into a page. Raises BadInput, Unauthenticated, by that field."""
    if not token.strip():
        raise BadInput("an operator's token is needed", "token")
    try:
        return operator_by(token.strip(), services, function).name
    except Unauthenticated:
        raise Unauthenticated("this is no operator's token", "token") from None


def _platform(request: flask.Request, services: Container, function: str) -> Caller:
    if services.settings.on_google:
        _check_token(request, services, function)
    elif not _matches(request.headers.get("X-Pledge-Internal", ""), [services.internal_secret]):
        raise Unauthenticated("only the platform itself calls this")
    return Caller("internal")


def _check_token(request: flask.Request, services: Container, function: str) -> None:
    try:
        services.caller_tokens.check(_bearer(request.headers.get("Authorization")), function)
    except Refused as refusal:
        # Cloud Run has let this caller through, so either its settings or ours are wrong: somebody must see it
        log.event("caller_refused", function, code=type(refusal).__name__)
        raise


def _bearer(sent: str | None) -> str:
    scheme, _, token = (sent or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _matches(token: str, right: Sequence[str]) -> bool:
    # every key is compared, in constant time each; an empty one never matches
    found = [hmac.compare_digest(token.encode("utf-8", "replace"), key.encode()) for key in right if key]
    return bool(token) and any(found)
