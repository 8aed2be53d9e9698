"""What is measured: a copy of the product and of the floors, byte-compiled, served one function at a time.

A copy, because every round must see the same code while people go on writing it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.bench.serving import Program, Server, clean_environment

ROOT = Path(__file__).parents[2]
DEPLOYED = ("main.py", "functions", "infra", "shared", "terraform")


class Stage:
    """The programs, in one scratch folder. `core`: the processor they run on, None for all."""

    def __init__(self, scratch: Path, core: int | None = None) -> None:
        self.product = scratch / "product" / "main.py"
        self._floors = scratch / "floors"
        self._logs = scratch / "logs"
        self._core = core
        self._environment = clean_environment() | {"PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
        self._copy()
        self.functions: dict[str, Any] = yaml.safe_load(
            (self.product.parent / "terraform" / "functions.yaml").read_text()
        )

    def _copy(self) -> None:
        self._logs.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for name in DEPLOYED:
            source, target = ROOT / name, self.product.parent / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy(source, target)
        shutil.copytree(Path(__file__).parent / "floors", self._floors, ignore=ignored)
        command = [sys.executable, "-m", "compileall", "-q", str(self.product.parent), str(self._floors)]
        subprocess.run(command, env=self._environment, check=True, timeout=120)

    def program(self, name: str) -> Program:
        """Return a floor or a function of the product, by its name."""
        target = name.replace("-", "_")
        if name in self.functions:
            on_topic = "topic" in self.functions[name]["trigger"]
            return Program(self.product, target, "cloudevent" if on_topic else "http")
        return Program(self._floors / f"{target}.py", target)

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a program's process."""
        return self._environment | dict(settings)

    def serve(self, name: str, settings: Mapping[str, str]) -> Server:
        """Start a floor or a function of the product, by its name."""
        return Server(self.program(name), self.environment(settings), self._logs, self._core)
