"""What every twin of the website's sign-in accounts must do: a test class to inherit, with a fixture `accounts`."""

from __future__ import annotations

import pytest

from shared.website_accounts import WebsiteAccounts

ADA = {"localId": "u1", "email": "ada@example.com", "displayName": "Ada"}


class AccountsContract:
    """Inherit, give `accounts` (empty) and say how somebody gets one."""

    @pytest.fixture
    def accounts(self) -> WebsiteAccounts:
        raise NotImplementedError

    def sign_up(self, accounts: WebsiteAccounts, user_id: str) -> None:
        raise NotImplementedError

    def test_an_account_is_read_deleted_and_then_absent(self, accounts: WebsiteAccounts) -> None:
        self.sign_up(accounts, "u1")
        assert (accounts.read("u1") or {})["email"] == "ada@example.com"
        for _ in range(2):
            accounts.delete("u1")
            assert accounts.read("u1") is None

    def test_nobody_who_is_called_alike_is_touched(self, accounts: WebsiteAccounts) -> None:
        for user in ("u1", "u10", "U1"):
            self.sign_up(accounts, user)
        accounts.delete("u1")
        assert [accounts.read(user) is not None for user in ("u1", "u10", "U1")] == [False, True, True]

    def test_a_ping_changes_nothing(self, accounts: WebsiteAccounts) -> None:
        self.sign_up(accounts, "u1")
        accounts.ping()
        assert accounts.read("u1") is not None
