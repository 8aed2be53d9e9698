"""§3.2: the guard. Each line says what happened, about whom and for what it is asked, and every reason why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from infra.settings import SAMPLES
from shared import identity
from shared.failures import BadInput
from shared.promises import confirmations, objections, people, requests, subjects, verification
from shared.promises.policy import Draft, publish
from shared.promises.processing import IN_ORDER, Whom, decide
from shared.promises.subjects import Linked
from shared.records import Subject
from shared.store import Update
from shared.times import plus
from tests.promises.world import World

DEVICE, EMAIL, USER, NEW = "device-0001", "ann@mail.test", "u1", "ann@new.test"
STRANGER = "nobody@mail.test"
POST_MAGAZINE = {
    "name": "magazine",
    "title": "Our magazine by post",
    "why": "To send you our magazine",
    "legal_basis": "legitimate_interests",
    "fields": ["name"],
    "kept_for": "P1Y",
    "kept_in_words": "a year",
    "recipients": [],
    "marketing": True,
}
MAIL_MAGAZINE = POST_MAGAZINE | {"name": "post_by_mail", "channel": "email", "title": "Our magazine by e-mail"}
COMMUNITY = POST_MAGAZINE | {"name": "safety", "title": "Safety", "why": "To keep fraud away", "marketing": False}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a company that also rests purposes on its interests."""
    company = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    company["purposes"] += [POST_MAGAZINE, MAIL_MAGAZINE, COMMUNITY]
    file = tmp_path / "with-interests.yaml"
    file.write_text(yaml.safe_dump(company))
    return World(tmp_path / "data", COMPANY=str(file))


def reasons(world: World, purpose: str, *, gpc: bool = False, **who: str) -> list[str]:
    published = world.services.policies.current()
    return list(decide(world.services, published, Whom(**who), purpose, gpc=gpc).reasons)


# --- what can have happened ---------------------------------------------------------------------------------------------


def nothing(world: World) -> None:
    """Nobody is known."""


def account(world: World) -> None:
    world.account(USER, EMAIL)


def device(world: World) -> None:
    world.decide({"analytics": True, "ads": False}, device_id=DEVICE)


def device_a_year_ago(world: World) -> None:
    device(world)
    world.clock.at = plus(world.clock.at, "P12M")


def asked_by_mail(world: World) -> None:
    world.decide({"marketing_email": True}, device_id=DEVICE, email=EMAIL)


def asked_by_mail_a_week_ago(world: World) -> None:
    asked_by_mail(world)
    world.clock.at = plus(world.clock.at, "P7DT1S")


def asked_by_mail_alone(world: World) -> None:
    world.decide({"marketing_email": True}, email=EMAIL)


def confirmed(world: World) -> None:
    asked_by_mail(world)
    confirm(world)


def confirm(world: World) -> None:
    world.run_due()
    link = world.mailed("consent_confirm", EMAIL)[-1]["link"]
    confirmations.confirm(world.services, world.services.policies.current(), link.partition("?t=")[2])


def confirmed_account(world: World) -> None:
    account(world)
    confirmed(world)


def granted_by_server(world: World) -> None:
    account(world)
    yes = {"analytics": True, "marketing_email": True, "ads": True}
    world.decide(yes, server=True, user_id=USER)


def refused_by_server(world: World) -> None:
    granted_by_server(world)
    world.decide({"marketing_email": False}, server=True, user_id=USER)


def objected(world: World) -> None:
    granted_by_server(world)
    stop(world, EMAIL, "marketing")


def objected_in_other_words(world: World) -> None:
    granted_by_server(world)
    stop(world, "ann+shop@mail.test", "marketing")


def objected_to_safety(world: World) -> None:
    account(world)
    stop(world, EMAIL, "safety")


def stop(world: World, email: str, purpose: str) -> None:
    world.services.commit(objections.stop(world.services, email, [purpose], "objection", "test"))


def erasing(world: World) -> None:
    granted_by_server(world)
    world.confirm(EMAIL)


def erased(world: World) -> None:
    confirmed_account(world)
    world.confirm(EMAIL)
    world.advance("P14D")


def erasing_a_mailbox_gone(world: World) -> None:
    confirmed(world)
    world.confirm(EMAIL)
    world.advance("P1DT1H")


def restricted(world: World) -> None:
    granted_by_server(world)
    found = people.by_user(world.services, USER)
    assert found is not None
    marked = msgspec.structs.replace(found.stored.record, restricted_by=["a-restriction"])
    world.services.commit([Update(found.stored, marked)])


def withdrawn_again(world: World) -> None:
    granted_by_server(world)
    request_id = world.ask(EMAIL)
    world.confirm(EMAIL, request_id)
    case = requests.Case.read(world.services, request_id)
    verification.withdraw(case)
    case.commit()


def changed(world: World, effective_in: str = "PT0S", **more: Any) -> None:
    publish(
        world.services,
        Draft(text="# New", version="v2", effective_at=plus(world.clock.at, effective_in), **more),
        "test",
    )
    world.services.policies.forget()


def changed_since(world: World) -> None:
    device(world)
    changed(world, changes=["analytics"])


def changed_something_else(world: World) -> None:
    device(world)
    changed(world, changes=["ads"])


def changes_in_a_month(world: World) -> None:
    device(world)
    changed(world, "P30D", changes=["analytics"])


def changed_a_month_later(world: World) -> None:
    changes_in_a_month(world)
    world.clock.at = plus(world.clock.at, "P30D")


def said_yes_to_what_comes(world: World) -> None:
    changes_in_a_month(world)
    device(world)


def two_changes_one_to_come(world: World) -> None:
    device(world)
    changed(world, changes=["analytics"])
    publish(world.services, Draft(text="# 3", version="v3", effective_at=plus(world.clock.at, "P30D")), "test")
    world.services.policies.forget()


BY_DEVICE, BY_EMAIL, BY_USER = {"device_id": DEVICE}, {"email": EMAIL}, {"user_id": USER}
MAIL = "marketing_email"
CASES: list[tuple[Callable[[World], None], dict[str, str], str, list[str]]] = [
    # nobody we know
    (nothing, BY_DEVICE, "analytics", ["unknown_subject"]),
    (nothing, BY_EMAIL, MAIL, ["unknown_subject"]),
    (nothing, BY_USER, "ads", ["unknown_subject"]),
    (nothing, BY_USER, "payments", ["unknown_subject"]),
    (nothing, BY_DEVICE, MAIL, ["unknown_subject"]),
    (nothing, BY_EMAIL, "service_mail", []),
    (nothing, BY_USER, "legal_records", []),
    (nothing, BY_USER, "none_such", ["unknown_purpose"]),
    (nothing, BY_USER, "", ["unknown_purpose"]),
    # a contract, a law, an interest
    (account, BY_USER, "account", []),
    (account, BY_USER, "payments", []),
    (account, BY_EMAIL, "account", []),
    (account, BY_EMAIL, "service_mail", []),
    (account, BY_USER, "magazine", []),
    (account, BY_USER, "safety", []),
    # consent
    (account, BY_USER, "analytics", ["no_consent"]),
    (account, BY_EMAIL, MAIL, ["no_consent"]),
    (device, BY_DEVICE, "analytics", []),
    (device, BY_DEVICE, "ads", ["no_consent"]),
    (device, BY_DEVICE, MAIL, ["no_consent"]),
    (device_a_year_ago, BY_DEVICE, "analytics", ["no_consent"]),
    (granted_by_server, BY_USER, MAIL, []),
    (granted_by_server, BY_EMAIL, MAIL, []),
    (granted_by_server, BY_USER, "analytics", []),
    (refused_by_server, BY_USER, MAIL, ["no_consent", "suppressed"]),
    (refused_by_server, BY_EMAIL, MAIL, ["no_consent", "suppressed"]),
    (refused_by_server, BY_USER, "analytics", []),
    # the mailbox's word
    (asked_by_mail, BY_DEVICE, MAIL, ["pending"]),
    (asked_by_mail, BY_EMAIL, MAIL, ["pending"]),
    (asked_by_mail_alone, BY_EMAIL, MAIL, ["pending"]),
    (asked_by_mail_alone, BY_EMAIL, "ads", ["unknown_subject"]),
    (asked_by_mail_a_week_ago, BY_EMAIL, MAIL, ["unknown_subject"]),
    (confirmed, BY_EMAIL, MAIL, []),
    (confirmed, BY_DEVICE, MAIL, ["no_consent"]),
    (confirmed, BY_DEVICE | BY_EMAIL, MAIL, []),
    (confirmed_account, BY_USER, MAIL, []),
    (confirmed_account, BY_USER | BY_EMAIL, MAIL, []),
    # no
    (objected, BY_EMAIL, MAIL, ["objection"]),
    (objected, BY_USER, MAIL, ["objection"]),
    (objected, BY_USER, "ads", ["objection"]),
    (objected, BY_USER, "magazine", ["objection"]),
    (objected, BY_USER, "analytics", []),
    (objected, BY_USER, "account", []),
    (objected, BY_EMAIL, "service_mail", []),
    (objected_in_other_words, BY_EMAIL, MAIL, ["objection"]),
    (objected_in_other_words, {"email": "ann+shop@mail.test"}, "service_mail", []),
    (objected_to_safety, BY_USER, "safety", ["objection"]),
    (objected_to_safety, BY_EMAIL, "safety", ["objection"]),
    (objected_to_safety, BY_USER, "magazine", []),
    # a request under way, and after it
    (restricted, BY_USER, "analytics", ["restriction"]),
    (restricted, BY_USER, "account", ["restriction"]),
    (restricted, BY_EMAIL, MAIL, ["restriction"]),
    (restricted, BY_USER, "service_mail", []),
    (restricted, BY_USER, "legal_records", []),
    (erasing, BY_USER, "account", ["erasure"]),
    (erasing, BY_EMAIL, MAIL, ["erasure"]),
    (erasing, BY_USER, "analytics", ["erasure"]),
    (erasing, BY_EMAIL, "service_mail", []),
    (erasing_a_mailbox_gone, BY_EMAIL, MAIL, ["erasure", "unknown_subject"]),
    (erasing_a_mailbox_gone, BY_DEVICE, MAIL, ["no_consent"]),
    (withdrawn_again, BY_USER, MAIL, []),
    (withdrawn_again, BY_EMAIL, MAIL, []),
    (erased, BY_USER, "account", ["unknown_subject"]),
    (erased, BY_EMAIL, MAIL, ["unknown_subject"]),
    (erased, BY_DEVICE, MAIL, ["no_consent"]),
    # another version
    (changed_since, BY_DEVICE, "analytics", ["policy_changed"]),
    (changed_something_else, BY_DEVICE, "analytics", []),
    (changes_in_a_month, BY_DEVICE, "analytics", []),
    (changed_a_month_later, BY_DEVICE, "analytics", ["policy_changed"]),
    (said_yes_to_what_comes, BY_DEVICE, "analytics", []),
    (two_changes_one_to_come, BY_DEVICE, "analytics", ["policy_changed"]),
]


@pytest.mark.parametrize(
    ("happened", "who", "purpose", "why_not"), CASES, ids=lambda one: getattr(one, "__name__", str(one))
)
def test_the_guard_names_every_reason_and_no_other(
    world: World, happened: Callable[[World], None], who: dict[str, str], purpose: str, why_not: list[str]
) -> None:
    happened(world)
    assert reasons(world, purpose, **who) == why_not


@pytest.mark.parametrize(
    ("happened", "who", "purpose", "why_not"),
    [
        (nothing, BY_DEVICE, "ads", ["gpc", "unknown_subject"]),
        (asked_by_mail, BY_DEVICE, "ads", ["no_consent", "gpc"]),
        (device, BY_DEVICE, "analytics", []),
        (device, BY_DEVICE, "ads", ["no_consent"]),
        (confirmed, BY_EMAIL, MAIL, []),
        (account, BY_USER, "magazine", ["gpc"]),
        (account, BY_USER, "safety", []),
        (account, BY_USER, "account", []),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_the_signal_denies_until_an_explicit_yes_here(
    world: World, happened: Callable[[World], None], who: dict[str, str], purpose: str, why_not: list[str]
) -> None:
    happened(world)
    assert reasons(world, purpose, gpc=True, **who) == why_not


def test_all_of_several_identifiers_must_allow_it(world: World) -> None:
    device(world)
    account(world)
    assert reasons(world, "analytics", device_id=DEVICE) == []
    assert reasons(world, "analytics", device_id=DEVICE, user_id=USER) == ["no_consent"]
    assert reasons(world, "ads", device_id=DEVICE, email=STRANGER) == ["no_consent", "unknown_subject"]


def test_nobodys_mail_is_decided_by_somebody_else_with_the_same_mailbox(world: World) -> None:
    granted_by_server(world)
    world.account("u2", EMAIL)
    assert reasons(world, MAIL, user_id="u2") == ["no_consent"]
    assert reasons(world, MAIL, email=EMAIL) == []


def test_an_address_the_account_has_left_opens_nothing_of_it(world: World) -> None:
    granted_by_server(world)
    world.account(USER, "ann@new.test")
    world.clock.at = plus(world.clock.at, "P91D")
    assert reasons(world, MAIL, email=EMAIL) == ["unknown_subject"]
    assert reasons(world, MAIL, email="ann@new.test") == []


def test_a_purpose_that_a_version_to_come_adds_is_unknown_until_then_unless_it_was_asked(tmp_path: Path) -> None:
    sample = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    file = tmp_path / "company.yaml"
    file.write_text(yaml.safe_dump(sample))
    world = World(tmp_path / "data", COMPANY=str(file))
    account(world)
    more = [POST_MAGAZINE, COMMUNITY | {"name": "tests", "legal_basis": "consent"}]
    extended = msgspec.convert(sample | {"purposes": sample["purposes"] + more}, type(world.services.company))
    world.services.__dict__["company"] = extended
    changed(world, "P30D", changes=[])
    assert reasons(world, "magazine", user_id=USER) == ["unknown_purpose"]
    assert reasons(world, "tests", user_id=USER) == ["no_consent"]
    world.decide({"tests": True}, server=True, user_id=USER)
    assert reasons(world, "tests", user_id=USER) == []
    world.clock.at = plus(world.clock.at, "P30D")
    assert reasons(world, "magazine", user_id=USER) == []


def test_an_account_without_an_address_is_decided_by_itself_but_for_mail(world: World) -> None:
    world.decide({"marketing_email": True}, server=True, user_id="u9")
    assert reasons(world, MAIL, user_id="u9") == ["pending"]
    assert reasons(world, "ads", user_id="u9") == ["no_consent"]


# --- an account, and the mailbox behind it -----------------------------------------------------------------------------


def unverified(world: World, email: str = EMAIL) -> None:
    subjects.link(world.services, Linked(user_id=USER, email=email))
    world.decide({"analytics": True, MAIL: True, "ads": True}, server=True, user_id=USER)


def unaddressed(world: World) -> None:
    world.decide({"analytics": True, MAIL: True, "ads": True}, server=True, user_id=USER)


def unasked(world: World) -> None:
    subjects.link(world.services, Linked(user_id=USER, email=EMAIL))


def unverified_objected(world: World) -> None:
    unverified(world)
    world.ask(EMAIL, "objection")


def unverified_refused(world: World) -> None:
    unverified(world)
    world.decide({MAIL: False}, server=True, user_id=USER)


def verified_later(world: World) -> None:
    unverified(world)
    account(world)


def changing(world: World) -> None:
    granted_by_server(world)
    subjects.link(world.services, Linked(user_id=USER, email=NEW))


def changing_to_one_who_objected(world: World) -> None:
    world.ask(NEW, "objection")
    changing(world)


def changing_to_one_being_erased(world: World) -> None:
    world.account("u2", NEW)
    world.confirm(NEW)
    changing(world)


BY_NEW = {"email": NEW}


@pytest.mark.parametrize(
    ("happened", "who", "purpose", "why_not"),
    [
        (unverified, BY_USER, MAIL, ["pending"]),
        (unverified, BY_EMAIL, MAIL, ["unknown_subject"]),
        (unverified, BY_USER, "post_by_mail", ["unknown_subject"]),
        (unverified, BY_USER, "analytics", []),
        (unverified, BY_USER, "ads", []),
        (unverified, BY_USER, "account", []),
        (unverified, BY_USER, "service_mail", []),
        (unaddressed, BY_USER, MAIL, ["pending"]),
        (unaddressed, BY_USER, "post_by_mail", ["unknown_subject"]),
        (unaddressed, BY_USER, "analytics", []),
        (unasked, BY_USER, MAIL, ["no_consent"]),
        (verified_later, BY_USER, MAIL, []),
        (verified_later, BY_USER, "post_by_mail", []),
        # a no of an address that nobody confirmed
        (unverified_objected, BY_USER, MAIL, ["pending", "objection"]),
        (unverified_objected, BY_EMAIL, MAIL, ["objection", "unknown_subject"]),
        (unverified_objected, BY_USER, "ads", ["objection"]),
        (unverified_objected, BY_USER, "magazine", ["objection"]),
        (unverified_objected, BY_USER, "analytics", []),
        (unverified_refused, BY_USER, MAIL, ["no_consent", "suppressed"]),
        (unverified_refused, BY_EMAIL, MAIL, ["suppressed", "unknown_subject"]),
        (changing, BY_USER, MAIL, []),
        (changing_to_one_who_objected, BY_USER, MAIL, ["objection"]),
        (changing_to_one_who_objected, BY_USER, "analytics", []),
        (changing_to_one_who_objected, BY_EMAIL, MAIL, []),
        (changing_to_one_being_erased, BY_USER, MAIL, ["erasure"]),
        (changing_to_one_being_erased, BY_USER, "account", []),
        (changing_to_one_being_erased, BY_USER, "analytics", []),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_an_account_is_mailed_only_where_a_mailbox_stands_behind_it(
    world: World, happened: Callable[[World], None], who: dict[str, str], purpose: str, why_not: list[str]
) -> None:
    happened(world)
    assert reasons(world, purpose, **who) == why_not


def moved(world: World) -> None:
    granted_by_server(world)
    world.account(USER, NEW)


def corrected(world: World) -> None:
    granted_by_server(world)
    correct(world)


def correct(world: World) -> None:
    """Have both mailboxes prove that the new one takes the old one's place."""
    world.confirm(EMAIL, world.ask(EMAIL, "rectification", corrections={"email": NEW}))
    world.run_due()
    link = world.mailed("address_confirm", NEW)[-1]["link"].partition("?t=")
    requests.confirm(world.services, link[0].split("/")[-2], link[2])
    world.run_due()


def moved_with_a_yes_of_the_old_mailbox(world: World) -> None:
    confirmed_account(world)
    world.account(USER, NEW)


def corrected_with_a_yes_of_the_old_mailbox(world: World) -> None:
    confirmed_account(world)
    correct(world)


def corrected_and_the_old_mailbox_says_yes(world: World) -> None:
    corrected_with_a_yes_of_the_old_mailbox(world)
    world.decide({"ads": True}, email=EMAIL)
    confirm(world)


def objects(world: World, email: str) -> None:
    world.ask(email, "objection")
    world.run_due()


def moved_and_the_old_mailbox_objects(world: World) -> None:
    moved(world)
    objects(world, EMAIL)


def corrected_and_the_old_mailbox_objects(world: World) -> None:
    corrected(world)
    objects(world, EMAIL)


def corrected_yes_and_the_old_mailbox_objects(world: World) -> None:
    corrected_with_a_yes_of_the_old_mailbox(world)
    objects(world, EMAIL)


def moved_and_the_old_mailbox_unsubscribes(world: World) -> None:
    moved(world)
    stop(world, EMAIL, MAIL)


def moved_and_the_old_mailbox_refuses_on_a_page(world: World) -> None:
    moved(world)
    world.decide({MAIL: False}, device_id=DEVICE, email=EMAIL)


def moved_twice_and_the_first_mailbox_objects(world: World) -> None:
    granted_by_server(world)
    world.account(USER, "ann@between.test")
    world.account(USER, NEW)
    world.clock.at = plus(world.clock.at, "P2Y")
    objects(world, EMAIL)


def moved_and_the_new_holder_objects(world: World) -> None:
    moved(world)
    world.clock.at = plus(world.clock.at, "P1D")
    world.account("u2", EMAIL)
    objects(world, EMAIL)


def moved_and_the_new_mailbox_objects(world: World) -> None:
    moved(world)
    objects(world, NEW)


def moved_from_a_shared_mailbox_that_objects(world: World) -> None:
    world.account("u2", EMAIL)
    world.decide({MAIL: True}, server=True, user_id="u2")
    moved(world)
    objects(world, EMAIL)


@pytest.mark.parametrize(
    ("happened", "who", "purpose", "why_not"),
    [
        (moved, BY_EMAIL, MAIL, ["unknown_subject"]),
        (moved, BY_EMAIL, "ads", ["unknown_subject"]),
        (moved, BY_EMAIL, "magazine", ["unknown_subject"]),
        (moved, BY_EMAIL, "analytics", []),
        (moved, BY_EMAIL, "service_mail", []),
        (moved, BY_NEW, MAIL, []),
        (moved, BY_USER, MAIL, []),
        (corrected, BY_EMAIL, MAIL, ["unknown_subject"]),
        (corrected, BY_NEW, MAIL, []),
        (corrected, BY_USER, MAIL, []),
        (moved_and_the_new_mailbox_objects, BY_EMAIL, MAIL, ["unknown_subject"]),
        (moved_and_the_new_mailbox_objects, BY_USER, MAIL, ["objection"]),
        # what a mailbox itself confirmed stands where it is, and moves where both proved that it does
        (moved_with_a_yes_of_the_old_mailbox, BY_EMAIL, MAIL, []),
        (moved_with_a_yes_of_the_old_mailbox, BY_USER, MAIL, ["no_consent"]),
        (corrected_with_a_yes_of_the_old_mailbox, BY_EMAIL, MAIL, ["unknown_subject"]),
        (corrected_with_a_yes_of_the_old_mailbox, BY_NEW, MAIL, []),
        (corrected_with_a_yes_of_the_old_mailbox, BY_USER, MAIL, []),
        (corrected_and_the_old_mailbox_says_yes, BY_EMAIL, "ads", []),
        (corrected_and_the_old_mailbox_says_yes, BY_NEW, "ads", ["no_consent"]),
        (corrected_and_the_old_mailbox_says_yes, BY_NEW, MAIL, []),
        # a no moves along with whoever has left
        (moved_and_the_old_mailbox_objects, BY_USER, MAIL, ["objection"]),
        (moved_and_the_old_mailbox_objects, BY_NEW, MAIL, ["objection"]),
        (moved_and_the_old_mailbox_objects, BY_EMAIL, MAIL, ["objection", "unknown_subject"]),
        (corrected_and_the_old_mailbox_objects, BY_USER, MAIL, ["objection"]),
        (corrected_yes_and_the_old_mailbox_objects, BY_NEW, MAIL, ["objection"]),
        (moved_and_the_old_mailbox_unsubscribes, BY_USER, MAIL, ["objection"]),
        (moved_and_the_old_mailbox_refuses_on_a_page, BY_USER, MAIL, ["suppressed"]),
        (moved_twice_and_the_first_mailbox_objects, BY_USER, "magazine", ["objection"]),
        (moved_and_the_new_holder_objects, BY_USER, MAIL, []),
        (moved_and_the_new_holder_objects, BY_EMAIL, MAIL, ["no_consent", "objection"]),
        # whose no it is cannot be known: stop broadly
        (moved_from_a_shared_mailbox_that_objects, BY_USER, MAIL, ["objection"]),
        (moved_from_a_shared_mailbox_that_objects, {"user_id": "u2"}, MAIL, ["objection"]),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
def test_who_left_an_address_is_not_mailed_there_and_takes_a_no_along(
    world: World, happened: Callable[[World], None], who: dict[str, str], purpose: str, why_not: list[str]
) -> None:
    happened(world)
    assert reasons(world, purpose, **who) == why_not


def test_the_order_of_reasons_is_the_contracts() -> None:
    contract = "no_consent pending objection restriction erasure suppressed gpc policy_changed unknown_purpose"
    assert " ".join(IN_ORDER) == f"{contract} unknown_subject"


def test_asking_changes_nothing(world: World) -> None:
    confirmed_account(world)
    before = world.services.store.get(Subject, people.by_address(world.services, EMAIL)[0].ref)
    reasons(world, MAIL, email=EMAIL, user_id=USER)
    assert world.services.store.get(Subject, people.by_address(world.services, EMAIL)[0].ref) == before


@pytest.mark.parametrize(
    ("who", "field"),
    [
        ({}, "subject"),
        ({"email": "none"}, "subject.email"),
        ({"email": ""}, "subject.email"),
        ({"device_id": "no device"}, "subject.device_id"),
        ({"user_id": "a/b"}, "subject.user_id"),
    ],
    ids=str,
)
@pytest.mark.parametrize("purpose", ["ads", "service_mail", "none_such"])
def test_what_names_nobody_is_refused_by_its_field(world: World, who: dict[str, str], field: str, purpose: str) -> None:
    with pytest.raises(BadInput) as refusal:
        reasons(world, purpose, **who)
    assert refusal.value.field == field


def test_the_ids_of_an_addresss_stops_begin_alike_and_no_other_addresss_do(world: World) -> None:
    vault = world.services.vault
    assert identity.suppression(vault, EMAIL, "ads").startswith(identity.suppressions(vault, EMAIL))
    assert not identity.suppression(vault, STRANGER, "ads").startswith(identity.suppressions(vault, EMAIL))
