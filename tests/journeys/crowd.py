"""A crowd of account holders, put into a stack's own store at once: signing up a hundred thousand over HTTP takes too long."""

from __future__ import annotations

from collections.abc import Iterator

from infra.container import Container
from shared.identity import Identifiers, alias
from shared.records import Alias, Link, Subject
from shared.store import Change, Create
from shared.vault import new_id

AT_ONCE = 150


def email(n: int) -> str:
    """Return the address of the n-th of the crowd."""
    return f"person{n}@mail{n % 7}.test"


def gather(container: Container, count: int) -> None:
    """Link accounts as `POST /subjects` does."""
    some: list[Change] = []
    for n in range(count):
        some += _account(container, n)
        if len(some) >= AT_ONCE * 3 or n + 1 == count:
            container.store.commit(some)
            some = []


def _account(container: Container, n: int) -> Iterator[Change]:
    ref, now = new_id(), container.clock.now()
    known = Identifiers(user_id=f"u{n}", addresses=[email(n)], name=f"Person {n}")
    link = Link(ref=ref, kind="account", source="server", confirmed_at=now)
    sealed = container.vault.seal(f"subjects/{ref}", known)
    yield Create(ref, Subject(kind="account", created_at=now, sealed=sealed))
    yield Create(alias(container.vault, "user", f"u{n}"), Alias(links=[link]))
    yield Create(alias(container.vault, "email", email(n)), Alias(links=[link]))
