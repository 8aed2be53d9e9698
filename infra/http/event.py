"""The CloudEvent counterpart of `edge`: ask who calls, read the message, run one use case, acknowledge or be sent it again.

A message that can never be used is acknowledged and shown to a person, because sending it again cannot help. Whatever
else goes wrong is answered 401, 403 or 5xx, and the topic delivers again.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import flask
import msgspec

from infra.container import Container, container_of
from infra.http import log
from infra.http.answers import problem_answer
from infra.http.callers import caller_of
from infra.http.edge import Broken, Unavailable, frames
from shared import attention
from shared.failures import BadInput, Refused, TooLarge, TryAgain
from shared.ports import Services

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
MOST_CHARACTERS = 1024
"""Of base64: a message holds ids and nothing else."""
UNUSABLE = "topic_message"
EVENT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
M = TypeVar("M", bound=msgspec.Struct)


class EventEdge(Generic[M]):
    """One function behind a topic; calling it takes one event. `take` may run twice for a message, in any order.

    What `take` refuses (`Refused`) can never be used; what it raises as TryAgain comes again.
    """

    def __init__(self, name: str, message: type[M], take: Callable[[Services, M], None]) -> None:
        self.name = name
        self._decoder = msgspec.json.Decoder(message)
        self._take = take

    def __call__(self, event: CloudEvent) -> None:
        """Take one event. Returning acknowledges it; an answer is raised, and never shows an exception's text."""
        services = container_of(flask.current_app)
        try:
            caller_of(flask.request, services, "internal", self.name)
            self._use(event, services)
        except Refused as refusal:
            answer = problem_answer(refusal, page=False, services=services)
        except TryAgain as trouble:
            log.event("unavailable", self.name, code=trouble.code)
            answer = problem_answer(Unavailable("try again in a moment"), page=False, services=services)
        except Exception as error:  # noqa: BLE001 - the last line: the framework would answer and log its text
            log.event("crashed", self.name, code=type(error).__name__, frames=frames(error))
            answer = problem_answer(Broken("this failed on our side and was reported"), page=False, services=services)
        else:
            return
        flask.abort(answer)

    def _use(self, event: CloudEvent, services: Container) -> None:
        try:
            self._take(services, self._message(event))
        except Refused as refusal:
            name = str(event["id"]) if EVENT_ID.fullmatch(str(event["id"])) else "unnamed"
            log.event("message_unusable", self.name, code=refusal.rule, id=name)
            services.commit(attention.raised(UNUSABLE, self.name, services.clock.now(), refusal.rule, name))

    def _message(self, event: CloudEvent) -> M:
        raw = _carried(event)
        if event["type"] != PUBLISHED or not isinstance(raw, str):
            raise BadInput("not a message of a topic")
        if len(raw) > MOST_CHARACTERS:
            raise TooLarge("too large")
        try:
            return self._decoder.decode(base64.b64decode(raw, validate=True))
        except msgspec.ValidationError:
            # its own words repeat what was sent
            raise BadInput("not the fields expected") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadInput("not JSON") from None
        except ValueError:
            raise BadInput("not base64") from None


def _carried(event: CloudEvent) -> Any:
    data = event.get_data()
    message = data.get("message") if isinstance(data, dict) else None
    return message.get("data") if isinstance(message, dict) else None
