"""Text as phrases are compared: small letters without accents or umlauts, in sentences of words.

`Löschung`, `Loeschung` and `LOSCHUNG` read the same. Phrases of the table are folded by the same rules.
"""

from __future__ import annotations

import re
import unicodedata

UMLAUTS = str.maketrans({"ß": "ss", "œ": "oe", "æ": "ae", "ø": "oe", "ı": "i"})
TWO_LETTERS = re.compile(r"([aou])e")
ELIDED = re.compile(r"\b(l|d|j|m|t|s|n|c|qu)'(?=\w)")
SENTENCE_ENDS = re.compile(r"(?<!\bart)(?<!\babs)(?<!\bnr)[.!?;…•]+(?=\s|$)|\n", re.IGNORECASE)
NOT_A_WORD = re.compile(r"[^\w,]+|_+")
SHORT_LINE = 60
"""Characters: a line shorter than this was ended by its writer, a longer one was wrapped."""


def fold(text: str) -> str:
    """Return the text in small letters, its apostrophes resolved, without accents; `ae`, `oe`, `ue` as `a`, `o`, `u`."""
    small = unicodedata.normalize("NFKC", text).lower().translate(UMLAUTS).replace("’", "'").replace("ʼ", "'")
    open_words = ELIDED.sub(r"\1 ", small).replace("'", "")
    bare = "".join(one for one in unicodedata.normalize("NFKD", open_words) if not unicodedata.combining(one))
    return TWO_LETTERS.sub(r"\1", bare)


def words(text: str) -> str:
    """Return folded words with one space between and around them; a comma is a word."""
    return f" {' '.join(NOT_A_WORD.sub(' ', fold(text).replace(',', ' , ')).split())} "


def sentences(text: str) -> list[str]:
    """Split a text at stops and at the ends of short lines; wrapped lines are joined. Not folded yet."""
    joined = ""
    for line in text.splitlines():
        stripped = line.strip()
        joined += stripped + (" " if len(stripped) >= SHORT_LINE else "\n")
    return [one for one in (part.strip() for part in SENTENCE_ENDS.split(joined)) if one]
