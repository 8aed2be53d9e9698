"""SendGrid is told of a no, and of a yes again: a group for one kind of mail, never silently the global list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.sqlite_store import SqliteStore
from infra.subprocessors.sendgrid import SendgridConnector, SendgridTransport
from shared.company import Purpose
from shared.failures import NeverRetry
from shared.ports import Part, Person, Stops
from shared.vault import Keyset, Vault
from tests.contracts.connector_contract import NOW
from tests.contracts.running_sandbox import RunningSandbox

ADA, KEY = "ada.lovelace+canary@example.com", "SG.test.key"
VAULT = Vault(Keyset.generate())


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    sandbox = RunningSandbox(tmp_path, {"sendgrid": KEY})
    yield sandbox
    sandbox.close()


@pytest.fixture
def groups(sandbox: RunningSandbox) -> tuple[int, int]:
    """Return two unsubscribe groups."""
    call = transport(sandbox).call
    made = [call("post", "asm", "groups", body={"name": name, "description": name}).body for name in ("News", "Digest")]
    return made[0]["id"], made[1]["id"]


def transport(sandbox: RunningSandbox) -> SendgridTransport:
    return SendgridTransport(KEY, sandbox.url("sendgrid"))


def connect(sandbox: RunningSandbox) -> SendgridConnector:
    return SendgridConnector(transport(sandbox), SqliteStore(sandbox.folder / "pledge.db"), VAULT)


def mail(name: str, group: int | None = None) -> Purpose:
    return Purpose(
        name=name,
        title=name,
        why=name,
        legal_basis="consent",
        fields=[],
        kept_for="P1Y",
        kept_in_words="a year",
        recipients=["sendgrid"],
        channel="email",
        sendgrid_group=group,
    )


def tell(
    sandbox: RunningSandbox, stopped: list[Purpose], going_on: list[Purpose], *, everything: bool = False
) -> list[Part]:
    stops = Stops(address=ADA, stopped=stopped, going_on=going_on, everything=everything)
    parts = list(connect(sandbox).silence(stops, NOW))
    if stopped:
        before, again = lists(sandbox), connect(sandbox).silence(stops, NOW)
        assert ([one.outcome for one in again], lists(sandbox)) == ([one.outcome for one in parts], before)
    return parts


def lists(sandbox: RunningSandbox) -> set[str]:
    held = [one for one in sandbox.found("sendgrid", email=ADA) if one["kind"] in {"global", "group_entry"}]
    return {str(one.get("group_id", "global")) for one in held}


def test_a_no_to_everything_is_the_global_list_and_a_yes_to_all_takes_it_away(
    sandbox: RunningSandbox, groups: tuple[int, int]
) -> None:
    news, digest = mail("news", groups[0]), mail("digest", groups[1])
    (part,) = tell(sandbox, [news, digest], [], everything=True)
    assert (part.outcome, part.evidence["global"]) == ("verified", True)
    assert lists(sandbox) == {"global", *map(str, groups)}
    tell(sandbox, [], [news, digest])
    assert lists(sandbox) == set()


def test_a_no_to_one_kind_is_its_group_alone(sandbox: RunningSandbox, groups: tuple[int, int]) -> None:
    (part,) = tell(sandbox, [mail("news", groups[0])], [mail("digest", groups[1])])
    assert (part.outcome, part.evidence["groups_left"]) == ("verified", 1)
    assert lists(sandbox) == {str(groups[0])}


def test_a_kind_without_a_group_beside_others_is_never_silently_everything(sandbox: RunningSandbox) -> None:
    (part,) = tell(sandbox, [mail("news")], [mail("digest")])
    assert (part.outcome, part.evidence["purposes"]) == ("no_store", 1)
    assert "no unsubscribe group" in part.evidence["reason"]
    assert lists(sandbox) == set()


def test_the_only_kind_of_mail_may_use_the_global_list(sandbox: RunningSandbox) -> None:
    (part,) = tell(sandbox, [mail("news")], [])
    assert part.evidence["global"] is True
    assert lists(sandbox) == {"global"}


def test_a_yes_to_one_kind_keeps_the_others_out(sandbox: RunningSandbox, groups: tuple[int, int]) -> None:
    news, digest = mail("news", groups[0]), mail("digest", groups[1])
    tell(sandbox, [news, digest], [], everything=True)
    tell(sandbox, [digest], [news])
    assert lists(sandbox) == {str(groups[1])}


def test_a_group_that_is_gone_is_for_a_person_and_never_the_global_list(sandbox: RunningSandbox) -> None:
    with pytest.raises(NeverRetry) as failure:
        tell(sandbox, [mail("news", 4711)], [mail("digest")])
    assert failure.value.code == "sendgrid_group_missing"
    assert lists(sandbox) == set()


def test_what_the_person_chose_there_is_not_ours_to_lift(sandbox: RunningSandbox) -> None:
    sandbox.put("sendgrid", email=ADA, unsubscribed=True, group=True)
    group = next(one["group_id"] for one in sandbox.found("sendgrid", email=ADA) if one["kind"] == "group_entry")
    news = mail("news", group)
    (part,) = tell(sandbox, [news], [], everything=True)
    assert part.evidence["opted_out_before"] is True
    (part,) = tell(sandbox, [], [news])
    assert part.evidence["opted_out_still"] is True
    assert lists(sandbox) == {"global", str(group)}


def test_nothing_to_lift_is_nothing_found(sandbox: RunningSandbox) -> None:
    assert [one.outcome for one in tell(sandbox, [], [mail("news")])] == ["nothing_found"]


@pytest.mark.parametrize("objected", [True, False])
def test_an_erasure_keeps_what_an_objection_put_there_and_it_can_still_be_lifted(
    sandbox: RunningSandbox, objected: bool
) -> None:
    news = mail("news")
    tell(sandbox, [news], [], everything=True)
    connect(sandbox).erase(Person(request_id="r1", addresses=[ADA], objected=objected), NOW)
    assert lists(sandbox) == {"global"}
    tell(sandbox, [], [news])
    assert lists(sandbox) == set()


def test_a_restriction_that_ends_leaves_the_objection_and_the_other_way_round(sandbox: RunningSandbox) -> None:
    news, connector = mail("news"), connect(sandbox)
    for objected in (True, False):
        person = Person(request_id="r1", addresses=[ADA], objected=objected)
        tell(sandbox, [news], [])
        connector.restrict(person, NOW)
        connector.restrict(person, NOW, lifted=True)
        assert lists(sandbox) == {"global"}
    connector.restrict(Person(request_id="r2", addresses=[ADA]), NOW)
    tell(sandbox, [], [news])
    assert lists(sandbox) == {"global"}, "the restriction still stands"
    connector.restrict(Person(request_id="r2", addresses=[ADA]), NOW, lifted=True)
    assert lists(sandbox) == set()
