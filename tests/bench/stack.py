"""What a measurement starts from: one empty product, our sample policy in force and nothing else, on some runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from infra.container import Container
from infra.local.server import SAMPLE_POLICY
from shared.promises import notice
from shared.promises.policy import Draft, publish
from tests.bench.load import Body
from tests.infra.signing_sendgrid import PUBLIC_KEY

VERSION = "v1"
FRESH = "<fresh>"
ASKED = ["analytics", "ads"]
SECRETS = {
    "INTERNAL_SECRET": "the-bench's-own",
    "WEBSITE_KEYS": "website-key-of-the-bench",
    "META_APP_SECRETS": "meta-app-secret-of-the-bench",
    "OPERATOR_TOKEN": "operator-token-of-the-bench",
    "SENDGRID_WEBHOOK_PUBLIC_KEY": PUBLIC_KEY,
    "SENDGRID_INBOUND_PUBLIC_KEY": PUBLIC_KEY,
    "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_bench_alone",
}


class Stack(Protocol):
    """One product's data and settings."""

    @property
    def services(self) -> Container:
        """Return the product's services over it, in this process."""

    def environment(self, name: str, given: Mapping[str, str]) -> dict[str, str]:
        """Return what a function, or a floor, finds in its environment."""

    def platform(self, name: str) -> Mapping[str, str]:
        """Return the headers with which the platform calls an internal function."""

    def operator(self) -> Mapping[str, str]:
        """Return the headers of an operator."""

    def close(self) -> None:
        """Leave it to others: what this process holds open changes how another one opens it."""

    def discard(self) -> None:
        """Forget all of it."""


class Runtime(Protocol):
    """Where stacks stand: the embedded runtime, or the emulators."""

    name: str
    on_google: bool

    def stack(self) -> Stack:
        """Return a new one."""


def with_policy(services: Container) -> None:
    """Publish our sample policy; on the embedded runtime the keys are generated on the way."""
    publish(services, Draft(text=SAMPLE_POLICY.read_text(), version=VERSION, summary="The sample policy"), by="bench")


def consent(services: Container) -> Body:
    """Return a browser's decision about two purposes, of a device not seen before."""
    shown = notice.notice(services.vault, services.policies.current(), ASKED, "en")["notice"]
    said = {
        "subject": {"device_id": FRESH},
        "notice": shown,
        "decisions": dict.fromkeys(ASKED, True),
        "method": "banner",
        "locale": "en",
    }
    return _body(said)


def erasure() -> Body:
    """Return a request for erasure from an address not seen before."""
    return _body({"email": f"{FRESH}@people.example", "right": "erasure", "locale": "en"})


def _body(said: Mapping[str, Any]) -> Body:
    return Body.around(msgspec.json.encode(said).decode(), FRESH)
