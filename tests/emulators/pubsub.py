"""Google's own Pub/Sub emulator, started without gcloud so that the process is Java's own. It keeps all in memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from infra.local.server import free_port
from tests.emulators.absence import Absent
from tests.emulators.firestore import java, sdk

JARS = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
READY_WITHIN_SECONDS = 60.0


class PubsubEmulator:
    """One process on 127.0.0.1, on the same port each time it is started. Topics are gone once it stops."""

    def __init__(self) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start and wait until it answers. Raises Absent without Java or the emulator."""
        assert self._process is None, "it runs already"
        command = [java(), "-Xmx128m", "-Duser.language=en", "-jar", str(jar()), "--host=127.0.0.1"]
        command.append(f"--port={self.port}")
        with tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            if not self._answers(time.monotonic() + READY_WITHIN_SECONDS):
                self.stop()
                said.seek(0)
                raise RuntimeError(f"the Pub/Sub emulator did not start: {said.read().decode()[-2000:]}")
        return self

    def _answers(self, until: float) -> bool:
        while time.monotonic() < until and self._process and self._process.poll() is None:
            try:
                with urlopen(f"http://{self.host}/", timeout=5):
                    return True
            except (URLError, OSError):
                time.sleep(0.05)
        return False

    def stop(self) -> None:
        """Kill it: its topics, subscriptions and messages are gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_topic(self, topic: str) -> None:
        """Create a topic by its full name, `projects/P/topics/T`, through Google's own client."""
        with self._client("PublisherClient") as publisher:
            publisher.create_topic(request={"name": topic})

    def push(self, topic: str, endpoint: str, again_after_seconds: int = 1) -> None:
        """Have a topic's messages pushed to an endpoint, and again after so many seconds until it answers 2xx."""
        from google.protobuf.duration_pb2 import Duration

        waited = Duration(seconds=again_after_seconds)
        asked = {
            "name": f"{topic.replace('/topics/', '/subscriptions/')}-push",
            "topic": topic,
            "push_config": {"push_endpoint": endpoint},
            "retry_policy": {"minimum_backoff": waited, "maximum_backoff": waited},
        }
        with self._client("SubscriberClient") as subscriber:
            subscriber.create_subscription(request=asked)

    @contextmanager
    def _client(self, kind: str) -> Iterator[Any]:
        # the client reads the emulator's address from the environment alone, when it is made
        from google.cloud import pubsub_v1

        before = os.environ.get("PUBSUB_EMULATOR_HOST")
        os.environ["PUBSUB_EMULATOR_HOST"] = self.host
        try:
            client = getattr(pubsub_v1, kind)()
        finally:
            os.environ.pop("PUBSUB_EMULATOR_HOST")
            if before is not None:
                os.environ["PUBSUB_EMULATOR_HOST"] = before
        try:
            yield client
        finally:
            client.transport.close()


def jar() -> Path:
    """Return the emulator's archive. Raises Absent."""
    found = sorted(sdk().glob(JARS))
    if not found:
        raise Absent("gcloud has no pubsub-emulator component")
    return found[-1]
