"""Times, rights, outcomes and states in plain words, the same on pages and in mails.

Nothing here says more than is known (TRUTH §3): an outcome is told as it was recorded, and no sentence claims that
everything was deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.annex import ANNEX, OURS

# not strftime: its month names follow the machine's locale
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTHS_OF = {
    "en": MONTHS,
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio",
        "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
    ),
}  # fmt: skip
DAYS = {"en": "{} {} {}", "de": "{}. {} {}", "fr": "{} {} {}", "es": "{} de {} de {}"}
OURS_EXPLAINED = "our own records and the website's data"
RIGHTS = {
    "access": "a copy of your data",
    "rectification": "a correction of your data",
    "erasure": "the deletion of your data",
    "restriction": "a stop to the use of your data while a question is open",
    "portability": "your data in a form you can take elsewhere",
    "objection": "an end to a use of your data that you object to",
}
ERASURE_OUTCOMES = {
    "verified": "Deleted, and checked that it is gone",
    "accepted": "Told to delete; it said yes. It offers no way to check.",
    "scheduled_by_vendor": "Told to delete; it says that it will do so",
}
EXPORT_OUTCOMES = {
    "verified": "Read, and put into your file",
    "nothing_found": "Nothing of yours could be read there",
}
OUTCOMES = {
    "pending": "Not done yet",
    "verified": "Done, and checked",
    "nothing_found": "Looked, nothing was held",
    "no_store": "Keeps nothing about single people",
    "accepted": "Told; it said yes. It offers no way to check.",
    "scheduled_by_vendor": "Told; it says that it will do so",
    "retained": "Kept because the law says so",
    "held": "Kept for now, under a legal hold",
    "failed": "Needs a person here; we are on it",
}
RESTRICTION_OUTCOMES = {
    "verified": "Told to keep it and use it for nothing else; done, and checked",
    "accepted": "Told to keep it and use it for nothing else; it said yes. It offers no way to check.",
    "no_store": "Nothing can be set there for one person",
}
RECTIFICATION_OUTCOMES = {
    "verified": "Corrected, and checked",
    "accepted": "Told what is right; it said yes. It offers no way to check.",
    "no_store": "Holds nothing there that could be corrected",
}
OWN_OUTCOMES = {
    "restriction": RESTRICTION_OUTCOMES,
    "rectification": RECTIFICATION_OUTCOMES,
    "erasure": ERASURE_OUTCOMES,
    "access": EXPORT_OUTCOMES,
    "portability": EXPORT_OUTCOMES,
}
ERASURE_STATES = {
    "verified": "Confirmed. The deletion begins when the time to change your mind is over.",
    "in_progress": "We are working on it. Not every step below is settled yet.",
    "completed": "Every step is settled. What was done in each is listed below.",
    "withdrawn": "This request was cancelled before its first step.",
}
RESTRICTION_STATES = {
    "in_progress": "Your data is kept and not used. Not everybody who works for us was told yet.",
    "completed": "Your data is kept and not used. This stands until it is lifted, and you are told before.",
    "denied": "This request has ended: it was refused, or the stop was lifted. A mail we sent you gives the reasons.",
    "withdrawn": "You took this request back. The stop is lifted.",
}
RECTIFICATION_STATES = {
    "verified": "Confirmed. What you asked for was not corrected yet.",
    "in_progress": "We are working on it. Not every step below is settled yet.",
    "completed": "Every step is settled. What became of each is listed below.",
    "unconfirmed": "The new address was not confirmed in time, so nothing was changed.",
}
OBJECTION_STATES = {
    "in_progress": "Your objection counts already: it is stopped. Somebody still has to be told of it, or to decide on it.",
    "completed": "Your objection stands. It is stopped.",
    "denied": "We refused this objection and lifted the stop. A mail we sent you gives the reasons.",
}
OWN_STATES = {
    "objection": OBJECTION_STATES,
    "erasure": ERASURE_STATES,
    "restriction": RESTRICTION_STATES,
    "rectification": RECTIFICATION_STATES,
}
FIELDS = {"name": "name", "email": "e-mail address", "locale": "language", "country": "country"}
STATES = {
    "unverified": "Waiting for confirmation. The link to confirm was sent to the mailbox that was named.",
    "verified": "Confirmed. The work on it has not begun yet.",
    "in_progress": "We are working on it.",
    "completed": "This request is done.",
    "awaiting_vendors": "Our own part is done. Some who work for us may still hold copies, until the dates below.",
    "partly_retained": "Our own part is done. Some records are kept because the law says so; they are listed below.",
    "denied": "We refused this request. You have a right to the reasons, and to complain.",
    "withdrawn": "This request was cancelled.",
    "unconfirmed": "Nobody confirmed this request in time, so it was closed.",
}
STANDING = (
    "Law may require us to keep some records for longer, and may forbid us to say so. "
    "This sentence stands on every request, whether or not it applies."
)
_titles = {entry.name: entry.title for entry in ANNEX}


def moment(value: datetime | str) -> datetime:
    """Read a time, RFC 3339 or already a datetime, as UTC."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read.astimezone(UTC)


def day(value: datetime | str, language: str = "en") -> str:
    """Write a day in words: `22 November 2026`, `22. November 2026`."""
    at = moment(value)
    first = "1er" if at.day == 1 and language == "fr" else at.day
    return DAYS[language].format(first, MONTHS_OF[language][at.month - 1], at.year)


def date(value: datetime | str) -> str:
    """Write a time: `22 November 2026, 15:00 UTC`."""
    at = moment(value)
    return f"{day(at)}, {at.hour:02}:{at.minute:02} UTC"


def right(name: str) -> str:
    """Say what a person asked for."""
    return RIGHTS.get(name, name)


def field(name: str) -> str:
    """Name what was corrected."""
    return FIELDS.get(name, name)


def recipient(subprocessor: str) -> str:
    """Return the annex's title of a machine name."""
    return _titles.get(subprocessor, subprocessor)


def explained(subprocessor: str) -> str:
    """Say what hides behind a title that does not speak for itself, else nothing."""
    return OURS_EXPLAINED if subprocessor == OURS else ""


def outcome(step: Mapping[str, Any], asked: str = "erasure") -> str:
    """Say a step's recorded outcome, and nothing stronger. Only an erasure speaks of deleting."""
    name = step["outcome"]
    said = OWN_OUTCOMES.get(asked, {}).get(name) or OUTCOMES.get(name, name)
    until = date(step["until"]) if step.get("until") else None
    if name == "retained":
        ground = f": {step['ground']}" if step.get("ground") else ""
        return f"{said}{ground}, until {until}" if until else f"{said}{ground}"
    if name == "scheduled_by_vendor" and until:
        return f"{said} by {until}"
    if name == "accepted" and until:
        return f"{said} Its own copies run out by {until}."
    return said


def state(view: Mapping[str, Any]) -> str:
    """Say in one sentence where a request stands."""
    status = view["status"]
    # an unproven view names no more than that nobody confirmed
    said = (
        OWN_STATES.get(view.get("right", ""), {}).get(status)
        if view.get("verified_at") or status != "unconfirmed"
        else None
    )
    return said or STATES.get(status, status)


def reasons(evidence: Mapping[str, Any] | None) -> list[str]:
    """Return the reasons a connector gave, each once."""
    found = [str(value) for path, value in facts(evidence or {}) if path.rpartition(" · ")[2] == "reason"]
    return list(dict.fromkeys(found))


def sentence(rule: str) -> str:
    """Make a sentence of a rule, which may be a fragment that starts with a small letter."""
    return f"{rule[:1].upper()}{rule[1:]}{'' if rule.endswith(('.', '!', '?')) else '.'}"


def facts(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten JSON into (path, scalar) rows for a table that leaves nothing out."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from facts(part, _below(path, str(key).replace("_", " ")))
    elif isinstance(value, list | tuple) and value:
        for number, part in enumerate(value, start=1):
            yield from facts(part, path if len(value) == 1 else _below(path, str(number)))
    else:
        yield path, _scalar(value)


def _below(path: str, name: str) -> str:
    return f"{path} · {name}" if path else name


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, [], ()) else value


SAID = (day, date, right, field, recipient, explained, outcome, state, reasons, sentence, facts)
FILTERS: dict[str, Callable[..., Any]] = {said.__name__: said for said in SAID}
