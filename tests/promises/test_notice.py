from __future__ import annotations

import pytest

from shared.failures import BadInput, Stale
from shared.promises import notice
from shared.promises.policy import Draft, Published, publish
from tests.promises.world import World


def published(world: World) -> Published:
    return world.services.policies.current()


def test_a_notice_says_what_why_on_what_basis_for_how_long_who_and_the_rights(world: World) -> None:
    shown = notice.notice(world.services.vault, published(world), ["analytics"], "en")
    assert shown["fields"] == ["device type", "pages seen"]
    assert shown["purposes"][0] | {"why": ""} == {
        "name": "analytics",
        "title": "Counting how the site is used",
        "why": "",
        "legal_basis": "consent",
        "asked": True,
        "fields": ["pages seen", "device type"],
        "retention": "14 months",
        "recipients": ["google_analytics", "google_tag_manager"],
    }
    assert [one["name"] for one in shown["recipients"]] == ["google_analytics", "google_tag_manager"]
    assert {"access", "erasure", "objection", "complaint"} <= set(shown["rights"])
    assert shown["policy_hash"] == published(world).policy.hash


def test_the_snapshot_opens_to_what_was_shown(world: World) -> None:
    token = world.notice("analytics", "ads")
    assert notice.opened(world.services.vault, token, published(world)).purposes == ["analytics", "ads"]


@pytest.mark.parametrize(
    "spoil", [lambda t: "", lambda t: "x", lambda t: t[1:], lambda t: t + "x", lambda t: t.partition(".")[0]]
)
def test_a_snapshot_that_was_not_given_out_here_is_forged(world: World, spoil) -> None:
    with pytest.raises(BadInput):
        notice.opened(world.services.vault, spoil(world.notice("ads")), published(world))


def test_a_snapshot_of_an_earlier_version_is_stale(world: World) -> None:
    token = world.notice("ads")
    later = publish(world.services, Draft(text="# Two", version="v2"), "ola")
    with pytest.raises(Stale):
        notice.opened(world.services.vault, token, later)


def test_an_unknown_purpose_is_named(world: World) -> None:
    with pytest.raises(BadInput, match="telepathy is not a purpose"):
        world.notice("telepathy")
