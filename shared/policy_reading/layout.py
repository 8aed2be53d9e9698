"""How a policy is laid out for reading: plain text gets the headings and lists that its numbers and bullets mean.

For display alone. What is kept, compared and hashed is the canonical text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.policy_reading.sentences import LONGEST_HEADING, is_heading

MARKED = re.compile(r" {0,3}(?:#{1,6}\s|```|~~~|>|\|)", re.MULTILINE)
BULLET = re.compile(r"\s*[•‣▪◦·–]\s+")
DEEPER = re.compile(r"\s*\d{1,2}\.\d")


def as_markdown(text: str) -> str:
    """Return a text as Markdown. What is Markdown already stays as it is."""
    return text if MARKED.search(text) else "\n".join(_lines(text.split("\n")))


def is_title(line: str) -> bool:
    """Tell whether a text's first line is its title, and not a sentence of it."""
    return len(line) <= LONGEST_HEADING and not line.rstrip().endswith((".", ":", ";", ","))


def _lines(lines: list[str]) -> Iterator[str]:
    titled = False
    for number, line in enumerate(lines):
        if line.strip() and not titled:
            titled = True
            yield f"# {line.strip()}" if is_title(line) else line.strip()
        elif is_heading(lines, number):
            yield f"{'###' if DEEPER.match(line) else '##'} {line.strip()}"
        elif BULLET.match(line):
            yield "- " + BULLET.sub("", line, count=1)
        else:
            # blanks at its start would make a line code
            yield line.strip()
