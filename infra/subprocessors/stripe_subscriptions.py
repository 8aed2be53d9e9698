"""Whether an account still pays through Stripe: its customers, their subscriptions and disputes, read anew each time."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.subprocessors.stripe_customers import ENDED, linked
from infra.subprocessors.stripe_transport import Json, StripeTransport
from shared.failures import NeverRetry
from shared.identity import Identifiers
from shared.ports import Person, Standing

DECIDED = frozenset({"won", "lost", "warning_closed", "prevented"})


class StripeSubscriptions:
    """The `Subscriptions` port. `live`: what a test mode answers is refused, since it ends nobody's subscription."""

    def __init__(self, transport: StripeTransport, *, live: bool) -> None:
        self._transport = transport
        self._live = live

    def standing(self, known: Identifiers) -> Standing:
        """Read every subscription of every linked customer, and whether a payment is in dispute."""
        looked = linked(self._transport, Person(request_id="", known=[known]))
        living = looked.living()
        subscriptions = [one for customer in looked.own for one in self._subscriptions(customer["id"])]
        self._refuse_test_mode([*living, *subscriptions])
        ended = [_ended_at(one) for one in subscriptions if one["status"] in ENDED]
        return Standing(
            going=sum(one["status"] not in ENDED for one in subscriptions),
            ended_at=max(ended, default=None),
            # one that Stripe does not know may pay in another account of ours: a changed key ends no subscription
            unclear=looked.strange + looked.unknown + len(looked.own) - len(living),
            disputes=sum(self._disputes(customer["id"]) for customer in looked.own),
            addresses=sorted({str(one["email"]).strip().lower() for one in living if one.get("email")}),
        )

    def _subscriptions(self, customer: str) -> list[Json]:
        return list(self._transport.every("subscriptions", customer=customer, status="all"))

    def _disputes(self, customer: str) -> int:
        # Stripe lists disputes by payment and not by customer, and a charge says for ever that it was disputed
        disputed = [one["id"] for one in self._transport.every("charges", customer=customer) if one.get("disputed")]
        found = [one for charge in disputed for one in self._transport.every("disputes", charge=charge)]
        return sum(one["status"] not in DECIDED for one in found)

    def _refuse_test_mode(self, things: list[Json]) -> None:
        if self._live and any(one.get("livemode") is not True for one in things):
            raise NeverRetry("stripe_test_mode")


def _ended_at(subscription: Json) -> datetime:
    # one that never came to be paid has no end of its own, so that its beginning stands for it
    at = subscription.get("ended_at") or subscription.get("canceled_at") or subscription["created"]
    return datetime.fromtimestamp(int(at), UTC)
