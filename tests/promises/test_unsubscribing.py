"""§6: one press stops, whoever holds the link."""

from __future__ import annotations

import msgspec
import pytest

from shared import ledger
from shared.failures import BadInput
from shared.promises import objections, unsubscribing
from shared.promises.unsubscribing import Link, LinksWanted
from shared.records import ALL_EVIDENCE
from shared.store import every
from shared.vault import Keyset, Vault, b64url, unb64url
from tests.promises.world import World

ANN = "ann@mail.test"
LONG = f"{'a' * 40}@{'sub.' * 5}mail.test"


def token_of(url: str) -> str:
    return url.partition("?t=")[2]


def stopped(world: World, email: str = ANN) -> dict[str, str]:
    return {name: one.reason for name, one in objections.stopped(world.services, email).items()}


@pytest.mark.parametrize("email", [ANN, LONG])
@pytest.mark.parametrize("name", ["marketing", "marketing_email", "ads"])
def test_a_link_says_whose_it_is_and_of_which_list_and_shows_neither(world: World, email: str, name: str) -> None:
    url = unsubscribing.link(world.services, email, name)
    assert url.startswith("https://pledge.test/unsubscribe?t=")
    assert len(url) < 300
    assert email not in url
    assert name.encode() not in unb64url(token_of(url))
    assert unsubscribing.opened(world.services, token_of(url)) == Link(email, name)


def test_two_links_of_one_address_cannot_be_told_to_be_of_one(world: World) -> None:
    one, other = (token_of(unsubscribing.link(world.services, ANN, "ads")) for _ in range(2))
    assert one != other
    assert one[10:30] != other[10:30]


def test_a_link_works_after_every_rotation_of_keys_and_after_years(world: World) -> None:
    first = Keyset.generate()
    world.services.__dict__["vault"] = Vault(first)
    old = unsubscribing.token(world.services, ANN, "marketing_email")
    world.services.__dict__["vault"] = Vault(first.rotated().rotated().rotated())
    world.advance("P9Y")
    assert unsubscribing.opened(world.services, old) == Link(ANN, "marketing_email")


def spoilt(token: str) -> dict[str, str]:
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"
    return {
        "nothing": "",
        "a guess": "guess",
        "cut short": token[:-1],
        "cut in two": token[:middle],
        "its key's name alone": token[:6],
        "longer": token + "A",
        "one letter another": token[:middle] + other + token[middle + 1 :],
        "padded": token + "==",
        "with a line break": token[:middle] + "\n" + token[middle:],
        "with a blank": token[:middle] + " " + token[middle:],
        "other letters": token.replace("-", "+").replace("_", "/") + "+",
        "no ASCII": "é" * 40,
        "half a surrogate": "\ud800" * 40,
        "zeros": b64url(bytes(80)),
        "very long": "x" * 5000,
    }


@pytest.mark.parametrize("how", spoilt("x" * 40))
def test_a_link_that_was_not_made_here_opens_nothing_and_says_another_way(world: World, how: str) -> None:
    token = spoilt(unsubscribing.token(world.services, ANN, "marketing"))[how]
    with pytest.raises(BadInput) as refused:
        unsubscribing.opened(world.services, token)
    assert refused.value.field == "t"
    assert "https://pledge.test/requests/new?right=objection" in refused.value.rule
    assert world.services.company.contact in refused.value.rule


def test_what_is_sealed_for_another_place_is_no_link(world: World) -> None:
    elsewhere = b64url(world.services.vault.seal("subjects/s1", Link(ANN, "marketing")))
    with pytest.raises(BadInput):
        unsubscribing.opened(world.services, elsewhere)


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("marketing_email", {"marketing_email": "withdrawn"}),
        ("ads", {"ads": "withdrawn"}),
        ("marketing", {"marketing": "objection"}),
        ("a purpose that is gone", {"marketing": "objection"}),
        ("service_mail", {"marketing": "objection"}),
    ],
)
def test_one_press_stops_the_list_of_the_link(world: World, name: str, stops: dict[str, str]) -> None:
    unsubscribing.unsubscribe(world.services, Link(ANN, name))
    assert stopped(world) == stops


def test_one_press_leaves_evidence_that_names_nobody_and_again_leaves_nothing(world: World) -> None:
    for _ in range(3):
        unsubscribing.unsubscribe(world.services, Link(ANN, "marketing_email"))
    entries = [one.record for one in every(world.services.store, ALL_EVIDENCE) if one.record.kind == "withdrawn"]
    assert [entry.facts["via"] for entry in entries] == ["one_click"]
    assert ANN not in str(msgspec.to_builtins(entries[0].facts))
    assert ledger.first_break(world.services.vault, every(world.services.store, ALL_EVIDENCE)) is None


def test_a_stop_is_kept_however_the_address_is_written(world: World) -> None:
    unsubscribing.unsubscribe(world.services, Link("ann+shop@mail.test", "marketing_email"))
    assert stopped(world) == {"marketing_email": "withdrawn"}


# --- headers and links -----------------------------------------------------------------------------------------------


def test_a_marketing_mail_has_both_headers_and_its_link_works(world: World) -> None:
    headers = unsubscribing.headers(world.services, ANN, "marketing_email")
    web, mail = headers["List-Unsubscribe"].split(", ")
    assert unsubscribing.opened(world.services, token_of(web.strip("<>"))) == Link(ANN, "marketing_email")
    assert mail == f"<mailto:{world.services.company.contact}?subject=unsubscribe%20marketing_email>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert all(value.isascii() and value.isprintable() for value in headers.values())


@pytest.mark.parametrize("purpose", ["service_mail", "account", "payments", "legal_records", "unknown"])
def test_service_mail_has_no_unsubscribe_header(world: World, purpose: str) -> None:
    assert unsubscribing.headers(world.services, ANN, purpose) == {}


def test_links_come_by_the_address_as_it_was_sent(world: World) -> None:
    found = unsubscribing.links(
        world.services, LinksWanted(emails=[" Ann@Mail.test ", "bob@mail.test"], name="marketing")
    )
    assert list(found) == [" Ann@Mail.test ", "bob@mail.test"]
    assert unsubscribing.opened(world.services, token_of(found[" Ann@Mail.test "])).email == ANN


@pytest.mark.parametrize(
    ("emails", "name", "field"),
    [
        ([], "marketing", "emails"),
        ([ANN] * 1001, "marketing", "emails"),
        ([ANN, "nobody"], "marketing", "emails.1"),
        ([""], "marketing", "emails.0"),
        ([ANN], "", "list"),
        ([ANN], "newsletter", "list"),
        ([ANN], "service_mail", "list"),
        ([ANN], "Marketing", "list"),
    ],
)
def test_links_are_refused_by_field(world: World, emails: list[str], name: str, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        unsubscribing.links(world.services, LinksWanted(emails=emails, name=name))
    assert refused.value.field == field


def test_a_thousand_links_read_and_write_nothing(world: World) -> None:
    world.services.__dict__["store"] = None
    found = unsubscribing.links(
        world.services, LinksWanted(emails=[f"p{n}@mail.test" for n in range(1000)], name="ads")
    )
    assert len(set(found.values())) == 1000
