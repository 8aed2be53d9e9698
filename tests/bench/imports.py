"""Which libraries one real call of a function loads, and which of them it has no use for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests.bench.first_calls import FIRST_CALLS, LEFT
from tests.bench.load import Failed
from tests.bench.serving import TROUBLES
from tests.bench.stack import Runtime, Stack
from tests.bench.stage import Stage

PROBE = """
import json, sys
from functions_framework import create_app
target, source, signature, method, path, body, headers = json.loads(sys.argv[1])
client = create_app(target=target, source=source, signature_type=signature).test_client()
answer = client.open(path, method=method, data=body.encode() if body else None, headers=headers)
print(json.dumps([answer.status_code, sorted(sys.modules)]))
"""
INTERNAL = ("task", "schedule", "topic")
Uses = dict[str, tuple[str, ...]]
VENDORS: Uses = {
    "sendgrid": (),
    "stripe": ("STRIPE_",),
    "facebook_business": ("META_",),
}
"""Each library, and what begins the settings, secrets, roles and triggers of the map that have a use for it."""
GOOGLES: Uses = {
    "grpc": ("datastore.",),
    "google.cloud.firestore_v1": ("datastore.",),
    "google.cloud.kms_v1": ("KEYSET",),
    "google.cloud.tasks_v2": ("cloudtasks.",),
    "google.pubsub_v1": ("pubsub.",),
    "google.auth": (*INTERNAL, "OIDC_", "storage."),
    "google.api_core": ("storage.",),
    "google.cloud.storage": ("storage.",),
    "requests": ("storage.",),
    "google.cloud.firestore": (),
    "google.cloud.pubsub_v1": (),
    "google.cloud.secretmanager_v1": (),
}
"""The same of Google's, and of what they bring along. The embedded runtime has a use for none."""
CLIENT = re.compile(r"(google\.[\w.]+)\.services\.\w+\.(?:async_)?client")
"""An SDK's own client, which nobody has a use for: its message types and a channel do."""


class Loaded(msgspec.Struct, frozen=True):
    """What one call loaded of all these, and what of it for nothing."""

    libraries: list[str]
    unused: list[str]


def loaded(stage: Stage, runtime: Runtime, name: str, given: Mapping[str, str]) -> Loaded:
    """Make a function's first call in a process of its own. Raises Failed when it does not do its work."""
    stack = runtime.stack()
    modules = _called(stage, stack, name, given)
    if name in LEFT and not LEFT[name](stack):
        raise Failed(f"{name} on {runtime.name}: it answered, and what it is called for is not done")
    stack.discard()
    return judged(modules, stage.functions[name], on_google=runtime.on_google)


def judged(modules: Sequence[str], entry: Mapping[str, Any], *, on_google: bool) -> Loaded:
    """Tell which of the modules loaded a function of this entry has no use for."""
    has = [*entry["settings"], *entry["secrets"], *entry["roles"], *entry["trigger"]]
    uses = VENDORS | GOOGLES if on_google else VENDORS
    used = {one for one, beginnings in uses.items() if any(each.startswith(beginnings) for each in has)}
    libraries = [one for one in VENDORS | GOOGLES if one in modules]
    clients = {f"{found[1]}'s clients" for one in modules if (found := CLIENT.fullmatch(one))}
    return Loaded(libraries, [*(one for one in libraries if one not in used), *sorted(clients)])


def _called(stage: Stage, stack: Stack, name: str, given: Mapping[str, str]) -> list[str]:
    call, program = FIRST_CALLS[name](stack), stage.program(name)
    stack.close()
    body = call.body.decode() if call.body else None
    asked = [program.target, str(program.source), program.signature, call.method, call.path, body, dict(call.headers)]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, msgspec.json.encode(asked).decode()],
        cwd=program.source.parent,
        env=stage.environment(stack.environment(name, given)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.returncode != 0 or any(trouble in ran.stderr for trouble in TROUBLES):
        raise Failed(f"{name}: {ran.stderr[-2000:]}")
    status, modules = msgspec.json.decode(ran.stdout.splitlines()[-1])
    if not 200 <= status < 300:
        raise Failed(f"{name}: {status} in the probe")
    return list(modules)
