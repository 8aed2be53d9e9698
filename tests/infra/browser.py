"""A real browser for tests, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium. Skips when there is none; fails instead where a browser is required."""
    path = shutil.which("chromium")
    if path is None:
        _absent("there is no chromium on this machine")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


def axe_source() -> str:
    """Return axe-core, which is never committed. Skips or fails as `browser` does."""
    if not AXE.is_file():
        _absent("axe-core is not installed: npm install --no-save axe-core")
    return AXE.read_text(encoding="utf-8")


def _absent(reason: str) -> NoReturn:
    if os.environ.get("PLEDGE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
