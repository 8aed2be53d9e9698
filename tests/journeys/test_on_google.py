"""The running product on Google Cloud's parts, while those parts fail: lost, doubled, forged, frozen, killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from infra.gcp.firestore_store import FirestoreStore
from shared.records import Work
from shared.store import Query, every
from tests.emulators.absence import Absent, skip_or_fail
from tests.emulators.cloud import Cloud
from tests.journeys.house import Answer, House

pytestmark = pytest.mark.journey
AT_ONCE = 16
SOON_SECONDS = 20


@pytest.fixture(scope="module")
def own_cloud() -> Iterator[Cloud]:
    """A cloud of this module's own: its parts are killed here."""
    running = Cloud()
    try:
        running.start()
    except Absent as absent:
        running.stop()
        skip_or_fail(absent)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def house(own_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    built = House(tmp_path_factory.mktemp("google") / "data", own_cloud).start()
    yield built
    built.stop()


@pytest.fixture
def tasks(own_cloud: Cloud) -> Iterator[Any]:
    """Cloud Tasks, whose switches are put back."""
    yield own_cloud.tasks
    own_cloud.tasks.heal()
    own_cloud.tasks.deliver_twice = own_cloud.tasks.shuffle = False
    own_cloud.tasks.lose_next(0)


def soon(true: Callable[[], Any]) -> Any:
    """Wait until it is; return what it says."""
    until = time.monotonic() + SOON_SECONDS
    while not (found := true()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)
    return found


def token(house: House, function: str, account: str = "scheduler", **changed: Any) -> str:
    """Return an ID token for an internal function, as the platform's account sends it."""
    assert house.cloud is not None
    audience = house.environment["OIDC_AUDIENCE"].replace("{function}", function)
    email = account if "@" in account else f"{account}@{house.project}.iam.gserviceaccount.com"
    return house.cloud.issuer.token(audience, email, **changed)


def inside(house: House, function: str, body: Any = None, bearer: str | None = None) -> Answer:
    """Call an internal function where the platform calls it."""
    url = f"http://127.0.0.1:{house.environment['INTERNAL_PORT']}/{function}"
    sent = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return house.call("POST", url, body if body is not None else {}, **sent)


def work_of(house: House, ref: str, kind: str) -> list[str]:
    """Return the ids of the work that waits for something."""
    found = every(database(house), Query(Work))
    return [stored.id for stored in found if (stored.record.ref, stored.record.kind) == (ref, kind)]


def database(house: House) -> FirestoreStore:
    named = house.environment
    return FirestoreStore(house.project, named["FIRESTORE_DATABASE"], named["FIRESTORE_EMULATOR_HOST"])


def subjects(house: House, to: str) -> list[str]:
    return [mail["subject"] for mail in house.mails(to)]


# --- the queue --------------------------------------------------------------------------------------------------------


def test_a_mail_goes_out_because_the_queue_says_now(house: House) -> None:
    house.ask("now@mail.test")
    assert len(soon(lambda: subjects(house, "now@mail.test"))) == 1


def test_a_task_that_is_lost_is_found_by_the_sweep(house: House, tasks: Any) -> None:
    tasks.lose_next(100)
    house.ask("lost@mail.test")
    time.sleep(0.5)
    assert subjects(house, "lost@mail.test") == []
    tasks.lose_next(0)
    assert inside(house, "sweep", bearer=token(house, "sweep")).json["announced"] >= 1
    assert len(soon(lambda: subjects(house, "lost@mail.test"))) == 1


@pytest.mark.parametrize("code", ["UNAVAILABLE", "PERMISSION_DENIED", "DEADLINE_EXCEEDED", "NOT_FOUND"])
def test_a_queue_that_refuses_never_fails_the_request_and_the_sweep_does_the_rest(
    house: House, tasks: Any, code: str
) -> None:
    address = f"refused-{code.lower()}@mail.test"
    tasks.fail(grpc.StatusCode[code])
    house.ask(address)
    assert subjects(house, address) == []
    tasks.heal()
    assert f'"event":"queue_unavailable","function":"queue","code":"{code}"' in house.log.read_text()
    assert inside(house, "sweep", bearer=token(house, "sweep")).status == 200
    assert len(soon(lambda: subjects(house, address))) == 1


def test_tasks_delivered_twice_and_out_of_order_send_each_mail_once(house: House, tasks: Any) -> None:
    tasks.deliver_twice = tasks.shuffle = True
    addresses = [f"twice{number}@mail.test" for number in range(10)]
    for address in addresses:
        house.ask(address)
    for address in addresses:
        soon(lambda address=address: subjects(house, address))
    # the second deliveries come too
    time.sleep(0.5)
    assert {address: len(subjects(house, address)) for address in addresses} == dict.fromkeys(addresses, 1)


def test_sixteen_deliveries_of_one_item_at_once_do_it_once(house: House, tasks: Any) -> None:
    tasks.lose_next(100)
    request_id = house.ask("sixteen@mail.test")
    tasks.lose_next(0)
    (mail,) = work_of(house, request_id, "request.mail")
    bearer = token(house, "work", "tasks")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: inside(house, "work", {"id": mail}, bearer), range(AT_ONCE)))
    assert {answer.status for answer in answers} == {200}
    assert [answer.json["ran"] for answer in answers].count("done") >= 1
    assert len(subjects(house, "sixteen@mail.test")) == 1


def test_sixteen_confirmations_of_one_request_at_once_verify_it_once(house: House) -> None:
    house.sign_up("u16", "one.of.sixteen@mail.test")
    request_id = house.ask("one.of.sixteen@mail.test")
    link = house.link("one.of.sixteen@mail.test", f"/requests/{request_id}/confirm?t=")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = sorted(answer.status for answer in pool.map(lambda _: house.post(link), range(AT_ONCE)))
    assert statuses == [200, *[409] * (AT_ONCE - 1)]
    house.settle()
    entries = house.operator("GET", f"/operator/evidence/{request_id}").json["entries"]
    assert [one["kind"] for one in entries].count("verified") == 1


# --- who calls --------------------------------------------------------------------------------------------------------

FORGED: dict[str, tuple[int, Callable[[House], str | None]]] = {
    "no token": (401, lambda _: None),
    "not a token": (401, lambda _: "x.y.z"),
    "an expired one": (
        401,
        lambda house: token(house, "sweep", exp=int(time.time()) - 600, iat=int(time.time()) - 4200),
    ),
    "for another function": (401, lambda house: token(house, "work")),
    "for another audience": (401, lambda house: token(house, "sweep", aud="https://elsewhere.example")),
    "by another issuer": (401, lambda house: token(house, "sweep", iss="https://issuer.example")),
    "of a stranger's account": (403, lambda house: token(house, "sweep", "mallory@other.iam.gserviceaccount.com")),
    "of an address nobody verified": (403, lambda house: token(house, "sweep", email_verified=False)),
}


@pytest.mark.parametrize("name", FORGED)
def test_nobody_else_calls_an_internal_function(house: House, name: str) -> None:
    status, forged = FORGED[name]
    answer = inside(house, "sweep", bearer=forged(house))
    assert answer.status in {status, 401}, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert inside(house, "sweep", bearer=token(house, "sweep")).status == 200


@pytest.mark.parametrize("function", ["work", "sweep", "deadlines", "retention", "checkpoints", "policy-published"])
def test_internal_functions_are_not_among_the_public_ones(house: House, function: str) -> None:
    assert house.post(f"/{function}", {"id": "x"}, Authorization=f"Bearer {token(house, function)}").status in {
        400,
        404,
    }


# --- the topic --------------------------------------------------------------------------------------------------------


def test_publishing_a_policy_opens_its_campaign_by_way_of_the_topic(house: House, tmp_path: Path) -> None:
    policy = tmp_path / "policy.md"
    policy.write_text("# Ours, changed\n\nWe changed it.\n")
    house.pledge("publish", str(policy), "--version", "topic-1", "--summary", "x")
    opened = soon(lambda: [one for one in campaigns(house) if one.record.version == "topic-1"])
    assert house.operator("GET", f"/operator/campaigns/{opened[0].id}").json["version"] == "topic-1"


def campaigns(house: House) -> list[Any]:
    from shared.records import ALL_CAMPAIGNS

    return database(house).query(ALL_CAMPAIGNS)


# --- the database -----------------------------------------------------------------------------------------------------


def test_a_database_that_does_not_answer_is_said_and_nothing_is_half_written(house: House) -> None:
    assert house.cloud is not None
    with house.cloud.firestore.frozen():
        answer = house.post("/requests", {"email": "frozen@mail.test", "right": "erasure"})
    assert answer.status == 503, answer.text
    assert house.ask("frozen@mail.test")
    assert len(soon(lambda: subjects(house, "frozen@mail.test"))) >= 1


def test_a_database_killed_in_the_middle_of_an_erasure_ends_it_right(house: House, tmp_path: Path) -> None:
    assert house.cloud is not None
    firestore = house.cloud.firestore
    house.sign_up("killed", "killed@mail.test", name="Kim")
    house.hold("killed", {"users/killed": {"name": "Kim"}, "users/killed/notes/n": {"text": "canary"}})
    view = house.confirm("killed@mail.test", house.ask("killed@mail.test"))["status_url"]
    seeds = tmp_path / "seeds"
    own = firestore.export(house.project, seeds / "own", house.environment["FIRESTORE_DATABASE"])
    firestore.stop()
    assert house.get(view).status == 503
    assert house.post("/requests", {"email": "away@mail.test", "right": "erasure"}).status == 503
    # what a memory-only emulator had is what the export holds; the website's own database comes back empty
    firestore.start(own)
    soon(lambda: house.get(view).status == 200)
    house.advance("P14D")
    shown = house.get(view).json
    assert shown["status"] in {"completed", "awaiting_vendors"}, shown
    assert shown["promise"]["met"] is True
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True


# --- the evidence -----------------------------------------------------------------------------------------------------


def test_each_day_ends_in_a_signed_checkpoint_in_the_bucket_and_the_verifier_goes_on_from_it(house: House) -> None:
    house.advance("P2D")
    said = house.pledge("verify")
    assert "intact" in said
    assert house.operator("POST", "/operator/evidence/verify").json["intact"] is True
