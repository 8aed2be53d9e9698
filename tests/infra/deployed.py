"""A product as Terraform deploys it, on Google Cloud's parts: what every setting and secret is, and each function alone."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from infra.container import Container
from infra.gcp.keyset import kms, wrap
from infra.local.server import SAMPLE_POLICY
from infra.settings import EMULATORS, SAMPLES, SANDBOX_ACCOUNTS, Settings
from shared.promises.policy import Draft, publish
from shared.vault import Keyset
from tests.contracts.running_sandbox import RunningSandbox
from tests.emulators.cloud import Cloud
from tests.emulators.kms import KmsEmulator
from tests.infra.signing_sendgrid import PUBLIC_KEY

ROOT = Path(__file__).parents[2]
MAP: dict[str, Any] = yaml.safe_load((ROOT / "terraform" / "functions.yaml").read_text())
GIVEN: dict[str, Any] = yaml.safe_load((ROOT / "terraform" / "environment.yaml").read_text())
OF_TESTS = frozenset({*EMULATORS, "OIDC_CERTS_URL"})
"""What leads to the emulators. In the cloud nobody gives it; that is how a function knows where it is."""
BASE = "https://privacy.sample-rooms.example"
WEBSITE = "https://www.sample-rooms.example"


class Ask(NamedTuple):
    """One call, and the status it must be answered with."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = {}
    status: int = 200


def named(entry: Mapping[str, Any]) -> set[str]:
    """Return what a function of this entry finds in its environment, as `terraform/locals.tf` works it out."""
    names = {*GIVEN["every"], *entry["settings"], *entry["secrets"]}
    names |= set() if "http" in entry["trigger"] else set(GIVEN["internal"])
    names |= {name for role in entry["roles"] for name in GIVEN["roles"].get(role, [])}
    return names | {name for secret in entry["secrets"] for name in GIVEN["secrets"].get(secret, [])}


class Alone:
    """A function in a process and an empty folder of its own. `asked`: what of the environment it asked for so far."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.asked: set[str] = set()
        self._folder = tempfile.TemporaryDirectory()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("one_edge.py")), str(ROOT), name],
            env=dict(environment),
            cwd=self._folder.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def call(self, ask: Ask) -> tuple[int, str]:
        """Call it; return status and body."""
        sent = {"method": ask.method, "path": ask.path, "body": ask.body, "headers": dict(ask.headers)}
        self._process.stdin.write(json.dumps(sent) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended: {self.said()}"
        answer = json.loads(line)
        self.asked |= set(answer["asked"])
        return answer["status"], answer["text"]

    def said(self) -> str:
        """Return what it logged."""
        self._said.seek(0)
        return self._said.read().decode()

    def events(self) -> set[str]:
        """Return the names of the events it logged."""
        return set(re.findall(r'"event":"(\w+)"', self.said()))

    def left(self) -> list[str]:
        """Return the files it wrote where it ran."""
        return [path.name for path in Path(self._folder.name).rglob("*")]

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)
        self._said.close()
        self._folder.cleanup()


STRIPE_WEBHOOK_SECRET = "whsec_of-this-test-alone"
STRIPE_KEY, META_TOKEN = "sk_test_0123456789abcdefghij", "token-of-this-test-alone"
META_APP_SECRET = "0123456789abcdef0123456789abcdef"


class Deployed:
    """One product in a project of its own, where `v2` of a policy is in force. `services` has every setting there is."""

    def __init__(self, cloud: Cloud, keys: KmsEmulator, folder: Path) -> None:
        self._issuer = cloud.issuer
        secret = "SG.the-sandboxs-own-key.of-this-test-alone"
        self._sandbox = RunningSandbox(folder, {"sendgrid": secret, "stripe": STRIPE_KEY, "meta": META_TOKEN})
        stack = cloud.stack(f"demo-{secrets.token_hex(6)}")
        self.environment = {
            **stack,
            **_settings(stack["GOOGLE_CLOUD_PROJECT"], folder),
            **_keyset(stack["GOOGLE_CLOUD_PROJECT"], keys),
            "SENDGRID_API_KEY": secret,
            "SENDGRID_API_BASE": self._sandbox.url("sendgrid"),
            "STRIPE_API_BASE": self._sandbox.url("stripe"),
            "GA_API_BASE": self._sandbox.url("google"),
            "META_API_BASE": self._sandbox.url("meta"),
            "STRIPE_API_KEY": STRIPE_KEY,
            "META_ACCESS_TOKEN": META_TOKEN,
            "META_APP_SECRETS": META_APP_SECRET,
            "STRIPE_WEBHOOK_SECRETS": STRIPE_WEBHOOK_SECRET,
            "SENDGRID_WEBHOOK_PUBLIC_KEY": PUBLIC_KEY,
            "SENDGRID_INBOUND_PUBLIC_KEY": PUBLIC_KEY,
            **SANDBOX_ACCOUNTS,
        }
        self.services = Container(Settings(self.environment))
        for version in ("v1", "v2"):
            publish(
                self.services, Draft(text=f"{SAMPLE_POLICY.read_text()}\n{version}\n", version=version), by="the test"
            )

    def start(self, name: str, without: Iterable[str] = ()) -> Alone:
        """Start a function with what its entry names and no more, or even less."""
        names = (named(MAP[name]) | OF_TESTS & set(self.environment)) - set(without)
        return Alone(name, {one: self.environment[one] for one in names})

    def bearer(self, secret: str) -> dict[str, str]:
        """Return the header of the website's server."""
        return {"Authorization": f"Bearer {self.environment[secret]}"}

    def platform(self, name: str) -> dict[str, str]:
        """Return the header of the platform's own call of a function."""
        audience = self.environment["OIDC_AUDIENCE"].replace("{function}", name)
        return {"Authorization": f"Bearer {self._issuer.token(audience, self.environment['OIDC_CALLERS'])}"}

    def operator(self, account: str | None = None) -> dict[str, str]:
        """Return the header of an operator, or of another account: in the cloud each shows an ID token of their own."""
        audience = self.environment["OIDC_AUDIENCE"].replace("{function}", "operator")
        return {"Authorization": f"Bearer {self._issuer.token(audience, account or self.environment['OPERATORS'])}"}

    def close(self) -> None:
        """End what was started."""
        self._sandbox.close()


def _settings(project: str, folder: Path) -> dict[str, str]:
    company = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    company |= {"cooling_off": "PT0H"}
    (folder / "company.yaml").write_text(yaml.safe_dump(company))
    return {
        "RUNTIME": "gcp",
        "COMPANY": str(folder / "company.yaml"),
        "WEBSITE_DATA": str(SAMPLES / "website-data.yaml"),
        "WEBSITE_PROJECT": project,
        "WEBSITE_DATABASE": "(default)",
        "PUBLIC_BASE_URL": BASE,
        "WEBSITE_ORIGINS": WEBSITE,
        "WEBSITE_KEYS": "website-key-of-this-test",
        "OPERATORS": "ola@sample-rooms.example",
        "OIDC_CALLERS": f"platform@{project}.iam.gserviceaccount.com",
    }


def _keyset(project: str, keys: KmsEmulator) -> dict[str, str]:
    name = keys.create_key(f"projects/{project}/locations/europe-west1/keyRings/pledge/cryptoKeys/keyset")
    opened = kms(keys.host)
    wrapped = wrap(Keyset.generate(), name, opened)
    opened.close()
    return {"KMS_EMULATOR_HOST": keys.host, "KEYSET_KEY": name, "KEYSET": wrapped}
