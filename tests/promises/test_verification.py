"""§5.1: from proof to the course of a right, whichever right it is."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from shared.case import Case
from shared.promises import requests
from shared.promises.verification import COURSES
from shared.records import Right
from tests.promises.world import World

EMAIL = "ann@mail.test"


def test_every_right_of_the_contract_has_a_course_and_no_other() -> None:
    assert {*COURSES, "objection"} == set(get_args(Right)), "an objection acts when it is made"


def test_only_an_erasure_is_promised_in_fourteen_days() -> None:
    assert [right for right, course in COURSES.items() if course.promised] == ["erasure"]


def test_the_promised_clock_runs_from_verification_even_while_the_accounts_are_not_chosen(world: World) -> None:
    world.account("u1", EMAIL)
    world.account("u2", EMAIL)
    answer = world.confirm(EMAIL)
    record = Case.read(world.services, answer["request_id"]).record
    assert record.chosen_at is None
    assert record.verified_at is not None
    assert record.promise_by == record.verified_at + timedelta(days=14)


@pytest.mark.parametrize("numbers", [[1], [2], [1, 2]])
def test_the_subjects_are_those_of_the_chosen_accounts(world: World, numbers: list[int]) -> None:
    world.account("u1", EMAIL)
    world.account("u2", EMAIL)
    answer = world.confirm(EMAIL)
    key = answer["status_url"].partition("?key=")[2]
    case = requests.choose(world.services, answer["request_id"], key, numbers)
    refs = {account.n: account.ref for account in case.record.accounts}
    assert case.record.subjects == [refs[n] for n in numbers]


def test_every_confirmed_address_is_told_and_gets_a_link_of_its_own_to_cancel(world: World) -> None:
    world.account("u1", "first@mail.test")
    world.advance("P30D")
    world.account("u1", EMAIL)
    world.confirm(EMAIL)
    world.run_due()
    links = {
        mail["to"]: mail["cancel_link"]
        for template in ("request_verified", "request_notice")
        for mail in world.mailed(template)
    }
    assert set(links) == {EMAIL, "first@mail.test"}
    assert len(set(links.values())) == 2
