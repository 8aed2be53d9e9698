"""`WEBSITE_DATA`: what the website itself holds about a person, declared so that it is exported and erased too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import msgspec

from shared.company import Part
from shared.failures import Misconfigured
from shared.identity import Identifiers

IDENTIFIERS = ("user_id", "email")
_FIELD = re.compile(r"\{([^{}]*)\}")
_QUERY = re.compile(r"(?P<collection>[\w-]+) where (?P<field>[\w.]+) == \{(?P<identifier>\w+)\}")
LONGEST_HORIZON_DAYS = 7
"""Cooling-off takes up to 5 days and the work one more: 6 + 7 = 13, before day 14."""


class Retain(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What law makes the website keep of a document: the named fields alone, for calendar years."""

    ground: str
    years: int
    fields: list[str]


class FirestoreRule(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either `documents` (a path and everything below it) or `query` (`collection where field == {identifier}`)."""

    documents: str | None = None
    query: str | None = None
    retain: Retain | None = None


class Horizons(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Days until the last copy in backups, PITR and soft delete is gone, for each store."""

    firestore: int = 0
    storage: int = 0


class WebsiteData(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole declaration."""

    firestore: list[FirestoreRule] = []
    storage: list[str] = []
    identity: bool = False
    horizon_days: Horizons = Horizons()

    def horizon(self) -> int:
        """Return the longest horizon, in days."""
        return max(self.horizon_days.firestore, self.horizon_days.storage)

    def bucket(self) -> str | None:
        """Return the first bucket named."""
        return split_location(self.storage[0])[0] if self.storage else None


class Lookup(msgspec.Struct, frozen=True):
    """A parsed `query`."""

    collection: str
    field: str
    identifier: str


def website_data_from(value: Any) -> WebsiteData:
    """Check the parsed file. Raises Misconfigured; a template without an identifier could name everybody's data."""
    try:
        declared = msgspec.convert(value or {}, WebsiteData)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"WEBSITE_DATA: {error}") from error
    for rule in declared.firestore:
        _check_rule(rule)
    for location in declared.storage:
        bucket, path = split_location(location)
        if _FIELD.search(bucket):
            raise Misconfigured(f"WEBSITE_DATA: {location}: a bucket is named, not looked up")
        _check_template(path)
        _check_segments(path.removesuffix("/"), location)
    horizons = (declared.horizon_days.firestore, declared.horizon_days.storage)
    if min(horizons) < 0 or max(horizons) > LONGEST_HORIZON_DAYS:
        raise Misconfigured("WEBSITE_DATA: horizon_days: 6 days and the largest horizon must not pass day 13")
    return declared


def _check_rule(rule: FirestoreRule) -> None:
    if rule.retain is not None and (rule.retain.years < 1 or not rule.retain.ground.strip() or not rule.retain.fields):
        raise Misconfigured("WEBSITE_DATA: retain: a ground, one or more years, and one or more fields are needed")
    if (rule.documents is None) == (rule.query is None):
        raise Misconfigured("WEBSITE_DATA: firestore: each rule has either documents or query")
    if rule.query is not None:
        lookup(rule.query)
    _check_template(rule.documents or rule.query or "")
    if rule.documents:
        _check_segments(rule.documents.strip("/"), rule.documents)
    if rule.documents and len(rule.documents.strip("/").split("/")) % 2:
        raise Misconfigured(f"WEBSITE_DATA: {rule.documents} is a collection, not a document")


def _check_segments(path: str, template: str) -> None:
    if any(segment in {"", ".", ".."} for segment in path.split("/")):
        raise Misconfigured(f"WEBSITE_DATA: {template}: has an empty or dotted part")


def _check_template(template: str) -> None:
    named = _FIELD.findall(template)
    if not named:
        raise Misconfigured(f"WEBSITE_DATA: {template} names no identifier, so it would mean everybody's data")
    for name in named:
        if name not in IDENTIFIERS:
            raise Misconfigured(f"WEBSITE_DATA: {template}: {{{name}}} is not one of {', '.join(IDENTIFIERS)}")


def lookup(query: str) -> Lookup:
    """Parse `collection where field == {identifier}`."""
    found = _QUERY.fullmatch(query)
    if not found:
        raise Misconfigured(f"WEBSITE_DATA: {query}: write 'collection where field == {{user_id}}'")
    return Lookup(found["collection"], found["field"], found["identifier"])


def split_location(location: str) -> tuple[str, str]:
    """Split `gs://bucket/path/` into bucket and path. The path ends in `/` or names one file."""
    if not location.startswith("gs://") or "/" not in location[5:]:
        raise Misconfigured(f"WEBSITE_DATA: {location}: write gs://bucket/path/{{user_id}}/")
    bucket, _, path = location[5:].partition("/")
    return bucket, path


def values(identifier: str, known: Identifiers, addresses: list[str]) -> list[str]:
    """Return what an identifier stands for, for one account. `addresses`: those that are this person's alone."""
    if identifier == "email":
        return [one for one in known.addresses if one in addresses]
    return [known.user_id] if known.user_id else []


def filled(template: str, known: Identifiers, addresses: list[str]) -> list[str]:
    """Fill a template for one account; none when an identifier is unknown (never an empty one: it would match all)."""
    names = list(dict.fromkeys(_FIELD.findall(template)))
    choices = product(*(values(name, known, addresses) for name in names))
    # in one pass, so that a value that looks like a placeholder stays a value
    return [_in_one_pass(template, dict(zip(names, each, strict=True))) for each in choices]


def _in_one_pass(template: str, chosen: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda found: chosen[found[1]], template)
