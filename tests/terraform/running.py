"""Terraform itself, run on a copy of `terraform/`: nothing is written into the tree, and nothing is asked of a network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAVE = shutil.ignore_patterns(".terraform*", "*.tfstate*")


def found() -> str:
    """Return where Terraform is. Without it a test is skipped, and fails where PLEDGE_REQUIRE_TERRAFORM is 1."""
    binary = shutil.which("terraform")
    if binary is None and os.environ.get("PLEDGE_REQUIRE_TERRAFORM") == "1":
        pytest.fail("terraform is not installed, and PLEDGE_REQUIRE_TERRAFORM is 1")
    if binary is None:
        pytest.skip("terraform is not installed")
    return binary


class Terraform:
    """A copy of `terraform/`, and the commands run in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder / "terraform"
        shutil.copytree(ROOT / "terraform", self.folder, ignore=LEAVE)
        settings = folder / "settings.tfrc"
        settings.touch()
        quiet = {"TF_CLI_CONFIG_FILE": str(settings), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        # a quarter of its time is collecting garbage in a process that ends at once
        quiet["GOGC"] = "400"
        given = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        self._environment = {**given, **quiet, **environment}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one command; both outputs together, as a person sees them."""
        called = [found(), *command, "-no-color"]
        return subprocess.run(
            called,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def write(self, file: str, text: str) -> None:
        """Write one file of the copy anew."""
        (self.folder / file).write_text(text)

    def read(self, file: str) -> str:
        """Return one file of the copy."""
        return (self.folder / file).read_text()
