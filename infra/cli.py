"""`pledge`: the command line. It acts on the store that the environment names, beside a running server if there is one."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from infra import cli_keys
from infra.container import Container
from infra.settings import Settings
from shared.failures import Misconfigured, NeverRetry, Refused, TryAgain
from shared.promises import campaigns, checkpoints, evidence, policy


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked, Container(Settings())))
    except Refused as refusal:
        return _failed(f"{refusal.field}: {refusal.rule}" if refusal.field else refusal.rule)
    except (Misconfigured, NeverRetry, TryAgain, OSError) as error:
        return _failed(str(error))


def _failed(why: str) -> int:
    sys.stderr.write(f"pledge: {why}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pledge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    publish = commands.add_parser("publish", help="publish a version of the policy")
    publish.add_argument("file", type=Path, help="the policy, Markdown or plain text, UTF-8; - for standard input")
    publish.add_argument("--version", help="its name; the day's date when absent")
    publish.add_argument("--title", help="its title; the first heading when absent")
    publish.add_argument("--summary", default="", help="what changed, in a sentence or two")
    publish.add_argument("--minor", action="store_true", help="not material: nobody is asked again")
    publish.add_argument("--changes", help="the purposes it changes, comma-separated; all of them when absent")
    publish.add_argument("--effective-at", type=datetime.fromisoformat, help="RFC 3339; now when absent")
    publish.add_argument("--by", help="who publishes; the first of OPERATORS when absent")
    publish.set_defaults(run=_publish)
    verify = commands.add_parser("verify", help="check the evidence since the last checkpoint")
    verify.add_argument("--all", action="store_true", help="every stream, every head and every checkpoint")
    verify.set_defaults(run=_verify)
    cli_keys.add_to(commands)
    bundle = commands.add_parser("bundle", help="pack what Google Cloud runs, with the company's own files")
    bundle.add_argument("--company", type=Path, required=True, help="the company's file, YAML")
    bundle.add_argument("--website-data", type=Path, required=True, help="what the website holds about a person, YAML")
    bundle.add_argument("out", type=Path, help="the ZIP to write")
    bundle.set_defaults(run=_bundle)
    return parser


def _publish(asked: argparse.Namespace, container: Container) -> int:
    if asked.effective_at is not None and asked.effective_at.tzinfo is None:
        return _failed("--effective-at: give the zone too, as in 2026-12-01T00:00:00Z")
    draft = policy.Draft(
        text=_text(asked.file),
        version=asked.version,
        title=asked.title,
        summary=asked.summary,
        material=not asked.minor,
        changes=asked.changes.split(",") if asked.changes else None,
        effective_at=asked.effective_at,
    )
    published = policy.publish(container, draft, asked.by or container.operators[0])
    container.policies.wait_until_seen()
    sys.stdout.write(f"published {published.version}  sha256 {published.policy.hash}\n")
    sys.stdout.write(f"campaign {campaigns.campaign_id(published.version)}\n")
    return 0


def _text(file: Path) -> str:
    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Misconfigured(f"{file.name}: not UTF-8 text") from None


def _bundle(asked: argparse.Namespace, _container: Container) -> int:
    from infra.bundle import bundle

    packed = bundle(asked.company, asked.website_data)
    asked.out.write_bytes(packed)
    sys.stdout.write(f"{asked.out}  {len(packed)} bytes  sha256 {sha256(packed).hexdigest()}\n")
    return 0


def _verify(asked: argparse.Namespace, container: Container) -> int:
    found = evidence.check(container) if asked.all else checkpoints.check_since_last(container)
    sys.stdout.write(
        f"{found['entries']} entries, {'intact' if found['intact'] else 'BROKEN at ' + found['first_break']}\n"
    )
    return 0 if found["intact"] else 2


if __name__ == "__main__":
    sys.exit(main())
