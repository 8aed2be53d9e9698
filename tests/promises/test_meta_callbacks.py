"""§4, §5.1: Meta's word is about the link to its own user id, and never about a whole account."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import meta_links
from shared.case import Case
from shared.failures import BadInput, Missing
from shared.promises import meta_callbacks, operators, people
from shared.promises.meta_callbacks import opened
from shared.promises.operators import Resolution
from shared.records import Alias, LedgerEntry, Request
from shared.store import Query
from tests.functions.signed_requests import encoded, signed_payload, signed_request
from tests.functions.test_anything_at_all import anything_at_all
from tests.infra.troubled_twins import InterruptedStore
from tests.promises.world import NOON, ScriptedConnector, World, says

FACEBOOKS, INSTAGRAMS = "facebook-app-secret-of-the-test", "instagram-app-secret-of-the-test"
SECRETS = (FACEBOOKS, INSTAGRAMS)
STAMP = int(NOON.timestamp())
DOCUMENTED = (
    # Meta's published sample: payload {"user_id":"218471",…}; the secret of its sample is not a secret
    '{"algorithm":"HMAC-SHA256","expires":1291840400,"issued_at":1291836800,"user_id":"218471"}'
)


def signed(user_id: Any = "1001", secret: str = FACEBOOKS, **more: Any) -> str:
    return signed_request(user_id, secret, **({"issued_at": STAMP} | more))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("user_id", ["1001", 1001])
def test_any_of_our_apps_may_have_signed(secret: str, user_id: Any) -> None:
    assert opened(signed(user_id, secret), SECRETS, NOON) == "1001"


@pytest.mark.parametrize(
    "payload",
    [DOCUMENTED, DOCUMENTED.replace(",", ", "), DOCUMENTED.replace("HMAC-SHA256", "hmac-sha256"), DOCUMENTED + "\n"],
)
def test_what_is_signed_may_be_written_in_any_way_and_is_never_too_old(payload: str) -> None:
    assert opened(signed_payload(encoded(payload.encode()), INSTAGRAMS), SECRETS, NOON) == "218471"


def test_padding_is_taken_where_somebody_sends_it() -> None:
    text = encoded(DOCUMENTED.encode())
    padded = text + "=" * (-len(text) % 4)
    signature, _, payload = signed_payload(padded, FACEBOOKS).partition(".")
    assert opened(f"{signature}=.{payload}", SECRETS, NOON) == "218471"


def forged() -> dict[str, str]:
    right = signed()
    signature, _, payload = right.partition(".")
    other = encoded(json.dumps({"algorithm": "HMAC-SHA256", "user_id": "1002"}).encode())
    return {
        "nothing": "",
        "a dot": ".",
        "no dot": right.replace(".", ""),
        "no signature": f".{payload}",
        "no payload": f"{signature}.",
        "another payload": f"{signature}.{other}",
        "another secret": signed(secret="somebody-elses-secret"),
        "an empty secret": signed(secret=""),
        "a signature cut short": f"{signature[:-4]}.{payload}",
        "a payload cut short": f"{signature}.{payload[:-1]}",
        "a payload padded after signing": f"{signature}.{payload}=",
        "signed with what the payload says": signed_payload(json.dumps({"user_id": "1001"}), FACEBOOKS),
        "hexadecimal": f"{'ab' * 32}.{payload}",
        "no base64": f"!!!.{payload}",
        "no ASCII": f"é{signature}.{payload}é",
        "half a surrogate": f"{signature}.{payload}\ud800",
        "twice": f"{right}.{right}",
        "very long": "x" * 60_000,
        "no JSON": signed_payload(encoded(b"{"), FACEBOOKS),
        "no UTF-8": signed_payload(encoded(b'{"algorithm":"HMAC-SHA256","user_id":"\xff"}'), FACEBOOKS),
        "a list": signed_payload(encoded(b"[]"), FACEBOOKS),
        "deep": signed_payload(encoded(b"[" * 30_000), FACEBOOKS),
        "no algorithm": signed_payload(encoded(b'{"user_id":"1001"}'), FACEBOOKS),
        "another algorithm": signed(algorithm="none"),
        "a weaker algorithm": signed(algorithm="HMAC-SHA1"),
        "nobody": signed(""),
        "null": signed(None),
        "a truth": signed(True),
        "a fraction": signed(1.5),
        "a list of users": signed(["1001"]),
        "a long user": signed("1" * 256),
        "a line break": signed("1001\n1002"),
        "from tomorrow": signed(issued_at=STAMP + 86_400),
        "before time": signed(issued_at=-1),
        "time as text": signed(issued_at="now"),
        "beyond all time": signed(issued_at=10**30),
    }


@pytest.mark.parametrize("how", forged())
def test_what_meta_did_not_sign_or_could_not_mean_is_refused(how: str) -> None:
    with pytest.raises(BadInput) as refused:
        opened(forged()[how], SECRETS, NOON)
    assert refused.value.field == "signed_request"
    assert "1001" not in refused.value.rule


def test_without_a_secret_nothing_is_right() -> None:
    with pytest.raises(BadInput):
        opened(signed(), (), NOON)


@anything_at_all
@given(text=st.text(max_size=200))
def test_no_text_at_all_opens(text: str) -> None:
    with pytest.raises(BadInput):
        opened(text, SECRETS, NOON)


@anything_at_all
@given(payload=st.binary(max_size=200))
def test_whatever_is_signed_is_opened_or_refused(payload: bytes) -> None:
    with suppress(BadInput):
        assert opened(signed_payload(encoded(payload), FACEBOOKS), SECRETS, NOON)


# --- what becomes of it ----------------------------------------------------------------------------------------------


@pytest.fixture
def meta(world: World) -> World:
    """A world where Facebook and Instagram are connected, and an account that came from there."""
    for name in ("facebook", "instagram"):
        connector = ScriptedConnector(name, says("accepted", until=NOON + timedelta(days=1)))
        world.services.connectors[name] = connector  # type: ignore[index]
    world.services.__dict__["connected"] = ("google_cloud_platform", "stripe", "sendgrid", "facebook", "instagram")
    world.account("u1", "ann@mail.test", name="Ann", meta_user_ids=["1001", "1002"])
    return world


def known(world: World, user: str = "u1") -> list[str]:
    found = people.by_user(world.services, user)
    assert found is not None, "the account is still there"
    return found.known.meta_user_ids


def outcomes(world: World, code: str) -> dict[str, str]:
    return {one["subprocessor"]: one["outcome"] for one in meta_callbacks.status(world.services, code)["steps"]}


def asked(world: World, name: str) -> list[Any]:
    return world.services.connectors[name].asked  # type: ignore[attr-defined, no-any-return]


def test_a_deletion_takes_the_link_tells_metas_audiences_and_leaves_the_account(meta: World) -> None:
    code = meta_callbacks.delete(meta.services, "1001")["confirmation_code"]
    meta.run_due()
    assert known(meta) == ["1002"]
    assert outcomes(meta, code) == {
        "google_cloud_platform": "verified",
        "facebook": "accepted",
        "instagram": "accepted",
    }
    assert meta_callbacks.status(meta.services, code)["status"] == "awaiting_vendors"
    meta.advance("P2D")
    assert meta_callbacks.status(meta.services, code)["status"] == "completed"
    found = people.by_user(meta.services, "u1")
    assert found is not None
    assert (found.known.name, found.known.addresses) == ("Ann", ["ann@mail.test"])
    assert found.stored.record.restricted_by == []
    assert meta.mailed("request_closing") == [], "nobody has proved a mailbox"


def test_metas_audiences_are_told_the_confirmed_addresses_and_nobody_else_is_told_anything(meta: World) -> None:
    meta_callbacks.delete(meta.services, "1001")
    meta.run_due()
    for name in ("facebook", "instagram"):
        (person,) = asked(meta, name)
        assert (person.addresses, person.refs, person.user_ids()) == (["ann@mail.test"], [], [])
    assert [asked(meta, name) for name in ("stripe", "sendgrid")] == [[], []]


def test_what_was_needed_for_it_is_forgotten_when_it_has_ended(meta: World) -> None:
    code = meta_callbacks.delete(meta.services, "1001")["confirmation_code"]
    meta.advance("P2D")
    stored = meta.services.store.get(Request, code)
    assert stored is not None
    assert (stored.record.open, stored.record.sealed) == (False, None)


def test_a_deletion_about_nobody_ends_at_once_and_has_its_code_all_the_same(meta: World) -> None:
    answer = meta_callbacks.delete(meta.services, "9999")
    code = answer["confirmation_code"]
    assert answer == {"url": f"https://pledge.test/meta-callbacks/deletion/{code}", "confirmation_code": code}
    assert code.isalnum()
    assert set(outcomes(meta, code).values()) == {"nothing_found"}
    assert meta_callbacks.status(meta.services, code)["status"] == "completed"
    assert meta.run_due() == []


@pytest.mark.parametrize("user_id", ["1001", "9999"])
def test_a_repeat_gets_the_code_of_the_first(meta: World, user_id: str) -> None:
    first = meta_callbacks.delete(meta.services, user_id)
    assert meta_callbacks.delete(meta.services, user_id) == first
    meta.advance("P3D")
    assert meta_callbacks.delete(meta.services, user_id) == first
    assert len(meta.services.store.query(Query(Request))) == 1


def test_a_repeat_after_new_year_gets_the_code_of_the_first_too(meta: World) -> None:
    meta.clock.at = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    first = meta_callbacks.delete(meta.services, "1001")
    meta.clock.at += timedelta(minutes=2)
    assert meta_callbacks.delete(meta.services, "1001") == first


def test_a_person_who_came_back_and_leaves_again_gets_a_request_of_its_own(meta: World) -> None:
    first = meta_callbacks.delete(meta.services, "1001")
    meta.advance("P3D")
    meta.account("u1", "ann@mail.test", meta_user_ids=["1001"])
    second = meta_callbacks.delete(meta.services, "1001")
    meta.run_due()
    assert second != first
    assert known(meta) == ["1002"]


def test_an_id_that_two_accounts_share_is_taken_from_both(meta: World) -> None:
    meta.account("u2", "bob@mail.test", meta_user_ids=["1001"])
    meta_callbacks.delete(meta.services, "1001")
    meta.run_due()
    assert (known(meta), known(meta, "u2")) == (["1002"], [])
    assert asked(meta, "facebook")[0].addresses == ["ann@mail.test", "bob@mail.test"]


def test_an_address_that_another_account_uses_stays_in_the_audiences(meta: World) -> None:
    meta.account("u2", "ann@mail.test")
    meta_callbacks.delete(meta.services, "1001")
    meta.run_due()
    (person,) = asked(meta, "facebook")
    assert (person.addresses, person.shared_addresses) == ([], ["ann@mail.test"])


@pytest.mark.parametrize("name", ["google_cloud_platform", "facebook"])
def test_an_operator_who_tries_a_step_again_erases_no_account(meta: World, name: str) -> None:
    code = meta_callbacks.delete(meta.services, "1001")["confirmation_code"]
    operators.act(meta.services, code, operators.retry(name, Resolution(reason="it takes long"), "ola"))
    meta.advance("P2D")
    assert meta_callbacks.status(meta.services, code)["status"] == "completed"
    assert known(meta) == ["1002"]


def test_the_step_of_our_own_may_run_again_after_a_crash_and_says_the_same(meta: World) -> None:
    code = meta_callbacks.delete(meta.services, "1001")["confirmation_code"]
    first = meta_links.erase(Case.read(meta.services, code))
    again = meta_links.erase(Case.read(meta.services, code))
    assert [(part.outcome, part.evidence) for part in again] == [(part.outcome, part.evidence) for part in first]
    assert known(meta) == ["1002"]


def test_deauthorizing_takes_the_link_and_nothing_else(meta: World) -> None:
    assert meta_callbacks.deauthorize(meta.services, "1001") == 1
    assert known(meta) == ["1002"]
    assert meta.services.store.query(Query(Request)) == []
    assert [asked(meta, name) for name in ("facebook", "instagram")] == [[], []]
    kinds = [one.record.kind for one in meta.services.store.query(Query(LedgerEntry))]
    assert kinds.count("meta.deauthorized") == 1


def test_two_deauthorizations_at_once_are_one_wherever_they_meet(meta: World) -> None:
    store, at = meta.services.store, 0
    interrupted = True
    while interrupted:
        at += 1
        meta.account("u1", "ann@mail.test", meta_user_ids=["1001"])
        before = deauthorized(meta)
        meta.services.__dict__["store"] = InterruptedStore(
            store, at, lambda: meta_callbacks.deauthorize(meta.services, "1001")
        )
        meta_callbacks.deauthorize(meta.services, "1001")
        interrupted = meta.services.store.left <= 0  # type: ignore[attr-defined]
        meta.services.__dict__["store"] = store
        assert deauthorized(meta) == before + 1, f"interrupted before call {at}"
    assert at > 3, "a look at the link, one at the account, a commit"


def deauthorized(world: World) -> int:
    return [one.record.kind for one in world.services.store.query(Query(LedgerEntry))].count("meta.deauthorized")


def test_deauthorizing_again_or_somebody_unknown_changes_nothing(meta: World) -> None:
    meta_callbacks.deauthorize(meta.services, "1001")
    before = meta.services.store.query(Query(LedgerEntry))
    assert meta_callbacks.deauthorize(meta.services, "1001") == 0
    assert meta_callbacks.deauthorize(meta.services, "9999") == 0
    assert meta.services.store.query(Query(LedgerEntry)) == before


def test_an_erased_account_leaves_no_link_to_meta(meta: World) -> None:
    aliases = len(meta.services.store.query(Query(Alias)))
    meta.confirm("ann@mail.test")
    meta.advance("P2D")
    assert len(meta.services.store.query(Query(Alias))) == aliases - 4, "the user, the address and both ids"
    code = meta_callbacks.delete(meta.services, "1001")["confirmation_code"]
    assert set(outcomes(meta, code).values()) == {"nothing_found"}


def test_no_other_request_can_be_read_by_its_id(meta: World) -> None:
    request_id = meta.ask("ann@mail.test")
    for code in (request_id, "0" * 40):
        with pytest.raises(Missing):
            meta_callbacks.status(meta.services, code)


def test_whoever_has_the_code_learns_outcomes_and_dates_and_nothing_of_the_person(meta: World) -> None:
    code = meta_callbacks.delete(meta.services, "1001")["confirmation_code"]
    meta.run_due()
    shown = json.dumps(meta_callbacks.status(meta.services, code))
    for told in ("ann", "u1", "1001", "evidence", "addresses"):
        assert told not in shown
