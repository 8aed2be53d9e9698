"""SendGrid: marketing contacts, by address, and the job that erases what is held on an address."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from http.client import ACCEPTED, BAD_REQUEST, NOT_FOUND, OK
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.subprocessors.sendgrid_transport import Answer, settled
from shared.failures import NeverRetry, TryAgain

Json = dict[str, Any]
MOST_SEARCHED = 100
LISTS_ON_A_PAGE = 1000
ABSENT = {"error": "contact not found"}
"""What a search says of an address that no contact has. Any other error says nothing of that."""


class Contacts:
    """SendGrid's contacts. It changes them in jobs of its own time, so nothing here is done before it is read back."""

    def __init__(self, call: Callable[..., Answer]) -> None:
        self._call = call

    def search(self, addresses: Sequence[str]) -> tuple[dict[str, Json], list[str]]:
        """Return the contacts with one of the addresses, by id, and the addresses that SendGrid takes for none."""
        found: dict[str, Json] = {}
        invalid: list[str] = []
        for start in range(0, len(addresses), MOST_SEARCHED):
            batch = addresses[start : start + MOST_SEARCHED]
            answer, refused = self._tell(batch, "emails", "marketing", "contacts", "search", "emails")
            invalid += refused
            if answer and answer.status != NOT_FOUND:
                asked = [one for one in batch if one not in refused]
                found |= {contact["id"]: contact for contact in _told_of(answer.field(OK, "result"), asked)}
        return found, invalid

    def erase(self, addresses: Sequence[str]) -> tuple[list[str], list[str]]:
        """Have everything on these addresses erased; return the job's id and the addresses that SendGrid takes for none."""
        answer, invalid = self._tell(addresses, "email_addresses", "recipients", "erasejob")
        return [str(answer.field(ACCEPTED, "job_id"))] if answer else [], invalid

    def put(self, contact: Json, list_ids: Collection[str] = ()) -> None:
        """Create or change a contact; what is left out stays as it is."""
        lists = {"list_ids": list(list_ids)} if list_ids else {}
        self._call("put", "marketing", "contacts", body={"contacts": [contact], **lists}).expect(ACCEPTED)

    def own(self, addresses: Sequence[str]) -> list[Json]:
        """Return the contacts whose first address is one of these."""
        found, _ = self.search(addresses)
        return [contact for contact in found.values() if is_own(contact, addresses)]

    def remove(self, own: Sequence[Json]) -> list[str]:
        """Delete contacts and read back that they are gone; return the job's id, when there was anything to do."""
        if not own:
            # the same call without ids, asked in another way, would mean everybody
            return []
        answer = self._call("delete", "marketing", "contacts", query={"ids": ",".join(one["id"] for one in own)})
        settled(not self.own([one["email"] for one in own]))
        return [str(answer.field(ACCEPTED, "job_id"))]

    def list_names(self) -> dict[str, str]:
        """Return the names of all contact lists, by id."""
        names: dict[str, str] = {}
        query = {"page_size": str(LISTS_ON_A_PAGE)}
        while True:
            answer = self._call("get", "marketing", "lists", query=query)
            names |= {one["id"]: one["name"] for one in answer.field(OK, "result")}
            token = page_token(answer.body)
            if not token or token == query.get("page_token"):
                return names
            query["page_token"] = token

    def field_ids(self) -> dict[str, str]:
        """Return the ids of the custom fields, by name: they are read by name and written by id."""
        answer = self._call("get", "marketing", "field_definitions")
        return {one["name"]: one["id"] for one in answer.field(OK, "custom_fields")}

    def _tell(self, addresses: Sequence[str], field: str, *path: str) -> tuple[Answer | None, list[str]]:
        """Post the addresses, and again without those that a refusal names; None when none is left."""
        left, invalid = [*addresses], list[str]()
        while left:
            answer = self._call("post", *path, body={field: left}, answers=(NOT_FOUND, BAD_REQUEST))
            if answer.status != BAD_REQUEST:
                return answer, invalid
            named = _named(answer.body, left)
            if not named:
                raise NeverRetry("sendgrid_400")
            invalid += named
            left = [one for one in left if one not in named]
        return None, invalid


def _told_of(result: Any, addresses: Sequence[str]) -> Iterator[Json]:
    """Yield the contacts that a search names. Raises TryAgain unless it speaks of every address, by its own lower case."""
    for address in addresses:
        said = result.get(address.lower()) if isinstance(result, dict) else None
        contact = said.get("contact") if isinstance(said, dict) else None
        if isinstance(contact, dict) and contact.get("id"):
            yield contact
        elif said != ABSENT:
            raise TryAgain("sendgrid_unreadable")


def is_own(contact: Json, addresses: Collection[str]) -> bool:
    """Tell whether the contact's first address is one of these: a search finds second addresses of other people too."""
    return str(contact.get("email", "")).lower() in {one.lower() for one in addresses}


def shown(contact: Json, lists: dict[str, str]) -> Json:
    """Return a contact as a person reads it: what is filled in, and its lists by name."""
    held = {name: value for name, value in contact.items() if value and not name.startswith("_")}
    named = [{"id": one, "name": lists[one]} if one in lists else {"id": one} for one in held.pop("list_ids", [])]
    return held | ({"lists": named} if named else {})


def page_token(body: Json) -> str:
    """Return the token of the next page; empty at the end. The address itself is never followed."""
    following = str((body.get("_metadata") or {}).get("next") or "")
    return next(iter(parse_qs(urlsplit(following).query).get("page_token", [])), "")


def _named(refusal: Any, addresses: Sequence[str]) -> list[str]:
    errors = refusal.get("errors") if isinstance(refusal, dict) else None
    said = " ".join(str(value) for one in errors or [] if isinstance(one, dict) for value in one.values())
    return [
        one
        for one in addresses
        if re.search(rf"(?<![^\s\"'<(]){re.escape(one)}(?![^\s\"'>),;:.])", said, re.IGNORECASE)
    ]
