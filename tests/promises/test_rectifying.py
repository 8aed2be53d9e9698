"""§5.1, Art. 16, 19: put right in our records, then at everybody who got it; a new address once its mailbox confirmed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared import ledger
from shared.failures import BadInput, NeverRetry, Stale, TryAgain
from shared.identity import Identifiers
from shared.ports import Corrections
from shared.promises import objections, operators, people, rectifying, requests
from shared.promises.operators import Act, Resolution
from shared.promises.requests import Asked
from shared.records import ALL_ATTENTION, Request
from shared.store import Update
from tests.promises.world import World, fails, says

ANN, NEW, OLD = "ann@mail.test", "ann@new.test", "ann@old.test"
DETAILS = "My birthday is wrong; it is the third of May."

BAD: list[tuple[Any, str | None, str]] = [
    (None, None, "corrections"),
    ({}, None, "corrections"),
    ({"phone": "1"}, None, "corrections.phone"),
    ({"name": ""}, None, "corrections.name"),
    ({"name": "   "}, "please", "corrections.name"),
    ({"name": "x" * 201}, None, "corrections.name"),
    ({"name": "Ann\nBcc: x"}, None, "corrections.name"),
    ({"country": "x" * 61}, None, "corrections.country"),
    ({"locale": "not a language"}, None, "corrections.locale"),
    ({"email": "ann"}, None, "corrections.email"),
    ({"email": "ann@x.test\nbcc: y@z.test"}, "please", "corrections.email"),
    ({"phone": "1" * 1001}, DETAILS, "corrections.phone"),
    ({"a\nb": "1"}, DETAILS, "corrections"),
    ({"x" * 61: "1"}, DETAILS, "corrections"),
    ({f"field{n}": "1" for n in range(21)}, DETAILS, "corrections"),
]


@pytest.mark.parametrize(("corrections", "details", "field"), BAD)
def test_what_cannot_be_right_is_refused_by_the_name_of_its_field(corrections: Any, details: Any, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        rectifying.checked(corrections, details)
    assert refused.value.field == field


def test_corrections_are_kept_trimmed_and_addresses_as_identity_compares_them() -> None:
    given = {"name": " Ann Lee ", "email": " ANN@New.Test ", "locale": "de-AT", "country": "AT"}
    assert rectifying.checked(given, None) == {"name": "Ann Lee", "email": NEW, "locale": "de-AT", "country": "AT"}


def test_no_other_right_has_corrections(world: World) -> None:
    with pytest.raises(BadInput):
        world.ask(ANN, "erasure", corrections={"name": "Ann"})


# --- from here on, the whole of it -----------------------------------------------------------------------------------


def asked(world: World, corrections: dict[str, str] | None, details: str | None = None) -> tuple[str, str]:
    """Have somebody ask for a correction and prove the mailbox; return the request's id and the private key."""
    request_id = world.ask(ANN, "rectification", corrections=corrections, details=details)
    return request_id, world.confirm(ANN, request_id)["status_url"].split("key=")[1]


def known(world: World, user: str = "u1") -> Identifiers:
    found = people.by_user(world.services, user)
    assert found is not None
    return found.known


def status(world: World, request_id: str) -> str:
    return str(world.view(request_id)["status"])


def new_token(world: World) -> str:
    world.run_due()
    return str(world.mailed("address_confirm", NEW)[-1]["link"].partition("?t=")[2])


def problems(world: World) -> list[str | None]:
    return [one.record.problem for one in world.services.store.query(ALL_ATTENTION)]


def test_our_record_is_corrected_first_then_everybody_is_told_what_is_right(world: World) -> None:
    world.account("u1", ANN, name="Anne", country="DE", stripe_customer_ids=["cus_1"])
    request_id, _ = asked(world, {"name": "Ann Lee", "country": "AT"})
    assert known(world).name == "Anne", "nothing before everybody concerned could hear of it"
    world.run_due()
    assert (known(world).name, known(world).country, known(world).addresses) == ("Ann Lee", "AT", [ANN])
    ((person, right),) = world.stripe.corrected
    assert right == Corrections(name="Ann Lee", country="AT")
    assert (person.addresses, person.known[0].stripe_customer_ids) == ([ANN], ["cus_1"])
    shown = world.view(request_id)
    assert (shown["status"], shown["corrected"]) == ("completed", ["country", "name"])
    assert [(one["subprocessor"], one["what"]) for one in shown["told"]] == [
        ("stripe", "rectification"),
        ("sendgrid", "rectification"),
    ]
    (mail,) = world.mailed("request_done", ANN)
    assert mail["corrected"] == ["country", "name"]


def test_evidence_names_the_fields_and_never_what_stands_in_them(world: World) -> None:
    world.account("u1", ANN, name="Anne")
    request_id, _ = asked(world, {"name": "Zaphod Lee"})
    world.run_due()
    entries = [one.record for one in ledger.stream_of(world.services.store, request_id)]
    assert {"fields": ["name"], "subjects": 1} in [one.facts for one in entries]
    assert "Zaphod" not in str([one.facts for one in entries])
    stored = world.services.store.get(Request, request_id)
    assert stored is not None
    assert "Zaphod" not in str(stored.record)
    assert stored.record.sealed is None, "nothing needs the corrections any more"


def test_one_that_is_down_is_told_later_and_nothing_is_corrected_twice(world: World) -> None:
    world.account("u1", ANN)
    world.stripe.rectifies = fails(TryAgain("stripe_500"))
    request_id, _ = asked(world, {"name": "Ann Lee"})
    world.run_due()
    assert status(world, request_id) == "in_progress"
    assert len(world.sendgrid.corrected) == 1
    world.stripe.rectifies = says("verified")
    world.advance("PT2H")
    assert status(world, request_id) == "completed"
    assert len(world.sendgrid.corrected) == 1


def test_one_that_refuses_comes_to_a_person_who_has_it_told_again(world: World) -> None:
    world.account("u1", ANN)
    world.stripe.rectifies = fails(NeverRetry("stripe_400"))
    request_id, _ = asked(world, {"name": "Ann Lee"})
    world.advance("P1D")
    assert status(world, request_id) == "in_progress"
    assert "stripe_400" in problems(world)
    world.stripe.rectifies = says("verified")
    operators.act(world.services, request_id, operators.retry("stripe", Resolution(reason="mended"), "op"))
    world.run_due()
    assert status(world, request_id) == "completed"
    assert world.stripe.asked == [], "nobody was erased"


def test_a_website_that_holds_data_is_for_its_own_people(world: World) -> None:
    world.account("u1", ANN)
    world.services.website.write("users/u1", {"name": "Anne"})
    request_id, _ = asked(world, {"name": "Ann Lee"})
    world.run_due()
    assert status(world, request_id) == "in_progress"
    assert "website_correction" in problems(world)
    resolve = operators.resolve("google_cloud_platform", Resolution(reason="corrected by the shop"), "op")
    operators.act(world.services, request_id, resolve)
    assert status(world, request_id) == "completed"


@pytest.mark.parametrize("corrections", [None, {"birthday": "3 May"}])
def test_what_we_cannot_correct_by_ourselves_a_person_does(world: World, corrections: dict[str, str] | None) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, corrections, DETAILS)
    world.run_due()
    assert status(world, request_id) == "in_progress"
    assert "rectification_by_hand" in problems(world)
    assert world.stripe.corrected == []
    shown = operators.shown(world.services, request_id)
    assert (shown["details"], shown["corrections"]) == (DETAILS, corrections or {})
    resolve = operators.resolve("google_cloud_platform", Resolution(reason="done", evidence="seen"), "op")
    operators.act(world.services, request_id, resolve)
    assert status(world, request_id) == "completed"


def test_what_can_be_corrected_is_even_where_the_rest_waits_for_a_person(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"name": "Ann Lee", "birthday": "3 May"}, DETAILS)
    world.run_due()
    assert known(world).name == "Ann Lee"
    assert world.stripe.corrected[0][1] == Corrections(name="Ann Lee")
    assert (status(world, request_id), "rectification_by_hand" in problems(world)) == ("in_progress", True)


def test_somebody_we_do_not_know_is_corrected_where_the_address_leads(world: World) -> None:
    request_id, _ = asked(world, {"name": "Ann Lee"})
    world.run_due()
    assert world.sendgrid.corrected[0][0].addresses == [ANN]
    shown = world.view(request_id)
    assert (shown["status"], shown["corrected"]) == ("completed", []), "no record of ours was corrected"


def test_only_the_account_that_was_chosen_is_corrected(world: World) -> None:
    world.account("u1", ANN, name="A", stripe_customer_ids=["cus_1"])
    world.account("u2", ANN, name="B", stripe_customer_ids=["cus_2"])
    request_id, key = asked(world, {"name": "Ann Lee"})
    world.run_due()
    assert world.stripe.corrected == []
    requests.choose(world.services, request_id, key, [2])
    world.run_due()
    assert (known(world).name, known(world, "u2").name) == ("A", "Ann Lee")
    ((person, _right),) = world.stripe.corrected
    assert [one.stripe_customer_ids for one in person.known] == [["cus_2"]]
    assert (person.addresses, person.shared_addresses) == ([], [ANN]), "the address is the other account's too"


def test_it_can_be_refused_with_reasons_before_anything_was_corrected_and_not_after(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"name": "Ann Lee"})
    operators.act(world.services, request_id, operators.deny(Act(reason="it is right as it is"), "op"))
    world.run_due()
    assert (status(world, request_id), known(world).name) == ("denied", None)
    second, _ = asked(world, {"name": "Ann Lee"})
    world.run_due()
    with pytest.raises(Stale):
        operators.act(world.services, second, operators.deny(Act(reason="too late"), "op"))


# --- a new address ---------------------------------------------------------------------------------------------------


def test_a_new_address_counts_once_its_own_mailbox_confirmed_it(world: World) -> None:
    world.account("u1", OLD)
    world.advance("P30D")
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW, "name": "Ann Lee"})
    token = new_token(world)
    assert (known(world).addresses, known(world).name) == ([OLD, ANN], None)
    assert world.stripe.corrected == []
    answer = requests.confirm(world.services, request_id, token)
    assert answer == {"request_id": request_id, "status": "verified"}, "the new mailbox opens nothing"
    world.run_due()
    assert (known(world).addresses, known(world).name) == ([OLD, ANN, NEW], "Ann Lee")
    ((person, right),) = world.sendgrid.corrected
    assert (person.addresses, right.email) == ([ANN], NEW), "any other would be taken for replaced too"
    assert status(world, request_id) == "completed"
    assert [one["to"] for one in world.mailed("request_done")] == [ANN]
    (old,) = people.links_of(world.services, ANN)
    (new,) = people.links_of(world.services, NEW)
    assert old.replaced_at == world.clock.at
    assert (new.source, new.confirmed_at, new.changed_at) == ("mailbox", world.clock.at, world.clock.at)


def test_the_link_to_the_new_mailbox_works_once(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW})
    token = new_token(world)
    requests.confirm(world.services, request_id, token)
    with pytest.raises(Stale):
        requests.confirm(world.services, request_id, token)
    world.run_due()
    assert len(world.sendgrid.corrected) == 1


def test_a_mailbox_that_never_confirms_is_not_taken_over(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW})
    token = new_token(world)
    world.advance("P8D")
    assert (status(world, request_id), known(world).addresses) == ("unconfirmed", [ANN])
    assert world.sendgrid.corrected == []
    assert people.links_of(world.services, NEW) == []
    assert len(world.mailed("request_done", ANN)) == 1
    with pytest.raises(Stale):
        requests.confirm(world.services, request_id, token)


def test_the_rest_is_corrected_although_the_new_mailbox_never_confirmed(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW, "name": "Ann Lee"})
    world.advance("P8D")
    assert (known(world).addresses, known(world).name) == ([ANN], "Ann Lee")
    assert (status(world, request_id), world.view(request_id)["corrected"]) == ("completed", ["name"])


def test_until_the_new_mailbox_confirms_it_can_be_cancelled(world: World) -> None:
    world.account("u1", ANN)
    request_id, key = asked(world, {"email": NEW})
    token = new_token(world)
    requests.cancel(lambda: requests.with_key(world.services, request_id, key))
    with pytest.raises(Stale):
        requests.confirm(world.services, request_id, token)
    world.run_due()
    assert status(world, request_id) == "withdrawn"
    assert [one["to"] for one in world.mailed("request_cancelled")] == [ANN], "the new mailbox is nobody's"


def test_an_address_the_account_has_left_does_not_take_it_over(world: World) -> None:
    world.account("u1", ANN)
    world.advance("P1D")
    world.account("u1", OLD)
    asked(world, {"email": NEW})
    world.run_due()
    assert world.mailed("address_confirm") == []
    assert known(world).addresses == [ANN, OLD]
    assert "rectification_by_hand" in problems(world)


def test_a_new_address_that_another_account_uses_is_told_as_shared(world: World) -> None:
    world.account("u2", NEW)
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW})
    requests.confirm(world.services, request_id, new_token(world))
    world.run_due()
    ((person, _right),) = world.sendgrid.corrected
    assert (person.addresses, person.shared_addresses) == ([ANN], [NEW])
    assert known(world, "u2").addresses == [NEW]
    assert len(people.links_of(world.services, NEW)) == 2


def test_a_signed_in_person_changes_the_address_of_their_own_account(world: World) -> None:
    world.account("u1", ANN)
    said = Asked(
        right="rectification", user_id="u1", verified=True, auth_time=world.clock.at, corrections={"email": NEW}
    )
    request_id = str(requests.open_request(world.services, said, server=True)["request_id"])
    requests.confirm(world.services, request_id, new_token(world))
    world.run_due()
    assert known(world).addresses == [ANN, NEW]
    assert status(world, request_id) == "completed"


def test_a_no_to_marketing_goes_along_to_the_new_address(world: World) -> None:
    world.account("u1", ANN)
    world.services.commit(objections.stop(world.services, ANN, ["marketing"], "objection", "form"))
    request_id, _ = asked(world, {"email": NEW})
    requests.confirm(world.services, request_id, new_token(world))
    world.run_due()
    assert set(objections.stopped(world.services, NEW)) == {"marketing"}


def test_a_new_address_is_written_to_again_although_the_old_mailbox_was_gone(world: World) -> None:
    world.account("u1", ANN)
    account = people.by_user(world.services, "u1")
    assert account is not None
    bounced = msgspec.structs.replace(account.stored.record, unreachable_at=world.clock.at)
    world.services.commit([Update(account.stored, bounced)])
    world.account("u2", NEW)
    request_id, _ = asked(world, {"email": NEW})
    requests.confirm(world.services, request_id, new_token(world))
    world.run_due()
    account = people.by_user(world.services, "u1")
    assert account is not None
    assert account.stored.record.unreachable_at is None
    assert account.known.shared, "the other account has it too, and both are one mail's business"


def test_an_account_that_left_the_proven_address_meanwhile_is_not_taken_over(world: World) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW, "name": "Ann Lee"})
    token = new_token(world)
    world.account("u1", OLD)
    requests.confirm(world.services, request_id, token)
    world.run_due()
    assert known(world).addresses == [ANN, OLD]
    assert people.links_of(world.services, NEW) == []
    assert world.view(request_id)["corrected"] == ["name"]
    assert "rectification_by_hand" in problems(world)


def test_whoever_is_erased_before_the_new_mailbox_confirms_is_corrected_nowhere_and_written_to_no_more(
    world: World,
) -> None:
    world.account("u1", ANN)
    request_id, _ = asked(world, {"email": NEW, "name": "Ann Lee"})
    world.run_due()
    world.confirm(ANN)
    world.advance("P10D")
    assert world.stripe.corrected == []
    assert status(world, request_id) == "withdrawn"
    assert world.postman.posted[-1]["template"] == "request_closing"
    assert not requests.Case.read(world.services, request_id).has_envelope
