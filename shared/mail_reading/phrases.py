"""Phrases of the table as patterns; the notation stands in `language.py`.

To compile them all takes 100 ms, and a mail has the words of few. So each is compiled when a text first has the words of one
of its phrases, or when it was looked for so often that looking for words costs more.
"""

from __future__ import annotations

import functools
import re

from shared.mail_reading.folding import fold, words
from shared.mail_reading.rules import LANGUAGES

LONGEST_GAP = 5
OFTEN = 100
GAP, ENDS, STOPS = "..", "|", "||"
DENIALS = frozenset(words(" ".join(language.denying[0] for language in LANGUAGES).replace("/", " ")).split())


class Phrases:
    """Phrases of which one may stand in a text. `after`: the words before which one may end."""

    def __init__(self, phrases: tuple[str, ...], after: tuple[str, ...] = ()) -> None:
        self._phrases = phrases
        self._after = after
        self._pattern: re.Pattern[str] | None = None
        self._looked = 0

    def search(self, said: str) -> re.Match[str] | None:
        """Return where the first one stands in folded words."""
        pattern = self._for(said)
        return pattern.search(said) if pattern else None

    def without(self, said: str) -> str:
        """Return folded words with a space for each one."""
        pattern = self._for(said)
        return pattern.sub(" ", said) if pattern else said

    def _for(self, said: str) -> re.Pattern[str] | None:
        if self._pattern is None and self._phrases:
            self._looked += 1
            if self._looked > OFTEN or any(_may_stand_in(said, phrase) for phrase in self._phrases):
                self._pattern = _compiled(self._phrases, self._after)
        return self._pattern


def _may_stand_in(said: str, phrase: str) -> bool:
    """Tell whether each word that the phrase cannot do without begins a word of the text."""
    return all(any(map(said.__contains__, beginnings)) for beginnings in _needed(phrase))


@functools.cache
def _needed(phrase: str) -> list[list[str]]:
    pieces = [piece for piece in phrase.split() if piece not in {GAP, ENDS, STOPS} and not piece.startswith("[")]
    return [[f" {way.removesuffix('*')}" for way in _ways(piece)] for piece in pieces]


@functools.cache
def _ways(piece: str) -> list[str]:
    return fold(piece.strip("[]")).replace("-", " ").split("/")


def _compiled(phrases: tuple[str, ...], after: tuple[str, ...]) -> re.Pattern[str]:
    ends = "|".join(["$", ", ", *(f"{fold(one).replace('-', ' ')} " for one in after)])
    return re.compile("|".join(f"(?<= ){_pattern(phrase, ends)}" for phrase in phrases))


def _pattern(phrase: str, ends: str) -> str:
    """Make a pattern of a phrase. Gaps are short, so that no text takes long."""
    return "".join(_piece(piece, ends) for piece in phrase.split())


def _piece(piece: str, ends: str) -> str:
    if piece == GAP:
        # a gap is no place to deny: `mein Konto nicht löschen`
        return rf"(?:(?!(?:{'|'.join(DENIALS)}) )[^ ,]+ ){{0,{LONGEST_GAP}}}"
    if piece == ENDS:
        return f"(?={ends})"
    if piece == STOPS:
        return "(?=$|, )"
    ways = "|".join(_way(one) for one in _ways(piece))
    return f"(?:(?:{ways}) ){'?' if piece.startswith('[') else ''}"


def _way(way: str) -> str:
    return f"{re.escape(way[:-1])}[^ ]*" if way.endswith("*") else re.escape(way)
