"""What the company says of itself: `COMPANY`, a YAML file, as a checked value."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any, Literal

import isodate
import msgspec

from shared.annex import NAMES
from shared.failures import Misconfigured

LegalBasis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"
]
SIGNALS = (
    "ad_storage",
    "ad_user_data",
    "ad_personalization",
    "analytics_storage",
    "functionality_storage",
    "personalization_storage",
    "security_storage",
)


LONGEST_COOLING_OFF = timedelta(days=5)
MOST_IN_A_CALL = 1000
MOST_OF_BREAKER = 1000
COST = re.compile(r"(?P<amount>\d{1,6}(?:\.\d{1,4})?) (?P<currency>[A-Z]{3})")


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the company's file; unknown names are refused."""


class Purpose(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why data is taken: one legal basis each; only consent purposes are asked (TRUTH §10).

    `marketing`: direct marketing by another way than e-mail or advertisements. `sendgrid_group`: SendGrid's
    unsubscribe group of its mails, if there is one.
    """

    name: str
    title: str
    why: str
    legal_basis: LegalBasis
    fields: list[str]
    kept_for: str
    kept_in_words: str
    recipients: list[str]
    channel: Literal["page", "email"] = "page"
    ask_again_after: str = "P12M"
    signals: list[str] = []
    marketing: bool = False
    sendgrid_group: int | None = None

    @property
    def is_marketing(self) -> bool:
        """Tell whether it is direct marketing, which an objection stops (Art. 21(2)). A contract's own mail never is."""
        asked = self.legal_basis in {"consent", "legitimate_interests"}
        return asked and (
            self.marketing or self.channel == "email" or any(one.startswith("ad_") for one in self.signals)
        )


class Senders(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Marketing and service mail come from different senders (TRUTH §12)."""

    service: str
    marketing: str


class Authority(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a person may complain."""

    name: str
    url: str


class Ground(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A named law or claim, what it covers, and for how many calendar years."""

    ground: str
    years: int
    categories: list[str]


class Contract(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What binds one subprocessor (GDPR Art. 28), when it was signed and last reviewed, and the ground of a transfer."""

    signed: date
    reviewed: date
    transfer: str
    contact: str


class BreakerLimit(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many erasures that nobody asked for may begin within a time, before they wait for a person."""

    most: int = 20
    within: str = "PT24H"


class Company(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The controller.

    `notices_per_hour`, `notices_per_call`: how fast everybody is told of a new policy; as fast as can be, when absent.
    `contact_mail_kept_for`: how long the mailbox behind `contact_mail_goes_to` keeps a mail.
    `mail_cost_per_thousand`: what the mail service asks, such as `0.80 EUR`; a dry run of a publication reckons with it.
    """

    name: str
    address: str
    country: str
    contact: str
    contact_mail_goes_to: list[str]
    alerts_to: str
    senders: Senders
    authority: Authority
    courts: str
    purposes: list[Purpose]
    minimum_age: int = 16
    cooling_off: str = "PT24H"
    evidence_kept_for: str = "P3Y"
    contact_mail_kept_for: str = "P3Y"
    mail_cost_per_thousand: str | None = None
    notices_per_hour: int | None = None
    notices_per_call: int = 1000
    breaker: BreakerLimit = BreakerLimit()
    retention_grounds: dict[str, Ground] = {}
    contracts: dict[str, Contract] = {}
    not_used: dict[str, str] = {}

    def purpose(self, name: str) -> Purpose | None:
        """Return the purpose of that machine name."""
        return next((purpose for purpose in self.purposes if purpose.name == name), None)


def company_from(value: Any) -> Company:
    """Check the parsed file. Raises Misconfigured with the place and the rule."""
    try:
        company = msgspec.convert(value, Company)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"COMPANY: {error}") from error
    for problem in _problems(company):
        raise Misconfigured(f"COMPANY: {problem}")
    return company


def _problems(company: Company) -> list[str]:
    names = [purpose.name for purpose in company.purposes]
    found = [f"purpose {name} stands twice" for name in names if names.count(name) > 1]
    found += [f"purpose {name}: the word means all direct marketing" for name in names if name == "marketing"]
    found += [f"purpose {name}: kept for stops" for name in names if name == "erasure" or ":" in name or "/" in name]
    for purpose in company.purposes:
        found += [
            f"purpose {purpose.name}: {who} is not in the annex" for who in purpose.recipients if who not in NAMES
        ]
        found += [
            f"purpose {purpose.name}: {signal} is no signal" for signal in purpose.signals if signal not in SIGNALS
        ]
        found += _bad_durations(purpose.name, [purpose.kept_for, purpose.ask_again_after])
    periods = [company.cooling_off, company.evidence_kept_for, company.contact_mail_kept_for, company.breaker.within]
    found += _bad_durations("company", periods)
    found += _bad_breaker(company.breaker)
    found += _bad_cooling_off(company.cooling_off)
    found += _bad_cost(company.mail_cost_per_thousand)
    if not 1 <= company.notices_per_call <= MOST_IN_A_CALL or (company.notices_per_hour or 1) < 1:
        found.append(f"notices_per_call is 1 to {MOST_IN_A_CALL}, notices_per_hour at least 1")
    found += [
        f"{who} is not in the annex"
        for who in (*company.retention_grounds, *company.not_used, *company.contracts)
        if who not in NAMES
    ]
    return found


def _bad_cooling_off(duration: str) -> list[str]:
    try:
        parsed = isodate.parse_duration(duration)
    except (isodate.ISO8601Error, ValueError):
        return []
    if isinstance(parsed, timedelta) and timedelta(0) <= parsed <= LONGEST_COOLING_OFF:
        return []
    return ["cooling_off: at most 5 days, in days and hours: the promise is 14"]


def _bad_cost(cost: str | None) -> list[str]:
    good = cost is None or COST.fullmatch(cost)
    return [] if good else ["mail_cost_per_thousand: an amount and a currency, such as 0.80 EUR"]


def _bad_breaker(limit: BreakerLimit) -> list[str]:
    return [] if 1 <= limit.most <= MOST_OF_BREAKER else [f"breaker: most: from 1 to {MOST_OF_BREAKER}"]


def _bad_durations(where: str, durations: list[str]) -> list[str]:
    bad = []
    for duration in durations:
        try:
            isodate.parse_duration(duration)
        except (isodate.ISO8601Error, ValueError):
            bad.append(f"{where}: {duration} is no ISO 8601 duration")
    return bad
