from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest

from shared import identity, suppressions
from shared.failures import Stale
from shared.imports.deciding import rehearse
from shared.ledger import stream_of
from shared.promises import evidence, importing, objections, people, receipts, subjects
from shared.promises.importing import Asked, Run
from shared.promises.subjects import Linked
from shared.records import ALL_EVIDENCE, ALL_IMPORTS, REFUSED_ROWS, Alias, Import, LedgerEntry, Subject, Telling, Work
from shared.store import Delete, Query, every
from tests.promises.imports import ANN, BEA, LONG_AGO, PROOF, allowed, consent, customer, kind_of, rows, take
from tests.promises.world import NOON, World


def everything(world: World) -> list[Any]:
    """Return all that is stored of people; versions too, so that a write of the same shows."""
    store = world.services.store
    return [(one.id, one.version) for kind in (Subject, Alias, Telling, Work) for one in every(store, Query(kind))]


class Watched:
    """A store that notes what is asked of it, and lets somebody else be quicker once."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.got: list[type] = []
        self.first: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, kind: type, id: str) -> Any:
        self.got.append(kind)
        return self._store.get(kind, id)

    def commit(self, changes: Any) -> list[str]:
        first, self.first = self.first, None
        if first is not None:
            first()
        done: list[str] = self._store.commit(changes)
        return done


# --- customers -------------------------------------------------------------------------------------------------------


def test_a_customer_is_linked_as_the_websites_server_links_one(world: World) -> None:
    row = customer(
        "u1", email="Ann@Mail.test", email_verified="TRUE", name="Ann", locale="de-AT", country="AT",
        stripe_customer_ids="cus_1; cus_2", ga_client_ids="1.2", meta_user_ids="9",
    )  # fmt: skip
    assert take(world, "customers", row) == ({"rows": 1, "new": 1}, [])
    found = people.by_address(world.services, ANN)
    assert [one.known.user_id for one in found] == ["u1"]
    known = found[0].known
    assert (known.name, known.locale, known.country) == ("Ann", "de-AT", "AT")
    assert known.stripe_customer_ids == ["cus_1", "cus_2"]
    assert (known.ga_client_ids, known.meta_user_ids) == (["1.2"], ["9"])
    for kind, value in (("stripe", "cus_1"), ("stripe", "cus_2"), ("meta", "9")):
        assert world.services.store.get(Alias, identity.alias(world.services.vault, kind, value)) is not None


IMPOSSIBLE = {
    "several ids with a bar": ("stripe_customer_ids", "cus_1|cus_2"),
    "several ids with a comma": ("stripe_customer_ids", "cus_1,cus_2"),
    "no id of Stripe's": ("stripe_customer_ids", "not_a_cus"),
    "one of two": ("stripe_customer_ids", "cus_1 sub_2"),
    "a country's name": ("country", "Germany"),
    "three letters": ("country", "DEU"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_customer_with_what_cannot_be_is_refused_by_its_field(world: World, case: str) -> None:
    field, cell = IMPOSSIBLE[case]
    counts, refused = take(world, "customers", customer("u1", **{field: cell}))
    assert counts == {"rows": 1, "refused": 1}
    assert refused[0].field == field
    assert cell not in refused[0].rule
    assert people.by_user(world.services, "u1") is None


@pytest.mark.parametrize("locale", ["pt_BR", "pt-BR"])
def test_a_language_may_be_written_as_other_programs_do(world: World, locale: str) -> None:
    take(world, "customers", customer("u1", locale=locale))
    found = people.by_user(world.services, "u1")
    assert found is not None
    assert found.known.locale == "pt-BR"


WRONG = {
    "a customer": (
        "customers",
        {"email": "ann", "email_verified": "perhaps", "locale": "german", "country": "AUT", "stripe_customer_ids": "1"},
        ["user_id", "email_verified", "country", "stripe_customer_ids", "email", "locale"],
    ),
    "a yes": (
        "consents",
        {"user_id": "u1", "email": ANN, "granted": "yes", "purpose": "fun", "method": "carrier pigeon", "confirmed_at": "3 May"},
        ["user_id", "at", "purpose", "policy_version", "source", "method", "confirmed_at"],
    ),
    "a yes without its version": (
        "consents",
        consent(email=ANN, policy_version="v99", confirmed_at="2025-01-01T00:00:00Z"),
        ["policy_version", "confirmed_at"],
    ),
    "what no cell may hold": ("unsubscribes", {"email": "a\x00b", "purpose": "x" * 10_001}, ["email", "purpose"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_all_that_is_wrong_with_a_row_is_told_at_once_and_the_row_counts_once(world: World, case: str) -> None:
    what, cells, fields = WRONG[case]
    counts, refused = take(world, what, cells, customer("u2", email=BEA) if what == "customers" else cells)
    assert counts["refused"] == (1 if what == "customers" else 2)
    assert sorted(one.field for one in refused if one.line == 2) == sorted(fields)
    (kept,) = world.services.store.query(REFUSED_ROWS)
    assert [one.field for one in kept.record.rows] == [one.field for one in refused]


@pytest.mark.parametrize("ids", ["cus_1 cus_2", "cus_1;cus_2", " cus_1 ; cus_2; "])
def test_several_ids_stand_apart_by_blanks_or_semicolons_and_a_country_may_be_small(world: World, ids: str) -> None:
    take(world, "customers", customer("u1", stripe_customer_ids=ids, country="at"))
    found = people.by_user(world.services, "u1")
    assert found is not None
    assert (found.known.stripe_customer_ids, found.known.country) == (["cus_1", "cus_2"], "AT")


@pytest.mark.parametrize("word", ["", "false", "No", "0"])
def test_an_address_that_is_not_verified_leads_nowhere(world: World, word: str) -> None:
    take(world, "customers", customer("u1", email=ANN, **({"email_verified": word} if word else {})))
    assert people.by_address(world.services, ANN) == []


def test_two_new_accounts_of_one_address_are_both_linked(world: World) -> None:
    both = [customer(user, email=ANN, email_verified="true") for user in ("u1", "u2")]
    assert take(world, "customers", *both)[0] == {"rows": 2, "new": 2}
    found = people.by_address(world.services, ANN)
    assert [(one.known.user_id, one.known.shared) for one in found] == [("u1", False), ("u2", True)]


def test_an_account_that_is_here_is_completed_and_keeps_what_it_says(world: World) -> None:
    world.account("u1", ANN, name="Ann")
    row = customer("u1", email=ANN, email_verified="true", name="Annie", country="AT", stripe_customer_ids="cus_1")
    assert take(world, "customers", row, customer("u2"))[0] == {"rows": 2, "completed": 1, "new": 1}
    found = people.by_user(world.services, "u1")
    assert found is not None
    assert (found.known.name, found.known.country, found.known.stripe_customer_ids) == ("Ann", "AT", ["cus_1"])
    assert take(world, "customers", row)[0] == {"rows": 1, "unchanged": 1}


def test_another_address_than_the_one_confirmed_here_is_refused(world: World) -> None:
    world.account("u1", ANN)
    _, refused = take(world, "customers", customer("u1", email=BEA, email_verified="true"))
    assert [(one.line, one.field) for one in refused] == [(2, "email")]
    assert people.by_address(world.services, BEA) == []


@pytest.mark.parametrize("verified", ["true", "false"])
def test_an_address_that_waits_to_be_confirmed_here_is_kept(world: World, verified: str) -> None:
    subjects.link(world.services, Linked(user_id="u1", email=ANN))
    counts, refused = take(world, "customers", customer("u1", email=BEA, email_verified=verified))
    known = people.by_user(world.services, "u1")
    assert known is not None
    assert (known.known.addresses, known.known.unconfirmed) == ([], ANN)
    assert [one.rule.partition(";")[0] for one in refused] == (
        ["another address of this user is here and waits to be confirmed"] if verified == "true" else []
    )
    assert counts["rows"] == 1
    assert take(world, "customers", customer("u1", email=ANN, email_verified="true"))[0]["completed"] == 1
    assert [one.known.user_id for one in people.by_address(world.services, ANN)] == ["u1"]


def test_blanks_around_a_cell_make_nobody_else(world: World) -> None:
    world.account("u1", ANN)
    row = customer(" u1\t", email=f"{ANN} ", email_verified=" true ", country="\u00a0AT")
    assert take(world, "customers", row)[0] == {"rows": 1, "completed": 1}
    found = people.by_user(world.services, "u1")
    assert found is not None
    assert found.known.country == "AT"
    assert take(world, "consents", consent(" ads", at=f" {LONG_AGO}", user_id="u1 "))[0]["said_yes"] == 1


def test_rows_of_one_user_that_contradict_are_refused_and_those_that_repeat_are_not(world: World) -> None:
    first = customer("u1", email=ANN, email_verified="true")
    counts, refused = take(world, "customers", first, first, first | {"name": "Ann"})
    assert counts == {"rows": 3, "new": 1, "repeated": 1, "refused": 1}
    assert [(one.line, one.field, one.rule) for one in refused] == [
        (4, "user_id", "line 2 says something else of this user")
    ]


def test_nobody_who_was_erased_comes_back_with_an_old_copy(world: World) -> None:
    world.account("u1", ANN)
    request = world.confirm(ANN)
    world.advance("P2D")
    assert people.by_user(world.services, "u1") is None, request
    by_user, by_address = customer("u1"), customer("u9", email=ANN, email_verified="true")
    counts, refused = take(world, "customers", by_user, by_address, customer("u2"))
    assert counts == {"rows": 3, "new": 1, "refused": 2}
    assert [one.field for one in refused] == ["user_id", "email"]
    world.account("u1", ANN)
    assert take(world, "customers", customer("u1", country="AT"))[0] == {"rows": 1, "completed": 1}


def test_many_new_customers_cost_no_read_each(world: World) -> None:
    watched = Watched(world.services.store)
    world.services.__dict__["store"] = watched
    take(world, "customers", *(customer(f"u{n}", email=f"p{n}@mail.test", email_verified="true") for n in range(400)))
    assert set(watched.got) == {Import}


# --- consents --------------------------------------------------------------------------------------------------------


def test_a_yes_with_evidence_counts_and_its_receipt_says_that_it_was_imported(world: World) -> None:
    world.account("u1", ANN)
    assert take(world, "consents", consent(user_id="u1"))[0] == {"rows": 1, "said_yes": 1}
    assert allowed(world, user_id="u1").allowed
    found = people.by_user(world.services, "u1")
    assert found is not None
    decision = found.stored.record.decisions["marketing_email"]
    assert (decision.at, decision.policy) == (datetime(2025, 6, 1, 12, tzinfo=UTC), "v1")
    shown = receipts.receipt(world.services, decision.receipt)["receipt"]
    assert (shown["collection_method"], shown["event_time"]) == ("import", LONG_AGO)
    imported = shown["imported"]
    assert (imported["by"], imported["at"], imported["line"]) == ("olga", "2026-03-01T12:00:00Z", 2)
    assert imported["evidence"] == PROOF


def test_a_no_needs_no_evidence_and_stops_the_address(world: World) -> None:
    world.account("u1", ANN)
    row = {"user_id": "u1", "purpose": "marketing_email", "granted": "false", "at": LONG_AGO}
    assert take(world, "consents", row)[0] == {"rows": 1, "said_no": 1}
    assert "suppressed" in allowed(world, user_id="u1").reasons
    assert list(objections.stopped(world.services, ANN)) == ["marketing_email"]


@pytest.mark.parametrize("said", [True, False])
def test_a_later_decision_made_here_stands(world: World, said: bool) -> None:
    world.account("u1", ANN)
    world.decide({"marketing_email": said}, server=True, user_id="u1")
    before = everything(world)
    counts, refused = take(world, "consents", consent(user_id="u1", granted="false" if said else "true"))
    assert counts == {"rows": 1, "refused": 1}
    assert [(one.field, one.rule) for one in refused] == [("at", "a decision made here is later")]
    assert everything(world) == before


def test_of_two_decisions_in_a_file_the_later_counts_whatever_their_order(world: World) -> None:
    world.account("u1", ANN)
    early, late = consent(user_id="u1", granted="false"), consent(user_id="u1", at="2025-07-01T12:00:00Z")
    assert take(world, "consents", late, early)[1][0].rule == "line 2 of this file is later"
    assert allowed(world, user_id="u1").allowed
    assert take(world, "consents", early)[1][0].rule == "a decision of an earlier import is later"
    # one moment, and both: the no counts
    _, refused = take(world, "consents", late, late | {"granted": "false"}, late)
    assert [one.rule for one in refused] == ["line 3 of this file is a no of the same moment"]
    assert not allowed(world, user_id="u1").allowed


@pytest.mark.parametrize("stopped", ["marketing_email", "marketing"])
def test_a_yes_of_a_suppressed_address_is_refused(world: World, stopped: str) -> None:
    world.account("u1", ANN)
    world.services.commit(objections.stop(world.services, ANN, [stopped], "objection", via="form"))
    _, refused = take(world, "consents", consent(user_id="u1"))
    assert [one.field for one in refused] == ["email"]
    assert not allowed(world, user_id="u1").allowed


def test_a_yes_of_an_address_alone_needs_a_mailbox_that_somebody_proved(world: World) -> None:
    _, refused = take(world, "consents", consent(email=ANN))
    assert [one.field for one in refused] == ["confirmed_at"]
    assert not allowed(world, email=ANN).allowed
    assert take(world, "consents", consent(email=ANN, confirmed_at=LONG_AGO))[0] == {"rows": 1, "said_yes": 1}
    assert allowed(world, email=ANN).allowed
    world.account("u2", BEA)
    take(world, "consents", consent(email=BEA))
    assert allowed(world, email=BEA).allowed
    assert allowed(world, user_id="u2").allowed


def test_a_yes_that_is_too_old_by_now_is_refused(world: World) -> None:
    world.account("u1", ANN)
    _, refused = take(world, "consents", consent(user_id="u1", at="2024-02-28T12:00:00Z"))
    assert [one.field for one in refused] == ["at"]


def test_several_purposes_of_one_person_go_into_one_commit(world: World) -> None:
    world.account("u1", ANN)
    purposes = ("marketing_email", "analytics", "ads")
    recent = "2026-02-01T12:00:00Z"
    assert take(world, "consents", *(consent(one, user_id="u1", at=recent) for one in purposes))[0]["said_yes"] == 3
    assert all(allowed(world, one, user_id="u1").allowed for one in purposes)
    batches = [one for one in every(world.services.store, ALL_EVIDENCE) if one.record.kind == "import.batch"]
    assert len(batches) == 1


# --- unsubscribes ----------------------------------------------------------------------------------------------------


def test_an_unsubscribe_stops_and_vendors_are_told_with_evidence(world: World) -> None:
    counts, _ = take(
        world, "unsubscribes", {"email": ANN}, {"email": BEA, "purpose": "marketing_email", "at": LONG_AGO}
    )
    assert counts == {"rows": 2, "stopped": 2}
    assert objections.stopped(world.services, ANN)["marketing"].reason == "objection"
    assert objections.stopped(world.services, BEA)["marketing_email"].reason == "withdrawn"
    asked = [one.record for one in every(world.services.store, ALL_EVIDENCE) if one.record.facts.get("via") == "import"]
    assert sorted(one.kind for one in asked) == ["objection", "withdrawn"]
    world.run_due()
    assert {one.address for one in world.sendgrid.silenced} == {ANN, BEA}
    assert evidence.check(world.services)["intact"]


@pytest.mark.parametrize("cells", [{"purpose": "what is this"}, {"at": "yesterday"}, {"at": "2099-01-01T00:00:00Z"}])
def test_what_cannot_be_read_of_a_no_does_not_keep_it_from_counting(world: World, cells: dict[str, str]) -> None:
    assert take(world, "unsubscribes", {"email": ANN} | cells)[0] == {"rows": 1, "stopped": 1}
    assert list(objections.stopped(world.services, ANN)) == ["marketing"]


def test_a_yes_given_here_after_an_old_no_stands(world: World) -> None:
    world.account("u1", ANN)
    world.decide({"marketing_email": True}, server=True, user_id="u1")
    row = {"email": ANN, "at": LONG_AGO}
    assert take(world, "unsubscribes", row | {"purpose": "marketing_email"})[0] == {"rows": 1, "later_yes": 1}
    assert take(world, "unsubscribes", row)[0] == {"rows": 1, "stopped": 1}
    assert objections.stopped(world.services, ANN)["marketing"].except_for == ["marketing_email"]
    assert allowed(world, user_id="u1").allowed
    take(world, "unsubscribes", {"email": ANN})
    assert not allowed(world, user_id="u1").allowed


def test_a_mailbox_that_is_not_there_is_marked_and_nothing_is_stopped(world: World) -> None:
    world.account("u1", ANN)
    counts, _ = take(
        world, "unsubscribes", *({"email": one, "unreachable": "yes", "at": LONG_AGO} for one in (ANN, BEA))
    )
    assert counts == {"rows": 2, "unreachable": 1, "unknown": 1}
    found = people.by_user(world.services, "u1")
    assert found is not None
    assert found.stored.record.unreachable_at == datetime(2025, 6, 1, 12, tzinfo=UTC)
    assert suppressions.of(world.services, ANN) == {}


def test_telling_a_great_many_is_spread_over_time(world: World) -> None:
    take(world, "unsubscribes", *({"email": f"p{n}@mail.test"} for n in range(120)))
    due = sorted(one.record.due_at for one in every(world.services.store, Query(Work)) if "tell" in one.record.kind)
    assert due == [NOON, NOON + timedelta(seconds=20), NOON + timedelta(seconds=40)]


# --- order, resuming, repeating --------------------------------------------------------------------------------------


def test_no_consent_is_taken_before_everybodys_no_is_in(world: World) -> None:
    world.account("u1", ANN)
    with pytest.raises(Stale):
        take(world, "consents", consent(user_id="u1"), none_exist=False)
    take(world, "unsubscribes", {"email": "no address"}, none_exist=False)
    with pytest.raises(Stale):
        take(world, "consents", consent(user_id="u1"), none_exist=False)
    take(world, "unsubscribes", {"email": ANN}, none_exist=False)
    assert take(world, "consents", consent(user_id="u1"), none_exist=False)[1][0].field == "email"


UNREAD, READ = {"email": "no address"}, {"email": BEA}


@pytest.mark.parametrize(
    ("before", "again", "waits"),
    [
        ([UNREAD], None, True),
        ([UNREAD], [], True),
        ([UNREAD], [UNREAD], True),
        ([UNREAD], [READ], True),
        ([], None, True),
        ([READ], [], False),
        ([READ], [UNREAD], False),
    ],
)
def test_lists_read_anew_let_nobody_begin_sooner(
    world: World, before: list[dict[str, str]], again: list[dict[str, str]] | None, *, waits: bool
) -> None:
    asked = Asked("suppressions", "sendgrid", "olga")
    first = Run(world.services, importing.begin(world.services, asked), kind_of(world, "unsubscribes"))
    list(first.take(rows(*before)))
    first.end()
    for _ in range(2 if again is not None else 0):
        # killed before its end each time
        anew = Run(world.services, importing.begin(world.services, asked), kind_of(world, "unsubscribes"))
        list(anew.take(rows(*(again or []))))
    consents = Asked("consents", "file", "olga", "d1")
    if waits:
        with pytest.raises(Stale):
            importing.begin(world.services, consents)
    else:
        importing.begin(world.services, consents)


def test_who_said_that_nobody_unsubscribed_is_on_record(world: World) -> None:
    take(world, "consents", consent(user_id="u1"), digest="d1", none_exist=True)
    (stored,) = every(world.services.store, ALL_IMPORTS)
    first = stream_of(world.services.store, stored.id)[0].record
    assert (first.facts["by"], first.facts["no_suppressions_exist"]) == ("olga", True)


def test_customers_wait_too_where_marketing_asks_nobody(world: World) -> None:
    company = world.services.company
    unasked = [
        msgspec.structs.replace(one, legal_basis="legitimate_interests") if one.name == "marketing_email" else one
        for one in company.purposes
    ]
    world.services.__dict__["company"] = msgspec.structs.replace(company, purposes=unasked)
    with pytest.raises(Stale):
        take(world, "customers", customer("u1"), none_exist=False)


CASES: dict[str, list[dict[str, str]]] = {
    "customers": [customer(f"u{n}", email=f"p{n % 90}@mail.test", email_verified="true") for n in range(400)]
    + [customer("a/b"), customer("u1", name="x")],
    "unsubscribes": [{"email": f"p{n}@mail.test"} for n in range(200)] + [{"email": "none"}],
    "consents": [consent(user_id=f"k{n}", granted="false" if n % 3 else "true") for n in range(160)],
}


class _Killed(Exception):
    """What stands for the end of the process."""


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("commits", [1, 2])
def test_an_import_killed_between_commits_goes_on_and_nothing_is_taken_twice(
    world: World, what: Any, commits: int
) -> None:
    for n in range(160):
        world.account(f"k{n}", f"k{n}@mail.test")
    asked = Asked(what, "file", "olga", "d1", none_exist=True)

    def attempt(until: int | None) -> Import:
        stored = importing.begin(world.services, asked)
        run = Run(world.services, stored, kind_of(world, what, stored.id))
        for n, _ in enumerate(run.take(rows(*CASES[what])), 1):
            if n == until:
                raise _Killed
        run.end()
        return run.record

    with pytest.raises(_Killed):
        attempt(commits)
    record = attempt(None)
    assert record.counts["rows"] == len(CASES[what])
    assert sum(value for word, value in record.counts.items() if word != "rows") == len(CASES[what])
    refused = list(importing.refused_rows(world.services, importing.import_id(world.services, asked)))
    assert len(refused) == record.counts.get("refused", 0)
    assert evidence.check(world.services)["intact"]
    assert len(list(every(world.services.store, Query(Subject)))) == 160 + record.counts.get("new", 0)


@pytest.mark.parametrize("what", CASES)
def test_the_same_rows_again_change_nothing(world: World, what: Any) -> None:
    for n in range(160):
        world.account(f"k{n}", f"k{n}@mail.test")
    first, refused = take(world, what, *CASES[what])
    before = everything(world)
    again, refused_again = take(world, what, *CASES[what])
    assert everything(world) == before
    assert [(one.line, one.field) for one in refused_again] == [(one.line, one.field) for one in refused]
    assert again["rows"] == first["rows"]


@pytest.mark.parametrize("what", CASES)
def test_a_dry_run_says_the_same_and_writes_nothing(world: World, what: Any) -> None:
    for n in range(160):
        world.account(f"k{n}", f"k{n}@mail.test")
    before = everything(world), len(list(every(world.services.store, ALL_EVIDENCE)))
    dry = list(rehearse(world.services, kind_of(world, what), rows(*CASES[what])))
    assert (everything(world), len(list(every(world.services.store, ALL_EVIDENCE)))) == before
    counts, refused = take(world, what, *CASES[what])
    assert dry[-1].counts == counts
    assert [one for progress in dry for one in progress.refused] == refused


def test_two_processes_do_not_take_in_the_same_file_at_once(world: World) -> None:
    asked = Asked("customers", "file", "olga", "d1")
    runs = [Run(world.services, importing.begin(world.services, asked), kind_of(world, "customers")) for _ in range(2)]
    some = rows(*CASES["customers"])
    next(runs[0].take(some))
    with pytest.raises(Stale):
        list(runs[1].take(some))


def test_somebody_who_signs_up_meanwhile_is_not_overwritten(world: World) -> None:
    watched = Watched(world.services.store)
    world.services.__dict__["store"] = watched
    asked = Asked("customers", "file", "olga", "d1")
    run = Run(world.services, importing.begin(world.services, asked), kind_of(world, "customers"))
    watched.first = lambda: world.account("u0", ANN, name="Ann")
    list(run.take(rows(customer("u0", email=BEA, email_verified="true", name="Eve"), customer("u1"))))
    assert run.record.counts == {"rows": 2, "new": 1, "refused": 1}
    assert [one.known.name for one in people.by_address(world.services, ANN)] == ["Ann"]


def test_an_import_whose_last_evidence_was_cut_off_does_not_pass(world: World) -> None:
    take(world, "unsubscribes", {"email": ANN}, digest="d1")
    (stored,) = every(world.services.store, ALL_IMPORTS)
    last = stream_of(world.services.store, stored.id)[-1]
    world.services.store.commit([Delete(LedgerEntry, last.id)])
    assert evidence.check(world.services) == {"entries": ANY, "intact": False, "first_break": stored.id}


def test_nothing_of_a_person_stands_in_what_is_kept_of_an_import(world: World) -> None:
    secret = "Zebedee"
    take(world, "customers", customer("u1", email=f"{secret}@mail.test", name=secret), customer("a/b", name=secret))
    take(world, "unsubscribes", {"email": f"{secret}@mail.test"}, {"email": secret})
    kept = b"".join(path.read_bytes() for path in world.services.settings.data_dir.glob("pledge.db*"))
    assert secret.lower().encode() not in kept.lower()
