"""A difference of two texts for a page: long stretches that stayed are folded, their ends stand beside the changes."""

from __future__ import annotations

import html as escaping
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from shared.catalogue import Changed, Differing, Entries, Values
from shared.policy_reading.sentences import EMPHASIS, ends, is_heading
from shared.text_difference import Piece
from shared.words import recipient

BESIDE = 220
"""Letters of what stayed that are shown beside a change, to the end of a sentence."""
WORTH_FOLDING = 400
MARKS = re.compile(rf"^ {{0,3}}#{{1,6}}[^\S\n]+|{EMPHASIS.pattern}", re.MULTILINE)
GAPS = re.compile(r"\n{3,}")
FIELDS = {
    "why": "what it is for", "legal_basis": "the legal basis", "fields": "which data", "kept_for": "how long it is kept",
    "kept_in_words": "how long it is kept", "recipients": "who gets it", "title": "its name", "purpose": "what it is for",
    "ask_again_after": "when we ask again", "data": "which data", "location": "where it goes", "keeps": "what is kept there",
    "marketing": "whether it is direct marketing", "sendgrid_group": "its list at the mail service",
    "keeps_until": "until when it is kept there", "role": "the role", "signals": "what it switches on", "channel": "the way it is done",
}  # fmt: skip
DURATION = re.compile(r"P(?P<n>\d+)(?P<unit>[YMWD])")
UNITS = {"Y": "year", "M": "month", "W": "week", "D": "day"}
COMPANY = {
    "controller": "who we are and how to reach us",
    "authority": "where to complain",
    "minimum_age": "the minimum age",
}


def parts(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Return what the page shows: changes with `old_html` and `new_html`; what stayed with `head_html`, `folded_html`,
    `n_words` and `tail_html`, folded where it is long.
    """
    old, new = (_Text("".join(getattr(one, side) for one in pieces)) for side in ("old", "new"))
    shown, a, c = list[dict[str, Any]](), 0, 0
    for n, piece in enumerate(pieces):
        b, d = a + len(piece.old), c + len(piece.new)
        if piece.op == "equal":
            shown.append(_stayed(new, c, d, is_first=n == 0, is_last=n == len(pieces) - 1))
        else:
            shown.append({"op": piece.op} | _changed(old.html(a, b), new.html(c, d), piece))
        a, c = b, d
    return shown


def _changed(old: Markup, new: Markup, piece: Piece) -> dict[str, Any]:
    if old.strip() == new.strip():
        # only marks of its layout changed: then these are shown
        old, new = lines(piece.old), lines(piece.new)
    return {"old_html": old, "new_html": new}


class _Text:
    """A text as a page shows it: its headings strong, its marks of layout left out."""

    def __init__(self, text: str) -> None:
        self.text, self.headings, self.ends = text, list[tuple[int, int]](), list[int]()
        rows, start = text.split("\n"), 0
        for n, row in enumerate(rows):
            if row.strip() and is_heading(rows, n):
                self.headings.append((start, start + len(row)))
            else:
                self.ends += [start + at for at in ends(row)]
            start += len(row) + 1
            self.ends.append(min(start, len(text)))
        self.hidden = sorted({at for found in MARKS.finditer(text) for at in range(*found.span())})

    def html(self, start: int, end: int) -> Markup:
        """Return a part of it as HTML."""
        shown, at = "", start
        near = bisect_left(self.headings, (start,))
        for a, b in self.headings[max(0, near - 1) :]:
            if a >= end:
                break
            if b > at:
                strong = self._plain(max(a, at), min(b, end))
                shown += self._plain(at, max(a, at)) + (f"<strong>{strong}</strong>" if strong else "")
                at = min(b, end)
        return _broken(shown + self._plain(at, end))

    def _plain(self, start: int, end: int) -> str:
        hidden = self.hidden[bisect_left(self.hidden, start) : bisect_left(self.hidden, end)]
        kept = zip([start, *(at + 1 for at in hidden)], [*hidden, end], strict=True)
        return escaping.escape("".join(self.text[a:b] for a, b in kept))


def _stayed(text: _Text, start: int, end: int, *, is_first: bool, is_last: bool) -> dict[str, Any]:
    places = text.ends
    after, before = bisect_left(places, start + BESIDE), bisect_right(places, end - BESIDE) - 1
    head = start if is_first else places[after] if after < len(places) else end
    tail = end if is_last else places[before] if before >= 0 else start
    if tail - head < WORTH_FOLDING:
        head = tail = end
    folded = text.text[head:tail]
    gap = "\n" if folded else ""
    return {
        "op": "equal",
        "head_html": text.html(start, start + len(text.text[start:head].rstrip(gap or "\0"))),
        "folded_html": text.html(head + len(folded) - len(folded.lstrip("\n")), head + len(folded.rstrip("\n"))),
        "n_words": len(folded.split()),
        "tail_html": text.html(end - len(text.text[tail:end].lstrip(gap or "\0")), end),
    }


def lines(text: str) -> Markup:
    """Return a text as HTML as it is written, its line breaks kept and a gap no wider than one line."""
    return _broken(escaping.escape(text))


def _broken(escaped: str) -> Markup:
    return Markup(GAPS.sub("\n\n", escaped).replace("\n", "<br>"))  # noqa: S704 - escaped where it comes from


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
        *(f"{one.title}: {'; '.join(_changes(one))}." for one in entries.changed),
    ]


def _changes(one: Changed) -> Iterator[str]:
    for name in one.fields:
        # the same time in ISO 8601 and in words is told once, in words
        if name != "kept_for" or "kept_in_words" not in one.fields:
            yield f"{FIELDS.get(name, name)} {_was_and_is(name, one.values[name])}"


def _was_and_is(name: str, values: Values) -> str:
    old, new = values.old, values.new
    if isinstance(old, list) and isinstance(new, list):
        came, went = ([_word(name, one) for one in a if one not in b] for a, b in ((new, old), (old, new)))
        said = [f"new: {', '.join(came)}"] * bool(came) + [f"no longer: {', '.join(went)}"] * bool(went)
        return f"({', '.join(said) or 'in another order'})"
    return f"was “{_word(name, old)}” and is “{_word(name, new)}”"


def _word(name: str, value: Any) -> str:
    """Say a value in words: machine names by their titles, durations as people write them."""
    if value is None or value == []:
        return "nothing"
    if isinstance(value, list):
        return ", ".join(_word(name, one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    duration = DURATION.fullmatch(str(value)) if name in {"kept_for", "ask_again_after"} else None
    if duration:
        unit = UNITS[duration["unit"]]
        return f"{duration['n']} {unit}{'s' if duration['n'] != '1' else ''}"
    return recipient(str(value)).replace("_", " ")
