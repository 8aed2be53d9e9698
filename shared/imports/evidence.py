"""The evidence of a yes from before: what a file states of it, held against the versions that are published here.

A receipt claims what the row proves and no more. A version stands for a yes that was given when it was known here. Before
the first one was, nobody here knows what was shown: there the text itself, by its hash, must be the one of the version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from shared.failures import BadInput
from shared.imports.rows import Reading, Row
from shared.ports import Services
from shared.promises import policy
from shared.promises.consents import Method
from shared.records import InForce
from shared.times import rfc3339

NEEDED = ("policy_version", "method", "source")
COLUMNS = (*NEEDED, "text_sha256")
METHODS: tuple[str, ...] = get_args(Method)
WORD = re.compile(r"[^\W_][\w .,:;()'&+/-]{0,79}")
"""In any language, and no address: it stands in a receipt."""
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Evidence:
    """What a file states of a yes, by column. `was_known`: its version was known here when the yes was given."""

    stated: dict[str, str]
    was_known: bool

    @property
    def version(self) -> str:
        """Return the version that the guard compares with."""
        return self.stated["policy_version"]

    def notice(self) -> dict[str, Any]:
        """Return what a receipt says was shown: a version that was known then, a text that the file gives the hash of."""
        named = {"version": self.version} if self.was_known else {}
        hashed = {"sha256": self.stated["text_sha256"]} if "text_sha256" in self.stated else {}
        return {**named, **hashed, "stated_by": "file"}


@dataclass(frozen=True)
class _Known:
    """A version. `since`: from when on it was known; `asks`: the purposes that it asks for."""

    since: datetime
    hash: str
    asks: frozenset[str]


class Versions:
    """The versions that are published here, each read once."""

    def __init__(self, services: Services) -> None:
        pointer = services.store.get(InForce, policy.IN_FORCE)
        self._services = services
        self._history = pointer.record.history if pointer else []
        self._known: dict[str, _Known] = {}

    def evidence(self, row: Row, purpose: str, at: datetime) -> Evidence:
        """Return the evidence of a yes. Raises BadInput by the field that is missing or cannot be true."""
        said = stated(row)
        if said["policy_version"] not in self._history:
            raise BadInput("a version that is published here; the guard must be able to compare", "policy_version")
        version = self._version(said["policy_version"])
        if said.get("text_sha256", version.hash) != version.hash:
            raise BadInput("another text than that of the version in policy_version", "text_sha256")
        if purpose not in version.asks:
            raise BadInput("this version does not ask for the purpose", "policy_version")
        was_known = version.since <= at
        if not was_known:
            self._must_be_its_text(said, version, at)
        return Evidence(said, was_known)

    def _must_be_its_text(self, said: dict[str, str], version: _Known, at: datetime) -> None:
        known = f"known here since {rfc3339(version.since)}, which is after this yes"
        if self._version(self._history[0]).since <= at:
            raise BadInput(f"{known}; another version was known then", "policy_version")
        if "text_sha256" not in said:
            # the hash is all that can tie a text from before us to one of ours
            raise BadInput(f"{known}; text_sha256 must say that this very text was shown then", "policy_version")

    def _version(self, name: str) -> _Known:
        if name not in self._known:
            published = policy.read(self._services, name)
            one = published.policy
            asks = frozenset(each.name for each in published.purposes() if each.legal_basis == "consent")
            # only the first version may be older than we are; of a later one it is its publication
            self._known[name] = _Known(min(one.published_at, one.effective_at), one.hash, asks)
        return self._known[name]


def stated(row: Row) -> dict[str, str]:
    """Return what a row states of a yes, by column. Raises Faults."""
    reading = Reading()
    for name in NEEDED:
        reading.of(_word, row, name)
    reading.of(_method, row)
    reading.of(_hash, row)
    reading.end()
    return {name: row.cells[name] for name in COLUMNS if name in row.cells}


def _word(row: Row, name: str) -> None:
    if name not in row.cells:
        raise BadInput("no evidence, so it is not taken as a consent", name)
    if not WORD.fullmatch(row.cells[name]):
        raise BadInput("1 to 80 letters, digits, blanks and . , : ; ( ) ' & + _ / -", name)


def _method(row: Row) -> None:
    if row.cells.get("method") not in METHODS:
        raise BadInput(f"one of {', '.join(METHODS)}; how it was in your own words belongs in source", "method")


def _hash(row: Row) -> None:
    if "text_sha256" in row.cells and not HASH.fullmatch(row.cells["text_sha256"]):
        raise BadInput("64 hexadecimal digits, small letters", "text_sha256")
