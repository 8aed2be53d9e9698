"""§4, §5: the website's sign-in accounts, where `WEBSITE_DATA` says `identity: true`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

SECRETS = ("passwordHash", "salt", "rawPassword")
"""What an export leaves out: whoever gets hold of it could find the password."""


class WebsiteAccounts(Protocol):
    """One sign-in account for each user id. Twins: `LocalAccounts`, and `IdentityPlatform` for Google's.

    Both pass `tests/contracts/accounts_contract.py`. Raises TryAgain and NeverRetry. `horizon`: how long the last copy
    outlives a deletion.
    """

    @property
    def horizon(self) -> timedelta: ...

    def read(self, user_id: str) -> dict[str, Any] | None:
        """Return the account, JSON-able, or None."""
        ...

    def delete(self, user_id: str) -> None:
        """Delete the account; absent is fine."""
        ...

    def ping(self) -> None:
        """Check that we are let in."""
        ...


class NoAccounts:
    """The twin where the website declares none."""

    horizon = timedelta(0)

    def read(self, user_id: str) -> None:
        return None

    def delete(self, user_id: str) -> None:
        """Delete nothing."""

    def ping(self) -> None:
        """Do nothing."""
