"""The sandbox's Stripe: redaction jobs, a public preview. They take their time on the sandbox's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from werkzeug.wrappers import Response

from infra.local.sandbox.state import Body, Shelf
from infra.local.sandbox.stripe_customers import ENDED
from infra.local.sandbox.stripe_payments import redact
from infra.local.sandbox.stripe_wire import (
    PAGED,
    answer,
    asked,
    error,
    listed,
    missing,
    new,
    once,
    one_of,
    refused,
    texts,
)
from infra.local.sandbox.vendor import Call, Handler, Route

MOST_OBJECTS = 10
VALIDATES_SECONDS = 60
REDACTS_SECONDS = 3600
YOUNG = timedelta(days=90)
LIVE = frozenset({"validating", "ready", "redacting"})
STATUSES = ("created", "validating", "ready", "failed", "redacting", "succeeded", "canceling", "canceled")


def create(call: Call) -> Response:
    """Create a job for up to ten customers; it begins to validate."""
    behaviour = one_of("error", "fix")
    params = asked(call, {"objects": {"customers": texts}, "validation_behavior": behaviour})
    customers = (params.get("objects") or {}).get("customers") or []
    if not 1 <= len(customers) <= MOST_OBJECTS:
        refused(400, "from 1 to 10 objects are needed", "too_many_objects" if customers else None, "objects")
    for id in customers:
        if call.shelf.get("customer", id) is None:
            missing("customer", id, "objects[customers]", 400)
    job = {"id": new("prj"), "object": "privacy.redaction_job", "created": _moment(call.now), "livemode": False}
    job |= {"objects": {"customers": customers}, "validation_behavior": params.get("validation_behavior", "error")}
    return answer(_put(call.shelf, job | {"status": "validating", "since": _moment(call.now), "errors": []}))


def jobs(call: Call) -> Response:
    """List jobs, newest first."""
    params = asked(call, PAGED | {"status": one_of(*STATUSES)})
    found = settle(call.shelf, call.now)
    return listed(call, [_shown(job) for job in found if params.get("status") in {None, job["status"]}], params)


def show(call: Call) -> Response:
    """Show a job."""
    asked(call, {})
    return answer(_shown(_job(call)))


def validate(call: Call) -> Response:
    """Validate again what failed."""
    return _begin(call, "failed", "validating")


def run(call: Call) -> Response:
    """Begin to redact, which nothing stops."""
    return _begin(call, "ready", "redacting")


def validation_errors(call: Call) -> Response:
    """List why a job failed."""
    params = asked(call, PAGED)
    return listed(call, _job(call)["errors"], params)


def _preview(handler: Handler) -> Handler:
    def handle(call: Call) -> Response:
        if not call.request.headers.get("Stripe-Version", "").endswith(".preview"):
            said = f"Unrecognized request URL ({call.request.method}: {call.request.path})."
            return answer(error(said), 404)
        return handler(call)

    return handle


_JOBS = "/v1/privacy/redaction_jobs"
ROUTES: tuple[Route, ...] = tuple(
    (method, _JOBS + address, _preview(handler))
    for method, address, handler in (
        ("POST", "", once(create)),
        ("GET", "", jobs),
        ("GET", "/<id>", show),
        ("POST", "/<id>/validate", once(validate)),
        ("POST", "/<id>/run", once(run)),
        ("GET", "/<id>/validation_errors", validation_errors),
    )
)


def settle(shelf: Shelf, now: datetime) -> list[Body]:
    """Return the jobs, oldest first, having done what they did meanwhile."""
    return [_settled(shelf, now, job) for job in shelf.find("redaction_job")]


def _job(call: Call) -> Body:
    job = call.shelf.get("redaction_job", call.path["id"])
    return _settled(call.shelf, call.now, job) if job else missing("redaction job", call.path["id"])


def _begin(call: Call, needed: str, status: str) -> Response:
    asked(call, {})
    job = _job(call)
    if job["status"] != needed:
        refused(400, f"The job is {job['status']}, not {needed}", "invalid_state")
    return answer(_put(call.shelf, job | {"status": status, "since": _moment(call.now), "errors": []}))


def _settled(shelf: Shelf, now: datetime, job: Body) -> Body:
    """Return the job as it is by now, having done what it did meanwhile."""
    passed = _moment(now) - job["since"]
    if job["status"] == "validating" and passed >= VALIDATES_SECONDS:
        errors = _errors(shelf, now, job)
        _put(shelf, job := job | {"status": "failed" if errors else "ready", "errors": errors})
    if job["status"] == "redacting" and passed >= REDACTS_SECONDS:
        for customer in job["objects"]["customers"]:
            redact(shelf, customer)
        _put(shelf, job := job | {"status": "succeeded"})
    return job


def _errors(shelf: Shelf, now: datetime, job: Body) -> list[Body]:
    codes: dict[str, str] = {}
    for id in job["objects"]["customers"]:
        young = any(one["created"] > _moment(now - YOUNG) for one in shelf.find("charge", id))
        going = any(one["status"] not in ENDED for one in shelf.find("subscription", id))
        others = [one for one in shelf.find("redaction_job") if one["id"] != job["id"] and one["status"] in LIVE]
        locked = any(id in one["objects"]["customers"] for one in others)
        codes |= {id: "locked_by_other_job"} if locked else {id: "invalid_state"} if young or going else {}
    return [
        {
            "id": new("rjve"),
            "object": "privacy.redaction_job_validation_error",
            "code": code,
            "erroring_object": {"id": id, "object_type": "customer"},
        }
        for id, code in codes.items()
    ]


def _put(shelf: Shelf, job: Body) -> Body:
    shelf.put("redaction_job", job["id"], job)
    return _shown(job)


def _shown(job: Body) -> Body:
    return {name: value for name, value in job.items() if name not in {"since", "errors"}}


def _moment(now: datetime) -> int:
    return int(now.timestamp())
