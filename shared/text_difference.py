"""What changed between two texts, in whole words and sentences that a person can read.

Sentences are compared first, then the words of those that changed. Where little of a sentence stayed, the whole of it is
shown as replaced: a word kept by chance between two changes only makes it harder to read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

SENTENCES = re.compile(r"\n|[^\n.!?]*[.!?]+[^\S\n]+|[^\n]+")
WORDS = re.compile(r"\w+(?:[’'-]\w+)*|\n|[^\S\n]+|[^\w\s]")
MOST_COMPARED = 4_000_000
"""Words of the one text times those of the other: beyond it a stretch is shown as replaced."""
ALIKE = 0.45
"""Share of the words two sentences must have in common for their difference to be shown word by word."""
LONGEST_WORD = 60
FEW = 2
"""Words: a stretch this short between two changes is shown as part of them."""

Op = Literal["equal", "insert", "delete", "replace"]


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run of a difference: the words as they were and as they are. All `old` make the one text, all `new` the other."""

    op: Op
    old: str = ""
    new: str = ""


def difference(old: str, new: str) -> list[Piece]:
    """Compare two texts; line breaks are kept."""
    before, after = SENTENCES.findall(old), SENTENCES.findall(new)
    pieces = (
        piece
        for op, a, b, c, d in difflib.SequenceMatcher(a=before, b=after).get_opcodes()
        for piece in _changed(op, "".join(before[a:b]), "".join(after[c:d]))
    )
    return list(_joined(pieces))


def near_a_blank(text: str, at: int) -> int:
    """Return where to cut a text near a place: at the next blank if one is near, or there."""
    found = re.compile(r"\s").search(text, at)
    return found.start() if found and found.start() < at + LONGEST_WORD else min(at, len(text))


def _changed(op: str, old: str, new: str) -> Iterable[Piece]:
    if op != "replace":
        return [_piece(old, new, equal=op == "equal")]
    before, after = WORDS.findall(old), WORDS.findall(new)
    if len(before) * len(after) > MOST_COMPARED:
        return [_piece(old, new)]
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    if _alike(matcher, before, after) < ALIKE:
        return [_piece(old, new)]
    return list(_by_words(matcher, before, after))


def _alike(matcher: difflib.SequenceMatcher[str], before: Sequence[str], after: Sequence[str]) -> float:
    """Return the share of letters that stayed, of the longer text."""
    stayed = sum(len("".join(before[one.a : one.a + one.size]).strip()) for one in matcher.get_matching_blocks())
    return stayed / max(1, len("".join(before).strip()), len("".join(after).strip()))


def _by_words(matcher: difflib.SequenceMatcher[str], before: Sequence[str], after: Sequence[str]) -> Iterator[Piece]:
    codes = matcher.get_opcodes()
    for place, (op, a, b, c, d) in enumerate(codes):
        between = 0 < place < len(codes) - 1
        same = op == "equal" and not (between and _is_crumb("".join(before[a:b])))
        yield _piece("".join(before[a:b]), "".join(after[c:d]), equal=same)


def _is_crumb(words: str) -> bool:
    """Tell whether so little stayed that it only interrupts a change. A line break or a sentence's end is never little."""
    return len(words.split()) <= FEW and not re.search(r"[\n.!?:;]", words)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Join neighbours of one sort: changes with changes, what stayed with what stayed."""
    held: Piece | None = None
    for piece in pieces:
        if held is not None and (held.op == "equal") == (piece.op == "equal"):
            held = _piece(held.old + piece.old, held.new + piece.new, equal=piece.op == "equal")
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def _piece(old: str, new: str, *, equal: bool = False) -> Piece:
    op: Op = "equal" if equal else "replace" if old and new else "insert" if new else "delete"
    return Piece(op=op, old=old, new=new)
