from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from infra.local.sandbox.state import State
from infra.local.sandbox.webhooks import Webhooks
from shared.failures import BadInput


class Product:
    """What the webhooks are sent to: it notes them, and answers each with the next of `answers`, else 200."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes, str]] = []
        self.answers: list[int] = []
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self._server.server_port}"

    @Request.application
    def _app(self, request: Request) -> Response:
        self.got.append((request.path, request.get_data(), request.headers.get("X-Signature", "")))
        return Response(status=self.answers.pop(0) if self.answers else 200)

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture
def product() -> Iterator[Product]:
    running = Product()
    yield running
    running.close()


@pytest.fixture
def webhooks(product: Product, state: State) -> Iterator[Webhooks]:
    sending = Webhooks(state, product.base)
    yield sending
    sending.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(tmp_path / "sandbox.db")
    yield opened
    opened.close()


def tell(state: State, n: int = 1, vendor: str = "stripe") -> None:
    with state.transaction():
        state.shelf(vendor).tell("/stripe-events", str(n).encode(), {"X-Signature": "s"})


def test_a_webhook_arrives_byte_for_byte_with_its_headers(product: Product, state: State, webhooks: Webhooks) -> None:
    tell(state)
    assert webhooks.settle()
    assert product.got == [("/stripe-events", b"1", "s")]


def test_one_that_was_not_taken_comes_again_and_one_that_was_refused_does_not(
    product: Product, state: State, webhooks: Webhooks
) -> None:
    product.answers = [503, 500, 200, 400]
    tell(state, 1)
    assert webhooks.settle()
    tell(state, 2)
    assert webhooks.settle()
    assert [body for _, body, _ in product.got] == [b"1", b"1", b"1", b"2"]


def test_copies_are_sent_on_demand(product: Product, state: State, webhooks: Webhooks) -> None:
    assert webhooks.ask("stripe", {"copies": 3}) == {"copies": 3, "shuffled": False, "held": False}
    tell(state)
    tell(state, vendor="sendgrid")
    assert webhooks.settle()
    assert len(product.got) == 4


def test_what_is_held_back_waits_until_it_is_let_go_and_may_then_arrive_in_disorder(
    product: Product, state: State
) -> None:
    webhooks = Webhooks(state, product.base)
    webhooks.ask("stripe", {"held": True})
    for n in range(30):
        tell(state, n)
    assert webhooks.settle()
    assert product.got == []
    webhooks.ask("stripe", {"shuffled": True})
    assert webhooks.settle()
    arrived = [int(body) for _, body, _ in product.got]
    assert sorted(arrived) == list(range(30))
    assert arrived != sorted(arrived)


@pytest.mark.parametrize("fields", [{"copies": 0}, {"copies": 51}, {"copies": True}, {"held": 1}, {"often": 2}])
def test_a_manner_that_makes_no_sense_is_refused_by_its_field(fields: dict[str, object], state: State) -> None:
    with pytest.raises(BadInput) as refused:
        Webhooks(state, None).ask("stripe", fields)
    assert refused.value.field in fields


def test_without_a_product_nothing_is_sent_and_nothing_waits(state: State) -> None:
    webhooks = Webhooks(state, None)
    tell(state)
    assert webhooks.settle()


def test_what_was_undone_is_never_told(product: Product, state: State, webhooks: Webhooks) -> None:
    with contextlib.suppress(ZeroDivisionError), state.transaction():
        state.shelf("stripe").tell("/stripe-events", b"1", {})
        raise ZeroDivisionError
    assert webhooks.settle()
    assert product.got == []


def test_what_waits_outlives_the_process(product: Product, state: State, tmp_path: Path) -> None:
    first = Webhooks(state, product.base)
    first.ask("stripe", {"held": True})
    tell(state)
    first.close()
    state.close()
    again = State(tmp_path / "sandbox.db")
    second = Webhooks(again, product.base)
    assert second.settle()
    assert [body for _, body, _ in product.got] == [b"1"]
    second.close()
    again.close()
