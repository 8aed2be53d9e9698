"""§6, §8: we know what became of a mail, and whoever unsubscribes at the mail service is not marketed to by us either.

The mail service's events come again, late and in any order, so each is news that can be heard twice: a mail's state only
moves forward, a campaign's batch keeps a bit for each recipient and state, and stopping what is stopped changes nothing.
No event is kept. An opt-out counts whoever sent it; any other event about what we do not know changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from shared import attention
from shared.batches import marked
from shared.case import Case
from shared.failures import Missing
from shared.mail_events import RANKS, Event, Heard
from shared.ports import Services
from shared.promises import announcing, objections
from shared.records import Batch, Mailing, MailStatus, Work
from shared.store import MOST_CHANGES, Change, Delete, Put, Update, persist

UNARRIVED = frozenset({"dropped", "blocked", "bounced"})
VENDOR = "sendgrid"
BOUNCED_EVERY = timedelta(minutes=10)
MOST_UNITS = 100
"""Requests, batches and people in one commit: so many stay far below what a commit may weigh."""
Unit = Callable[[Services], list[Change]]
"""Reads what one request, batch or person needs, and returns what changes; the same again returns nothing."""


def take(services: Services, events: Sequence[Event]) -> dict[str, int]:
    """Do what the events ask for, in one commit where it fits into one; return how many people, mails and batches they
    were about. Raises TryAgain.
    """
    heard = Heard(events)
    units = _units(heard)
    while units:
        done = persist(partial(_commit_some, services, units))
        units = units[done:]
    return heard.counts()


def _units(heard: Heard) -> list[Unit]:
    """Return everything to do, what people want before what we want to know."""
    stops: list[Unit] = [partial(_stopped, email=email, groups=groups) for email, groups in heard.stops.items()]
    if heard.unreadable:
        stops.append(_unreadable)
    mails: list[Unit] = [partial(_learned, request_id=one, news=news) for one, news in heard.mails.items()]
    batches: list[Unit] = [partial(_marked, batch_id=one, bits=bits) for one, bits in heard.batches.items()]
    return [*stops, *mails, *batches]


def _commit_some(services: Services, units: Sequence[Unit], _look: bool) -> int:
    """Commit as many units as fit; return how many."""
    changes: dict[tuple[type, str], Change] = {}
    done = 0
    for unit in units[:MOST_UNITS]:
        # by what they change: two units may ask for the same alert, and no record is written twice in one commit
        more = {_target(change): change for change in unit(services)}
        if done and len(changes.keys() | more.keys()) > MOST_CHANGES:
            break
        changes |= more
        done += 1
    if changes:
        services.commit(list(changes.values()))
    return done


def _target(change: Change) -> tuple[type, str]:
    if isinstance(change, Delete):
        return change.kind, change.id
    return type(change.record), change.was.id if isinstance(change, Update) else change.id


# --- people ----------------------------------------------------------------------------------------------------------


def _stopped(services: Services, email: str, groups: set[int | None]) -> list[Change]:
    purposes: list[str] = []
    changes: list[Change] = []
    for group in groups:
        left = [one for one in services.company.purposes if group is not None and one.sendgrid_group == group]
        purposes += [one.name for one in left if one.is_marketing]
        if not left:
            purposes.append(objections.MARKETING)
        if not left and group is not None:
            changes += attention.raised("unknown_unsubscribe_group", VENDOR, services.clock.now(), about=str(group))
    wanted = [objections.MARKETING] if objections.MARKETING in purposes else sorted(set(purposes))
    return [*changes, *objections.stop(services, email, wanted, "objection", via=VENDOR)]


def _unreadable(services: Services) -> list[Change]:
    """Somebody opted out, and who it was cannot be read: a person must look it up at the mail service."""
    return attention.raised("unreadable_unsubscribe", VENDOR, services.clock.now())


# --- mails of requests -----------------------------------------------------------------------------------------------


def _learned(services: Services, request_id: str, news: Mapping[str, MailStatus]) -> list[Change]:
    try:
        case = Case.read(services, request_id)
    except Missing:
        return []
    moved = [mail_id for mail_id, status in news.items() if moves(case.record.mails.get(mail_id), status)]
    for mail_id in moved:
        _learn(case, mail_id, news[mail_id])
    return case.changes() if moved else []


def moves(mailing: Mailing | None, status: MailStatus) -> bool:
    """Tell whether this is news of a mail that we know: its state only moves forward."""
    return mailing is not None and RANKS[status] > RANKS[mailing.status]


def _learn(case: Case, mail_id: str, status: MailStatus) -> None:
    before = case.record.mails[mail_id]
    case.mailing(mail_id, status=status, problem=status if status in UNARRIVED else None)
    if status in UNARRIVED:
        case.note("mail.undelivered", mail=mail_id, template=before.template, state=status)
        case.also(*attention.raised("mail_bounced", case.id, case.now, f"{before.template}:{status}", mail_id))
    elif status == "delivered":
        case.note("mail.delivered", mail=mail_id, template=before.template)
        if before.status in UNARRIVED:
            case.also(attention.settled("mail_bounced", case.id, mail_id))


# --- a campaign's mails ----------------------------------------------------------------------------------------------


def _marked(services: Services, batch_id: str, bits: Mapping[str, int]) -> list[Change]:
    stored = services.store.get(Batch, batch_id)
    if stored is None:
        return []
    batch = marked(stored.record, bits)
    if batch == stored.record:
        return []
    return [Update(stored, batch), *([_bounced(services, batch_id)] if batch.bounced != stored.record.bounced else [])]


def _bounced(services: Services, batch_id: str) -> Change:
    """Ask for those to be remembered whose mailbox is not there; one item for all that come back within minutes."""
    now = services.clock.now()
    slot = now - timedelta(minutes=now.minute % 10, seconds=now.second)
    due = Work(kind=announcing.BOUNCED, ref=batch_id, due_at=slot + BOUNCED_EVERY, created_at=now)
    return Put(f"bounced-{batch_id}-{slot:%Y%m%d%H%M}", due)
