"""A policy's text: its sentences and sections, its layout, and the stretches of time in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.policy_reading.language import foreign
from shared.policy_reading.layout import as_markdown
from shared.policy_reading.periods import PERIOD, days_of, period
from shared.policy_reading.sentences import headings, read

strange = st.text("aB1. #-*_•|[]()\n§:;=~`<>\t", max_size=200)


def texts(policy: str) -> list[str]:
    return [one.text for one in read(policy)]


@pytest.mark.parametrize(
    ("policy", "sentences"),
    [
        ("One thing. Another thing! A third?", ["One thing.", "Another thing!", "A third?"]),
        ("We are Prints Ltd. of Leith, e.g. by post.", ["We are Prints Ltd. of Leith, e.g. by post."]),
        ("See Art. 13 and No. 4. Then go on.", ["See Art. 13 and No. 4.", "Then go on."]),
        ("wrapped over\ntwo lines.\n\nNext.", ["wrapped over two lines.", "Next."]),
        ("**3.1** Some *marked* [words](https://a.example) `here`.", ["3.1 Some marked words here."]),
        ("Kept for:\n- one\n- two\n  lines", ["Kept for:", "one", "two lines"]),
        ("He said “Stop.” Then he went.", ["He said “Stop.”", "Then he went."]),
        ("snake_case and 2 * 3 * 4 stay.", ["snake_case and 2 * 3 * 4 stay."]),
        ("a\n---\nb", ["b"]),
        ("", []),
    ],
)
def test_a_text_is_read_as_its_sentences(policy: str, sentences: list[str]) -> None:
    assert texts(policy) == sentences


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ("# One #\n\ntext\n\n## 1. Two\n\ntext", ["One", "1. Two"]),
        ("One\n===\n\ntext", ["One"]),
        ("Policy\n\n1. One\n\ntext\n\n1.2. Two\n\ntext", ["1. One", "1.2. Two"]),
        ("1. We keep what you send us for as long as you have an account, and delete it.\n", []),
        ("1. First thing\n2. Second thing\n", []),
        ("\n\n2030 was a year.\n\n", []),
    ],
)
def test_headings_are_marked_underlined_or_numbered_and_alone(policy: str, found: list[str]) -> None:
    assert headings(policy) == found


def test_an_item_knows_its_section_and_what_leads_to_it() -> None:
    item = read("## 9. Who\n\nWe share data with:\n\n- Stripe\n")[-1]
    assert (item.text, item.section, item.lead, item.is_item) == ("Stripe", "9. Who", "We share data with:", True)


@given(strange)
def test_every_letter_of_a_text_is_read_or_a_heading(policy: str) -> None:
    letters = set(re.findall(r"[aB]", policy))
    seen = set(re.findall(r"[aB]", " ".join([*texts(policy), *headings(policy)])))
    # a link's address is not words
    assert seen == letters or "](" in policy


@given(strange)
def test_laying_out_keeps_every_word_and_is_settled_at_once(policy: str) -> None:
    laid = as_markdown(policy)
    assert re.findall(r"[aB]+", laid) == re.findall(r"[aB]+", policy)


def test_markdown_is_shown_as_it_is() -> None:
    policy = "# Title\n\n1. Not a heading\n\n   - indented\n"
    assert as_markdown(policy) == policy


def test_plain_text_gets_the_headings_and_lists_it_means() -> None:
    plain = "Our policy\n\n1. One\n\n1.1. Below\n\n      far in\n\n  • a\n  • b\n"
    assert as_markdown(plain) == "# Our policy\n\n## 1. One\n\n### 1.1. Below\n\nfar in\n\n- a\n- b\n"


def test_a_first_line_that_is_a_sentence_is_no_title() -> None:
    assert as_markdown("We keep little.\n\n1. One\n").startswith("We keep little.\n")


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("14 days", 14), ("fourteen (14) days", 14), ("two weeks", 14), ("48 hours", 2), ("a week", 7), ("ten working days", 10),
        ("one calendar month", 30.4375), ("six years", 2191.5), ("14-day", 14), ("twenty-four hours", 1),
    ],
)  # fmt: skip
def test_a_stretch_of_time_is_read_in_figures_and_in_words(words: str, days: float) -> None:
    found = re.search(PERIOD, words)
    assert found
    assert period(found).days == pytest.approx(days)


@pytest.mark.parametrize("duration", ["P24M", "P2Y", "P730D", "P104W"])
def test_the_same_time_said_in_another_way_is_the_same(duration: str) -> None:
    found = re.search(PERIOD, "two years")
    assert found
    assert period(found).is_about(days_of(duration))
    assert not period(found).is_about(days_of("P14M"))


FOREIGN = {
    "German": "Wir löschen Ihre Daten. Nach dreißig Tagen ist nichts mehr da.",
    "German, few words": "Wir löschen Ihre Daten.",
    "German with names": "Für Zahlungen setzen wir Stripe und Google Analytics ein.",
    "Dutch": "Wij bewaren uw gegevens niet langer dan een maand, of zolang de wet dat vraagt.",
    "French": "Nous effaçons vos données dans un délai de trente jours.",
    "Spanish": "Conservamos sus datos durante un mes y los borramos después.",
    "Portuguese": "Apagamos os seus dados em trinta dias.",
    "Italian": "Cancelliamo i suoi dati entro trenta giorni dalla richiesta.",
    "Swedish": "Vi raderar dina uppgifter och skickar inget till någon annan.",
    "Danish": "Vi sletter dine oplysninger og deler ikke noget med andre.",
    "Polish": "Usuwamy dane w ciągu trzydziestu dni i nie przekazujemy ich dalej.",
    "Finnish": "Poistamme tietosi kolmenkymmenen päivän kuluessa pyynnöstä ja ilmoitamme siitä.",
    "Latvian": "Dzēsīsim jūsu datus trīsdesmit dienu laikā pēc pieprasījuma saņemšanas brīža",
    "Russian": "Удаляем данные через месяц.",
    "Greek": "Διαγράφουμε τα δεδομένα.",
    "Chinese": "我们会删除您的数据。",
}


@pytest.mark.parametrize("policy", FOREIGN.values(), ids=FOREIGN)
def test_another_language_than_english_is_known_by_its_small_words(policy: str) -> None:
    assert len(foreign(read(policy))) == len(read(policy))


@pytest.mark.parametrize(
    "policy",
    [
        "We keep little.",
        "Payments: Stripe, Leith",
        "- Google Analytics\n- Google Tag Manager\n- Facebook",
        "Name, address, telephone number, orders, uploads",
        "We erase data per month, on request; non-personal data stay.",
        "Our office is at 3 Rue de la Paix, Paris. You may write to us there, and we answer you within a month.",
        "Our mail is called “Das ist neu”. You can stop it, and you can stop every other mail that we send to you.",
        "",
    ],
)
def test_english_is_english_though_a_name_or_a_quotation_in_it_is_not(policy: str) -> None:
    assert foreign(read(policy)) == frozenset()


def test_of_a_text_in_two_languages_one_is_foreign() -> None:
    policy = "We erase your data within a month.\n\nWir löschen Ihre Daten binnen eines Monats.\n"
    assert foreign(read(policy)) == {1}
