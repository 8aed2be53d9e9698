"""What changed between two texts, in whole words and sentences that a person can read.

Sentences are compared first. Of those that changed each is held beside the one most like it, and their words are compared:
a small change shows though much new follows it. Where little of a sentence stayed, the whole of it is shown as replaced: a
word kept by chance between two changes only makes it harder to read.

One budget of steps bounds the whole, whatever two texts hold. Where it ends, what changed is shown in whole stretches instead
of words: that says less, and nothing untrue.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, groupby
from typing import Literal

import msgspec

SENTENCES = re.compile(r"\n|[^\n.!?]*[.!?]+[^\S\n]+|[^\n]+")
WORDS = re.compile(r"\w+(?:[’'-]\w+)*|\n|[^\S\n]+|[^\w\s]")
MOST_STEPS = 8_000_000
"""Pairs of equal words or sentences looked at, in all: about half a second."""
FOR_SENTENCES = MOST_STEPS // 4
STEPS_TO_BEGIN = 1_000
"""What beginning to compare the words of a stretch takes, beside a step a letter."""
STEPS_OF_A_PAIR = 12
"""What it takes to hold one sentence beside another, beside a step a word."""
ALIKE = 0.45
"""Share of the words two sentences must have in common for their difference to be shown word by word."""
NEARLY_ALL = 0.8
LONGEST_WORD = 60
FEW = 2
"""Words: a stretch this short between two changes is shown as part of them."""

Op = Literal["equal", "insert", "delete", "replace"]


class Piece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run of a difference: the words as they were and as they are. All `old` make the one text, all `new` the other."""

    op: Op
    old: str = ""
    new: str = ""


class _Budget:
    """The steps that are left to the comparison of two texts."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int, keep: int = 0) -> bool:
        """Tell whether there were that many left, and as many to keep; takes them if so."""
        affordable = steps + keep <= self.left
        self.left -= steps * affordable
        return affordable


class _Matcher(difflib.SequenceMatcher[str]):
    """Looks for what stayed while its budget lasts. `gave_up`: it did not last, and what was found is not all."""

    b2j: dict[str, list[int]]

    def __init__(self, before: Sequence[str], after: Sequence[str], budget: _Budget, *, autojunk: bool) -> None:
        super().__init__(a=before, b=after, autojunk=autojunk)
        self.budget, self.gave_up = budget, False
        self.steps = list(accumulate((1 + len(self.b2j.get(one, ())) for one in before), initial=0))

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        """Return the longest run that stayed between these places, or an empty one without a search."""
        end = len(self.steps) - 1 if ahi is None else ahi
        self.gave_up = self.gave_up or not self.budget.spend(self.steps[end] - self.steps[alo])
        return difflib.Match(alo, blo, 0) if self.gave_up else super().find_longest_match(alo, end, blo, bhi)


def difference(old: str, new: str) -> list[Piece]:
    """Compare two texts; line breaks are kept."""
    stretches = _stretches(SENTENCES.findall(old), SENTENCES.findall(new), _Budget(FOR_SENTENCES))
    budget = _Budget(MOST_STEPS - FOR_SENTENCES)
    # the shortest first: one long rewritten chapter does not take their words from small changes
    order = sorted(range(len(stretches)), key=lambda n: sum(map(len, stretches[n])))
    pieces = {n: list(_by_sentences(*stretches[n], budget)) for n in order}
    joined = _joined(chain.from_iterable(pieces[n] for n in range(len(stretches))))
    # what went in one place and came in the next may be the same: then it stayed
    return list(_joined(_piece(one.old, one.new, equal=one.old == one.new) for one in joined))


def near_a_blank(text: str, at: int) -> int:
    """Return where to cut a text near a place: at the next blank if one is near, or there."""
    found = re.compile(r"\s").search(text, at)
    return found.start() if found and found.start() < at + LONGEST_WORD else min(at, len(text))


def _stretches(before: Sequence[str], after: Sequence[str], budget: _Budget) -> list[tuple[str, str]]:
    """Return both texts cut into stretches, of which those that differ stand side by side."""
    matcher = _Matcher(before, after, budget, autojunk=True)
    codes = [code[1:] for code in matcher.get_opcodes()]
    if matcher.gave_up:
        codes = list(_between(list(_filled(before, after, _anchors(before, after))), len(before), len(after)))
    return [("".join(before[a:b]), "".join(after[c:d])) for a, b, c, d in codes]


def _anchors(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Return where sentences stand that occur once in either text: the longest row of them in the same order in both."""
    counts, others = Counter(before), Counter(after)
    places = {one: n for n, one in enumerate(after) if others[one] == 1}
    pairs = [(n, places[one]) for n, one in enumerate(before) if counts[one] == 1 and one in places]
    ends, lasts, earlier = list[int](), list[int](), list[int]()
    for n, (_, place) in enumerate(pairs):
        at = bisect_left(ends, place)
        ends[at : at + 1], lasts[at : at + 1] = [place], [n]
        earlier.append(lasts[at - 1] if at else -1)
    row, n = list[tuple[int, int]](), lasts[-1] if lasts else -1
    while n >= 0:
        row.append(pairs[n])
        n = earlier[n]
    return row[::-1]


def _filled(before: Sequence[str], after: Sequence[str], row: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the places of a row, and of what is the same right after and right before each, from both texts' ends too."""
    a = c = 0
    for b, d in [*row, (len(before), len(after))]:
        while a < b and c < d and before[a] == after[c]:
            yield a, c
            a, c = a + 1, c + 1
        same = 0
        while same < min(b - a, d - c) and before[b - same - 1] == after[d - same - 1]:
            same += 1
        is_place = b < len(before)
        yield from zip(range(b - same, b + is_place), range(d - same, d + is_place), strict=True)
        a, c = b + 1, d + 1


def _between(pairs: Sequence[tuple[int, int]], n_before: int, n_after: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield what stands between pairs of places that are the same, and the pairs."""
    a = c = 0
    for b, d in [*pairs, (n_before, n_after)]:
        yield a, b, c, d
        yield b, b + 1, d, d + 1
        a, c = b + 1, d + 1


def _by_sentences(old: str, new: str, budget: _Budget) -> Iterator[Piece]:
    """Compare a stretch sentence by sentence: each with the one most like it, and what is between those as a whole."""
    before, after = (SENTENCES.findall(one) if old and new and old != new else [one] for one in (old, new))
    row = list(_filled(before, after, _most_alike(before, after, budget)))
    for a, b, c, d in _between(row, len(before), len(after)):
        yield from _compared("".join(before[a:b]), "".join(after[c:d]), budget)


def _most_alike(before: Sequence[str], after: Sequence[str], budget: _Budget) -> list[tuple[int, int]]:
    """Return the places of sentences that are alike, in the same order in both, so that most letters stay; none if that costs too much."""
    cells = STEPS_OF_A_PAIR * len(before) * len(after)
    if len(before) == len(after) == 1 or cells > budget.left:
        return []
    olds, news = [_words_of(one) for one in before], [_words_of(one) for one in after]
    steps = sum(map(len, olds)) * len(news) + sum(map(len, news)) * len(olds) + cells
    # half at most: what is found alike has its words still to be compared
    if not budget.spend(steps, keep=steps) or _is_cut_anew(olds, news):
        return []
    stayed = [[_stayed(old, new) for new in news] for old in olds]
    return _best_row(stayed)


def _is_cut_anew(olds: Sequence[Counter[str]], news: Sequence[Counter[str]]) -> bool:
    """Tell whether one sentence became several, or several one, with hardly another word: no two of them belong together."""
    if min(len(olds), len(news)) > 1:
        return False
    old, new = (Counter(chain.from_iterable(one.elements() for one in some)) for some in (olds, news))
    return _stayed(old, new) >= NEARLY_ALL * max(_letters(old), _letters(new))


def _words_of(sentence: str) -> Counter[str]:
    return Counter(word for word in WORDS.findall(sentence) if word.strip())


def _stayed(old: Counter[str], new: Counter[str]) -> int:
    """Return the letters two sentences share; none where these are less than makes them alike."""
    few, many = sorted((old, new), key=len)
    shared = sum(len(word) * min(n, many[word]) for word, n in few.items() if word in many)
    return shared if shared >= ALIKE * max(_letters(old), _letters(new)) else 0


def _letters(words: Counter[str]) -> int:
    return sum(len(word) * n for word, n in words.items())


def _best_row(stayed: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return the row of places, rising in both, whose sum is highest."""
    n_old, n_new = len(stayed), len(stayed[0])
    best = [[0] * (n_new + 1) for _ in range(n_old + 1)]
    for a in reversed(range(n_old)):
        for c in reversed(range(n_new)):
            together = stayed[a][c] + best[a + 1][c + 1] if stayed[a][c] else 0
            best[a][c] = max(together, best[a + 1][c], best[a][c + 1])
    row, a, c = list[tuple[int, int]](), 0, 0
    while a < n_old and c < n_new:
        if stayed[a][c] and best[a][c] == stayed[a][c] + best[a + 1][c + 1]:
            row.append((a, c))
            a, c = a + 1, c + 1
        elif best[a][c] == best[a + 1][c]:
            a += 1
        else:
            c += 1
    return row


def _compared(old: str, new: str, budget: _Budget) -> list[Piece]:
    if not old or not new or old == new:
        return [_piece(old, new, equal=old == new)] if old or new else []
    if not budget.spend(STEPS_TO_BEGIN + len(old) + len(new)):
        return [_piece(old, new)]
    before, after = WORDS.findall(old), WORDS.findall(new)
    matcher = _Matcher(before, after, budget, autojunk=False)
    if _alike(matcher, before, after) < ALIKE or matcher.gave_up:
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
    for equal, found in groupby(pieces, key=lambda one: one.op == "equal"):
        run = list(found)
        yield _piece("".join(one.old for one in run), "".join(one.new for one in run), equal=equal)


def _piece(old: str, new: str, *, equal: bool = False) -> Piece:
    op: Op = "equal" if equal else "replace" if old and new else "insert" if new else "delete"
    return Piece(op=op, old=old, new=new)
