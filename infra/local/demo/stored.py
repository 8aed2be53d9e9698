"""What the website's own store holds about one demo person: what was put in at sign-up, and what is there now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from infra.container import Container
from infra.local.demo.people import order_path, sample
from infra.local.demo.product import Product, path_of

LONGEST_SHOWN = 200
Fields = Mapping[str, Mapping[str, Any]]


class Row(NamedTuple):
    """One field. `now` is None when it is gone."""

    field: str
    now: str | None


class Place(NamedTuple):
    """One document or file, with its fields."""

    path: str
    kind: str
    rows: list[Row]


class Stored(NamedTuple):
    """All of it. `name` and `email` are None once the account is gone."""

    name: str | None
    email: str | None
    places: list[Place]

    @property
    def there(self) -> int:
        """Count the fields and files that are there now."""
        return sum(row.now is not None for place in self.places for row in place.rows)

    @property
    def put(self) -> int:
        """Count the fields and files there are or were."""
        return sum(len(place.rows) for place in self.places)


def stored(product: Product, container: Container, user_id: str) -> Stored:
    """Look it up live. The order is read by its number too: once pared down, it no longer says whose it was."""
    held = product.anyone("GET", path_of("website", user_id))
    documents: dict[str, Any] = dict(container.website.below(order_path(user_id))) | held["documents"]
    places = [*_places("document", _before(user_id, "documents"), documents)]
    files = {path: {"text": text} for path, text in held["files"].items()}
    places += _places("file", {path: {"text": ""} for path in _before(user_id, "files")}, files)
    account = documents.get(f"users/{user_id}", {})
    return Stored(_text(account.get("name")), _text(account.get("email")), places)


def _before(user_id: str, part: str) -> dict[str, Any]:
    # the names of the fields are the same for everybody: nobody's data needs keeping for this
    put: dict[str, Any] = sample(user_id, "", "", datetime.now(UTC))[part]
    return put


def _places(kind: str, before: Fields, now: Fields) -> Iterator[Place]:
    for path in dict.fromkeys([*before, *now]):
        there = now.get(path, {})
        fields = dict.fromkeys([*before.get(path, {}), *there])
        yield Place(path, kind, [Row(field, _text(there.get(field))) for field in fields])


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
