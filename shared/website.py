"""§4, §5: the website's own data about a person, as `WEBSITE_DATA` names it: where it is met, found, and pared down."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from shared.identity import Identifiers
from shared.website_data import (
    FirestoreRule,
    Retain,
    WebsiteData,
    filled,
    lookup,
    split_location,
    values,
)

MOST_EXPORTED_BYTES = 40_000_000
"""Files of one export: several are made at once in one instance, and each is held in memory a few times over."""
Data = dict[str, Any]
"""A document: text, numbers, true, false, None, lists and maps as JSON has them, and `Native` for what JSON has not."""


class Native(msgspec.Struct, frozen=True):
    """A value JSON has no word for: its type and its text, both as Firestore's REST API writes them.

    `("timestampValue", "2026-03-01T12:00:00Z")`. It equals itself when read again, as a NaN would not, and is written
    back as it was. An export shows both.
    """

    type: str
    value: Any


class WebsiteStore(Protocol):
    """The website's documents and files. Twins: `LocalWebsite`, and `GoogleWebsite` for its own Firestore and buckets.

    Both pass `tests/contracts/website_contract.py`. Paths are the website's (`users/u1/notes/n1`), without a slash at
    either end. A path that could lead elsewhere raises BadInput. Raises TryAgain when it cannot answer now, NeverRetry
    when it never will: no permission, no such bucket, a file under a legal hold.
    """

    def below(self, path: str) -> list[tuple[str, Data]]:
        """Return the document and everything below it by path, also where a document in between is missing."""
        ...

    def matching(self, collection: str, field: str, value: str) -> list[tuple[str, Data]]:
        """Return the documents of every collection of this id, at any depth, whose (dotted) field is the value; by path."""
        ...

    def write(self, path: str, data: Data) -> None:
        """Write a whole document, whatever was there."""
        ...

    def delete(self, paths: Sequence[str]) -> None:
        """Delete documents, absent ones too, in this order: after a crash the later ones are still there."""
        ...

    def list_files(self, bucket: str, prefix: str) -> list[str]:
        """Return the paths of all files below a prefix that ends in `/`, or the one file of exactly this path."""
        ...

    def read_file(self, bucket: str, path: str) -> bytes | None:
        """Return a file's content, or None."""
        ...

    def write_file(self, bucket: str, path: str, content: bytes) -> None:
        """Write a whole file, whatever was there."""
        ...

    def delete_file(self, bucket: str, path: str) -> None:
        """Delete a file; absent is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the website holds: documents by path, which of them law keeps in part, and files as (bucket, path)."""

    documents: dict[str, Data] = field(default_factory=dict)
    retain: dict[str, Retain] = field(default_factory=dict)
    files: list[tuple[str, str]] = field(default_factory=list)


def holdings(
    website: WebsiteStore, declared: WebsiteData, known: Iterable[Identifiers], addresses: list[str]
) -> Holdings:
    """Find all that is declared of these accounts. `addresses`: those that are this person's alone."""
    found = Holdings()
    for one in known:
        for rule in declared.firestore:
            for root in _roots(website, rule, one, addresses):
                _add(found, website, rule, root)
        found.files.extend(file for file in _files(website, declared, one, addresses) if file not in found.files)
    return found


def _add(found: Holdings, website: WebsiteStore, rule: FirestoreRule, root: str) -> None:
    documents = dict(website.below(root))
    found.documents.update(documents)
    if rule.retain and root in documents:
        found.retain[root] = _both(found.retain.get(root), rule.retain)


def _roots(website: WebsiteStore, rule: FirestoreRule, known: Identifiers, addresses: list[str]) -> list[str]:
    if rule.query:
        where = lookup(rule.query)
        wanted = values(where.identifier, known, addresses)
        return [path for value in wanted for path, _ in website.matching(where.collection, where.field, value)]
    template = (rule.documents or "").strip("/")
    # an e-mail address may hold a slash, a document's id never: such a path would be somebody else's document
    return [path for path in filled(template, known, addresses) if path.count("/") == template.count("/")]


def _files(
    website: WebsiteStore, declared: WebsiteData, known: Identifiers, addresses: list[str]
) -> Iterator[tuple[str, str]]:
    for location in declared.storage:
        # split before it is filled: an identifier must never choose the bucket
        bucket, template = split_location(location)
        for prefix in filled(template, known, addresses):
            yield from ((bucket, path) for path in website.list_files(bucket, prefix))


def _both(first: Retain | None, second: Retain) -> Retain:
    """Join two rules that keep parts of one document: what either law asks for stays, for the longer time."""
    if first is None or first == second:
        return second
    grounds = dict.fromkeys([first.ground, second.ground])
    fields = dict.fromkeys([*first.fields, *second.fields])
    return Retain(ground="; ".join(grounds), years=max(first.years, second.years), fields=list(fields))


_ABSENT = object()


def has(data: Data, field: str, value: str) -> bool:
    """Tell whether the (dotted) field is exactly this text."""
    return bool(_at(data, field) == value)


def only(data: Data, fields: Iterable[str]) -> Data:
    """Return the document with nothing but these (dotted) fields; those it does not have are left out."""
    pared: Data = {}
    for path in fields:
        value = _at(data, path)
        if value is not _ABSENT:
            *outer, last = path.split(".")
            place = pared
            for name in outer:
                place = place.setdefault(name, {})
            place[last] = value
    return pared


def _at(data: Any, field: str) -> Any:
    for name in field.split("."):
        if not isinstance(data, dict) or name not in data:
            return _ABSENT
        data = data[name]
    return data


def read_files(
    website: WebsiteStore, files: Iterable[tuple[str, str]], most_bytes: int = MOST_EXPORTED_BYTES
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Read (bucket, path) files for an export, by place; and list those beyond the limit, with how large they are."""
    read: dict[str, bytes] = {}
    left_out: list[dict[str, Any]] = []
    for bucket, path in files:
        place, content = f"gs://{bucket}/{path}", website.read_file(bucket, path)
        if content is not None and len(content) <= most_bytes:
            most_bytes -= len(content)
            read[place] = content
        elif content is not None:
            left_out.append({"file": place, "bytes": len(content)})
    return read, left_out


def readable(content: bytes) -> str | dict[str, str]:
    """Return a file for an export: its text when it is UTF-8, else `{"base64": …}`."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
