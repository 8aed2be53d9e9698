"""§5.1: a mail is kept, sealed, until somebody has it: handed on, asked back, or dealt with by a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared import attention
from shared.annex import OURS
from shared.case import Case
from shared.failures import BadInput, Missing, NeverRetry, Stale, TryAgain
from shared.mail_reading.received import Attachment
from shared.own_records import MAILBOX, erase_mails
from shared.ports import Person
from shared.promises import mailbox, operators, retention
from shared.promises.operators import Resolution
from shared.records import ALL_ATTENTION, ALL_EVIDENCE, HandedMail
from shared.store import Query
from tests.promises.test_inbound import ANN, listed, take, waiting
from tests.promises.world import World


def test_a_mail_for_a_person_loses_its_attachments_and_names_them(world: World) -> None:
    take(
        world,
        "Please delete the attached file.",
        attachments=[Attachment(name="cv.pdf", media="application/pdf", content=b"x")],
    )
    (kept,) = waiting(world)
    assert mailbox.shown(world.services, kept.id)["left_out"] == ["cv.pdf"]


def test_a_person_settles_a_mail_once_with_evidence_and_it_is_gone(world: World) -> None:
    take(world, "Please do not delete my account.")
    (kept,) = waiting(world)
    assert mailbox.settle(world.services, kept.id, "called her", "ola") == {"mail_id": kept.id, "settled": True}
    assert (waiting(world), listed(world)) == ([], [])
    (entry,) = [one.record for one in world.services.store.query(ALL_EVIDENCE) if one.record.kind == "mail.settled"]
    assert entry.facts == {"mail": kept.id, "by": "ola"}
    for again in (
        lambda: mailbox.settle(world.services, kept.id, "again", "ola"),
        lambda: mailbox.shown(world.services, kept.id),
    ):
        with pytest.raises(Missing):
            again()


@pytest.mark.parametrize("reason", ["", " ", "x" * 4001])
def test_settling_needs_a_reason(world: World, reason: str) -> None:
    take(world, "Please do not delete my account.")
    with pytest.raises(BadInput) as refusal:
        mailbox.settle(world.services, waiting(world)[0].id, reason, "ola")
    assert refusal.value.field == "reason"


def test_a_mail_nobody_looked_at_ends_and_the_list_still_says_so(world: World) -> None:
    take(world, "Please do not delete my account.")
    (kept,) = waiting(world)
    world.clock.at += mailbox.KEPT_FOR + timedelta(seconds=1)
    retention.expire(world.services)
    assert waiting(world) == []
    assert listed(world) == [("mail_unclear", "unclear")]
    mailbox.settle(world.services, kept.id, "too late", "ola")
    assert listed(world) == []


def test_whatever_is_not_about_rights_is_handed_on_as_it_was_and_forgotten(world: World) -> None:
    files = [Attachment(name="sofa.jpg", media="image/jpeg", content=b"\xff\xd8")]
    assert take(world, "Where is my sofa?\n> quoted", html="<p>Where is my sofa?</p>", attachments=files) == "forwarded"
    assert listed(world) == []
    world.run_due()
    ((sent, to),) = world.postman.forwarded
    assert to == world.services.company.contact_mail_goes_to
    assert (sent.subject, sent.text, sent.html) == (
        "A question",
        "Where is my sofa?\n> quoted",
        "<p>Where is my sofa?</p>",
    )
    assert (sent.answers_to, sent.attachments) == (ANN, files)
    assert waiting(world) == []


def test_what_is_missing_of_a_mail_is_said_above_it(world: World) -> None:
    take(world, "Look", html="<p>Look</p>", left_out=["<big>.zip"])
    world.run_due()
    ((sent, _),) = world.postman.forwarded
    assert sent.text == "[Not passed on, too large or not readable: <big>.zip]\n\nLook"
    assert sent.html == "<p>[Not passed on, too large or not readable: &lt;big&gt;.zip]</p>\n<p>Look</p>"


@pytest.mark.parametrize("senders", [[], ["no address"], [ANN, "bo@people.example"]])
def test_a_mail_whose_sender_cannot_be_answered_is_handed_on_all_the_same(world: World, senders: list[str]) -> None:
    assert take(world, "Where is my sofa?", senders=senders) == "forwarded"
    world.run_due()
    assert [sent.answers_to for sent, _ in world.postman.forwarded] == [""]


def test_an_empty_mail_is_handed_on_with_words_in_place_of_nothing(world: World) -> None:
    take(world, "", subject="")
    world.run_due()
    ((sent, _),) = world.postman.forwarded
    assert (sent.subject, sent.text) == ("(no subject)", "(no text)")


@pytest.mark.parametrize(
    ("trouble", "alerted"), [(TryAgain("sendgrid_503"), False), (NeverRetry("sendgrid_401"), True)]
)
@pytest.mark.parametrize(("text", "sent"), [("Where is my sofa?", "forwarded"), ("STOP", "posted")])
def test_a_mail_that_cannot_be_sent_on_is_kept_and_tried_again(
    world: World, trouble: Exception, alerted: bool, text: str, sent: str
) -> None:
    world.postman.trouble = trouble
    take(world, text)
    world.run_due()
    assert len(waiting(world)) == 1
    assert bool(listed(world)) is alerted
    world.postman.trouble = None
    world.advance("PT7H")
    assert waiting(world) == []
    mails = world.postman.forwarded if sent == "forwarded" else world.mailed("inbound_ask_back")
    assert len(mails) == 1
    assert listed(world) == []


def test_a_mail_whose_writer_was_erased_meanwhile_is_not_sent(world: World) -> None:
    take(world, "Where is my sofa?")
    erase_mails(world.services.store, world.services.vault, [ANN])
    world.run_due()
    assert world.postman.forwarded == []


def test_an_erasure_takes_the_mails_its_person_wrote_and_no_other(world: World) -> None:
    take(world, "Please do not delete my account.")
    take(world, "Please do not delete my account.", sender="Bo <bo@people.example>", senders=["bo@people.example"])
    assert len(erase_mails(world.services.store, world.services.vault, [ANN])) == 1
    assert len(waiting(world)) == 1
    kinds = [one.id for one in world.services.store.query(ALL_ATTENTION)]
    assert kinds == [attention.attention_id("mail_unclear", waiting(world)[0].id)]


# --- the mailbox of the people who answer --------------------------------------------------------------------------------


def erased(world: World) -> str:
    """Have Ann erased, up to where nothing happens any more by itself."""
    world.account("u1", ANN)
    request_id = str(world.confirm(ANN)["request_id"])
    world.advance("P3D")
    return request_id


def cleared(world: World, request_id: str) -> dict[str, Any]:
    said = Resolution(reason="searched the mailbox, deleted one", evidence="ticket 7")
    return operators.act(world.services, request_id, operators.resolve("google_cloud_platform", said, "ola"))


def test_an_erasure_waits_for_a_person_to_delete_what_was_handed_on(world: World) -> None:
    take(world, "Where is my sofa?")
    world.run_due()
    request_id = erased(world)
    shown = operators.shown(world.services, request_id)
    assert (shown["status"], shown["mailbox_to_clear"]) == ("in_progress", [ANN])
    assert "ours_done_at" not in shown["promise"]
    step = shown["steps"][0]
    assert (step["outcome"], step["evidence"]["our records"]["outcome"]) == ("pending", "verified")
    assert step["evidence"][MAILBOX]["mails"] == 1
    assert listed(world) == [("mailbox_to_clear", None)]
    assert shown["steps"][1]["outcome"] == "nothing_found", "vendors are not kept waiting"


def test_a_persons_word_that_it_is_deleted_is_accepted_and_what_was_read_back_stays(world: World) -> None:
    take(world, "Where is my sofa?")
    request_id = erased(world)
    step = cleared(world, request_id)["steps"][0]
    assert (step["outcome"], step["evidence"]["our records"]["outcome"]) == ("accepted", "verified")
    assert step["evidence"][MAILBOX] == {"outcome": "accepted", "by": "ola"}
    world.advance("P3D")
    view = world.view(request_id)
    assert (view["status"], view["promise"]["met"], listed(world)) == ("completed", True, [])
    assert world.services.store.query(Query(HandedMail)) == []
    assert not Case.read(world.services, request_id).has_envelope
    with pytest.raises(Stale):
        cleared(world, request_id)


def test_our_own_records_are_settled_by_no_persons_word(world: World) -> None:
    take(world, "Where is my sofa?")
    request_id = erased(world)
    case = Case.read(world.services, request_id)
    parts = {name: {"outcome": "failed"} for name in (MAILBOX, "our records")}
    case.set(steps=case.record.steps | {OURS: msgspec.structs.replace(case.record.steps[OURS], evidence=parts)})
    case.commit()
    with pytest.raises(Stale):
        cleared(world, request_id)


def test_a_step_that_is_tried_again_still_waits_for_the_mailbox(world: World) -> None:
    take(world, "Where is my sofa?")
    request_id = erased(world)
    again = operators.retry(OURS, Resolution(reason="look again"), "ola")
    operators.act(world.services, request_id, again)
    world.advance("PT1H")
    assert operators.shown(world.services, request_id)["mailbox_to_clear"] == [ANN]
    assert cleared(world, request_id)["steps"][0]["outcome"] == "accepted"


def test_what_that_mailbox_keeps_no_longer_holds_up_nobody(world: World) -> None:
    take(world, "Where is my sofa?")
    world.run_due()
    world.clock.at += timedelta(days=3 * 366)
    retention.expire(world.services)
    assert world.view(erased(world))["steps"][0]["outcome"] == "verified"


def test_a_mail_of_somebody_else_holds_up_nobody(world: World) -> None:
    take(world, "Where is my sofa?", senders=["bo@people.example"])
    take(world, "Who wrote this?", senders=[])
    world.run_due()
    assert world.view(erased(world))["steps"][0]["outcome"] == "verified"


def test_a_copy_says_that_the_people_who_answer_have_mails(world: World) -> None:
    take(world, "Where is my sofa?")
    world.run_due()
    assert any("mailbox" in gap for gap in world.ours.export(Person(request_id="r", addresses=[ANN]))["gaps"])
