"""`make emulators`: the whole product on Google Cloud's parts, each an emulator or a fake on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.emulators.absence import Absent
from tests.emulators.cloud import Cloud

ROOT = Path(__file__).parents[2]
PROJECT = "demo-pledge"


def main() -> int:
    """Start everything, run the product over it until somebody stops it, and keep nothing."""
    try:
        with Cloud() as cloud, tempfile.TemporaryDirectory(prefix="pledge-emulators-") as folder:
            environment = os.environ | {"DATA_DIR": folder} | cloud.stack(PROJECT)
            sys.stdout.write(
                "Firestore, Pub/Sub, Cloud Tasks, Cloud Storage and an issuer of ID tokens run. Nothing is kept.\n"
            )
            sys.stdout.flush()
            return _until_stopped([sys.executable, "-m", "infra.local"], environment)
    except Absent as absent:
        sys.stderr.write(f"make emulators: {absent}\n")
        return 1


def _until_stopped(command: list[str], environment: dict[str, str]) -> int:
    with subprocess.Popen(command, cwd=ROOT, env=environment) as product:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: product.terminate())
        return product.wait()


if __name__ == "__main__":
    sys.exit(main())
