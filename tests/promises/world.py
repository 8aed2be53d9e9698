"""The core at work without any process: a real store and vault, a clock to set, and twins that remember what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from functions.work import HANDLERS
from infra.container import Container
from infra.local.server import SAMPLE_POLICY
from infra.settings import Settings
from shared import work
from shared.case import Case
from shared.failures import NeverRetry, Unacceptable
from shared.ports import Ability, Corrections, Forwarded, Part, Person, Recipients, Stops
from shared.promises import campaigns, consents, notice, requests, subjects
from shared.promises.campaigns import Announcement
from shared.promises.consents import Decided, Who
from shared.promises.policy import Draft, publish
from shared.promises.requests import Asked
from shared.promises.statement import view
from shared.promises.subjects import Linked
from shared.records import Right
from shared.store import Store
from shared.times import plus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SetClock:
    """The `Clock` port: stands where it was put."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class Addressed(NamedTuple):
    """One of the recipients of a call."""

    to: str
    reference: str
    link: str


class RememberingPostman:
    """The `Postman` port: keeps what was posted; fails as it is told to."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.forwarded: list[tuple[Forwarded, list[str]]] = []
        self.trouble: Exception | None = None
        self.calls: list[list[Addressed]] = []
        self.answers: list[Exception | None] = []
        self.unacceptable: set[str] = set()

    def post(self, template: str, to: str, locale: str, words: Mapping[str, Any], reference: str) -> str:
        if self.trouble:
            raise self.trouble
        self.posted.append({"template": template, "to": to, "locale": locale, **words})
        return f"message-{len(self.posted)}"

    def language(self, template: str, locale: str) -> str:
        return ""

    def post_all(self, template: str, language: str, words: Mapping[str, Any], recipients: Recipients) -> str:
        call = self.called(recipients)
        for trouble in self.answers[:1]:
            self.answers = self.answers[1:]
            if trouble:
                raise trouble
        if any(one.to in self.unacceptable for one in call):
            raise Unacceptable("sendgrid_400")
        self.posted += [{"template": template, "to": one.to, "link": one.link, **words} for one in call]
        return f"message-{len(self.posted)}"

    def called(self, recipients: Recipients) -> list[Addressed]:
        self.calls.append([Addressed(*one) for one in zip(*recipients, strict=True)])
        return self.calls[-1]

    def forward(self, mail: Forwarded, to: Sequence[str], reference: str) -> str:
        if self.trouble:
            raise self.trouble
        self.forwarded.append((mail, list(to)))
        return f"forwarded-{len(self.forwarded)}"


class HeardTopic:
    """The `Topic` port: the campaign hears each message at once; fails as it is told to, or loses what it is given."""

    def __init__(self, services: Container) -> None:
        self._services = services
        self.published: list[dict[str, str]] = []
        self.trouble: Exception | None = None
        self.loses = False

    def publish(self, message: Mapping[str, str]) -> str:
        if self.trouble:
            raise self.trouble
        self.published.append(dict(message))
        if not self.loses:
            campaigns.open_campaign(self._services, Announcement(**message))
        return f"message-{len(self.published)}"


class ScriptedConnector:
    """The `Connector` port: answers with a part or a failure, and remembers whom it was asked to erase."""

    def __init__(self, name: str, answer: Callable[[Person, datetime], Sequence[Part]]) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[Person] = []
        self.restricts = says("accepted")
        self.rectifies = says("accepted")
        self.corrected: list[tuple[Person, Corrections]] = []
        self.told: list[tuple[Person, bool]] = []
        self.silences: Callable[[Stops], Sequence[Part]] = lambda _stops: [Part(name="data", outcome="verified")]
        self.silenced: list[Stops] = []

    def erase(self, person: Person, now: datetime) -> Sequence[Part]:
        self.asked.append(person)
        return self.answer(person, now)

    def export(self, person: Person) -> dict[str, Any]:
        return {}

    def purge(self, places: Sequence[str], now: datetime) -> Part:
        raise NeverRetry("nothing_retained")

    def rectify(self, person: Person, corrections: Corrections, now: datetime) -> Sequence[Part]:
        self.corrected.append((person, corrections))
        return self.rectifies(person, now)

    def restrict(self, person: Person, now: datetime, *, lifted: bool = False) -> Sequence[Part]:
        self.told.append((person, lifted))
        return self.restricts(person, now)

    def silence(self, stops: Stops, now: datetime) -> Sequence[Part]:
        self.silenced.append(stops)
        return self.silences(stops)

    def describe(self) -> Sequence[Ability]:
        return []

    def ping(self) -> None:
        """Do nothing."""


def says(outcome: str, **more: Any) -> Callable[[Person, datetime], Sequence[Part]]:
    """Make an answer of one part."""
    return lambda _person, _now: [Part(name="data", outcome=outcome, **more)]  # type: ignore[arg-type]


def fails(error: Exception) -> Callable[[Person, datetime], Sequence[Part]]:
    """Make an answer that raises."""

    def answer(_person: Person, _now: datetime) -> Sequence[Part]:
        raise error

    return answer


class World:
    """One stack in this process. `stripe` stands for every vendor that is neither our own store nor the mailer."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.clock, self.postman = SetClock(), RememberingPostman()
        settings = Settings({"DATA_DIR": str(folder), "PUBLIC_BASE_URL": "https://pledge.test", **environment})
        self.services = Container(settings)
        self.services.__dict__["clock"] = self.clock
        self.services.__dict__["postman"] = self.postman
        self.topic = HeardTopic(self.services)
        self.services.__dict__["topic"] = self.topic
        self.stripe = ScriptedConnector("stripe", says("nothing_found"))
        self.sendgrid = ScriptedConnector("sendgrid", says("accepted"))
        self.services.__dict__["connected"] = ("google_cloud_platform", "stripe", "sendgrid")
        self.ours = self._ours()
        self.services.__dict__["connectors"] = {
            "google_cloud_platform": self.ours,
            "stripe": self.stripe,
            "sendgrid": self.sendgrid,
        }
        publish(self.services, Draft(text=SAMPLE_POLICY.read_text(), version="v1"), "set-up")
        self.run_due()

    def stand_on(self, store: Store) -> None:
        """Put another store under everything."""
        for built_on_it in ("website", "policies"):
            self.services.__dict__.pop(built_on_it, None)
        self.services.__dict__["store"] = store
        self.ours = self.services.__dict__["connectors"]["google_cloud_platform"] = self._ours()

    def _ours(self) -> Any:
        from infra.subprocessors.google_cloud_platform import GoogleCloudPlatformConnector

        services = self.services
        return GoogleCloudPlatformConnector(services.store, services.vault, services.website, services.website_data)

    def advance(self, duration: str) -> None:
        """Move the clock from due item to due item."""
        target = plus(self.clock.at, duration)
        while True:
            self.run_due()
            ahead = self.services.store.query(work.DUE_WORK, at_most=target, limit=1)
            if not ahead:
                break
            self.clock.at = max(self.clock.at, ahead[0].record.due_at)
        self.clock.at = target

    def run_due(self) -> list[str]:
        """Run what is due until nothing is; return what became of each."""
        ran: list[str] = []
        while due := work.due(self.services):
            ran += [work.run(self.services, one.id, HANDLERS) for one in due]
            assert len(ran) < 5000, "work that never ends"
        return ran

    # --- shortcuts ---------------------------------------------------------------------------------------------------

    def account(self, user: str, email: str, **more: Any) -> None:
        subjects.link(self.services, Linked(user_id=user, email=email, email_verified=True, **more))

    def ask(self, email: str, right: Right = "erasure", **more: Any) -> str:
        asked = Asked(right=right, email=email, **more)
        return str(requests.open_request(self.services, asked, server=False)["request_id"])

    def mailed(self, template: str, to: str | None = None) -> list[dict[str, Any]]:
        return [one for one in self.postman.posted if one["template"] == template and to in {None, one["to"]}]

    def token(self, request_id: str, email: str) -> str:
        self.run_due()
        mails = [one for one in self.mailed("request_confirm", email) if request_id in one["link"]]
        return str(mails[-1]["link"].partition("?t=")[2])

    def confirm(self, email: str, request_id: str | None = None) -> dict[str, Any]:
        request_id = request_id or self.ask(email)
        return requests.confirm(self.services, request_id, self.token(request_id, email))

    def view(self, request_id: str) -> dict[str, Any]:
        return view(Case.read(self.services, request_id))

    def notice(self, *purposes: str) -> str:
        shown = notice.notice(self.services.vault, self.services.policies.current(), purposes or None, "en")
        return str(shown["notice"])

    def decide(
        self, decisions: dict[str, bool], *, server: bool = False, key: str | None = None, **who: str
    ) -> dict[str, Any]:
        said = Decided(subject=Who(**who), notice=self.notice(*decisions), decisions=decisions, method="banner")
        return consents.capture(self.services, self.services.policies.current(), said, server=server, key=key)


__all__ = ["NOON", "World", "fails", "says", "timedelta"]
