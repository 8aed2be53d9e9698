"""How a connector reaches its vendor: nowhere but there."""

from __future__ import annotations

from typing import Any
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, build_opener

from infra.settings import is_loopback


def opener_to(base_url: str) -> OpenerDirector:
    """Return an opener that follows no redirect, since the key would go along, and takes no proxy to the sandbox."""
    # a proxy from the environment must not get to see what stays on this machine
    return build_opener(_NoRedirect, *([ProxyHandler({})] if is_loopback(base_url) else []))


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: the redirect itself then counts as the answer, and is refused."""
