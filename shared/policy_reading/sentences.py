"""A policy's text as sentences, each with the section it stands in and, for an item of a list, what the list is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_HEADING = 90
LONGEST_MARKED = 300
"""Characters: a longer line is no heading, and no pattern that looks back is tried on it."""
ITEM = re.compile(r"\s*(?:[•‣▪◦·–*+-]|\d{1,2}\)|\(?[a-z]\))\s+(?=\S)")
MARKED_HEADING = re.compile(r" {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
NUMBERED_HEADING = re.compile(r"\s*(?:§\s*|Article\s+)?\d{1,2}(?:\.\d{1,2})*[.)]?\s+\S")
RULE = re.compile(r"\s*(?:=+|-{2,}|\*{3,}|_{3,}|[|:\s-]*\|[|:\s-]*)\s*$")
UNDERLINE = re.compile(r" {0,3}(?:=+|-{3,}) {0,3}$")
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s\"[^\"]*\")?\)")
EMPHASIS = re.compile(r"(?<![\w*_])[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?![\w*_])|`")
ABBREVIATIONS = ("e.g", "i.e", "etc", "art", "arts", "no", "inc", "ltd", "co", "corp", "vs", "cf", "para", "approx", "st",
                 "dr", "mr", "mrs", "ms", "u.s", "u.k", "e.u", "incl", "resp", "sec", "lit", "max", "min")  # fmt: skip
END = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9§])")


class Sentence(NamedTuple):
    """One sentence in the policy's own words. `lead`: the sentence that leads to the list it is an item of."""

    text: str
    section: str = ""
    lead: str = ""
    is_item: bool = False

    @property
    def low(self) -> str:
        """Return it in small letters, with plain quotes and single blanks."""
        return plain(self.text)


def plain(text: str) -> str:
    """Return a text in small letters, with plain quotes and single blanks."""
    return " ".join(text.lower().replace("’", "'").replace("‘", "'").replace("\u2011", "-").split())


def read(text: str) -> list[Sentence]:
    """Return the sentences of a text in their order. Headings are no sentences. Never raises."""
    section, lead, found = "", "", list[Sentence]()
    for kind, words in _blocks(text):
        if kind == "heading":
            section, lead = words, ""
            continue
        parts = list(_split(words))
        found += [Sentence(part, section, lead if kind == "item" else "", kind == "item") for part in parts]
        if kind == "prose" and parts:
            lead = parts[-1]
    return found


def headings(text: str) -> list[str]:
    """Return the headings of a text in their order."""
    return [words for kind, words in _blocks(text) if kind == "heading"]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield headings, paragraphs and items, lines that belong together joined."""
    lines = text.split("\n")
    kind, held = "prose", list[str]()
    for number, line in enumerate(lines):
        starts = _kind(lines, number)
        if starts in {"blank", "rule", "heading", "item"} and held:
            yield kind, _clean(" ".join(held))
            kind, held = "prose", []
        if starts == "heading":
            yield "heading", _clean(heading_words(line))
        elif starts in {"item", "prose"}:
            kind = "item" if starts == "item" else kind
            held.append(ITEM.sub("", line, count=1) if starts == "item" else line)
    if held:
        yield kind, _clean(" ".join(held))


def _kind(lines: list[str], number: int) -> str:
    line = lines[number]
    if not line.strip():
        return "blank"
    if is_heading(lines, number):
        return "heading"
    if len(line) <= LONGEST_MARKED and RULE.match(line):
        return "rule"
    return "item" if ITEM.match(line) else "prose"


def is_heading(lines: list[str], number: int) -> bool:
    """Tell whether a line is a heading: marked, underlined, or a short numbered line that stands alone."""
    line, after = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
    if len(line) > LONGEST_MARKED:
        return False
    if MARKED_HEADING.match(line):
        return True
    if UNDERLINE.match(after) and not ITEM.match(line) and len(line) <= LONGEST_HEADING:
        return bool(line.strip()) and not RULE.match(line)
    alone = not after.strip() and (number == 0 or not lines[number - 1].strip())
    short = len(line.strip()) <= LONGEST_HEADING and not line.rstrip().endswith((".", ",", ";", ":", "!"))
    return alone and short and bool(NUMBERED_HEADING.match(line))


def heading_words(line: str) -> str:
    """Return a heading without its marks; its number stays."""
    marked = MARKED_HEADING.match(line)
    return marked[1] if marked else line.strip()


def _clean(words: str) -> str:
    shown = EMPHASIS.sub("", LINK.sub(r"\1", words))
    return " ".join(shown.replace("|", " ").split())


def ends(words: str) -> Iterator[int]:
    """Yield where the sentences of a paragraph end but the last, with the blanks after them."""
    start = 0
    for end in END.finditer(words):
        before = words[start : end.start()].rsplit(maxsplit=1)
        last = before[-1].lower().lstrip("(\"'“‘") if before else ""
        is_number = last.replace(".", "").isdigit() and len(before) == 1
        if not (last in ABBREVIATIONS or (len(last) == 1 and last.isalpha()) or is_number):
            start = end.end()
            yield start


def _split(words: str) -> Iterator[str]:
    start = 0
    for end in (*ends(words), len(words)):
        if words[start:end].strip():
            yield words[start:end].strip()
        start = end
