"""The embedded runtime: every function, the sandbox beside them, a demo site and a clock to move, on one port."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from werkzeug.serving import WSGIRequestHandler, make_server

from infra.container import Container, settle
from infra.local.functions import FrontDoor, apps, function_map, public
from infra.local.inside import Inside
from infra.local.queue import LocalPlatform, LocalQueue
from infra.settings import SANDBOX_ACCOUNTS, SANDBOX_BASES, Settings
from shared.promises.policy import IN_FORCE, Draft, publish
from shared.records import InForce

SAMPLE_POLICY = Path(__file__).parent / "samples" / "policy.md"
READY_WITHIN_SECONDS = 20.0
VENDORS_BASES = {
    "sendgrid": "SENDGRID_API_BASE",
    "stripe": "STRIPE_API_BASE",
    "google": "GA_API_BASE",
    "meta": "META_API_BASE",
}
VENDORS_KEYS = {
    "SENDGRID_API_KEY": "sendgrid-api-key",
    "STRIPE_API_KEY": "stripe-api-key",
    "META_ACCESS_TOKEN": "meta-api-key",
    "STRIPE_WEBHOOK_SECRETS": "stripe-webhook-secret",
}


class QuietHandler(WSGIRequestHandler):
    """No request lines: paths hold tokens and addresses."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


class Sandbox:
    """The vendors' stand-in, as its own process; it ends with ours, however ours ends."""

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "infra.local.sandbox", "--port", str(self.port), "--data-dir", str(data_dir)]
        command.append("--follow-stdin")
        # it watches its standard input, which closes even when we are killed
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)

    @property
    def base(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until it answers. Raises RuntimeError when it does not."""
        until = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urlopen(f"{self.base}/healthz", timeout=2):
                    return
            except (URLError, OSError):
                time.sleep(0.02)
        raise RuntimeError("the sandbox did not start")

    def settle(self) -> None:
        """Wait until the webhooks it sends have arrived."""
        with contextlib.suppress(URLError, OSError), urlopen(f"{self.base}/webhooks/settled", data=b"", timeout=30):
            pass

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=5)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def main() -> None:
    """Start everything and print one address."""
    os.umask(0o077)  # what stands in DATA_DIR is personal data
    settings = Settings()
    environment = dict(os.environ) | {"DATA_DIR": str(settings.data_dir.resolve())}
    for name, file in VENDORS_KEYS.items():
        environment[name] = settings.secret(name, file)
    environment = SANDBOX_ACCOUNTS | environment | {"PRODUCT_BASE": f"http://127.0.0.1:{settings.port}"}
    sandbox = Sandbox(settings.data_dir.resolve(), environment)
    for vendor, name in VENDORS_BASES.items():
        environment.setdefault(name, f"{sandbox.base}/{vendor}")
    bases = {name: environment[name] for name in VENDORS_BASES.values()}
    (settings.data_dir / SANDBOX_BASES).write_text(json.dumps(bases))
    server = _server(Settings(environment), sandbox)
    sandbox.wait()
    _stop_on_signals(server)
    _say(Settings(environment))
    server.serve_forever()
    sandbox.stop()


def _server(settings: Settings, sandbox: Sandbox) -> Any:
    from infra.local.controls import controls

    queue = LocalQueue()
    container = Container(settings, None if settings.on_google else queue)
    _check(container)
    built = apps(container)
    inside = Inside(built)
    platform = LocalPlatform(container, built, queue, inside.wait, sandbox.settle)
    door = FrontDoor(built, public(function_map()), controls(container, platform, sandbox.base))
    server = make_server(
        settings.text("HOST") or "127.0.0.1", settings.port, door, threaded=True, request_handler=QuietHandler
    )
    settle()
    platform.start()
    if settings.on_google:
        _serve_inside(settings, inside)
    return server


def _serve_inside(settings: Settings, inside: Inside) -> None:
    port = int(settings.needed("INTERNAL_PORT"))
    server = make_server("127.0.0.1", port, inside, threaded=True, request_handler=QuietHandler)
    threading.Thread(target=server.serve_forever, name="inside", daemon=True).start()


def _check(container: Container) -> None:
    """Refuse to start on a wrong setting; publish our sample policy on an empty stack."""
    _ = (container.company, container.website_data, container.website_keys, container.operator_tokens)
    if container.store.get(InForce, IN_FORCE) is None:
        publish(container, Draft(text=SAMPLE_POLICY.read_text(), summary="The sample policy"), by="set-up")


def _stop_on_signals(server: Any) -> None:
    def stop(*_: object) -> None:
        # shutdown waits for the serving loop, which this thread is
        threading.Thread(target=server.shutdown, daemon=True).start()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def _say(settings: Settings) -> None:
    folder = settings.data_dir
    sys.stdout.write(
        f"Pledge is ready: {settings.base_url}\n"
        f"  operator token   {folder / 'operator-token'}  {settings.secret('OPERATOR_TOKEN', 'operator-token')}\n"
        f"  website key      {folder / 'website-key'}  {(settings.listed('WEBSITE_KEYS') or [settings.secret('WEBSITE_KEYS', 'website-key')])[0]}\n"
        f"  company          {settings.text('COMPANY') or folder / 'company.yaml'}\n"
        f"  website's data   {settings.text('WEBSITE_DATA') or folder / 'website-data.yaml'}\n"
        f"  everything else  {folder}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
