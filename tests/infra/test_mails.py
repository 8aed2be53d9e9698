"""Mails: a text that is complete by itself, a twin that fetches nothing, a subject that tells nothing of the person."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import jinja2
import msgspec
import pytest

from infra.mails import MAILS
from infra.mails.compose import ENGLISH, FOLDER, Mail, compose, whole_language
from tests.infra.hostile import ALIVE, hostile
from tests.infra.html_reader import Page
from tests.infra.mail_samples import ALWAYS, FULL, MINIMAL, SAMPLES
from tests.infra.test_pages import TOO_MUCH

PARTS = (("subject", "txt"), ("text", "txt"), ("mail", "html"))
BYTES = 100 * 1024
every_mail = pytest.mark.parametrize(
    ("mail", "words"), [(m, w) for m, _, w in SAMPLES], ids=[f"{m}-{k}" for m, k, _ in SAMPLES]
)


def composed(mail: str, words: dict[str, Any], locale: str = "en") -> Mail:
    return compose(mail, locale, {**ALWAYS, **words})


def test_the_list_of_mails_and_the_folders_are_the_same() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(MAILS) == set(FULL)


@pytest.mark.parametrize("mail", MAILS)
def test_a_mail_has_its_three_files_and_every_translation_is_whole(mail: str) -> None:
    names = {path.name for path in (FOLDER / mail).iterdir()}
    tongues = {name.split(".")[1] for name in names if name.count(".") == 2}
    whole = {f"{stem}{tongue}.{ending}" for tongue in {"", *(f".{t}" for t in tongues)} for stem, ending in PARTS}
    assert names == whole


@every_mail
def test_the_text_holds_every_link_of_its_twin_and_each_stands_alone(mail: str, words: dict[str, Any]) -> None:
    sent = composed(mail, words)
    links = {link.removeprefix("mailto:") for _, link in Page(sent.html).links()}
    lines = sent.text.splitlines()
    assert all(link in lines for link in links if "://" in link)
    assert all(link in sent.text for link in links)


@every_mail
def test_a_mail_loads_nothing_and_is_small(mail: str, words: dict[str, Any]) -> None:
    sent = composed(mail, words)
    read = Page(sent.html)
    assert {tag for tag, _ in read.links()} <= {"a"}
    assert not read.named("img", "script", "link", "iframe", "form", "input")
    assert not re.search(r"url\(|@import|@font-face", sent.html)
    assert len(sent.html.encode()) + len(sent.text.encode()) < BYTES


@every_mail
def test_a_subject_is_one_line_without_an_address_or_a_number(mail: str, words: dict[str, Any]) -> None:
    subject = composed(mail, words).subject
    assert subject
    assert "\n" not in subject
    assert "@" not in subject
    assert "rq_" not in subject


@every_mail
def test_a_mail_escapes_every_word_in_html_and_changes_none_in_text(mail: str, words: dict[str, Any]) -> None:
    sent = compose(mail, "en", hostile({**ALWAYS, **words}))
    assert ALIVE not in sent.html
    assert not Page(sent.html).named("i")
    assert "&lt;" not in sent.text


@every_mail
def test_no_mail_says_that_everything_was_deleted(mail: str, words: dict[str, Any]) -> None:
    sent = composed(mail, words)
    assert not TOO_MUCH.search(sent.text)
    assert not TOO_MUCH.search(Page(sent.html).text)


@every_mail
def test_lines_of_a_text_fit_a_screen(mail: str, words: dict[str, Any]) -> None:
    lines = composed(mail, words).text.splitlines()
    assert all(len(line) <= 74 for line in lines if "://" not in line)
    assert not any(first == second == "" for first, second in pairwise(lines))


@pytest.mark.parametrize("mail", MAILS)
def test_a_mail_that_lacks_a_word_is_an_error_and_never_a_blank(mail: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        compose(mail, "en", {})


@pytest.mark.parametrize("mail", ["request_confirm", "consent_confirm"])
def test_the_first_mail_to_a_person_shows_the_right_to_object_by_itself(mail: str) -> None:
    sent = composed(mail, FULL[mail])
    assert "\nYOUR RIGHT TO OBJECT\n" in sent.text
    assert "Your right to object" in Page(sent.html).text


@pytest.mark.parametrize("mail", ["request_denied", "request_unconfirmed", "request_extended"])
def test_a_mail_that_says_no_names_the_authority_and_the_courts(mail: str) -> None:
    text = composed(mail, FULL[mail]).text
    assert ALWAYS["company"].authority.url in text
    assert ALWAYS["company"].courts in text


def test_the_closing_mail_of_an_erasure_is_the_last_and_names_what_is_open() -> None:
    text = " ".join(composed("request_closing", FULL["request_closing"]).text.split())
    assert "This is the last mail we send to this address" in text
    assert "A day from now we ask our mail service to delete what it holds about this address." in text
    for part in ("done", "open", "kept", "survives", "not_connected"):
        assert FULL["request_closing"][part][0] in text
    assert FULL["request_closing"]["standing"] in text


def test_the_closing_mail_of_another_right_does_not_claim_to_be_the_last() -> None:
    assert "last mail" not in composed("request_closing", {**FULL["request_closing"], "right": "access"}).text


def test_a_notice_to_another_address_opens_nothing_but_the_cancelling() -> None:
    sent = composed("request_notice", FULL["request_notice"])
    private = {link for _, link in Page(sent.html).links() if "/requests/" in link}
    assert private == {FULL["request_notice"]["cancel_link"]}


def test_a_line_break_in_a_name_starts_no_other_header() -> None:
    company = msgspec.structs.replace(ALWAYS["company"], name="Harbour\r\nBcc: all")
    sent = compose("request_denied", "en", {**ALWAYS, **FULL["request_denied"], "company": company})
    assert sent.subject == "Our answer to your request to Harbour Bcc: all"


@pytest.mark.parametrize("locale", ["de", "de-AT", "../..", "EN-gb", ""])
def test_any_language_without_a_translation_gets_english(locale: str) -> None:
    words = FULL["request_denied"]
    assert composed("request_denied", words, locale) == composed("request_denied", words)


def test_a_translation_is_used_once_all_three_parts_exist() -> None:
    parts = {"hello/subject.de.txt", "hello/text.de.txt"}
    assert whole_language("hello", "de-AT", parts) == ENGLISH
    assert whole_language("hello", "de-AT", parts | {"hello/mail.de.html"}) == "de"


@pytest.mark.parametrize(
    ("locale", "day", "page"),
    [
        ("de-AT", "1. März 2027", "Datenschutzerklärung"),
        ("fr", "1er mars 2027", "politique de confidentialité"),
        ("es-MX", "1 de marzo de 2027", "política de privacidad"),
    ],
)
@pytest.mark.parametrize("words", [FULL["policy_changed"], MINIMAL["policy_changed"]])
def test_the_notice_of_a_new_policy_speaks_one_language_throughout(
    locale: str, day: str, page: str, words: dict[str, Any]
) -> None:
    mail = compose("policy_changed", locale, ALWAYS | words | {"effective_at": "2027-03-01T00:00:00Z"})
    for part in (mail.subject, mail.text, mail.html):
        assert day in " ".join(part.split())
    for part in (mail.text, mail.html):
        assert page in " ".join(part.split())
        for english in ("Your", "Our ", "Questions, or any", "Or copy", "We write", "new version"):
            assert english not in part
    assert f'lang="{locale[:2]}"' in mail.html
