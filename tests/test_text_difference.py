from __future__ import annotations

import time
from itertools import pairwise
from random import Random
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import text_difference
from shared.text_difference import Piece, difference, near_a_blank

texts = st.text("ab. \n,é", max_size=80)
LONGEST = 400_000
WORDS = ["data", "your", "we", "keep", "the", "and", "of", "to", "policy", "delete", "cookies", "days"]


def seen(old: str, new: str) -> list[tuple[str, str, str]]:
    return [(one.op, one.old, one.new) for one in difference(old, new)]


@given(texts, texts)
def test_a_difference_holds_both_texts_whole(old: str, new: str) -> None:
    pieces = difference(old, new)
    assert "".join(one.old for one in pieces) == old
    assert "".join(one.new for one in pieces) == new


@given(texts, texts)
def test_a_run_says_what_it_is_and_neighbours_differ_in_sort(old: str, new: str) -> None:
    pieces = difference(old, new)
    for one in pieces:
        assert one.op == (
            "equal" if one.old == one.new else "replace" if one.old and one.new else "insert" if one.new else "delete"
        )
    assert all((a.op == "equal") != (b.op == "equal") for a, b in pairwise(pieces))


@given(texts)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert difference(text, text) == ([Piece(op="equal", old=text, new=text)] if text else [])


def test_one_changed_word_is_all_that_is_shown_as_changed() -> None:
    assert seen("We keep it for seven years. Then it goes.", "We keep it for six years. Then it goes.") == [
        ("equal", "We keep it for ", "We keep it for "),
        ("replace", "seven", "six"),
        ("equal", " years. Then it goes.", " years. Then it goes."),
    ]


def test_words_change_whole_and_never_by_letters() -> None:
    assert ("replace", "deletion", "selection") in seen(
        "You ask for deletion of it here.", "You ask for selection of it here."
    )


def test_a_word_kept_by_chance_between_two_changes_is_shown_with_them() -> None:
    found = seen("We send you red and large boxes on a Monday.", "We send you blue and small boxes on a Monday.")
    assert [one for one in found if one[0] != "equal"] == [("replace", "red and large", "blue and small")]


def test_a_sentence_of_which_little_stayed_is_replaced_whole() -> None:
    found = seen(
        "Stays.\nWe sell nothing to anybody.\nEnd.", "Stays.\nEach purpose has a legal basis of its own.\nEnd."
    )
    assert [one[0] for one in found] == ["equal", "replace", "equal"]
    assert found[1][1:] == ("We sell nothing to anybody.", "Each purpose has a legal basis of its own.")


def test_a_new_sentence_leaves_the_others_alone() -> None:
    assert seen("One. Three.", "One. Two. Three.") == [
        ("equal", "One. ", "One. "),
        ("insert", "", "Two. "),
        ("equal", "Three.", "Three."),
    ]


OLD = "We delete your data within 14 days after we know that it is you."
NEW = OLD.replace("14", "30")
ADDED = (
    "Backups go with the next one we make. What tax law makes us keep stays in a store of its own, which nobody reads."
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, f"{NEW} {ADDED}"),
        (OLD, f"{ADDED} {NEW}"),
        (f"{OLD} {ADDED}", NEW),
        (f"# One\n\n{OLD}\nEnd.\n", f"# One\n\n{NEW}\n\n{ADDED}\nEnd.\n"),
        (f"{OLD} We sell nothing at all.", f"{ADDED} {NEW} Orders are packed by hand in Leith."),
    ],
)
def test_a_changed_word_is_shown_alone_though_sentences_come_or_go_beside_it(old: str, new: str) -> None:
    assert [one for one in seen(old, new) if one[1:] in {("14", "30"), ("30", "14")}]
    stayed = "".join(one[1] for one in seen(old, new) if one[0] == "equal")
    assert "We delete your data within" in stayed
    assert "days after we know that it is you" in stayed


def test_each_sentence_is_held_beside_the_one_most_like_it() -> None:
    old = "We keep your name for two years. We keep your orders and your invoices for six years."
    new = "We keep your orders and your invoices for nine years. We keep cookies. We keep your name for two years at most."
    changed = [one for one in seen(old, new) if one[0] == "replace"]
    assert [one[1:] for one in changed if "six" in one[1]] == [("six", "nine")]


def test_a_sentence_cut_in_two_keeps_its_words() -> None:
    stayed = "".join(
        one[1]
        for one in seen("We count visits, and we keep the counts here.", "We count visits. We keep the counts here.")
        if one[0] == "equal"
    )
    assert "We count visits" in stayed


@given(texts, texts, st.integers(0, 60), st.integers(0, 4_000))
def test_a_difference_cut_short_holds_both_texts_whole_and_calls_nothing_the_same_that_is_not(
    old: str, new: str, for_sentences: int, in_all: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_difference, "FOR_SENTENCES", for_sentences)
        patch.setattr(text_difference, "MOST_STEPS", in_all)
        pieces = difference(old, new)
    assert "".join(one.old for one in pieces) == old
    assert "".join(one.new for one in pieces) == new
    assert all((one.op == "equal") == (one.old == one.new) for one in pieces)
    assert all((a.op == "equal") != (b.op == "equal") for a, b in pairwise(pieces))


def test_sentences_that_stay_are_found_among_more_changes_than_can_be_looked_at() -> None:
    n = 12_000
    old = "".join(f"Stays {at}.\nOld {at}.\n" for at in range(n))
    new = "".join(f"Stays {at}.\nNew {at}.\n" for at in range(n))
    stayed = "".join(one.old for one in difference(old, new) if one.op == "equal")
    assert all(f"Stays {at}." in stayed for at in range(0, n, 997))
    assert "Old" not in stayed


def test_a_long_rewritten_chapter_takes_no_words_from_a_small_change() -> None:
    chapters = [" ".join(Random(seed).choices(WORDS, k=30_000)) for seed in (1, 2)]
    old, new = (
        f"# One\n{chapter}\n# Two\nWe keep it for {n} years.\n" for chapter, n in zip(chapters, "67", strict=True)
    )
    assert [(one.old, one.new) for one in difference(old, new) if one.op == "replace"][-1] == ("6", "7")


def test_what_is_too_long_for_its_words_is_shown_in_whole_stretches() -> None:
    old, new = (" ".join(Random(seed).choices(WORDS, k=30_000)) for seed in (1, 2))
    assert seen(f"# One\n{old}\nEnd.", f"# One\n{new}\nEnd.") == [
        ("equal", "# One\n", "# One\n"),
        ("replace", old, new),
        ("equal", "\nEnd.", "\nEnd."),
    ]


def rewritten(n: int, words: int, seed: int) -> str:
    """Return paragraphs of few words over and over, each with a line after it that stays."""
    random = Random(seed)
    return "".join(" ".join(random.choices(WORDS, k=words)) + f"\nSTAYS {at}.\n" for at in range(n))


def lines(letters: int, seed: int) -> str:
    """Return short lines, each of which stands there some hundred or thousand times."""
    random = Random(seed)
    return "".join("".join(random.choices(ascii_lowercase, k=letters)) + "\n" for _ in range(LONGEST // (letters + 1)))


LONG = {
    "the same line": ("a\n" * 200_000, "b\na\n" * 100_000),
    "the same word": ("word " * 80_000, "other " * 66_000),
    "one word": ("x" * LONGEST, "y" * LONGEST),
    "signs": ("." * LONGEST, "!." * 200_000),
    "40 rewritten paragraphs": (rewritten(40, 900, 1), rewritten(40, 900, 2)),
    "90 rewritten paragraphs": (rewritten(90, 900, 1), rewritten(90, 900, 2)),
    "2,000 rewritten paragraphs": (rewritten(2_000, 40, 1), rewritten(2_000, 40, 2)),
    "lines of one letter": (lines(1, 1), lines(1, 2)),
    "lines of two letters": (lines(2, 1), lines(2, 2)),
    "every other sentence": ("".join(f"{n}. old {n}. " for n in range(24_000)), "".join(f"{n}. new {n}. " for n in range(24_000))),
    "shuffled lines": ("".join(f"{n}\n" for n in range(60_000)), "".join(f"{n}\n" for n in Random(1).sample(range(60_000), 60_000))),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), LONG.values(), ids=LONG)
def test_any_two_texts_as_long_as_a_policy_may_be_are_compared_in_about_a_second(old: str, new: str) -> None:
    old, new = old[:LONGEST], new[:LONGEST]
    began = time.process_time()
    pieces = difference(old, new)
    # with room for a slow machine: without a bound, some of these take minutes
    assert time.process_time() - began < 10
    assert "".join(one.old for one in pieces) == old
    assert "".join(one.new for one in pieces) == new


@given(st.text("ab \n", max_size=200), st.integers(0, 200))
def test_a_cut_near_a_blank_is_never_before_its_place_nor_past_the_end(text: str, at: int) -> None:
    assert min(at, len(text)) <= near_a_blank(text, at) <= len(text)
