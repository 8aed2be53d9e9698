"""Every handler may run twice and in any order: each pair of acts meets at every call of the store, and nothing is doubled or lost.

A row names two acts, prepared in a world of their own. The second comes before the first, second, … call of the first, whole.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import ledger, quota, references, strands
from shared.annex import OURS
from shared.case import LIFTED, Case
from shared.failures import NeverRetry, TryAgain
from shared.mail_events import Event
from shared.mail_reading.received import Mail
from shared.ports import Standing
from shared.promises import (
    alerts,
    announcing,
    breaker,
    campaigns,
    checkpoints,
    confirmations,
    deadlines,
    deliveries,
    endings,
    erasing,
    erasure,
    exporting,
    fetching,
    gathering,
    importing,
    inbound,
    mailbox,
    meta_callbacks,
    notifying,
    objections,
    operators,
    people,
    policy,
    recipients,
    rectifying,
    requests,
    restricting,
    retention,
    silencing,
    stripe_events,
    unsubscribing,
)
from shared.promises.operators import Act as Word
from shared.promises.operators import Entered, Resolution, Verification
from shared.promises.policy import Draft, publish
from shared.promises.requests import Asked
from shared.promises.unsubscribing import Link
from shared.records import ALL_ATTENTION, ALL_CAMPAIGNS, ALL_REQUESTS, InboundMail, Right
from shared.store import Query, every
from shared.suppressions import chosen
from tests.promises.endings import happens, subscriptions_of
from tests.promises.imports import LONG_AGO, consent, customer, kind_of, rows
from tests.promises.meetings import Act, Meeting, Prepare, Scene, difference, everything_due, running
from tests.promises.world import World, fails, says

ANN, NEW, BEA = "ann@mail.test", "ann@new.test", "bea@mail.test"
DEVICE = "device-0001"
MORE: dict[Right, dict[str, Any]] = {
    "erasure": {},
    "access": {},
    "portability": {},
    "restriction": {},
    "rectification": {"corrections": {"name": "Ann Lee"}},
}
REASON, NO_MARKETING = "a reason", {"marketing_email": False}


# --- acts: each prepares what it needs, and returns what is then done -------------------------------------------------


def link(user: str = "u1", email: str = ANN, **more: Any) -> Prepare:
    return lambda w: lambda: w.account(user, email, **more)


def moved(user: str = "u1") -> Prepare:
    return link(user, NEW)


def of_meta(user: str = "u1") -> Prepare:
    return link(user, meta_user_ids=["1"])


def paying(user: str = "u1", email: str = ANN) -> Prepare:
    return link(user, email, stripe_customer_ids=["cus_1"])


def decide(decisions: dict[str, bool], *, server: bool = False, key: str | None = None, **who: str) -> Prepare:
    return lambda w: lambda: w.decide(decisions, server=server, key=key, **who)


def refused_by(user: str = "u1") -> Prepare:
    return decide(NO_MARKETING, server=True, user_id=user)


def yes_of(user: str = "u1") -> Prepare:
    return decide({"marketing_email": True}, server=True, user_id=user)


def refused_here() -> Prepare:
    return decide(NO_MARKETING, device_id=DEVICE, email=ANN)


def yes(*, server: bool = False, **who: str) -> Prepare:
    """Confirm a yes to marketing that was asked for on a page, or by somebody signed in who had said no."""

    def prepare(w: World) -> Act:
        w.decide({"marketing_email": True}, server=server, email=ANN, **who)
        w.run_due()
        token = w.mailed("consent_confirm")[-1]["link"].partition("?t=")[2]
        return lambda: confirmations.confirm(w.services, w.services.policies.current(), token)

    return prepare


def unsubscribe(email: str = ANN, name: str = "marketing") -> Prepare:
    return lambda w: lambda: unsubscribing.unsubscribe(w.services, Link(email, name))


def heard(*events: Event) -> Prepare:
    return lambda w: lambda: deliveries.take(w.services, events)


def asked(right: Right = "erasure", **more: Any) -> Prepare:
    return lambda w: lambda: w.ask(ANN, right, **more)


def confirmed(right: Right = "erasure", **more: Any) -> Prepare:
    """Confirm a request that was made before."""

    def prepare(w: World) -> Act:
        request_id = w.ask(ANN, right, **(more or MORE[right]))
        token = w.token(request_id, ANN)
        return lambda: requests.confirm(w.services, request_id, token)

    return prepare


def signed_in(right: Right = "erasure") -> Prepare:
    more = MORE.get(right, {})

    def act(w: World) -> None:
        who = Asked(right=right, user_id="u1", verified=True, auth_time=w.clock.at, **more)
        requests.open_request(w.services, who, server=True)

    return lambda w: lambda: act(w)


def newest(w: World, right: Right) -> str:
    found = [one for one in every(w.services.store, ALL_REQUESTS) if one.record.right == right]
    return max(found, key=lambda one: one.record.received_at).id


def by_operator(decision: Any, right: Right = "erasure") -> Prepare:
    def prepare(w: World) -> Act:
        request_id = newest(w, right)
        return lambda: operators.act(w.services, request_id, decision)

    return prepare


def settled_later(w: World) -> Act:
    return lambda: everything_due(w)


denied = partial(by_operator, operators.deny(Word(reason=REASON), "ola"))
verified = partial(by_operator, operators.verify(Verification(reason=REASON), "ola"))
paused = partial(by_operator, operators.pause(Word(reason=REASON), "ola"))
extended = partial(by_operator, operators.extend(Word(reason=REASON), "ola"))


def resolved(name: str, right: Right = "erasure") -> Prepare:
    return by_operator(operators.resolve(name, Resolution(reason=REASON, evidence="a letter"), "ola"), right)


def retried(name: str, right: Right = "erasure") -> Prepare:
    return by_operator(operators.retry(name, Resolution(reason=REASON), "ola"), right)


def mailed_token(template: str, field: str) -> Any:
    """Act by the link of the newest mail of a kind: `(world, request id, token)`."""

    def acting(act: Any) -> Prepare:
        def prepare(w: World) -> Act:
            w.run_due()
            page, _, token = w.mailed(template)[-1][field].partition("?t=")
            request_id = page.partition("/requests/")[2].partition("/")[0]
            return lambda: act(w.services, request_id, token)

        return prepare

    return acting


def _cancel(services: Any, request_id: str, token: str) -> Case:
    return requests.cancel(lambda: requests.with_cancel_link(services, request_id, token))


def cancelled() -> Prepare:
    return mailed_token("request_verified", "cancel_link")(_cancel)


def kept() -> Prepare:
    return mailed_token("ending_first", "keep_link")(endings.keep)


def new_address_confirmed() -> Prepare:
    return mailed_token("address_confirm", "link")(requests.confirm)


def chose(*numbers: int) -> Prepare:
    def prepare(w: World) -> Act:
        w.run_due()
        request_id, _, key = w.mailed("request_verified")[-1]["status_url"].partition("?key=")
        request_id = request_id.rpartition("/")[2]
        return lambda: requests.choose(w.services, request_id, key, numbers)

    return prepare


def entered() -> Prepare:
    return lambda w: (
        lambda: operators.enter(
            w.services,
            Entered(channel="phone", received_at=w.clock.at, right="erasure", email=ANN, proof="a passport"),
            "ola",
        )
    )


def of_export(act: Any) -> Prepare:
    """Do something with the newest file, by the link to it: `(services, request id, key)`."""

    def prepare(w: World) -> Act:
        w.run_due()
        page, _, key = w.mailed("export_ready")[-1]["link"].partition("?key=")
        return lambda: act(w.services, page.split("/")[-2], key)

    return prepare


def fetched() -> Prepare:
    return of_export(lambda services, request_id, key: b"".join(fetching.fetch(services, request_id, key)))


def renewed() -> Prepare:
    return of_export(lambda services, request_id, _key: fetching.renew(lambda: Case.read(services, request_id)))


def written(text: str, subject: str = "A question", envelope_from: str = ANN) -> Prepare:
    mail = Mail(
        sender=f"Ann <{ANN}>",
        senders=[ANN],
        subject=subject,
        text=text,
        envelope_from=envelope_from,
        message_id="<1@mail.test>",
    )
    return lambda w: lambda: inbound.take(w.services, mail)


def dealt_with() -> Prepare:
    """Settle a mail that waits for a person."""

    def prepare(w: World) -> Act:
        written("Please do not delete my account.")(w)()
        (waiting,) = w.services.store.query(Query(InboundMail))
        return lambda: mailbox.settle(w.services, waiting.id, REASON, "ola")

    return prepare


def seen() -> Prepare:
    def prepare(w: World) -> Act:
        (item,) = w.services.store.query(ALL_ATTENTION)
        return lambda: alerts.seen(w.services, item.id, REASON, "ola")

    return prepare


def closed(by: Any = "person", user: str = "u1") -> Prepare:
    def prepare(w: World) -> Act:
        subscriptions_of(w)
        return lambda: endings.close_account(w.services, user, endings.Closed(by=by))

    return prepare


def ended() -> Prepare:
    def prepare(w: World) -> Act:
        subscriptions_of(w).says = Standing(ended_at=w.clock.at)
        return lambda: happens(w)

    return prepare


def deauthorized() -> Prepare:
    return lambda w: lambda: meta_callbacks.deauthorize(w.services, "1")


def deleted_at_meta() -> Prepare:
    return lambda w: lambda: meta_callbacks.delete(w.services, "1")


def published(version: str = "v2") -> Prepare:
    draft = Draft(text="# Sample policy\n\nNew words.", version=version)
    return lambda w: lambda: publish(w.services, draft, "ola")


def campaign(act: Any) -> Prepare:
    return lambda w: lambda: act(w.services, "campaign-v2", "ola")


def company(**fields: Any) -> Prepare:
    def act(w: World) -> None:
        w.services.__dict__["company"] = msgspec.structs.replace(w.services.company, **fields)

    return lambda w: lambda: act(w)


def breaker_at(most: int) -> Prepare:
    return lambda w: company(breaker=msgspec.structs.replace(w.services.company.breaker, most=most))(w)


def tripped() -> Prepare:
    return lambda w: lambda: w.services.commit(breaker.ask(w.services).changes)


def stripe(**answers: Any) -> Prepare:
    """Have the vendor answer so from now on."""
    return lambda w: lambda: vars(w.stripe).update(answers)


def is_down(*_: Any) -> Any:
    raise TryAgain("down")


def after(**time: int) -> Prepare:
    """Let everything happen that comes in this time."""
    return lambda w: lambda: everything_due(w, w.clock.at + timedelta(**time))


def much_later(**time: int) -> Prepare:
    """Let time pass in which nothing runs."""

    def act(w: World) -> None:
        w.clock.at += timedelta(**time)

    return lambda w: lambda: act(w)


def imported(what: Any, *cells: dict[str, str]) -> Prepare:
    """Take a file in as the command does."""

    def act(w: World) -> None:
        stored = importing.begin(w.services, importing.Asked(what, "file", "olga", "a digest", none_exist=True))
        if stored.record.state != "done":
            run = importing.Run(w.services, stored, kind_of(w, what, stored.id))
            list(run.take(rows(*cells)))
            run.end()

    return lambda w: lambda: act(w)


def doing(act: Any) -> Prepare:
    return lambda w: lambda: act(w.services)


# --- what matters, where the orders are not all ------------------------------------------------------------------------


def is_restricted(w: World) -> bool:
    found = people.by_user(w.services, "u1")
    return found is None or len(found.stored.record.restricted_by) == 1


def hears_no_marketing(w: World) -> bool:
    return bool(chosen(w.services, ANN))


def everybody_told_heard_of_its_end(w: World) -> bool:
    told = Case.read(w.services, newest(w, "erasure")).record.told
    began, over = ({one.subprocessor for one in told if one.what == what} for what in ("restriction", LIFTED))
    return began <= over


def the_ending_gave_way(w: World) -> bool:
    """It is told by the erasure, or finds it by itself; the one of them alerts nobody."""
    found = {one.record.channel: one.record.status for one in every(w.services.store, ALL_REQUESTS)}
    return found == {"account_closed": "withdrawn", "server": "completed"}


def the_late_answer_is_evidence(w: World) -> bool:
    """A person's word stands, and what the vendor said behind it is kept too."""
    (request,) = every(w.services.store, ALL_REQUESTS)
    case = Case.read(w.services, request.id)
    kinds = [one.record.kind for one in ledger.stream_of(w.services.store, case.id)]
    told = [one for one in kinds if one in {"step.resolved", "step.answered_late"}]
    return told == ["step.resolved", "step.answered_late"] and case.record.steps["stripe"].outcome == "accepted"


def one_campaign_is_open(w: World) -> bool:
    return len(w.services.store.query(ALL_CAMPAIGNS)) == 2  # with the first version's


# --- the table ---------------------------------------------------------------------------------------------------------

ERASED = [of_meta(), confirmed()]
COPIED = [link(), confirmed("access")]
RESTRICTED = [link(), confirmed("restriction")]
SMALL = [
    company(notices_per_call=2),
    link(),
    link("u2", BEA),
    link("u3", "cat@mail.test"),
    published(),
]
BOUNCE = Event(event="bounce", pledge=references.of_recipients(strands.batch_id("v2", strands.Place(0, 0, "")), [0])[0])
MEETS_AN_OWN_STEP: dict[str, Prepare] = {
    "a decision of the account": refused_by(),
    "a new address": moved(),
    "another account of the address": link("u2"),
    "a yes that the mailbox confirms": yes(),
    "a deauthorization": deauthorized(),
    "a deletion at Meta": deleted_at_meta(),
    "an unsubscription": unsubscribe(),
    "an objection": signed_in("objection"),
    "a copy": signed_in("access"),
    "a restriction": signed_in("restriction"),
    "a second erasure": signed_in(),
    "an import of the customer": imported("customers", customer("u1", name="Ann", locale="de")),
    "an import of a no": imported("unsubscribes", {"email": ANN, "at": LONG_AGO}),
    "a mail": written("Where is my parcel?"),
    "a mail dealt with": dealt_with(),
}
own_step = partial(running, erasure.STEP, subprocessor=OURS)
stripes_step = partial(running, erasure.STEP, subprocessor="stripe")

ROWS: dict[str, Meeting] = {
    # accounts
    "an account is linked twice": Meeting([], link(meta_user_ids=["1"], stripe_customer_ids=["cus_1"])),
    "an account moves twice": Meeting([link()], moved()),
    "two accounts take one address": Meeting([], link(), link("u2")),
    "two accounts move to one address": Meeting([link("u1", "x@a.test"), link("u2", "y@a.test")], link(), link("u2")),
    "two accounts take one customer": Meeting([], paying(), paying("u2", BEA)),
    "an account moves, its old address unsubscribes": Meeting([link()], moved(), unsubscribe()),
    "an account moves with a no, its new address unsubscribes": Meeting(
        [link(), unsubscribe()], moved(), unsubscribe(NEW)
    ),
    "an account moves with an excepted no, its new address says no to all": Meeting(
        [link(), unsubscribe(), yes()], moved(), unsubscribe(NEW)
    ),
    "an account moves, and refuses": Meeting([link()], moved(), refused_by()),
    "an account refuses, and moves": Meeting([link()], refused_by(), moved()),
    "an account moves, its old address refuses on a page": Meeting([link()], moved(), refused_here()),
    "an old address unsubscribes, its account moves": Meeting([link()], unsubscribe(), moved()),
    "an account moves, its old address objects": Meeting([link()], moved(), asked("objection")),
    "an old address objects, its account moves": Meeting([link()], asked("objection"), moved()),
    "a no is carried after its account, which moves on": Meeting(
        [link(), moved(), asked("objection")], running(objections.FOLLOW), link(email="ann@newest.test")
    ),
    "an account moves on, and a no is carried after it": Meeting(
        [link(), moved(), asked("objection")], link(email="ann@newest.test"), running(objections.FOLLOW)
    ),
    "a no is carried to where its account moves at this moment": Meeting(
        [link(), asked("objection")], running(objections.FOLLOW), moved()
    ),
    "a no is carried after its account, and the new address says yes": Meeting(
        [link(), moved(), asked("objection")], running(objections.FOLLOW), decide({"marketing_email": True}, email=NEW)
    ),
    "an account is closed twice": Meeting([link()], closed()),
    "an account is closed twice by staff": Meeting([link()], closed("staff")),
    "an account is closed, and erased": Meeting([link()], closed(), confirmed()),
    "an account is erased, and closed": Meeting([link()], confirmed(), closed()),
    "an account is kept twice": Meeting([link(), closed()], kept()),
    # decisions
    "a decision with a key comes twice": Meeting([], decide({"analytics": True}, key="k", device_id=DEVICE)),
    "a decision comes twice": Meeting([], decide({"analytics": True}, device_id=DEVICE)),
    "a no to mail comes twice": Meeting([], refused_here()),
    "a yes to mail comes twice": Meeting([], decide({"marketing_email": True}, device_id=DEVICE, email=ANN)),
    "a no of an account comes twice": Meeting([link()], refused_by()),
    "an account says yes after a no twice": Meeting([link(), unsubscribe()], yes_of()),
    "an account says yes after a no, and moves": Meeting([link(), unsubscribe()], yes_of(), moved()),
    "an account moves, and says yes after a no": Meeting([link(), unsubscribe()], moved(), yes_of()),
    "an account says yes, and its mailbox unsubscribes": Meeting([link()], yes_of(), unsubscribe()),
    "a mailbox unsubscribes, and its account says yes": Meeting([link()], unsubscribe(), yes_of()),
    "an account's yes after a no is confirmed twice": Meeting([link(), unsubscribe()], yes(server=True, user_id="u1")),
    "an account's yes after a no is confirmed, and it refuses": Meeting(
        [link(), unsubscribe()], yes(server=True, user_id="u1"), refused_by()
    ),
    "an account refuses, and its yes after a no is confirmed": Meeting(
        [link(), unsubscribe()], refused_by(), yes(server=True, user_id="u1")
    ),
    "an account's yes after a no is confirmed, and it is erased": Meeting(
        [link(), unsubscribe()], yes(server=True, user_id="u1"), confirmed()
    ),
    "a device says yes, and no": Meeting(
        [], decide({"analytics": True}, device_id=DEVICE), decide({"analytics": False}, device_id=DEVICE)
    ),
    "a device says no, and yes": Meeting(
        [decide({"analytics": True}, device_id=DEVICE)],
        decide({"analytics": False}, device_id=DEVICE),
        decide({"analytics": True}, device_id=DEVICE),
    ),
    "a yes is confirmed twice": Meeting([], yes()),
    "a yes of a device is confirmed twice": Meeting([], yes(device_id=DEVICE)),
    "two yeses of one mailbox are confirmed": Meeting([], yes(device_id=DEVICE), yes(device_id="device-0002")),
    "a yes is confirmed, and the mailbox unsubscribes": Meeting([], yes(), unsubscribe()),
    "a yes is confirmed that lifts a no, and the mailbox unsubscribes": Meeting([unsubscribe()], yes(), unsubscribe()),
    "a mailbox unsubscribes, and confirms a yes": Meeting([], unsubscribe(), yes()),
    "a mailbox unsubscribes again, and confirms a yes": Meeting([unsubscribe(), yes()], unsubscribe(), yes()),
    "a yes is confirmed, and an account linked": Meeting([], yes(), link()),
    "an account is linked, and a yes confirmed": Meeting([], link(), yes()),
    "a yes is confirmed, and the device says no": Meeting([], yes(device_id=DEVICE), refused_here()),
    "a device says no, and a yes is confirmed": Meeting([], refused_here(), yes(device_id=DEVICE)),
    "somebody unsubscribes twice": Meeting([], unsubscribe()),
    "somebody unsubscribes twice from one purpose": Meeting([], unsubscribe(name="marketing_email")),
    "somebody unsubscribes twice after a yes": Meeting([unsubscribe(), yes()], unsubscribe()),
    "somebody unsubscribes twice in another spelling": Meeting([unsubscribe()], unsubscribe("ann+x@mail.test")),
    "two spellings unsubscribe": Meeting([], unsubscribe(), unsubscribe("ann+x@mail.test")),
    "an opt-out at the mail service is heard twice": Meeting([], heard(Event(event="unsubscribe", email=ANN))),
    "an opt-out at the mail service is heard twice after a yes": Meeting(
        [unsubscribe(), yes()], heard(Event(event="unsubscribe", email=ANN))
    ),
    # objections
    "an objection comes twice": Meeting([], asked("objection")),
    "an objection that is decided comes twice": Meeting([], asked("objection", scope="analytics")),
    "an objection of an account comes twice": Meeting([link()], signed_in("objection")),
    "an account objects, and moves": Meeting([link()], signed_in("objection"), moved()),
    "somebody objects, and unsubscribes": Meeting([], asked("objection"), unsubscribe()),
    "somebody unsubscribes, and objects": Meeting([], unsubscribe(), asked("objection")),
    "an objection is upheld twice": Meeting([asked("objection", scope="analytics")], verified("objection")),
    "an objection is upheld, and denied": Meeting(
        [asked("objection", scope="analytics")], verified("objection"), denied("objection")
    ),
    "an objection is denied, and upheld": Meeting(
        [asked("objection", scope="analytics")], denied("objection"), verified("objection")
    ),
    "an objection is denied, and made again": Meeting(
        [asked("objection", scope="analytics")], denied("objection"), asked("objection", scope="analytics")
    ),
    "an objection is made again, and denied": Meeting(
        [asked("objection", scope="analytics")], asked("objection", scope="analytics"), denied("objection")
    ),
    "an objection is made again, and upheld": Meeting(
        [asked("objection", scope="analytics")], asked("objection", scope="analytics"), verified("objection")
    ),
    # requests
    "a request comes twice": Meeting([], asked()),
    "a request is entered twice": Meeting([link()], entered()),
    "a request is verified twice by an operator": Meeting([link(), asked()], verified()),
    "a request is paused, and verified": Meeting([link(), asked()], paused(), verified()),
    "a request is extended twice": Meeting([link(), asked()], extended()),
    "a request is cancelled twice": Meeting(ERASED, cancelled()),
    "a request is cancelled, and a second one confirmed": Meeting(ERASED, cancelled(), confirmed()),
    "a second request is confirmed, and the first cancelled": Meeting(ERASED, confirmed(), cancelled()),
    "a request is cancelled, and begins": Meeting(ERASED, cancelled(), running(erasure.BEGIN)),
    "a request begins, and the account moves": Meeting(ERASED, running(erasure.BEGIN), moved(), within="P2D"),
    "a request begins, and is cancelled": Meeting(ERASED, running(erasure.BEGIN), cancelled()),
    "accounts are chosen twice": Meeting([link(), link("u2"), confirmed()], chose(1)),
    "accounts are chosen in two ways": Meeting([link(), link("u2"), confirmed()], chose(1), chose(2)),
    "accounts are chosen, and the request cancelled": Meeting([link(), link("u2"), confirmed()], chose(1), cancelled()),
    **{
        f"{right}: {name}": meeting
        for right in MORE
        for name, meeting in {
            "it is confirmed twice": Meeting([link()], confirmed(right)),
            "it is asked for twice by who is signed in": Meeting([link()], signed_in(right)),
            # whoever comes a moment later to the same address may lift its stops, never the account's own
            "it is confirmed, and another account linked": Meeting(
                [link()],
                confirmed(right),
                link("u2"),
                holds=is_restricted,
            ),
            "it is confirmed, and the account refuses": Meeting([link()], confirmed(right), refused_by()),
            "it is confirmed, and denied": Meeting(
                [link(), asked(right, **MORE[right])], verified(right), denied(right)
            ),
            "it is denied, and confirmed": Meeting(
                [link(), asked(right, **MORE[right])], denied(right), verified(right)
            ),
            "it is confirmed, and an erasure too": Meeting([link()], confirmed(right), confirmed()),
        }.items()
    },
    # copies
    "a copy is fetched twice": Meeting(COPIED, fetched()),
    "a new link to a copy is asked for twice": Meeting(COPIED, renewed()),
    "a copy is fetched, and a new link asked for": Meeting(COPIED, fetched(), renewed()),
    "a copy is gathered, and the account erased": Meeting(
        [
            link(),
            confirmed(),
            # the erasure waits for this one, which nobody fetches, and then for none
            confirmed("access"),
            after(days=4, hours=23),
            stripe(export=is_down),
            confirmed("access"),
            after(minutes=1),
            much_later(hours=3),
            stripe(export=lambda _: {}),
        ],
        running(gathering.GATHER),
        settled_later,
        within="PT12H",
    ),
    # erasure
    **{
        f"an own step meets {name}": Meeting(ERASED, own_step(), other, within="P2D")
        for name, other in MEETS_AN_OWN_STEP.items()
    },
    **{
        f"{name} meets an own step": Meeting([*ERASED, after(minutes=1)], other, own_step(), within="P2D")
        for name, other in MEETS_AN_OWN_STEP.items()
    },
    "a step that is retried runs beside itself": Meeting(
        [*ERASED, lambda w: (stripes_step()(w), retried("stripe")(w))[1]],
        stripes_step(),
        stripes_step(number=1),
        within="P3D",
    ),
    "an own step that is retried runs beside itself": Meeting(
        [*ERASED, lambda w: (own_step()(w), retried(OURS)(w))[1]], own_step(), own_step(number=1), within="P3D"
    ),
    "a step runs, and is resolved": Meeting(
        ERASED,
        stripes_step(),
        lambda w: (stripes_step()(w), resolved("stripe")(w))[1],
        the_late_answer_is_evidence,
        within="P3D",
    ),
    "a step fails, and is resolved": Meeting(
        [stripe(answer=fails(NeverRetry("no"))), *ERASED],
        stripes_step(),
        lambda w: (stripes_step()(w), resolved("stripe")(w))[1],
        the_late_answer_is_evidence,
        within="P3D",
    ),
    # restriction and rectification
    "a recipient is told, and the step resolved": Meeting(
        [stripe(restricts=fails(NeverRetry("no"))), *RESTRICTED],
        running(notifying.NOTIFY),
        resolved("stripe", "restriction"),
        the_late_answer_is_evidence,
        within="P3D",
    ),
    "recipients are told twice, since one was retried": Meeting(
        [*RESTRICTED, retried("stripe", "restriction")], running(notifying.NOTIFY), running(notifying.NOTIFY, number=1)
    ),
    "recipients are told, and the restriction ends": Meeting(
        RESTRICTED, running(notifying.NOTIFY), denied("restriction"), within="P4D"
    ),
    "recipients are told, and the account is erased": Meeting(RESTRICTED, running(notifying.NOTIFY), signed_in()),
    "recipients are told by hand, and the request is denied": Meeting(
        [link(), confirmed("rectification", corrections={}, details="My birthday is wrong"), running(rectifying.BEGIN)],
        running(notifying.NOTIFY),
        denied("rectification"),
    ),
    "recipients of what is erased are told, and it is denied": Meeting(
        ERASED, running(recipients.TELL), denied(), holds=everybody_told_heard_of_its_end
    ),
    "a correction begins, and the account moves": Meeting(
        [link(), confirmed("rectification")], running(rectifying.BEGIN), moved()
    ),
    "a correction names a new address, and another account takes it": Meeting(
        [link(), confirmed("rectification", corrections={"email": NEW}), after(minutes=1), new_address_confirmed()],
        running(rectifying.CORRECT),
        link("u2", NEW),
    ),
    "another account takes the new address of a correction": Meeting(
        [link(), confirmed("rectification", corrections={"email": NEW}), after(minutes=1), new_address_confirmed()],
        link("u2", NEW),
        running(rectifying.CORRECT),
    ),
    "a correction names a new address, which unsubscribes": Meeting(
        [
            link(),
            unsubscribe(),
            yes(),
            confirmed("rectification", corrections={"email": NEW}),
            after(minutes=1),
            new_address_confirmed(),
        ],
        running(rectifying.CORRECT),
        unsubscribe(NEW),
    ),
    "a correction names a new address, and the old one unsubscribes": Meeting(
        [link(), confirmed("rectification", corrections={"email": NEW}), after(minutes=1), new_address_confirmed()],
        running(rectifying.CORRECT),
        unsubscribe(),
    ),
    "an old address unsubscribes, and a correction names a new one": Meeting(
        [link(), confirmed("rectification", corrections={"email": NEW}), after(minutes=1), new_address_confirmed()],
        unsubscribe(),
        running(rectifying.CORRECT),
    ),
    # what nobody asked for
    "an event of Stripe comes twice": Meeting([paying()], ended()),
    "Stripe is asked, and the account closed": Meeting([paying(), ended()], running(stripe_events.CHECK), closed()),
    "Stripe is asked, and the account erased": Meeting([paying(), ended()], running(stripe_events.CHECK), signed_in()),
    **{
        f"an ending {name}, and {what}": Meeting(
            [paying(), closed()], running(kind), other, the_ending_gave_way if "erased" in what else None, "P9D"
        )
        for name, kind in {"is told again": endings.AGAIN, "begins": endings.BEGIN}.items()
        for what, other in {
            "the account is restricted": lambda w: (running(endings.AGAIN)(w), signed_in("restriction")(w))[1],
            "the account is erased": signed_in(),
            "the account moves": moved(),
            "is kept": kept(),
        }.items()
    },
    "two endings begin, and the breaker admits one": Meeting(
        [breaker_at(1), link(), link("u2", BEA), closed(), closed(user="u2")],
        running(endings.BEGIN),
        running(endings.BEGIN, number=1),
        within="PT3H",
    ),
    "the breaker is reset twice": Meeting(
        [breaker_at(0), tripped()],
        doing(lambda services: breaker.reset(services, breaker.Reset(reason=REASON), "ola")),
    ),
    # Meta
    "somebody deauthorizes twice": Meeting([of_meta()], deauthorized()),
    "somebody has Meta delete twice": Meeting([of_meta()], deleted_at_meta()),
    "Meta deletes, and somebody deauthorizes": Meeting([of_meta()], deleted_at_meta(), deauthorized()),
    "somebody deauthorizes, and Meta deletes": Meeting([of_meta()], deauthorized(), deleted_at_meta()),
    "somebody deauthorizes, and signs in again": Meeting([of_meta()], deauthorized(), of_meta()),
    "somebody signs in again, and deauthorizes": Meeting([of_meta()], of_meta(), deauthorized()),
    # mail
    **{
        f"a mail comes twice: {text}": Meeting([], written(text))
        for text in (
            "Please delete my account.",
            "Where is my parcel?",
            "Please do not delete my account.",
            "unsubscribe",
        )
    },
    "a mail is dealt with twice": Meeting([], dealt_with()),
    # the policy
    "a version is published twice": Meeting([], published()),
    # whoever comes second is told that another was published meanwhile
    "two versions are published": Meeting([], published(), published("v3"), holds=one_campaign_is_open),
    "a campaign is announced, and paused": Meeting(SMALL, running(policy.ANNOUNCE), campaign(campaigns.pause)),
    "a campaign is paused, and announced": Meeting(SMALL, campaign(campaigns.pause), running(policy.ANNOUNCE)),
    "a campaign is paused twice": Meeting(SMALL, campaign(campaigns.pause)),
    "a campaign begins, and is paused": Meeting(SMALL, running(announcing.START), campaign(campaigns.pause)),
    "a batch is sent, and the campaign paused": Meeting(SMALL, running(announcing.SEND), campaign(campaigns.pause)),
    "a batch is sent, and somebody unsubscribes": Meeting(SMALL, running(announcing.SEND), unsubscribe()),
    "a batch is sent, and somebody moves": Meeting(SMALL, running(announcing.SEND), moved()),
    "a campaign is resumed twice": Meeting([*SMALL, campaign(campaigns.pause)], campaign(campaigns.resume)),
    "a campaign is resumed, and paused": Meeting(
        [*SMALL, campaign(campaigns.pause)], campaign(campaigns.resume), campaign(campaigns.pause)
    ),
    # imports
    "customers are imported twice": Meeting(
        [], imported("customers", customer("u1", email=ANN, email_verified="true"))
    ),
    "a customer is imported, and linked": Meeting(
        [], imported("customers", customer("u1", email=ANN, email_verified="true", name="A")), link(name="B")
    ),
    "a customer is imported, and another linked": Meeting(
        [], imported("customers", customer("u1", email=ANN, email_verified="true")), link("u2")
    ),
    "a no is imported, and said here": Meeting(
        [], imported("unsubscribes", {"email": ANN, "at": LONG_AGO}), unsubscribe()
    ),
    "a no is imported beside a later yes, and said here": Meeting(
        [yes()], imported("unsubscribes", {"email": ANN, "at": LONG_AGO}), unsubscribe()
    ),
    # stop broadly: of a yes at this very moment the import may know nothing
    "a no is imported, and a yes confirmed": Meeting(
        [], imported("unsubscribes", {"email": ANN, "at": LONG_AGO}), yes(), holds=hears_no_marketing
    ),
    "a no is imported, and the account moves": Meeting([link()], imported("unsubscribes", {"email": ANN}), moved()),
    "a yes is imported, and the mailbox unsubscribes": Meeting(
        [link()], imported("consents", consent(user_id="u1")), unsubscribe()
    ),
    "a yes is imported, and refused here": Meeting([link()], imported("consents", consent(user_id="u1")), refused_by()),
    "a yes is imported, and restricted": Meeting(
        [link()], imported("consents", consent(user_id="u1")), signed_in("restriction")
    ),
    "a yes of a mailbox is imported, and its account erased": Meeting(
        [link()], imported("consents", consent(email=ANN, confirmed_at=LONG_AGO)), confirmed()
    ),
    # the house
    "the last place of a quota is taken twice": Meeting(
        [], lambda w: lambda: quota.take(w.services.store, "q", [quota.Limit(1, 60)], w.clock.at), within="PT0S"
    ),
    "a deadline is watched twice": Meeting([asked(), much_later(days=29)], doing(deadlines.watch)),
    "what is over is removed twice": Meeting(
        [decide({"marketing_email": True}, email=ANN), much_later(days=9)], doing(retention.expire)
    ),
    "what is over is removed, and a yes confirmed": Meeting(
        [], doing(retention.expire), lambda w: (yes()(w), much_later(days=8)(w)())[0]
    ),
    "a checkpoint is made twice": Meeting([much_later(days=1)], doing(checkpoints.run)),
    "news is seen twice": Meeting([paying(), paying("u2", BEA), ended()], seen()),
    # every handler of work, held for too long by somebody who goes on all the same
    **{
        f"work runs twice: {kind} {' '.join(args.values())}": Meeting(
            before, running(kind, late=True, **args), within=within, mails=False
        )
        for kind, before, within, args in [
            ("request.mail", [asked()], "PT1H", {}),
            (requests.REMIND, [asked()], "PT1H", {}),
            (erasure.BEGIN, ERASED, "PT1H", {}),
            (erasure.STEP, ERASED, "PT1H", {"subprocessor": OURS}),
            (erasure.STEP, ERASED, "PT1H", {"subprocessor": "stripe"}),
            (erasure.STEP, ERASED, "PT1H", {"subprocessor": "sendgrid"}),
            (erasure.SUPERSEDE, [*ERASED, asked()], "PT1H", {}),
            (erasure.CLOSE, [stripe(answer=fails(TryAgain("down"))), *ERASED], "PT1H", {}),
            (erasing.RECHECK, [lambda w: stripe(answer=_scheduled(w))(w), *ERASED], "PT1H", {}),
            (recipients.TELL, ERASED, "PT1H", {}),
            (notifying.NOTIFY, RESTRICTED, "PT1H", {}),
            (restricting.LIFT, [*RESTRICTED, after(minutes=1), denied("restriction")], "PT1H", {}),
            (restricting.OVERTAKEN, [*RESTRICTED, after(minutes=1), signed_in()], "PT1H", {}),
            (rectifying.BEGIN, [link(), confirmed("rectification")], "PT1H", {}),
            (rectifying.CORRECT, [link(), confirmed("rectification", corrections={"email": NEW})], "PT1H", {}),
            (silencing.TELL, [unsubscribe()], "PT1H", {}),
            (confirmations.MAIL, [decide({"marketing_email": True}, email=ANN)], "PT1H", {}),
            (mailbox.FORWARD, [written("Where is my parcel?")], "PT1H", {}),
            (mailbox.ASK, [written("", "unsubscribe marketing", "x@other.test")], "PT1H", {}),
            (endings.AGAIN, [paying(), closed()], "PT1H", {}),
            (endings.BEGIN, [paying(), closed()], "PT1H", {}),
            (erasure.OVERTAKEN, [paying(), closed(), confirmed()], "PT1H", {}),
            (stripe_events.CHECK, [paying(), ended()], "PT1H", {}),
            (exporting.BEGIN, COPIED, "PT1H", {}),
            (gathering.GATHER, COPIED, "PT1H", {}),
            (fetching.END, COPIED, "PT1H", {}),
            (policy.ANNOUNCE, SMALL, "PT1H", {}),
            (announcing.START, SMALL, "PT1H", {}),
            (announcing.SEND, SMALL, "P1D", {}),
            (announcing.END, SMALL, "PT1H", {}),
            (announcing.BOUNCED, [*SMALL, after(minutes=1), heard(BOUNCE)], "PT1H", {}),
            ("operator.alert", [paying(), paying("u2", BEA), ended()], "PT1H", {}),
        ]
    },
}


def _scheduled(w: World) -> Any:
    return says("scheduled_by_vendor", until=w.clock.at + timedelta(days=30))


@pytest.mark.parametrize("name", ROWS)
def test_two_acts_that_meet_come_to_what_one_after_the_other_comes_to(tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path, ROWS[name])
    meetings = 0
    for meetings in scene.interrupted():
        came_to, holds = scene.seen(), bool(scene.meeting.holds and scene.meeting.holds(scene.world))
        if not holds and not scene.is_an_order(came_to):
            pytest.fail(f"{name}, before call {meetings}: {difference(came_to, scene.orders)}")
    assert meetings, f"{name}: nobody came in between"
