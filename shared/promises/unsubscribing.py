"""§6: whatever is not service mail carries a link that ends it with one press.

A link needs no store to be checked and works for years: a sealed value that only our keys make, and that every later keyset
still opens. It stops, and that needs no proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat

import msgspec

from shared import identity, suppressions
from shared.company import Company
from shared.failures import BadInput, NeverRetry
from shared.ports import Services
from shared.promises import objections
from shared.records import Suppression
from shared.store import Change, persist
from shared.suppressions import MARKETING
from shared.vault import b64url, b64url_all, unb64url

PLACE = "unsubscribe"
MOST_LINKS = 1000


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a link says: whose, and of which list. In as few bytes as it can: it stands in an address."""

    email: str
    name: str


class LinksWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"name": "list"}):
    """Which addresses links are for, and of which list: a purpose of direct marketing, or `marketing` for all of it."""

    emails: list[str]
    name: str


# --- links -----------------------------------------------------------------------------------------------------------


def token(services: Services, email: str, name: str) -> str:
    """Make the opaque token of a link: nobody else can make one, or read the address in it."""
    return b64url(services.vault.seal(PLACE, Link(email, name)))


def link(services: Services, email: str, name: str) -> str:
    """Return the address that a mail of this list carries, for RFC 8058 and for its last line."""
    return f"{services.base_url}/unsubscribe?t={token(services, email, name)}"


def preferences_link(services: Services, email: str) -> str:
    """Return the address of somebody's preference page; service mail carries it instead (TRUTH §12)."""
    (link,) = preferences_links(services, [email])
    return link


def preferences_links(services: Services, emails: Sequence[str]) -> list[str]:
    """Return the address of each one's preference page, in their order: many at once cost half of one by one."""
    page = f"{services.base_url}/unsubscribe/preferences?t="
    links = list(map(Link, emails, repeat(MARKETING)))
    return [page + token for token in b64url_all(services.vault.seal_all(PLACE, links))]


def links(services: Services, asked: LinksWanted) -> dict[str, str]:
    """Return a link for each address, by the address as it was sent. Raises BadInput by field."""
    if not 1 <= len(asked.emails) <= MOST_LINKS:
        raise BadInput(f"1 to {MOST_LINKS} addresses", "emails")
    checked(services.company, [asked.name], "list")
    exact = [identity.address(email, f"emails.{n}") for n, email in enumerate(asked.emails)]
    return {sent: link(services, email, asked.name) for sent, email in zip(asked.emails, exact, strict=True)}


def headers(services: Services, email: str, purpose: str) -> dict[str, str]:
    """Return the headers of a mail for this purpose (RFC 2369, RFC 8058); none for service mail, which nobody can stop."""
    if purpose not in lists(services.company):
        return {}
    mailbox = f"mailto:{services.company.contact}?subject=unsubscribe%20{purpose}"
    return {
        "List-Unsubscribe": f"<{link(services, email, purpose)}>, <{mailbox}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def opened(services: Services, sent: str) -> Link:
    """Return what a link says. Raises BadInput, with another way to opt out, for one that was not made here."""
    try:
        sealed = unb64url(sent)
        said = services.vault.unseal(PLACE, sealed)
    except (ValueError, NeverRetry):
        raise _unknown(services) from None
    if b64url(sealed) != sent:
        raise _unknown(services)
    return msgspec.convert(said, Link)


def another_way(services: Services) -> str:
    """Return the address of the form that stops marketing without any link."""
    return f"{services.base_url}/requests/new?right=objection"


def _unknown(services: Services) -> BadInput:
    elsewhere = f"to opt out without it, use {another_way(services)} or write to {services.company.contact}"
    return BadInput(f"this link was not made here, or a part of it is missing; {elsewhere}", "t")


# --- stopping -------------------------------------------------------------------------------------------


def lists(company: Company) -> list[str]:
    """Return what can be unsubscribed from: all direct marketing, and each purpose of it."""
    return [MARKETING, *(one.name for one in company.purposes if one.is_marketing)]


def titles(company: Company, name: str) -> list[str]:
    """Say in the company's words what belongs to a list; a purpose that is gone meanwhile was marketing."""
    known = {one.name: one.title for one in company.purposes if one.is_marketing}
    return [known[name]] if name in known else list(known.values())


def unsubscribe(services: Services, said: Link) -> None:
    """Stop what a link is of, at once. Again, it changes nothing."""
    # a purpose may be gone from the company's file years later: stop broadly
    stop(services, said.email, [said.name if said.name in lists(services.company) else MARKETING], "one_click")


def stop(services: Services, email: str, names: Sequence[str], via: str) -> None:
    """Stop these lists for an address, with evidence and what tells vendors, in one commit."""

    def attempt(_look: bool) -> None:
        if changes := _stops(services, email, names, via):
            services.commit(changes)

    persist(attempt)


def _stops(services: Services, email: str, names: Sequence[str], via: str) -> list[Change]:
    """A consent is withdrawn (Art. 7(3)); to anything else of direct marketing a no is an objection (Art. 21(2))."""
    asked = {one.name for one in services.company.purposes if one.legal_basis == "consent"}
    withdrawn = [name for name in names if name in asked]
    objected = [name for name in names if name not in asked]
    return [
        *(objections.stop(services, email, withdrawn, "withdrawn", via) if withdrawn else []),
        *(objections.stop(services, email, objected, "objection", via) if objected else []),
    ]


def checked(company: Company, names: Sequence[str], field: str) -> None:
    """Refuse what is no list, by the field. Raises BadInput."""
    known = lists(company)
    if any(name not in known for name in names):
        raise BadInput(one_of(known), field)


def one_of(names: Sequence[str]) -> str:
    """Return the rule that names what there is."""
    return f"one of {', '.join(names) or 'none'}"


def is_stopped(services: Services, said: Link) -> bool:
    """Tell whether a link has nothing left to stop."""
    standing = suppressions.chosen(services, said.email)
    return says_no(said.name if said.name in lists(services.company) else MARKETING, standing)


def says_no(name: str, standing: Mapping[str, Suppression]) -> bool:
    """Tell whether what an address said no to stops this list."""
    if name == MARKETING:
        return MARKETING in standing and not standing[MARKETING].except_for
    return name in standing or suppressions.from_all(standing, name) is not None
