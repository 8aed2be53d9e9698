from __future__ import annotations

from shared.case import Case
from shared.failures import NeverRetry
from shared.promises import operators
from tests.promises.world import World


def test_each_mail_of_a_request_is_recorded_with_what_became_of_it(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.confirm("ann@mail.test")["request_id"]
    world.advance("P4D")
    mails = Case.read(world.services, request_id).record.mails
    assert [(one.template, one.status) for one in mails.values()] == [
        ("request_confirm", "sent"),
        ("request_verified", "sent"),
        ("request_closing", "sent"),
    ]


def test_a_mail_that_is_refused_is_seen_by_a_person_and_sent_once_the_cause_is_mended(world: World) -> None:
    world.postman.trouble = NeverRetry("sendgrid_400")
    request_id = world.ask("ann@mail.test")
    world.run_due()
    assert [one["kind"] for one in operators.attention_list(world.services)["items"]] == ["mail_failed"]
    world.postman.trouble = None
    world.advance("P8D")
    mine = [one["template"] for one in world.postman.posted if request_id in one.get("link", "")]
    assert mine == ["request_confirm", "request_reminder"]
    assert operators.attention_list(world.services)["items"] == []


def test_a_confirmation_mail_that_comes_too_late_is_not_sent(world: World) -> None:
    world.account("u1", "ann@mail.test")
    request_id = world.ask("ann@mail.test")
    case = Case.read(world.services, request_id)
    token = case.envelope.tokens["confirm"]
    from shared.promises import requests

    requests.confirm(world.services, request_id, token)
    world.run_due()
    assert [one["template"] for one in world.postman.posted] == ["request_verified"]
    assert Case.read(world.services, request_id).record.mails["m1"].status == "dropped"


def test_no_link_of_a_mail_holds_an_address(world: World) -> None:
    world.account("u1", "ann@mail.test")
    world.confirm("ann@mail.test")
    world.advance("P4D")
    links = [value for one in world.postman.posted for value in one.values() if str(value).startswith("https://")]
    assert len(links) > 4
    assert not [link for link in links if "ann" in link or "mail.test" in link]
