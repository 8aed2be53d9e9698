"""The custom audiences of Meta's ad account: which there are, and taking people out of them by hashed address.

Meta keeps a customer list as hashes and tells nobody who is in one: a removal is counted, never read back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from infra.subprocessors.meta_transport import MetaTransport
from shared.failures import Misconfigured, NeverRetry, TryAgain

FIELDS = "id,account_id,subtype,operation_status"
PAGE = 20
"""How many audiences Meta advises to ask for at once."""
MOST_AT_ONCE = 10_000
UPLOADED = "CUSTOM"
"""The subtype of customer lists. Meta computes all others from what it saw; nobody can be taken out of those by a list."""
FLAGGED = 471
LOCKED = frozenset({"meta_100_1713230", "meta_2650_1870145"})
"""Refusals of an audience that is flagged, or being replaced just now."""
TOO_SMALL = "meta_200_1870047"
LOCKED_SECONDS = 6 * 3600
STRIPPED = " \t\r\n\0\x0b."


class _Status(msgspec.Struct):
    code: int = 0


class _Audience(msgspec.Struct):
    id: str
    account_id: str | int | None = None
    subtype: str = UPLOADED
    operation_status: _Status | None = None


class _Cursors(msgspec.Struct):
    after: str = ""


class _Paging(msgspec.Struct):
    cursors: _Cursors | None = None
    next: str | None = None


class _Page(msgspec.Struct):
    data: list[_Audience]
    paging: _Paging | None = None


class _Account(msgspec.Struct):
    id: str


class _Removed(msgspec.Struct):
    num_received: int
    num_invalid_entries: int = 0


class Removal(msgspec.Struct):
    """How often each thing happened, in audiences; `received` and `invalid` are entries, as Meta counts them."""

    audiences: int = 0
    received: int = 0
    invalid: int = 0
    made_by_meta: int = 0
    shared_by_others: int = 0
    too_small: int = 0
    locked: int = 0


class MetaAudiences:
    """The audiences of one ad account (`act_{digits}`, or the digits alone)."""

    def __init__(self, transport: MetaTransport, ad_account: str) -> None:
        self._number = ad_account.removeprefix("act_")
        if not (self._number.isascii() and self._number.isdecimal()):
            raise Misconfigured("META_AD_ACCOUNT: act_ and digits are needed")
        self._transport = transport
        self._account = f"act_{self._number}"

    def check(self) -> None:
        """Ask for the ad account and its first audience. Raises TryAgain, NeverRetry."""
        self._transport.get(_Account, self._account, query={"fields": "id,name"})
        self._transport.get(_Page, self._account, "customaudiences", query={"fields": "id", "limit": "1"})

    def remove(self, addresses: Sequence[str]) -> Removal:
        """Take addresses out of every customer list; one that was never in does no harm.

        Raises TryAgain at the end, when all others are done, if an audience is locked.
        """
        hashes = [hashed(address) for address in addresses]
        removal = Removal()
        for audience in list(self._audiences()):
            self._remove(audience, hashes, removal)
        if removal.locked:
            raise TryAgain("meta_audience_locked", LOCKED_SECONDS)
        return removal

    def _audiences(self) -> Iterator[_Audience]:
        query = {"fields": FIELDS, "limit": str(PAGE)}
        seen = {""}
        while True:
            page = self._transport.get(_Page, self._account, "customaudiences", query=query)
            yield from page.data
            # an empty page may have a next one; its whole address is not followed, since it holds the token
            if page.paging is None or page.paging.next is None:
                return
            after = page.paging.cursors.after if page.paging.cursors else ""
            if after in seen:
                raise TryAgain("meta_unreadable")
            seen.add(after)
            query["after"] = after

    def _remove(self, audience: _Audience, hashes: Sequence[str], removal: Removal) -> None:
        if audience.account_id is not None and str(audience.account_id) != self._number:
            removal.shared_by_others += 1
        elif audience.subtype != UPLOADED:
            removal.made_by_meta += 1
        elif audience.operation_status and audience.operation_status.code == FLAGGED:
            removal.locked += 1
        else:
            self._remove_from_list(audience.id, hashes, removal)

    def _remove_from_list(self, audience: str, hashes: Sequence[str], removal: Removal) -> None:
        try:
            for start in range(0, len(hashes), MOST_AT_ONCE):
                removed = self._delete(audience, hashes[start : start + MOST_AT_ONCE])
                removal.received += removed.num_received
                removal.invalid += removed.num_invalid_entries
        except NeverRetry as refusal:
            if refusal.code not in {*LOCKED, TOO_SMALL}:
                raise
            removal.too_small += refusal.code == TOO_SMALL
            removal.locked += refusal.code in LOCKED
        else:
            removal.audiences += 1

    def _delete(self, audience: str, hashes: Sequence[str]) -> _Removed:
        payload = {"schema": "EMAIL_SHA256", "is_raw": False, "data": hashes}
        form = {"payload": msgspec.json.encode(payload).decode()}
        return self._transport.delete(_Removed, audience, "users", form=form)


def normalised(address: str) -> str:
    """Return an address as Meta hashes it: ends stripped, lower case. Inner dots and plus tags stay."""
    return address.strip(STRIPPED).lower()


def hashed(address: str) -> str:
    """Return the SHA-256 (64 lower-case hex digits) under which Meta keeps an address."""
    return hashlib.sha256(normalised(address).encode()).hexdigest()
