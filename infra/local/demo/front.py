"""What a visitor sees: the front page with the state of everything, the outbox, and the consent choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flask

from infra.local.demo import cases, choices, vendor
from infra.local.demo.mails import Mail, outbox
from infra.local.demo.next_step import next_step
from infra.local.demo.pages import page
from infra.local.demo.people import SUGGESTED
from infra.local.demo.product import Refusal
from infra.local.demo.scene import JUMPS, Scene
from infra.local.demo.stored import Stored, stored
from shared.times import rfc3339

PEOPLE_SHOWN = 10
MAILS_SHOWN = 5
MAILS_IN_OUTBOX = 200
DID = {
    "signed-up": ("choices", "Signed up. Sample data, an order and a file were put into the website's store."),
    "chosen": ("people", "The choices are recorded, with a signed receipt."),
    "chosen-pending": (
        "people",
        "The choices are recorded. The yes to e-mail waits: open the newest mail to confirm it.",
    ),
    "asked": ("outbox", "The request is filed. Its confirmation is the newest mail here."),
    "moved": ("clock", "The clock was moved, and everything that fell due is done."),
    "fault-set": ("vendor", "Done. SendGrid's sandbox behaves like this from now on."),
    "retried": ("steps", "The step was tried again."),
}


@dataclass(frozen=True)
class Person:
    """Somebody who signed up here, as they stand now."""

    user_id: str
    stored: Stored
    choices: list[choices.Choice]
    requests: list[str]


def show(scene: Scene, refusal: Refusal | None = None) -> flask.Response:
    """Show the front page; with what was refused, where it was asked."""
    product, asked = scene.product, scene.request.args
    everything, mails, known = product.anyone("GET", "/policy/notice"), outbox(product), scene.people.ids()
    purposes = [one for one in everything["purposes"] if one["asked"]]
    people = [_person(scene, one, purposes, mails) for one in known[:PEOPLE_SHOWN]]
    found, needing = cases.cases(product), cases.attention(product)
    return page(
        scene,
        "front",
        refusal.status if refusal else 200,
        now=rfc3339(scene.now),
        next_step=next_step(people, found.shown, needing),
        people=people,
        people_count=len(known),
        unasked=[one for one in everything["purposes"] if not one["asked"]],
        mails=mails[:MAILS_SHOWN],
        mail_count=len(mails),
        cases=found,
        attention=needing,
        fault=vendor.state(product),
        faults=vendor.FAULTS,
        jumps=JUMPS,
        evidence=cases.verify_evidence(product) if "verify" in asked else None,
        suggested=_suggested(scene, len(known), refusal),
        did=DID.get(asked.get("did", ""), ("", "")),
        refusal=refusal,
    )


def _person(scene: Scene, user_id: str, purposes: list[dict[str, Any]], mails: list[Mail]) -> Person:
    held = stored(scene.product, scene.container, user_id)
    # whose a request is, nobody tells: the mails to this address do, as long as there are any
    about = [mail.about for mail in mails if held.email and mail.to.lower() == held.email.lower()]
    said = choices.standing(scene.product, user_id, purposes)
    return Person(user_id, held, said, sorted(frozenset().union(*about)))


def _suggested(scene: Scene, count: int, refusal: Refusal | None) -> dict[str, str]:
    if refusal and refusal.place == "sign-up":
        return {"name": scene.field("name"), "email": scene.field("email")}
    name, email = SUGGESTED[count % len(SUGGESTED)]
    return {"name": name, "email": email}


def show_outbox(scene: Scene) -> flask.Response:
    """Show the whole outbox."""
    mails = outbox(scene.product)
    return page(scene, "outbox", mails=mails[:MAILS_IN_OUTBOX], mail_count=len(mails), now=rfc3339(scene.now))


def show_choices(scene: Scene, user_id: str, refusal: Refusal | None = None) -> flask.Response:
    """Show the consent choices of one person, as a real notice words them."""
    held = stored(scene.product, scene.container, user_id) if user_id in scene.people.ids() else None
    if held is None or held.email is None:
        raise Refusal(404, "Not found", "nobody with an address is known under this id any more")
    notice = choices.notice(scene.product, asked=True)
    standing = choices.standing(scene.product, user_id, notice["purposes"])
    said = DID.get(scene.request.args.get("did", ""), ("", ""))
    words = {"notice": notice, "standing": {one.name: one.said for one in standing}, "did": said, "refusal": refusal}
    return page(
        scene,
        "choices",
        refusal.status if refusal else 200,
        user_id=user_id,
        held=held,
        now=rfc3339(scene.now),
        **words,
    )
