"""Our own records in an export: all that are the person's, and none that are another's."""

from __future__ import annotations

from typing import Any

from shared import identity, own_export
from shared.mail_reading.received import Mail
from shared.ports import Person
from shared.promises import inbound, objections, people, requests
from shared.promises.requests import Asked
from shared.records import InboundMail
from shared.store import Query
from shared.website import read_files
from tests.promises.world import World

EMAIL = "ann@mail.test"
SHARED = "family@mail.test"


def person(world: World, email: str, request_id: str) -> Person:
    found = people.by_address(world.services, email)
    own, shared = people.own_and_shared(world.services, found, email)
    return Person(
        request_id=request_id,
        refs=[one.ref for one in found],
        known=[one.known for one in found],
        addresses=own,
        shared_addresses=shared,
    )


def shown(world: World, email: str = EMAIL) -> dict[str, list[dict[str, Any]]]:
    asked = requests.open_request(world.services, Asked(right="access", email=email), server=True)
    whom = person(world, email, asked["request_id"])
    return own_export.shown(world.services.store, world.services.vault, whom)


def test_links_are_shown_with_their_keyed_code_and_without_other_peoples(world: World) -> None:
    world.account("u1", SHARED)
    world.account("u2", SHARED)
    (found,) = [one for one in people.by_address(world.services, SHARED) if one.known.user_id == "u1"]
    whom = Person(request_id="r", refs=[found.ref], known=[found.known])
    links = own_export.shown(world.services.store, world.services.vault, whom)["links"]
    assert [(one["kind"], one["identifier"], one["source"]) for one in links] == [
        ("user", "u1", "server"),
        ("email", SHARED, "server"),
    ]
    assert links[1]["reference"] == identity.alias(world.services.vault, "email", SHARED)
    assert not any("ref" in one for one in links)


def test_requests_are_shown_with_what_was_written_and_the_one_that_asks_is_not(world: World) -> None:
    world.account("u1", EMAIL)
    asked = Asked(right="erasure", email=EMAIL, details="my old account too")
    request_id = str(requests.open_request(world.services, asked, server=False)["request_id"])
    world.confirm(EMAIL, request_id)
    (one,) = shown(world)["requests"]
    assert (one["request_id"], one["right"], one["details"]) == (request_id, "erasure", "my old account too")
    assert {mail["mail"] for mail in one["mails"]} == {"request_confirm", "request_verified"}


def test_a_request_that_was_proved_for_another_account_is_not_shown(world: World) -> None:
    world.account("u1", SHARED)
    world.account("u2", SHARED)
    answer = world.confirm(SHARED)
    requests.choose(world.services, answer["request_id"], answer["status_url"].partition("?key=")[2], [2])
    ask = requests.open_request(world.services, Asked(right="access", email=SHARED), server=True)["request_id"]
    first, second = people.by_address(world.services, SHARED)
    for one, expected in ((first, []), (second, [answer["request_id"]])):
        whom = Person(request_id=ask, refs=[one.ref], known=[one.known], addresses=[SHARED])
        found = own_export.shown(world.services.store, world.services.vault, whom)["requests"]
        assert [each["request_id"] for each in found] == expected


def test_what_a_person_objected_to_is_shown(world: World) -> None:
    world.account("u1", EMAIL)
    stop = objections.stop(world.services, EMAIL, ["marketing"], "objection", "form")
    world.services.commit(stop)
    (one,) = shown(world)["stops"]
    assert (one["stopped"], one["reason"]) == ("marketing", "objection")


def test_a_mail_that_waits_for_a_person_and_a_consent_that_waits_are_shown(world: World) -> None:
    world.account("u1", EMAIL)
    inbound.take(world.services, Mail(senders=[EMAIL], text="Do not delete my account."))
    assert world.services.store.query(Query(InboundMail))
    world.decide({"marketing_email": True}, device_id="device-0001", email=EMAIL)
    found = shown(world)
    assert [one["text"] for one in found["mails"]] == ["Do not delete my account."]
    assert [one["purposes"] for one in found["waiting_consents"]] == [["marketing_email"]]


def test_nobody_has_nothing(world: World) -> None:
    world.account("u1", EMAIL)
    nobody = own_export.shown(world.services.store, world.services.vault, Person(request_id="none"))
    assert not any(nobody.values())


def test_files_beyond_the_limit_are_listed_with_their_size_and_smaller_ones_are_read() -> None:
    class Files:
        def read_file(self, bucket: str, path: str) -> bytes | None:
            return {"a": b"12345", "b": b"123456", "c": b"12"}.get(path)

    places = [("b", name) for name in ("a", "b", "gone", "c")]
    read, left_out = read_files(Files(), places, most_bytes=8)  # type: ignore[arg-type]
    assert read == {"gs://b/a": b"12345", "gs://b/c": b"12"}
    assert left_out == [{"file": "gs://b/b", "bytes": 6}]
