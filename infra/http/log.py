"""Logs: one JSON line each, as Cloud Logging reads them. Ids, codes and counts only; never a person's data."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

SEVERITY = {
    "caller_refused": "WARNING",
    "crashed": "ERROR",
    "message_unusable": "WARNING",
    "queue_unavailable": "WARNING",
    "unavailable": "WARNING",
    "work_failed": "ERROR",
    "work_postponed": "WARNING",
}


def event(name: str, function: str, **facts: Any) -> None:
    """Write one line to standard error."""
    line = {"severity": SEVERITY.get(name, "INFO"), "event": name, "function": function, **facts}
    sys.stderr.write(msgspec.json.encode(line).decode() + "\n")
