"""Mails as SendGrid posts them: read whole, in their charsets; what cannot be read is said to be missing, never refused."""

from __future__ import annotations

import time
import tracemalloc
from email.message import EmailMessage
from importlib.resources import files as package_files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.http.mime import THE_REST, mail_of
from infra.http.multipart import MOST_ATTACHED
from shared.mail_reading.received import Mail
from tests.functions.inbound_mails import FORM, charsets, fields, form

SAMPLES = package_files("sendgrid") / "helpers" / "inbound" / "sample_data"


def read(said: dict[str, Any], files: dict[str, tuple[str, str, bytes]] | None = None) -> Mail:
    return mail_of(form(said, files), FORM)


@pytest.mark.parametrize(
    ("name", "subject", "files"),
    [
        ("default_data.txt", "Testing non-raw", []),
        ("raw_data.txt", "Testing with Request.bin", []),
        ("raw_data_with_attachments.txt", "Raw Payload", [("SendGrid.jpg", "image/jpeg", 10295)]),
    ],
)
def test_sendgrids_own_samples_are_read_whole(name: str, subject: str, files: list[tuple[str, str, int]]) -> None:
    mail = mail_of((SAMPLES / name).read_bytes(), FORM)
    assert (mail.senders, mail.subject, mail.damaged) == (["test@example.com"], subject, False)
    assert mail.text == "Hello Twilio SendGrid!\n"
    assert "<strong>Hello Twilio SendGrid!" in mail.html
    assert (mail.envelope_from, mail.dkim, mail.spf) == ("test@example.com", ["sendgrid.com"], True)
    assert [(one.name, one.media, len(one.content)) for one in mail.attachments] == files


def test_an_empty_body_is_a_damaged_mail() -> None:
    assert mail_of((SAMPLES / "default_data_with_attachments.txt").read_bytes(), FORM) == Mail(damaged=True)


@pytest.mark.parametrize("charset", ["UTF-8", "utf-8", "iso-8859-1", "windows-1252", "ISO-8859-15", "utf-16"])
def test_each_field_is_decoded_in_its_own_charset(charset: str) -> None:
    mail = read(
        fields(
            text="Löschung für José".encode(charset), subject="Größe", charsets=charsets(text=charset, subject="UTF-8")
        )
    )
    assert (mail.text, mail.subject, mail.damaged) == ("Löschung für José", "Größe", False)


@pytest.mark.parametrize(
    "charset",
    [
        "no-such-charset",
        "",
        "zip",
        "rot13",
        "idna",
        "punycode",
        "unicode_escape",
        "undefined",
        "x\x00y",
        "../etc",
        "utf-8\n",
    ],
)
def test_a_charset_that_is_none_is_read_as_utf_8(charset: str) -> None:
    assert read(fields(text="Löschung \\x41", charsets=charsets(text=charset))).text == "Löschung \\x41"


def test_bytes_that_do_not_fit_their_charset_are_replaced() -> None:
    mail = read(fields(text=b"L\xf6schung", charsets=charsets(text="UTF-8")))
    assert (mail.text, mail.damaged) == ("L\ufffdschung", False)


@pytest.mark.parametrize("said", ["", "{", "[]", "7", '{"text": 7}', '{"text": null}', "[" * 100_000])
@pytest.mark.parametrize("name", ["charsets", "envelope"])
def test_a_broken_field_of_json_says_nothing(name: str, said: str) -> None:
    mail = read(fields(**{name: said}))
    assert (mail.text, mail.damaged) == ("Where is my sofa?", False)
    assert mail.envelope_from == ("ann@people.example" if name == "charsets" else None)


def test_a_mail_of_html_alone_is_read_as_its_text() -> None:
    mail = read(fields(text=None, html="<p>Please delete<br>my account</p><blockquote>old</blockquote>"))
    assert mail.text == "Please delete\nmy account"


@pytest.mark.parametrize(
    ("said", "domains"),
    [
        ("{@people.example : pass}", ["people.example"]),
        ("{@a.example : fail, @b.example : pass}", ["b.example"]),
        ("{@a.example : pass}{@b.example : pass}", ["a.example", "b.example"]),
        ("{@a.example : PASS}", ["a.example"]),
        ("{@a.example : passed}", []),
        ("{@a.example : fail}", []),
        ("none", []),
        ("", []),
        ("pass", []),
    ],
)
def test_the_domains_whose_signature_holds_are_read(said: str, domains: list[str]) -> None:
    assert read(fields(dkim=said)).dkim == domains


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("pass", True),
        ("PASS", True),
        ("softfail", False),
        ("passing", False),
        ("none", False),
        ("", False),
        (None, False),
    ],
)
def test_spf_passes_or_it_does_not(said: str | None, passes: bool) -> None:
    assert read(fields(SPF=said)).spf is passes


@pytest.mark.parametrize(
    ("sender", "addresses"),
    [
        ("ann@people.example", ["ann@people.example"]),
        ('"Smith, Ann" <ann@people.example>', ["ann@people.example"]),
        ("Ann <ann@people.example>, Bo <bo@people.example>", ["ann@people.example", "bo@people.example"]),
        ("", []),
        (None, ["ann@people.example"]),
    ],
)
def test_the_senders_addresses_are_read(sender: str | None, addresses: list[str]) -> None:
    assert read(fields(**{"from": sender})).senders == (addresses or ["ann@people.example"])


def test_headers_that_tell_a_machine_are_kept_in_small_letters() -> None:
    headers = "AUTO-SUBMITTED: auto-replied\nList-Id:\n <a.example>\nX-Other: 1\nMessage-ID: <1@x>"
    mail = read(fields(headers=headers))
    assert mail.headers == {"auto-submitted": "auto-replied", "list-id": "<a.example>"}
    assert mail.message_id == "<1@x>"


def test_the_first_field_of_a_name_counts() -> None:
    body = form(fields()).replace(b"--xYzZY--", form({"text": "second"}))
    assert mail_of(body, FORM).text == "Where is my sofa?"


# --- attachments -----------------------------------------------------------------------------------------------------


def test_attachments_go_along_while_there_is_room_and_are_named_when_not() -> None:
    big, small = b"\0" * (MOST_ATTACHED + 1), b"PK\x03\x04 zip"
    mail = read(fields(), {"attachment1": ("big.bin", "a/b", big), "attachment2": ("a.zip", "application/zip", small)})
    assert [(one.name, one.media, one.content) for one in mail.attachments] == [("a.zip", "application/zip", small)]
    assert (mail.left_out, mail.damaged, mail.text) == (["big.bin"], False, "Where is my sofa?")


def test_twenty_megabytes_of_attachments_are_read_in_little_memory() -> None:
    body = form(fields(), {"attachment1": ("big.bin", "a/b", bytes(20 * 1024 * 1024))})
    tracemalloc.start()
    mail = mail_of(body, FORM)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mail.left_out == ["big.bin"]
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("name", ["text", "html", "headers", "from"])
def test_a_field_of_twenty_megabytes_is_read_in_little_memory(name: str) -> None:
    body = form(fields() | {name: b"abc " * 5_000_000})
    tracemalloc.start()
    mail = mail_of(body, FORM)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000
    assert (THE_REST in mail.left_out) is (name in {"text", "html"})


def test_a_mail_of_a_million_parts_waits_for_a_person() -> None:
    message = (
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n" + b"--q\r\n\r\nx\r\n" * 1_000_000
    )
    started = time.perf_counter()
    assert read({"email": message}).damaged
    assert time.perf_counter() - started < 5


def test_html_that_breaks_the_rules_is_still_a_mail() -> None:
    assert read(fields(text="", html="<p>Where is <![ my sofa?</p>")).text == "Where is"


def test_a_text_that_is_too_long_is_cut_and_said_so() -> None:
    mail = read(fields(text="x" * 700_000))
    assert (len(mail.text), mail.left_out, mail.damaged) == (100_000, [THE_REST], False)


# --- the whole mail --------------------------------------------------------------------------------------------------


def raw(message: EmailMessage, **more: Any) -> Mail:
    return read(fields(text=None, subject=None, headers=None, **{"from": None}, **more) | {"email": message.as_bytes()})


def written() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = "Jörg <joerg@people.example>", "Löschung"
    message["Message-ID"], message["Auto-Submitted"] = "<7@people.example>", "no"
    message.set_content("Bitte löschen Sie mein Konto.", charset="iso-8859-1")
    message.add_alternative("<p>Bitte löschen Sie mein Konto.</p>", subtype="html")
    return message


def test_a_whole_mail_is_read_as_its_fields_are() -> None:
    message = written()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    mail = raw(message)
    assert (mail.senders, mail.subject, mail.message_id) == (["joerg@people.example"], "Löschung", "<7@people.example>")
    assert mail.text.strip() == "Bitte löschen Sie mein Konto."
    assert [(one.name, one.content) for one in mail.attachments] == [("Übersicht.pdf", b"%PDF")]
    assert (mail.headers, mail.damaged) == ({"auto-submitted": "no"}, False)


def test_a_mail_inside_a_mail_does_not_speak_for_its_sender() -> None:
    inner, outer = written(), EmailMessage()
    outer["From"], outer["Subject"] = "ann@people.example", "FYI"
    outer.set_content("See below.")
    outer.add_attachment(inner)
    mail = raw(outer)
    assert mail.text.strip() == "See below."
    assert mail.senders == ["ann@people.example"]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 100,
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n",
        b"From: =?utf-8?q?=FF?= <a@b.example>\nSubject: =?x-none?b?!!!?=\n\nText",
        b'Content-Type: text/plain; charset="\xff"\nContent-Transfer-Encoding: base64\n\n!!!!',
        b"Content-Type: text/plain\nContent-Transfer-Encoding: uuencode\n\nbegin 666 x\nM\n",
        b'Content-Type: multipart/mixed; boundary="' + b"x" * 5000 + b'"\n\n',
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)),
        b"Subject: " + b"x" * 1_000_000 + b"\n\nText",
        b"Received: x\n" * 20_000 + b"\nText",
    ],
    ids=range(10),
)
def test_a_whole_mail_that_breaks_the_rules_is_still_a_mail(message: bytes) -> None:
    mail = read(fields(text=None) | {"email": message})
    assert isinstance(mail, Mail)
    assert len(mail.subject) <= 998


# --- what is no form ---------------------------------------------------------------------------------------------------

WHOLE = form(fields(), {"attachment1": ("a.zip", "application/zip", b"PK" * 1000)})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM),
        (b"", ""),
        (b"{}", "application/json"),
        (b"text=a", "application/x-www-form-urlencoded"),
        (WHOLE, "multipart/form-data"),
        (WHOLE, "multipart/form-data; boundary="),
        (WHOLE, "multipart/form-data; boundary=other"),
        (WHOLE, "multipart/mixed; boundary=xYzZY"),
        (WHOLE, "text/plain"),
        (b"\xff\xfe\0", FORM),
        (b"--xYzZY--", FORM),
        (b"--xYzZY\r\n\r\nno disposition\r\n--xYzZY--", FORM),
    ],
    ids=range(12),
)
def test_what_is_no_form_is_a_damaged_mail_of_its_first_words(body: bytes, kind: str) -> None:
    mail = mail_of(body, kind)
    assert mail.damaged
    assert len(mail.text) <= 100_000


@pytest.mark.parametrize("length", [1, 50, 300, 700, len(WHOLE) // 2, len(WHOLE) - 20, len(WHOLE) - 6])
def test_a_form_that_ends_too_early_is_damaged(length: int) -> None:
    assert mail_of(WHOLE[:length], FORM).damaged


def test_two_thousand_fields_are_no_mail() -> None:
    assert mail_of(form({f"f{n}": "x" for n in range(2000)}), FORM).damaged


@given(st.binary(max_size=2000))
@settings(max_examples=150, deadline=None)
def test_any_bytes_at_all_are_read_without_failing(junk: bytes) -> None:
    assert isinstance(mail_of(junk, FORM), Mail)
    assert isinstance(read(fields(text=None) | {"email": junk}), Mail)
    assert isinstance(read(dict.fromkeys(fields(), junk.replace(b"--xYzZY", b"")) | {"charsets": junk}), Mail)


@given(st.integers(0, len(WHOLE)), st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_a_form_with_bytes_amiss_is_read_without_failing(place: int, junk: bytes) -> None:
    assert isinstance(mail_of(WHOLE[:place] + junk + WHOLE[place + len(junk) :], FORM), Mail)
