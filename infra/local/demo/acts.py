"""What a visitor can do. Each act ends in a redirect to the page that shows it, or in that page with what was wrong."""

from __future__ import annotations

from collections.abc import Callable

import flask

from infra.local.demo import cases, choices, front, people, vendor
from infra.local.demo.pages import see
from infra.local.demo.product import Refusal, path_of
from infra.local.demo.scene import JUMPS, Scene
from infra.local.demo.stored import stored
from shared.times import plus


def _in_place(scene: Scene, place: str, act: Callable[[], flask.Response]) -> flask.Response:
    """Do it; show a refusal where the visitor pressed the button."""
    try:
        return act()
    except Refusal as refusal:
        refusal.place = place
        return front.show(scene, refusal)


def sign_up(scene: Scene) -> flask.Response:
    """Sign somebody up; the consent choices come next."""

    def act() -> flask.Response:
        user_id = people.sign_up(scene.product, scene.people, scene.now, scene.field("name"), scene.field("email"))
        scene.settle()
        return see(path_of("demo", "people", user_id, "choices"), "signed-up")

    return _in_place(scene, "sign-up", act)


def choose(scene: Scene, user_id: str) -> flask.Response:
    """Record the choices; a refusal is shown on the page with the choices."""
    try:
        pending = choices.record(scene.product, user_id, _address(scene, user_id), scene.request.form)
    except Refusal as refusal:
        return front.show_choices(scene, user_id, refusal)
    scene.settle()
    return see("/", "chosen-pending" if pending else "chosen", "people")


def ask_for_deletion(scene: Scene, user_id: str) -> flask.Response:
    """Ask as this person would, by the public form's own call."""

    def act() -> flask.Response:
        scene.product.anyone(
            "POST", "/requests", {"email": _address(scene, user_id), "right": "erasure", "locale": "en"}
        )
        scene.settle()
        return see("/", "asked", "outbox")

    return _in_place(scene, "people", act)


def _address(scene: Scene, user_id: str) -> str:
    found = stored(scene.product, scene.container, user_id) if user_id in scene.people.ids() else None
    if found is None or found.email is None:
        raise Refusal(409, "That is no longer possible", "nobody with an address is known under this id any more")
    return found.email


def move_clock(scene: Scene) -> flask.Response:
    """Move the product's clock ahead; answers when all that fell due is done."""

    def act() -> flask.Response:
        if (duration := scene.field("advance")) not in JUMPS:
            raise Refusal(400, "That request cannot be accepted", "choose one of the buttons", "advance")
        scene.platform.jump(plus(scene.now, duration))
        return see("/", "moved", "clock")

    return _in_place(scene, "clock", act)


def set_fault(scene: Scene) -> flask.Response:
    """Let SendGrid fail, or work again."""

    def act() -> flask.Response:
        vendor.set_fault(scene.product, scene.field("fault"))
        return see("/", "fault-set", "vendor")

    return _in_place(scene, "vendor", act)


def retry(scene: Scene) -> flask.Response:
    """Try a step again, as the operator."""

    def act() -> flask.Response:
        cases.retry(scene.product, scene.field("request_id"), scene.field("subprocessor"))
        scene.settle()
        return see("/", "retried", "steps")

    return _in_place(scene, "steps", act)
