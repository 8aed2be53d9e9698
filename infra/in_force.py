"""Which policy is in force, read at most once a second by an instance.

A capture must not cost a read for something that changes a few times a year. Whoever publishes waits that second out, so
that when it is done, every instance serves the new version and refuses notices of the old one.
"""

from __future__ import annotations

import time

from shared.failures import TryAgain
from shared.promises.policy import IN_FORCE, Published
from shared.records import InForce, Policy
from shared.store import Store

SEEN_BY_ALL_AFTER = 1.0
"""Seconds of real time, not of the product's clock."""


class PolicyInForce:
    """A small cache over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._published: Published | None = None
        self._read_at = 0.0

    def current(self) -> Published:
        """Return the version notices carry. Raises TryAgain while none is published."""
        now = time.monotonic()
        if self._published is None or now - self._read_at >= SEEN_BY_ALL_AFTER:
            self._published, self._read_at = self._read(), now
        return self._published

    def forget(self) -> None:
        """Read again next time; whoever publishes in this process calls it."""
        self._published = None

    def wait_until_seen(self) -> None:
        """Return when every instance serves what was just published, and refuses notices of the version before."""
        self.forget()
        time.sleep(SEEN_BY_ALL_AFTER)

    def _read(self) -> Published:
        pointer = self._store.get(InForce, IN_FORCE)
        if pointer is None:
            raise TryAgain("no_policy_published")
        if self._published is not None and self._published.version == pointer.record.version:
            return self._published
        policy = self._store.get(Policy, pointer.record.version)
        if policy is None:
            raise TryAgain("no_policy_published")
        return Published(pointer.record.version, policy.record)
