"""What one vendor is to the sandbox: a name, routes, how it fails, and how its people are put there and found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from werkzeug.wrappers import Request, Response

from infra.local.sandbox.state import Body, Shelf


@dataclass(frozen=True)
class Call:
    """One call of a vendor's API, inside one transaction. `path` holds the values in the address."""

    shelf: Shelf
    now: datetime
    request: Request
    path: Mapping[str, Any]


Handler = Callable[[Call], Response]
Route = tuple[str, str, Handler]
"""Method, address below the vendor's base URL, handler."""


class Vendor(Protocol):
    """One vendor. A handler refuses by `werkzeug.exceptions.abort(response)`, which undoes what it wrote."""

    @property
    def name(self) -> str:
        """The name in addresses."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """The part of the vendor's API that the product uses."""
        ...

    def admit(self, request: Request, key: str | None) -> None:
        """Abort as the vendor does when the key is missing or wrong; without `key`, any is right."""
        ...

    def failure(self, status: int) -> Response:
        """Answer a failure in the vendor's own shape."""
        ...

    def put_person(self, shelf: Shelf, now: datetime, fields: Body) -> list[str]:
        """Create somebody; return the vendor's ids. Raises `shared.failures.BadInput` naming the field."""
        ...

    def find_person(self, shelf: Shelf, email: str | None, id: str | None) -> list[Body]:
        """Return everything held on somebody, each with its `kind`."""
        ...


@runtime_checkable
class Passing(Protocol):
    """A vendor that does something by itself as time passes."""

    def pass_time(self, shelf: Shelf, now: datetime) -> None:
        """Do what was due by now."""
        ...
