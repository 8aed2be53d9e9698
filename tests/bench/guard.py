"""P10: the guard as it is deployed, asked about devices that said yes, against `hello`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from shared.promises import consents, notice
from shared.promises.consents import Decided, Who
from tests.bench.load import Body, Failed, posted
from tests.bench.loads import HEADS, Against, Found, absolute
from tests.bench.rounds import WARM_UP_SECONDS, Round
from tests.bench.serving import Call
from tests.bench.stack import SECRETS, Runtime, Stack
from tests.bench.stage import Stage
from tests.bench.table import Goal, Line, say, table

SCRIPT = Path(__file__).with_name("bearer.lua")
HELLO, GUARD = "hello", "processing"
DEVICES = 1000
PURPOSE = "analytics"
BODY = Body.around(f'{{"subject":{{"device_id":"device-<n>"}},"purpose":"{PURPOSE}"}}', "<n>")
GOAL = Goal(0.6, at_least=True)


def measure(stage: Stage, runtime: Runtime, rounds: int, seconds: int) -> list[Line]:
    """Ask about a thousand devices in turn, both in turn."""
    found: Found = {HELLO: [], GUARD: []}
    for number in range(rounds):
        for name in [HELLO, GUARD] if number % 2 else [GUARD, HELLO]:
            found[name].append(_round(stage, runtime, name, seconds))
    say(f"\nP10: {BODY.bytes} bytes of body, {DEVICES} devices in turn")
    say(table(HEADS, [absolute(name, each) for name, each in found.items()]))
    return Against("P10", found, GUARD, HELLO).lines(throughput=GOAL)


def _round(stage: Stage, runtime: Runtime, name: str, seconds: int) -> Round:
    stack = runtime.stack()
    _decided(stack)
    stack.close()
    bearer = SECRETS["WEBSITE_KEYS"]
    arguments = (BODY.head, BODY.tail, str(DEVICES), bearer)
    with stage.serve(name, stack.environment(name, {})) as server:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
        answer = server.ask(Call("POST", "/", BODY.named("1"), headers))
        if name == GUARD and msgspec.json.decode(answer) != {"allowed": True, "reasons": []}:
            raise Failed(f"{GUARD}: a yes that stands was answered {answer!r}")
        posted(server.port, SCRIPT, WARM_UP_SECONDS, *arguments)
        before = server.cpu_seconds()
        seen = posted(server.port, SCRIPT, seconds, *arguments)
        cpu = server.cpu_seconds() - before
        memory = server.memory()
        server.check_log()
    stack.discard()
    return Round(seen, cpu / seen.requests * 1e6, memory, seen.requests, None, None)


def _decided(stack: Stack) -> None:
    services = stack.services
    published = services.policies.current()
    shown = notice.notice(services.vault, published, [PURPOSE], "en")["notice"]
    for number in range(1, DEVICES + 1):
        who = Who(device_id=f"device-{number}")
        said = Decided(subject=who, notice=shown, decisions={PURPOSE: True}, method="banner")
        consents.capture(services, published, said, server=False, key=None)
