"""A difference of two texts for a page: long stretches that stayed are folded, their ends stand beside the changes."""

from __future__ import annotations

import html as escaping
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from shared.catalogue import Differing, Entries
from shared.text_difference import Piece, near_a_blank

BESIDE = 220
"""Letters of what stayed that are shown beside a change, to the end of a word."""
WORTH_FOLDING = 400
GAPS = re.compile(r"\n{3,}")
FIELDS = {
    "why": "what it is for", "legal_basis": "the legal basis", "fields": "which data", "kept_for": "how long it is kept",
    "kept_in_words": "how long it is kept, in words", "recipients": "who gets it", "title": "its name", "purpose": "what it is for",
    "ask_again_after": "when we ask again", "data": "which data", "location": "where it goes", "keeps": "what is kept there",
    "keeps_until": "until when it is kept there", "role": "the role", "signals": "what it switches on", "channel": "the way it is done",
}  # fmt: skip
COMPANY = {
    "controller": "who we are and how to reach us",
    "authority": "where to complain",
    "minimum_age": "the minimum age",
}


def parts(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Return what the page shows: changes with `old_html` and `new_html`; what stayed with `head_html`, `folded_html`,
    `n_words` and `tail_html`, folded where it is long.
    """
    last = len(pieces) - 1
    return [
        _stayed(piece.old, is_first=n == 0, is_last=n == last)
        if piece.op == "equal"
        else {"op": piece.op, "old_html": lines(piece.old), "new_html": lines(piece.new)}
        for n, piece in enumerate(pieces)
    ]


def _stayed(text: str, *, is_first: bool, is_last: bool) -> dict[str, Any]:
    head = 0 if is_first else near_a_blank(text, BESIDE)
    tail = len(text) if is_last else len(text) - near_a_blank(text[::-1], BESIDE)
    if tail - head < WORTH_FOLDING:
        head = tail = len(text)
    folded = text[head:tail]
    return {
        "op": "equal",
        "head_html": lines(text[:head].rstrip("\n") if folded else text[:head]),
        "folded_html": lines(folded.strip("\n")),
        "n_words": len(folded.split()),
        "tail_html": lines(text[tail:].lstrip("\n") if folded else text[tail:]),
    }


def lines(text: str) -> Markup:
    """Return a text as HTML, its line breaks kept and a gap no wider than one line."""
    return Markup(GAPS.sub("\n\n", escaping.escape(text)).replace("\n", "<br>"))  # noqa: S704 - escaped here


def sentences(differing: Differing) -> list[str]:
    """Say how two catalogues differ, a sentence each."""
    return [
        *_said("recipient", differing.recipients),
        *_said("purpose", differing.purposes),
        *(f"Changed: {COMPANY[name]}." for name in differing.company),
    ]


def _said(what: str, entries: Entries) -> list[str]:
    return [
        *(f"New {what}: {title}." for title in entries.added.values()),
        *(f"No longer a {what}: {title}." for title in entries.removed.values()),
        *(
            f"{one.title}: changed is {', '.join(FIELDS.get(name, name) for name in one.fields)}."
            for one in entries.changed
        ),
    ]
