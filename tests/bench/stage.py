"""What is measured: a copy of the product, byte-compiled, and folders of data that a policy was published in.

A copy, because every round must see the same code while people go on writing it.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from infra.container import Container
from infra.local.server import SAMPLE_POLICY
from infra.settings import Settings
from shared.promises import notice
from shared.promises.policy import Draft, publish
from shared.promises.requests import Asked, open_request
from shared.records import DUE_WORK
from tests.bench.load import Body
from tests.bench.serving import Server, clean_environment

ROOT = Path(__file__).parents[2]
DEPLOYED = ("main.py", "functions", "infra", "shared", "terraform")
FRESH = "<fresh>"
ASKED = ["analytics", "ads"]
SECRETS = {
    "INTERNAL_SECRET": "the-bench's-own",
    "WEBSITE_KEYS": "website-key-of-the-bench",
    "OPERATOR_TOKEN": "operator-token-of-the-bench",
}


class Stage:
    """Everything the rounds need, in one scratch folder."""

    def __init__(self, scratch: Path, core: int | None = None) -> None:
        self.product = scratch / "product" / "main.py"
        self.floors = scratch / "floors"
        self._scratch = scratch
        self._core = core
        self._published = scratch / "published"
        self._environment = (
            clean_environment() | SECRETS | {"RUNTIME": "local", "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
        )
        self._copy()
        with_policy(self._published)

    def _copy(self) -> None:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for name in DEPLOYED:
            source, target = ROOT / name, self.product.parent / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy(source, target)
        shutil.copytree(Path(__file__).parent / "floors", self.floors, ignore=ignored)
        command = [sys.executable, "-m", "compileall", "-q", str(self.product.parent), str(self.floors)]
        subprocess.run(command, env=self._environment, check=True, timeout=120)

    def folder(self) -> Path:
        """Return a new folder of data with a policy in force and nothing else in it."""
        path = self._scratch / f"data-{secrets.token_hex(4)}"
        shutil.copytree(self._published, path)
        return path

    def environment(self, folder: Path, **settings: str) -> dict[str, str]:
        """Return a function's environment over a folder of data."""
        return self._environment | {"DATA_DIR": str(folder)} | settings

    def serve(self, name: str, folder: Path, **settings: str) -> Server:
        """Start a floor or a function of the product, by its name."""
        floor = self.floors / f"{name}.py"
        source = floor if floor.exists() else self.product
        return Server(source, name.replace("-", "_"), self.environment(folder, **settings), self._core)

    def functions(self) -> dict[str, Any]:
        """Return the map of functions."""
        loaded: dict[str, Any] = yaml.safe_load((self.product.parent / "terraform" / "functions.yaml").read_text())
        return loaded

    def consent(self) -> Body:
        """Return a browser's decision about two purposes, of a device not seen before."""
        services = container(self._published)
        shown = notice.notice(services.vault, services.policies.current(), ASKED, "en")["notice"]
        said = {
            "subject": {"device_id": FRESH},
            "notice": shown,
            "decisions": dict.fromkeys(ASKED, True),
            "method": "banner",
            "locale": "en",
        }
        return _body(said)

    def erasure(self) -> Body:
        """Return a request for erasure from an address not seen before."""
        return _body({"email": f"{FRESH}@people.example", "right": "erasure", "locale": "en"})


def _body(said: Mapping[str, Any]) -> Body:
    return Body.around(msgspec.json.encode(said).decode(), FRESH)


def container(folder: Path) -> Container:
    """Return the product's services over a folder of data."""
    return Container(Settings({"RUNTIME": "local", "DATA_DIR": str(folder)}))


def with_policy(folder: Path) -> None:
    """Publish our sample policy; the keys are generated on the way."""
    services = container(folder)
    publish(services, Draft(text=SAMPLE_POLICY.read_text(), summary="The sample policy"), by="bench")
    services.store.close()  # type: ignore[attr-defined]


def with_mail_due(folder: Path, requests: int) -> list[str]:
    """Open requests; return the ids of the work that mails their links."""
    services = container(folder)
    for number in range(requests):
        open_request(services, Asked(right="erasure", email=f"person{number}@people.example"), server=False)
    due = services.store.query(DUE_WORK, at_most=services.clock.now(), limit=requests)
    services.store.close()  # type: ignore[attr-defined]
    return [one.id for one in due]
