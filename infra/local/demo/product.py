"""The product as those who use it meet it: over HTTP alone, as a browser, the website's server or the operator."""

from __future__ import annotations

import json
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from infra.container import Container

SECONDS = 60.0
# a proxy from the environment must not get to see what goes to this machine's own product
_open = build_opener(ProxyHandler({})).open


class Refusal(Exception):
    """What the product, or the demo itself, would not do. `place`: the part of the page that shows it."""

    def __init__(self, status: int, title: str, rule: str, field: str = "", place: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.rule = rule
        self.field = field
        self.place = place


class Product:
    """The public contract at the product's own address. Each call returns parsed JSON, or raises Refusal."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def anyone(self, method: str, path: str, body: Any = None) -> Any:
        """Call as a browser does, or as whoever holds this machine: without a key."""
        return self._call(method, path, body, {})

    def website(self, method: str, path: str, body: Any = None) -> Any:
        """Call as the website's server, with its key."""
        return self._call(method, path, body, {"Authorization": f"Bearer {self._container.website_keys[0]}"})

    def operator(self, method: str, path: str, body: Any = None) -> Any:
        """Call as the person who answers the privacy mailbox."""
        return self._call(method, path, body, self._operator)

    @cached_property
    def _operator(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._container.operator_tokens[0][1]}",
            "X-Operator": self._container.operators[0],
        }

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        headers = headers | {"Accept": "application/json", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._container.base_url + path, data, headers, method=method)
        try:
            with _open(request, timeout=SECONDS) as answer:
                return _parsed(answer.read())
        except HTTPError as error:
            with error:
                problem, status = error.read(), error.code
        except OSError:
            raise Refusal(HTTPStatus.BAD_GATEWAY, "No answer", "the product did not answer in time") from None
        raise _refusal(problem, status)


def path_of(*parts: str) -> str:
    """Build a path; each part is escaped whole."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        raise Refusal(HTTPStatus.BAD_GATEWAY, "No answer", "the product's answer could not be read") from None


def _refusal(raw: bytes, status: int) -> Refusal:
    """Read RFC 9457 problem details; what is none becomes a plain refusal."""
    try:
        details = json.loads(raw)
        named = (details.get("errors") or [{}])[0]
        rule = str(named.get("rule") or details.get("detail") or details["title"])
        return Refusal(status, str(details["title"]), rule, str(named.get("field") or ""))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Refusal(status, "The product refused this", f"it answered {status}")
