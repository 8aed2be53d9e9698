"""What transports put into headers and read from answers: a key that can be sent, seconds that can be waited."""

from __future__ import annotations

from shared.failures import Misconfigured

UNREADABLE = (ValueError, RecursionError)
"""What decoding JSON raises: text that is not UTF-8 is no `msgspec.DecodeError`, and neither is what is nested too deep."""
MOST_DIGITS = 12
"""A Unix time has ten. Python refuses to read numbers of thousands of digits, and nobody waits so long."""


def can_be_sent(key: str) -> bool:
    """Tell whether a key can stand in a header: printable ASCII without spaces, and not nothing."""
    return key.isascii() and key.isprintable() and bool(key) and " " not in key


def checked(key: str, setting: str) -> str:
    """Return the key. Raises Misconfigured, which names the setting and never shows the key."""
    if not key:
        raise Misconfigured(f"{setting} is not set")
    if not can_be_sent(key):
        # most often a line's end that came along from a file: each call would fail, as if the network did
        raise Misconfigured(f"{setting}: only printable ASCII without spaces and line ends can be a key")
    return key


def seconds(text: str | None) -> int | None:
    """Return the whole seconds that a header names; None where it names none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
