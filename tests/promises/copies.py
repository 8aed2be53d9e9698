"""People who ask for a copy of their data, and the files they get."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

from shared.ports import Person
from shared.promises import fetching, requests
from shared.promises.requests import Asked
from shared.records import ALL_ATTENTION, Piece
from shared.store import Query
from tests.promises.world import World

CHECKED = date(2026, 2, 1)
EMAIL = "ann@mail.test"
OLD = "ann.before@mail.test"
PIECES = Query(Piece)


def exports(answer: dict[str, Any] | Exception) -> Callable[[Person], dict[str, Any]]:
    """Make a connector's export: an answer or a failure."""

    def export(_person: Person) -> dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return export


def ask(world: World, right: str = "access", email: str = EMAIL) -> str:
    asked = Asked(right=right, email=email)  # type: ignore[arg-type]
    return str(requests.open_request(world.services, asked, server=False)["request_id"])


def confirmed(world: World, right: str = "access", email: str = EMAIL) -> tuple[str, str]:
    """Ask and prove the mailbox; return the request's id and its private key."""
    answer = world.confirm(email, ask(world, right, email))
    world.run_due()
    return answer["request_id"], answer["status_url"].partition("?key=")[2]


def links(world: World, to: str = EMAIL) -> list[str]:
    """Return the keys of the links mailed, oldest first."""
    return [mail["link"].partition("?key=")[2] for mail in world.mailed("export_ready", to)]


def fetched(world: World, request_id: str, key: str) -> dict[str, bytes]:
    """Fetch the file by its link; return its members."""
    content = b"".join(fetching.fetch(world.services, request_id, key))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def made(world: World, right: str = "access") -> dict[str, Any]:
    """Ask, prove, fetch; return data and manifest."""
    request_id, _ = confirmed(world, right)
    members = fetched(world, request_id, links(world)[-1])
    return {name.partition(".")[0]: json.loads(members[name]) for name in ("data.json", "manifest.json")}


def steps(world: World, request_id: str) -> dict[str, str]:
    return {one["subprocessor"]: one["outcome"] for one in world.view(request_id)["steps"]}


def problems(world: World) -> set[tuple[str, str | None]]:
    return {(one.record.kind, one.record.problem) for one in world.services.store.query(ALL_ATTENTION)}
