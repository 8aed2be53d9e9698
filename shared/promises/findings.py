"""§8: a policy is published with open eyes: what in it our configuration contradicts, and what the law misses in it, is listed.

A finding stops nobody from publishing; it is kept with the version, and its fingerprint goes into the evidence. A rule
would rather be silent than accuse a sentence that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import msgspec

from shared.catalogue import Entries, differing
from shared.policy_reading import claims, claims_of_deletion, claims_of_recipients
from shared.policy_reading.facts import Facts, Place
from shared.policy_reading.language import foreign
from shared.policy_reading.missing import missing
from shared.policy_reading.sentences import Sentence, read
from shared.ports import Services
from shared.promises import policy
from shared.promises.announced import Early, early
from shared.promises.in_effect import replaced, standings, told_of
from shared.records import Findings, Policy
from shared.times import rfc3339
from shared.vault import canonical
from shared.words import day

Kind = Literal["contradiction", "unprovable", "missing"]
KINDS: tuple[Kind, ...] = ("contradiction", "unprovable", "missing")
NOTICE_OF_CHANGE = timedelta(days=14)
MOST = 300
"""Findings kept of one text: a record ends at a million bytes."""
LONGEST_QUOTE = 600
MOST_NAMED = 8
OF_PURPOSES = {
    "why": "what it is for",
    "legal_basis": "its legal basis",
    "fields": "which data",
    "kept_for": "how long it is kept",
    "recipients": "who gets it",
}
"""What a person said yes to, of a purpose. A title or a word put better is nothing to ask again for."""
OF_RECIPIENTS = {"data": "which data", "location": "where it goes", "role": "its role", "purpose": "what it is for"}
MOST_IDS = 100
"""Ids in the evidence; the fingerprint covers all."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not so, cannot be proved, or is not said. `sentence`: the policy's own. `advisory`: only where it applies."""

    id: str
    kind: Kind
    rule: str
    why: str
    source: str
    section: str | None = None
    sentence: str | None = None
    advisory: bool = False


class Rule(NamedTuple):
    """A rule over one sentence: answers why it is not so, or None."""

    name: str
    kind: Kind
    source: str
    says: Callable[[Place, Facts], str | None]


RULES: tuple[Rule, ...] = (
    Rule("consent_by_acceptance", "contradiction", "GDPR Art. 4(11), 7", claims.consent_by_acceptance),
    Rule("anonymous", "contradiction", "GDPR Art. 4(1), recital 30", claims.anonymous),
    Rule("deadline", "contradiction", "GDPR Art. 12(3), 17(1)", claims_of_deletion.deadline),
    Rule("at_once", "contradiction", "GDPR Art. 12(3), 17(1)", claims_of_deletion.at_once),
    Rule("everything_deleted", "contradiction", "GDPR Art. 17(3)", claims_of_deletion.everything_deleted),
    Rule("kept_after_the_end", "contradiction", "GDPR Art. 5(1)(e)", claims_of_deletion.kept_after_the_end),
    Rule("kept_for", "contradiction", "GDPR Art. 13(2)(a)", claims_of_deletion.kept_for),
    Rule("recipient_unlisted", "contradiction", "GDPR Art. 13(1)(e), 28", claims_of_recipients.unlisted),
    Rule("recipient_not_used", "contradiction", "GDPR Art. 13(1)(e)", claims_of_recipients.not_used),
    Rule("no_sharing", "contradiction", "GDPR Art. 13(1)(e)", claims_of_recipients.no_sharing),
    Rule("recipient_kind", "contradiction", "GDPR Art. 13(1)(e)", claims_of_recipients.kind_unlisted),
    Rule("sold", "contradiction", "GDPR Art. 5(1)(b), 13(1)(c)", claims_of_recipients.sold),
    Rule("stays_here", "contradiction", "GDPR Art. 13(1)(f)", claims_of_recipients.stays_here),
    Rule(
        "untracked",
        "contradiction",
        "GDPR Art. 13(1)(e); Directive 2002/58/EC Art. 5(3)",
        claims_of_recipients.untracked,
    ),
    Rule("disclosed_untold", "contradiction", "GDPR Art. 5(1)(a), 6(3), 48", claims.disclosed_untold),
    Rule("changed_untold", "contradiction", "GDPR Art. 5(1)(a), 13(3)", claims.changed_untold),
    Rule("other_contact", "contradiction", "GDPR Art. 12(2), 13(1)(a)", claims.other_contact),
    Rule("opts_out_of_all", "contradiction", "GDPR Art. 13(3), 21(2)", claims.opts_out_of_all),
    Rule("other_age", "contradiction", "GDPR Art. 8(1)", claims.other_age),
    Rule("superlative", "unprovable", "GDPR Art. 5(1)(a), 5(2)", claims.superlative),
)


class Notice(NamedTuple):
    """How a version is to take effect, as publishing it now would have it. `is_first`: there was none before.

    `given`: the moment asked for. `coming`: (version, its day) of those that will never take effect because of it.
    `early`: what others announced for a later day and begins with it. `changed`: titles of purposes and recipients that differ, and in what. `ticked`: titles of the purposes named as changed.
    `unmoved`: of these, those whose configuration is as it was.
    """

    now: datetime
    effective_at: datetime
    material: bool
    is_first: bool
    given: datetime | None = None
    coming: Sequence[tuple[str, datetime]] = ()
    early: Sequence[Early] = ()
    changed: Sequence[str] = ()
    ticked: Sequence[str] = ()
    unmoved: Sequence[str] = ()


def findings(text: str, facts: Facts, notice: Notice | None = None) -> list[Finding]:
    """Return what is found in a canonical text, sorted by kind, then by place. Pure; never raises on any text."""
    sentences = read(text)
    unread = foreign(sentences)
    found = [
        *_notice(notice),
        *_unread(len(unread), len(sentences)),
        *_contradicted(sentences, facts, unread),
        *_unnamed(sentences, facts),
        # what is looked for may be said in the part that is not read
        *(() if unread else _missing(text, facts)),
    ]
    unique = {one.id: one for one in reversed(found)}
    order = {one.id: place for place, one in reversed(list(enumerate(found)))}
    return sorted(unique.values(), key=lambda one: (KINDS.index(one.kind), one.advisory, order[one.id]))[:MOST]


def facts_of(services: Services) -> Facts:
    """Return the configuration as it is now."""
    return Facts(services.company, services.annex, services.connected, services.website_data)


def fingerprint(found: Sequence[Finding]) -> str:
    """Return the SHA-256 of a list of findings, hexadecimal."""
    return sha256(canonical(msgspec.to_builtins(found))).hexdigest()


def summary(found: Sequence[Finding]) -> dict[str, Any]:
    """Return what the evidence of a publication says of its findings: counts, ids and the fingerprint of all of them."""
    ids = [one.id for one in found[:MOST_IDS]]
    return {"counts": counts(found), "ids": ids, "sha256": fingerprint(found)}


def counts(found: Sequence[Finding]) -> dict[str, int]:
    """Return how many there are of each kind."""
    return {kind: sum(one.kind == kind for one in found) for kind in KINDS}


def shown(services: Services, version: str) -> dict[str, Any]:
    """Return a version's findings as they stood when it was published. Raises Missing."""
    published = policy.read(services, version)
    stored = services.store.get(Findings, published.version)
    found = msgspec.convert(stored.record.found if stored else [], list[Finding])
    return {
        "version": published.version,
        "hash": published.policy.hash,
        "published_at": rfc3339(published.policy.published_at),
        "published_by": published.policy.published_by,
        "findings": found,
        **summary(found),
    }


def _unread(n_unread: int, n_sentences: int) -> Iterator[Finding]:
    if n_unread:
        which = "The text is" if n_unread == n_sentences else f"{n_unread} of its {n_sentences} sentences are"
        why = (
            f"{which} not in English, and these rules read English alone: what it says there was not held against the configuration, "
            "and what Art. 13 wants was not looked for. A short list of findings says nothing of such a text."
        )
        yield _finding("not_english", "unprovable", why, "GDPR Art. 5(2)")


def _contradicted(sentences: Sequence[Sentence], facts: Facts, unread: frozenset[int]) -> Iterator[Finding]:
    for n, sentence in enumerate(sentences):
        if n in unread:
            continue
        place = Place(sentences, n)
        for rule in RULES:
            why = rule.says(place, facts)
            if why:
                yield _finding(rule.name, rule.kind, why, rule.source, sentence.section or None, sentence.text)


def _finding(
    rule: str, kind: Kind, why: str, source: str, section: str | None = None, sentence: str | None = None
) -> Finding:
    digest = sha256((sentence or "").encode()).hexdigest()[:8]
    quoted = sentence if sentence is None or len(sentence) <= LONGEST_QUOTE else sentence[: LONGEST_QUOTE - 1] + "…"
    id = f"{rule}-{digest}" if sentence is not None else rule
    return Finding(id=id, kind=kind, rule=rule, why=why, source=source, section=section, sentence=quoted)


def _unnamed(sentences: Sequence[Sentence], facts: Facts) -> Iterator[Finding]:
    for name, why in claims_of_recipients.unnamed(sentences, facts):
        yield msgspec.structs.replace(
            _finding("recipient_unnamed", "contradiction", why, "GDPR Art. 13(1)(e)"), id=f"recipient_unnamed-{name}"
        )


def _missing(text: str, facts: Facts) -> Iterator[Finding]:
    for one in missing(text, read(text), facts):
        found = _finding(one.rule, "missing", one.why, one.source)
        yield msgspec.structs.replace(found, id=f"missing-{one.rule}", advisory=one.advisory)


def _notice(notice: Notice | None) -> Iterator[Finding]:
    if notice is None or notice.is_first:
        return
    if notice.material and notice.effective_at < notice.now + NOTICE_OF_CHANGE:
        why = "A material change takes effect less than 14 days from now: nobody can object, leave or decide in time."
        yield _finding("notice_too_short", "contradiction", why, "GDPR Art. 5(1)(a), 13(3)")
    if notice.given is not None and notice.given.date() < notice.now.date():
        why = f"The day given, {day(notice.given)}, is past: it takes effect when it is published instead."
        yield _finding("day_in_the_past", "contradiction", why, "GDPR Art. 5(1)(a)")
    yield from _early(notice)
    yield from _overtaken(notice)
    yield from _scope(notice)


def _early(notice: Notice) -> Iterator[Finding]:
    """Say where a material change begins sooner than people were told, by a version that took it along."""
    for one in notice.early:
        titles = [*_moved(one.purposes, OF_PURPOSES), *_moved(one.recipients, OF_RECIPIENTS)]
        if not titles and one.words is None:
            continue
        hurried = notice.effective_at < one.told_at + NOTICE_OF_CHANGE
        why = (
            f"What version {one.version} announced as a material change from {day(one.at)} begins on {day(notice.effective_at)} with this one"
            f"{': ' + _some(titles) if titles else ''}. People were told another day"
            f"{', and get less than 14 days to object, leave or decide' if hurried else ''}."
            f"{'' if notice.material else f' A yes given before to what it changes counts until {day(one.at)}.'}"
            f"{' These words are gone:' if one.gone else ''}"
        )
        found = _finding("announced_begins_early", "contradiction", why, "GDPR Art. 5(1)(a), 13(3)", None, one.words)
        yield msgspec.structs.replace(found, id=f"announced_begins_early-{one.version}")


def _overtaken(notice: Notice) -> Iterator[Finding]:
    for version, at in notice.coming:
        why = (
            f"Version {version} will never take effect, although people were told that it does from {day(at)}: "
            "this one takes effect before that day."
        )
        found = _finding("coming_overtaken", "contradiction", why, "GDPR Art. 5(1)(a), 13(3)")
        yield msgspec.structs.replace(found, id=f"coming_overtaken-{version}")


def _scope(notice: Notice) -> Iterator[Finding]:
    """Hold what is said of the change, material or not and of which purposes, against what changed."""
    if not notice.material and notice.changed:
        why = f"It is called not material, but changed since is: {_some(notice.changed)}. Nobody is asked again because of it."
        yield _finding("called_minor", "contradiction", why, "GDPR Art. 5(1)(b), 7, 13(3)")
    if not notice.material and notice.ticked:
        why = f"It is called not material, so the purposes named with it count for nothing: {_some(notice.ticked)}."
        yield _finding("purposes_ignored", "contradiction", why, "GDPR Art. 7")
    if notice.material and notice.unmoved:
        why = (
            f"Named as changed is {_some(notice.unmoved)}, and nothing configured of it is other than before: "
            "who said yes is asked again all the same."
        )
        found = _finding("purposes_unchanged", "contradiction", why, "GDPR Art. 7")
        # its text may be what changed
        yield msgspec.structs.replace(found, advisory=True)


def _some(named: Sequence[str]) -> str:
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return "; ".join(named[:MOST_NAMED]) + more


def notice_of(
    services: Services, draft: policy.Draft, version: Policy, earlier: Sequence[policy.Published], now: datetime
) -> Notice:
    """Return how a prepared version is to take effect. `earlier`: all that were published before it, in that order."""
    before, told = (each(reversed(earlier), version.effective_at) for each in (replaced, told_of))
    if before is None or told is None:
        return Notice(now, version.effective_at, version.material, is_first=True)
    # what another one changes from that same moment was said already
    differs = differing(told.policy.catalogue, version.catalogue)
    moved = {*differs.purposes.added, *(one.name for one in differs.purposes.changed)}
    titles = {one.name: one.title for one in services.company.purposes}
    return Notice(
        now,
        version.effective_at,
        version.material,
        is_first=False,
        given=draft.effective_at,
        coming=list(_never(earlier, version.effective_at, now)),
        early=list(early(earlier, before, version)),
        changed=[*_moved(differs.purposes, OF_PURPOSES), *_moved(differs.recipients, OF_RECIPIENTS)],
        ticked=[titles[name] for name in draft.changes or []],
        unmoved=[titles[name] for name in draft.changes or [] if name not in moved],
    )


def _never(earlier: Sequence[policy.Published], before: datetime, now: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the versions still to come whose day is after that moment, newest first."""
    stand = standings(earlier, now)
    for one, each in reversed(list(zip(earlier, stand, strict=True))):
        # one that an earlier publication took the place of is lost already
        if each.state == "coming" and one.policy.effective_at > before:
            yield one.version, one.policy.effective_at


def _moved(entries: Entries, telling: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{title} (new)" for title in entries.added.values())
    yield from (f"{title} (gone)" for title in entries.removed.values())
    for one in entries.changed:
        words = list(dict.fromkeys(telling[field] for field in one.fields if field in telling))
        if words:
            yield f"{one.title} ({', '.join(words)})"
