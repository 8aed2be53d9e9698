"""§5.1: a mail is kept, sealed, until somebody has it: handed on, asked back, or dealt with by a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared import attention
from shared.failures import BadInput, Missing, NeverRetry, TryAgain
from shared.mail_reading.received import Attachment
from shared.own_records import erase_mails
from shared.promises import mailbox, retention
from shared.records import ALL_ATTENTION, ALL_EVIDENCE
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
    assert erase_mails(world.services.store, world.services.vault, [ANN]) == 1
    assert len(waiting(world)) == 1
    kinds = [one.id for one in world.services.store.query(ALL_ATTENTION)]
    assert kinds == [attention.attention_id("mail_unclear", waiting(world)[0].id)]
