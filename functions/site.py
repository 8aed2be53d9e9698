"""`site`: the public keys, the description of the contract, and a page that says where to go."""

from __future__ import annotations

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.times import rfc3339

edge = Edge("site", browser=True)


@edge.route("GET", "/.well-known/jwks.json", "The public keys of receipts and statements")
def show_keys(call: Call[None]) -> Answer:
    return call.services.vault.jwks()


@edge.route("GET", "/.well-known/gpc.json", "That we honour Global Privacy Control")
def show_gpc(call: Call[None]) -> Answer:
    published = call.services.policies.current()
    return {"gpc": True, "lastUpdate": rfc3339(published.policy.published_at)[:10]}


@edge.route("GET", "/openapi.json", "This description")
def show_description(call: Call[None]) -> Answer:
    from functions.description import description

    return description(call.services.base_url)


@edge.route("GET", "/", "Where to go")
def show_front(call: Call[None]) -> Answer:
    base = call.services.base_url
    pages = {
        "policy": f"{base}/policy",
        "subprocessors": f"{base}/policy/subprocessors",
        "request": f"{base}/requests/new",
    }
    if call.wants_page():
        from infra.http.pages import html

        return html("site", company=call.services.company, pages=pages)
    return pages | {"description": f"{base}/openapi.json", "keys": f"{base}/.well-known/jwks.json"}
