"""How this machine's platform proves to an internal function that it is the platform.

Embedded: a secret both know. On the emulators: an ID token, as Cloud Scheduler sends it, asked for where the metadata
server would be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode
from urllib.request import urlopen

from infra.container import Container
from infra.settings import Settings

RENEWED_AFTER_SECONDS = 1800
Credentials = Callable[[str], Mapping[str, str]]
"""Headers for a call of one function, by its name."""


def credentials(container: Container) -> Credentials:
    """Return what the local platform sends with its calls."""
    if container.settings.on_google:
        return IdTokens(container.settings).headers
    return lambda _: {"X-Pledge-Internal": container.internal_secret}


class IdTokens:
    """ID tokens of the first account of OIDC_CALLERS, one for each function, kept for half an hour."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.needed("OIDC_TOKENS_URL")
        self._audience = settings.needed("OIDC_AUDIENCE")
        self._email = settings.listed("OIDC_CALLERS")[0]
        self._kept: dict[str, tuple[float, str]] = {}

    def headers(self, function: str) -> Mapping[str, str]:
        """Return the header that authorises a call. Raises OSError when nobody gives out tokens."""
        renewed_at, token = self._kept.get(function, (0.0, ""))
        if time.monotonic() - renewed_at > RENEWED_AFTER_SECONDS or not token:
            token = self._ask(self._audience.replace("{function}", function))
            self._kept[function] = time.monotonic(), token
        return {"Authorization": f"Bearer {token}"}

    def _ask(self, audience: str) -> str:
        query = urlencode({"audience": audience, "email": self._email})
        with urlopen(f"{self._url}?{query}", timeout=5) as answer:
            token: str = answer.read().decode()
        return token
