"""Answers: JSON with the right headers, RFC 9457 problems, and CORS for the company's own website."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import flask
import msgspec

from shared.failures import Refused

if TYPE_CHECKING:
    from infra.container import Container

JSON = "application/json"
PROBLEM = "application/problem+json"
Answer = Any
"""A JSON-able value, or a whole response."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LISTED = list(HEADERS.items())
_encode = msgspec.json.Encoder().encode


def json_answer(value: Any, status: int = 200, media: str = JSON) -> flask.Response:
    """Encode a value; a response passes as it is."""
    if isinstance(value, flask.Response):
        return value
    # headers as a list, with the type in it: the framework's own way of working them out costs as much as the rest
    return flask.Response([_encode(value)], status, [("Content-Type", media), *_LISTED])


def problem(refusal: Refused) -> dict[str, Any]:
    """Return RFC 9457 problem details; `errors` names the field and the rule."""
    details: dict[str, Any] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "detail": f"{refusal.field}: {refusal.rule}" if refusal.field else refusal.rule,
    }
    if refusal.field:
        details["errors"] = [{"field": refusal.field, "rule": refusal.rule}]
    return details


def problem_answer(refusal: Refused, page: bool, services: Container) -> flask.Response:
    """Answer a refusal as a page for a person, as problem details for a program."""
    if page:
        from infra.http.pages import html

        words = {"title": refusal.title, "rule": refusal.rule, "field": refusal.field}
        answer = html("problem", refusal.status, company=services.company, **words)
    else:
        answer = json_answer(problem(refusal), refusal.status, PROBLEM)
    if refusal.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in {429, 503}:
        answer.headers["Retry-After"] = "3600" if refusal.status == 429 else "5"
    if refusal.status == 405:
        answer.headers["Allow"] = refusal.rule
    return answer


def cors_headers(origin: str, allowed: Sequence[str]) -> Mapping[str, str]:
    """Let the company's own website, and nobody else's, read answers in a browser."""
    if origin not in allowed:
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def preflight(request: flask.Request, allowed: Sequence[str]) -> flask.Response:
    """Answer a CORS preflight (Fetch standard)."""
    headers = dict(cors_headers(request.headers.get("Origin", ""), allowed))
    if "Access-Control-Allow-Origin" in headers:
        headers |= {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Content-Type, Idempotency-Key, X-Device-Id",
            "Access-Control-Max-Age": "3600",
        }
    return flask.Response(status=204, headers=headers)
