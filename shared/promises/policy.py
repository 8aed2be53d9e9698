"""§8, §9: the policy is published as versions; each keeps its text, its hash, and the purposes and annex as they stood.

What a person was shown can be proved later because a version, once published, never changes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shared import ledger, work
from shared.catalogue import catalogue, fingerprint
from shared.company import Company, Purpose
from shared.failures import BadInput, Missing, Stale
from shared.ports import Services
from shared.records import Coming, Findings, InForce, Policy
from shared.store import Change, Conflict, Create, Stored, Update
from shared.times import rfc3339, whole_second

if TYPE_CHECKING:
    from shared.promises.findings import Finding

IN_FORCE = "policy"
VERSION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STREAM = "policy"
RESERVED = frozenset({"notice", "subprocessors", "changes"})
ANNOUNCE = "policy.announce"
LONGEST_TEXT = 400_000
"""UTF-8 bytes: a record ends at a million, and the catalogue stands beside the text."""
LONGEST_TITLE = 200
LONGEST_SUMMARY = 4000
BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
LAST_YEAR = 9999


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version to publish. `changes`: purposes it changes (None = all, when material)."""

    text: str
    version: str | None = None
    title: str | None = None
    summary: str = ""
    material: bool = True
    changes: list[str] | None = None
    effective_at: datetime | None = None


@dataclass(frozen=True)
class Published:
    """A published version and its record."""

    version: str
    policy: Policy

    def purposes(self) -> list[Purpose]:
        """Return the purposes as they stood when it was published."""
        return self._purposes

    @cached_property
    def _purposes(self) -> list[Purpose]:
        # an instance keeps its version for as long as that is in force
        return msgspec.convert(self.policy.catalogue["purposes"], list[Purpose])

    def changed_since(self, version: str, purpose: str, by: datetime | None = None) -> bool:
        """Tell whether a purpose was materially changed after that version was published.

        `by`: count no change that was announced for a day after this moment.
        """
        history = self.policy.history
        return version not in history or history.index(version) < self._changed_at(purpose, by)

    def _changed_at(self, purpose: str, by: datetime | None) -> int:
        place = self.policy.changed_at.get(purpose, 0)
        if by is None:
            return place
        for coming in self.policy.to_come.get(purpose, []):
            if by >= coming.at:
                return place
            place = coming.before
        return place


def canonical_text(raw: str) -> str:
    """Return the text whose hash is kept: NFC, LF, no trailing blanks, one newline at the end."""
    text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff"))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"


def text_hash(text: str) -> str:
    """Return the SHA-256 of a canonical text, hexadecimal."""
    return sha256(text.encode()).hexdigest()


def title_of(text: str) -> str:
    """Return the first heading, or the first line: one line that a mail can have as its subject."""
    lines = (" ".join(_unbroken(line).lstrip("# ").split()) for line in text.split("\n"))
    return next((line for line in lines if line), "Privacy policy")[:LONGEST_TITLE]


def _unbroken(line: str) -> str:
    return "".join(" " if unicodedata.category(one) in BREAKING else one for one in line)


class Prepared(NamedTuple):
    """A version as publishing it now would write it, and what was found in it. `earlier`: all versions before it, oldest first."""

    version: str
    policy: Policy
    findings: list[Finding]
    pointer: Stored[InForce] | None
    earlier: list[Published]


def publish(services: Services, draft: Draft, by: str) -> Published:
    """Publish a version: record, findings, pointer, evidence and the work that announces it in one commit.

    Raises BadInput (by the draft's field), Stale (version taken, or another published meanwhile).
    """
    now = services.clock.now()
    prepared = prepare(services, draft, by, now)
    try:
        services.commit(_publication(services, prepared, now))
    except Conflict:
        raise Stale("this version exists, or another was published meanwhile", "version") from None
    return Published(prepared.version, prepared.policy)


def prepare(services: Services, draft: Draft, by: str, now: datetime) -> Prepared:
    """Return what publishing would write; writes nothing. Raises as `publish` does."""
    pointer = services.store.get(InForce, IN_FORCE)
    history = pointer.record.history if pointer else []
    version = draft.version or _dated(now, history)
    _check_name(version)
    earlier = [read(services, one) for one in history]
    policy = _record(services, draft, by, now, [*history, version], earlier)
    if version in history:
        raise Stale("this version exists, and a version never changes", "version")
    return Prepared(version, policy, _findings(services, draft, policy, earlier, now), pointer, earlier)


def _findings(
    services: Services, draft: Draft, policy: Policy, earlier: Sequence[Published], now: datetime
) -> list[Finding]:
    # only who publishes pays for loading the rules
    from shared.promises.findings import facts_of, findings, notice_of

    return findings(policy.text, facts_of(services), notice_of(services, draft, policy, earlier, now))


def _check_name(version: str) -> None:
    if not VERSION.fullmatch(version):
        raise BadInput("1 to 64 of A-Z a-z 0-9 . _ -, without '..'", "version")
    if version in RESERVED:
        raise BadInput(f"another name is needed: /policy/{version} is a page of its own", "version")


def _record(
    services: Services, draft: Draft, by: str, now: datetime, history: list[str], earlier: Sequence[Published]
) -> Policy:
    text = canonical_text(draft.text)
    _check(services.company, draft, text)
    described = catalogue(services.company, services.annex)
    effective_at = whole_second(draft.effective_at or now)
    if earlier:
        # nothing was in effect before anybody could know it; only the first version may be older than we are
        effective_at = max(effective_at, now)
    changed = _changed(services.company, draft, earlier)
    return Policy(
        hash=text_hash(text),
        text=text,
        title=(draft.title or "").strip() or title_of(text),
        summary=draft.summary,
        material=draft.material,
        changes=draft.changes,
        published_at=now,
        effective_at=effective_at,
        published_by=by,
        catalogue=described,
        catalogue_hash=fingerprint(described),
        history=history,
        changed_at=changed,
        to_come=_to_come(earlier, changed, effective_at, now),
    )


def _check(company: Company, draft: Draft, text: str) -> None:
    if not text.strip():
        raise BadInput("the policy has no text", "text")
    if len(text.encode()) > LONGEST_TEXT:
        raise BadInput(f"at most {LONGEST_TEXT} bytes", "text")
    if draft.title is not None and not _is_one_line(draft.title):
        raise BadInput(f"one line of at most {LONGEST_TITLE} characters", "title")
    if len(draft.summary) > LONGEST_SUMMARY:
        raise BadInput(f"at most {LONGEST_SUMMARY} characters", "summary")
    if any(company.purpose(name) is None for name in draft.changes or []):
        raise BadInput(f"one of {', '.join(one.name for one in company.purposes)}", "changes")
    at = draft.effective_at
    if at is not None and at.tzinfo is None:
        raise BadInput("a time with its zone is needed, such as 2026-12-01T00:00:00Z", "effective_at")
    if at is not None and not 1 < at.year < LAST_YEAR:
        raise BadInput(f"a year after 1 and before {LAST_YEAR} is needed, such as 2026-12-01T00:00:00Z", "effective_at")


def _is_one_line(title: str) -> bool:
    # it will be the subject of a mail
    return len(title) <= LONGEST_TITLE and not any(unicodedata.category(one) in BREAKING for one in title)


def _changed(company: Company, draft: Draft, earlier: Sequence[Published]) -> dict[str, int]:
    if not earlier:
        return {}
    names = draft.changes if draft.changes is not None else [purpose.name for purpose in company.purposes]
    return earlier[-1].policy.changed_at | (dict.fromkeys(names, len(earlier)) if draft.material else {})


def _to_come(
    earlier: Sequence[Published], changed: Mapping[str, int], effective_at: datetime, now: datetime
) -> dict[str, list[Coming]]:
    """Return which changes keep the day they were announced for, by purpose: read anew from what each version changed."""
    days = [*(one.policy.effective_at for one in earlier), effective_at]
    found = {name: list(_undue(_places(earlier, changed, name), days, now)) for name in changed}
    return {name: some for name, some in found.items() if some}


def _places(earlier: Sequence[Published], changed: Mapping[str, int], purpose: str) -> list[int]:
    tables = [*(one.policy.changed_at for one in earlier), changed]
    return [place for place, table in enumerate(tables) if place and table.get(purpose) == place]


def _undue(places: Sequence[int], days: Sequence[datetime], now: datetime) -> Iterator[Coming]:
    """Yield the changes still to come, newest first, up to one that has come: what is older than that counts for nothing."""
    for before, place in reversed(list(pairwise([0, *places]))):
        if days[place] <= now:
            return
        yield Coming(at=days[place], before=before)


def _dated(now: datetime, history: Sequence[str]) -> str:
    day = now.date().isoformat()
    return next(name for name in (day, *(f"{day}.{n}" for n in range(2, 1000))) if name not in history)


def _publication(services: Services, prepared: Prepared, now: datetime) -> list[Change]:
    from shared.promises.findings import summary

    version, policy, found, pointer, _ = prepared
    facts = {
        "version": version,
        "hash": policy.hash,
        "catalogue": policy.catalogue_hash,
        "material": policy.material,
        "changes": policy.changes,
        "by": policy.published_by,
        "effective_at": rfc3339(policy.effective_at),
        "findings": summary(found),
    }
    head = pointer.record.head if pointer else None
    entry, head = ledger.append(services.vault, head, STREAM, now, "policy.published", facts)
    after = InForce(version=version, head=head, history=policy.history)
    move: Change = Update(pointer, after) if pointer else Create(IN_FORCE, after)
    kept = Findings(at=now, found=[msgspec.to_builtins(one) for one in found])
    return [Create(version, policy), Create(version, kept), move, entry, work.item(ANNOUNCE, version, now)]


def read(services: Services, version: str) -> Published:
    """Return a published version, or refuse with 404."""
    stored = services.store.get(Policy, version) if VERSION.fullmatch(version) else None
    if stored is None:
        raise Missing("there is no such version", "version")
    return Published(version, stored.record)
