"""The demo site: plays a small website, Sample Rooms, and shows beside it what Pledge does.

It acts over the public contract alone, with the website's key, as a website's own server would. GET changes nothing;
what changes something is posted by our own pages and by nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from infra.container import Container
from infra.local.demo import acts, front, mails
from infra.local.demo.guard import refuse_other_sites
from infra.local.demo.pages import refused
from infra.local.demo.product import Refusal
from infra.local.demo.scene import Scene
from infra.local.queue import LocalPlatform

MOST_BYTES = 64 * 1024
Handler = Callable[..., flask.Response]


def _read(path: str, handler: Handler) -> Rule:
    return Rule(path, methods=["GET"], endpoint=handler)


def _act(path: str, handler: Handler) -> Rule:
    return Rule(path, methods=["POST"], endpoint=handler)


ADDRESSES = Map(
    [
        _read("/", front.show),
        _read("/demo", front.show),
        _read("/outbox", front.show_outbox),
        _read("/demo/mails/<mail_id>", lambda scene, mail_id: mails.preview(scene.product, mail_id)),
        _read("/demo/people/<user_id>/choices", front.show_choices),
        _act("/demo/people", acts.sign_up),
        _act("/demo/people/<user_id>/choices", acts.choose),
        _act("/demo/people/<user_id>/deletion", acts.ask_for_deletion),
        _act("/demo/clock", acts.move_clock),
        _act("/demo/sendgrid", acts.set_fault),
        _act("/demo/retry", acts.retry),
    ],
    strict_slashes=False,
    merge_slashes=False,
)


def demo(request: flask.Request, container: Container, platform: LocalPlatform, sandbox_base: str) -> flask.Response:
    """Answer a page or an act of the demo. Never raises for what a visitor sends."""
    request.max_content_length = MOST_BYTES
    scene = Scene(request, container, platform)
    try:
        handler, path = _match(request)
        if request.method == "POST":
            refuse_other_sites(request, container.base_url)
        return handler(scene, **path)
    except Refusal as refusal:
        return refused(scene, refusal)
    except HTTPException as error:
        # only werkzeug's own parsing raises these; its texts may repeat what was sent
        return refused(scene, Refusal(error.code or 400, "That could not be read", "the form could not be read"))


def _match(request: flask.Request) -> tuple[Handler, dict[str, Any]]:
    try:
        handler, path = ADDRESSES.bind("").match(request.path, request.method)
    except MethodNotAllowed:
        raise Refusal(405, "That method is not for this address", "open the page and use its buttons") from None
    except NotFound:
        raise Refusal(404, "Not found", "there is nothing at this address") from None
    return handler, dict(path)
