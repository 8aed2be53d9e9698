"""A scheduled job that goes through many records takes each apart: one that cannot be read keeps no other from its turn.

A person is shown which one it was, by its id, for as long as it fails; the job goes on, and fails at its end.
"""

from __future__ import annotations

from collections.abc import Callable

from shared import attention
from shared.failures import NeverRetry, TryAgain
from shared.ports import Services
from shared.records import ATTENTION_OF_KIND, Attention
from shared.store import MOST_CHANGES, Delete, every


class Apart:
    """One run of such a job. `kind`: what a failure of it is called on the list of what a person must look at."""

    def __init__(self, services: Services, kind: str) -> None:
        self._services = services
        self._kind = kind
        self._shown = {one.id for one in every(services.store, ATTENTION_OF_KIND, kind)}
        self._failed: dict[str, Exception] = {}

    def take(self, act: Callable[[], int], ref: str, collection: str) -> int:
        """Do this for one record and return what it counts: 0 where it failed. Raises TryAgain for the list itself."""
        try:
            return act()
        except Exception as failure:  # noqa: BLE001 - whatever a record does to our code, the others have their turn
            self._note(failure, ref, collection)
            return 0

    def _note(self, failure: Exception, ref: str, collection: str) -> None:
        id = attention.attention_id(self._kind, ref, collection)
        self._failed[id] = failure
        if id in self._shown or isinstance(failure, TryAgain):
            # said once; and what passes is for the next run
            return
        problem = failure.code if isinstance(failure, NeverRetry) else type(failure).__name__
        now = self._services.clock.now()
        self._services.commit(attention.raised(self._kind, ref, now, f"{collection}:{problem}", collection))

    def end(self) -> None:
        """Take off the list what did not fail this time. Raises the first failure, so that the job is seen to fail."""
        over = [Delete(Attention, id) for id in self._shown if id not in self._failed]
        for start in range(0, len(over), MOST_CHANGES):
            self._services.commit(over[start : start + MOST_CHANGES])
        for failure in self._failed.values():
            raise failure
