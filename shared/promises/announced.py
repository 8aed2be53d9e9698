"""§8: whether a version brings what another announced for a later day: its words, or its purposes and recipients.

A correction of the text in effect brings nothing of it; the announced text with a correction does. Much of an announced change
must stand in the new text for that: a word that both happen to use is none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from shared.catalogue import Entries, differing
from shared.promises.policy import Published
from shared.records import Policy
from shared.text_difference import Piece, difference

MOST_OF_IT = 0.5
"""Share of a change's letters that the new text must have of it."""


class Early(NamedTuple):
    """What an announced version changes and another one begins sooner. `words`: the longest stretch of them, None when there is none.

    `gone`: these words are left out. `told_at`: when people began to be told. `at`: the day they were told.
    """

    version: str
    told_at: datetime
    at: datetime
    words: str | None
    gone: bool
    purposes: Entries
    recipients: Entries


def early(versions: Sequence[Published], before: Published, new: Policy) -> Iterator[Early]:
    """Yield what of each material change that is announced for a later day the new version brings, be it nothing.

    `versions`: all that were published before it, in that order. `before`: what people live under when it takes effect.
    """
    for one in versions[1:]:
        # the mail names a day, and that is kept
        if one.policy.material and new.effective_at.date() < one.policy.effective_at.date():
            yield _early(one, before.policy, new)


def _early(announced: Published, before: Policy, new: Policy) -> Early:
    one = announced.policy
    words, gone = max(_words(before.text, one.text, new.text), key=lambda each: len(each[0]), default=(None, False))
    told, left = differing(before.catalogue, one.catalogue), differing(one.catalogue, new.catalogue)
    brought = (_brought(told.purposes, left.purposes), _brought(told.recipients, left.recipients))
    return Early(announced.version, one.published_at, one.effective_at, words, gone, *brought)


def _words(before: str, announced: str, new: str) -> Iterator[tuple[str, bool]]:
    """Yield the changes of the announced text that the new one has too, and whether they are words that are gone."""
    if before in {announced, new}:
        return
    changes = difference(before, announced)
    kept, stayed = _Stayed(difference(announced, new)), _Stayed(difference(before, new))
    at_old = at_new = 0
    for piece in changes:
        if piece.op != "equal" and piece.new.strip():
            if kept.share(at_new, piece.new) >= MOST_OF_IT:
                yield piece.new.strip(), False
        elif piece.op != "equal" and piece.old.strip() and stayed.share(at_old, piece.old) < MOST_OF_IT:
            yield piece.old.strip(), True
        at_old, at_new = at_old + len(piece.old), at_new + len(piece.new)


class _Stayed:
    """Which letters of a text stayed in another."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._marks = b"".join((b"\1" if one.op == "equal" else b"\0") * len(one.old) for one in pieces)

    def share(self, at: int, words: str) -> float:
        """Return how much of these words, which stand there in the text, stayed. Blanks do not count."""
        letters = [n for n, letter in enumerate(words, at) if not letter.isspace()]
        return sum(self._marks[n] for n in letters) / len(letters)


def _brought(told: Entries, left: Entries) -> Entries:
    """Return what was announced of a list, less what the new version has otherwise than announced."""
    otherwise = {one.name: one.fields for one in left.changed}
    narrowed = [
        msgspec.structs.replace(one, fields=[each for each in one.fields if each not in otherwise.get(one.name, [])])
        for one in told.changed
        if one.name not in left.removed
    ]
    return Entries(
        added={name: title for name, title in told.added.items() if name not in left.removed},
        removed={name: title for name, title in told.removed.items() if name not in left.added},
        changed=[one for one in narrowed if one.fields],
    )
