from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from infra.local.sqlite_store import SqliteStore
from infra.subprocessors.sendgrid import ERASE_JOBS, LIMITS, SendgridConnector, SendgridTransport
from infra.subprocessors.sendgrid_transport import Answer
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Corrections, Part, Person
from shared.records import Quota
from shared.store import Create
from shared.vault import Keyset, Vault
from tests.contracts.connector_contract import NOW, ConnectorContract
from tests.contracts.running_sandbox import RunningSandbox

ADA = "ada.lovelace+canary@example.com"
BOB = "bob@example.com"
KEY = "SG.test.key"
VAULT = Vault(Keyset.generate())


def transport(sandbox: RunningSandbox, timeout: float = 5.0, key: str = KEY) -> SendgridTransport:
    return SendgridTransport(key, sandbox.url("sendgrid"), timeout)


def connect(sandbox: RunningSandbox, timeout: float = 5.0, key: str = KEY) -> SendgridConnector:
    return SendgridConnector(transport(sandbox, timeout, key), SqliteStore(sandbox.folder / "pledge.db"), VAULT)


def mail(sandbox: RunningSandbox, to: str = ADA, **more: Any) -> str:
    words = {"sender": "Pledge <privacy@example.org>", "subject": "Hello", "text": "plain", "html": "<p>rich</p>"}
    return transport(sandbox).send(to=to, headers={"X-Kind": "test"}, reference="t0ken", **(words | more))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"sendgrid": KEY})
    yield sandbox
    sandbox.close()


class TestSendgridConnector(ConnectorContract):
    vendor: ClassVar[str] = "sendgrid"
    personal = (ADA, "ada.lovelace", "Lovelace", "Zoë", "canary", "%40example.com")
    never_held: ClassVar[set[str]] = {"accepted"}
    fleeting: ClassVar[set[str]] = ConnectorContract.fleeting | {"at", "message_id"}

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> SendgridConnector:
        return connect(sandbox, timeout)

    def known(self, sandbox: RunningSandbox) -> Person:
        marks = {"bounced": True, "blocked": True, "invalid": True}
        sandbox.put("sendgrid", email=ADA, user_id="canary-1", name="Zoë Lovelace", lists=["news"], **marks)
        mail(sandbox)
        return Person(request_id="r1", addresses=[ADA])

    def unknown(self) -> Person:
        return Person(request_id="r2", addresses=["nobody@example.net"])


def erase(sandbox: RunningSandbox, *addresses: str, objected: bool = False, shared: tuple[str, ...] = ()) -> list[Part]:
    person = Person(request_id="r", addresses=[*addresses], shared_addresses=[*shared], objected=objected)
    return list(connect(sandbox).erase(person, NOW))


def kinds(sandbox: RunningSandbox, email: str = ADA) -> set[str]:
    return {entry["kind"] for entry in sandbox.found("sendgrid", email=email)}


def test_every_address_goes_and_the_evidence_counts_what_went(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada", bounced=True)
    sandbox.put("sendgrid", email=BOB, blocked=True)
    mail(sandbox)
    (part,) = erase(sandbox, ADA, BOB)
    assert (part.outcome, part.name) == ("accepted", "account data")
    assert part.evidence["removed"] == {"bounces": 1, "blocks": 1, "contacts": 2}
    assert part.evidence["addresses"] == 2
    assert len(part.evidence["job_ids"]) == 2
    assert "kept" not in part.evidence
    assert not kinds(sandbox) | kinds(sandbox, BOB)


@pytest.mark.parametrize("mark", ["unsubscribed", "group"])
def test_an_opt_out_found_there_stays_and_is_told(sandbox: RunningSandbox, mark: str) -> None:
    sandbox.put("sendgrid", email=ADA, bounced=True, **{mark: True})
    for _ in range(2):
        (part,) = erase(sandbox, ADA)
        assert part.evidence["kept"] == "opt-out entry, because the person objected"
        assert part.evidence["objection_found"] is True
        assert kinds(sandbox) == {"global"} | ({"group_entry"} if mark == "group" else set())


def test_a_spam_report_becomes_an_opt_out(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, reported_spam=True)
    (part,) = erase(sandbox, ADA)
    assert part.evidence["objection_found"] is True
    assert kinds(sandbox) == {"global"}


def test_a_spam_report_is_not_forgotten_by_a_crash_at_any_call(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, reported_spam=True)
    erase(sandbox, ADA)
    for call in range(1, sandbox.calls + 1):
        email = f"crash{call}@example.com"
        sandbox.put("sendgrid", email=email, reported_spam=True)
        sandbox.break_at(call)
        with pytest.raises(TryAgain):
            erase(sandbox, email)
        (part,) = erase(sandbox, email)
        assert part.evidence["objection_found"] is True
        assert kinds(sandbox, email) == {"global"}


def test_the_objection_of_a_person_is_put_on_the_global_list(sandbox: RunningSandbox) -> None:
    (part,) = erase(sandbox, ADA, objected=True)
    assert part.evidence["kept"] == "opt-out entry, because the person objected"
    assert "objection_found" not in part.evidence
    assert kinds(sandbox) == {"global"}


def test_an_address_shared_with_another_account_is_left_alone(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, bounced=True)
    (part,) = erase(sandbox, shared=(ADA,))
    assert part.outcome == "no_store"
    assert "another account" in part.evidence["reason"]
    assert kinds(sandbox) == {"contact", "bounces"}
    assert sandbox.calls == 0


def test_without_any_address_there_is_nothing_to_find(sandbox: RunningSandbox) -> None:
    assert [part.outcome for part in erase(sandbox)] == ["nothing_found"]


class Answering(SendgridTransport):
    """Answers a search for contacts as it is told to, and everything else as SendGrid does."""

    result: Any

    def call(self, method: str, *path: str, **rest: Any) -> Answer:
        answer = super().call(method, *path, **rest)
        return answer._replace(status=200, body={"result": self.result}) if path[-1] == "emails" else answer


ABSENT = {"error": "contact not found"}


@pytest.mark.parametrize(
    "result",
    [
        {ADA: {"error": "internal error, try again"}, BOB: ABSENT},
        {ADA: {"error": "Contact lookup not finished"}, BOB: ABSENT},
        {ADA: {}, BOB: ABSENT},
        {ADA: None, BOB: ABSENT},
        {ADA: {"contact": None}, BOB: ABSENT},
        {ADA: {"contact": {"email": ADA}}, BOB: ABSENT},
        {BOB: ABSENT},
        {},
        [],
        None,
    ],
)
@pytest.mark.parametrize("act", ["erase", "export", "rectify"])
def test_only_sendgrids_own_words_say_that_there_is_no_contact(sandbox: RunningSandbox, act: str, result: Any) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada", bounced=True)
    before = sandbox.snapshot("sendgrid")
    answering = Answering(KEY, sandbox.url("sendgrid"))
    answering.result = result
    connector = SendgridConnector(answering, SqliteStore(sandbox.folder / "pledge.db"), VAULT)
    person = Person(request_id="r", addresses=[ADA, BOB])
    acts = {
        "erase": lambda: connector.erase(person, NOW),
        "export": lambda: connector.export(person),
        "rectify": lambda: connector.rectify(person, Corrections(name="Ada L."), NOW),
    }
    with pytest.raises(TryAgain, match="sendgrid_unreadable"):
        acts[act]()
    assert sandbox.snapshot("sendgrid") == before


def test_an_address_is_found_in_the_answer_however_it_is_written(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada")
    (part,) = erase(sandbox, ADA.title(), BOB.upper())
    assert part.evidence["removed"] == {"contacts": 1}
    assert not kinds(sandbox)


def test_somebody_elses_contact_with_the_address_goes_to_a_person(sandbox: RunningSandbox) -> None:
    contact = {"email": BOB, "alternate_emails": [ADA]}
    authorized = {"Authorization": f"Bearer {KEY}"}
    sandbox.ask("PUT", "/sendgrid/v3/marketing/contacts", {"contacts": [contact]}, **authorized)
    parts = erase(sandbox, ADA)
    assert [part.outcome for part in parts] == ["accepted", "failed"]
    assert kinds(sandbox, BOB) == {"contact"}


def test_the_export_holds_contact_and_lists_and_names_its_gaps(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, name="Ada Lovelace", lists=["news"], bounced=True, unsubscribed=True, group=True)
    export = connect(sandbox).export(Person(request_id="r", addresses=[ADA], shared_addresses=[BOB]))
    (contact,) = export["contacts"]
    assert (contact["first_name"], contact["lists"]) == ("Ada", [{"id": "news", "name": "List news"}])
    assert [one["list"] for one in export["list_entries"]] == ["bounces", "group", "global"]
    assert len(export["gaps"]) == 2


def test_nothing_is_ever_retained_so_there_is_nothing_to_purge(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry, match="nothing_retained"):
        connect(sandbox).purge([], NOW)


def test_a_ping_knows_a_good_key_from_a_bad_one(sandbox: RunningSandbox) -> None:
    connect(sandbox).ping()
    with pytest.raises(NeverRetry, match="sendgrid_401"):
        connect(sandbox, key="SG.wrong").ping()


def test_a_mail_arrives_as_it_was_written(sandbox: RunningSandbox) -> None:
    assert mail(sandbox)
    ((_, outbox),) = [sandbox.ask("GET", "/outbox")]
    (arrived,) = outbox["mails"]
    at = arrived.pop("at")
    assert at.endswith("Z")
    assert arrived == {
        "to": ADA,
        "from": "privacy@example.org",
        "subject": "Hello",
        "text": "plain",
        "html": "<p>rich</p>",
        "headers": {"X-Kind": "test"},
    }


def test_a_mail_about_a_right_reaches_people_on_every_list(sandbox: RunningSandbox) -> None:
    marks = {"unsubscribed": True, "group": True, "bounced": True, "reported_spam": True, "invalid": True}
    sandbox.put("sendgrid", email=ADA, **marks)
    mail(sandbox, html="")
    assert "mails" in kinds(sandbox)


def test_a_refused_mail_needs_a_person_and_names_no_address(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry) as caught:
        mail(sandbox, to="ada lovelace")
    assert str(caught.value) == "sendgrid_400"
    assert caught.value.__context__ is None


def test_addresses_with_unusual_characters_are_escaped(sandbox: RunningSandbox) -> None:
    for email in ("a/b?c#d%e+f&g'h@example.com", "zoë@exämple.com", "a//b@example.com"):
        sandbox.put("sendgrid", email=email, bounced=True)
        assert erase(sandbox, email)[0].evidence["removed"] == {"bounces": 1, "contacts": 1}
        assert kinds(sandbox, email) == set()


def test_a_rate_limit_says_when_to_come_back(sandbox: RunningSandbox) -> None:
    sandbox.fail("sendgrid", "429")
    with pytest.raises(TryAgain) as caught:
        mail(sandbox)
    assert caught.value.code == "sendgrid_429"
    assert caught.value.after_seconds in range(3, 7)


def test_a_timeout_is_told_from_a_refused_connection(sandbox: RunningSandbox) -> None:
    sandbox.fail("sendgrid", "timeout", times=1)
    began = time.monotonic()
    with pytest.raises(TryAgain, match="sendgrid_timeout"):
        transport(sandbox, timeout=0.2).call("get", "scopes")
    assert time.monotonic() - began < 2
    with pytest.raises(TryAgain, match="sendgrid_not_reached"):
        SendgridTransport(KEY, "http://127.0.0.1:9").call("get", "scopes")


def test_an_empty_segment_never_addresses_a_whole_list(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry):
        transport(sandbox).call("delete", "suppression", "bounces", "")
    assert sandbox.calls == 0


def test_an_answer_that_is_not_sendgrids_is_tried_again(sandbox: RunningSandbox) -> None:
    strange = SendgridTransport(KEY, f"{sandbox.base}/healthz#")
    with pytest.raises(TryAgain, match="sendgrid_unreadable"):
        SendgridConnector(strange, SqliteStore(sandbox.folder / "pledge.db"), VAULT).ping()


def test_no_redirect_is_followed_since_the_key_would_go_along(sandbox: RunningSandbox) -> None:
    moved = Response(status=302, headers={"Location": sandbox.url("sendgrid") + "/v3/scopes"})
    server = make_server("127.0.0.1", 0, moved)
    threading.Thread(target=server.handle_request, daemon=True).start()
    with pytest.raises(NeverRetry, match="sendgrid_302"):
        SendgridTransport(KEY, f"http://127.0.0.1:{server.server_port}").call("get", "scopes")
    server.server_close()
    assert sandbox.calls == 0


def test_no_proxy_gets_to_see_what_goes_to_the_sandbox(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert transport(sandbox).call("get", "scopes").status == 200


@pytest.mark.parametrize(("key", "base"), [("", "http://127.0.0.1:1"), (KEY, "127.0.0.1:1")])
def test_a_transport_is_not_built_from_half_a_setting(key: str, base: str) -> None:
    with pytest.raises(Misconfigured):
        SendgridTransport(key, base)


# --- the erase job's own limit ---------------------------------------------------------------------------------------


def test_no_more_erase_jobs_are_sent_in_a_minute_than_sendgrid_takes(sandbox: RunningSandbox) -> None:
    (limit,) = LIMITS
    store = SqliteStore(sandbox.folder / "pledge.db")
    second = int(NOW.timestamp())
    taken = Quota(taken=[second] * (limit.calls - 1), expires_at=NOW + timedelta(minutes=1))
    store.commit([Create(ERASE_JOBS, taken)])
    sandbox.put("sendgrid", email=BOB, bounced=True)
    assert erase(sandbox, ADA)[0].outcome == "accepted", "the last place of this minute"
    before = sandbox.calls
    with pytest.raises(TryAgain, match=f"{ERASE_JOBS}_quota") as refused:
        erase(sandbox, BOB)
    assert sandbox.calls == before, "nothing is half done while there is no place"
    assert limit.seconds <= (refused.value.after_seconds or 0)
    person = Person(request_id="r", addresses=[BOB])
    (part,) = connect(sandbox).erase(person, NOW + timedelta(seconds=limit.seconds + 1))
    assert part.evidence["removed"] == {"bounces": 1, "contacts": 1}


def test_somebody_without_an_address_takes_no_place(sandbox: RunningSandbox) -> None:
    erase(sandbox)
    assert SqliteStore(sandbox.folder / "pledge.db").get(Quota, ERASE_JOBS) is None
