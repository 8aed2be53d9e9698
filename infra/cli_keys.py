"""`pledge`'s commands for keys and secrets. None prints a secret, but for the one that makes a key for the website."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from infra.container import Container
from shared.failures import Misconfigured
from shared.vault import Keyset, new_token

WEBSITE_KEYS = "WEBSITE_KEYS"


def add_to(commands: Any) -> None:
    """Add these commands to the command line's."""
    new = commands.add_parser("new-keyset", help="make the keyset of a new stack on Google Cloud")
    new.add_argument("--orphan-what-exists", action="store_true", help="even though one exists: its data stays shut")
    new.set_defaults(run=_new_keyset)
    rotate = commands.add_parser("rotate-keys", help="write with new keys, read everything written before")
    rotate.add_argument("--rewrap", action="store_true", help="the same keys, under the KMS key's present version")
    rotate.set_defaults(run=_rotate)
    website = commands.add_parser("rotate-website-key", help="make a key for the website's server; the last one stays")
    website.set_defaults(run=_rotate_website_key)
    check = commands.add_parser("check-secrets", help="look at every secret the functions are given, on Google Cloud")
    check.add_argument("--pinned", action="append", default=[], type=pin, metavar="NAME=N", help="the version deployed")
    check.set_defaults(run=_check)


def pin(text: str) -> tuple[str, int]:
    """Read `NAME=N`: a secret and the number of a version. Raises ValueError."""
    name, _, number = text.partition("=")
    return name, int(number)


def _new_keyset(asked: argparse.Namespace, container: Container) -> int:
    from infra.gcp.keyring import KEYSET, Keyring

    keyring = Keyring.of(container.settings)
    if keyring.secrets.versions(KEYSET) and not asked.orphan_what_exists:
        raise Misconfigured(
            "secret KEYSET has versions already. Under another keyset nothing sealed before opens and nobody is found "
            "again: use rotate-keys, or say --orphan-what-exists"
        )
    _say(f"KEYSET version {keyring.add(Keyset.generate())} added: pin it (secret_versions) and deploy.")
    return 0


def _rotate(asked: argparse.Namespace, container: Container) -> int:
    if container.settings.runtime == "gcp":
        return _rewrap_on_google(container) if asked.rewrap else _rotate_on_google(container)
    if asked.rewrap:
        raise Misconfigured("--rewrap: only on Google Cloud, where a KMS key wraps the keyset")
    from infra.local.keyset_file import rotate

    rotate(container.settings.data_dir / "keyset.json")
    _say("rotated; restart to write with the new keys")
    return 0


def _rotate_on_google(container: Container) -> int:
    from infra.gcp.keyring import Keyring
    from infra.gcp.keyset import announced

    keyring = Keyring.of(container.settings)
    present = keyring.newest()
    rotated = present.rotated()
    # functions are deployed one after the other: none may write what another cannot read yet
    reads, writes = keyring.add(announced(rotated, present)), keyring.add(rotated)
    _say(
        f"KEYSET versions {reads} and {writes} added.\n"
        f"  1. Pin {reads} and deploy: every function reads with the new keys and writes with the old.\n"
        f"  2. Pin {writes} and deploy: every function writes with the new keys.\n"
        f"Older versions may be disabled once every instance runs with {writes}; it holds their keys too."
    )
    return 0


def _rewrap_on_google(container: Container) -> int:
    from infra.gcp.keyring import Keyring

    keyring = Keyring.of(container.settings)
    number = keyring.add(keyring.newest())
    _say(f"KEYSET version {number} added: the same keys, wrapped by the KMS key's present version. Pin it and deploy.")
    return 0


def _rotate_website_key(_asked: argparse.Namespace, container: Container) -> int:
    from infra.gcp.keyring import secrets_of

    secrets, key = secrets_of(container.settings), new_token()
    newest = secrets.newest(WEBSITE_KEYS)
    last = secrets.read(WEBSITE_KEYS, newest.number).split(",")[:1] if newest else []
    number = secrets.add(WEBSITE_KEYS, ",".join([key, *last]))
    _say(
        f"WEBSITE_KEYS version {number} added: the new key and the last one are valid, none before.\n"
        f"  1. Pin {number} and deploy.\n"
        f"  2. Give the website's server this key; it is not shown again:\n{key}"
    )
    return 0


def _check(asked: argparse.Namespace, container: Container) -> int:
    from infra.gcp.secret_checks import check, table
    from infra.local.functions import function_map

    names = {name for entry in function_map().values() for name in entry["secrets"]}
    pinned = dict(asked.pinned)
    if strangers := set(pinned) - names:
        raise Misconfigured(f"--pinned: no function has the secret {', '.join(sorted(strangers))}")
    rows = check(container.settings, names, pinned)
    _say(table(rows))
    return 1 if any(row.wrong for row in rows) else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
