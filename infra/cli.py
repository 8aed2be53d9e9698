"""`pledge`: the command line. It acts on the store that the environment names, beside a running server if there is one."""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from pathlib import Path

from infra import cli_import, cli_keys, cli_publish
from infra.container import Container
from infra.settings import Settings
from shared.failures import Misconfigured, NeverRetry, Refused, TryAgain
from shared.promises import checkpoints, evidence


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked, Container(Settings())))
    except Refused as refusal:
        return _failed(f"{refusal.field}: {refusal.rule}" if refusal.field else refusal.rule)
    except Misconfigured as error:
        return _failed(str(error))
    except (NeverRetry, TryAgain, OSError) as error:
        from infra.imports.trouble import told

        return _failed(told(error))


def _failed(why: str) -> int:
    sys.stderr.write(f"pledge: {why}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pledge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_publish.add_to(commands)
    verify = commands.add_parser("verify", help="check the evidence since the last checkpoint")
    verify.add_argument("--all", action="store_true", help="every stream, every head and every checkpoint")
    verify.set_defaults(run=_verify)
    cli_import.add_to(commands)
    cli_keys.add_to(commands)
    bundle = commands.add_parser("bundle", help="pack what Google Cloud runs, with the company's own files")
    bundle.add_argument("--company", type=Path, required=True, help="the company's file, YAML")
    bundle.add_argument("--website-data", type=Path, required=True, help="what the website holds about a person, YAML")
    bundle.add_argument("out", type=Path, help="the ZIP to write")
    bundle.set_defaults(run=_bundle)
    return parser


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
