"""Pub/Sub: one Publish call for one message.

The SDK's publisher gathers messages in a thread of its own, and a function has no time of its own once it has answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import grpc

from infra.gcp.calls import Api, failure, messages
from shared.failures import Misconfigured
from shared.vault import canonical

SERVICE = "google.pubsub.v1.Publisher"
HOST = "pubsub.googleapis.com:443"
TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
WAITED_SECONDS = 10.0


class PubsubTopic:
    """The `Topic` port on Pub/Sub. `topic`: its full name, `projects/P/topics/T`."""

    def __init__(self, topic: str, emulator: str | None = None) -> None:
        if not TOPIC.fullmatch(topic):
            raise Misconfigured("POLICY_TOPIC: a full name is needed, projects/P/topics/T")
        self._topic = topic
        self._types = messages("google.pubsub_v1", "pubsub")
        api = Api(SERVICE, HOST, emulator)
        self._publish = api.unary("Publish", self._types.PublishRequest, self._types.PublishResponse)

    def publish(self, message: Mapping[str, str]) -> str:
        """Hand over one message; return the id it was given. Raises TryAgain, NeverRetry."""
        said = self._types.PubsubMessage(data=canonical(message))
        asked = self._types.PublishRequest(topic=self._topic, messages=[said])
        routed = (("x-goog-request-params", f"topic={self._topic}"),)
        try:
            answer = self._publish(asked, timeout=WAITED_SECONDS, metadata=routed)
        except grpc.RpcError as error:
            raise failure(error, "pubsub") from None
        return str(answer.message_ids[0])
