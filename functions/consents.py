"""`consents`: capture, withdraw, current state, confirmation by the mailbox, receipts (§2)."""

from __future__ import annotations

from infra.http.answers import Answer
from infra.http.edge import Call, Edge, Nothing
from shared.failures import BadInput
from shared.promises import confirmations, consents, receipts
from shared.promises.consents import Decided

edge = Edge("consents", browser=True)


@edge.route(
    "POST",
    "/",
    "Record decisions with their evidence; withdrawing is the same call",
    body=Decided,
    status=201,
)
def capture(call: Call[Decided]) -> Answer:
    return consents.capture(
        call.services,
        call.services.policies.current(),
        call.body,
        server=call.caller.is_website,
        key=call.request.headers.get("Idempotency-Key"),
    )


@edge.route("GET", "/current", "What a device decided, and whether to ask", query=("device_id", "purposes"))
def show_current(call: Call[None]) -> Answer:
    device = call.query("device_id") or call.request.headers.get("X-Device-Id")
    if not device:
        raise BadInput("is needed in the query, or as header X-Device-Id", "device_id")
    purposes = call.query("purposes")
    names = [name.strip() for name in purposes.split(",") if name.strip()] if purposes else None
    # counts only when exactly "1" (Global Privacy Control)
    gpc = call.request.headers.get("Sec-GPC") == "1"
    return receipts.current(call.services, call.services.policies.current(), device, names, gpc=gpc)


@edge.route("GET", "/confirm", "The page behind the mailed link; changes nothing")
def show_confirm(call: Call[None]) -> Answer:
    token = call.required("t")
    found = confirmations.waiting(call.services, call.services.policies.current(), token)
    used = found.stored.record.confirmed_at is not None
    if call.wants_page():
        from infra.http.pages import html

        return html(
            "consent_confirm",
            company=call.services.company,
            masked=found.masked or "",
            purposes=[{"title": one.title, "why": one.why} for one in found.purposes],
            action=f"{call.services.base_url}/consents/confirm?t={token}",
            used=used,
        )
    return {"purposes": [one.name for one in found.purposes], "masked": found.masked, "confirmed": used}


@edge.route("POST", "/confirm", "The mailbox confirms", body=Nothing | None, form=True)
def confirm(call: Call[None]) -> Answer:
    answer = confirmations.confirm(call.services, call.services.policies.current(), call.required("t"))
    if call.wants_page():
        from infra.http.pages import html

        titles = {one.name: one.title for one in call.services.policies.current().purposes()}
        purposes = [{"title": titles.get(name, name)} for name in answer["confirmed"]]
        return html("consent_confirmed", company=call.services.company, purposes=purposes)
    return answer


@edge.route("GET", "/receipts/<receipt_id>", "A signed receipt, to whoever holds its id")
def show_receipt(call: Call[None]) -> Answer:
    found = receipts.receipt(call.services, call.path["receipt_id"])
    if call.wants_page():
        from infra.http.pages import html

        titles = {one.name: one.title for one in call.services.company.purposes}
        decided = found["receipt"]["purposes"]
        confirmed = {name for event in found["events"] for name in event["purposes"]}
        decisions = [
            {
                "title": titles.get(name, name),
                "granted": state == "given" or name in confirmed,
                "pending": state == "pending" and name not in confirmed,
            }
            for name, state in decided.items()
        ]
        return html(
            "receipt", company=call.services.company, decisions=decisions, receipt=found["receipt"], jws=found["jws"]
        )
    return found
