"""SendGrid: who is not to be written to. Unsubscribe groups, the global list, and the four lists that are no opt-out.

A restriction uses the global list too. That it was us who put an address there is kept on our side, so that lifting it,
or erasing the person, never takes away an opt-out that the person chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from http.client import CREATED, NOT_FOUND, OK
from typing import Any

import msgspec

from infra.subprocessors.sendgrid_transport import Answer, settled
from shared.failures import NeverRetry, TryAgain
from shared.records import VendorRestriction
from shared.store import Conflict, Create, Delete, Put, Store, Stored, Update, persist
from shared.vault import Vault

Json = dict[str, Any]
OBJECTION = "objection"
"""What stands in place of a request's id where an objection put an address on a list."""
OTHER_LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails")


class SuppressionLists:
    """SendGrid's lists, one address at a time. Each change is read back."""

    def __init__(self, call: Callable[..., Answer], store: Store, vault: Vault) -> None:
        self._call = call
        self._store = store
        self._vault = vault

    # --- the four that are no opt-out --------------------------------------------------------------------------------

    def others(self, address: str) -> list[str]:
        """Return the names of those that hold the address."""
        return [name for name in OTHER_LISTS if self._listed(name, address)]

    def take_off(self, name: str, address: str) -> None:
        """Take the address off one of them."""
        self._call("delete", "suppression", name, address)
        settled(not self._listed(name, address))

    def _listed(self, name: str, address: str) -> list[Json]:
        answer = self._call("get", "suppression", name, address)
        return [] if answer.status == NOT_FOUND else list(answer.body)

    # --- opt-outs ----------------------------------------------------------------------------------------------------

    def everywhere(self, address: str) -> bool:
        """Tell whether the address is on the global list."""
        answer = self._call("get", "asm", "suppressions", "global", address)
        answer.expect(OK)
        return bool(answer.body)

    def groups_left(self, address: str) -> list[Json]:
        """Return the unsubscribe groups that hold the address."""
        groups = self._call("get", "asm", "suppressions", address).field(OK, "suppressions")
        return [group for group in groups if group["suppressed"]]

    def opted_out(self, address: str, others: Sequence[str]) -> bool:
        """Tell whether the person chose it: by SendGrid's lists, a report as spam, or a group, and not by our restriction."""
        by_choice = self.everywhere(address) and not self.restricted(address)
        return by_choice or "spam_reports" in others or bool(self.groups_left(address))

    def opt_out(self, address: str) -> None:
        """Put the address on the global list."""
        self._call("post", "asm", "suppressions", "global", body={"recipient_emails": [address]}).expect(CREATED)
        settled(self.everywhere(address))

    def entries(self, address: str) -> Iterator[Json]:
        """Yield every entry the address has, on any list."""
        for name in OTHER_LISTS:
            yield from ({"list": name, **entry} for entry in self._listed(name, address))
        for group in self.groups_left(address):
            yield {"list": "group", "email": address, "group": group["name"]}
        if self.everywhere(address):
            yield {"list": "global", "email": address}

    def carry(self, old: str, new: str, now: datetime) -> bool:
        """Have the new address say no to what the old one said no to; tell whether there was anything."""
        groups, others = self.groups_left(old), self.others(old)
        everywhere = "spam_reports" in others or (self.everywhere(old) and self._restriction(old) is None)
        if everywhere and (self.restricted(new) or not self.everywhere(new)):
            self.opt_out(new)
            self.release(new, keep=True)
        for group in groups:
            self._leave(group, new)
        if ours := self._restriction(old):
            self.restrict(new, ours.record.requests, now)
            self.release(old, keep=False)
        return everywhere or bool(groups)

    def _leave(self, group: Json, address: str) -> None:
        # an address added to a group that was deleted is put on the global list, and nothing says so
        if self._has_left(group, address) or self._call("get", "asm", "groups", str(group["id"])).status == NOT_FOUND:
            return
        before = self.everywhere(address)
        path = ("asm", "groups", str(group["id"]), "suppressions")
        self._call("post", *path, body={"recipient_emails": [address]}).expect(CREATED)
        left = self._has_left(group, address)
        if not left and not before and self.everywhere(address):
            self._take_off_globally(address)
        settled(left)

    def _has_left(self, group: Json, address: str) -> bool:
        return group["id"] in {one["id"] for one in self.groups_left(address)}

    # --- objection ---------------------------------------------------------------------------------------------------

    def object(self, address: str, now: datetime) -> bool:
        """Put the address on the global list for an objection; tell whether the person was there before, by their own."""
        return self.restrict(address, [OBJECTION], now)

    def unobject(self, address: str) -> bool:
        """Take away what `object` put there; tell whether there was anything."""
        return self.lift(address, OBJECTION)

    def leave_group(self, group: int, address: str, now: datetime) -> None:
        """Put the address on a group's list, remembering that it was us. Raises NeverRetry where there is no such group."""
        if self._has_left({"id": group}, address):
            return
        if self._call("get", "asm", "groups", str(group)).status == NOT_FOUND:
            raise NeverRetry("sendgrid_group_missing")
        mark = VendorRestriction(since=now, requests=[OBJECTION])
        self._store.commit([Put(self._group_mark(group, address), mark)])
        self._leave({"id": group}, address)

    def rejoin_group(self, group: int, address: str) -> bool:
        """Take the address off a group's list where it was us who put it there; tell whether it was."""
        mark = self._group_mark(group, address)
        if self._store.get(VendorRestriction, mark) is None:
            return False
        self._call("delete", "asm", "groups", str(group), "suppressions", address)
        settled(not self._has_left({"id": group}, address))
        self._store.commit([Delete(VendorRestriction, mark)])
        return True

    def _group_mark(self, group: int, address: str) -> str:
        return f"{self._mark(address)}:{group}"

    def is_ours(self, address: str, group: int | None = None) -> bool:
        """Tell whether it was us who put the address on the global list or on a group's, whatever for."""
        mark = self._mark(address) if group is None else self._group_mark(group, address)
        return self._store.get(VendorRestriction, mark) is not None

    # --- restriction -------------------------------------------------------------------------------------------------

    def restricted(self, address: str) -> bool:
        """Tell whether it was us who put the address on the global list, for a request and for no wish of the person's."""
        mark = self._restriction(address)
        return mark is not None and OBJECTION not in mark.record.requests

    def restrict(self, address: str, requests: Sequence[str], now: datetime) -> bool:
        """Put the address on the global list, remembering that it was us; tell whether the person was there before."""
        everywhere = self.everywhere(address)
        if everywhere and self._restriction(address) is None:
            return True
        # remembered first: after a crash in between, the entry must not pass for the person's own
        persist(lambda _: self._remember(address, requests, now))
        if not everywhere:
            self.opt_out(address)
        return False

    def lift(self, address: str, request: str) -> bool:
        """Take away what `restrict` added for this request and nothing else; tell whether it had added anything.

        What another request restricts as well stays as it is.
        """
        mark = self._restriction(address)
        if mark is None or request not in mark.record.requests:
            return False
        if mark.record.requests == [request]:
            self._take_away(address, mark)
        else:
            persist(lambda _: self._remember_less(address, request))
        return True

    def release(self, address: str, *, keep: bool) -> None:
        """Let nothing of the address be ours any more. `keep`: the entry stays, and counts as the person's own.

        What an objection put there, with `keep`, stays ours to take away: a later yes must be able to.
        """
        mark = self._restriction(address)
        if mark is None:
            return
        if keep and OBJECTION in mark.record.requests:
            if mark.record.requests != [OBJECTION]:
                only = msgspec.structs.replace(mark.record, requests=[OBJECTION])
                self._store.commit([Update(mark, only)])
            return
        if keep:
            self._store.commit([Delete(VendorRestriction, mark.id)])
        else:
            self._take_away(address, mark)

    def _take_away(self, address: str, mark: Stored[VendorRestriction]) -> None:
        if self.everywhere(address):
            self._take_off_globally(address)
        try:
            self._store.commit([Delete(VendorRestriction, mark.id, mark.version)])
        except Conflict:
            # another request began to count on the entry while it was taken away
            if self._restriction(address) is not None:
                self.opt_out(address)
            raise TryAgain("sendgrid_restricted_meanwhile") from None

    def _take_off_globally(self, address: str) -> None:
        self._call("delete", "asm", "suppressions", "global", address)
        settled(not self.everywhere(address))

    def _remember(self, address: str, requests: Sequence[str], now: datetime) -> None:
        mark = self._restriction(address)
        if mark is None:
            fresh = VendorRestriction(since=now, requests=list(requests))
            self._store.commit([Create(self._mark(address), fresh)])
        elif not set(requests) <= set(mark.record.requests):
            joined = list(dict.fromkeys([*mark.record.requests, *requests]))
            self._store.commit([Update(mark, msgspec.structs.replace(mark.record, requests=joined))])

    def _remember_less(self, address: str, request: str) -> None:
        mark = self._restriction(address)
        if mark and request in mark.record.requests:
            left = [one for one in mark.record.requests if one != request]
            self._store.commit([Update(mark, msgspec.structs.replace(mark.record, requests=left))])

    def _restriction(self, address: str) -> Stored[VendorRestriction] | None:
        return self._store.get(VendorRestriction, self._mark(address))

    def _mark(self, address: str) -> str:
        return f"{self._vault.keyed('sendgrid-restriction', address.strip().lower())}:sendgrid"
