"""Mail to many, as SendGrid is told it and as its answers are understood: what a campaign may do next hangs on that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.mails.postman import SendgridPostman
from infra.settings import Settings
from infra.subprocessors.sendgrid_transport import SendgridTransport
from shared.company import company_from
from shared.failures import InDoubt, NeverRetry, TryAgain, Unacceptable
from shared.notice_call import MAIL
from shared.ports import Recipients
from tests.contracts.running_sandbox import RunningSandbox
from tests.infra.mail_samples import FULL
from tests.promises.world import Addressed

KEY = "SG.test.key"
BASE = "https://privacy.company.example"
ADA, BOB = (
    Addressed(f"{name}@example.com", f"b.p0-00-00000.{n}", f"{BASE}/p?t={name}")
    for n, name in enumerate(("ada", "bob"))
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"sendgrid": KEY})
    yield sandbox
    sandbox.close()


def postman(base: str, key: str = KEY, timeout: float = 5.0) -> SendgridPostman:
    company = company_from(Settings({}).yaml("COMPANY"))
    return SendgridPostman(SendgridTransport(key, base, timeout), company, BASE, lambda to: f"{BASE}/p?t={to}")


def post(sender: SendgridPostman, *to: Addressed, language: str = "", **more: Any) -> str:
    return sender.post_all(MAIL, language, FULL[MAIL] | more, Recipients(*zip(*to, strict=True)))


def outbox(sandbox: RunningSandbox) -> dict[str, dict[str, Any]]:
    status, found = sandbox.ask("GET", "/outbox")
    assert status == 200
    return {one["to"]: one for one in found["mails"]}


def test_each_of_many_gets_the_same_mail_with_a_link_of_their_own(sandbox: RunningSandbox) -> None:
    post(postman(sandbox.url("sendgrid")), ADA, BOB)
    ada, bob = outbox(sandbox)[ADA.to], outbox(sandbox)[BOB.to]
    assert ada["subject"] == bob["subject"]
    assert ADA.link in ada["text"]
    assert ADA.link in ada["html"]
    assert BOB.link not in ada["text"]
    assert ada["text"].replace(ADA.link, BOB.link) == bob["text"]


def test_a_call_that_would_lose_one_of_its_recipients_is_not_made(sandbox: RunningSandbox) -> None:
    with pytest.raises(ValueError, match="shorter"):
        postman(sandbox.url("sendgrid")).post_all(
            MAIL, "", FULL[MAIL], Recipients([ADA.to, BOB.to], ["b.p0-00-00000.0"], [BASE] * 2)
        )
    assert outbox(sandbox) == {}


def test_one_postman_tells_of_one_version_after_another_each_in_its_own_words(sandbox: RunningSandbox) -> None:
    sender = postman(sandbox.url("sendgrid"))
    told = [("one thing", ""), ("a second", ""), ("a second", "de"), ("one thing", "")]
    for summary, language in told:
        post(sender, ADA, summary=summary, language=language)
    texts = [one["text"] for one in sandbox.ask("GET", "/outbox")[1]["mails"]]
    assert [("one thing" in text, "a second" in text) for text in texts] == [
        (summary == "one thing", summary == "a second") for summary, _ in told
    ]
    assert len(set(texts)) == 3


@pytest.mark.parametrize(
    ("fault", "means"),
    [("429", TryAgain), ("500", InDoubt), ("half", InDoubt), ("timeout", InDoubt), ("400", Unacceptable)],
)
def test_what_was_perhaps_taken_is_in_doubt_and_never_simply_tried_again(
    sandbox: RunningSandbox, fault: str, means: type[Exception]
) -> None:
    sender = postman(sandbox.url("sendgrid"), timeout=0.5)
    sandbox.fail("sendgrid", fault, times=1)
    with pytest.raises((TryAgain, NeverRetry)) as trouble:
        post(sender, ADA, BOB)
    assert type(trouble.value) is means
    assert ADA.to not in str(trouble.value)


def test_nobody_is_in_doubt_when_nothing_answers_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TryAgain) as trouble:
            post(postman(base), ADA)
    assert (type(trouble.value), trouble.value.code) == (TryAgain, "sendgrid_not_reached")


def test_a_key_that_is_refused_is_for_a_person_and_halves_nothing(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry) as trouble:
        post(postman(sandbox.url("sendgrid"), key="SG.another"), ADA, BOB)
    assert type(trouble.value) is NeverRetry


def test_one_address_that_is_none_refuses_the_whole_call_and_nobody_is_written_to(sandbox: RunningSandbox) -> None:
    with pytest.raises(Unacceptable):
        post(postman(sandbox.url("sendgrid")), ADA, Addressed("not an address", "b.p0-00-00000.2", BASE))
    assert outbox(sandbox) == {}
