"""`requests`: a person asks for a right, confirms, chooses, follows, cancels, and reads the statement (§4, §5)."""

from __future__ import annotations

import itertools
from typing import Any

import flask
import msgspec

from infra.http.answers import HEADERS, Answer
from infra.http.edge import Call, Edge, Nothing
from shared import identity
from shared.case import NEW, Case
from shared.failures import BadInput, Refused, Stale
from shared.promises import endings, fetching, objections, rectifying, requests, statement, verification
from shared.promises.requests import Asked
from shared.promises.statement import view, view_unproven
from shared.records import Key

edge = Edge("requests", browser=True)
RIGHTS = [
    ("access", "See a copy of my data"),
    ("rectification", "Correct my data"),
    ("erasure", "Delete my data"),
    ("restriction", "Stop using my data for now"),
    ("portability", "Take my data elsewhere"),
    ("objection", "Stop marketing to me"),
]


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of the accounts that are meant. One ticked box of a form comes alone."""

    accounts: list[int]


@edge.route("GET", "/new", "The form")
def show_form(call: Call[None]) -> Answer:
    return _form(call, {"right": call.query("right")}, None)


@edge.route("POST", "/", "Ask for a right", body=Asked, status=202, form=True)
def ask(call: Call[Asked]) -> Answer:
    page = call.wants_page()
    try:
        answer = requests.open_request(call.services, call.body, server=call.caller.is_website)
    except BadInput as refusal:
        if page:
            return _form(call, msgspec.to_builtins(call.body), refusal)
        raise
    if not page:
        return answer
    case = Case.read(call.services, answer["request_id"])
    objected = case.record.right == "objection"
    return _page(
        call,
        "objection_received" if objected else "request_received",
        202,
        received_at=case.record.received_at,
        statutory_by=case.record.statutory_by,
        **(objections.words(case) if objected else {}),
        **{name: answer.get(name) for name in ("request_id", "status_url")},
    )


def _form(call: Call[Any], values: dict[str, Any], refusal: Refused | None) -> flask.Response:
    status = refusal.status if refusal else 200
    action = f"{call.services.base_url}/requests"
    shown = {"title": refusal.title, "rule": refusal.rule, "field": refusal.field} if refusal else None
    return _page(call, "request_new", status, action=action, rights=RIGHTS, values=values, problem=shown)


@edge.route("GET", "/<request_id>/confirm", "The page behind the mailed link; changes nothing")
def show_confirm(call: Call[None]) -> Answer:
    token = call.required("t")
    case, key = requests.with_token(call.services, call.path["request_id"], token, "confirm", "address")
    if key.opens == "address":
        return _address(call, case, key)
    masked = identity.masked(case.envelope.addresses["a1"]) if "a1" in case.envelope.addresses else ""
    try:
        requests.refuse_confirm(case, key)
        used = False
    except Stale:
        used = True
    if not call.wants_page():
        return {"request_id": case.id, "right": case.record.right, "masked": masked, "can_confirm": not used}
    action = f"{_own(call, case)}/confirm?t={token}"
    return _page(
        call,
        "request_confirm",
        masked=masked,
        right=case.record.right,
        action=action,
        promise_days=14,
        cooling_off_words=cooling_off_words(call.services.company.cooling_off),
        used=used,
    )


def _address(call: Call[Any], case: Case, key: Key) -> Answer:
    """Show a corrected address what confirming it does. It is nobody's yet, so it sees nothing else."""
    try:
        rectifying.refuse_address(case, key)
        used = False
    except Stale:
        used = True
    masked = identity.masked(case.mailbox(NEW)) if case.has_envelope else ""
    if not call.wants_page():
        return {"request_id": case.id, "right": case.record.right, "masked": masked, "can_confirm": not used}
    action = f"{_own(call, case)}/confirm?t={call.query('t')}"
    return _page(call, "address_confirm", masked=masked, action=action, used=used, confirmed=key.used_at is not None)


def cooling_off_words(duration: str) -> str:
    """Say an ISO 8601 duration of whole hours or days in words."""
    import isodate

    hours = int(isodate.parse_duration(duration).total_seconds() // 3600)
    return f"{hours // 24} days" if hours > 24 and hours % 24 == 0 else f"{hours} hours"


@edge.route("POST", "/<request_id>/confirm", "Confirm: verifies the request, once", body=Nothing | None, form=True)
def confirm(call: Call[None]) -> Answer:
    answer = requests.confirm(call.services, call.path["request_id"], call.required("t"))
    if not call.wants_page():
        return _without_choice(answer)
    if "status_url" not in answer:
        return _page(call, "address_confirm", masked="", action="", used=True, confirmed=True)
    case = Case.read(call.services, answer["request_id"])
    key = answer["status_url"].partition("?key=")[2]
    return _page(
        call,
        "request_confirmed",
        view=view(case),
        status_url=answer["status_url"],
        accounts=answer.get("accounts", []),
        accounts_action=f"{_own(call, case)}/accounts?key={key}",
    )


def _without_choice(answer: dict[str, Any]) -> dict[str, Any]:
    if "accounts" in answer:
        answer["accounts"] = [{"n": one["n"], "masked": one["masked"]} for one in answer["accounts"]]
    return answer


@edge.route("POST", "/<request_id>/accounts", "Say which accounts are meant", body=Chosen, form=True)
def choose(call: Call[Chosen]) -> Answer:
    case = requests.choose(call.services, call.path["request_id"], call.query("key"), call.body.accounts)
    return _shown(call, case)


@edge.route("GET", "/<request_id>", "The request, by its private key")
def show(call: Call[None]) -> Answer:
    case = requests.with_key(call.services, call.path["request_id"], call.query("key"), waiting=True)
    return _shown(call, case)


def _shown(call: Call[Any], case: Case) -> Answer:
    key = call.query("key")
    # the filer has proved nothing: no more than that it waits
    shape = view_unproven(case) if case.record.verified_at is None else view(case)
    accounts = requests.accounts_of(case) if len(case.record.accounts) > 1 and case.has_envelope else []
    if not call.wants_page():
        return shape | ({"accounts": accounts} if accounts else {})
    own, private = _own(call, case), case.record.verified_at is not None
    cancellable = private and verification.may_withdraw(case) and case.record.ends_at is None
    choosing = bool(accounts) and case.record.chosen_at is None and case.record.status == "verified"
    return _page(
        call,
        "request",
        view=shape,
        not_connected=statement.not_connected(case),
        accounts=accounts,
        accounts_action=f"{own}/accounts?key={key}" if choosing else None,
        cancel_action=f"{own}/cancel?key={key}" if cancellable else None,
        statement_url=f"{own}/statement?key={key}" if private else None,
        export_action=f"{own}/export?key={key}" if "export" in shape and case.has_envelope else None,
        copy_url=f"{call.services.base_url}/requests/new" if _may_copy_first(case) else None,
    )


def _may_copy_first(case: Case) -> bool:
    return case.record.right == "erasure" and case.record.status == "verified" and case.record.begun_at is None


@edge.route("GET", "/<request_id>/cancel", "The page behind a cancel link; changes nothing")
def show_cancel(call: Call[None]) -> Answer:
    token = call.required("t")
    case, key = requests.with_token(call.services, call.path["request_id"], token, "cancel")
    possible = requests.may_cancel(case, key)
    if not call.wants_page():
        return {"request_id": case.id, "can_cancel": possible}
    masked = identity.masked(case.envelope.addresses[key.label]) if key.label in case.envelope.addresses else ""
    return _page(
        call,
        "request_cancel",
        masked=masked,
        action=f"{_own(call, case)}/cancel?t={token}",
        possible=possible,
        stands=possible and case.record.status != "verified",
    )


@edge.route("POST", "/<request_id>/cancel", "Cancel, until the first step", body=Nothing | None, form=True)
def cancel(call: Call[None]) -> Answer:
    request_id, token, key = call.path["request_id"], call.query("t"), call.query("key")
    if not token and not key:
        raise BadInput("t or key is needed in the query", "t")

    def opened() -> Case:
        if token:
            return requests.with_cancel_link(call.services, request_id, token)
        return requests.with_key(call.services, request_id, key)

    case = requests.cancel(opened)
    if call.wants_page():
        return _page(call, "request_cancelled", right=case.record.right, ends_at=case.record.ends_at)
    return {"request_id": request_id, "status": case.record.status}


@edge.route("GET", "/<request_id>/keep", "The page behind the link that keeps an account; changes nothing")
def show_keep(call: Call[None]) -> Answer:
    token = call.required("t")
    case, key = requests.with_token(call.services, call.path["request_id"], token, "keep")
    possible = endings.can_keep(case)
    if not call.wants_page():
        return {"request_id": case.id, "can_keep": possible}
    masked = identity.masked(case.envelope.addresses[key.label]) if key.label in case.envelope.addresses else ""
    return _page(
        call,
        "account_keep",
        masked=masked,
        action=f"{_own(call, case)}/keep?t={token}",
        possible=possible,
        stays=case.record.status == "withdrawn",
        begins_at=case.record.begins_at,
    )


@edge.route("POST", "/<request_id>/keep", "Keep the account, until the first step", body=Nothing | None, form=True)
def keep(call: Call[None]) -> Answer:
    case = endings.keep(call.services, call.path["request_id"], call.required("t"))
    if call.wants_page():
        return _page(call, "account_kept")
    return {"request_id": case.id, "status": case.record.status}


@edge.route(
    "GET", "/<request_id>/export", "The file, by its own link: a program gets it, a browser a page to fetch it from"
)
def show_export(call: Call[None]) -> Answer:
    # what looks into mails for dangerous links poses as a browser: it gets a page, and spends nothing
    key = call.query("key") or ""
    case = fetching.opened(call.services, call.path["request_id"], key)
    if not call.wants_page():
        return _file(call, case, key)
    export, action = view(case)["export"], f"{_own(call, case)}/export?key={key}"
    return _page(call, "request_export", right=case.record.right, export=export, action=action)


@edge.route(
    "POST",
    "/<request_id>/export",
    "Fetch the file by its link; by the request's own key, have a new link mailed",
    body=Nothing | None,
    form=True,
)
def fetch_export(call: Call[None]) -> Answer:
    request_id, key = call.path["request_id"], call.query("key") or ""
    if fetching.is_link(call.services, request_id, key):
        return _file(call, fetching.opened(call.services, request_id, key), key)
    case = fetching.renew(lambda: requests.with_key(call.services, request_id, key))
    if call.wants_page():
        return _page(call, "request_export_mailed")
    return {"request_id": request_id, "status": case.record.status}


def _file(call: Call[Any], case: Case, key: str) -> flask.Response:
    """Stream the ZIP, without its length: the platform cuts an answer of more than 32 MiB that states it."""
    name = f"your-data-{case.record.right}.zip"
    headers = [("Content-Disposition", f'attachment; filename="{name}"'), *HEADERS.items()]
    if call.request.method == "HEAD":
        return flask.Response(None, 200, headers, mimetype="application/zip")
    rest = fetching.fetch(call.services, case.id, key)
    # the first piece before the answer: what refuses now is still answered as a refusal
    first = next(rest)
    return flask.Response(itertools.chain([first], rest), 200, headers, mimetype="application/zip")


@edge.route("GET", "/<request_id>/statement", "The signed statement of what was done")
def show_statement(call: Call[None]) -> Answer:
    case = requests.with_key(call.services, call.path["request_id"], call.query("key"))
    signed = statement.statement(case)
    if call.wants_page():
        return _page(call, "statement", **signed)
    return signed


def _own(call: Call[Any], case: Case) -> str:
    return f"{call.services.base_url}/requests/{case.id}"


def _page(call: Call[Any], template: str, status: int = 200, **words: Any) -> flask.Response:
    from infra.http.pages import html

    return html(template, status, company=call.services.company, **words)
