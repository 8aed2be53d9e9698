"""What a mail asks for, by the table: a right, a stop to marketing, nothing of the kind, or a question for a person.

Precision before recall: a right counts only where a whole phrase of the table stands in a sentence that neither denies,
asks nor conditions it, and where the mail asks for one right alone. Everything near that goes to a person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from shared.mail_reading.folding import sentences, words
from shared.mail_reading.language import Asks
from shared.mail_reading.own_words import own_subject, own_words
from shared.mail_reading.phrases import Phrases
from shared.mail_reading.rules import LANGUAGES
from shared.records import Right

Doubt = Literal["unclear", "several", "somebody_else", "complaint", "withdrawal"]
FEW_WORDS = 12
LONGEST_NAME = 3
STOP: Asks = "stop_marketing"
IMPLIED: tuple[tuple[Asks, Asks], ...] = (
    ("portability", "access"),
    ("stop_marketing", "objection"),
    ("stop_marketing", "withdrawal"),
    ("restriction", "objection"),
)
"""Whoever asks for the first in a sentence has not also asked for the second."""


class Reading(NamedTuple):
    """What a mail asks for. `doubt`: why a person must look at it; nothing set at all: it is not about rights."""

    right: Right | None = None
    stops_marketing: bool = False
    doubt: Doubt | None = None
    language: str = "en"


class _Found(NamedTuple):
    """What one sentence says."""

    asked: frozenset[Asks] = frozenset()
    doubtful: bool = False
    touched: bool = False
    somebody_else: bool = False
    language: str = "en"


def read(subject: str, text: str) -> Reading:
    """Read a mail. `text`: its whole text, quotes and all; what others wrote is left out here."""
    written = [*sentences(own_subject(subject)), *sentences(own_words(text))]
    said = [words(one) for one in written]
    before = [" ", *(_last_words(one) for one in said)]
    found = [_sentence(*one) for one in zip(written, said, before, strict=False)]
    return _decided([*found, _alone(said)], for_others=any(_any(OTHERS, one) for one in said))


def _decided(found: Sequence[_Found], *, for_others: bool) -> Reading:
    asked = frozenset[Asks]().union(*(one.asked for one in found))
    speaking = [one for one in found if one.asked or one.touched]
    language = next((one.language for one in sorted(speaking, key=lambda one: not one.asked)), "en")
    if speaking and (for_others or any(one.somebody_else for one in speaking)):
        return Reading(doubt="somebody_else", language=language)
    if any(one.doubtful for one in speaking) or (speaking and not asked):
        return Reading(doubt="unclear", language=language)
    return _asking(asked, language)


def _asking(asked: frozenset[Asks], language: str) -> Reading:
    reading = Reading(stops_marketing=STOP in asked, language=language)
    rights = [one for one in asked if one != STOP]
    if len(rights) > 1:
        return reading._replace(doubt="several")
    for right in rights:
        if right == "complaint" or right == "withdrawal":  # noqa: PLR1714 - narrows the type
            return reading._replace(doubt=right)
        return reading._replace(right=right)  # type: ignore[arg-type]
    return reading


def _sentence(written: str, said: str, before: str) -> _Found:
    said = f" {' '.join(HARMLESS.without(said).split())} "
    languages, asked, rest, led = [], set[Asks](), said, True
    for language, asks, phrases in RULES:
        if found := phrases.search(said):
            languages.append(language)
            led = led and (asks != "erasure" or _is_led(said[: found.start()]))
            asked.add(asks)
            # what the phrase itself says is no denial: "do not send me", "keine Werbung"
            rest = phrases.without(rest)
    others = _any(OTHERS_OWN, said)
    if asked:
        told = bool(DONE & set(re.findall(r"\w+", written.lower())))
        doubtful = told or not led or _any(DOUBTS, before + _without_reasons(rest))
        return _Found(_unimplied(asked), doubtful, somebody_else=others, language=languages[0])
    touching = next((name for name, phrases in TOUCHING if phrases.search(said)), None)
    return _Found(touched=touching is not None, somebody_else=others, language=touching or "en")


def _is_led(before: str) -> bool:
    """Tell whether what stands before a wish to be deleted leads to it: `I would like to`, and not `he told me to`."""
    clause: list[str] = []
    for word in before.split():
        clause = [] if word in JOINING else [*clause, word]
    return all(word in LEADING or word.isdigit() for word in clause)


def _without_reasons(rest: str) -> str:
    """Leave out why: `because I do not like it` denies nothing."""
    said = rest.split()
    reason = next((place for place, word in enumerate(said) if word in REASONS), len(said))
    return f" {' '.join(said[:reason])} "


def _last_words(said: str) -> str:
    """A line may end between `do not` and what shall not be done."""
    return f" {' '.join(said.split()[-2:])} "


def _unimplied(asked: set[Asks]) -> frozenset[Asks]:
    return frozenset(asked - {second for first, second in IMPLIED if first in asked})


def _alone(said: Sequence[str]) -> _Found:
    """A mail of few words may be one word: `STOP`."""
    if sum(len(one.split()) for one in said) > FEW_WORDS:
        return _Found()
    for language in LANGUAGES:
        polite = POLITE[language.code]
        left = [" ".join(polite.without(polite.without(one)).replace(",", " ").split()) for one in said]
        alone = {words(one).strip() for one in language.alone}
        names = [one for one in left if one not in alone]
        if len(names) < len(left) and all(len(one.split()) <= LONGEST_NAME for one in names):
            return _Found(frozenset({STOP}), language=language.code)
    return _Found()


def _any(several: Sequence[Phrases], said: str) -> bool:
    return any(phrases.search(said) for phrases in several)


# --- the table -------------------------------------------------------------------------------------------------------

LEADING = frozenset(words(" ".join(language.leading for language in LANGUAGES)).split())
JOINING = frozenset(words(" ".join(language.joining for language in LANGUAGES)).split()) | {","}
REASONS = frozenset(words(" ".join(language.reasons for language in LANGUAGES)).split())
DONE = frozenset(word for language in LANGUAGES for word in language.done)
RULES = [(one.code, asks, Phrases(phrases, one.after)) for one in LANGUAGES for asks, phrases in one.asking]
TOUCHING = [(one.code, Phrases(one.touching)) for one in LANGUAGES]
# these of every language: people mix them
DOUBTS = [Phrases((*one.denying, *one.wondering)) for one in LANGUAGES]
HARMLESS = Phrases(tuple(phrase for one in LANGUAGES for phrase in one.harmless))
OTHERS = [Phrases(one.others) for one in LANGUAGES]
OTHERS_OWN = [Phrases(one.others_own) for one in LANGUAGES]
POLITE = {one.code: Phrases(one.polite) for one in LANGUAGES}
