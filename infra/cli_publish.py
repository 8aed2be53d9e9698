"""`pledge publish`: publish a version of the policy, or show with `--dry-run` what that would do."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from infra.container import Container
from shared.failures import Misconfigured
from shared.promises import campaigns, policy
from shared.text_difference import Piece, near_a_blank
from shared.times import rfc3339

if TYPE_CHECKING:
    from shared.promises.findings import Finding

TITLES = {
    "contradiction": "Contradicted by the configuration",
    "unprovable": "Not provable by anything",
    "missing": "Missing",
}
EFFECTIVE_AT = "RFC 3339, such as 2027-01-01T00:00:00Z; now when absent. A material change needs 14 days: name a day at least that far"
WIDEST = 100
MOST_WARNED = 10
BESIDE = 120
"""Letters of what stayed that are shown beside a change."""
COLOURS = {"insert": "\x1b[32m", "delete": "\x1b[31m"}
PLAIN = "\x1b[0m"


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time with its zone is needed, such as 2027-01-01T00:00:00Z") from None


def add_to(commands: Any) -> None:
    """Add the command."""
    publish = commands.add_parser("publish", help="publish a version of the policy")
    publish.add_argument("file", type=Path, help="the policy, Markdown or plain text, UTF-8; - for standard input")
    publish.add_argument("--version", help="its name; the day's date when absent")
    publish.add_argument("--title", help="its title; the first heading when absent")
    publish.add_argument("--summary", default="", help="what changed, in a sentence or two")
    publish.add_argument("--minor", action="store_true", help="not material: nobody is asked again")
    publish.add_argument("--changes", help="the purposes it changes, comma-separated; all of them when absent")
    publish.add_argument("--effective-at", type=_moment, help=EFFECTIVE_AT)
    publish.add_argument("--by", help="who publishes; the first of OPERATORS when absent")
    publish.add_argument(
        "--dry-run", action="store_true", help="change nothing: show recipients, findings and difference"
    )
    publish.add_argument("--json", action="store_true", help="answer as JSON")
    publish.set_defaults(run=_publish)


def _publish(asked: argparse.Namespace, container: Container) -> int:
    draft, by = _draft(asked), asked.by or container.operators[0]
    if asked.dry_run:
        from shared.promises import publishing

        answer = publishing.rehearse(container, draft, by)
        _say(_json(answer) if asked.json else "\n".join(_rehearsed(answer, colour=sys.stdout.isatty())))
        return 0
    published = policy.publish(container, draft, by)
    container.policies.wait_until_seen()
    campaign = campaigns.campaign_id(published.version)
    against = _contradictions(container, published.version)
    if asked.json:
        answer = {"version": published.version, "hash": published.policy.hash, "campaign_id": campaign}
        _say(_json(answer | {"contradictions": against}))
        return 0
    _say(f"published {published.version}  sha256 {published.policy.hash}")
    _say(f"in effect from {rfc3339(published.policy.effective_at)}")
    if draft.effective_at and draft.effective_at < published.policy.effective_at:
        _say("Not from the day you gave: only the first version of all may be older than its publication here.")
    for line in _warned(against):
        _say(line)
    _say("Everybody with an account is written to, beginning within five minutes.")
    _say(f"campaign {campaign}")
    return 0


def _contradictions(container: Container, version: str) -> list[Finding]:
    # only who publishes pays for loading the rules
    from shared.promises import findings

    found: list[Finding] = findings.shown(container, version)["findings"]
    return [one for one in found if one.kind == "contradiction" and not one.advisory]


def _warned(against: Sequence[Finding]) -> Iterator[str]:
    """Yield in short what of a published version is not so: whoever did not look first learns it now."""
    if against:
        yield f"{TITLES['contradiction']}: {len(against)}"
    for one in against[:MOST_WARNED]:
        yield from _wrapped(one.why, "- ", "  ")
    if len(against) > MOST_WARNED:
        yield f"… and {len(against) - MOST_WARNED} more"
    if against:
        yield "They are kept with the version. Another version can put them right; --dry-run shows all findings before anybody is told."


def _draft(asked: argparse.Namespace) -> policy.Draft:
    if asked.effective_at is not None and asked.effective_at.tzinfo is None:
        raise Misconfigured("--effective-at: give the zone too, as in 2026-12-01T00:00:00Z")
    return policy.Draft(
        text=_text(asked.file),
        version=asked.version,
        title=asked.title,
        summary=asked.summary,
        material=not asked.minor,
        changes=None if asked.changes is None else [one.strip() for one in asked.changes.split(",") if one.strip()],
        effective_at=asked.effective_at,
    )


def _text(file: Path) -> str:
    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Misconfigured(f"{file.name}: not UTF-8 text") from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _json(answer: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(answer)).decode()


def _rehearsed(answer: dict[str, Any], *, colour: bool) -> Iterator[str]:
    """Yield the lines of a dry run."""
    yield f"Dry run: nothing is published.  Version {answer['version']}, sha256 {answer['hash']}"
    yield f"In effect from {answer['effective_at']}, {'material' if answer['material'] else 'not material'}"
    money = answer["cost"].get("money")
    yield f"Recipients: {answer['recipients']} accounts" + (f", {money} at most" if money else "")
    yield "Less those whose address is not confirmed or bounced; accounts that share a mailbox get one mail."
    if any(one.rule == "notice_too_short" for one in answer["findings"]):
        yield "Give people 14 days: pass --effective-at with a day at least that far, or --minor if nobody need be asked."
    if answer["unchanged"]:
        yield "Neither the text nor purposes and recipients changed: everybody would be written to for nothing."
    yield from _found(answer["findings"])
    if answer["diff"] is None:
        yield from ["", "WHAT CHANGES", "This is the first version."]
        return
    yield from ["", f"WHAT CHANGES, from version {answer['difference_from']}, which people live under until then"]
    yield from _differing(answer, colour=colour)
    if answer["since_last"]:
        yield from ["", f"WHAT DIFFERS from version {answer['follows']}, which was published last"]
        yield from _differing(answer["since_last"], colour=colour)


def _differing(held: dict[str, Any], *, colour: bool) -> Iterator[str]:
    from infra.http.difference_page import sentences

    yield from sentences(held["catalogue"])
    yield from _changes(held["diff"], colour=colour)


def _found(findings: Iterable[Any]) -> Iterator[str]:
    listed = list(findings)
    yield from ["", f"FINDINGS: {len(listed)}"]
    for kind, title in TITLES.items():
        some = [one for one in listed if one.kind == kind]
        if some:
            yield from ["", f"{title}: {len(some)}"]
        for one in some:
            yield from _wrapped(one.why + (" (only where it applies)" if one.advisory else ""), "- ", "  ")
            yield from _wrapped(f"“{one.sentence}”", "    ", "    ") if one.sentence else []
            yield f"    {one.section + ' · ' if one.section else ''}{one.source}"


def _wrapped(text: str, first: str, others: str) -> list[str]:
    width = min(WIDEST, shutil.get_terminal_size().columns)
    return textwrap.wrap(text, max(width, 40), initial_indent=first, subsequent_indent=others)


def _changes(pieces: Iterable[Piece], *, colour: bool) -> Iterator[str]:
    """Yield each change with a few words of what stands beside it: [-gone-] and {+new+}."""
    listed = list(pieces)
    if all(one.op == "equal" for one in listed):
        yield "The text stays as it is."
        return
    shown = "".join(
        _stayed(one.old, is_first=n == 0, is_last=n == len(listed) - 1)
        if one.op == "equal"
        else _marked(one, colour=colour)
        for n, one in enumerate(listed)
    )
    for line in shown.split("\n"):
        yield from _wrapped(line, "  ", "  ") if not colour else [f"  {line}"]


def _stayed(text: str, *, is_first: bool, is_last: bool) -> str:
    if len(text) <= 3 * BESIDE:
        return text
    head = "" if is_first else text[: near_a_blank(text, BESIDE)] + " […]"
    tail = "" if is_last else "[…] " + text[len(text) - near_a_blank(text[::-1], BESIDE) :]
    return f"{head}\n{tail}"


def _marked(piece: Piece, *, colour: bool) -> str:
    def marks(op: str, words: str, start: str, end: str) -> str:
        marked = f"{start}{words}{end}"
        return f"{COLOURS[op]}{marked}{PLAIN}" if colour else marked

    gone = marks("delete", piece.old, "[-", "-]") if piece.old else ""
    return gone + (marks("insert", piece.new, "{+", "+}") if piece.new else "")
