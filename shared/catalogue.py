"""What a version of the policy promises beside its text: controller, purposes, recipients; and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from shared.annex import Subprocessor
from shared.company import Company
from shared.vault import canonical

LISTS = {"purposes": "purposes", "recipients": "annex"}


def catalogue(company: Company, annex: Sequence[Subprocessor]) -> dict[str, Any]:
    """Return what a version promises beside its text. JSON-able."""
    described = {
        "controller": {"name": company.name, "address": company.address, "contact": company.contact},
        "authority": company.authority,
        "minimum_age": company.minimum_age,
        "purposes": company.purposes,
        "annex": list(annex),
        "not_used": sorted(company.not_used),
    }
    return msgspec.json.decode(msgspec.json.encode(described), type=dict[str, Any])


def fingerprint(described: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a catalogue, hexadecimal."""
    return sha256(canonical(described)).hexdigest()


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """What a field was and what it is; None where it is not said."""

    old: Any
    new: Any


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is in both, and its fields that differ, with what they were and are."""

    name: str
    title: str
    fields: list[str]
    values: dict[str, Values] = {}


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """How two lists differ: titles of what came and what went, by name, and what changed."""

    added: dict[str, str] = {}
    removed: dict[str, str] = {}
    changed: list[Changed] = []


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """How two catalogues differ. `company`: which of the controller, the authority and the minimum age."""

    purposes: Entries
    recipients: Entries
    company: list[str] = []

    @property
    def is_any(self) -> bool:
        """Tell whether anything differs."""
        lists = (self.purposes, self.recipients)
        return bool(self.company) or any(one.added or one.removed or one.changed for one in lists)


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Differing:
    """Compare two catalogues. A recipient that is not used any more counts as gone."""
    found = {name: _entries(_listed(old, key), _listed(new, key)) for name, key in LISTS.items()}
    company = [key for key in ("controller", "authority", "minimum_age") if old.get(key) != new.get(key)]
    return Differing(purposes=found["purposes"], recipients=found["recipients"], company=company)


def _listed(one: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    idle = one.get("not_used", []) if key == "annex" else []
    return {entry["name"]: entry for entry in one[key] if entry["name"] not in idle}


def _entries(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> Entries:
    return Entries(
        added={name: entry["title"] for name, entry in new.items() if name not in old},
        removed={name: entry["title"] for name, entry in old.items() if name not in new},
        changed=[
            Changed(name=name, title=entry["title"], fields=_fields(old[name], entry), values=_values(old[name], entry))
            for name, entry in new.items()
            if name in old and old[name] != entry
        ],
    )


def _fields(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _values(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Values]:
    return {name: Values(old=old.get(name), new=new.get(name)) for name in _fields(old, new)}
