"""§5.1: the file of a copy, by its own link and once."""

from __future__ import annotations

import msgspec
import pytest

from shared import ledger, pieces
from shared.case import Case
from shared.failures import Missing, NeverRetry, Stale
from shared.promises import fetching, requests
from shared.records import Piece
from shared.store import Create
from shared.vault import new_id
from tests.promises.copies import (
    EMAIL,
    PIECES,
    confirmed,
    exports,
    fetched,
    links,
)
from tests.promises.world import World


def test_the_link_works_once_and_the_requests_own_page_mails_a_new_one(world: World) -> None:
    request_id, view = confirmed(world)
    (key,) = links(world)
    assert "manifest.json" in fetched(world, request_id, key)
    with pytest.raises(Stale):
        fetched(world, request_id, key)
    fetching.renew(lambda: requests.with_key(world.services, request_id, view))
    world.run_due()
    assert "manifest.json" in fetched(world, request_id, links(world)[1])


def test_a_new_link_ends_the_one_before(world: World) -> None:
    request_id, view = confirmed(world)
    fetching.renew(lambda: requests.with_key(world.services, request_id, view))
    world.run_due()
    with pytest.raises(Missing):
        fetching.opened(world.services, request_id, links(world)[0])


def test_links_are_renewed_a_few_times_and_no_more(world: World) -> None:
    request_id, view = confirmed(world)
    for _ in range(fetching.MOST_LINKS - 1):
        fetching.renew(lambda: requests.with_key(world.services, request_id, view))
        world.run_due()
    with pytest.raises(Stale):
        fetching.renew(lambda: requests.with_key(world.services, request_id, view))
    assert len(links(world)) == fetching.MOST_LINKS


def test_no_other_key_opens_the_file_and_its_link_opens_nothing_else(world: World) -> None:
    request_id, view = confirmed(world)
    (key,) = links(world)
    other, _ = confirmed(world, email="bob@mail.test")
    for wrong in (view, "", None, "guess", links(world, "bob@mail.test")[0]):
        with pytest.raises(Missing):
            fetching.opened(world.services, request_id, wrong)
    with pytest.raises(Missing):
        fetching.opened(world.services, other, key)
    with pytest.raises(Missing):
        requests.with_key(world.services, request_id, key)


def test_a_download_that_breaks_spends_nothing(world: World) -> None:
    world.stripe.export = exports({"customers": [{"noise": "".join(new_id() for _ in range(200))} for _ in range(400)]})  # type: ignore[method-assign]
    request_id, _ = confirmed(world)
    (key,) = links(world)
    record = Case.read(world.services, request_id).record.export
    assert record is not None
    assert record.pieces > 2
    begun = fetching.fetch(world.services, request_id, key)
    next(begun)
    begun.close()
    assert Case.read(world.services, request_id).record.export == record
    assert "manifest.json" in fetched(world, request_id, key)


def test_the_file_is_stored_sealed_in_pieces_and_goes_after_two_weeks_with_the_addresses(world: World) -> None:
    world.account("u1", EMAIL, name="Ann Canary")
    request_id, view = confirmed(world)
    (key,) = links(world)
    stored = world.services.store.query(PIECES)
    assert stored
    assert not any(b"Canary" in one.record.sealed for one in stored)
    assert Case.read(world.services, request_id).has_envelope
    world.advance("P15D")
    assert world.services.store.query(PIECES) == []
    assert not Case.read(world.services, request_id).has_envelope
    with pytest.raises(Stale):
        fetching.opened(world.services, request_id, key)
    with pytest.raises(Stale):
        fetching.renew(lambda: requests.with_key(world.services, request_id, view))
    assert world.view(request_id)["status"] == "completed"


def test_a_piece_that_was_moved_to_another_place_does_not_open(world: World) -> None:
    request_id, _ = confirmed(world)
    export = Case.read(world.services, request_id).record.export
    assert export is not None
    stored = world.services.store.get(Piece, f"{export.id}:0000")
    assert stored is not None
    world.services.store.commit([Create("elsewhere:0000", stored.record)])
    moved = msgspec.structs.replace(export, id="elsewhere")
    with pytest.raises(NeverRetry):
        list(pieces.read(world.services.store, world.services.vault, moved))


def test_every_act_is_evidence_and_no_entry_names_the_person(world: World) -> None:
    world.account("u1", EMAIL)
    request_id, _ = confirmed(world)
    fetched(world, request_id, links(world)[0])
    entries = [one.record for one in ledger.stream_of(world.services.store, request_id)]
    kinds = [entry.kind for entry in entries]
    assert [kind for kind in kinds if kind.startswith("copy.")] == ["copy.asked", "copy.ready", "copy.fetched"]
    assert not any(word in repr(entry.facts) for entry in entries for word in (EMAIL, "u1'"))
