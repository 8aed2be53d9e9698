"""Each function as it is deployed: its own process, RUNTIME=gcp, and of the environment only what its entry names."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import NamedTuple

import pytest
import stripe

from infra.local.topic import event_headers
from shared.annex import MAILER
from shared.case import Case
from shared.promises import erasure, notice, operators, requests, subjects, unsubscribing
from shared.promises import policy as policies
from shared.promises.operators import Entered
from shared.promises.requests import Asked
from shared.promises.subjects import Linked
from shared.records import DUE_WORK, LedgerEntry, Request, Subject
from shared.store import Create
from shared.times import rfc3339
from tests.emulators.cloud import Cloud
from tests.emulators.kms import KmsEmulator
from tests.functions import inbound_mails
from tests.functions.signed_requests import signed_request
from tests.infra import signing_sendgrid
from tests.infra.deployed import (
    MAP,
    META_APP_SECRET,
    OF_TESTS,
    STRIPE_WEBHOOK_SECRET,
    WEBSITE,
    Alone,
    Ask,
    Deployed,
    named,
)
from tests.promises.endings import event

PAGE = "text/html,application/xhtml+xml,*/*;q=0.8"
FROM_A_BROWSER = {"Origin": WEBSITE}
WORKED_FOR_SECONDS = 60.0
TROUBLES = frozenset({"crashed", "queue_unavailable", "unavailable", "work_failed"})
"""What a function may log where its answer looks well all the same."""


def policy(_deployed: Deployed) -> Iterator[Ask]:
    yield Ask("GET", "/notice?purposes=analytics", None, FROM_A_BROWSER)
    yield Ask("GET", "/", None, {"Accept": PAGE})
    yield Ask("GET", "/changes")
    yield Ask("GET", "/v1...v2", None, {"Accept": PAGE})


def consents(deployed: Deployed) -> Iterator[Ask]:
    yield Ask("POST", "/", _consent(deployed, {"device_id": "device-0001", "email": "ann@mail.example"}), status=201)
    yield Ask("POST", "/", _consent(deployed, {"user_id": "u1"}), deployed.bearer("WEBSITE_KEYS"), 201)
    yield Ask("GET", "/current?device_id=device-0001", None, FROM_A_BROWSER)


def _consent(deployed: Deployed, subject: Mapping[str, str]) -> dict[str, object]:
    shown = notice.notice(deployed.services.vault, deployed.services.policies.current(), ["marketing_email"], "en")
    return {"subject": subject, "notice": shown["notice"], "decisions": {"marketing_email": True}, "method": "banner"}


def requests_(deployed: Deployed) -> Iterator[Ask]:
    asked = {"email": "ann@mail.example", "right": "erasure"}
    yield Ask("GET", "/new", None, {"Accept": PAGE})
    yield Ask("POST", "/", asked, FROM_A_BROWSER, 202)
    yield Ask("POST", "/", asked, deployed.bearer("WEBSITE_KEYS"), 202)


def subjects_(deployed: Deployed) -> Iterator[Ask]:
    linked = {"user_id": "u2", "email": "bo@mail.example", "email_verified": True}
    yield Ask("POST", "/", linked, deployed.bearer("WEBSITE_KEYS"), 201)
    yield Ask("POST", "/u2/closed", {"by": "person"}, deployed.bearer("WEBSITE_KEYS"))


def stripe_events(deployed: Deployed) -> Iterator[Ask]:
    """A customer we know, and one nobody does."""
    subjects.link(deployed.services, Linked(user_id="u6", stripe_customer_ids=["cus_6"]))
    for customer in ("cus_6", "cus_7"):
        body = event("customer.subscription.deleted", customer, f"evt_{customer}").decode()
        signed = stripe.WebhookSignature.generate_signature_header(body, STRIPE_WEBHOOK_SECRET)
        yield Ask("POST", "/", body, {"Stripe-Signature": signed, "Content-Type": "application/json"})


def sendgrid_events(_deployed: Deployed) -> Iterator[Ask]:
    """Somebody unsubscribes there, and a mail that we never sent arrives."""
    told = [{"event": "unsubscribe", "email": "fay@mail.example"}, {"event": "delivered", "pledge": "r.0123.m1"}]
    body = json.dumps(told)
    yield Ask("POST", "/", body, signing_sendgrid.signed(body.encode()))
    yield Ask("POST", "/", body, status=400)


def sendgrid_inbound(_deployed: Deployed) -> Iterator[Ask]:
    """A right, a no to marketing proved and unproved, an unclear mail, another one, and what is no mail."""
    kind = {"Content-Type": inbound_mails.FORM}
    for text in ("Please delete my account.", "STOP", "Do not delete my account.", "Where is my sofa?"):
        for proof in ("{@people.example : pass}", "none"):
            body = inbound_mails.form(inbound_mails.fields(text=text, dkim=proof)).decode()
            yield Ask("POST", "/", body, signing_sendgrid.signed(body.encode()) | kind)
    yield Ask("POST", "/", "no form", signing_sendgrid.signed(b"no form"))
    yield Ask("POST", "/", "no form", kind, 400)


def processing(deployed: Deployed) -> Iterator[Ask]:
    subject = {"device_id": "device-0003", "email": "ann@mail.example", "user_id": "u1"}
    for purpose in ("analytics", "marketing_email", "account"):
        yield Ask("POST", "/", {"subject": subject, "purpose": purpose}, deployed.bearer("WEBSITE_KEYS"))


def unsubscribe(deployed: Deployed) -> Iterator[Ask]:
    token = unsubscribing.token(deployed.services, "eve@mail.example", "marketing")
    yield Ask("GET", f"/preferences?t={token}", None, {"Accept": PAGE})
    yield Ask("POST", f"/?t={token}", None)
    yield Ask("POST", f"/preferences?t={token}", {"start": ["ads"]})
    asked = {"emails": ["eve@mail.example"], "list": "marketing"}
    yield Ask("POST", "/links", asked, deployed.bearer("WEBSITE_KEYS"))


def meta_callbacks(deployed: Deployed) -> Iterator[Ask]:
    """Somebody linked, and somebody nobody knows."""
    subjects.link(deployed.services, Linked(user_id="u5", meta_user_ids=["1005"]))
    for user_id in ("1005", "1006"):
        signed = signed_request(user_id, META_APP_SECRET)
        yield Ask("POST", "/deletion", {"signed_request": signed})
        yield Ask("POST", "/deauthorize", {"signed_request": signed})


def operator(deployed: Deployed) -> Iterator[Ask]:
    asked = {"channel": "phone", "received_at": rfc3339(deployed.services.clock.now()), "right": "erasure"}
    yield Ask("POST", "/requests", asked | {"email": "cy@mail.example"}, deployed.operator(), 201)
    yield Ask("POST", "/evidence/verify", None, deployed.operator())
    draft = {"version": "v3", "text": "# Ours\n\nWe use Mailchimp.", "effective_at": "2099-01-01T00:00:00Z"}
    yield Ask("POST", "/policies?dry_run=1", draft, deployed.operator())
    yield Ask("GET", "/policies/v2/findings", None, deployed.operator())
    yield Ask("GET", "/policies/new", None, {"Accept": PAGE})
    yield Ask("GET", "/requests", None, deployed.operator("mallory@sample-rooms.example"), 403)
    yield Ask("GET", "/requests", None, deployed.platform("operator"), 403)
    yield Ask("GET", "/requests", None, deployed.bearer("WEBSITE_KEYS"), 401)


def site(_deployed: Deployed) -> Iterator[Ask]:
    yield Ask("GET", "/.well-known/jwks.json", None, FROM_A_BROWSER)
    yield Ask("GET", "/.well-known/gpc.json")
    yield Ask("GET", "/", None, {"Accept": PAGE})


def work(deployed: Deployed) -> Iterator[Ask]:
    """Everything that falls due, until a user who signed in is erased and the publication of `v1` was announced."""
    services = deployed.services
    subjects.link(services, Linked(user_id="u3", email="di@mail.example", email_verified=True))
    signed_in = Asked(user_id="u3", verified=True, auth_time=services.clock.now(), right="erasure")
    request_id = requests.open_request(services, signed_in, server=True)["request_id"]
    announced = False
    until = time.monotonic() + WORKED_FOR_SECONDS
    while time.monotonic() < until and not (announced and vendors_told(Case.read(services, request_id).record)):
        due = services.store.query(DUE_WORK, at_most=services.clock.now())
        # the first step waits for the notice, an hour at a time
        for one in sorted(due, key=lambda one: one.record.kind == erasure.BEGIN):
            announced |= one.record.kind == policies.ANNOUNCE and one.record.ref == "v1"
            yield Ask("POST", "/", {"id": one.id}, deployed.platform("work"))
        time.sleep(0.05)


def vendors_told(record: Request) -> bool:
    """Tell whether every step but the mail service's was attempted: that is told a day after the last mail."""
    return bool(record.steps) and all(one.attempts for name, one in record.steps.items() if name != MAILER)


def policy_published(deployed: Deployed) -> Iterator[Ask]:
    """A version that is there, and one nobody knows: a person is told of it."""
    for version in ("v2", "v0"):
        said = base64.b64encode(json.dumps({"version": version}).encode()).decode()
        message = {"data": said, "messageId": "4711", "publishTime": rfc3339(deployed.services.clock.now())}
        headers = event_headers(deployed.environment["POLICY_TOPIC"], message)
        yield Ask("POST", "/", {"message": message}, headers | deployed.platform("policy-published"))


def sweep(deployed: Deployed) -> Iterator[Ask]:
    yield Ask("POST", "/", None, deployed.platform("sweep"))


def deadlines(deployed: Deployed) -> Iterator[Ask]:
    """A request whose month has a day left."""
    received_at = deployed.services.clock.now() - timedelta(days=30)
    operators.enter(
        deployed.services, Entered(channel="post", received_at=received_at, right="erasure", user_id="u4"), "ola"
    )
    yield Ask("POST", "/", None, deployed.platform("deadlines"))


def retention(deployed: Deployed) -> Iterator[Ask]:
    """A device whose time is over."""
    services, now = deployed.services, deployed.services.clock.now()
    sealed = services.vault.seal("subjects/s1", {"device_id": "device-0002"})
    services.commit([Create("s1", Subject(kind="device", created_at=now, sealed=sealed, expires_at=now))])
    yield Ask("POST", "/", None, deployed.platform("retention"))


def checkpoints(deployed: Deployed) -> Iterator[Ask]:
    """A ledger with an entry that somebody made up: a person is told of it."""
    an_earlier = deployed.services.clock.now() - timedelta(hours=2)
    forged = LedgerEntry(stream="r1", seq=1, at=an_earlier, kind="received", facts={}, previous="", key="00", mac="00")
    deployed.services.commit([Create("r1:1", forged)])
    yield Ask("POST", "/", None, deployed.platform("checkpoints"))


CALLS: Mapping[str, Callable[[Deployed], Iterator[Ask]]] = {
    "policy": policy,
    "consents": consents,
    "requests": requests_,
    "subjects": subjects_,
    "stripe-events": stripe_events,
    "sendgrid-events": sendgrid_events,
    "sendgrid-inbound": sendgrid_inbound,
    "processing": processing,
    "unsubscribe": unsubscribe,
    "meta-callbacks": meta_callbacks,
    "operator": operator,
    "site": site,
    "work": work,
    "policy-published": policy_published,
    "sweep": sweep,
    "deadlines": deadlines,
    "retention": retention,
    "checkpoints": checkpoints,
}
"""What each function is asked: calls that between them need everything its entry names."""


class Visit(NamedTuple):
    """What became of a function's calls."""

    wrong: list[str]
    asked: set[str]
    left: list[str]


def visit(deployed: Deployed, name: str, alone: Alone) -> Visit:
    """Make a function's calls, and a stray one to those a person's browser can reach: its page names the company."""
    stray = [Ask("GET", "/no/where", None, {"Accept": PAGE}, 404)] if "http" in MAP[name]["trigger"] else []
    wrong = []
    with closing(alone):
        for ask in itertools.chain(CALLS[name](deployed), stray):
            status, text = alone.call(ask)
            if status != ask.status:
                wrong.append(f"{ask.method} {ask.path}: {status} {text[:500]} {alone.said()}")
        wrong += [alone.said()] if TROUBLES & alone.events() else []
        return Visit(wrong, alone.asked, alone.left())


@pytest.fixture(scope="module")
def keys() -> Iterator[KmsEmulator]:
    with KmsEmulator() as running:
        yield running


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, keys: KmsEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with closing(Deployed(cloud, keys, tmp_path_factory.mktemp("deployed"))) as product:
        yield product


@pytest.fixture(scope="module")
def visited(deployed: Deployed, keys: KmsEmulator) -> tuple[Mapping[str, Visit], int]:
    """Visit every function; return what became of it, and how often all of them together had KMS unwrap the keyset."""
    assert deployed.services.vault
    keys.called.clear()
    # two at a time: a function alone is mostly imports
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: visit(deployed, name, deployed.start(name)), MAP))
    return dict(zip(MAP, found, strict=True)), keys.called.count("Decrypt")


@pytest.fixture(scope="module")
def visits(visited: tuple[Mapping[str, Visit], int]) -> Mapping[str, Visit]:
    return visited[0]


def test_every_function_of_the_map_is_called() -> None:
    assert set(CALLS) == set(MAP)


@pytest.mark.parametrize("name", MAP)
def test_it_does_its_work_with_what_its_entry_names(visits: Mapping[str, Visit], name: str) -> None:
    assert visits[name].wrong == []


@pytest.mark.parametrize("name", MAP)
def test_it_asks_for_nothing_that_its_entry_does_not_name(visits: Mapping[str, Visit], name: str) -> None:
    assert visits[name].asked - OF_TESTS - named(MAP[name]) == set()


@pytest.mark.parametrize("name", MAP)
def test_its_entry_names_nothing_that_it_never_asks_for(visits: Mapping[str, Visit], name: str) -> None:
    assert named(MAP[name]) - visits[name].asked == set()


@pytest.mark.parametrize("name", MAP)
def test_it_writes_no_file_where_it_runs(visits: Mapping[str, Visit], name: str) -> None:
    assert visits[name].left == []


def test_an_instance_has_its_keyset_unwrapped_once(visited: tuple[Mapping[str, Visit], int]) -> None:
    assert visited[1] == sum("KEYSET" in entry["secrets"] for entry in MAP.values())


@pytest.mark.parametrize(
    ("name", "missing"),
    [("site", "KEYSET"), ("site", "PUBLIC_BASE_URL"), ("sweep", "WORK_QUEUE"), ("sweep", "OIDC_CALLERS")],
)
def test_a_name_missing_from_an_entry_would_be_found(deployed: Deployed, name: str, missing: str) -> None:
    found = visit(deployed, name, deployed.start(name, without=[missing]))
    assert found.wrong
    assert missing in found.asked
