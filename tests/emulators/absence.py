"""What becomes of a test whose emulator this machine does not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


class Absent(Exception):
    """This machine lacks what an emulator is made of; the text says what."""


def skip_or_fail(why: Absent) -> NoReturn:
    """Skip with the reason; under PLEDGE_REQUIRE_EMULATORS=1 absence is an error instead."""
    if os.environ.get("PLEDGE_REQUIRE_EMULATORS") == "1":
        raise why
    pytest.skip(str(why))
