"""The core's small rules: times, identity, sealing, evidence, work, declarations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import identity, ledger, work
from shared.company import company_from
from shared.failures import BadInput, Misconfigured, NeverRetry
from shared.identity import Identifiers
from shared.store import Stored
from shared.times import plus, rfc3339, statutory_month, valid_duration
from shared.vault import Keyset, Vault, b64url, b64url_all, canonical, unb64url
from shared.website_data import filled, website_data_from

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2028-02-29", "P1Y", "2029-02-28"),
        ("2026-08-31", "P6M", "2027-02-28"),
        ("2026-12-15", "P1M", "2027-01-15"),
        ("2026-03-01", "P14D", "2026-03-15"),
    ],
)
def test_months_are_calendar_months(start: str, duration: str, end: str) -> None:
    moment = datetime.fromisoformat(f"{start}T12:00:00+00:00")
    assert rfc3339(plus(moment, duration)) == f"{end}T12:00:00Z"


def test_the_statutory_month_ends_on_the_last_day_of_a_short_month() -> None:
    assert statutory_month(datetime(2026, 1, 30, tzinfo=UTC)).date().isoformat() == "2026-02-28"


@pytest.mark.parametrize("text", ["", "P", "14D", "P1X", "PT", "soon", "P1D "])
def test_what_is_no_duration_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        valid_duration(text, "advance")
    assert refused.value.field == "advance"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (" Ann.Bee+x@Mail.Test ", "ann.bee+x@mail.test"),
        ("ANN@GMAIL.COM", "ann@gmail.com"),
        ("ann@ma\u0308il.test", "ann@xn--mil-qla.test"),
    ],
)
def test_identity_never_strips_dots_or_plus_tags(raw: str, kept: str) -> None:
    assert identity.address(raw) == kept


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann+a@mail.test", "ann@mail.test", True),
        ("a.n.n@gmail.com", "ann+x@googlemail.com", True),
        ("a.n.n@mail.test", "ann@mail.test", False),
        ("+ann@mail.test", "+bob@mail.test", False),
    ],
)
def test_suppression_compares_broadly(one: str, other: str, same: bool) -> None:
    assert (identity.broad(one) == identity.broad(other)) is same


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        (Identifiers(user_id="user-123456", name="Ann Bee"), "us…56 · A. B."),
        (Identifiers(user_id="abcd"), "a…"),
        (Identifiers(user_id="ab"), "ab"),
    ],
)
def test_an_account_is_shown_masked(known: Identifiers, shown: str) -> None:
    assert identity.masked_account(known) == shown


def test_an_address_is_shown_masked() -> None:
    assert identity.masked("ann.bee@mail.example.org") == "a…@m….org"


@pytest.fixture
def vault() -> Vault:
    return Vault(Keyset.generate())


def test_a_sealed_value_opens_only_where_it_stands(vault: Vault) -> None:
    sealed = vault.seal("subjects/a", {"email": "ann@mail.test"})
    assert b"ann" not in sealed
    assert vault.unseal("subjects/a", sealed) == {"email": "ann@mail.test"}
    for place, value in (("subjects/b", sealed), ("subjects/a", sealed[:-1] + b"x"), ("subjects/a", b"")):
        with pytest.raises(NeverRetry):
            vault.unseal(place, value)


def test_many_values_open_each_at_its_own_place_and_in_their_order(vault: Vault) -> None:
    known = [Identifiers(user_id=f"u{n}") for n in range(5)]
    places = [f"subjects/{n}" for n in range(5)]
    sealed = [vault.seal(place, one) for place, one in zip(places, known, strict=True)]
    assert vault.unsealed_all(places, sealed, Identifiers) == known
    assert vault.unsealed_all([], [], Identifiers) == []
    with pytest.raises(NeverRetry, match="sealed_value_does_not_open"):
        vault.unsealed_all(places, [*sealed[1:], sealed[0]], Identifiers)
    with pytest.raises(ValueError, match="shorter"):
        vault.unsealed_all(places, sealed[:4], Identifiers)


def test_many_values_sealed_at_once_share_no_nonce_and_open_one_by_one(vault: Vault) -> None:
    sealed = vault.seal_all("here", [1, 1, {"a": 1}])
    assert [vault.unseal("here", one) for one in sealed] == [1, 1, {"a": 1}]
    assert len({one[:16] for one in sealed}) == 3


def test_rotated_keys_still_read_what_was_written_before() -> None:
    old = Keyset.generate()
    before, after = Vault(old), Vault(old.rotated())
    sealed, (key_id, mac) = before.seal("a/b", 1), before.mac(b"x")
    assert after.unseal("a/b", sealed) == 1
    assert after.mac_holds(key_id, b"x", mac)
    assert after.keyed("alias", "x") == before.keyed("alias", "x")
    assert len(after.jwks()["keys"]) == 2
    assert after.seal("a/b", 1)[:4] != sealed[:4]


def test_a_hash_for_one_use_says_nothing_for_another(vault: Vault) -> None:
    assert vault.keyed("alias", "x") != vault.keyed("suppression", "x")


@given(st.binary(max_size=50))
def test_url_safe_text_goes_both_ways(data: bytes) -> None:
    assert unb64url(b64url(data)) == data


@given(st.lists(st.binary()))
def test_many_texts_at_once_are_those_of_one_by_one(many: list[bytes]) -> None:
    assert b64url_all(many) == [b64url(one) for one in many]


def chain(vault: Vault, length: int) -> list[Stored[ledger.LedgerEntry]]:
    head, entries = None, []
    for n in range(length):
        created, head = ledger.append(vault, head, "s", NOON, "did", {"n": n})
        entries.append(Stored(created.id, "1", created.record))
    return entries


def test_a_whole_chain_holds(vault: Vault) -> None:
    assert ledger.first_break(vault, chain(vault, 5)) is None


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_missing_entry_breaks_the_chain_behind_it(vault: Vault, cut: int) -> None:
    entries = chain(vault, 5)
    after = entries[cut + 1].id
    assert ledger.first_break(vault, entries[:cut] + entries[cut + 1 :]) == after


@pytest.mark.parametrize("field", [{"facts": {"n": 9}}, {"kind": "undid"}, {"at": NOON + timedelta(1)}, {"seq": 4}])
def test_an_altered_entry_breaks_the_chain(vault: Vault, field: dict[str, object]) -> None:
    entries = chain(vault, 3)
    entries[1] = Stored(entries[1].id, "1", msgspec.structs.replace(entries[1].record, **field))
    assert ledger.first_break(vault, entries) == entries[1].id


@pytest.mark.parametrize("attempts", [1, 2, 5, 9, 10, 50])
@pytest.mark.parametrize("wished", [None, 90, 10**9])
def test_backoff_doubles_to_six_hours_keeps_a_vendors_wish_and_whole_seconds(attempts: int, wished: int | None) -> None:
    for _ in range(50):
        waited = work.backoff(attempts, wished)
        assert timedelta(seconds=45) <= waited <= timedelta(hours=6)
        assert waited >= min(timedelta(seconds=wished or 0), timedelta(hours=6))
        assert waited.microseconds == 0


USERS = {"firestore": [{"documents": "users/{user_id}"}]}


@pytest.mark.parametrize(
    "declared",
    [
        {"firestore": [{"documents": "users/all"}]},
        {"firestore": [{"documents": "users/{name}"}]},
        {"firestore": [{"documents": "users/{user_id}/notes"}]},
        {"firestore": [{"documents": "users//{user_id}/x"}]},
        {"firestore": [{"query": "orders"}]},
        {"firestore": [{"query": "orders where a == 'b'"}]},
        {"firestore": [{}]},
        {"firestore": [{"documents": "users/{user_id}", "query": "o where a == {user_id}"}]},
        {"firestore": [{"query": "o where a == {user_id}", "retain": {"ground": "g", "years": 0, "fields": ["a"]}}]},
        {"storage": ["gs://{user_id}/a/"]},
        {"storage": ["uploads/{user_id}/"]},
        {"storage": ["gs://uploads/"]},
        USERS | {"horizon_days": {"firestore": 8}},
        USERS | {"horizon_days": {"firestore": -1}},
        USERS | {"unknown": 1},
    ],
)
def test_a_declaration_that_could_name_everybodys_data_is_refused_at_start(declared: dict[str, object]) -> None:
    with pytest.raises(Misconfigured):
        website_data_from(declared)


@pytest.mark.parametrize(
    ("template", "known", "own", "texts"),
    [
        ("users/{user_id}", Identifiers(user_id="u1"), [], ["users/u1"]),
        ("users/{user_id}", Identifiers(), [], []),
        ("m/{email}", Identifiers(addresses=["a@b.c", "d@e.f"]), ["d@e.f"], ["m/d@e.f"]),
        ("{user_id}/{email}", Identifiers(user_id="{email}", addresses=["a@b.c"]), ["a@b.c"], ["{email}/a@b.c"]),
    ],
)
def test_a_template_is_filled_for_one_person_or_not_at_all(
    template: str, known: Identifiers, own: list[str], texts: list[str]
) -> None:
    assert filled(template, known, own) == texts


def test_a_company_file_with_an_unknown_name_or_recipient_is_refused() -> None:
    import yaml

    from infra.settings import SAMPLES

    sample = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    assert company_from(sample).purpose("ads") is not None
    for spoiled in (
        sample | {"nmae": "x"},
        sample | {"not_used": {"myspace": "gone"}},
        sample | {"cooling_off": "soon"},
        sample | {"purposes": sample["purposes"] * 2},
    ):
        with pytest.raises(Misconfigured):
            company_from(spoiled)


def test_canonical_json_is_the_same_bytes_for_the_same_value() -> None:
    assert canonical({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'
