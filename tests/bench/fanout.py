"""P7: telling everybody of a new version: read, unseal, sign each link, build and post calls of 1,000, record.

The floor builds and posts the same bodies from addresses in memory with the standard library; beside it, as an anchor, the
vendor's own helpers do the same. On Firestore the floor is its own client's stream of the same documents. Memory is that of a
process of its own, so that nothing measured before counts.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache, partial
from multiprocessing import get_context
from typing import Any
from urllib.request import Request, urlopen

from google.cloud import firestore
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Content, CustomArg, Email, Personalization, Substitution, To
from sendgrid.helpers.mail import Mail as SendgridMail

from functions.work import HANDLERS
from infra.container import Container, settle
from infra.mails.compose import Mail, compose
from infra.mails.postman import PREFERENCES_TAG
from infra.settings import Settings
from shared import notice_call, references, work
from shared.promises import campaigns
from shared.promises.policy import Draft, publish
from tests.bench.load import Failed
from tests.bench.stack import Runtime, Stack
from tests.bench.table import Goal, Line, Spread, ratios, say
from tests.journeys import crowd

PEOPLE, PEOPLE_ON_GOOGLE = 50_000, 5_000
INSTANCES = 2
FEW, MANY = 1_000, 1_000_000
GOAL = Goal(0.6, at_least=True)
GOAL_OF_STREAM = Goal(0.7, at_least=True)
FLAT = Goal(1.10, at_least=False)
VERSION = "v2"
PAGE = "https://privacy.company.example/unsubscribe/preferences?t="
TOKEN_CHARS = 110
KEY = "key-of-the-bench"
Floor = Callable[[Container, int], None]
Teller = Callable[[Container], None]


@contextmanager
def sink() -> Iterator[str]:
    """Run the sink; yield its address."""
    command = [sys.executable, "-m", "tests.bench.sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def measure(runtime: Runtime, rounds: int) -> list[Line]:
    """Tell the same crowd again each round, and let the floor do its part of it."""
    count = PEOPLE_ON_GOOGLE if runtime.on_google else PEOPLE
    with sink() as base:
        stack = runtime.stack()
        settings = stack.environment("work", {"SENDGRID_API_BASE": base, "SENDGRID_API_KEY": KEY})
        services = Container(Settings(settings))
        crowd.gather(services, count)
        settle()  # as a deployed function does with its first call
        floors = {"stream": _stream} if runtime.on_google else {"post": _post, "vendor": _post_as_the_vendor_does}
        _addresses(count)  # in memory before anything is timed
        with _instances(settings) as instances:
            tellers: dict[str, Teller] = {"ours": _in_this_thread}
            tellers |= {} if runtime.on_google else {"instances": partial(_beside_each_other, instances)}
            found = [_round(services, floors, tellers, number, count) for number in range(rounds)]
        stack.close()
        if runtime.on_google:
            lines = [_compared(found, "stream", "ours", f"{count} documents streamed / told", GOAL_OF_STREAM)]
        else:
            lines = [
                _compared(found, "post", "ours", f"{count} posted by a bare loop / told", GOAL),
                _compared(found, "post", "vendor", f"{count} posted by a bare loop / by the vendor's helpers"),
                _compared(found, "vendor", "ours", f"{count} posted by the vendor's helpers / told"),
                _compared(found, "post", "instances", f"{count} posted by a bare loop / told by {INSTANCES} processes"),
                _memory(runtime, base),
            ]
        stack.discard()
    say(f"\nP7: {count} people; ours {count / min(one['ours'] for one in found):.0f} a second in one thread")
    return lines


def _round(
    services: Container, floors: Mapping[str, Floor], tellers: Mapping[str, Teller], number: int, count: int
) -> dict[str, float]:
    times = {name: _timed(lambda floor=floor: floor(services, count)) for name, floor in floors.items()}
    for name, teller in tellers.items():
        version = f"{VERSION}-{number}-{name}"
        publish(services, Draft(text=f"# Policy\n\nRound {number} of {name}.", version=version), "bench")
        times[name] = _timed(lambda teller=teller, version=version: _tell(services, version, teller))
        _check(services, version, count)
    return times


def _timed(act: object) -> float:
    began = time.perf_counter()
    act()  # type: ignore[operator]
    return time.perf_counter() - began


def _compared(found: list[dict[str, float]], floor: str, against: str, what: str, goal: Goal | None = None) -> Line:
    return Line("P7", what, ratios([one[floor] for one in found], [one[against] for one in found]), goal=goal)


def _tell(services: Container, version: str, teller: Teller) -> None:
    """Run a campaign's work to its end."""
    campaigns.open_campaign(services, campaigns.Announcement(version))
    teller(services)


def _check(services: Container, version: str, count: int) -> None:
    """Raise Failed when somebody was left out."""
    shown = campaigns.shown(services, campaigns.campaign_id(version))
    if (shown["state"], shown["sent"]) != ("done", count):
        raise Failed(f"P7: {shown}")


def _in_this_thread(services: Container) -> None:
    while due := work.due(services):
        for one in due:
            work.run(services, one.id, HANDLERS)


def _beside_each_other(instances: Executor, services: Container) -> None:
    under_way: dict[Future[None], str] = {}
    while True:
        due = {one.id for one in work.due(services)} - set(under_way.values())
        under_way |= {instances.submit(_instance_runs, id): id for id in due}
        if not under_way:
            return
        for done in wait(under_way, return_when=FIRST_COMPLETED).done:
            del under_way[done]


@contextmanager
def _instances(settings: Mapping[str, str]) -> Iterator[Executor]:
    """Run processes that do work, as instances of the deployed function do."""
    spawned = get_context("spawn")
    with ProcessPoolExecutor(INSTANCES, spawned, _instance_begins, (settings,)) as pool:
        list(pool.map(time.sleep, [0.5] * INSTANCES))  # all of them are there before anything is timed
        yield pool


_instance: list[Container] = []


def _instance_begins(settings: Mapping[str, str]) -> None:
    _instance.append(Container(Settings(settings)))
    settle()


def _instance_runs(work_id: str) -> None:
    work.run(_instance[0], work_id, HANDLERS)


def _post(services: Container, people: int) -> None:
    """Build and post the same bodies with nothing but the standard library."""
    base = services.settings.needed("SENDGRID_API_BASE")
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    mail = _mail(services)
    for number, some in _calls(people):
        body = json.dumps(_body(mail, some, number)).encode()
        with urlopen(Request(f"{base}/v3/mail/send", body, headers)) as answer:
            answer.read()


def _post_as_the_vendor_does(services: Container, people: int) -> None:
    """Build and post them with the vendor's client and its helpers."""
    client = SendGridAPIClient(KEY, host=services.settings.needed("SENDGRID_API_BASE"))
    mail = _mail(services)
    for number, some in _calls(people):
        client.send(_helped(mail, some, number))


def _mail(services: Container) -> Mail:
    return compose(notice_call.MAIL, "", _given(services))


@lru_cache(maxsize=1)
def _addresses(people: int) -> list[str]:
    return [crowd.email(n) for n in range(people)]


def _calls(people: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each call, and its addresses."""
    most = references.MOST_IN_A_BATCH
    return ((at // most, _addresses(people)[at : at + most]) for at in range(0, people, most))


def _given(services: Container) -> dict[str, Any]:
    company = services.company
    more = {"company": company, "contact": company.contact, "policy_url": "/policy", "preferences_url": PREFERENCES_TAG}
    return notice_call.words(services, "v1") | more


def _link(n: int) -> str:
    return f"{PAGE}{n:0{TOKEN_CHARS}}"


def _reference(number: int, n: int) -> str:
    return f"b.p0000000000000000-00-{number:05}.{n}"


def _body(mail: Mail, some: Sequence[str], number: int) -> dict[str, Any]:
    return {
        "from": {"email": "service@company.example"},
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "personalizations": [
            {
                "to": [{"email": email}],
                "substitutions": {PREFERENCES_TAG: _link(n)},
                "custom_args": {"pledge": _reference(number, n)},
            }
            for n, email in enumerate(some)
        ],
    }


def _helped(mail: Mail, some: Sequence[str], number: int) -> SendgridMail:
    made = SendgridMail(Email("service@company.example"), subject=mail.subject)
    made.content = [Content("text/plain", mail.text), Content("text/html", mail.html)]
    for n, email in enumerate(some):
        one = Personalization()
        one.add_to(To(email))
        one.add_substitution(Substitution(PREFERENCES_TAG, _link(n)))
        one.add_custom_arg(CustomArg("pledge", _reference(number, n)))
        made.add_personalization(one)
    return made


def _stream(services: Container, people: int) -> None:
    """Read the same documents with the vendor's own client, as it hands them out."""
    settings = services.settings
    # this client finds the emulator by its name in the environment alone
    os.environ["FIRESTORE_EMULATOR_HOST"] = settings.needed("FIRESTORE_EMULATOR_HOST")
    client = firestore.Client(settings.needed("GOOGLE_CLOUD_PROJECT"), database=settings.text("FIRESTORE_DATABASE"))
    accounts = client.collection("subjects").where(filter=firestore.FieldFilter("kind", "==", "account"))
    count = sum(1 for _ in accounts.stream())
    if count != people:
        raise Failed(f"P7: {count} accounts")


# --- memory -----------------------------------------------------------------------------------------------------------


def _memory(runtime: Runtime, base: str) -> Line:
    """Compare the most memory that telling few and telling many takes, each in a process of its own."""
    few, many = (_peak(runtime.stack(), base, count) for count in (FEW, MANY))
    say(f"\nP7: at most {few / 1024:.0f} MiB with {FEW} people, {many / 1024:.0f} MiB with {MANY}")
    return Line("P7", f"memory with {MANY} people / with {FEW}", Spread.of([many / few]), goal=FLAT)


def _peak(stack: Stack, base: str, count: int) -> int:
    environment = stack.environment("work", {"SENDGRID_API_BASE": base, "SENDGRID_API_KEY": KEY})
    crowd.gather(stack.services, count)
    stack.close()
    command = [sys.executable, "-m", "tests.bench.fanout"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    stack.discard()
    return int(said)


def main(environment: Mapping[str, str] | None = None) -> None:
    """Tell everybody, and print the most memory this process ever had, in KiB."""
    services = Container(Settings(environment) if environment else Settings())
    settle()
    publish(services, Draft(text="# Policy\n\nMeasured.", version=VERSION), "bench")
    campaigns.open_campaign(services, campaigns.Announcement(VERSION))
    _in_this_thread(services)
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")


if __name__ == "__main__":
    main()
