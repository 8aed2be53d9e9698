"""§5.1, §6: what becomes of a mail to the contact address."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.case import Case
from shared.mail_reading.received import Attachment, Mail, is_aligned, is_automatic
from shared.mail_reading.rules import LANGUAGES
from shared.own_records import MAIL_KINDS
from shared.promises import inbound, mailbox, objections, requests
from shared.promises.inbound import Became
from shared.promises.verification import COURSES
from shared.records import ALL_ATTENTION, ALL_EVIDENCE, ALL_REQUESTS, Attention, InboundMail, Request
from shared.store import Query, Stored
from tests.promises.world import World

ANN = "ann@people.example"
ERASURE = "Please delete my account."
WAITING = Query(InboundMail)


def mail(text: str = ERASURE, **more: Any) -> Mail:
    given = {
        "sender": f"Ann <{ANN}>",
        "senders": [ANN],
        "subject": "A question",
        "text": text,
        "envelope_from": ANN,
        "message_id": "<1@people.example>",
    }
    return Mail(**(given | more))


def take(world: World, text: str = ERASURE, **more: Any) -> Became:
    return inbound.take(world.services, mail(text, **more))


def opened(world: World) -> list[Stored[Request]]:
    return world.services.store.query(ALL_REQUESTS)


def waiting(world: World) -> list[Stored[InboundMail]]:
    return world.services.store.query(WAITING)


def listed(world: World) -> list[tuple[str, str | None]]:
    return [(one.record.kind, one.record.problem) for one in world.services.store.query(ALL_ATTENTION)]


# --- a right ---------------------------------------------------------------------------------------------------------


def test_a_mail_that_asks_for_a_right_opens_a_request_that_waits_for_the_mailbox(world: World) -> None:
    assert take(world, f"{ERASURE}\n\nAnn") == "request"
    (request,) = opened(world)
    assert (request.record.right, request.record.status, request.record.channel) == ("erasure", "unverified", "mail")
    world.run_due()
    (confirm,) = world.mailed("request_confirm")
    assert confirm["to"] == ANN
    assert requests.confirm(world.services, request.id, confirm["link"].partition("?t=")[2])["status"] == "verified"


def test_the_words_of_the_mail_are_sealed_in_the_request_and_cut(world: World) -> None:
    take(world, f"{ERASURE}\n" + "x" * 9000)
    (request,) = opened(world)
    details = Case.read(world.services, request.id).envelope.details or ""
    assert details.startswith(f"A question\n\n{ERASURE}")
    assert len(details) == requests.LONGEST_DETAILS
    assert waiting(world) == []


@pytest.mark.parametrize(
    ("text", "language"),
    [(ERASURE, "en"), ("Löschung meiner Daten", "de"), ("Supprimez mon compte", "fr"), ("Eliminen mis datos", "es")],
)
def test_a_request_speaks_the_language_of_its_mail(world: World, text: str, language: str) -> None:
    take(world, text, subject="")
    assert [one.record.locale for one in opened(world)] == [language]


def test_every_right_that_is_read_has_a_course_to_run() -> None:
    read = {asks for language in LANGUAGES for asks, _ in language.asking}
    assert read - set(COURSES) == {"objection", "stop_marketing", "withdrawal", "complaint"}


# --- marketing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", [{"dkim": ["people.example"]}, {"spf": True}])
def test_a_no_to_marketing_acts_at_once_when_the_senders_domain_stands_for_it(
    world: World, proof: dict[str, Any]
) -> None:
    assert take(world, "STOP", **proof) == "stopped"
    assert objections.MARKETING in objections.stopped(world.services, ANN)
    assert [
        one.record.facts["via"] for one in world.services.store.query(ALL_EVIDENCE) if "via" in one.record.facts
    ] == ["mail"]
    world.run_due()
    assert world.postman.posted == []


@pytest.mark.parametrize(
    "doubtful",
    [
        {},
        {"dkim": ["elsewhere.example"]},
        {"spf": True, "envelope_from": "x@elsewhere.example"},
        {"spf": True, "envelope_from": None},
    ],
)
def test_a_no_to_marketing_that_anybody_may_have_written_is_asked_back(world: World, doubtful: dict[str, Any]) -> None:
    assert take(world, "unsubscribe", **doubtful) == "asked_back"
    assert objections.stopped(world.services, ANN) == {}
    world.run_due()
    (asked,) = world.mailed("inbound_ask_back", ANN)
    assert "/unsubscribe?t=" in asked["link"]
    assert waiting(world) == []


def test_the_subject_of_our_own_header_stops_that_list_alone(world: World) -> None:
    assert take(world, "", subject="unsubscribe marketing_email", spf=True) == "stopped"
    assert set(objections.stopped(world.services, ANN)) == {"marketing_email"}


def test_a_no_to_marketing_beside_a_right_does_both(world: World) -> None:
    assert take(world, f"Unsubscribe me. {ERASURE}", spf=True) == "request"
    assert objections.MARKETING in objections.stopped(world.services, ANN)
    assert len(opened(world)) == 1


def test_stopping_what_is_stopped_writes_no_second_evidence(world: World) -> None:
    take(world, "STOP", spf=True)
    before = len(world.services.store.query(ALL_EVIDENCE))
    assert take(world, "STOP", spf=True, message_id="<2@people.example>") == "stopped"
    assert len(world.services.store.query(ALL_EVIDENCE)) == before


@pytest.mark.parametrize(
    ("domain", "signed", "aligned"),
    [
        ("people.example", "people.example", True),
        ("people.example", "PEOPLE.example.", True),
        ("mail.people.example", "people.example", True),
        ("people.example", "mail.people.example", True),
        ("people.example", "notpeople.example", False),
        ("people.example", "people.example.evil.example", False),
        ("people.co.uk", "co.uk", False),
        ("co.uk", "evil.co.uk", False),
        ("people.example", "example", False),
        ("people.example", "", False),
        ("people.example", ".", False),
        ("a.people.example", "b.people.example", False),
    ],
)
def test_a_signature_counts_for_the_same_organisation_alone(domain: str, signed: str, aligned: bool) -> None:
    assert is_aligned(Mail(dkim=[signed]), f"ann@{domain}") is aligned
    assert is_aligned(Mail(spf=True, envelope_from=f"x@{signed}"), f"ann@{domain}") is aligned
    assert not is_aligned(Mail(spf=False, envelope_from=f"x@{signed}"), f"ann@{domain}")


# --- a person --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "more", "kind", "problem"),
    [
        ("Please do not delete my account.", {}, "mail_unclear", "unclear"),
        ("Send me a copy of my data and delete my account.", {}, "mail_unclear", "several"),
        ("My mother's account should be deleted.", {}, "mail_about_somebody_else", "somebody_else"),
        ("I complain about your use of my personal data.", {}, "mail_complaint", "complaint"),
        ("I withdraw my consent.", {}, "mail_withdrawal", "withdrawal"),
        ("I object to the processing of my data.", {}, "mail_objection", "objection"),
        (ERASURE, {"senders": []}, "mail_unclear", "no_sender"),
        (ERASURE, {"senders": [ANN, "bo@people.example"]}, "mail_unclear", "no_sender"),
        (ERASURE, {"senders": ["no address"]}, "mail_unclear", "no_sender"),
        ("STOP", {"senders": []}, "mail_unclear", "no_sender"),
        ("Where is my sofa?", {"damaged": True}, "mail_unclear", "damaged"),
        (ERASURE, {"damaged": True}, "mail_unclear", "damaged"),
    ],
)
def test_what_is_unclear_waits_for_a_person_and_does_nothing(
    world: World, text: str, more: dict[str, Any], kind: str, problem: str
) -> None:
    assert take(world, text, **more) == "for_a_person"
    assert listed(world) == [(kind, problem)]
    assert kind in MAIL_KINDS
    assert opened(world) == []
    (kept,) = waiting(world)
    shown = mailbox.shown(world.services, kept.id)
    assert (shown["text"], shown["from"], shown["doubt"]) == (text, f"Ann <{ANN}>", problem)
    world.run_due()
    assert world.mailed("request_confirm") == []
    assert world.postman.forwarded == []


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("Unsubscribe me. Delete my account. Send me a copy of my data.", ("mail_unclear", "several")),
        ("I object to the processing of my data.", ("mail_objection", "objection")),
        ("I withdraw my consent.", ("mail_withdrawal", "withdrawal")),
    ],
)
@pytest.mark.parametrize("proved", [True, False])
def test_a_no_to_marketing_acts_beside_what_a_person_must_sort_out(
    world: World, text: str, doubt: tuple[str, str], proved: bool
) -> None:
    assert take(world, text, spf=proved) == "for_a_person"
    assert (objections.MARKETING in objections.stopped(world.services, ANN)) is proved
    assert listed(world) == [doubt]


# --- machines, repeats, floods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"auto-submitted": "auto-replied"}},
        {"headers": {"auto-submitted": "auto-generated; type=x"}},
        {"headers": {"precedence": "Bulk"}},
        {"headers": {"precedence": "list"}},
        {"headers": {"x-auto-response-suppress": "All"}},
        {"headers": {"list-id": "<news.example>"}},
        {"headers": {"x-loop": "privacy@sample-rooms.example"}},
        {"envelope_from": ""},
        {"senders": ["MAILER-DAEMON@people.example"]},
        {"senders": ["postmaster@people.example"]},
        {"senders": ["Service@sample-rooms.example"]},
        {"senders": ["news@sample-rooms.example"]},
        {"senders": ["privacy@sample-rooms.example"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("text", [ERASURE, "STOP", "Out of office"])
def test_a_machines_mail_is_ignored_and_leaves_nothing(world: World, more: dict[str, Any], text: str) -> None:
    assert take(world, text, spf=True, **more) == "ignored"
    assert (opened(world), waiting(world), listed(world), world.run_due()) == ([], [], [], [])


@pytest.mark.parametrize(
    "headers", [{}, {"auto-submitted": "no"}, {"auto-submitted": " No "}, {"precedence": "normal"}, {"precedence": ""}]
)
def test_a_persons_mail_is_not_a_machines(headers: dict[str, str]) -> None:
    assert not is_automatic(mail(headers=headers), set())


@pytest.mark.parametrize("text", [ERASURE, "STOP"])
def test_a_mailing_is_handed_on_unread(world: World, text: str) -> None:
    assert take(world, text, spf=True, headers={"list-unsubscribe": "<https://news.example>"}) == "forwarded"
    assert (opened(world), objections.stopped(world.services, ANN)) == ([], {})


def test_a_mail_from_an_address_that_takes_no_answer_is_not_lost(world: World) -> None:
    assert take(world, "Your case is closed.", senders=["no-reply@authority.example"]) == "forwarded"


@pytest.mark.parametrize("text", [ERASURE, "STOP", "Where is my sofa?", "Please do not delete my account."])
def test_the_same_mail_again_changes_nothing(world: World, text: str) -> None:
    take(world, text)
    before = (len(opened(world)), len(waiting(world)))
    assert take(world, text) == "duplicate"
    world.clock.at += timedelta(days=3)
    assert take(world, text) == "duplicate"
    assert (len(opened(world)), len(waiting(world))) == before


def test_a_mail_that_bears_anothers_message_id_is_its_own_mail(world: World) -> None:
    take(world)
    assert take(world, "Bitte löschen Sie mein Konto.") == "request"


def test_fifty_copies_at_once_open_one_request(world: World) -> None:
    with ThreadPoolExecutor(16) as pool:
        became = list(pool.map(lambda _: take(world), range(50)))
    assert sorted(became) == ["duplicate"] * 49 + ["request"]
    assert len(opened(world)) == 1


def test_an_address_that_floods_is_answered_no_more_and_nothing_is_lost(world: World) -> None:
    became = [take(world, message_id=f"<{n}@people.example>") for n in range(14)]
    assert became == ["request"] * 10 + ["for_a_person"] * 4
    assert set(listed(world)) == {("mail_throttled", "throttled")}
    assert take(world, "STOP", spf=True, message_id="<s@people.example>") == "stopped"
    assert take(world, "Where is my sofa?", message_id="<f@people.example>") == "forwarded"


def test_nothing_of_a_mail_stands_in_the_open(world: World) -> None:
    canary = "canary-7f3a"
    whole = {
        "sender": f"{canary} <{canary}@people.example>",
        "senders": [f"{canary}@people.example"],
        "subject": canary,
        "message_id": canary,
    }
    for text in (f"{ERASURE} {canary}", "STOP", f"{canary}?", f"Do not delete my data, {canary}"):
        take(world, text, **whole, attachments=[Attachment(name=canary, media="text/plain", content=canary.encode())])
    for kind in (Request, InboundMail, Attention):
        for one in world.services.store.query(Query(kind)):
            assert canary not in msgspec.json.encode(one.record).decode()
