"""SendGrid's lists, read while entries come and go and in pages of any length: nobody's no is lost, and none counts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.imports import sendgrid
from infra.local.sandbox import sendgrid_lists
from infra.settings import SAMPLES
from infra.subprocessors.sendgrid_transport import Answer, SendgridTransport
from shared.company import company_from
from shared.failures import TryAgain
from tests.contracts.running_sandbox import RunningSandbox

KEY = "SG.test.key"
PATH = ("suppression", "unsubscribes")
COMPANY = company_from(yaml.safe_load((SAMPLES / "company.yaml").read_text()))
Between = Callable[[int], None]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"sendgrid": KEY})
    yield sandbox
    sandbox.close()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    # the same in small: a page is 10 entries, 2 of them the last page's
    monkeypatch.setattr(sendgrid, "PAGE", 10)
    monkeypatch.setattr(sendgrid, "OVERLAP", 2)


def email(n: int) -> str:
    return f"p{n}@mail.test"


def change(sandbox: RunningSandbox, *, add: range = range(0), drop: range = range(0)) -> None:
    """Have people come onto the global list, the highest number last, and go from it."""
    shelf = sandbox.app.state.shelf("sendgrid")
    with sandbox.app.state.transaction():
        for n in add:
            sendgrid_lists.put_on(shelf, sandbox.app.clock.now(), email(n), ["unsubscribed"])
        for n in drop:
            shelf.delete("global", id=email(n))


def left(sandbox: RunningSandbox) -> set[str]:
    return {body["email"] for kind, _, body in sandbox.snapshot("sendgrid") if kind == "global"}


def read(sandbox: RunningSandbox, between: Between = lambda _offset: None) -> list[str]:
    """Read the lists as an import does; `between` is called before each further page of the global one."""
    transport = SendgridTransport(KEY, sandbox.url("sendgrid"))

    def call(method: str, *path: str, query: dict[str, str] | None = None, **more: Any) -> Answer:
        if path == PATH and query and query["offset"] != "0":
            between(int(query["offset"]))
        return transport.call(method, *path, query=query, **more)

    return [row.cells["email"] for row in sendgrid.rows(call, COMPANY, lambda _email, _group: False)]


@pytest.mark.parametrize("given", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 35])
def test_a_page_shorter_than_was_asked_for_is_not_the_last_one(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, given: int, count: int
) -> None:
    monkeypatch.setattr(sendgrid_lists, "MOST_GIVEN", given)
    change(sandbox, add=range(count))
    assert sorted(read(sandbox)) == sorted(map(email, range(count)))


@pytest.mark.parametrize("given", [4, 10])
@pytest.mark.parametrize("at_once", [1, 2, 3, 9, 15])
def test_what_stood_behind_an_entry_that_is_taken_off_between_two_pages_is_read(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, at_once: int, given: int
) -> None:
    monkeypatch.setattr(sendgrid_lists, "MOST_GIVEN", given)
    change(sandbox, add=range(60))
    newest = iter(range(60 - at_once, 30, -at_once))

    def taken_off(_offset: int) -> None:
        first = next(newest, None)
        if first is not None:
            change(sandbox, drop=range(first, first + at_once))

    got = read(sandbox, taken_off)
    assert left(sandbox) <= {*got}
    assert len(got) == len({*got}), "none of them counts twice"


def test_a_list_that_is_emptied_while_it_is_read_ends(sandbox: RunningSandbox) -> None:
    change(sandbox, add=range(30))
    assert len(read(sandbox, lambda _offset: change(sandbox, drop=range(30)))) == 10


def test_what_comes_while_a_list_is_read_makes_nothing_count_twice(sandbox: RunningSandbox) -> None:
    change(sandbox, add=range(30))
    coming = iter(range(100, 140, 10))

    def come(_offset: int) -> None:
        first = next(coming, None)
        if first is not None:
            change(sandbox, add=range(first, first + 10))

    got = read(sandbox, come)
    assert {*map(email, range(30))} <= {*got}
    assert len(got) == len({*got})


def test_a_list_that_is_the_same_whatever_page_is_asked_for_is_no_list() -> None:
    def call(_method: str, *_path: str, **_more: Any) -> Answer:
        return Answer(200, None, [{"email": email(n), "created": 1} for n in range(10)])  # type: ignore[arg-type]

    with pytest.raises(TryAgain, match="sendgrid_unreadable"):
        list(sendgrid.rows(call, COMPANY, lambda _email, _group: False))
