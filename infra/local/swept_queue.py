"""The queue of a function that is started alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class SweptQueue:
    """The `WorkQueue` port without a queue: its work is left to the sweep."""

    def announce(self, work: Sequence[tuple[str, datetime]]) -> None:
        """Do nothing; what is due is found by the sweep."""
