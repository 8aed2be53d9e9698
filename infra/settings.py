"""Settings by environment. The only place that reads them; each is resolved when first asked for."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.failures import Misconfigured

EMULATORS = (
    "FIRESTORE_EMULATOR_HOST",
    "PUBSUB_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
    "TASKS_EMULATOR_HOST",
    "KMS_EMULATOR_HOST",
    "SECRETS_EMULATOR_HOST",
)
SANDBOX_ACCOUNTS = {"GA_PROPERTY": "1", "META_AD_ACCOUNT": "1000001"}
SANDBOX_BASES = "sandbox-bases.json"
SAMPLES = Path(__file__).parent / "local" / "samples"


class Settings:
    """The environment, with what the embedded runtime generates where something is absent."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def text(self, name: str) -> str | None:
        """Return a setting, None when absent or empty."""
        return self._environment.get(name) or None

    def listed(self, name: str) -> list[str]:
        """Return a comma-separated setting."""
        return [part.strip() for part in (self.text(name) or "").split(",") if part.strip()]

    @cached_property
    def runtime(self) -> str:
        """Return `local` or `gcp`."""
        runtime = self.text("RUNTIME") or "local"
        if runtime not in {"local", "gcp"}:
            raise Misconfigured("RUNTIME: local or gcp")
        return runtime

    @cached_property
    def on_google(self) -> bool:
        """Tell whether Google Cloud's parts carry it: in the cloud, or as emulators on this machine."""
        return self.runtime == "gcp" or self.emulator("FIRESTORE_EMULATOR_HOST") is not None

    @cached_property
    def sheltered(self) -> bool:
        """Tell whether nothing real may be reached: under the embedded runtime and beside any emulator."""
        return self.runtime == "local" or any(self.text(name) for name in EMULATORS)

    def emulator(self, name: str) -> str | None:
        """Return an emulator's `host:port`, None when absent. Refused unless loopback: it is spoken to in the clear."""
        host = self.text(name)
        if host is not None and not is_loopback(host if "//" in host else f"//{host}"):
            raise Misconfigured(f"{name}: only a loopback address is allowed")
        return host

    def google(self, name: str) -> str | None:
        """Return the emulator that stands in for one of Google's services; None means the real one.

        Refused where we are sheltered and the emulator is not named: beside one emulator, everything is one.
        """
        host = self.emulator(name)
        if host is None and self.sheltered:
            raise Misconfigured(f"{name}: nothing real is reached under RUNTIME=local or beside an emulator")
        return host

    def needed(self, name: str) -> str:
        """Return a setting that must be there. Raises Misconfigured."""
        value = self.text(name)
        if value is None:
            raise Misconfigured(f"{name} is not set")
        return value

    def account(self, name: str) -> str:
        """Return which of a vendor's accounts is ours: it must be there in the cloud; elsewhere it is the sandbox's own."""
        return self.needed(name) if self.runtime == "gcp" else self.text(name) or SANDBOX_ACCOUNTS[name]

    @cached_property
    def port(self) -> int:
        """Return the main port."""
        return int(self.text("PORT") or 8080)

    @cached_property
    def data_dir(self) -> Path:
        """Return the folder that holds everything of the embedded runtime."""
        folder = Path(self.text("DATA_DIR") or ".pledge")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @cached_property
    def base_url(self) -> str:
        """Return where our pages are, without a slash at the end."""
        given = self.needed("PUBLIC_BASE_URL") if self.runtime == "gcp" else self.text("PUBLIC_BASE_URL")
        return (given or f"http://127.0.0.1:{self.port}").rstrip("/")

    def secret(self, name: str, file: str) -> str:
        """Return a secret setting; the embedded runtime generates and keeps one."""
        return self.text(name) or self._generated(name, file, lambda: secrets.token_urlsafe(24))

    def _generated(self, name: str, file: str, make: Callable[[], str]) -> str:
        if self.runtime != "local":
            raise Misconfigured(f"{name} is not set")
        path = self.data_dir / file
        if not path.exists():
            _write_private(path, make())
        return path.read_text().strip()

    def yaml(self, name: str) -> Any:
        """Return a YAML setting, parsed; the embedded runtime starts from our sample."""
        # imported here: 11 ms that calls which need no file of the company's do not pay
        import yaml

        if self.runtime != "local":
            self.needed(name)
        path = Path(self.text(name) or self.data_dir / f"{name.lower().replace('_', '-')}.yaml")
        if not path.exists():
            if self.text(name):
                raise Misconfigured(f"{name}: there is no such file")
            _write_private(path, (SAMPLES / path.name).read_text())
        try:
            return yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        except yaml.YAMLError as error:
            raise Misconfigured(f"{name}: not YAML") from error

    def vendor_base(self, name: str) -> str | None:
        """Return a vendor's base URL. Refused unless loopback where we are sheltered: a test can never reach a vendor."""
        base = self.text(name) or self._sandbox_base(name)
        if self.sheltered and not is_loopback(base or ""):
            raise Misconfigured(f"{name}: only a loopback address is allowed under RUNTIME=local or beside an emulator")
        return base

    def _sandbox_base(self, name: str) -> str | None:
        """Return where the running server has its sandbox: the command line beside it is told nothing else."""
        file = self.data_dir / SANDBOX_BASES if self.runtime == "local" else None
        bases: dict[str, str] = json.loads(file.read_text()) if file and file.exists() else {}
        return bases.get(name)


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _write_private(path: Path, text: str) -> None:
    # written aside and linked: two functions starting at once must end with the same one
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
