"""`stripe-events`: Stripe tells what happened to its customers."""

from __future__ import annotations

import time

from infra.http import log
from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from infra.http.stripe_signature import SIGNATURE, verify_stripe
from shared.promises import stripe_events

edge = Edge("stripe-events")
MOST_BYTES = 512 * 1024


@edge.route("POST", "/", "An event of Stripe's, signed", raw=True, most_bytes=MOST_BYTES)
def take(call: Call[bytes]) -> Answer:
    services = call.services
    # real time, whatever our clock says: it is Stripe that signs, by its own
    verify_stripe(services.stripe_webhook_secrets, call.body, call.request.headers.get(SIGNATURE, ""), time.time())
    event = stripe_events.read(call.body)
    if event.livemode or services.settings.sheltered:
        if stripe_events.take(services, event) == "nobody":
            log.event("webhook_about_nobody", edge.name)
    else:
        log.event("webhook_of_test_mode", edge.name)
    return {"received": True}
