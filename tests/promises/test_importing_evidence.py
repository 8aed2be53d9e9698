"""A yes from before counts for what its row proves: no version that was unknown when it was given, no text but its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from infra.local.server import SAMPLE_POLICY
from shared.promises import people, receipts
from shared.promises.policy import Draft, publish
from shared.records import Policy
from shared.store import Update
from tests.promises.imports import ANN, LONG_AGO, PROOF, SHOWN, allowed, consent, take
from tests.promises.world import World

FIRST, BETWEEN = "2026-03-01T12:00:00Z", "2026-03-05T12:00:00Z"
SECOND, SINCE = "2026-03-11T12:00:00Z", "2026-03-12T12:00:00Z"
OTHER_TEXT = "0" * 64
UNSAID = {"text_sha256": ""}


@pytest.fixture
def later(world: World) -> World:
    """Return a world ten days on: v2 is published, and takes effect in another twenty."""
    world.account("u1", ANN)
    world.clock.at += timedelta(days=10)
    draft = Draft(
        text=SAMPLE_POLICY.read_text() + "\nMore.\n",
        version="v2",
        changes=["analytics"],
        effective_at=world.clock.at + timedelta(days=20),
    )
    world.second = publish(world.services, draft, "olga").policy.hash  # type: ignore[attr-defined]
    world.clock.at += timedelta(days=10)
    return world


def row_of(world: World, cells: dict[str, str], who: str = "user_id") -> dict[str, str]:
    """Return a yes with these cells; `v2's` stands for the hash of the second version."""
    whole = consent() | {who: "u1" if who == "user_id" else ANN} | cells
    if whole["text_sha256"] == "v2's":
        whole["text_sha256"] = world.second  # type: ignore[attr-defined]
    return {name: cell for name, cell in whole.items() if cell}


def receipt_of(world: World) -> Any:
    found = people.by_user(world.services, "u1")
    assert found is not None
    return receipts.receipt(world.services, found.stored.record.decisions["marketing_email"].receipt)["receipt"]


V2 = {"policy_version": "v2"}
PROVES_NOTHING = {
    "no version": ({"policy_version": ""}, "policy_version", "no evidence"),
    "no method": ({"method": ""}, "method", "no evidence"),
    "no source": ({"source": ""}, "source", "no evidence"),
    "a version nobody published": ({"policy_version": "v9"}, "policy_version", "published here"),
    "from before us, without the text": (UNSAID, "policy_version", "known here since 2026-03-01T12:00:00Z"),
    "from before us, another text": ({"text_sha256": OTHER_TEXT}, "text_sha256", "another text"),
    "a version of later, from before us": (V2 | UNSAID, "policy_version", "known here since 2026-03-11T12:00:00Z"),
    "a version of later, while another was known": (V2 | UNSAID | {"at": BETWEEN}, "policy_version", "another version"),
    "a version of later with its text": (V2 | {"at": BETWEEN, "text_sha256": "v2's"}, "policy_version", "another version"),
    "a version with the text of another": (V2 | {"at": SINCE}, "text_sha256", "another text"),
    "a known version and another text": ({"at": BETWEEN, "text_sha256": OTHER_TEXT}, "text_sha256", "another text"),
    "no hash at all": ({"text_sha256": "abc"}, "text_sha256", "64 hexadecimal digits"),
    "a method there is none of": ({"method": "telepathy"}, "method", "banner, form, settings, email, import"),
    "a mailbox confirmed years before": ({"confirmed_at": "2020-01-01T00:00:00Z"}, "confirmed_at", "before the yes"),
    "a mailbox confirmed on no date": ({"confirmed_at": "soon"}, "confirmed_at", "a time with its zone"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROVES_NOTHING)
@pytest.mark.parametrize("who", ["user_id", "email"])
def test_a_yes_whose_evidence_proves_nothing_is_refused_by_its_field(later: World, who: str, case: str) -> None:
    cells, field, rule = PROVES_NOTHING[case]
    counts, refused = take(later, "consents", row_of(later, cells, who))
    assert counts == {"rows": 1, "refused": 1}
    assert refused[0].field == field
    assert rule in refused[0].rule
    assert allowed(later, user_id="u1").reasons == ("no_consent",)
    assert not allowed(later, email=ANN).allowed


KNOWN = {"at": BETWEEN}
PROVES = {
    "from before us, the very text": ({}, {"sha256": SHOWN}),
    "a version of later, from before us, its text": (V2 | {"text_sha256": "v2's"}, {"sha256": "v2's"}),
    "while the version was known": (KNOWN | UNSAID, {"version": "v1"}),
    "while it was known, with its text": (KNOWN, {"version": "v1", "sha256": SHOWN}),
    "in the second in which it was published": ({"at": FIRST} | UNSAID, {"version": "v1"}),
    "published, and not in effect yet": (V2 | {"at": SECOND} | UNSAID, {"version": "v2"}),
    "the version before, which a form still named": ({"at": SINCE}, {"version": "v1", "sha256": SHOWN}),
}  # fmt: skip


@pytest.mark.parametrize("case", PROVES)
def test_a_receipt_names_no_version_and_no_text_but_what_the_row_proves(later: World, case: str) -> None:
    cells, notice = PROVES[case]
    row = row_of(later, cells)
    assert take(later, "consents", row)[0] == {"rows": 1, "said_yes": 1}
    assert allowed(later, user_id="u1").allowed
    claimed = receipt_of(later)
    second = later.second  # type: ignore[attr-defined]
    stated = {name: second if value == "v2's" else value for name, value in notice.items()}
    assert claimed["privacy_notice"] == stated | {"stated_by": "file"}
    assert claimed["imported"]["evidence"] == {name: row[name] for name in PROOF if name in row}
    assert claimed["event_time"] == row["at"]


@pytest.mark.parametrize("method", ["banner", "form", "settings", "email", "import"])
def test_a_yes_may_be_given_in_the_contracts_ways(later: World, method: str) -> None:
    assert take(later, "consents", row_of(later, {"method": method}))[0]["said_yes"] == 1
    assert receipt_of(later)["imported"]["evidence"]["method"] == method


def test_a_first_version_that_is_older_than_we_are_counts_from_its_own_day(world: World) -> None:
    first = world.services.store.get(Policy, "v1")
    assert first is not None
    older = msgspec.structs.replace(first.record, effective_at=datetime(2025, 1, 1, tzinfo=UTC))
    world.services.store.commit([Update(first, older)])
    world.account("u1", ANN)
    row = row_of(world, UNSAID)
    assert take(world, "consents", row)[0]["said_yes"] == 1
    assert receipt_of(world)["privacy_notice"] == {"version": "v1", "stated_by": "file"}
    _, refused = take(world, "consents", row | {"at": "2024-12-31T23:59:59Z"})
    assert [one.field for one in refused] == ["policy_version"]


def test_a_version_says_nothing_of_a_purpose_that_it_did_not_ask_for(later: World) -> None:
    company = later.services.company
    news = msgspec.structs.replace(next(one for one in company.purposes if one.name == "marketing_email"), name="news")
    later.services.__dict__["company"] = msgspec.structs.replace(company, purposes=[*company.purposes, news])
    _, refused = take(later, "consents", row_of(later, KNOWN | {"purpose": "news"}))
    assert [(one.field, one.rule) for one in refused] == [
        ("policy_version", "this version does not ask for the purpose")
    ]


@pytest.mark.parametrize("who", ["user_id", "email"])
@pytest.mark.parametrize("cells", [V2, {"text_sha256": OTHER_TEXT}, {"method": "telepathy"}, {"confirmed_at": "soon"}])
def test_a_no_counts_whatever_its_evidence_is_worth(later: World, who: str, cells: dict[str, str]) -> None:
    given = row_of(later, cells | {"granted": "false", "at": LONG_AGO}, who)
    assert take(later, "consents", given)[0] == {"rows": 1, "said_no": 1}
    assert not allowed(later, user_id="u1").allowed
