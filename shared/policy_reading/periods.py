"""Stretches of time as policies write them: `14 days`, `fourteen (14) days`, `two weeks`, `a month`."""

from __future__ import annotations

import re
from typing import NamedTuple

import isodate

NUMBERS = {
    word: n
    for n, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"a": 1, "an": 1}
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
PERIOD = (
    rf"(?P<n>\d{{1,4}}|(?:{'|'.join(TENS)})(?:[\s-](?:{'|'.join(list(NUMBERS)[1:10])}))?|half an?|"
    + "|".join(sorted(NUMBERS, key=len, reverse=True))
    + r")(?:\s*\(\s*(?:(?P<digits>\d{1,4})|[a-z -]{3,20})\s*\))?"
    r"[\s-]+(?:(?:working|business|calendar|full|consecutive)\s+)?(?P<unit>hour|day|week|month|year)s?\b"
)


class Period(NamedTuple):
    """A stretch of time, as it is written and in days; months and years are average ones."""

    words: str
    days: float

    def is_about(self, other: float) -> bool:
        """Tell whether it is as long as that many days: 30 days, a month and 31 days are the same, 26 and 27 months are not."""
        if _is_months(self.days) and _is_months(other):
            return round(self.days / DAYS["month"]) == round(other / DAYS["month"])
        return abs(self.days - other) <= max(0.02 * other, 0.5)


def _is_months(days: float) -> bool:
    months = days / DAYS["month"]
    return round(months) > 0 and abs(months - round(months)) < 0.001


def period(found: re.Match[str]) -> Period:
    """Return the period that a pattern with PERIOD in it found."""
    number = _number(found["digits"] or found["n"])
    start, end = found.span("n")[0], found.span("unit")[1]
    return Period(
        found.string[start:end] + ("s" if found.string[end : end + 1] == "s" else ""), number * DAYS[found["unit"]]
    )


def _number(words: str) -> float:
    """Return what a number in figures or in words comes to: `14`, `twenty-six`, `half a`."""
    if words.isdigit():
        return int(words)
    if words.startswith("half"):
        return 0.5
    tens, _, ones = words.replace("-", " ").partition(" ")
    return TENS[tens] + NUMBERS[ones or "zero"] if tens in TENS else NUMBERS[words]


def days_of(duration: str) -> float:
    """Return an ISO 8601 duration in days, as above."""
    parsed = isodate.parse_duration(duration)
    if isinstance(parsed, isodate.Duration):
        months = float(parsed.months) + 12 * float(parsed.years)
        return months * DAYS["month"] + float(parsed.tdelta.total_seconds()) / 86400
    return float(parsed.total_seconds()) / 86400
