"""`python -m infra.local.sandbox --port N --data-dir DIR`: serve the vendors on the loopback address."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from infra.local.sandbox.server import VENDORS, Sandbox, server_of
from infra.settings import Settings


def main() -> None:
    """Serve until the process ends; it may be killed at any moment."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--follow-stdin", action="store_true", help="end when standard input closes")
    asked = parser.parse_args()
    if asked.follow_stdin:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    os.umask(0o077)  # what is in here is personal data
    server_of(Sandbox(asked.data_dir, _keys(), Settings().text("PRODUCT_BASE")), asked.port).serve_forever()


def _end_with_parent() -> None:
    # a pipe closes even when the parent is killed; nothing else tells of that everywhere
    sys.stdin.read()
    os._exit(0)


def _keys() -> dict[str, str]:
    settings = Settings()
    keys = {vendor.name: settings.text(f"{vendor.name.upper()}_API_KEY") for vendor in VENDORS}
    return {name: key for name, key in keys.items() if key}


if __name__ == "__main__":
    main()
