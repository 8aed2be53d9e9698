"""Google Cloud on one machine: every emulator and fake, and what Terraform would set up in them for one stack."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage, tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from infra.local.server import free_port
from tests.emulators.eventarc import Eventarc
from tests.emulators.firestore import FirestoreEmulator
from tests.emulators.issuer import Issuer
from tests.emulators.pubsub import PubsubEmulator
from tests.emulators.storage import StorageEmulator
from tests.emulators.tasks import TasksEmulator

LOCATION = "europe-west1"
WEBSITE_BUCKET = "uploads"
"""The one of our sample WEBSITE_DATA."""


class Cloud:
    """All of it, started together. `stack` sets one product up, in a project of its own, and returns its environment."""

    def __init__(self) -> None:
        self.firestore = FirestoreEmulator()
        self.pubsub = PubsubEmulator()
        self.issuer = Issuer()
        self.tasks = TasksEmulator(self.issuer)
        self._running = ExitStack()

    def start(self) -> Self:
        """Start everything. Raises Absent where this machine lacks a part."""
        for part in (self.firestore, self.pubsub, self.issuer, self.tasks):
            part.start()
            self._running.callback(part.stop)
        return self

    def stop(self) -> None:
        """Stop everything; nothing is kept."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stack(self, project: str) -> dict[str, str]:
        """Set up queue, topic, subscription and buckets for one product; return the environment that leads it here.

        Names of buckets are the world's, so each product has a storage of its own.
        """
        inside, files = free_port(), StorageEmulator().start()
        self._running.callback(files.stop)
        for name in (f"{project}-evidence", WEBSITE_BUCKET):
            files.bucket(name)
        audience = f"http://127.0.0.1:{inside}/{{function}}"
        topic = f"projects/{project}/topics/policy-published"
        self._topic(topic, audience.replace("{function}", "policy-published"), _account("eventarc", project))
        return {
            "GOOGLE_CLOUD_PROJECT": project,
            # the website's own documents are in the default database: a batch of ours cannot reach there
            "FIRESTORE_DATABASE": "pledge",
            "FIRESTORE_EMULATOR_HOST": self.firestore.host,
            "PUBSUB_EMULATOR_HOST": self.pubsub.host,
            "STORAGE_EMULATOR_HOST": files.url,
            "TASKS_EMULATOR_HOST": self.tasks.host,
            "WORK_QUEUE": self._queue(project, inside, audience.replace("{function}", "work")),
            "POLICY_TOPIC": topic,
            "EVIDENCE_BUCKET": f"{project}-evidence",
            "INTERNAL_PORT": str(inside),
            "OIDC_AUDIENCE": audience,
            "OIDC_CALLERS": ",".join(_account(name, project) for name in ("scheduler", "tasks", "eventarc")),
            "OIDC_CERTS_URL": self.issuer.certs_url,
            "OIDC_TOKENS_URL": self.issuer.token_url,
        }

    def export(self, environment: Mapping[str, str], folder: Path) -> None:
        """Write all that one stack has stored here into a folder: both databases, and every file."""
        project = environment["GOOGLE_CLOUD_PROJECT"]
        for name in (environment["FIRESTORE_DATABASE"], "(default)"):
            self.firestore.export(project, folder / name.strip("()"), name)
        client = storage.Client(
            project, AnonymousCredentials(), client_options={"api_endpoint": environment["STORAGE_EMULATOR_HOST"]}
        )
        for bucket in client.list_buckets():
            for number, blob in enumerate(bucket.list_blobs(versions=True)):
                (folder / f"{bucket.name}-{number}").write_bytes(blob.name.encode() + b"\n" + blob.download_as_bytes())

    def _queue(self, project: str, port: int, audience: str) -> str:
        channel = grpc.insecure_channel(self.tasks.host)
        client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        parent = f"projects/{project}/locations/{LOCATION}"
        target: dict[str, Any] = {
            "uri_override": {
                "scheme": tasks_v2.UriOverride.Scheme.HTTP,
                "host": "127.0.0.1",
                "port": port,
                "path_override": {"path": "/work"},
                "uri_override_enforce_mode": tasks_v2.UriOverride.UriOverrideEnforceMode.ALWAYS,
            },
            "http_method": tasks_v2.HttpMethod.POST,
            "oidc_token": {"service_account_email": _account("tasks", project), "audience": audience},
        }
        queue = client.create_queue(parent=parent, queue={"name": f"{parent}/queues/work", "http_target": target})
        channel.close()
        return str(queue.name)

    def _topic(self, topic: str, function: str, account: str) -> None:
        relay = Eventarc(topic, function, lambda: self.issuer.token(function, account)).start()
        self._running.callback(relay.stop)
        self.pubsub.create_topic(topic)
        self.pubsub.push(topic, relay.push_endpoint)


def _account(name: str, project: str) -> str:
    return f"{name}@{project}.iam.gserviceaccount.com"
