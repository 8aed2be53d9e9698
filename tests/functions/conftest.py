"""What every test of the functions may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions.called import Called


@pytest.fixture
def called(tmp_path: Path) -> Iterator[Called]:
    """Return the functions over a folder of their own."""
    functions = Called(tmp_path)
    yield functions
    functions.close()
