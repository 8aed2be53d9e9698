"""A realistic first call of each function, and what it must have left in the store."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from infra.local.topic import event_headers
from shared.case import MAIL
from shared.checkpoint_chain import LAST
from shared.promises import campaigns, subjects, unsubscribing
from shared.promises.requests import Asked, open_request
from shared.promises.subjects import Linked
from shared.records import DUE_WORK, SUPPRESSIONS_OF_ADDRESS, Campaign, Checkpoint
from shared.store import Record
from shared.times import rfc3339
from shared.vault import canonical, new_id
from tests.bench import stripe_events
from tests.bench.kept import consents_kept, requests_kept
from tests.bench.load import fresh
from tests.bench.serving import Call
from tests.bench.stack import SECRETS, VERSION, Stack, consent
from tests.functions import inbound_mails
from tests.functions.signed_requests import signed_request
from tests.infra.signing_sendgrid import signed

JSON = {"Content-Type": "application/json"}
FORM = "application/x-www-form-urlencoded"
HELLO, CREATE = "hello", "create"


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)


def _post(body: bytes = b"", headers: Mapping[str, str] = {}) -> Call:
    return Call("POST", "/", body, {**JSON, **headers})


def _consent(stack: Stack) -> Call:
    return _post(consent(stack.services).named(fresh()))


def _account(_: Stack) -> Call:
    said = {"user_id": fresh(), "email": f"{fresh()}1@people.example", "email_verified": True}
    return _post(_json(said), {"Authorization": f"Bearer {SECRETS['WEBSITE_KEYS']}"})


def _may_we(_: Stack) -> Call:
    asked = {"subject": {"device_id": "device-0001"}, "purpose": "analytics"}
    return _post(_json(asked), {"Authorization": f"Bearer {SECRETS['WEBSITE_KEYS']}"})


def _internal(name: str) -> Callable[[Stack], Call]:
    return lambda stack: _post(headers=stack.platform(name))


def _mail(stack: Stack) -> Call:
    # the one job that meets a vendor's library: mails the link of a request
    open_request(stack.services, Asked(right="erasure", email="person@people.example"), server=False)
    (due,) = _mails_due(stack)
    return _post(_json({"id": due}), stack.platform("work"))


def _mails_due(stack: Stack) -> list[str]:
    due = stack.services.store.query(DUE_WORK, at_most=stack.services.clock.now())
    return [one.id for one in due if one.record.kind == MAIL]


def _unsubscribed(_: Stack) -> Call:
    body = _json([{"event": "unsubscribe", "email": f"{fresh()}1@people.example"}])
    return _post(body, signed(body))


def _written(_: Stack) -> Call:
    mail = {"from": f"{fresh()}1@people.example", "text": "Please delete my account.", "SPF": "none"}
    body = inbound_mails.form(inbound_mails.fields(**mail))
    return Call("POST", "/", body, {"Content-Type": inbound_mails.FORM, **signed(body)})


def _ended(stack: Stack) -> Call:
    subjects.link(stack.services, Linked(user_id="u1", stripe_customer_ids=["cus_1"]))
    ((signature, body),) = stripe_events.signed(1)
    return _post(body, {"Stripe-Signature": signature})


def _one_click(stack: Stack) -> Call:
    token = unsubscribing.token(stack.services, f"{fresh()}1@people.example", "marketing")
    return Call("POST", f"/?t={token}", b"List-Unsubscribe=One-Click", {"Content-Type": FORM})


def _taken_away(_: Stack) -> Call:
    sent = {"signed_request": signed_request(fresh(), SECRETS["META_APP_SECRETS"])}
    return Call("POST", "/deletion", urlencode(sent).encode(), {"Content-Type": FORM})


def _published(stack: Stack) -> Call:
    said = {
        "data": base64.b64encode(canonical({"version": VERSION})).decode(),
        "messageId": new_id(),
        "publishTime": rfc3339(stack.services.clock.now()),
    }
    headers = event_headers("projects/demo-bench/topics/policy-published", said)
    return _post(_json({"message": said}), {**headers, **stack.platform("policy-published")})


FIRST_CALLS: Mapping[str, Callable[[Stack], Call]] = {
    HELLO: lambda _: _post(b"{}"),
    CREATE: lambda _: _post(b"{}"),
    "policy": lambda _: Call("GET", "/notice?purposes=analytics,ads"),
    "consents": _consent,
    "requests": lambda _: _post(_json({"email": f"{fresh()}1@people.example", "right": "erasure"})),
    "subjects": _account,
    "processing": _may_we,
    "unsubscribe": _one_click,
    "meta-callbacks": _taken_away,
    "sendgrid-events": _unsubscribed,
    "sendgrid-inbound": _written,
    "stripe-events": _ended,
    "operator": lambda stack: Call("GET", "/requests", headers=stack.operator()),
    "site": lambda _: Call("GET", "/.well-known/jwks.json"),
    "work": _mail,
    "policy-published": _published,
    "sweep": _internal("sweep"),
    "deadlines": _internal("deadlines"),
    "retention": _internal("retention"),
    "checkpoints": _internal("checkpoints"),
}
"""A function without one fails the bench: give it one."""


def _is_there(stack: Stack, kind: type[Record], id: str) -> bool:
    return stack.services.store.get(kind, id) is not None


LEFT: Mapping[str, Callable[[Stack], bool]] = {
    "consents": lambda stack: consents_kept(stack) == 1,
    "requests": lambda stack: requests_kept(stack) == 1,
    "unsubscribe": lambda stack: bool(stack.services.store.query(SUPPRESSIONS_OF_ADDRESS, limit=1)),
    "meta-callbacks": lambda stack: requests_kept(stack) == 1,
    "sendgrid-events": lambda stack: bool(stack.services.store.query(SUPPRESSIONS_OF_ADDRESS, limit=1)),
    "sendgrid-inbound": lambda stack: requests_kept(stack) == 1,
    "stripe-events": lambda stack: bool(stack.services.store.query(stripe_events.KEPT, limit=1)),
    "work": lambda stack: not _mails_due(stack),
    "policy-published": lambda stack: _is_there(stack, Campaign, campaigns.campaign_id(VERSION)),
    "checkpoints": lambda stack: _is_there(stack, Checkpoint, LAST),
}
"""Whether the call did its work: a function that postpones it, or cannot use what it was sent, answers 2xx too."""
