from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text_difference import Piece, difference, near_a_blank

texts = st.text("ab. \n,é", max_size=80)


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


@pytest.mark.parametrize(
    ("old", "new"),
    [("a\n" * 60_000, "b\na\n" * 40_000), ("word " * 40_000, "other " * 40_000), ("x" * 200_000, "y" * 200_000)],
    ids=["lines", "words", "one word"],
)
def test_long_and_repetitive_texts_are_compared_in_seconds(old: str, new: str) -> None:
    began = time.monotonic()
    pieces = difference(old, new)
    assert "".join(one.new for one in pieces) == new
    assert time.monotonic() - began < 30


@given(st.text("ab \n", max_size=200), st.integers(0, 200))
def test_a_cut_near_a_blank_is_never_before_its_place_nor_past_the_end(text: str, at: int) -> None:
    assert min(at, len(text)) <= near_a_blank(text, at) <= len(text)
