"""`sendgrid-inbound`: mail to the contact address as SendGrid posts it, and whatever is sent in its name."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from functions.sendgrid_inbound import MOST_BYTES
from infra.http.signatures import SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP
from infra.local.sendgrid_keys import EVENTS_KEY, public_key, signed
from shared.failures import TryAgain
from shared.promises import objections
from shared.records import ALL_REQUESTS, InboundMail
from shared.store import Query
from tests.functions.called import PAGE, Called, problem
from tests.functions.edge_contract import ActsContract
from tests.functions.inbound_mails import FORM, KEY, charsets, fields, form, headers
from tests.infra.troubled_twins import ForwardingStore

PATH = "/sendgrid-inbound"
ANN = "ann@people.example"
CANARY = "canary-7f3a"
ERASURE = "Please delete my account."


class TestSendgridInboundActs(ActsContract):
    edge = "sendgrid-inbound"
    acts = ("/",)
    browser = False


def send(called: Called, body: bytes, kind: str = FORM, **more: str) -> TestResponse:
    """Send a body as SendGrid does."""
    return called.post(PATH, body, **(headers(called.data_dir, body, kind) | more))


def became(called: Called, files: dict[str, tuple[str, str, bytes]] | None = None, **said: Any) -> str:
    """Send a mail; return what became of it."""
    answer = send(called, form(fields(**said), files))
    assert answer.status_code == 200, answer.text
    done: str = answer.json["became"]
    return done


def doubts(called: Called) -> list[tuple[str, str]]:
    return [(one["kind"], one["problem"]) for one in called.operator("GET", "/attention").json["items"]]


# --- what becomes of a mail ------------------------------------------------------------------------------------------


def test_a_mail_that_asks_for_deletion_opens_a_request_whose_link_goes_to_its_sender(called: Called) -> None:
    assert became(called, text=ERASURE) == "request"
    link = called.mailed_link(ANN, "/confirm?t=")
    assert called.post(link).json["status"] == "verified"


def test_a_no_to_marketing_acts_at_once_when_the_domain_stands_for_it(called: Called) -> None:
    assert became(called, text="STOP", dkim="{@people.example : pass}") == "stopped"
    assert objections.MARKETING in objections.stopped(called.container, ANN)


def test_a_no_to_marketing_in_anothers_name_is_asked_back_and_the_link_stops_it(called: Called) -> None:
    assert became(called, text="STOP", dkim="{@evil.example : pass}") == "asked_back"
    assert objections.stopped(called.container, ANN) == {}
    assert called.post(called.mailed_link(ANN, "/unsubscribe?t=")).status_code == 200
    assert objections.MARKETING in objections.stopped(called.container, ANN)


def test_any_other_mail_reaches_the_people_who_answer_it(called: Called) -> None:
    picture = ("sofa.jpg", "image/jpeg", b"\xff\xd8\xff")
    assert (
        became(called, {"attachment1": picture}, subject="My sofa", html="<p>Where is my <b>sofa</b>?</p>")
        == "forwarded"
    )
    (mail,) = called.mails("privacy-desk@sample-rooms.example")
    assert (mail["subject"], mail["text"], mail["html"]) == (
        "My sofa",
        "Where is my sofa?",
        "<p>Where is my <b>sofa</b>?</p>",
    )
    assert (mail["from"], mail["headers"]["Reply-To"]) == ("service@sample-rooms.example", ANN)
    assert mail["headers"]["X-Attachments"] == "sofa.jpg"
    assert called.count("inbound_mails") == 0


def test_an_operator_reads_an_unclear_mail_enters_a_request_and_settles_it(called: Called) -> None:
    assert became(called, text="My mother's account should be deleted.") == "for_a_person"
    (item,) = called.operator("GET", "/attention").json["items"]
    assert item["kind"] == "mail_about_somebody_else"
    shown = called.operator("GET", f"/mails/{item['request_id']}").json
    assert (shown["email"], shown["text"]) == (ANN, "My mother's account should be deleted.")
    asked = {"channel": "mail", "received_at": shown["received_at"], "right": "erasure", "email": "mum@people.example"}
    assert called.operator("POST", "/requests", asked).status_code == 201
    settled = called.operator("POST", f"/mails/{item['request_id']}/settle", {"reason": "entered"})
    assert settled.json == {"mail_id": item["request_id"], "settled": True}
    assert doubts(called) == []
    problem(called.operator("GET", f"/mails/{item['request_id']}"), 404)


@pytest.mark.parametrize("what", ["GET", "POST"])
def test_only_an_operator_reads_and_settles_mails(called: Called, what: str) -> None:
    became(called, text="Do not delete my account.")
    (mail,) = called.container.store.query(Query(InboundMail))
    path = f"/operator/mails/{mail.id}" + ("/settle" if what == "POST" else "")
    with called.changing_nothing():
        problem(called.call(what, path, {"reason": "x"} if what == "POST" else None), 401)


# --- who may say so --------------------------------------------------------------------------------------------------

BODY = form(fields(text=ERASURE))


@pytest.mark.parametrize("missing", [SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP, None])
def test_what_is_not_signed_is_refused_and_leaves_nothing(called: Called, missing: str | None) -> None:
    sent = headers(called.data_dir, BODY)
    for name in [missing] if missing else [SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP]:
        del sent[name.replace("-", "_")]
    with called.changing_nothing():
        problem(called.post(PATH, BODY, **sent), 400)


@pytest.mark.parametrize("signature", ["", "garbage", "AAAA", "é", "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6Z="])
def test_a_signature_that_does_not_hold_is_refused(called: Called, signature: str) -> None:
    with called.changing_nothing():
        problem(send(called, BODY, X_Twilio_Email_Event_Webhook_Signature=signature), 400, SENDGRID_SIGNATURE)


def test_a_mail_changed_after_it_was_signed_is_refused(called: Called) -> None:
    sent = headers(called.data_dir, BODY)
    for altered in (BODY.replace(b"ann@", b"eve@"), BODY + b" ", BODY[:-1], b""):
        with called.changing_nothing():
            problem(called.post(PATH, altered, **sent), 400)


def test_the_key_of_the_event_webhook_signs_no_mail(called: Called) -> None:
    sent = signed(called.data_dir / EVENTS_KEY, 1, BODY)
    with called.changing_nothing():
        problem(
            called.post(PATH, BODY, Content_Type=FORM, **{name.replace("-", "_"): one for name, one in sent.items()}),
            400,
        )


def test_two_keys_are_valid_while_one_is_changed_for_the_other(called: Called) -> None:
    ours, other = (public_key(called.data_dir / name) for name in (KEY, EVENTS_KEY))
    called.container.__dict__["sendgrid_inbound_keys"] = (other, ours)
    assert became(called, text=ERASURE) == "request"
    called.container.__dict__["sendgrid_inbound_keys"] = (other,)
    with called.changing_nothing():
        problem(send(called, BODY), 400, SENDGRID_SIGNATURE)


def test_a_browser_that_posts_gets_a_page_that_says_no(called: Called) -> None:
    with called.changing_nothing():
        answer = called.post(PATH, BODY, Content_Type=FORM, Accept=PAGE)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")


def test_more_than_a_mail_can_be_is_refused_unread(called: Called) -> None:
    with called.changing_nothing():
        problem(called.post(PATH, bytes(MOST_BYTES + 1), Content_Type=FORM), 413)


# --- signed, and odd: kept for a person, never refused -------------------------------------------------------------------


def zipped() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10 * 1024 * 1024))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "text/plain"),
        (BODY[: len(BODY) // 2], FORM),
        (BODY[:-8], FORM),
        (BODY, "application/json"),
        (BODY, "multipart/form-data"),
        (BODY, "multipart/form-data; boundary=other"),
        (b'{"text":"delete my account"}', "application/json"),
        (b"\xff\xfe\x00", "text/plain; charset=utf-16"),
        (form({}), FORM),
        (form({"email": b"\x00" * 1000}), "multipart/form-data; boundary=\x7f"),
    ],
    ids=range(10),
)
def test_what_sendgrid_signed_and_nobody_can_read_waits_for_a_person(called: Called, body: bytes, kind: str) -> None:
    answer = send(called, body, kind)
    assert (answer.status_code, answer.json) == (200, {"became": "for_a_person"})
    assert doubts(called) == [("mail_unclear", "damaged")]


@pytest.mark.parametrize(
    "said",
    [
        {"from": None, "headers": None},
        {"from": ""},
        {"from": "no address"},
        {"from": "Ann <ann@people.example>, Bo <bo@people.example>"},
        {"from": "<>"},
        {"from": "ann@people.example\r\nBcc: x@evil.example"},
        {"from": '"' * 5000},
        {"from": "ann@" + "x" * 5000 + ".example"},
        {"from": b"\xff\xfe@people.example"},
    ],
    ids=lambda said: str(said["from"])[:40],
)
def test_a_right_asked_for_by_nobody_in_particular_waits_for_a_person(called: Called, said: dict[str, Any]) -> None:
    headers_of_nobody = {"headers": "Date: x"} if "headers" not in said else {}
    assert became(called, text=ERASURE, envelope="{}", **(headers_of_nobody | said)) == "for_a_person"
    assert doubts(called) == [("mail_unclear", "no_sender")]
    assert called.count("requests") == 0


@pytest.mark.parametrize(
    "said",
    [
        {"text": "Bitte löschen Sie mein Konto".encode("latin-1"), "charsets": charsets(text="iso-8859-1")},
        {"text": "Bitte löschen Sie mein Konto".encode("utf-16"), "charsets": charsets(text="UTF-16")},
        {"text": ERASURE, "charsets": charsets(text="no-such-charset")},
        {"text": ERASURE, "charsets": "{"},
        {"text": None, "html": "<p>Please delete<b> my account</b></p>"},
        {"text": "", "subject": "Delete my account"},
        {"text": ERASURE, "headers": "Received: x\n" * 50_000},
        {"text": ERASURE + "\n" + "x " * 400_000},
        {"text": ERASURE + "\n\n> no, do not delete my account"},
        {"text": "Please delete\x00 my account.\x1b"},
    ],
    ids=range(10),
)
def test_an_odd_mail_that_is_clear_is_understood(called: Called, said: dict[str, Any]) -> None:
    assert became(called, **said) == "request"


def test_a_mail_in_a_charset_that_is_not_its_own_is_no_right_and_not_lost(called: Called) -> None:
    said = {"text": "Bitte löschen Sie mein Konto".encode("latin-1"), "charsets": charsets(text="utf-8")}
    assert became(called, **said) == "forwarded"
    (mail,) = called.mails("privacy-desk@sample-rooms.example")
    assert mail["text"] == "Bitte l\ufffdschen Sie mein Konto"


def test_a_zip_is_handed_on_as_it_is_and_opened_by_nobody(called: Called) -> None:
    packed = zipped()
    assert became(called, {"attachment1": ("a.zip", "application/zip", packed)}) == "forwarded"
    assert [mail["headers"]["X-Attachments"] for mail in called.mails("privacy-desk@sample-rooms.example")] == ["a.zip"]


def test_twenty_megabytes_are_taken_and_what_is_left_out_is_said(called: Called) -> None:
    assert became(called, {"attachment1": ("film.mov", "video/quicktime", bytes(20 * 1024 * 1024))}) == "forwarded"
    (mail,) = called.mails("privacy-desk@sample-rooms.example")
    assert mail["text"].startswith("[Not passed on, too large or not readable: film.mov]\n\n")


def test_a_machines_mail_is_ignored_and_leaves_nothing(called: Called) -> None:
    with called.changing_nothing():
        assert became(called, text=ERASURE, headers="Auto-Submitted: auto-replied") == "ignored"
        assert became(called, text=ERASURE, envelope='{"from":""}') == "ignored"


# --- again, at once, and when it cannot be now ---------------------------------------------------------------------------


def test_a_replay_changes_nothing(called: Called) -> None:
    assert send(called, BODY).json == {"became": "request"}
    with called.changing_nothing():
        assert send(called, BODY).json == {"became": "duplicate"}
    again = form(fields(text=ERASURE, headers=fields()["headers"]), boundary="another")
    assert send(called, again, "multipart/form-data; boundary=another").json == {"became": "request"}


def test_fifty_copies_at_once_open_one_request(called: Called) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(called, BODY), range(50)))
    assert {one.status_code for one in answers} == {200}
    assert sorted(one.json["became"] for one in answers) == ["duplicate"] * 49 + ["request"]
    assert len(called.container.store.query(ALL_REQUESTS)) == 1


class Busy(ForwardingStore):
    """A store that cannot commit just now."""

    def commit(self, changes: Any) -> list[str]:
        raise TryAgain("busy")


def test_a_mail_that_cannot_be_kept_now_is_asked_for_again(called: Called) -> None:
    called.container.__dict__["store"] = Busy(called.container.store)
    answer = send(called, BODY)
    problem(answer, 503)
    assert answer.headers["Retry-After"]


def test_nothing_of_a_mail_is_logged_or_stands_in_the_open(called: Called, capfd: pytest.CaptureFixture[str]) -> None:
    for text in (ERASURE, "STOP", "Hello", "Do not delete my data"):
        said = {"text": f"{text} {CANARY}", "subject": CANARY, "from": f"{CANARY} <{CANARY}@people.example>"}
        became(called, {"attachment1": (CANARY, "text/plain", CANARY.encode())}, **said)
    called.run_due()
    out, err = capfd.readouterr()
    assert CANARY not in out + err
    assert CANARY not in str(called.rows())


@given(st.binary(min_size=1, max_size=600))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_sendgrid_signs_is_answered_with_200(called: Called, junk: bytes) -> None:
    assert send(called, junk).status_code == 200
    assert send(called, form(fields(text=None) | {"email": junk})).status_code == 200
