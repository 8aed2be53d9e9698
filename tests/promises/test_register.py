"""§9: the annex and the register, derived and complete."""

from __future__ import annotations

import msgspec
import pytest

from shared.annex import ANNEX, NAMES
from shared.company import company_from
from shared.failures import Misconfigured
from shared.promises import register
from tests.promises.world import World


def test_the_annex_says_of_each_what_it_gets_keeps_and_until_when(world: World) -> None:
    entries = register.annex(world.services)
    assert [one["name"] for one in entries] == list(NAMES)
    said = ("title", "role", "purpose", "data", "location", "keeps", "keeps_until", "contract")
    assert [one["name"] for one in entries if not all(one[field] for field in said)] == []
    assert {one["name"] for one in entries if one["connected"]} == set(world.services.connected)


def test_every_purpose_is_an_activity_with_its_basis_data_recipients_and_end(world: World) -> None:
    found = register.register(world.services)
    assert [one["purpose"] for one in found["activities"]] == [one.name for one in world.services.company.purposes]
    for one in found["activities"]:
        assert one["legal_basis"]
        assert one["data"]
        assert one["kept_in_words"]
        assert set(one["transfers"]) == set(one["recipients"])
        assert all(way["ground"] for way in one["transfers"].values())
    assert found["missing"] == []


def test_the_mailbox_of_the_people_who_answer_is_a_declared_store(world: World) -> None:
    (mailbox,) = register.register(world.services)["mailboxes"]
    assert (mailbox["goes_to"], mailbox["kept_for"]) == (["privacy-desk@sample-rooms.example"], "P3Y")


def test_what_nobody_wrote_down_is_named_and_never_invented(world: World) -> None:
    company = world.services.company
    bare = msgspec.structs.replace(
        company,
        contracts={name: one for name, one in company.contracts.items() if name not in {"stripe", "facebook"}},
        not_used={"facebook": "no contract"},
        purposes=[one for one in company.purposes if "google_analytics" not in one.recipients],
    )
    world.services.company = bare
    found = register.register(world.services)
    assert "contracts.stripe" in found["missing"]
    assert "contracts.facebook" not in found["missing"]
    assert "purposes: none names google_analytics" in found["missing"]
    stripe = next(one for one in found["recipients"] if one["name"] == "stripe")
    assert stripe["contract"] is None


def test_a_contract_with_somebody_who_is_not_in_the_annex_is_refused(world: World) -> None:
    stated = msgspec.to_builtins(world.services.company)
    stated["contracts"]["myspace"] = stated["contracts"]["stripe"]
    with pytest.raises(Misconfigured, match="myspace is not in the annex"):
        company_from(stated)


def test_every_entry_of_the_annex_has_words_of_its_own() -> None:
    assert len({one.purpose for one in ANNEX}) >= len(ANNEX) - 1
    assert all(len(one.keeps) > 20 and len(one.keeps_until) > 20 for one in ANNEX)
