"""Only our own pages may change something: no other site may post forms into a visitor's demo."""

from __future__ import annotations

from urllib.parse import urlsplit

import flask

from infra.local.demo.product import Refusal

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def refuse_other_sites(request: flask.Request, base_url: str) -> None:
    """Refuse what another site sent, and what does not say where it comes from. Raises Refusal (403)."""
    origin, fetched = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    # browsers send both, old ones the first alone; a page elsewhere can forge neither
    said = [
        one
        for one in (fetched and fetched == "same-origin", origin and _ours(origin, request, base_url))
        if one is not None
    ]
    if not said or not all(said):
        raise Refusal(403, "That came from another site", "only this demo's own buttons change something here")


def _ours(origin: str, request: flask.Request, base_url: str) -> bool:
    # the host too: a foreign name may have been made to point at this machine
    known = LOOPBACK | {urlsplit(base_url).hostname or ""}
    return urlsplit(origin).netloc == request.host and (urlsplit(origin).hostname or "") in known
