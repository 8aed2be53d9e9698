"""§9: whoever got a person's data is told when it may no longer be used, and the person may ask who was told (GDPR Art. 19).

An erasure tells each recipient by its own step; here they are told of a restriction, and that it was lifted. One work item for
a request goes through them one after another, so that they do not contend for it.
"""

from __future__ import annotations

from typing import Literal

from shared import answers, work
from shared.annex import OURS
from shared.case import Case
from shared.outcomes import worst
from shared.ports import Person, Services
from shared.promises import people
from shared.records import Told

TELL = "recipients.tell"
What = Literal["restriction", "restriction_lifted"]


def ask(case: Case, what: What) -> None:
    """Ask for every recipient to be told."""
    case.work(TELL, what=what)


def tell(services: Services, claim: work.Claim) -> work.Ran:
    """Tell each recipient that was not told yet, and record its answer (work `recipients.tell`).

    One that fails does not keep the others from being told: its failure is raised when all were tried, a refusal before an
    outage, so that a person sees it.
    """
    what: What = "restriction_lifted" if claim.work.args["what"] == "restriction_lifted" else "restriction"
    tried = [
        answers.asked(name, lambda name=name: _tell(Case.read(services, claim.work.ref), name, what))  # type: ignore[misc]
        for name in services.connected
        if name != OURS
    ]
    if failures := answers.failures(tried):
        raise failures[0]
    services.commit([claim.done()])
    return "done"


def _tell(case: Case, name: str, what: What) -> None:
    if case.record.begun_at is not None or _is_told(case, name, what):
        # once the erasure has begun its own step tells them, and more
        return
    if not case.record.open:
        # a restriction that comes after the request ended would stand for ever; lifting takes back only what is ours
        what = "restriction_lifted"
    parts = case.services.connectors[name].restrict(_whom(case), case.now, lifted=what == "restriction_lifted")
    outcome = worst(part.outcome for part in parts)
    said = Told(subprocessor=name, what=what, at=case.now, outcome=outcome)  # type: ignore[arg-type]
    case.set(told=[*case.record.told, said])
    case.note("recipient.told", subprocessor=name, what=what, outcome=outcome)
    case.let_go()
    case.commit()


def _is_told(case: Case, name: str, what: What) -> bool:
    return any((one.subprocessor, one.what) == (name, what) for one in case.record.told)


def _whom(case: Case) -> Person:
    """Return whom they are told about: the accounts chosen, and the addresses that are theirs alone."""
    found = [one for ref in case.record.subjects if (one := people.by_ref(case.services, ref))]
    own, shared = people.own_and_shared(case.services, found, case.envelope.addresses.get("a1"))
    return Person(
        request_id=case.id,
        refs=[one.ref for one in found],
        known=[one.known for one in found],
        addresses=own,
        shared_addresses=shared,
        objected=people.objected(case.services, own),
    )
