"""The OpenAPI 3.1 description, made from the edges' own routes and types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import msgspec

from infra.http.edge import Edge, Route, is_optional

PUBLIC = (
    "policy",
    "consents",
    "requests",
    "subjects",
    "processing",
    "unsubscribe",
    "meta_callbacks",
    "sendgrid_events",
    "sendgrid_inbound",
    "operator",
    "site",
)
MEDIA = {"/sendgrid-inbound": "multipart/form-data"}
PLACEHOLDER = re.compile(r"<(?:[a-z]+(?:\([^)]*\))?:)?(\w+)>")
CHOICES = re.compile(r"<any\(([^)]*)\):(\w+)>")
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": {"type": "string"}, "rule": {"type": "string"}}},
        },
    },
}
# what a link in a mail carries; whoever handed the mail on may have put more behind it
FOLLOWED: dict[str, tuple[str, ...]] = {
    "/consents/confirm": ("t",),
    "/requests/{request_id}": ("key",),
    "/requests/{request_id}/confirm": ("t",),
    "/requests/{request_id}/accounts": ("key",),
    "/requests/{request_id}/cancel": ("t", "key"),
    "/requests/{request_id}/keep": ("t",),
    "/requests/{request_id}/export": ("key",),
    "/requests/{request_id}/statement": ("key",),
    "/unsubscribe": ("t",),
    "/unsubscribe/preferences": ("t",),
}


def description(base_url: str) -> dict[str, Any]:
    """Return the whole description."""
    routes = list(_routes())
    bodies = [route.body for _, route in routes if route.body is not None]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for path, route in routes:
        paths.setdefault(path, {})[route.method.lower()] = _operation(path, route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pledge",
            "version": "0.1.0",
            "description": "Keeps the promises in a company's privacy policy. Times are RFC 3339 UTC; errors RFC 9457.",
        },
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            "schemas": schemas | {"Problem": PROBLEM},
            "securitySchemes": {
                "website": {"type": "http", "scheme": "bearer", "description": "One of the website's keys"},
                "operator": {"type": "http", "scheme": "bearer", "description": "The operator's token"},
            },
        },
    }


def _routes() -> Iterator[tuple[str, Route]]:
    for name in PUBLIC:
        edge: Edge = import_module(f"functions.{name}").edge
        for route in edge.routes:
            prefix = "" if name == "site" else f"/{edge.name}"
            for rule in _spelled_out(route.path):
                path = PLACEHOLDER.sub(r"{\1}", prefix + rule)
                yield (path.rstrip("/") or "/"), route


def _spelled_out(rule: str) -> list[str]:
    """A path that takes one of a few words is as many paths."""
    found = CHOICES.search(rule)
    if not found:
        return [rule]
    return [rule.replace(found[0], word.strip()) for word in found[1].split(",")]


def _operation(path: str, route: Route) -> dict[str, Any]:
    named = re.findall(r"{(\w+)}", path)
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', path)}".rstrip("_"),
        "parameters": [_parameter(name, "path") for name in named]
        + [_parameter(name, "query") for name in route.query or FOLLOWED.get(path, ())],
        "responses": {
            str(route.status): {"description": "Done", "content": {"application/json": {"schema": {}}}},
            "default": {
                "description": "A problem, with the field and the rule",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = _body(route, MEDIA.get(path, "application/json"))
    if route.who in {"website", "operator"}:
        operation["security"] = [{route.who: []}]
    return operation


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _body(route: Route, media: str) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([route.body], ref_template="#/components/schemas/{name}")
    content = {media: {"schema": schema}}
    if route.form:
        content["application/x-www-form-urlencoded"] = {"schema": schema}
    return {"required": not is_optional(route.body), "content": content}
