"""`operator`: the calls of the person who answers the privacy mailbox. Every act is evidence with who did it."""

from __future__ import annotations

from typing import get_args

from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from shared.failures import BadInput, NotYet
from shared.promises import campaigns, evidence, operators, policy, register
from shared.promises.operators import Act, Entered, Resolution, Verification
from shared.records import Status

edge = Edge("operator")
MOST_BYTES_OF_A_POLICY = 1024 * 1024
ACTS = {"deny": operators.deny, "extend": operators.extend, "pause": operators.pause}


@edge.route("GET", "/requests", "Requests, by status, overdue or all", who="operator")
def list_requests(call: Call[None]) -> Answer:
    status = call.query("status")
    if status is not None and status not in get_args(Status):
        raise BadInput(f"one of {', '.join(get_args(Status))}", "status")
    overdue = (call.query("overdue") or "").lower() in {"1", "true", "yes"}
    return operators.listed(call.services, status, overdue=overdue, cursor=call.query("cursor"))  # type: ignore[arg-type]


@edge.route(
    "POST",
    "/requests",
    "Enter a request that came by phone, post or in person",
    body=Entered,
    status=201,
    who="operator",
)
def enter(call: Call[Entered]) -> Answer:
    return operators.enter(call.services, call.body, call.caller.name)


@edge.route("GET", "/requests/<request_id>", "One request", who="operator")
def show(call: Call[None]) -> Answer:
    return operators.shown(call.services, call.path["request_id"])


STEP = "/requests/<request_id>/steps/<subprocessor>"


@edge.route("POST", "/requests/<request_id>/verify", "Verify by proof seen", body=Verification, who="operator")
def verify(call: Call[Verification]) -> Answer:
    decide = operators.verify(call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


@edge.route(
    "POST", "/requests/<request_id>/<any(deny,extend,pause):what>", "Deny, extend or pause", body=Act, who="operator"
)
def act(call: Call[Act]) -> Answer:
    decide = ACTS[call.path["what"]](call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


@edge.route("POST", f"{STEP}/retry", "Try a step again", body=Resolution, who="operator")
def retry(call: Call[Resolution]) -> Answer:
    decide = operators.retry(call.path["subprocessor"], call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


@edge.route("POST", f"{STEP}/resolve", "Settle a step by hand, with evidence", body=Resolution, who="operator")
def resolve(call: Call[Resolution]) -> Answer:
    decide = operators.resolve(call.path["subprocessor"], call.body, call.caller.name)
    return operators.act(call.services, call.path["request_id"], decide)


class Publication(policy.Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version to publish, by its name: the same call sent twice must not publish twice."""

    version: str


@edge.route(
    "POST",
    "/policies",
    "Publish a version of the policy; its announcement follows",
    body=Publication,
    status=202,
    who="operator",
    most_bytes=MOST_BYTES_OF_A_POLICY,
)
def publish(call: Call[Publication]) -> Answer:
    if call.query("dry_run") is not None:
        raise NotYet("recipients and findings are not counted yet; nothing was published", "dry_run")
    published = policy.publish(call.services, call.body, call.caller.name)
    call.services.policies.wait_until_seen()
    return {"campaign_id": campaigns.campaign_id(published.version)}


@edge.route("GET", "/campaigns/<campaign_id>", "How far the announcing of a version is", who="operator")
def campaign(call: Call[None]) -> Answer:
    return campaigns.shown(call.services, call.path["campaign_id"])


@edge.route("GET", "/register", "The register of processing activities (GDPR Art. 30)", who="operator")
def show_register(call: Call[None]) -> Answer:
    return register.register(call.services)


@edge.route("GET", "/attention", "What a person must look at", who="operator")
def attention(call: Call[None]) -> Answer:
    return operators.attention_list(call.services)


@edge.route("GET", "/evidence/<stream>", "One stream of evidence", who="operator")
def show_evidence(call: Call[None]) -> Answer:
    return operators.evidence(call.services, call.path["stream"])


@edge.route("POST", "/evidence/verify", "Check every stream of evidence and every checkpoint", who="operator")
def check_evidence(call: Call[None]) -> Answer:
    return evidence.check(call.services)
