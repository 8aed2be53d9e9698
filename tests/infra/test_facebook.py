from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from infra.local.sandbox.meta import AD_ACCOUNT
from infra.local.sandbox.meta_audiences import FLAGGED
from infra.subprocessors import meta_audiences
from infra.subprocessors.facebook import FacebookConnector, MetaTransport
from shared.failures import Misconfigured, NeverRetry, TryAgain
from shared.ports import Corrections, Part, Person, Stops
from tests.contracts.connector_contract import NOW, ConnectorContract
from tests.contracts.running_sandbox import RunningSandbox
from tests.infra.meta_sandbox import TOKEN, audiences_holding, meta_saying, put_audience, transport

ADA = "ada.lovelace+canary@example.com"
ADA_HASH = meta_audiences.hashed(ADA)
BOB = "bob@example.com"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"meta": TOKEN})
    yield sandbox
    sandbox.close()


class TestFacebookConnector(ConnectorContract):
    vendor: ClassVar[str] = "meta"
    personal = (ADA, "ada.lovelace", "canary", "%40example.com", ADA_HASH)
    never_held: ClassVar[set[str]] = {"accepted"}

    def connect(self, sandbox: RunningSandbox, timeout: float = 5.0) -> FacebookConnector:
        return connector(sandbox, timeout)

    def known(self, sandbox: RunningSandbox) -> Person:
        sandbox.put("meta", email=ADA)
        return Person(request_id="r1", addresses=[ADA])

    def unknown(self) -> Person:
        return Person(request_id="r2", addresses=["nobody@example.net"])


def connector(sandbox: RunningSandbox, timeout: float = 5.0) -> FacebookConnector:
    return FacebookConnector(transport(sandbox, timeout), AD_ACCOUNT)


def erase(sandbox: RunningSandbox, *addresses: str, shared: tuple[str, ...] = ()) -> list[Part]:
    person = Person(request_id="r", addresses=[*addresses], shared_addresses=[*shared])
    return list(connector(sandbox).erase(person, NOW))


# --- hashing ---


@pytest.mark.parametrize(
    ("address", "digest"),
    [
        # both published by Meta or made by its own library
        ("mary@example.com", "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"),
        (" A.User@Example.COM. ", "902121d2"),
        ("\t\r\n\0\x0bMary@example.com ", "f1904cf1"),
    ],
)
def test_an_address_is_hashed_as_meta_hashes_it(address: str, digest: str) -> None:
    assert meta_audiences.hashed(address).startswith(digest)


def test_dots_and_plus_tags_inside_an_address_are_somebody_elses_mailbox() -> None:
    assert len({meta_audiences.hashed(one) for one in ("a.b+c@gmail.com", "ab+c@gmail.com", "a.b@gmail.com")}) == 3


# --- removal ---


def test_every_address_leaves_every_customer_list_and_the_evidence_counts(sandbox: RunningSandbox) -> None:
    sandbox.put("meta", email=ADA)
    sandbox.put("meta", email=BOB)
    sandbox.put("meta", email="carol@example.com")
    (part,) = erase(sandbox, ADA, BOB)
    assert (part.outcome, part.until) == ("accepted", NOW + timedelta(hours=24))
    counts = {name: value for name, value in part.evidence.items() if name != "out_of_reach"}
    assert counts == {"addresses": 2, "received": 6, "audiences": 3, "made_by_meta": 2}
    assert [len(audiences_holding(sandbox, one)) for one in (ADA, BOB, "carol@example.com")] == [0, 0, 3]


def test_every_page_of_audiences_is_read_and_the_address_of_the_next_is_not_followed(sandbox: RunningSandbox) -> None:
    for number in range(45):
        put_audience(sandbox, number)
    sandbox.put("meta", email=ADA)
    assert len(audiences_holding(sandbox, ADA)) == 45
    sandbox.break_at(None)
    (part,) = erase(sandbox, ADA)
    assert part.evidence["audiences"] == 45
    assert audiences_holding(sandbox, ADA) == set()
    assert sandbox.calls == 3 + 45


def test_more_addresses_than_one_call_takes_go_in_several(sandbox: RunningSandbox) -> None:
    put_audience(sandbox, 1)
    sandbox.put("meta", email=ADA)
    sandbox.break_at(None)
    (part,) = erase(sandbox, *(f"p{number}@example.com" for number in range(10_000)), ADA)
    assert (part.evidence["received"], sandbox.calls) == (10_001, 3)
    assert audiences_holding(sandbox, ADA) == set()


@pytest.mark.parametrize("others", [{"account": "777"}, {"subtype": "LOOKALIKE"}])
def test_an_audience_of_others_or_of_metas_making_is_counted_and_left(
    sandbox: RunningSandbox, others: dict[str, str]
) -> None:
    put_audience(sandbox, 1, **others)
    (part,) = erase(sandbox, ADA)
    assert part.outcome == "no_store", "nobody could look, so nobody may say that nothing was found"
    assert "nobody can look" in part.evidence["reason"]
    assert part.evidence["audiences"] == 0
    assert part.evidence["shared_by_others" if "account" in others else "made_by_meta"] == 1
    assert sandbox.calls == 1
    put_audience(sandbox, 2)
    (part,) = erase(sandbox, ADA)
    assert (part.outcome, part.evidence["audiences"]) == ("accepted", 1)


@pytest.mark.parametrize(
    ("misread", "outcomes", "entries"),
    [
        ([[], []], ["accepted"], 0),
        ([[ADA], []], ["accepted", "failed"], 1),
        ([[ADA], [ADA]], ["accepted", "failed"], 2),
        ([[ADA, BOB], [ADA, BOB]], ["failed"], 4),
    ],
)
@pytest.mark.parametrize("act", ["erase", "restrict", "silence"])
def test_an_entry_that_meta_could_not_read_needs_a_person(
    sandbox: RunningSandbox, act: str, misread: list[list[str]], outcomes: list[str], entries: int
) -> None:
    for number, addresses in enumerate(misread):
        put_audience(sandbox, number, misreads=[meta_audiences.hashed(one) for one in addresses])
    for email in (ADA, BOB):
        sandbox.put("meta", email=email)
    both = Person(request_id="r", addresses=[ADA, BOB])
    acts = {
        "erase": lambda: connector(sandbox).erase(both, NOW),
        "restrict": lambda: connector(sandbox).restrict(both, NOW),
        "silence": lambda: [
            part
            for email in (ADA, BOB)
            for part in connector(sandbox).silence(Stops(address=email, everything=True), NOW)
        ],
    }
    parts = acts[act]()
    assert {part.outcome for part in parts} == {*outcomes}
    failed = [part for part in parts if part.outcome == "failed"]
    assert sum(part.evidence["entries"] for part in failed) == entries
    assert all("a person must look" in part.evidence["reason"] for part in failed)
    assert len(audiences_holding(sandbox, ADA)) + len(audiences_holding(sandbox, BOB)) == entries


def test_a_flagged_audience_is_tried_again_later_and_all_others_are_done(sandbox: RunningSandbox) -> None:
    for number in (1, 2, 3):
        put_audience(sandbox, number)
    sandbox.put("meta", email=ADA)
    put_audience(sandbox, 1, operation_status=FLAGGED)
    with pytest.raises(TryAgain) as caught:
        erase(sandbox, ADA)
    assert (caught.value.code, caught.value.after_seconds) == ("meta_audience_locked", 6 * 3600)
    assert audiences_holding(sandbox, ADA) == {"30001"}
    put_audience(sandbox, 1)
    assert [part.outcome for part in erase(sandbox, ADA)] == ["accepted"]
    assert audiences_holding(sandbox, ADA) == set()


def test_an_audience_that_meta_finds_too_small_needs_a_person_and_all_others_are_done(sandbox: RunningSandbox) -> None:
    put_audience(sandbox, 1, refuses="small")
    put_audience(sandbox, 2)
    sandbox.put("meta", email=ADA)
    accepted, failed = erase(sandbox, ADA)
    assert (accepted.outcome, accepted.evidence["audiences"]) == ("accepted", 1)
    assert (failed.outcome, failed.evidence["audiences"]) == ("failed", 1)
    assert "a person must" in failed.evidence["reason"]
    assert audiences_holding(sandbox, ADA) == {"30001"}


def test_an_account_with_nothing_but_a_small_audience_is_never_said_to_hold_nothing(sandbox: RunningSandbox) -> None:
    put_audience(sandbox, 1, refuses="small")
    assert [part.outcome for part in erase(sandbox, ADA)] == ["failed"]


@pytest.mark.parametrize("refusal", ["flagged", "updating"])
def test_an_audience_that_is_locked_meanwhile_is_tried_again(sandbox: RunningSandbox, refusal: str) -> None:
    put_audience(sandbox, 1, refuses=refusal)
    put_audience(sandbox, 2)
    sandbox.put("meta", email=ADA)
    with pytest.raises(TryAgain, match="meta_audience_locked"):
        erase(sandbox, ADA)
    assert audiences_holding(sandbox, ADA) == {"30001"}


def test_an_address_shared_with_another_account_is_left_alone(sandbox: RunningSandbox) -> None:
    sandbox.put("meta", email=ADA)
    sandbox.break_at(None)
    (part,) = erase(sandbox, shared=(ADA,))
    assert part.outcome == "no_store"
    assert "another account" in part.evidence["reason"]
    assert len(audiences_holding(sandbox, ADA)) == 3
    assert sandbox.calls == 0


def test_without_any_address_there_is_nothing_to_find(sandbox: RunningSandbox) -> None:
    assert [part.outcome for part in erase(sandbox)] == ["nothing_found"]


# --- the other rights ---


def test_a_corrected_address_stays_and_the_earlier_ones_leave(sandbox: RunningSandbox) -> None:
    for email in (ADA, BOB):
        sandbox.put("meta", email=email)
    person = Person(request_id="r", addresses=[ADA, BOB])
    (part,) = connector(sandbox).rectify(person, Corrections(email=BOB.upper()), NOW)
    assert (part.outcome, part.evidence["addresses"]) == ("accepted", 1)
    assert audiences_holding(sandbox, ADA) == set()
    assert len(audiences_holding(sandbox, BOB)) == 3


@pytest.mark.parametrize("corrections", [Corrections(name="Ada"), Corrections(email=ADA)])
def test_a_correction_that_changes_no_address_calls_nobody(sandbox: RunningSandbox, corrections: Corrections) -> None:
    (part,) = connector(sandbox).rectify(Person(request_id="r", addresses=[ADA]), corrections, NOW)
    assert part.outcome == "nothing_found"
    assert part.evidence["reason"]
    assert sandbox.calls == 0


def test_a_restriction_takes_people_out_and_lifting_it_puts_nobody_back(sandbox: RunningSandbox) -> None:
    sandbox.put("meta", email=ADA)
    person = Person(request_id="r", addresses=[ADA])
    assert [part.outcome for part in connector(sandbox).restrict(person, NOW)] == ["accepted"]
    assert audiences_holding(sandbox, ADA) == set()
    (part,) = connector(sandbox).restrict(person, NOW, lifted=True)
    assert (part.outcome, audiences_holding(sandbox, ADA)) == ("no_store", set())


def test_the_export_says_what_meta_tells_nobody(sandbox: RunningSandbox) -> None:
    export = connector(sandbox).export(Person(request_id="r", addresses=[ADA]))
    assert export.keys() == {"gaps"}
    assert any("tells nobody" in gap for gap in export["gaps"])
    assert any("pixel" in gap for gap in export["gaps"])
    assert sandbox.calls == 0


def test_nothing_is_ever_retained_so_there_is_nothing_to_purge(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry, match="nothing_retained"):
        connector(sandbox).purge([], NOW)


@pytest.mark.parametrize(
    ("token", "account", "code"),
    [("EAAB.wrong", AD_ACCOUNT, "meta_190"), (TOKEN, "act_99", "meta_100_33")],
)
def test_a_ping_tells_a_wrong_token_and_a_wrong_account(
    sandbox: RunningSandbox, token: str, account: str, code: str
) -> None:
    with pytest.raises(NeverRetry) as caught:
        FacebookConnector(transport(sandbox, token=token), account).ping()
    assert caught.value.code == code


# --- the way there ---


@pytest.mark.parametrize("code", [1, 2, 4, 17, 32, 341, 368, 613, 80000, 80003, 80014])
@pytest.mark.parametrize("status", [400, 403])
def test_what_meta_says_to_wait_for_is_waited_for_whatever_its_status(code: int, status: int) -> None:
    use = '{"1000001": [{"type": "custom_audience", "estimated_time_to_regain_access": 19}, {"call_count": 3}]}'
    body = {"error": {"code": code, "message": f"about {ADA}"}}
    with meta_saying(body, status, **{"X-Business-Use-Case-Usage": use}) as said, pytest.raises(TryAgain) as caught:
        said.get(dict, "act_1", query={})
    assert (caught.value.code, caught.value.after_seconds) == (f"meta_{code}", 19 * 60)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("use", ["", "{", "[]", '{"1": [{"estimated_time_to_regain_access": 0}]}', '{"1": 5}'])
def test_without_a_time_to_come_back_our_own_delay_counts(use: str) -> None:
    body = {"error": {"code": 17}}
    with meta_saying(body, **{"X-Business-Use-Case-Usage": use}) as said, pytest.raises(TryAgain) as caught:
        said.get(dict, "act_1", query={})
    assert caught.value.after_seconds is None


def test_an_error_that_meta_calls_transient_is_tried_again() -> None:
    with meta_saying({"error": {"code": 100, "is_transient": True}}) as said, pytest.raises(TryAgain):
        said.get(dict, "act_1", query={})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"error": {"code": 190, "error_subcode": 460}}, 401, "meta_190_460"),
        ({"error": {"code": 200}}, 403, "meta_200"),
        ({"error": {"code": 10}}, 400, "meta_10"),
        ({"error": {"code": 100, "error_subcode": 33}}, 400, "meta_100_33"),
        ({"error": {"code": 190}}, 200, "meta_190"),
        (b"<html>Error</html>", 400, "meta_400"),
        (b"", 302, "meta_302"),
    ],
)
def test_what_will_be_refused_again_needs_a_person(body: Any, status: int, code: str) -> None:
    with meta_saying(body, status) as said, pytest.raises(NeverRetry) as caught:
        said.delete(dict, "1", "users", form={"payload": "{}"})
    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": "\xff"}', {"data": 5}, {"data": [{}]}])
def test_an_answer_that_cannot_be_read_is_tried_again(body: Any) -> None:
    person = Person(request_id="r", addresses=[ADA])
    with meta_saying(body, 200) as said, pytest.raises(TryAgain, match="meta_unreadable"):
        FacebookConnector(said, AD_ACCOUNT).erase(person, NOW)


def test_pages_that_never_end_are_not_read_for_ever() -> None:
    page = {"data": [], "paging": {"cursors": {"after": "a"}, "next": "https://graph.facebook.example/a"}}
    person = Person(request_id="r", addresses=[ADA])
    with meta_saying(page, 200) as said, pytest.raises(TryAgain, match="meta_unreadable"):
        FacebookConnector(said, AD_ACCOUNT).erase(person, NOW)


def test_a_timeout_is_told_from_a_refused_connection(sandbox: RunningSandbox) -> None:
    sandbox.fail("meta", "timeout", times=1)
    began = time.monotonic()
    with pytest.raises(TryAgain, match="meta_timeout"):
        connector(sandbox, timeout=0.2).ping()
    assert time.monotonic() - began < 2
    with pytest.raises(TryAgain, match="meta_unreachable"):
        MetaTransport(TOKEN, "http://127.0.0.1:9").get(dict, "act_1", query={})


def test_an_address_called_holds_neither_token_nor_hash(sandbox: RunningSandbox) -> None:
    called: list[str] = []
    answer = sandbox.app.__call__

    def listen(environ: Any, start_response: Any) -> Any:
        called.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        return answer(environ, start_response)

    sandbox._server.app = listen
    erase(sandbox, ADA)
    assert len(called) == 4
    assert not any(secret in address for address in called for secret in (TOKEN, ADA_HASH, "ada"))


def test_no_redirect_is_followed_since_the_token_would_go_along(sandbox: RunningSandbox) -> None:
    there = f"{sandbox.url('meta')}/v26.0/act_{AD_ACCOUNT}"
    with meta_saying(b"", 302, Location=there) as said, pytest.raises(NeverRetry, match="meta_302"):
        said.get(dict, "act_1", query={})
    assert sandbox.calls == 0


def test_no_proxy_gets_to_see_what_goes_to_the_sandbox(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    connector(sandbox).ping()
    assert sandbox.calls == 2


def test_an_empty_segment_never_addresses_something_else(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry, match="meta_empty_segment"):
        transport(sandbox).delete(dict, "", "users", form={})
    assert sandbox.calls == 0


@pytest.mark.parametrize(
    ("token", "base", "account"),
    [("", "http://127.0.0.1:1", "1"), (TOKEN, "127.0.0.1:1", "1"), (TOKEN, "http://127.0.0.1:1", "act_"),
     (TOKEN, "http://127.0.0.1:1", "me"), (TOKEN, "http://127.0.0.1:1", "act_act_1"), (TOKEN, "http://127.0.0.1:1", "²")],
)  # fmt: skip
def test_a_connector_is_not_built_from_half_a_setting(token: str, base: str, account: str) -> None:
    with pytest.raises(Misconfigured):
        FacebookConnector(MetaTransport(token, base), account)
