from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request

import pytest

from infra.local.file_clock import FileClock
from infra.local.sandbox.state import State
from tests.contracts.running_sandbox import DIRECT, RunningSandbox

ADA = "ada@example.com"
BOB = "bob@example.com"
KEY = {"Authorization": "Bearer SG.any"}
SEND = "/sendgrid/v3/mail/send"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path)
    yield sandbox
    sandbox.close()


def a_mail(**changes: Any) -> dict[str, Any]:
    mail = {
        "personalizations": [{"to": [{"email": ADA}]}],
        "from": {"email": "privacy@example.org"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "plain"}],
    }
    return {name: value for name, value in (mail | changes).items() if value is not None}


def to(*emails: str, **more: Any) -> list[dict[str, Any]]:
    return [{"to": [{"email": email}], **more} for email in emails]


def api(sandbox: RunningSandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    return sandbox.ask(method, f"/sendgrid/v3/{path}", body, **KEY)


def send(sandbox: RunningSandbox, **changes: Any) -> tuple[int, Any]:
    return api(sandbox, "POST", "mail/send", a_mail(**changes))


def outbox(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    mails: list[dict[str, Any]] = sandbox.ask("GET", "/outbox")[1]["mails"]
    return mails


def folder_holds(folder: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in folder.iterdir())


# --- mail/send ---


def test_a_mail_is_stored_once_for_each_recipient_oldest_first(sandbox: RunningSandbox) -> None:
    assert send(sandbox, personalizations=to("Ada@Example.com", BOB))[0] == 202
    assert send(sandbox, subject="Again")[0] == 202
    assert [(mail["to"], mail["subject"]) for mail in outbox(sandbox)] == [
        ("Ada@Example.com", "Hello"),
        (BOB, "Hello"),
        (ADA, "Again"),
    ]
    assert outbox(sandbox)[0].keys() == {"to", "from", "subject", "text", "html", "headers", "at"}


def test_an_envelope_fills_in_its_own_words_headers_and_sender(sandbox: RunningSandbox) -> None:
    envelope = to(ADA, substitutions={"-name-": "Ada"}, headers={"X-A": "1"}, **{"from": {"email": "news@example.org"}})
    content = [{"type": "text/plain", "value": "Dear -name-"}, {"type": "text/html", "value": "<p>-name-</p>"}]
    send(sandbox, personalizations=envelope, subject="For -name-", content=content, headers={"X-A": "0", "X-B": "2"})
    (mail,) = outbox(sandbox)
    assert (mail["subject"], mail["text"], mail["html"]) == ("For Ada", "Dear Ada", "<p>Ada</p>")
    assert mail["headers"] == {"X-A": "1", "X-B": "2"}
    assert mail["from"] == "news@example.org"


def test_sandbox_mode_checks_a_mail_and_keeps_none(sandbox: RunningSandbox) -> None:
    assert send(sandbox, mail_settings={"sandbox_mode": {"enable": True}})[0] == 200
    assert outbox(sandbox) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"personalizations": None},
        {"personalizations": []},
        {"personalizations": [{"to": []}]},
        {"personalizations": to("nobody")},
        {"personalizations": to(ADA, colour="red")},
        {"personalizations": to(ADA, ADA.upper())},
        {"personalizations": to(*(f"p{n}@example.com" for n in range(1001)))},
        {"personalizations": to(ADA, headers={"Reply-To": "x"})},
        {"personalizations": to(ADA, send_at=2**40)},
        {"from": None},
        {"from": {"email": "privacy"}},
        {"from": "privacy@example.org"},
        {"subject": None},
        {"subject": ""},
        {"content": None},
        {"content": [{"type": "text/plain", "value": ""}]},
        {"content": [{"type": "text/html", "value": "h"}, {"type": "text/plain", "value": "t"}]},
        {"content": [{"type": "text/plain", "value": "t"}] * 2},
        {"headers": {"BCC": "x"}},
        {"headers": {"X-Number": 1}},
        {"custom_args": {"long": "x" * 10_000}},
        {"categories": ["c"] * 11},
        {"reply_to": {"email": ADA}, "reply_to_list": [{"email": BOB}]},
        {"mail_settings": {one: {"enable": True} for one in ("bypass_list_management", "bypass_spam_management")}},
    ],
)
def test_a_mail_the_real_api_refuses_is_refused_and_not_kept(sandbox: RunningSandbox, changes: dict[str, Any]) -> None:
    status, body = send(sandbox, **changes)
    assert status == 400
    assert body["errors"][0]["message"]
    assert outbox(sandbox) == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 401),
        (b"{}", {"Authorization": "Basic abc"}, 401),
        (b"{}", KEY | {"Content-Type": "text/plain"}, 415),
        (b"{", KEY, 400),
        (b"[]", KEY, 400),
        (b"x" * (30 * 1024 * 1024 + 1), KEY, 413),
    ],
)
def test_a_call_that_is_no_call_is_refused(
    sandbox: RunningSandbox, body: bytes, headers: dict[str, str], status: int
) -> None:
    found, answer = sandbox.ask("POST", SEND, body, **headers)
    assert found == status
    assert answer["errors"]


def test_a_key_that_was_given_or_generated_is_the_only_one_that_opens(tmp_path: Path) -> None:
    for name, keys in (("given", {"sendgrid": "SG.right"}), ("generated", {})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sendgrid-api-key").write_text("SG.wrong\n" if keys else "SG.right\n")
        sandbox = RunningSandbox(folder, keys)
        statuses = [
            sandbox.ask("GET", "/sendgrid/v3/scopes", Authorization=f"Bearer SG.{k}")[0] for k in ("right", "wrong")
        ]
        assert statuses == [200, 401]
        sandbox.close()


@pytest.mark.parametrize(
    ("mark", "bypass"),
    [
        ("bounced", "bypass_bounce_management"),
        ("reported_spam", "bypass_spam_management"),
        ("unsubscribed", "bypass_unsubscribe_management"),
        ("invalid", None),
        ("group", None),
    ],
)
def test_a_mail_to_a_suppressed_address_arrives_only_past_that_list(
    sandbox: RunningSandbox, mark: str, bypass: str | None
) -> None:
    sandbox.put("sendgrid", email=ADA, **{mark: True})
    asm = {"group_id": 100}
    assert send(sandbox, asm=asm)[0] == 202
    assert outbox(sandbox) == []
    if bypass:
        send(sandbox, asm=asm, mail_settings={bypass: {"enable": True}})
        assert len(outbox(sandbox)) == 1
    send(sandbox, asm=asm, mail_settings={"bypass_list_management": {"enable": True}})
    assert len(outbox(sandbox)) == (2 if bypass else 1)


# --- contacts and the erase job ---


def test_contacts_are_upserted_searched_and_deleted(sandbox: RunningSandbox) -> None:
    contact = {"email": "Ada@Example.com", "first_name": "Ada", "alternate_emails": ["second@example.com"]}
    assert api(sandbox, "PUT", "marketing/contacts", {"contacts": [contact], "list_ids": ["l1"]})[0] == 202
    api(sandbox, "PUT", "marketing/contacts", {"contacts": [{"email": ADA, "last_name": "L"}], "list_ids": ["l2"]})
    status, body = api(
        sandbox, "POST", "marketing/contacts/search/emails", {"emails": [ADA, "second@example.com", BOB]}
    )
    assert status == 200
    found = body["result"][ADA]["contact"]
    assert (found["first_name"], found["last_name"], found["list_ids"]) == ("Ada", "L", ["l1", "l2"])
    assert body["result"]["second@example.com"]["contact"]["id"] == found["id"]
    assert body["result"][BOB] == {"error": "contact not found"}
    assert api(sandbox, "DELETE", f"marketing/contacts?ids={found['id']}")[1]["job_id"]
    assert api(sandbox, "POST", "marketing/contacts/search/emails", {"emails": [ADA]})[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "marketing/contacts", {"contacts": [{"first_name": "Ada"}]}),
        ("PUT", "marketing/contacts", {"contacts": [{"email": ADA, "colour": "red"}]}),
        ("PUT", "marketing/contacts", {}),
        ("POST", "marketing/contacts/search/emails", {"emails": []}),
        ("POST", "marketing/contacts/search/emails", {"emails": ["nobody"]}),
        ("DELETE", "marketing/contacts", None),
        ("DELETE", "marketing/contacts?delete_all_contacts=true", None),
        ("POST", "recipients/erasejob", {"email_addresses": []}),
        ("POST", "recipients/erasejob", {"email_addresses": ADA}),
        ("POST", "recipients/erasejob", {"email_addresses": [f"p{n}@example.com" for n in range(5001)]}),
        ("POST", "recipients/erasejob", {"email_addresses": [ADA], "colour": "red"}),
        ("POST", "asm/groups", {"name": "n" * 31, "description": "d"}),
        ("POST", "asm/suppressions/global", {"recipient_emails": ["nobody"]}),
    ],
)
def test_what_the_real_api_refuses_is_refused(sandbox: RunningSandbox, method: str, path: str, body: Any) -> None:
    status, answer = api(sandbox, method, path, body)
    assert status == 400
    assert answer["errors"]


def test_the_erase_job_empties_outbox_and_contacts_and_leaves_the_lists(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, unsubscribed=True)
    send(sandbox, personalizations=to(ADA, BOB), mail_settings={"bypass_list_management": {"enable": True}})
    status, body = api(sandbox, "POST", "recipients/erasejob", {"email_addresses": ["ADA@example.com"]})
    assert status == 202
    assert body["job_id"]
    assert [mail["to"] for mail in outbox(sandbox)] == [BOB]
    assert [entry["kind"] for entry in sandbox.found("sendgrid", email=ADA)] == ["global"]


def test_the_erase_job_names_every_invalid_address_and_does_nothing(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA)
    status, body = api(sandbox, "POST", "recipients/erasejob", {"email_addresses": [ADA, "no", "body@"]})
    assert status == 400
    assert [error["message"] for error in body["errors"]] == [
        "Email_address no is not valid",
        "Email_address body@ is not valid",
    ]
    assert sandbox.found("sendgrid", email=ADA)


def test_an_erased_person_is_nowhere_in_the_folder(sandbox: RunningSandbox, tmp_path: Path) -> None:
    sandbox.put("sendgrid", email="Ada@Example.com", name="Ada Lovelace", bounced=True)
    sandbox.put("sendgrid", email=BOB)
    send(sandbox, mail_settings={"bypass_list_management": {"enable": True}})
    assert all(folder_holds(tmp_path, text) for text in (ADA, "Lovelace", BOB))
    api(sandbox, "DELETE", f"suppression/bounces/{ADA}")
    api(sandbox, "POST", "recipients/erasejob", {"email_addresses": [ADA]})
    assert [folder_holds(tmp_path, text) for text in (ADA, "Lovelace", BOB)] == [False, False, True]


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_no_page_keeps_a_copy_of_a_row_that_was_moved_and_then_deleted(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    state = State(tmp_path / "sandbox.db")
    shelf = state.shelf("acme")
    people = [f"person{n}.{chance.randrange(10**9)}@example.com" for n in range(1000)]
    with state.transaction():
        for email in people:
            body = {"email": email, "text": "x" * chance.choice([10, 200, 700])}
            shelf.put("mail", f"{chance.getrandbits(64):x}", body, about=email)
    chance.shuffle(people)
    for start in range(0, 600, 60):
        with state.transaction():
            assert all(shelf.delete("mail", about=email) == 1 for email in people[start : start + 60])
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    left = [email for email in people if email.encode() in content]
    assert left == people[600:]
    state.close()


# --- suppression lists ---


def test_a_group_is_left_and_joined_again(sandbox: RunningSandbox) -> None:
    _, group = api(sandbox, "POST", "asm/groups", {"name": "News", "description": "All of it", "is_default": True})
    emails = {"recipient_emails": [ADA]}
    assert api(sandbox, "POST", f"asm/groups/{group['id']}/suppressions", emails)[0] == 201
    shown = {"name": "News", "id": group["id"], "description": "All of it", "is_default": True, "suppressed": True}
    assert api(sandbox, "GET", f"asm/suppressions/{ADA}")[1] == {"suppressions": [shown]}
    assert api(sandbox, "GET", "asm/groups")[1][0]["unsubscribes"] == 1
    assert api(sandbox, "DELETE", f"asm/groups/{group['id']}/suppressions/{ADA}")[0] == 204
    assert api(sandbox, "GET", f"asm/suppressions/{ADA}")[1] == {"suppressions": [shown | {"suppressed": False}]}


def test_a_group_that_does_not_exist_silently_means_the_global_list(sandbox: RunningSandbox) -> None:
    assert api(sandbox, "POST", "asm/groups/999/suppressions", {"recipient_emails": [ADA]})[0] == 201
    assert api(sandbox, "GET", f"asm/suppressions/global/{ADA}") == (200, {"recipient_email": ADA})


def test_the_global_list_answers_an_empty_object_for_absent(sandbox: RunningSandbox) -> None:
    assert api(sandbox, "GET", f"asm/suppressions/global/{ADA}") == (200, {})
    api(sandbox, "POST", "asm/suppressions/global", {"recipient_emails": [ADA]})
    assert api(sandbox, "GET", f"asm/suppressions/global/{ADA}") == (200, {"recipient_email": ADA})
    assert api(sandbox, "DELETE", f"asm/suppressions/global/{ADA}")[0] == 204
    assert api(sandbox, "GET", f"asm/suppressions/global/{ADA}") == (200, {})


@pytest.mark.parametrize(
    ("mark", "name"),
    [("bounced", "bounces"), ("blocked", "blocks"), ("reported_spam", "spam_reports"), ("invalid", "invalid_emails")],
)
def test_an_address_is_found_on_a_list_and_taken_off(sandbox: RunningSandbox, mark: str, name: str) -> None:
    assert api(sandbox, "GET", f"suppression/{name}/{ADA}") == (200, [])
    sandbox.put("sendgrid", email=ADA, **{mark: True})
    _, (entry,) = api(sandbox, "GET", f"suppression/{name}/{ADA}")
    assert entry["email"] == ADA
    assert isinstance(entry["created"], int)
    assert [api(sandbox, "DELETE", f"suppression/{name}/{ADA}")[0] for _ in range(2)] == [204, 404]


# --- steering ---


def test_people_are_put_and_found_by_address_or_id(sandbox: RunningSandbox) -> None:
    (contact,) = sandbox.put(
        "sendgrid", email="Ada@Example.com", name="Ada Lovelace", user_id="u1", lists=["l"], blocked=True
    )
    send(sandbox, mail_settings={"bypass_list_management": {"enable": True}})
    by_id, by_email = sandbox.found("sendgrid", id=contact), sandbox.found("sendgrid", email="ada@example.com")
    assert by_id == by_email
    assert [entry["kind"] for entry in by_id] == ["contact", "blocks", "mails"]
    assert (by_id[0]["last_name"], by_id[2]["count"]) == ("Lovelace", 1)
    assert sandbox.found("sendgrid", id="nobody") == sandbox.found("sendgrid", email=BOB) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "people", {"email": ADA, "colour": "red"}, "colour"),
        ("PUT", "people", {}, "email"),
        ("PUT", "people", {"email": "nobody"}, "email"),
        ("PUT", "people", {"email": ADA, "lists": "l"}, "lists"),
        ("PUT", "people", [], None),
        ("PUT", "people", b"{", None),
        ("GET", "people", None, "email"),
        ("POST", "faults", {"kind": "explode"}, "kind"),
        ("POST", "faults", {}, "kind"),
        ("POST", "faults", {"kind": "500", "colour": "red"}, "colour"),
        ("POST", "faults", {"kind": "500", "times": 0}, "times"),
        ("POST", "faults", {"kind": "500", "times": True}, "times"),
        ("POST", "faults", {"kind": "500", "for": "a while"}, "for"),
        ("POST", "faults", {"kind": "500", "for": 5}, "for"),
    ],
)
def test_a_wrong_steering_call_names_the_field(
    sandbox: RunningSandbox, method: str, path: str, body: Any, field: str | None
) -> None:
    status, problem = sandbox.ask(method, f"/sandbox/sendgrid/{path}", body)
    assert (status, problem["status"]) == (400, 400)
    assert [error["field"] for error in problem.get("errors", [])] == ([field] if field else [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/sandbox/acme/people?email=a", 404),
        ("POST", "/sandbox/acme/faults", 404),
        ("GET", "/acme/v3/scopes", 404),
        ("GET", "/", 404),
        ("DELETE", "/outbox", 405),
        ("GET", "/sendgrid/v3/nothing", 404),
        ("DELETE", "/sendgrid/v3/scopes", 405),
        ("GET", "/healthz", 200),
    ],
)
def test_unknown_vendors_and_addresses_are_not_found(
    sandbox: RunningSandbox, method: str, path: str, status: int
) -> None:
    assert sandbox.ask(method, path, **KEY)[0] == status


# --- faults ---


@pytest.mark.parametrize("kind", ["429", "500", "400", 429])
def test_a_fault_lasts_until_it_is_taken_away_and_spares_the_steering(sandbox: RunningSandbox, kind: str | int) -> None:
    sandbox.ask("POST", "/sandbox/sendgrid/faults", {"kind": kind})
    assert [send(sandbox)[0] for _ in range(3)] == [int(kind)] * 3
    assert sandbox.ask("GET", "/sandbox/sendgrid/faults")[1] == {"faults": [{"kind": str(kind)}]}
    assert outbox(sandbox) == []
    sandbox.heal("sendgrid")
    assert send(sandbox)[0] == 202
    assert sandbox.ask("GET", "/sandbox/sendgrid/faults")[1] == {"faults": []}


def test_a_fault_lasts_as_many_calls_as_asked(sandbox: RunningSandbox) -> None:
    sandbox.fail("sendgrid", "500", times=2)
    assert [send(sandbox)[0] for _ in range(3)] == [500, 500, 202]


def test_a_fault_lasts_as_long_as_asked_on_the_products_clock(sandbox: RunningSandbox, tmp_path: Path) -> None:
    sandbox.fail("sendgrid", "500", **{"for": "P2D"})
    FileClock(tmp_path / "clock").set_ahead(2 * 86_400 - 60)
    assert send(sandbox)[0] == 500
    FileClock(tmp_path / "clock").set_ahead(2 * 86_400 + 1)
    assert send(sandbox)[0] == 202
    assert outbox(sandbox)[0]["at"] > FileClock(tmp_path / "none").now().isoformat()


def test_half_does_the_work_and_says_it_failed(sandbox: RunningSandbox) -> None:
    sandbox.fail("sendgrid", "half", times=1)
    assert send(sandbox)[0] == 500
    assert len(outbox(sandbox)) == 1


def test_a_held_call_is_let_go_when_the_fault_is_taken_away_and_never_served(sandbox: RunningSandbox) -> None:
    sandbox.fail("sendgrid", "timeout")
    statuses: list[int] = []
    calls = [threading.Thread(target=lambda: statuses.append(send(sandbox)[0])) for _ in range(2)]
    for call in calls:
        call.start()
    time.sleep(0.2)
    assert statuses == []
    sandbox.heal("sendgrid")
    for call in calls:
        call.join(5)
    assert statuses == [504, 504]
    assert outbox(sandbox) == []


# --- the process ---


def test_a_killed_sandbox_still_knows_everything_and_logs_nothing(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _process(port, tmp_path) as process:
        assert _post(port, "PUT", "/sandbox/sendgrid/people", f'{{"email": "{ADA}"}}') == 201
        _post(port, "POST", "/sandbox/sendgrid/faults", '{"kind": "500", "times": 1}')
        os.kill(process.pid, signal.SIGKILL)
        assert process.communicate() == (b"", b"")
    with _process(port, tmp_path) as process:
        with DIRECT.open(f"http://127.0.0.1:{port}/sandbox/sendgrid/people?email={ADA}") as response:
            assert ADA.encode() in response.read()
        with DIRECT.open(f"http://127.0.0.1:{port}/sandbox/sendgrid/faults") as response:
            assert b'"500"' in response.read()
        process.terminate()
        assert process.communicate() == (b"", b"")
    assert (tmp_path / "sandbox.db").stat().st_mode & 0o077 == 0


def _process(port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "infra.local.sandbox", "--port", str(port), "--data-dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(200):
        try:
            with DIRECT.open(f"http://127.0.0.1:{port}/healthz"):
                return process
        except URLError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())


def _post(port: int, method: str, path: str, body: str) -> int:
    request = Request(
        f"http://127.0.0.1:{port}{path}", body.encode(), {"Content-Type": "application/json"}, method=method
    )
    with DIRECT.open(request) as response:
        return int(response.status)
