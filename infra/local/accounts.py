"""The embedded twin of the website's sign-in accounts: documents of the website's, one for each user id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.website import WebsiteStore

COLLECTION = "identity_accounts"
"""Where the demo puts an account: `PUT /website/u1 {"documents": {"identity_accounts/u1": {…}}}`."""


class LocalAccounts:
    """The `WebsiteAccounts` port over any website of ours, the emulators' too: Identity Platform has none to offer."""

    horizon = timedelta(0)

    def __init__(self, website: WebsiteStore) -> None:
        self._website = website

    def read(self, user_id: str) -> dict[str, Any] | None:
        path = f"{COLLECTION}/{user_id}"
        return dict(self._website.below(path)).get(path)

    def delete(self, user_id: str) -> None:
        self._website.delete([f"{COLLECTION}/{user_id}"])

    def ping(self) -> None:
        self.read("ping")
