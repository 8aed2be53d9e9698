"""The clock in the cloud: the machine's own."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.times import whole_second


class SystemClock:
    """The `Clock` port over the machine's clock, which Google Cloud keeps in step."""

    def now(self) -> datetime:
        """Return the present."""
        return whole_second(datetime.now(UTC))
