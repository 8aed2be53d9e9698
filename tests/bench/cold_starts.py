"""P5: from spawning `functions-framework` to the first real answer, for every function of the map."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from infra.local.server import Sandbox
from tests.bench.load import Failed, fresh
from tests.bench.serving import Call
from tests.bench.stage import FRESH, SECRETS, Stage, with_mail_due

HELLO = "hello"
HELLOS_A_ROUND = 3
SDKS = {"SENDGRID": ("sendgrid", "python_http_client"), "STRIPE": ("stripe",), "META": ("facebook_business",)}
CLOUD = (
    "google.cloud.firestore",
    "google.cloud.tasks_v2",
    "google.cloud.kms",
    "google.cloud.secretmanager",
    "google.cloud.storage",
    "grpc",
)
PROBE = """
import json, sys
from functions_framework import create_app
target, source, method, path, body, headers = json.loads(sys.argv[1])
client = create_app(target=target, source=source).test_client()
answer = client.open(path, method=method, data=body.encode() if body else None, headers=headers)
print(json.dumps([answer.status_code, sorted(sys.modules)]))
"""


class Opening(msgspec.Struct, frozen=True):
    """What first calls are made of."""

    consent: bytes
    due: list[str]


class Start(msgspec.Struct, frozen=True):
    """One cold start: wall time to the answer, and what the processor did for it."""

    ms: float
    cpu_ms: float


def _json(body: object) -> bytes:
    return msgspec.json.encode(body)


def _post(body: bytes, **headers: str) -> Call:
    return Call("POST", "/", body, {"Content-Type": "application/json"} | headers)


def _internal(_opening: Opening, body: bytes = b"") -> Call:
    return _post(body, **{"X-Pledge-Internal": SECRETS["INTERNAL_SECRET"]})


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS[secret]}"}


def _mail(opening: Opening) -> Call:
    # the one job that meets a vendor's library: mails the link of a request
    return _internal(opening, _json({"id": opening.due.pop()}))


def _account(_opening: Opening) -> Call:
    said = {"user_id": fresh(), "email": f"{fresh()}1@people.example", "email_verified": True}
    return _post(_json(said), **_bearer("WEBSITE_KEYS"))


FIRST_CALLS: Mapping[str, Callable[[Opening], Call]] = {
    HELLO: lambda _: _post(b"{}"),
    "policy": lambda _: Call("GET", "/notice?purposes=analytics,ads"),
    "consents": lambda opening: _post(opening.consent.replace(FRESH.encode(), fresh().encode())),
    "requests": lambda _: _post(_json({"email": f"{fresh()}1@people.example", "right": "erasure"})),
    "subjects": _account,
    "operator": lambda _: Call("GET", "/requests", headers=_bearer("OPERATOR_TOKEN")),
    "site": lambda _: Call("GET", "/.well-known/jwks.json"),
    "work": _mail,
    "sweep": _internal,
    "deadlines": _internal,
    "retention": _internal,
}
"""A realistic first call of each function. A function without one fails the bench: give it one."""


class ColdStarts:
    """The stage of P5: one folder of data with mail to send, and the vendors' sandbox."""

    def __init__(self, stage: Stage, rounds: int) -> None:
        self._stage = stage
        self._rounds = rounds
        self._folder = stage.folder()
        self.names = list(stage.functions())
        missing = [name for name in self.names if name not in FIRST_CALLS]
        if missing:
            raise Failed(f"no first call is known for {', '.join(missing)}: add it to FIRST_CALLS")
        # one for the warm-up, one for the probe
        due = with_mail_due(self._folder, rounds + 2)
        consent = stage.consent()
        self._opening = Opening(f"{consent.head}{FRESH}{consent.tail}".encode(), due)

    def run(self) -> tuple[dict[str, list[Start]], dict[str, list[str]]]:
        """Return the starts of each function and of hello, and which SDKs each function imported."""
        sandbox = Sandbox(self._folder, self._stage.environment(self._folder, SENDGRID_API_KEY="bench"))
        settings = {"SENDGRID_API_BASE": f"{sandbox.base}/sendgrid", "SENDGRID_API_KEY": "bench"}
        try:
            sandbox.wait()
            for name in [HELLO, *self.names]:
                # the first start compiles what it imports, so that every measured one finds it compiled
                self._start(name, settings)
            starts = self._starts(settings)
            return starts, {name: self._imported(name, settings) for name in self.names}
        finally:
            sandbox.stop()

    def _starts(self, settings: Mapping[str, str]) -> dict[str, list[Start]]:
        starts: dict[str, list[Start]] = {name: [] for name in [HELLO, *self.names]}
        for _ in range(self._rounds):
            floors = []
            for place, name in enumerate(self.names):
                if place % (len(self.names) // HELLOS_A_ROUND) == 0:
                    floors.append(self._start(HELLO, settings))
                starts[name].append(self._start(name, settings))
            # one floor for the round, steadier than one start
            starts[HELLO].append(sorted(floors, key=lambda start: start.ms)[len(floors) // 2])
        return starts

    def _start(self, name: str, settings: Mapping[str, str]) -> Start:
        call = FIRST_CALLS[name](self._opening)
        with self._stage.serve(name, self._folder, **settings) as server:
            server.ask(call)
            ms = (time.perf_counter() - server.spawned_at) * 1e3
            return Start(ms, server.cpu_seconds() * 1e3)

    def _imported(self, name: str, settings: Mapping[str, str]) -> list[str]:
        """Return the SDKs that one real call imports."""
        call = FIRST_CALLS[name](self._opening)
        body = call.body.decode() if call.body else None
        source = str(self._stage.product)
        asked = [name.replace("-", "_"), source, call.method, call.path, body, dict(call.headers)]
        environment = self._stage.environment(self._folder, **settings)
        command = [sys.executable, "-c", PROBE, _json(asked).decode()]
        ran = subprocess.run(
            command, cwd=Path(source).parent, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if ran.returncode != 0:
            raise Failed(f"{name}: {ran.stderr[-2000:]}")
        status, modules = msgspec.json.decode(ran.stdout.splitlines()[-1])
        if not 200 <= status < 300:
            raise Failed(f"{name}: {status} in the probe")
        known = [sdk for sdks in SDKS.values() for sdk in sdks] + list(CLOUD)
        return [sdk for sdk in known if sdk in modules]

    def unused(self, name: str, imported: list[str]) -> list[str]:
        """Return the SDKs that a function imported without having that vendor's settings or secrets in the map."""
        entry = self._stage.functions()[name]
        given = [*entry["settings"], *entry["secrets"]]
        vendors = [vendor for vendor in SDKS if any(one.startswith(vendor) for one in given)]
        used = {sdk for vendor in vendors for sdk in SDKS[vendor]}
        return [sdk for sdk in imported if sdk not in used]
