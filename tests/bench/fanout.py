"""P7: telling everybody of a new version: read, unseal, sign each link, build and post calls of 1,000, record.

The floor builds and posts the same bodies from addresses in memory, over the same client. Memory is that of a process of its
own, so that nothing measured before counts.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.request import Request, urlopen

from functions.work import HANDLERS
from infra.container import Container
from infra.mails.compose import Mail, compose
from infra.mails.postman import PREFERENCES_TAG
from infra.settings import Settings
from shared import notice_call, references, work
from shared.promises import campaigns
from shared.promises.policy import Draft, publish
from shared.records import ACCOUNTS
from shared.store import every
from tests.bench.load import Failed
from tests.bench.stack import Runtime, Stack
from tests.bench.table import Goal, Line, Spread, ratios, say
from tests.journeys import crowd

PEOPLE, PEOPLE_ON_GOOGLE = 50_000, 20_000
FEW, MANY = 1_000, 100_000
GOAL = Goal(0.6, at_least=True)
GOAL_OF_STREAM = Goal(0.7, at_least=True)
FLAT = Goal(1.10, at_least=False)
VERSION = "v2"
LINK = f"https://privacy.company.example/unsubscribe/preferences?t={'x' * 110}"


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
        settings = stack.environment("work", {"SENDGRID_API_BASE": base, "SENDGRID_API_KEY": "key-of-the-bench"})
        services = Container(Settings(settings))
        crowd.gather(services, count)
        found = [_round(services, number, count) for number in range(rounds)]
        stack.close()
        lines = [_compared(found, "post", f"{count}: bare loop that posts", GOAL)]
        if runtime.on_google:
            lines = [_compared(found, "stream", f"{count}: bare document stream", GOAL_OF_STREAM)]
        else:
            lines.append(_memory(runtime, base))
        stack.discard()
    say(f"\nP7: {count} people; ours {count / min(one['ours'] for one in found):.0f} a second in one thread")
    return lines


def _round(services: Container, number: int, count: int) -> dict[str, float]:
    times = {"post": _timed(lambda: _post(services, count)), "stream": _timed(lambda: _stream(services, count))}
    publish(services, Draft(text=f"# Policy\n\nRound {number}.", version=f"{VERSION}-{number}"), "bench")
    times["ours"] = _timed(lambda: _tell(services, f"{VERSION}-{number}", count))
    return times


def _timed(act: object) -> float:
    began = time.perf_counter()
    act()  # type: ignore[operator]
    return time.perf_counter() - began


def _compared(found: list[dict[str, float]], floor: str, what: str, goal: Goal) -> Line:
    ratio = ratios([one[floor] for one in found], [one["ours"] for one in found])
    return Line("P7", f"policy mail to {what} / ours", ratio, goal=goal)


def _tell(services: Container, version: str, count: int) -> None:
    """Run the campaign's work to its end, in this thread. Raises Failed when somebody was left out."""
    campaigns.open_campaign(services, campaigns.Announcement(version))
    while due := work.due(services):
        for one in due:
            work.run(services, one.id, HANDLERS)
    shown = campaigns.shown(services, campaigns.campaign_id(version))
    if (shown["state"], shown["sent"]) != ("done", count):
        raise Failed(f"P7: {shown}")


def _post(services: Container, people: int) -> None:
    """Build and post the same bodies with nothing but the standard library."""
    base = services.settings.needed("SENDGRID_API_BASE")
    addresses = iter([crowd.email(n) for n in range(people)])
    mail = compose(notice_call.MAIL, "", _given(services))
    number = 0
    while some := list(islice(addresses, references.MOST_IN_A_BATCH)):
        body = json.dumps(_body(mail, some, number)).encode()
        headers = {"Authorization": "Bearer key-of-the-bench", "Content-Type": "application/json"}
        with urlopen(Request(f"{base}/v3/mail/send", body, headers)) as answer:
            answer.read()
        number += 1


def _given(services: Container) -> dict[str, Any]:
    company = services.company
    more = {"company": company, "contact": company.contact, "policy_url": "/policy", "preferences_url": PREFERENCES_TAG}
    return notice_call.words(services, "v1") | more


def _body(mail: Mail, some: list[str], number: int) -> dict[str, Any]:
    return {
        "from": {"email": "service@company.example"},
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "personalizations": [
            {
                "to": [{"email": one}],
                "substitutions": {PREFERENCES_TAG: LINK},
                "custom_args": {"pledge": f"b.p0000000000000000-00-{number:05}.{n}"},
            }
            for n, one in enumerate(some)
        ],
    }


def _stream(services: Container, people: int) -> None:
    count = sum(1 for _ in every(services.store, ACCOUNTS, "account"))
    if count != people:
        raise Failed(f"P7: {count} accounts")


# --- memory -----------------------------------------------------------------------------------------------------------


def _memory(runtime: Runtime, base: str) -> Line:
    """Compare the most memory that telling few and telling many takes, each in a process of its own."""
    few, many = (_peak(runtime.stack(), base, count) for count in (FEW, MANY))
    say(f"\nP7: at most {few / 1024:.0f} MiB with {FEW} people, {many / 1024:.0f} MiB with {MANY}")
    return Line("P7", f"memory with {MANY} people / with {FEW}", Spread.of([many / few]), goal=FLAT)


def _peak(stack: Stack, base: str, count: int) -> int:
    environment = stack.environment("work", {"SENDGRID_API_BASE": base, "SENDGRID_API_KEY": "key-of-the-bench"})
    crowd.gather(stack.services, count)
    stack.close()
    command = [sys.executable, "-m", "tests.bench.fanout"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    stack.discard()
    return int(said)


def main(environment: Mapping[str, str] | None = None) -> None:
    """Tell everybody, and print the most memory this process ever had, in KiB."""
    services = Container(Settings(environment) if environment else Settings())
    publish(services, Draft(text="# Policy\n\nMeasured.", version=VERSION), "bench")
    campaigns.open_campaign(services, campaigns.Announcement(VERSION))
    while due := work.due(services):
        for one in due:
            work.run(services, one.id, HANDLERS)
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")


if __name__ == "__main__":
    main()
