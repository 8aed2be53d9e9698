"""The website's sign-in accounts at Google: Identity Platform, which is Firebase Authentication as well.

Over its REST API (Identity Toolkit v1, `projects.accounts`), as an administrator. Ids travel in the body alone. Accounts
inside a tenant of Identity Platform are not looked for.
"""

from __future__ import annotations

from datetime import timedelta
from http.client import BAD_REQUEST
from typing import Any

from infra.settings import Settings
from infra.subprocessors.google_transport import ApplicationDefaultToken, GoogleTransport
from shared.failures import NeverRetry, TryAgain

BASE = "https://identitytoolkit.googleapis.com/v1"
SCOPE = "https://www.googleapis.com/auth/identitytoolkit"
NOBODY = "pledge-ping"
"""A user id to ask for when nobody is meant."""


class IdentityPlatform:
    """The `WebsiteAccounts` port on one project. Needs `firebaseauth.users.get` and `firebaseauth.users.delete` there.

    `horizon`: Google removes a deleted user from live and backup systems within 180 days, the addresses it logged after
    a few weeks ("Privacy and Security in Firebase", Firebase Authentication).
    """

    horizon = timedelta(days=180)

    def __init__(self, transport: GoogleTransport, project: str) -> None:
        self._call = transport.call
        self._accounts = f"projects/{project}/accounts"

    def read(self, user_id: str) -> dict[str, Any] | None:
        users = self._call("POST", f"{self._accounts}:lookup", {"localId": [user_id]}).get("users", [])
        if not isinstance(users, list) or any(one.get("localId") != user_id for one in users):
            raise TryAgain("google_unreadable")
        return users[0] if users else None

    def delete(self, user_id: str) -> None:
        try:
            self._call("POST", f"{self._accounts}:delete", {"localId": user_id})
        except NeverRetry as refused:
            code = refused.code
        else:
            return
        # an account that is not there is refused like nonsense is: looking again tells them apart
        if code != f"google_{BAD_REQUEST}" or self.read(user_id) is not None:
            raise NeverRetry(code)

    def ping(self) -> None:
        self.read(NOBODY)


def identity_platform(settings: Settings) -> IdentityPlatform:
    """Build it for the website's project. Where we are sheltered, IDENTITY_API_BASE must name a loopback address."""
    project = settings.text("WEBSITE_PROJECT") or settings.needed("GOOGLE_CLOUD_PROJECT")
    base = settings.vendor_base("IDENTITY_API_BASE") or BASE
    token = (lambda: "sandbox") if settings.sheltered else ApplicationDefaultToken(SCOPE)
    return IdentityPlatform(GoogleTransport(base, token), project)
