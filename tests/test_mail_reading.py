"""What a mail asks for, by the table of cases; and that no text whatever breaks or slows the reading."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mail_reading.folding import sentences, words
from shared.mail_reading.own_words import own_words, printable, text_of
from shared.mail_reading.phrases import OFTEN, Phrases
from shared.mail_reading.reading import Reading, read
from shared.mail_reading.rules import LANGUAGES

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "promises" / "mails.yaml").read_text())
PHRASES = [phrase for one in LANGUAGES for _, phrases in one.asking for phrase in phrases]


def named(reading: Reading) -> str:
    """Say a reading as the table of cases does."""
    said = [reading.doubt or reading.right, "stop_marketing" if reading.stops_marketing and not reading.doubt else None]
    return " + ".join(one for one in said if one) or "other"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.get('subject', '')}|{case['text']}"[:60])
def test_a_mail_is_read_as_the_table_says(case: dict[str, Any]) -> None:
    assert named(read(case.get("subject", ""), case["text"])) == case["reads"]


def test_the_table_of_cases_is_long_and_says_nothing_twice() -> None:
    mails = [(case.get("subject", ""), case["text"]) for case in CASES]
    assert len(mails) == len(set(mails)) >= 120
    spoken = {named(read(subject, text)) for subject, text in mails}
    assert spoken >= {"erasure", "access", "portability", "rectification", "restriction", "objection", "stop_marketing"}


def test_a_phrase_is_found_the_first_time_as_it_is_later_when_its_pattern_is_there() -> None:
    said = [words(one) for case in CASES for one in sentences(case["text"])]
    for language in LANGUAGES:
        for phrases in [*(one for _, one in language.asking), language.touching, language.harmless, language.denying]:
            warm = Phrases(phrases, language.after)
            for _ in range(OFTEN):
                warm.search(" ")
            for one in said:
                fresh = Phrases(phrases, language.after)
                assert fresh.without(one) == warm.without(one), (language.code, one)


def test_no_phrase_at_all_is_found_nowhere() -> None:
    none = Phrases(())
    assert not any(none.search(" delete my account ") for _ in range(OFTEN + 1))


@pytest.mark.parametrize(
    "negation", ["please do not", "never", "why did you", "bitte nicht", "ne jamais", "no", "if they"]
)
@pytest.mark.parametrize(
    "wish", ["delete my account", "lösche meine Daten", "supprimer mon compte", "eliminen mis datos"]
)
def test_a_wish_that_is_denied_asked_or_conditioned_is_no_wish(negation: str, wish: str) -> None:
    for text in (
        f"{negation} {wish}",
        f"{negation}\n{wish}",
        f"{negation.upper()} {wish.upper()}",
        f"{negation}, {wish}",
    ):
        assert read("", text).right is None, text


def test_a_right_is_still_asked_for_below_a_greeting_and_above_a_signature() -> None:
    text = "Dear Sir or Madam,\n\nplease delete my account.\n\nYours sincerely\nAnn Smith\n-- \nAnn Smith, Director\nNever late"
    assert read("A request", text).right == "erasure"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Delete<br>my account</p>", "Delete\nmy account"),
        (
            "<html><head><title>No</title><style>p{}</style></head><body>Please\ndelete <b>my</b> account</body>",
            "Please delete my account",
        ),
        ("Hi<blockquote>Delete <blockquote>my</blockquote> account</blockquote>there", "Hithere"),
        ('Yes<div class="gmail_quote">On Monday <div>x</div> wrote</div> please', "Yes please"),
        ('<span style="display: none">Delete my account</span>Hello', "Hello"),
        ("L&ouml;schung &amp; mehr &#8211; <script>alert(1)</script>", "Löschung & mehr –"),
        ("<p>unclosed <b>tags <i>everywhere", "unclosed tags everywhere"),
        (
            "<!DOCTYPE html><?xml version='1'?><![if !mso]>Please<![endif]> call<!-- <p>not this</p> --> me",
            "Please call me",
        ),
        ("a broken <![ if !mso <p>declaration</p>", "a broken declaration"),
        ('<DIV title="a > b" Style="display:&#32;none">Delete it</DIV><p class=x>1 < 2 <3', "1 < 2 <3"),
        ("<p hidden>no<br/></p>yes<!-- never closed <p>", "yes"),
        ("", ""),
    ],
)
def test_html_is_read_as_the_text_that_its_reader_sees(html: str, text: str) -> None:
    assert " ".join(text_of(html).split()) == " ".join(text.split())


def test_control_characters_are_left_out_and_lines_stay() -> None:
    assert printable("a\x00b\r\nc\rd\te\x1b[31m\u0085") == "ab\nc\nd\te[31m"


@given(st.text(alphabet="<>![]-/?&#; a\"'="))
@settings(max_examples=300, deadline=None)
def test_html_however_broken_is_read_without_failing(html: str) -> None:
    text_of(html)


@given(st.text(), st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_at_all_is_read_without_failing(subject: str, text: str) -> None:
    assert isinstance(read(subject, text), Reading)
    own_words(text_of(text))


@given(
    st.lists(st.sampled_from(PHRASES), min_size=1, max_size=6), st.sampled_from(["not", "nicht", "pas", "nunca", "if"])
)
@settings(max_examples=100, deadline=None)
def test_no_heap_of_phrases_with_a_denial_in_it_becomes_a_right(phrases: list[str], denial: str) -> None:
    plain = [
        " ".join(word.strip("[]").split("/")[0].rstrip("*") for word in one.split() if word not in {"..", "|"})
        for one in phrases
    ]
    assert read("", " ".join([denial, *plain])).right is None


@pytest.mark.parametrize(
    "text",
    [
        "delete my " * 20_000,
        "> " * 50_000,
        "on " * 40_000 + "wrote:",
        "a" * 100_000,
        ", " * 50_000,
        "On x\n" * 20_000,
        "<div>" * 50_000,
    ],
)
def test_no_text_takes_long_to_read(text: str) -> None:
    started = time.perf_counter()
    read(text, text)
    text_of(text)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<![", "<!", "<?", "</", "<a a=", "<a x='", '<a x="', "<x<", "<p a", "<p a ", "&", "&#1"]
)
def test_a_megabyte_of_html_that_never_closes_takes_no_longer_than_any_other(piece: str) -> None:
    started = time.perf_counter()
    text_of(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - started < 5
