"""The parts of Google Cloud as the bench meets them: one project of their emulators and fakes for each stack.

Firestore's emulator is Google's, in a process of its own. KMS, Cloud Tasks and the issuer of tokens answer from this
process: little is asked of them. A function's environment is what Terraform would give it, and where the emulators are.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.request import Request, urlopen

import grpc
import yaml
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from infra.container import Container
from infra.gcp.keyset import kms, wrap
from infra.settings import SAMPLES, Settings
from infra.subprocessors import CONNECTORS
from shared.annex import ANNEX
from shared.vault import Keyset
from tests.bench.stack import SECRETS, with_policy
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.issuer import Issuer
from tests.emulators.kms import KmsEmulator
from tests.emulators.storage import StorageEmulator
from tests.emulators.tasks import TasksEmulator
from tests.infra.deployed import GIVEN, MAP, OF_TESTS, named

PLACE = "projects/demo-bench/locations/europe-west1"
DATABASE = "pledge"
CALLER = "platform@demo-bench.iam.gserviceaccount.com"
OPERATOR = "operator@company.example"


class Project:
    """One stack: a project, with a database and a bucket of its own."""

    def __init__(self, emulators: Emulators) -> None:
        self._emulators = emulators
        self._name = f"demo-bench-{secrets.token_hex(4)}"
        self._settings = emulators.settings | {
            "GOOGLE_CLOUD_PROJECT": self._name,
            "WEBSITE_PROJECT": self._name,
            "EVIDENCE_BUCKET": f"{self._name}-evidence",
        }
        emulators.storage.bucket(self._settings["EVIDENCE_BUCKET"])
        with_policy(self.services)

    @cached_property
    def services(self) -> Container:
        return Container(Settings(self._settings))

    def environment(self, name: str, given: Mapping[str, str]) -> dict[str, str]:
        entry = MAP.get(name)
        # a floor finds what every function does
        names = (named(entry) if entry else set(GIVEN["every"])) | OF_TESTS
        return {one: value for one, value in {**self._settings, **given}.items() if one in names}

    def platform(self, name: str) -> Mapping[str, str]:
        return self._token(name, CALLER)

    def operator(self) -> Mapping[str, str]:
        return self._token("operator", OPERATOR)

    def _token(self, name: str, account: str) -> Mapping[str, str]:
        audience = self._settings["OIDC_AUDIENCE"].replace("{function}", name)
        return {"Authorization": f"Bearer {self._emulators.issuer.token(audience, account)}"}

    def close(self) -> None:
        self.__dict__.pop("services", None)

    def discard(self) -> None:
        self._emulators.firestore.reset(self._name, DATABASE)

    def count(self, collection: str) -> int:
        """Return how many documents a collection of this stack's database has, by Firestore's own counting."""
        parent = f"projects/{self._name}/databases/{DATABASE}/documents"
        query = {"from": [{"collectionId": collection}]}
        counted = {"structuredQuery": query, "aggregations": [{"alias": "n", "count": {}}]}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer owner"}
        url = f"http://{self._emulators.firestore.host}/v1/{parent}:runAggregationQuery"
        with urlopen(Request(url, json.dumps({"structuredAggregationQuery": counted}).encode(), headers)) as answer:
            return int(json.load(answer)[0]["result"]["aggregateFields"]["n"]["integerValue"])


class Emulators:
    """All parts, started together. Raises Absent where this machine lacks one."""

    on_google = True
    name = "Firestore"

    def __init__(self, scratch: Path) -> None:
        self._company = scratch / "company.yaml"
        self._running = ExitStack()
        self.firestore, self.storage, self.issuer = FirestoreEmulator(), StorageEmulator(), Issuer()
        self._kms, self._tasks = KmsEmulator(), TasksEmulator(self.issuer)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for part in (self.firestore, self.storage, self.issuer, self._kms, self._tasks):
                starting.callback(part.stop)
                part.start()
            self._running = starting.pop_all()
        company = yaml.safe_load((SAMPLES / "company.yaml").read_text())
        company["not_used"] = {entry.name: "not connected" for entry in ANNEX if entry.name not in CONNECTORS}
        self._company.write_text(yaml.safe_dump(company))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def stack(self) -> Project:
        """Return a new one."""
        return Project(self)

    @cached_property
    def settings(self) -> dict[str, str]:
        """Return the settings that all stacks share."""
        key = self._kms.create_key(f"{PLACE}/keyRings/pledge/cryptoKeys/keyset")
        with contextlib.closing(kms(self._kms.host)) as api:
            wrapped = wrap(Keyset.generate(), key, api)
        return SECRETS | {
            "RUNTIME": "gcp",
            "FIRESTORE_DATABASE": DATABASE,
            "FIRESTORE_EMULATOR_HOST": self.firestore.host,
            "STORAGE_EMULATOR_HOST": self.storage.url,
            "TASKS_EMULATOR_HOST": self._tasks.host,
            "WORK_QUEUE": self._queue(),
            "KMS_EMULATOR_HOST": self._kms.host,
            "KEYSET_KEY": key,
            "KEYSET": wrapped,
            "OIDC_AUDIENCE": "https://{function}-123456.europe-west1.run.app",
            "OIDC_CALLERS": CALLER,
            "OIDC_CERTS_URL": self.issuer.certs_url,
            "COMPANY": str(self._company),
            "WEBSITE_DATABASE": "(default)",
            "WEBSITE_DATA": str(SAMPLES / "website-data.yaml"),
            "PUBLIC_BASE_URL": "https://privacy.company.example",
            "WEBSITE_ORIGINS": "https://www.company.example",
            "OPERATORS": OPERATOR,
        }

    def _queue(self) -> str:
        """Return a queue that takes every task and delivers none."""
        with grpc.insecure_channel(self._tasks.host) as channel:
            client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
            queue = client.create_queue(parent=PLACE, queue=tasks_v2.Queue(name=f"{PLACE}/queues/work"))
            client.pause_queue(name=queue.name)
        return str(queue.name)
